"""Builds a complete recording out of a ``.partial``: after an episode, or after the death of its writer."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from a2g_cli.episode import Outcome
from a2g_cli.errors import RecordingError
from a2g_cli.recording import schema, storage
from a2g_cli.robots.robot import RobotSpec

BUILDING = ".building"
"""Ending of the file that becomes the recording once it is whole."""

_ATTRIBUTES = ("spec", "goal", "provenance", "created_at", "written_by")


def assemble(partial: Path, path: Path, outcome: Outcome) -> Path:
    """Build ``path`` from the committed steps of ``partial``, durably, and return it. ``partial`` is only read.

    Raises:
        RecordingError: ``partial`` is damaged or holds no step, ``path`` exists, or the disk refuses.
    """
    building = path.with_name(path.name + BUILDING)
    try:
        with storage.reading(partial, "unfinished recording"), storage.open_untrusted(partial, swmr=True) as source:
            steps = committed_steps(source)
            spec = schema.spec_from_json(storage.text_attribute(source, "spec"))
            with storage.writing(path), h5py.File(building, "w", libver=storage.LIBVER, locking="best-effort") as file:
                _copy(source, file, spec, steps)
                _describe(source, file, spec, outcome, steps)
        with storage.writing(path):
            storage.sync_file(building)
            if path.exists():
                raise RecordingError(f"{path} exists: a recording is never overwritten.")
            building.replace(path)
            storage.sync_folder(path.parent)
    finally:
        building.unlink(missing_ok=True)
    return path


def committed_steps(source: Any) -> int:
    """Return the steps that ``source``, an open ``.partial``, surely holds. Raises ValueError when there are none."""
    version = storage.integer_attribute(source, schema.PARTIAL_MARK)
    if version > schema.FORMAT:
        raise ValueError(f"it is format {version}, this a2g knows {schema.FORMAT}: a newer a2g is needed")
    steps = int(storage.stored(source, "committed", (1,), "i8")[0])
    if steps < 1:
        raise ValueError("it holds no complete step")
    if steps > schema.MAX_STEPS:
        raise ValueError(f"it claims {steps} steps")
    return steps


def _copy(source: Any, file: Any, spec: RobotSpec, steps: int) -> None:
    """Copy the first ``steps`` actions and ``steps + 1`` observations; frames stay compressed as they are."""
    for camera in spec.cameras:
        file.require_group("frames")
        source.copy(storage.stored(source, f"frames/{camera}", (None, None, None, 3), "u1"), file, f"frames/{camera}")
        if file[f"frames/{camera}"].shape[0] <= steps:
            raise ValueError(f"frames/{camera} holds fewer than {steps + 1} frames")
        file[f"frames/{camera}"].resize(steps + 1, axis=0)  # what was written after the last flush
        _rows(source, file, f"captured_at/{camera}", (None,), "f8", steps + 1)
    for camera in storage.members(source, "goal"):
        file.require_group("goal")
        source.copy(storage.stored(source, f"goal/{camera}", (None, None, 3), "u1"), file, f"goal/{camera}")
    _rows(source, file, "times", (None,), "f8", steps + 1)
    width = len(spec.proprioception_names)
    if width:
        _rows(source, file, "proprioception", (None, width), "f4", steps + 1)
    else:
        file.create_dataset("proprioception", (steps + 1, 0), np.float32)
    for name in ("actions", "actions_requested"):
        _rows(source, file, name, (None, len(spec.action_names)), "f4", steps, f"{schema.DEMO}/{name}")


def _rows(
    source: Any, file: Any, name: str, shape: tuple[int | None, ...], dtype: str, count: int, target: str | None = None
) -> None:
    rows = storage.stored(source, name, shape, dtype)[:count]
    if len(rows) < count:
        raise ValueError(f"{name} holds {len(rows)} rows, {count} are needed")
    _store(file, target or name, rows)


def _store(file: Any, name: str, rows: Any) -> None:
    # With a checksum, like everything else in the file: a flipped bit is found, not learned from.
    file.create_dataset(name, data=rows, chunks=rows.shape, fletcher32=True)


def _describe(source: Any, file: Any, spec: RobotSpec, outcome: Outcome, steps: int) -> None:
    """Add what robomimic looks for, and the attributes."""
    demo = file[schema.DEMO]
    last = np.zeros(steps, np.float32)
    last[-1] = 1.0
    _store(demo, "rewards", last if outcome.success else np.zeros(steps, np.float32))
    _store(demo, "dones", last.astype(np.int64))
    views = {schema.image_key(camera): f"frames/{camera}" for camera in spec.cameras}
    if spec.proprioception_names:
        views["proprioception"] = "proprioception"
    for group, begin in (("obs", 0), ("next_obs", 1)):
        for key, target in views.items():
            dataset = file[target]
            # "." is this very file, wherever it is moved to.
            window = h5py.VirtualSource(".", target, dataset.shape, dataset.dtype)[begin : begin + steps]
            layout = h5py.VirtualLayout((steps, *dataset.shape[1:]), dataset.dtype)
            layout[...] = window
            demo.require_group(group).create_virtual_dataset(key, layout)
    demo.attrs["num_samples"] = steps
    file["data"].attrs["total"] = steps
    provenance = schema.provenance_from_json(storage.text_attribute(source, "provenance"))
    file["data"].attrs["env_args"] = schema.env_args(spec, provenance)
    for name in _ATTRIBUTES:
        storage.write_text(file, name, storage.text_attribute(source, name))
    storage.write_text(file, "outcome", schema.outcome_to_json(outcome))
    file.attrs[schema.MARK] = schema.FORMAT
