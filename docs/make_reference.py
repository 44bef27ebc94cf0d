"""Write docs/reference/cli.md from the command line itself: every command, its arguments and its options.

python docs/make_reference.py            # rewrite it
python docs/make_reference.py --check    # exit 1 when it is not current
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from a2g_cli.cli.app import app

PAGE = Path(__file__).parent / "reference" / "cli.md"
EVERYWHERE = ("--workspace", "--json", "--help")
"""Options that every command has: they stand once, at the top."""
TOP = """# Command line

This page is made from the program by `python docs/make_reference.py`; the tests hold that it is current.
`a2g COMMAND --help` shows the same text. Every command has these options:

| Option | What it does | Default |
|---|---|---|
"""


def cell(text: object) -> str:
    """Return ``text`` as one cell of a Markdown table."""
    line = " ".join(str(text).split())
    for sign, entity in (("|", "\\|"), ("<", "&lt;"), ("[", "\\[")):
        line = line.replace(sign, entity)
    return line


def kind(parameter: Any) -> Any:
    """Return what Typer knows of a value's type: newer versions keep it on the parameter, older ones on its Click type."""
    return getattr(parameter, "type", parameter)


def value(parameter: Any) -> str:
    """Return what an option takes: its metavar, else N or NUMBER; empty for a flag."""
    if parameter.metavar or getattr(parameter, "is_flag", False):
        return str(parameter.metavar or "")
    descriptor = getattr(parameter, "type_descriptor", None)
    name = descriptor.annotation.__name__ if descriptor else parameter.type.name
    return {"int": "N", "integer": "N", "float": "NUMBER"}.get(name.split(" ")[0], name.upper())


def bounds(parameter: Any) -> str:
    """Return the range that a number has to be in, in words; empty where there is none."""
    low, high = getattr(kind(parameter), "min", None), getattr(kind(parameter), "max", None)
    if low is None and high is None:
        return ""
    return f" ({low} or more)" if high is None else f" ({high} or less)" if low is None else f" ({low} to {high})"


def row(parameter: Any) -> str:
    """Return the row of an option or an argument. A default that its help names stands in the column of defaults."""
    if parameter.param_type_name == "argument":
        name = parameter.metavar or parameter.name.upper()
    else:
        name = f"{', '.join([*parameter.opts, *parameter.secondary_opts])} {value(parameter)}".strip()
    told, _, named = (parameter.help or "").replace("\\[", "[").partition("[default: ")
    default = named.rstrip("] ") or ("" if callable(parameter.default) else str(parameter.default))
    shown = {"True": "on"}.get(default, "" if default in {"", "None", "False", "()", "[]"} else f"`{default}`")
    return f"| `{name.replace('|', '&#124;')}` | {cell(told)}{bounds(parameter)} | {shown} |"


def section(name: str, command: Any, depth: int) -> Iterator[str]:
    """Yield the lines of a command, and of the commands within it."""
    yield f"{'#' * depth} {name}\n"
    yield f"{' '.join((command.help or '').split())}\n"
    inner = getattr(command, "commands", {})
    panels: dict[str, list[Any]] = {}
    for parameter in command.params:
        if not (set(parameter.opts) & set(EVERYWHERE) or getattr(parameter, "hidden", False)):
            named = "Argument" if parameter.param_type_name == "argument" else "Option"
            panels.setdefault(getattr(parameter, "rich_help_panel", None) or named, []).append(parameter)
    for panel, parameters in panels.items():
        yield f"| {panel} | What it does | Default |\n|---|---|---|"
        yield from (row(parameter) for parameter in parameters)
        yield ""
    for word, below in inner.items():
        if not getattr(below, "hidden", False):
            yield from section(f"{name} {word}", below, depth + 1)


def page() -> str:
    """Return the page."""
    group: Any = typer.main.get_command(app)
    shared = dict.fromkeys(EVERYWHERE, "")
    for command in group.commands.values():
        for parameter in command.params:
            for option in set(parameter.opts) & set(EVERYWHERE):
                shared[option] = shared[option] or row(parameter)
    shared["--help"] = "| `--help` | Show the command's arguments and options. |  |"
    lines = [line for word, command in group.commands.items() for line in section(f"a2g {word}", command, 2)]
    epilog = " ".join((group.epilog or "").split())
    return TOP + "\n".join(shared.values()) + f"\n\n{epilog}\n\n" + "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Rewrite or check docs/reference/cli.md."""
    made = page()
    if "--check" not in sys.argv:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(made, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != made:
        raise SystemExit("docs/reference/cli.md is not current: run python docs/make_reference.py")


if __name__ == "__main__":
    main()
