"""Fields of settings dataclasses that are options of the command line: default, help and bounds are said once, here.

``cli/from_settings.py`` makes Typer's options of them, so nothing in this module knows Typer.
"""

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, get_args

Panel = Literal["Learning", "Practice", "Safety", "Hardware", "Experiments", "General"]
"""A group of options in a command's help."""
PANELS: tuple[Panel, ...] = get_args(Panel)
"""In the order in which they are shown."""

_KEY = "a2g.setting"


@dataclass(frozen=True)
class Setting:
    """What the command line says of a field."""

    name: str
    """The field's."""
    option: str
    """``--name``."""
    kind: type
    """``int``, ``float``, ``str``, ``bool`` (``option`` then names both flags), or ``list``, of strings."""
    help: str
    metavar: str | None = None
    low: float | None = None
    high: float | None = None
    panel: Panel | None = None
    """None for the options that people use first."""


def setting(
    default: Any,
    text: str,
    *,
    kind: type | None = None,
    option: str | None = None,
    metavar: str | None = None,
    low: float | None = None,
    high: float | None = None,
    panel: Panel | None = None,
) -> Any:
    """Return a dataclass field that is also an option.

    Args:
        default: its value when the option is not typed; a function, which returns it, for a list.
        text: what the option does, without its default.
        kind: the type of its values; of ``default``, if not given.
        option: ``--name``, where that is not the field's name.
        metavar: what stands for the value in the help.
        low: its least value.
        high: its greatest value.
        panel: where it stands in the help; None for the options that people use first.
    """
    made: dict[str, Any] = {"kind": kind, "option": option, "metavar": metavar, "low": low, "high": high}
    made |= {"help": text, "panel": panel}
    if callable(default):
        return field(default_factory=default, metadata={_KEY: {**made, "kind": kind or default}})
    return field(default=default, metadata={_KEY: {**made, "kind": kind or type(default)}})


def settings_of(settings: type) -> list[Setting]:
    """Return the fields of a settings dataclass that are options, in their order, each with its default in its help."""
    found = []
    for one in fields(settings):
        if _KEY in one.metadata:
            said = dict(one.metadata[_KEY])
            said["option"] = said["option"] or f"--{one.name.replace('_', '-')}"
            if one.default is not MISSING and one.default is not None:
                shown = f"{one.default:g}" if isinstance(one.default, float) else str(one.default)
                if isinstance(one.default, bool):
                    shown = "on" if one.default else "off"
                said["help"] += f"  [default: {shown}]"
            found.append(Setting(one.name, **said))
    return found
