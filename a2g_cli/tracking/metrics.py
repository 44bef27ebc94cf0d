"""A run's metrics: one JSON document a line in a2g's own file, which is the truth, and a tracker beside it.

    {"a2g_metrics": 1, "run": "adapter-001-3f9c2a1b", "at": "2026-11-27T22:01:56+00:00", "config": {...}}
    {"at": ..., "stage": "adapting", "step": 1, "values": {"action_loss": 2.31}}

Each stage counts its own steps. A run that goes on adds to its file, and where a stage has a step twice, the later line is
right: a run that was killed repeats what it had not saved. A value that is not finite is null.
"""

import json
import math
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from a2g_cli.core.errors import A2GError
from a2g_cli.core.workspace import Workspace
from a2g_cli.display.lines import printable
from a2g_cli.tracking.trackers import Tracker, start

FILE = "metrics.jsonl"
FORMAT = 1
_LONGEST_HEAD = 1_000_000
"""[characters]"""
_LONGEST_REASON = 300
"""[characters]"""


def new_folder(workspace: Workspace, name: str) -> Path:
    """Return the folder for a run that begins: ``logs/NAME``, or ``logs/NAME-2`` if that was of another run."""
    folder, number = workspace.logs / name, 1
    while folder.exists():
        number += 1
        folder = workspace.logs / f"{name}-{number}"
    return folder


def last_folder(workspace: Workspace, name: str) -> Path:
    """Return the folder of the metrics of a run that goes on: the last that ``new_folder`` gave for ``name``."""
    following = new_folder(workspace, name)
    number = int(following.name.removeprefix(name).removeprefix("-") or 1) - 1
    return following if number < 1 else workspace.logs / (name if number == 1 else f"{name}-{number}")


def key(text: str) -> str:
    """Return ``text`` as the name of a stage or a value: small letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^a-z0-9.-]+", "_", text.lower()).strip("_") or "value"


class Metrics:
    """Keeps what a run measures. Nothing that fails here ends the run: it is said once, in a line.

    Args:
        folder: of ``metrics.jsonl``; it is made with the first line.
        name: of the run, for people.
        note: shows a line.
        tracker: of ``--log``; None: the file alone.
        config: what started the run, for people; JSON-able.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        note: Callable[[str], None],
        tracker: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = folder / FILE
        self._name, self._note, self._config = name, note, dict(config or {})
        self._file: TextIO | None = None
        self._failed = False
        self._tracker: Tracker | None = None
        if tracker is not None:
            self._start(tracker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Keep ``values`` at a step of a stage; nothing for no values."""
        if not values:
            return
        stage, values = key(stage), {key(name): float(value) for name, value in values.items()}
        self._write({"at": _now(), "stage": stage, "step": step, "values": values})
        if self._tracker is not None:
            try:
                self._tracker.log(stage, step, values)
            except Exception as error:
                self._lost("stopped", error)

    def close(self) -> None:
        """End the tracker, and close the file."""
        if self._tracker is not None:
            try:
                self._tracker.close()
            except Exception as error:
                self._lost("could not end", error)
            self._tracker = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def _start(self, tracker: str) -> None:
        run = self._open()
        try:
            self._tracker = start(tracker, self.path.parent, run, self._config)
        except Exception as error:
            self._lost(f"to {tracker} could not start", error)
        else:
            self._note(f"logging to {self._tracker.where}")

    def _lost(self, what: str, error: Exception) -> None:
        """Say that the tracker is of no use any more, and go on without it."""
        self._tracker = None
        self._note(f"logging {what}: {_reason(error)}. The run goes on; its metrics are in {self.path}")

    def _open(self) -> str:
        """Open the file at its end; return the run's name, which a file that exists has kept."""
        run = f"{self._name}-{secrets.token_hex(4)}"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+", encoding="utf-8")
            self._file.seek(0)
            before = _run_of(self._file.readline(_LONGEST_HEAD))
            cut_off = self._file.seek(0, 2) > 0 and not _ends_a_line(self.path)
            self._file.write("\n" if cut_off else "")
        except (OSError, UnicodeDecodeError) as error:
            self._no_file(error)
            return run
        run = before or run
        self._write({"a2g_metrics": FORMAT, "run": run, "at": _now(), "config": self._config})
        return run

    def _write(self, document: Mapping[str, Any]) -> None:
        if self._file is None and not self._failed:
            self._open()
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(_finite(document), allow_nan=False, default=str) + "\n")
            self._file.flush()
        except OSError as error:
            self._no_file(error)

    def _no_file(self, error: Exception) -> None:
        self._failed, self._file = True, None
        self._note(f"the metrics cannot be kept in {self.path}: {_reason(error)}. The run goes on without them")


class NoMetrics(Metrics):
    """Keeps nothing; for all but the first of several processes that train together."""

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Do nothing."""


def read(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file of metrics, without its heads and without a line that was cut off. Raises OSError."""
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(document, dict) and "stage" in document:
            found.append(document)
    return found


def _finite(value: Any) -> Any:
    """Return ``value`` with null in the place of every number that is not finite."""
    if isinstance(value, Mapping):
        return {str(name): _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _run_of(head: str) -> str | None:
    try:
        document = json.loads(head)
    except (ValueError, RecursionError):
        return None
    run = document.get("run") if isinstance(document, dict) else None
    return run if isinstance(run, str) and re.fullmatch(r"[A-Za-z0-9._-]{1,120}", run) else None


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"


def _reason(error: Exception) -> str:
    """Return an error of any library as part of a line."""
    text = " ".join(printable(str(error)).split()).rstrip(".")
    if not text or not isinstance(error, A2GError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text[:_LONGEST_REASON]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
