"""Name -> class for robots and cameras. Built-ins and third parties come by the same road: entry points."""

import importlib
import inspect
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, Literal

from a2g_cli.errors import HardwareError, UnknownNameError, UsageError

Kind = Literal["robot", "camera"]


def known(kind: Kind) -> list[str]:
    """Return the names of the installed drivers."""
    return sorted({entry.name for entry in entry_points(group=f"a2g.{kind}s")})


def split(name: str) -> tuple[str, str | None]:
    """Return ``DRIVER`` and, of ``DRIVER:WHAT``, what it is asked for: the value of the driver's first setting."""
    driver, colon, what = name.partition(":")
    return driver, what if colon else None


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


def sdk(module: str, package: str, extra: str) -> Any:
    """Return the hardware library ``module``, importing it now.

    Raises:
        HardwareError: it is not installed (``package``, which the extra ``extra`` of a2g brings), or does not load.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise HardwareError(f"{package} does not load: {error}.") from error
        raise HardwareError(f"{package} is not installed: pip install 'a2g[{extra}]'.") from error
    except ImportError as error:
        raise HardwareError(f"{package} does not load: {error}.") from error


def parameters(kind: Kind, name: str) -> dict[str, inspect.Parameter]:
    """Return what the driver ``name`` can be told by name, in the order of its constructor. Raises as ``load``."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = inspect.signature(load(kind, name)).parameters
    return {parameter: about for parameter, about in found.items() if about.kind in by_name}


def first(kind: Kind, name: str) -> str:
    """Return the setting that ``NAME:WHAT`` gives. Raises UsageError for a driver that has none; else as ``load``."""
    settings = parameters(kind, name)
    if not settings:
        raise UsageError(f"{kind} {name!r} has no settings: write {name} alone.")
    return next(iter(settings))


def make(kind: Kind, name: str, settings: Mapping[str, Any], section: str) -> Any:
    """Return a driver object made with ``settings``; nothing is opened and nothing moves.

    Args:
        kind: what it drives.
        name: the driver's.
        settings: what it is told.
        section: where in ``a2g.toml`` they can be set, for messages.

    Raises:
        UnknownNameError: no such driver.
        UsageError: a setting that the driver does not have, or a value that it cannot use.
    """
    driver, known_settings = load(kind, name), parameters(kind, name)
    if unknown := sorted(settings.keys() - known_settings.keys()):
        has = ", ".join(known_settings) or "none"
        raise UsageError(f"{kind} {name!r} has no setting {', '.join(unknown)}; it has: {has}.")
    if missing := [
        setting for setting, about in known_settings.items() if about.default is about.empty and setting not in settings
    ]:
        raise UsageError(f"{kind} {name!r} needs {', '.join(missing)}: set it under [{section}] in a2g.toml.")
    try:
        return driver(**settings)
    except (TypeError, ValueError, AttributeError) as error:
        if not settings:
            raise  # nobody set anything: a defect of the driver, which its trace explains
        told = ", ".join(f"{setting} = {settings[setting]!r}" for setting in _suspects(settings, known_settings))
        why = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(f"{kind} {name!r} cannot work with the setting {told}: {why}.") from error


def _suspects(settings: Mapping[str, Any], known_settings: Mapping[str, inspect.Parameter]) -> list[str]:
    """Return the settings of another kind than the driver's own defaults, or all of them when no such one stands out."""
    odd = [
        name
        for name, value in settings.items()
        if isinstance(default := known_settings[name].default, str | int | float)
        and not isinstance(value, type(default))
        and not (isinstance(default, float) and isinstance(value, int))
    ]
    return odd or list(settings)
