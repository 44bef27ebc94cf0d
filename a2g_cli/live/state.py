"""The folder of a run in ``live/``: state, images, and the request to stop. Nothing in it has to survive a power cut."""

import json
import math
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from a2g_cli.core.errors import A2GError
from a2g_cli.core.files import replacing
from a2g_cli.core.locks import Owner
from a2g_cli.core.workspace import Workspace, checked_name, is_name

FORMAT = 1
STATE = "state.json"
STOP = "stop"
IMAGES = ("now", "plan", "goal")
"""Names of the images; each is a PNG, all cameras side by side, the frames of a plan one after another."""
SILENT = 10.0
"""A run that wrote nothing for this long does not answer [s]. It writes every second."""
_MOST_BYTES = 2**20
_MOST_IMAGE_BYTES = 64 * _MOST_BYTES
_MOST_REQUEST_BYTES = 4096
_MOST_ITEMS = 1000
_LARGEST = 2**53
"""Of whole numbers. Every one up to it is a float as well; a larger one is in no state."""


@dataclass
class State:
    """What a run does now. Everything is replaced, never changed in place: another thread writes it to the disk."""

    session: str
    command: str
    """``a2g run`` or ``a2g improve``."""
    robot: str = ""
    shift: str = "none"
    adapter: str = ""
    at: float = 0.0
    """When this was written [s since 1970]."""
    began: float = 0.0
    """When the run began [s since 1970]."""
    ended: str = ""
    """How the run ended, in words; empty: it goes on."""
    stopping: str = ""
    """Who asked it to stop, in words; empty: nobody."""
    part: str = ""
    """What it does now, e.g. ``round 1: practice``."""
    done: int = 0
    total: int = 0
    """Episodes or iterations of the part; ``total`` 0: unknown."""
    part_ends: float | None = None
    """When the part will have ended, by its rate so far [s since 1970]; None: unknown."""
    round: int = 0
    """Rounds that have ended."""
    rounds: int = 0
    """Most rounds; 0: the command has no rounds."""
    run_ends: float | None = None
    """When the last round would end, by those before [s since 1970]; None: unknown."""
    goal: str = ""
    step: int = 0
    limit: int = 0
    steps_to_go: float | None = None
    """The policy's estimate [steps]."""
    estimates: list[list[float]] = field(default_factory=list)
    """(step, steps-to-go) of this episode's plans."""
    plan_ms: float | None = None
    successes: int = 0
    judged: int = 0
    losses: dict[str, float] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    """What the run said last, newest at the end."""
    images: dict[str, int] = field(default_factory=dict)
    """Name -> number of its version, 0: there is none now."""
    pid: int = 0
    host: str = ""
    started: float = 0.0
    """Of the process: ``core.locks.Owner``."""

    def to_json(self) -> str:
        """Return the text of ``state.json``; what JSON does not have (NaN, infinity) is null."""
        told = {key: _finite(value) for key, value in vars(self).items()}
        return json.dumps({"a2g_live": FORMAT, **told}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote. Raises ValueError: it is something else."""
        told: Any = json.loads(text)
        if not isinstance(told, dict) or told.get("a2g_live") != FORMAT:
            raise ValueError("it is not the state of a run")
        values: dict[str, Any] = {one.name: told.get(one.name) for one in fields(cls)}
        for name, value in values.items():
            kind = cls.__annotations__[name]
            if not _fits(value, kind):
                raise ValueError(f"{name} is not {kind}")
        if values["pid"] < 0:
            raise ValueError("pid is no number of a process")
        return cls(**values)

    @property
    def owner(self) -> Owner:
        """The process that publishes this."""
        return Owner(self.pid, self.host, self.started, self.at, self.command)

    @property
    def alive(self) -> bool:
        """Whether the run goes on, as far as this host can know."""
        return not self.ended and self.owner.alive

    @property
    def silent(self) -> float:
        """For how long a run that goes on has written nothing [s]; 0 within ``SILENT``."""
        age = time.time() - self.at
        return age if self.alive and age > SILENT else 0.0


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return value  # lists hold texts, and estimates, which are finite


def _number(value: Any) -> bool:
    return math.isfinite(value) if isinstance(value, float) else _whole(value)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_number, value))


def _many(value: Any, one: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and len(value) <= _MOST_ITEMS and all(map(one, value))


def _named(value: Any) -> bool:
    return isinstance(value, dict) and _many(list(value), _text) and _many(list(value.values()), _number)


_CHECKS: tuple[tuple[Any, Callable[[Any], bool]], ...] = (
    (str, _text),
    (int, _whole),
    (float, _number),
    (float | None, lambda value: value is None or _number(value)),
    (list[str], lambda value: _many(value, _text)),
    (list[list[float]], lambda value: _many(value, _pair)),
    (dict[str, float], _named),
    (dict[str, int], _named),
)
"""Kinds of fields of ``State``, and whether a value from a file is of that kind and not too long."""


def _fits(value: Any, kind: Any) -> bool:
    return next(check for known, check in _CHECKS if known == kind)(value)


@dataclass(frozen=True)
class Live:
    """A run that published something."""

    folder: Path
    state: State

    def image(self, name: str) -> bytes | None:
        """Return a PNG; None if there is none. Raises KeyError for another name, OSError."""
        if name not in IMAGES:
            raise KeyError(name)
        try:
            return _read(self.folder / f"{name}.png", _MOST_IMAGE_BYTES)
        except FileNotFoundError:
            return None

    def ask_to_stop(self, who: str) -> None:
        """Ask the run to stop as after one Ctrl-C; ``who`` asks, in words. Raises A2GError: it cannot be asked."""
        if not self.state.alive:
            raise A2GError(f"{self.state.command} of session {self.state.session} does not run any more.")
        told = {"who": who, "pid": self.state.pid, "started": self.state.started}
        try:
            with replacing(self.folder / STOP) as path:
                path.write_text(json.dumps(told), encoding="utf-8")
        except OSError as error:
            raise A2GError(f"{self.folder / STOP} cannot be written: {error.strerror or error}.") from error


def asked_to_stop(folder: Path, owner: Owner) -> str | None:
    """Return who asked the process ``owner`` to stop, in words; None: nobody. A damaged request counts. Raises OSError."""
    try:
        data = _read(folder / STOP, _MOST_REQUEST_BYTES)
    except FileNotFoundError:
        return None
    try:
        told: Any = json.loads(data or b"")
        if (told["pid"], told["started"]) != (owner.pid, owner.started):
            return None  # meant for an earlier run of the session
        return str(told["who"])[:200]
    except (ValueError, TypeError, KeyError, RecursionError):
        return f"the file {folder / STOP}"


def folder_of(workspace: Workspace, session: str) -> Path:
    """Return the folder in which a run publishes. Raises UsageError: no such name."""
    return workspace.live / checked_name("session", session)


def lives(workspace: Workspace) -> list[Live]:
    """Return what was published, runs that go on first, then by time. What cannot be read is left out."""
    try:
        folders = [
            one for one in workspace.live.iterdir() if is_name(one.name) and one.is_dir() and not one.is_symlink()
        ]
    except OSError:
        return []
    found = [one for folder in folders if (one := live_in(folder)) is not None]
    return sorted(found, key=lambda one: (not one.state.alive, -one.state.at))


def live_in(folder: Path) -> Live | None:
    """Return what a run published in ``folder``; None if that cannot be read."""
    try:
        data = _read(folder / STATE, _MOST_BYTES)
        found = None if data is None else State.from_json(data.decode("utf-8"))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return Live(folder, found) if found is not None and found.session == folder.name else None


def _read(path: Path, most: int) -> bytes | None:
    """Return the bytes of a file; None: more than ``most``, a link, or no file at all. Never waits, as a pipe would make it.

    Raises OSError, FileNotFoundError among them.
    """
    if path.is_symlink():
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > most:
            return None
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(found.st_size)
    finally:
        os.close(descriptor)
