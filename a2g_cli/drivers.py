"""Name -> class for robots and cameras. Built-ins and third parties come by the same road: entry points."""

from importlib.metadata import entry_points
from typing import Any, Literal

from a2g_cli.errors import HardwareError, UnknownNameError

Kind = Literal["robot", "camera"]


def known(kind: Kind) -> list[str]:
    """Return the names of the installed drivers."""
    return sorted({entry.name for entry in entry_points(group=f"a2g.{kind}s")})


def load(kind: Kind, name: str) -> type[Any]:
    """Return the driver class called ``name``, importing it now.

    Raises:
        UnknownNameError: no driver has that name.
        HardwareError: the driver is there, its SDK is not.
    """
    for entry in entry_points(group=f"a2g.{kind}s"):
        if entry.name == name:
            try:
                driver: type[Any] = entry.load()
            except ImportError as error:
                raise HardwareError(f"{kind} {name!r} needs a package that is not installed: {error}") from error
            return driver
    raise UnknownNameError(kind, name, known(kind))
