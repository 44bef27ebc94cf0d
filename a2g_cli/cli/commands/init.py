"""``a2g init``: write ``a2g.toml``, and ask for robot, cameras and goals."""

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from a2g_cli.cameras.choice import CameraChoice
from a2g_cli.cli.commands.prompts import to_type
from a2g_cli.cli.commands.report import Report
from a2g_cli.core import config, plugins
from a2g_cli.core.errors import A2GError, UsageError
from a2g_cli.core.files import replacing
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.workspace import Workspace, checked_name

Ask = Callable[[str, str], str]
"""Takes a question and the default answer; returns the answer."""


def init(
    workspace: Workspace,
    robot: str | None,
    settings: Sequence[str],
    cameras: Sequence[str],
    goals: Sequence[str],
    overwrite: bool,
    dry_run: bool,
    ask: Ask | None,
) -> Report:
    """Write ``a2g.toml``, or only show it; asks for what was not given.

    Args:
        workspace: of the file.
        robot: ``DRIVER`` or ``DRIVER:WHAT``.
        settings: of the robot, each ``KEY=VALUE``; a dot in the key stands for a table.
        cameras: each ``NAME=DRIVER:ADDRESS,KEY=VALUE...``.
        goals: default goals of ``a2g run``.
        overwrite: replace a file that exists.
        dry_run: write nothing.
        ask: asks a person; None: take the default answers.

    Raises:
        UsageError: an unusable answer, or a file that exists.
    """
    path = workspace.root / config.FILE
    if path.exists() and not overwrite and not dry_run:
        raise UsageError(f"{path} already exists: edit it, or add --overwrite.")
    if ask is not None:
        robot, settings, cameras, goals = _asked(ask, robot, settings, cameras, goals)
    text = _text(robot or "sim", _table(settings), [_camera(camera) for camera in cameras], goals)
    # Held against the very rules that every later command reads it by.
    found = config.parse(text)
    if not dry_run:
        _write(path, text)
    following = to_type(workspace, "doctor")
    document = {"path": str(path), "written": not dry_run, "text": text, "robot": found.robot, "next": following}
    return Report(
        document, [text.rstrip(), "", f"{'would be' if dry_run else 'saved as'} {path}", f"next: {following}"]
    )


def _asked(
    ask: Ask, robot: str | None, settings: Sequence[str], cameras: Sequence[str], goals: Sequence[str]
) -> tuple[str, Sequence[str], Sequence[str], Sequence[str]]:
    known = ", ".join(plugins.known("robot"))
    robot = robot or ask(f"Robot ({known}; lerobot:TYPE, gym:ID)", "sim")
    name, _ = plugins.split(robot)
    takes = [key for key in plugins.parameters("robot", name) if key != plugins.first("robot", name)]
    hint = "config.port=/dev/ttyACM0, config.id=NAME, rate=30" if name == "lerobot" else ", ".join(takes)
    settings = settings or _several(ask, f"Setting KEY=VALUE of the robot, as in {hint}; empty: no more")
    known = ", ".join(plugins.known("camera"))
    cameras = cameras or _several(ask, f"Camera NAME=DRIVER:ADDRESS ({known}); empty: no more")
    goals = goals or _several(ask, "Default goal of `a2g run`; empty: no more")
    return robot, settings, cameras, goals


def _several(ask: Ask, question: str) -> list[str]:
    answers = []
    while answer := ask(question, "").strip():
        answers.append(answer)
    return answers


def _table(settings: Sequence[str]) -> dict[str, Any]:
    """Return nested settings from ``KEY=VALUE`` words. Raises UsageError."""
    table: dict[str, Any] = {}
    for word in settings:
        key, equals, value = word.partition("=")
        *above, last = key.strip().split(".", 1)
        if not equals or not last:
            raise UsageError(f"{word!r}: expected KEY=VALUE, as in rate=30 or config.port=/dev/ttyACM0.")
        inner = table.setdefault(above[0], {}) if above else table
        inner[last] = _value(value.strip())
    return table


def _value(text: str) -> Any:
    """Return the value of ``text``: a number, true, false, a list, a table, or else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _camera(text: str) -> tuple[str, dict[str, Any]]:
    choice = CameraChoice.parse(text)
    size, crop = choice.framing.size, choice.framing.crop
    table: dict[str, Any] = {"driver": choice.driver, **choice.settings}
    table["size"] = f"{size[1]}x{size[0]}" if size else "64x64"
    if crop is not None:
        table["crop"] = f"{crop[2]}x{crop[3]}+{crop[0]}+{crop[1]}"
    return choice.name, table


def _text(
    robot: str, settings: Mapping[str, Any], cameras: Sequence[tuple[str, dict[str, Any]]], goals: Sequence[str]
) -> str:
    plain = {key: value for key, value in settings.items() if not isinstance(value, dict)}
    lines = [
        "# The robot, cameras, limits and goals of `a2g` in this folder; docs/hardware.md explains every key.",
        "",
        "[robot]",
    ]
    lines += [f"{_key(key)} = {_toml(value)}" for key, value in {"driver": robot, **plain}.items()]
    for name, table in settings.items():
        if isinstance(table, dict):
            lines += ["", f"[robot.{_key(name)}]", *(f"{_key(key)} = {_toml(value)}" for key, value in table.items())]
    for name, table in cameras:
        lines += ["", f"[cameras.{_key(name)}]", *(f"{_key(key)} = {_toml(value)}" for key, value in table.items())]
    lines += ["", "[safety]", "# These are the defaults. Limits by name replace those of the robot."]
    default = SafetyLimits()
    for one in fields(SafetyLimits):
        value = getattr(default, one.name)
        if one.name in config.BY_NAME:
            lines.append(f"# {one.name} = {{ NAME = NUMBER }}")
        elif value is not None:
            lines.append(f"# {one.name} = {_toml(value)}")
        else:
            lines.append(f'# {one.name} = "space"')
    lines += ["", "[goals]", f"names = {_toml([checked_name('goal', goal) for goal in goals])}", ""]
    return "\n".join(lines)


def _key(name: str) -> str:
    return name if name and all(letter.isalnum() or letter in "_-" for letter in name) else json.dumps(name)


def _toml(value: Any) -> str:
    """Return ``value`` as TOML; JSON strings are valid TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as building:
            building.write_text(text, encoding="utf-8")
    except OSError as error:
        raise A2GError(f"{path} cannot be written: {error.strerror}.") from error
