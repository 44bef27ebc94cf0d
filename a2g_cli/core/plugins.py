"""Plugins by kind and name: robots, cameras, scenes, and so on. Built-ins use the same entry points as third parties.

A package names a plugin in its ``pyproject.toml``, under the group that ``GROUPS`` gives for its kind. Listing the names
imports nothing; a plugin is imported when it is asked for by name. docs/plugins.md says what each kind must be.
"""

import importlib
import inspect
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args

from a2g_cli.core.errors import A2GError, HardwareError, PluginError, UnknownNameError, UsageError

Kind = Literal[
    "robot",
    "camera",
    "scene",
    "shift",
    "format",
    "relabelling rule",
    "finetuning method",
    "judge",
    "encoder",
    "planner",
    "world",
    "expert",
    "teleoperator",
]

GROUPS: Mapping[Kind, str] = {
    "robot": "a2g.robots",
    "camera": "a2g.cameras",
    "scene": "a2g.scenes",
    "shift": "a2g.shifts",
    "format": "a2g.formats",
    "relabelling rule": "a2g.relabelling",
    "finetuning method": "a2g.finetuning",
    "judge": "a2g.judges",
    "encoder": "a2g.encoders",
    "planner": "a2g.planners",
    "world": "a2g.worlds",
    "expert": "a2g.experts",
    "teleoperator": "a2g.teleoperators",
}
"""Kind of plugin, as messages name it -> its entry-point group."""

THIRD_PARTY: tuple[Kind, ...] = ("world", "expert")
"""Kinds of which a2g itself has none."""

_SETTING_TYPES: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "text in quotes"),
}
"""The annotation of a driver's setting -> the types that a file may hold there, and those types in words."""


_PACKAGE = __name__.partition(".")[0]
_FOLDER = Path(__file__).parents[1]
_LONGEST = 300
"""Letters of a plugin's own error text that a message repeats."""


@contextmanager
def calling(what: str, call: str, built_in: bool = False, error: type[A2GError] = HardwareError) -> Iterator[None]:
    """Call a plugin, and turn any exception that is not a2g's own into one clear error.

    A2GError passes unchanged, and so does what is not an ``Exception``, such as KeyboardInterrupt.

    Args:
        what: the plugin, e.g. ``"robot 'myarm:left'"``.
        call: the call, e.g. ``"observe"``.
        built_in: the plugin comes with a2g and raises A2GError itself. Any other exception of it is a defect of a2g and
            passes unchanged, except OSError, which devices and files raise.
        error: the error to raise: HardwareError for drivers, PluginError for other plugins.

    Raises:
        A2GError: of type ``error``; names the plugin, the call, the exception, and the line in the plugin that raised it.
    """
    try:
        yield
    except A2GError:
        raise
    except Exception as raised:
        if built_in and not isinstance(raised, OSError):
            raise
        raise error(f"{what} failed in {call}{_location(raised)}: {_sentence(raised)}") from raised


def is_built_in(plugin: object) -> bool:
    """Whether a class, a function or an object of a class comes with a2g."""
    return str(getattr(plugin, "__module__", "")).partition(".")[0] == _PACKAGE


def _location(error: BaseException) -> str:
    """Return the plugin's line that raised ``error`` as `` (file, line N)``; empty if the plugin was not entered."""
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if not path.is_relative_to(_FOLDER) and path.name != "contextlib.py" and "importlib" not in frame.filename:
            return f" ({path.name}, line {frame.lineno})"
    return ""


def _sentence(error: BaseException) -> str:
    """Return an exception's type and text as one sentence."""
    text = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def known(kind: Kind) -> list[str]:
    """Return the names of the installed plugins of one kind, sorted. Imports none of them."""
    return sorted({entry.name for entry in entry_points(group=GROUPS[kind])})


def split(name: str) -> tuple[str, str | None]:
    """Return the two parts of ``DRIVER:VALUE``; VALUE, of the driver's first setting, is None for ``DRIVER`` alone."""
    driver, colon, value = name.partition(":")
    return driver, value if colon else None


def load(kind: Kind, name: str) -> Any:
    """Import and return the plugin called ``name``. A built-in comes before a third party's plugin of the same name.

    Raises:
        UnknownNameError: no plugin of this kind has that name.
        HardwareError: a driver, or a package that it needs, cannot be imported.
        PluginError: another plugin cannot be imported, or a2g is not installed as it should be.
    """
    entries = [entry for entry in entry_points(group=GROUPS[kind]) if entry.name == name]
    if not entries:
        if not (names := known(kind)) and kind not in THIRD_PARTY:
            raise PluginError(
                f"no {kind} is registered, not even a2g's own: this installation of a2g is older than its code. "
                "Install it again: pip install a2g, or pip install -e . in a clone."
            )
        raise UnknownNameError(kind, name, names)
    entry = min(entries, key=lambda entry: not entry.module.startswith(f"{_PACKAGE}."))
    failure = HardwareError if kind in {"robot", "camera"} else PluginError
    try:
        return entry.load()
    except ImportError as error:
        raise failure(f"{kind} {name!r} needs a package that is not installed: {error}") from error
    except Exception as error:  # importing other people's code can raise anything
        raise failure(f"{kind} {name!r} does not load{_location(error)}: {_sentence(error)}") from error


def find(kind: Kind, text: str) -> Any:
    """Return the plugin called ``text``, or the object at ``MODULE:ATTRIBUTE``, which needs no package.

    Raises:
        UnknownNameError: no plugin of this kind has that name.
        UsageError: there is no such module, or it has no such attribute.
        PluginError: the module, or the plugin, cannot be imported.
    """
    module, colon, attribute = text.partition(":")
    if not colon:
        if text not in (names := known(kind)):
            raise UnknownNameError(kind, text, names, "An object of a module is named MODULE:ATTRIBUTE.")
        return load(kind, text)
    where = f"{kind} {text!r}"
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise PluginError(f"{where} needs a package that is not installed: {error}.") from error
        raise UsageError(
            f"{where}: there is no module {error.name!r}; its folder has to be on PYTHONPATH, or installed."
        ) from error
    except Exception as error:  # importing other people's code can raise anything
        raise PluginError(f"{where} does not load{_location(error)}: {_sentence(error)}") from error
    for part in attribute.split("."):
        found = getattr(found, part, None)
        if found is None:
            raise UsageError(f"{where}: the module {module!r} has no {attribute!r}.")
    return found


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
    """Return the settings of the driver ``name``: its constructor's parameters, in order. Raises as ``load``."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    signature = inspect.signature(load(kind, name)).parameters
    return {setting: parameter for setting, parameter in signature.items() if parameter.kind in by_name}


def first(kind: Kind, name: str) -> str:
    """Return the setting that ``NAME:VALUE`` sets. Raises UsageError for a driver without settings; else as ``load``."""
    settings = parameters(kind, name)
    if not settings:
        raise UsageError(f"{kind} {name!r} has no settings: write {name} alone.")
    return next(iter(settings))


def expected(parameter: inspect.Parameter, value: object) -> str | None:
    """Return in words what type a setting must have, if its annotation says so and ``value`` has another type.

    None if ``value`` is accepted, or if there is no annotation, or one that is more than simple types.
    """
    annotation = parameter.annotation
    alternatives = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    alternatives = tuple(one for one in alternatives if one is not NoneType)
    if not alternatives or not all(one in _SETTING_TYPES for one in alternatives):
        return None
    accepted = [_SETTING_TYPES[one] for one in alternatives]
    if any(isinstance(value, types) and (bool in types or not isinstance(value, bool)) for types, _ in accepted):
        return None
    return " or ".join(words for _, words in accepted)


def make(kind: Kind, name: str, settings: Mapping[str, Any], section: str) -> Any:
    """Return a driver object made with ``settings``. Opens nothing and moves nothing.

    Args:
        kind: robot or camera.
        name: the driver's name.
        settings: what its constructor is given.
        section: the section of ``a2g.toml`` that can set them, for messages.

    Raises:
        UnknownNameError: no such driver.
        UsageError: a setting that the driver does not have, or a value that it cannot use.
        HardwareError: a third party's constructor fails.
    """
    driver, accepted = load(kind, name), parameters(kind, name)
    if unknown := sorted(settings.keys() - accepted.keys()):
        raise UsageError(
            f"{kind} {name!r} has no setting {', '.join(unknown)}; it has: {', '.join(accepted) or 'none'}."
        )
    if missing := [
        setting for setting, about in accepted.items() if about.default is about.empty and setting not in settings
    ]:
        raise UsageError(f"{kind} {name!r} needs {', '.join(missing)}: set it under [{section}] in a2g.toml.")
    for setting, value in settings.items():
        if value is not None and (words := expected(accepted[setting], value)) is not None:
            raise UsageError(f"{kind} {name!r}: {setting} = {value!r}: expected {words}.")
    with calling(f"{kind} {name!r}", "its constructor", is_built_in(driver)):
        try:
            return driver(**settings)
        except (TypeError, ValueError, AttributeError) as error:
            if not settings:
                raise  # a defect of the driver: nobody set anything
            given = ", ".join(f"{setting} = {value!r}" for setting, value in settings.items())
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UsageError(f"{kind} {name!r} cannot work with the setting {given}: {reason}.") from error
