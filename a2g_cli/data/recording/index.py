"""What is known of each recording of a session, kept in ``index.json`` so that a list need not open ten thousand files.

The index is never believed where the file says otherwise: an entry counts only for a file of the size and the moment of
change that it was made from, and what it lacks is read from the recording. It may be damaged, old or removed at any time.
Two programs that write it at once both write the truth; the later one stays.
"""

import json
import math
import os
import secrets
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.files import write_all
from a2g_cli.data.recording import schema, storage
from a2g_cli.data.recording.reader import Recording

NAME = "index.json"
FORMAT = 1

_MOST = 256 * 2**20
"""A file larger than this is no index [bytes]."""

Facts = dict[str, Any]
"""``created_at``, ``steps``, ``seconds``, ``rate``, ``cameras``, ``goal``, ``outcome``, ``provenance``: as in
``cli/commands/summary.py``."""


def facts(path: Path) -> Facts:
    """Return what the recording ``path`` says of itself. Raises RecordingError."""
    with Recording(path) as recording:
        times = recording.times
        lasted = float(times[-1] - times[0])
        goal = recording.goal
        return {
            "created_at": recording.created_at,
            "steps": recording.length,
            "seconds": round(lasted, 3) if math.isfinite(lasted) else None,
            "rate": recording.spec.rate if math.isfinite(recording.spec.rate) else None,
            "cameras": {camera: list(shape) for camera, shape in recording.spec.cameras.items()},
            "goal": {"name": goal.name, "source": goal.source, "fingerprint": goal.fingerprint},
            "outcome": json.loads(schema.outcome_to_json(recording.outcome)),
            "provenance": json.loads(schema.provenance_to_json(recording.provenance)),
        }


def facts_of(folder: Path, paths: Sequence[Path], advanced: Callable[[], None] | None = None) -> list[Facts | str]:
    """Return what the recordings ``paths`` in ``folder`` say of themselves; of one that cannot be read, why.

    ``advanced`` is called for each. What was not known yet is added to the index, where the disk permits.
    """
    known = _read(folder)
    found: dict[str, Any] = {}
    said: list[Facts | str] = []
    for path in paths:
        if advanced is not None:
            advanced()
        try:
            state = path.stat()
        except OSError as error:
            said.append(f"{path} cannot be read: {storage.reason(error)}.")
            continue
        version = [state.st_size, state.st_mtime_ns]
        entry = known.get(path.name)
        if entry is None or entry["version"] != version:
            try:
                entry = {"version": version, "facts": facts(path)}
            except RecordingError as error:
                said.append(str(error))
                continue
        found[path.name] = entry
        said.append(entry["facts"])
    if found != {name: known[name] for name in found if name in known}:
        # Others are kept: `paths` may be but some of the session's.
        _write(folder, {**{name: entry for name, entry in known.items() if (folder / name).exists()}, **found})
    return said


def rebuild(folder: Path, paths: Sequence[Path]) -> None:
    """Read every recording again, and write the index anew. What cannot be read is left out."""
    with suppress(OSError):  # whatever is there now is replaced
        (folder / NAME).unlink(missing_ok=True)
    facts_of(folder, paths)


def _read(folder: Path) -> dict[str, Any]:
    """Return name -> {"version": [size, mtime_ns], "facts"}; nothing where the index is not what was written."""
    path = folder / NAME
    try:
        if path.stat().st_size > _MOST:
            return {}
        head, _, body = path.read_bytes().partition(b"\n")
        if json.loads(head) != {"a2g_index": FORMAT, "crc32": zlib.crc32(body)}:
            return {}
        entries = json.loads(body)
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(entries, dict):
        return {}
    return {name: entry for name, entry in entries.items() if _sound(entry)}


_KINDS = {
    "created_at": str,
    "steps": int,
    "seconds": float | int | None,
    "rate": float | int | None,
    "cameras": dict,
    "goal": dict,
    "outcome": dict,
    "provenance": dict,
}


def _sound(entry: Any) -> bool:
    """Whether an entry is one that ``facts_of`` may have written, so that nobody trips over it."""
    if not isinstance(entry, dict) or entry.keys() != {"version", "facts"} or not isinstance(entry["facts"], dict):
        return False
    value = entry["facts"]
    if value.keys() != _KINDS.keys() or not all(isinstance(value[name], kind) for name, kind in _KINDS.items()):
        return False
    try:
        schema.outcome_from(value["outcome"])
        schema.provenance_from(value["provenance"])
        sides = [side for height, width in value["cameras"].values() for side in (height, width)]
        texts = [value["goal"][name] for name in ("name", "source", "fingerprint")]
    except (KeyError, TypeError, ValueError, OverflowError):
        return False
    return all(isinstance(side, int) for side in sides) and all(isinstance(text, str) for text in texts)


def _write(folder: Path, entries: dict[str, Any]) -> None:
    body = json.dumps(entries, separators=(",", ":")).encode()
    head = json.dumps({"a2g_index": FORMAT, "crc32": zlib.crc32(body)}).encode()
    building = folder / f"{NAME}.{secrets.token_hex(4)}{storage.BUILDING}"
    # A disk that is full or read-only costs the index, and nothing else: the recordings are what counts.
    with suppress(OSError):
        descriptor = os.open(building, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            try:
                write_all(descriptor, head + b"\n" + body)
            finally:
                os.close(descriptor)
            os.replace(building, folder / NAME)  # noqa: PTH105 - replace, whatever is there
        finally:
            building.unlink(missing_ok=True)
