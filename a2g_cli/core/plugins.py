"""Name -> class for robots and cameras. Built-ins and third parties come by the same road: entry points."""

import importlib
import inspect
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args

from a2g_cli.core.errors import A2GError, HardwareError, UnknownNameError, UsageError

Kind = Literal["robot", "camera"]

_SIMPLE: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "text in quotes"),
}
"""What a constructor says of a setting -> what a file may hold there, and that in words."""


_OURS = Path(__file__).parents[1]
_LONGEST = 300
"""Letters of a driver's own words that a message repeats."""


@contextmanager
def calling(what: str, call: str, built_in: bool = False) -> Iterator[None]:
    """Call a driver: a plain exception that leaves it is hardware that fails.

    Errors of a2g's own pass, and so does whatever is no ``Exception``, such as KeyboardInterrupt.

    Args:
        what: the driver, e.g. ``"robot 'myarm:left'"``.
        call: what is called, e.g. ``"observe"``.
        built_in: the driver comes with a2g, and raises HardwareError itself where hardware fails. Any other exception of it
            is a defect of a2g and stays what it is, except OSError: devices and files raise it.

    Raises:
        HardwareError: names the driver, the call, the exception, and where in the driver it came from.
    """
    try:
        yield
    except A2GError:
        raise
    except Exception as error:
        if built_in and not isinstance(error, OSError):
            raise
        raise HardwareError(f"{what} failed in {call}{_place(error)}: {_words(error)}") from error


def is_built_in(driver: object) -> bool:
    """Whether a driver object, or its class, comes with a2g."""
    made = driver if isinstance(driver, type) else type(driver)
    return made.__module__.partition(".")[0] == __name__.partition(".")[0]


def _place(error: BaseException) -> str:
    """Return where the driver was when it failed, `` (file, line N)``; nothing where it was not even entered."""
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if not path.is_relative_to(_OURS) and path.name != "contextlib.py":
            return f" ({path.name}, line {frame.lineno})"
    return ""


def _words(error: BaseException) -> str:
    """Return an exception's kind and its own words, as a sentence."""
    told = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    told = told if len(told) <= _LONGEST else f"{told[: _LONGEST - 1]}…"
    return told if told.endswith((".", "!", "?", "…")) else f"{told}."


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
        HardwareError: the driver is there, its SDK is not; or its code does not load.
    """
    for entry in entry_points(group=f"a2g.{kind}s"):
        if entry.name == name:
            try:
                driver: type[Any] = entry.load()
            except ImportError as error:
                raise HardwareError(f"{kind} {name!r} needs a package that is not installed: {error}") from error
            except Exception as error:
                # Whatever an import of somebody else's code, or a name that it does not have, may raise.
                raise HardwareError(f"{kind} {name!r} does not load{_place(error)}: {_words(error)}") from error
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


def expected(about: inspect.Parameter, value: object) -> str | None:
    """Return what a setting must be, in words, where the driver's constructor says so and ``value`` is something else.

    None where it may be that, or the constructor does not say, or says more than a word can.
    """
    said = get_args(about.annotation) if isinstance(about.annotation, UnionType) else (about.annotation,)
    kinds = [kind for kind in said if kind is not NoneType]
    if not kinds or not all(kind in _SIMPLE for kind in kinds):
        return None
    held = [_SIMPLE[kind] for kind in kinds]
    if any(isinstance(value, types) and (bool in types or not isinstance(value, bool)) for types, _ in held):
        return None
    return " or ".join(words for _, words in held)


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
        HardwareError: a third party's driver fails while it is made.
    """
    driver, known_settings = load(kind, name), parameters(kind, name)
    if unknown := sorted(settings.keys() - known_settings.keys()):
        has = ", ".join(known_settings) or "none"
        raise UsageError(f"{kind} {name!r} has no setting {', '.join(unknown)}; it has: {has}.")
    if missing := [
        setting for setting, about in known_settings.items() if about.default is about.empty and setting not in settings
    ]:
        raise UsageError(f"{kind} {name!r} needs {', '.join(missing)}: set it under [{section}] in a2g.toml.")
    for setting, value in settings.items():
        if value is not None and (words := expected(known_settings[setting], value)) is not None:
            raise UsageError(f"{kind} {name!r}: {setting} = {value!r}: expected {words}.")
    with calling(f"{kind} {name!r}", "its constructor", is_built_in(driver)):
        try:
            return driver(**settings)
        except (TypeError, ValueError, AttributeError) as error:
            if not settings:
                raise  # nobody set anything: it is the driver's own fault
            told = ", ".join(f"{setting} = {value!r}" for setting, value in settings.items())
            why = " ".join(str(error).split()) or type(error).__name__
            raise UsageError(f"{kind} {name!r} cannot work with the setting {told}: {why}.") from error
