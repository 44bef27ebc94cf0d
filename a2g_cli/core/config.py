"""Reads and checks ``a2g.toml``, the file for robot, cameras, limits and goals. Errors name the line.

    [robot]            driver = "DRIVER" or "DRIVER:VALUE", and the driver's settings
    [cameras.NAME]     driver, size = "WIDTHxHEIGHT", crop = "WIDTHxHEIGHT+LEFT+TOP", and the driver's settings
    [teleoperator]     driver = "DRIVER" or "DRIVER:VALUE", and its settings, for ``a2g demonstrate --teleop``
    [safety]           the guards' limits: a2g_cli/core/safety_limits.py
    [goals]            names = [...]: the goals of ``a2g run`` if none is typed

A driver's settings are checked against the annotations of its constructor, and ``rate`` against its range; the driver itself
checks the values when it is made.
"""

import difflib
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from a2g_cli.core import plugins
from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.workspace import Workspace, checked_name

FILE = "a2g.toml"
KEY, _OLD_KEY = "deadman_key", "hold_key"
"""The key of ``[safety]`` for ``--deadman-key``, and its name in version 0.1, which is still understood."""
KEYS = ("space", "enter", "tab")
"""Names of keys that are not one character."""

MAX_SIDE = 8192
"""Longest side of an image [px]."""
PIXELS = {
    "size": (re.compile(r"([0-9]{1,9})x([0-9]{1,9})"), "WIDTHxHEIGHT"),
    "crop": (re.compile(r"([0-9]{1,9})x([0-9]{1,9})\+[0-9]{1,9}\+[0-9]{1,9}"), "WIDTHxHEIGHT+LEFT+TOP"),
}
"""The size and the crop of a camera's images: their syntax, as a pattern and in words."""


@dataclass(frozen=True)
class Range:
    """The range of a number, with its unit."""

    low: float
    high: float
    unit: str
    whole: bool = False

    def words(self) -> str:
        """Return the range in words: ``"seconds, 0.02 to 10"``."""
        return f"{'a whole number of ' if self.whole else ''}{self.unit}, {self.low:g} to {self.high:g}"

    def holds(self, value: object) -> bool:
        """Whether ``value`` is a number in the range."""
        kinds = (int,) if self.whole else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool) and self.low <= value <= self.high


NUMBERS = {
    "frame_age": Range(0.02, 10.0, "seconds"),
    "frozen_frames": Range(0, 1000, "observations", whole=True),
    "missed_deadlines": Range(0, 1000, "control periods", whole=True),
    "episode_seconds": Range(1.0, 86400.0, "seconds"),
    "disk_floor_gb": Range(0.05, 100_000.0, "gigabytes"),
}
BY_NAME = {
    "workspace_low": Range(-1e6, 1e6, "the robot's unit"),
    "workspace_high": Range(-1e6, 1e6, "the robot's unit"),
    "max_step": Range(1e-9, 1e6, "the robot's unit a step"),
    "max_speed": Range(1e-9, 1e6, "the robot's unit a second"),
}
RATE = Range(0.1, 1000.0, "hertz")
"""Rate of a robot's control loop, or of a camera."""


@dataclass(frozen=True)
class Configuration:
    """The content of ``a2g.toml``, checked; the defaults if there is no file."""

    robot: str | None = None
    """``DRIVER`` or ``DRIVER:VALUE``."""
    robot_settings: Mapping[str, Any] = field(default_factory=dict)
    teleoperator: str | None = None
    """``DRIVER`` or ``DRIVER:VALUE``."""
    teleoperator_settings: Mapping[str, Any] = field(default_factory=dict)
    safety: SafetyLimits = field(default_factory=SafetyLimits)
    goals: tuple[str, ...] = ()


def read(workspace: Workspace) -> Configuration:
    """Return the configuration in the workspace's ``a2g.toml``.

    Raises:
        UsageError: not TOML; an unknown key; a value of another type, or out of its range.
    """
    table = workspace.settings()
    if not table:
        return Configuration()
    return _Checked(workspace.settings_text(), table).configuration()


def parse(text: str) -> Configuration:
    """Return the configuration in ``text``, as ``read`` does. Raises UsageError."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"this would not be valid TOML: {error}") from error
    return _Checked(text, table).configuration()


def line_of(text: str, path: Iterable[str]) -> int | None:
    """Return the line number, from 1, of the value at ``path``, or of the nearest table around it; None if there is none."""
    wanted = list(path)
    section: list[str] = []
    found: dict[int, int] = {}  # length of the matching part of the path -> line number
    for number, line in enumerate(text.splitlines(), 1):
        key = re.match(r"""\s*((?:[A-Za-z0-9_.\s-]|"[^"]*"|'[^']*')+?)\s*=""", line)
        if line.lstrip().startswith("["):
            section = _names(line.split("#")[0]) or section
            here = section
        elif key:
            here = section + (_names(f"{key[1]} = 0") or [])
        else:
            continue
        if here == wanted[: len(here)]:
            found.setdefault(len(here), number)
    return found[max(found)] if found else None


def _names(piece: str) -> list[str] | None:
    """Return the names in a table header or in a line's key, parsed by the TOML reader itself."""
    try:
        inner: Any = tomllib.loads(piece)
    except tomllib.TOMLDecodeError:
        return None
    names = []
    while isinstance(inner := inner[0] if isinstance(inner, list) else inner, dict) and inner:
        names.append(next(iter(inner)))
        inner = inner[names[-1]]
    return names


class _Checked:
    def __init__(self, text: str, table: Mapping[str, Any]) -> None:
        self._text, self._table = text, table

    def configuration(self) -> Configuration:
        self._known((), self._table, ("robot", "cameras", "teleoperator", "safety", "goals"))
        robot, teleoperator = self._section("robot"), self._section("teleoperator")
        cameras = self._section("cameras")
        if robot:
            self._driver(("robot",), "robot", robot)
        if teleoperator:
            self._driver(("teleoperator",), "teleoperator", teleoperator)
        for name in cameras:
            self._camera(name, cameras[name])
        return Configuration(
            robot.get("driver"),
            _settings(robot),
            teleoperator.get("driver"),
            _settings(teleoperator),
            self._safety(),
            self._goals(),
        )

    def _section(self, name: str) -> Mapping[str, Any]:
        section = self._table.get(name, {})
        if not isinstance(section, dict):
            raise self._refusal((name,), "expected a table", f"[{name}]")
        return section

    def _driver(self, path: tuple[str, ...], kind: plugins.Kind, table: Mapping[str, Any]) -> None:
        name = table.get("driver", "sim" if kind == "robot" else None)
        if not isinstance(name, str):
            known = ", ".join(plugins.known(kind))
            raise self._refusal((*path, "driver"), "expected", f'driver = "NAME", one of {known}')
        driver, _ = plugins.split(name)
        try:
            settings = plugins.parameters(kind, driver)
        except UnknownNameError as error:
            raise self._unknown((*path, "driver"), f"{kind} driver", driver, plugins.known(kind)) from error
        if "rate" in table and table["rate"] is not None:
            self._number((*path, "rate"), table["rate"], RATE)
        images = ("size", "crop") if kind == "camera" else ()
        self._known(path, table, ("driver", *images, *settings))
        for key, value in table.items():
            own = key in settings and key not in ("driver", *images)
            if own and (words := plugins.expected(settings[key], value)) is not None:
                raise self._refusal((*path, key), "expected", words)

    def _camera(self, name: str, table: object) -> None:
        path = ("cameras", name)
        if not isinstance(table, dict):
            raise self._refusal(path, "expected a table", f'[cameras.{name}] with driver = "NAME"')
        try:
            checked_name("camera", name)
        except UsageError as error:
            raise self._refusal(path, str(error).rstrip("."), "") from error
        self._driver(path, "camera", table)
        for key, (shape, example) in PIXELS.items():
            if key in table:
                found = shape.fullmatch(table[key]) if isinstance(table[key], str) else None
                if found is None or not all(1 <= int(side) <= MAX_SIDE for side in found.groups()[:2]):
                    raise self._refusal((*path, key), "expected", f'"{example}", sides of 1 to {MAX_SIDE} px')

    def _safety(self) -> SafetyLimits:
        section = self._section("safety")
        if _OLD_KEY in section and KEY in section:
            raise self._refusal(("safety", _OLD_KEY), "leave it out", f"{KEY} is its new name")
        self._known(
            ("safety",), {name: section[name] for name in section if name != _OLD_KEY}, (*BY_NAME, *NUMBERS, KEY)
        )
        for name, value in section.items():
            self._limit(name, value)
        low, high = section.get("workspace_low", {}), section.get("workspace_high", {})
        for dimension in low.keys() & high.keys():
            if not low[dimension] < high[dimension]:
                where = ("safety", "workspace_low", dimension)
                raise self._refusal(where, "expected", f"less than workspace_high, {high[dimension]:g}")
        return SafetyLimits(**{"hold_key" if name == KEY else name: value for name, value in section.items()})

    def _limit(self, name: str, value: object) -> None:
        path = ("safety", name)
        if name in NUMBERS:
            self._number(path, value, NUMBERS[name])
        elif name in {KEY, _OLD_KEY}:
            if not isinstance(value, str) or (len(value) != 1 and value not in KEYS):
                raise self._refusal(path, "expected", f"one character, or {', '.join(KEYS)}")
        elif not isinstance(value, dict):
            raise self._refusal(path, "expected a value for each dimension", f"{name} = {{ NAME = NUMBER }}")
        else:
            for dimension, number in value.items():
                self._number((*path, dimension), number, BY_NAME[name])

    def _goals(self) -> tuple[str, ...]:
        section = self._section("goals")
        self._known(("goals",), section, ("names",))
        names = section.get("names", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self._refusal(("goals", "names"), "expected", 'names = ["cup", "plate"]')
        try:
            return tuple(checked_name("goal", name) for name in names)
        except UsageError as error:
            raise self._refusal(("goals", "names"), str(error).rstrip("."), "") from error

    def _number(self, path: tuple[str, ...], value: object, allowed: Range) -> None:
        if not allowed.holds(value) or not math.isfinite(float(value)):  # type: ignore[arg-type]
            raise self._refusal(path, "expected", allowed.words())

    def _known(self, path: tuple[str, ...], table: Mapping[str, Any], names: Iterable[str]) -> None:
        for name in table:
            if name not in names:
                raise self._unknown((*path, name), "key" if path else "section", name, names)

    def _unknown(self, path: tuple[str, ...], kind: str, name: str, known: Iterable[str]) -> UsageError:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=2)
        offer = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}."
        return UsageError(f"{self._where(path)}: {_dotted(path[:-1])}unknown {kind} {name!r}: {offer}")

    def _refusal(self, path: tuple[str, ...], expected: str, what: str) -> UsageError:
        value: Any = self._table
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        shown = "" if value is None or isinstance(value, dict) else f" = {value!r}"
        return UsageError(
            f"{self._where(path)}: {_dotted(path[:-1])}{path[-1]}{shown}: {f'{expected} {what}'.strip()}."
        )

    def _where(self, path: tuple[str, ...]) -> str:
        line = line_of(self._text, path)
        return FILE if line is None else f"{FILE}, line {line}"


def _settings(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key != "driver"}


def _dotted(path: tuple[str, ...]) -> str:
    return f"[{'.'.join(path)}] " if path else ""
