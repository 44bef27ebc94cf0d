"""Words of version 0.1 that have another name today: whoever types one reads the new one."""

from collections.abc import Mapping, Sequence
from typing import Any

from a2g_cli.simulator.shifts import OLD_NAMES as OLD_SHIFTS

OLD_OPTIONS: dict[str, str] = {
    "--action-steps": "--denoising-steps",
    "--ahead": "--replan-lead",
    "--execute": "--n-action-steps",
    "--explore": "--pose-search",
    "--hold": "--deadman-key",
    "--mix": "--cotrain",
    "--patience": "--slowness-tau",
    "--rehearse": "--replay-demos",
    "--retain": "--feature-alignment",
}
"""Options: version 0.1's -> today's."""

OLD_VALUES: dict[str, dict[str, str]] = {
    "--adapter": {"none": "base"},
    "--parent": {"none": "base"},
    "--reset": {"home": "rest-pose"},
    "--shift": OLD_SHIFTS,
    "ADAPTER": {"none": "base"},
}
"""Values: version 0.1's -> today's, by their option, or by the name that the help gives to their argument.

What follows a colon is kept: ``relit:0.3``.
"""


def renamed_option(name: str, known: Sequence[str], others: Mapping[str, Sequence[str]]) -> str | None:
    """Return the answer to an option that a command does not have; None where version 0.1 did not have it either.

    Args:
        name: as it was typed.
        known: the options of the command.
        others: the options of other commands, by the command's name.
    """
    new = OLD_OPTIONS.get(name)
    if new is None or new in known:
        return None if new is None else f"{name} is now called {new}."
    having = [f"`a2g {command}`" for command, options in others.items() if new in options]
    return f"{name} is now called {new}, an option of {' and '.join(having)}." if having else None


def renamed_value(option: str, value: Any) -> str | None:
    """Return the answer to a value of version 0.1 that has another name today; None for any other value."""
    old: Mapping[str, str] = OLD_VALUES.get(option, {})
    for one in value if isinstance(value, list | tuple) else (value,):
        word, colon, rest = str(one).partition(":")
        if word in old:
            before = f"{option} " if option.startswith("--") else ""
            return f"{before}{word} is now called {before}{old[word]}{colon}{rest}."
    return None
