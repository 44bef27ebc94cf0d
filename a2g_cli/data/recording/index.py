"""The index of a session, ``index.json``: facts about each recording, so that a list does not open ten thousand files.

It is a cache. An entry counts only if the file still has the size and the time of change of the entry; other recordings are
read again. The index may be damaged, old or removed at any time. If two programs write it at once, the later one wins.
"""

import json
import math
import secrets
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.files import replacing, write_file
from a2g_cli.data.recording import schema, storage
from a2g_cli.data.recording.reader import Recording

NAME = "index.json"
FORMAT = 1

_MOST = 256 * 2**20
"""A larger file is not an index [bytes]."""
_LARGEST = 2**53
"""Of the numbers in it."""

Facts = dict[str, Any]
"""``created_at``, ``steps``, ``seconds``, ``rate``, ``cameras``, ``goal``, ``outcome``, ``provenance``: as in
``cli/commands/summary.py``."""


def facts(path: Path) -> Facts:
    """Return the facts of the recording ``path``. Raises RecordingError."""
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
            "outcome": json.loads(schema.outcome_to_json(replace(recording.outcome, estimates=()))),
            "provenance": json.loads(schema.provenance_to_json(recording.provenance)),
        }


def facts_of(folder: Path, paths: Sequence[Path], advanced: Callable[[], None] | None = None) -> list[Facts | str]:
    """Return the facts of each recording in ``paths``, all in ``folder``; for one that cannot be read, the reason.

    ``advanced`` is called for each. New facts are added to the index, if the disk permits.
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
        # Other entries stay: `paths` may be a part of the session.
        _write(folder, {**{name: entry for name, entry in known.items() if (folder / name).exists()}, **found})
    return said


def rebuild(folder: Path, paths: Sequence[Path]) -> None:
    """Write the index again from the recordings. Those that cannot be read are left out."""
    with suppress(OSError):
        (folder / NAME).unlink(missing_ok=True)
    facts_of(folder, paths)


def _read(folder: Path) -> dict[str, Any]:
    """Return name -> {"version": [size, mtime_ns], "facts"}; empty if the index is missing or damaged."""
    path = folder / NAME
    try:
        if not path.is_file() or path.stat().st_size > _MOST:  # a pipe would never end
            return {}
        head, _, body = path.read_bytes().partition(b"\n")
        if json.loads(head) != {"a2g_index": FORMAT, "crc32": zlib.crc32(body)}:
            return {}
        entries = json.loads(body)
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(entries, dict):
        return {}
    found = {}
    for name, entry in entries.items():
        if _sound(entry):
            with suppress(RecordingError):  # texts that no recording holds
                found[name] = _of_today(entry)
    return found


def _of_today(entry: dict[str, Any]) -> dict[str, Any]:
    """Return a sound entry with today's names in the place of those that version 0.1 wrote."""
    facts = entry["facts"]
    provenance = json.loads(schema.provenance_to_json(schema.provenance_from(facts["provenance"])))
    return {**entry, "facts": {**facts, "provenance": provenance}}


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
    """Whether an entry has everything that ``facts_of`` writes, in the right types."""
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
    numbers = [value[name] for name in ("steps", "seconds", "rate") if value[name] is not None]
    if not all(abs(number) <= _LARGEST for number in numbers):  # NaN is not, either
        return False
    sizes = all(isinstance(side, int) and 1 <= side <= schema.MAX_SIDE for side in sides)
    return sizes and all(isinstance(text, str) for text in texts)


def _write(folder: Path, entries: dict[str, Any]) -> None:
    body = json.dumps(entries, separators=(",", ":")).encode()
    head = json.dumps({"a2g_index": FORMAT, "crc32": zlib.crc32(body)}).encode()
    own = f".{secrets.token_hex(4)}{storage.BUILDING}"  # several programs may write the index at once
    # On a disk that is full or read-only there is no index: it only saves time.
    with suppress(OSError), replacing(folder / NAME, own) as building:
        write_file(building, head + b"\n" + body)
