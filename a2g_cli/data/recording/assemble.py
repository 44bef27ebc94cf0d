"""Builds a recording from a journal, at the end of an episode or after its writer died."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Outcome
from a2g_cli.data.recording import imagined, schema, storage
from a2g_cli.data.recording.journal import JournalReader, inflate

UNFINISHED = schema.SUFFIX + schema.PARTIAL_SUFFIX
"""End of the name of an episode that is being recorded, or whose writer died."""

_FRAME_CODEC: dict[str, Any] = {"compression": "gzip", "compression_opts": 1}
"""Lossless, and part of every HDF5 build. ``benchmarks/recording.py`` compares it with lzf."""


def assemble(partial: Path, path: Path, outcome: Outcome, trusted: bool = False) -> Path:
    """Build ``path`` from the intact steps of ``partial``, durably, and return it. ``partial`` is only read.

    The file gets its name when it is complete on the disk. ``trusted`` says that this process wrote ``partial``: then its
    frames are not unpacked to check them.

    Raises:
        RecordingError: ``partial`` is damaged or holds no step, ``path`` exists, or the disk refuses.
    """
    with storage.reading(partial, "unfinished recording"), JournalReader(partial) as journal:
        steps = journal.observations - 1
        if not 1 <= steps <= schema.MAX_STEPS:
            raise ValueError(f"it holds {max(steps, 0)} complete steps")
        attributes = {**journal.attributes, "outcome": schema.outcome_to_json(outcome)}
        if set(attributes) != schema.ATTRIBUTES:
            raise ValueError(f"it has the attributes {sorted(attributes)}")
        with storage.creating(path) as file:
            _copy(journal, file, steps, trusted)
            add_views(file, schema.view_targets(journal.spec), steps)
            add_judgement(file, outcome, steps)
            provenance = schema.provenance_from_json(attributes["provenance"])
            file["data"].attrs["total"] = file[schema.DEMO].attrs["num_samples"] = steps
            file["data"].attrs["env_args"] = schema.env_args(
                provenance.robot, provenance.shift, float(journal.spec.rate)
            )
            for name, text in attributes.items():
                storage.write_text(file, name, text)
            file.attrs[schema.MARK] = schema.FORMAT
    return path


def _copy(journal: JournalReader, file: Any, steps: int, trusted: bool) -> None:
    """Copy T actions and T + 1 observations; frames stay deflated."""
    spec = journal.spec
    for camera, image in journal.goal_images().items():
        file.create_dataset(f"goal/{camera}", data=image, chunks=image.shape, **_FRAME_CODEC)
    frames = [
        file.create_dataset(f"frames/{camera}", (steps + 1, *size, 3), "u1", chunks=(1, *size, 3), **_FRAME_CODEC)
        for camera, size in spec.cameras.items()
    ]
    frames += [
        file.create_dataset(f"depth/{camera}", (steps + 1, *size), "<u2", chunks=(1, *size), **_FRAME_CODEC)
        for camera, size in ((camera, spec.cameras[camera]) for camera in spec.depth)
    ]
    rows = []
    for index in range(steps + 1):
        step = journal.step(index)
        for dataset, frame in zip(frames, step.frames, strict=True):
            if not trusted:
                inflate(frame, dataset.shape[1:], dataset.dtype.str)
            dataset.id.write_direct_chunk((index, *(0 for _ in dataset.shape[1:])), frame)
        rows.append(step)
    plans = journal.imagined()
    if not trusted:
        for plan in plans:
            plan.frames()
    imagined.write(file, plans)
    storage.write_array(file, "times", np.array([row.time for row in rows], np.float64))
    for camera, captured in zip(spec.cameras, zip(*(row.captured_at for row in rows), strict=True), strict=True):
        storage.write_array(file, f"captured_at/{camera}", np.array(captured, np.float64))
    storage.write_array(file, "proprioception", np.stack([row.proprioception for row in rows]))
    storage.write_array(file, f"{schema.DEMO}/actions", np.stack([row.sent for row in rows[1:]]))
    storage.write_array(file, f"{schema.DEMO}/actions_requested", np.stack([row.requested for row in rows[1:]]))
    timings = [row.timing for row in rows[1:]]
    if np.isfinite([timing.acted_at for timing in timings]).any():
        for name in schema.TIMING:
            storage.write_array(file, f"timing/{name}", np.array([getattr(timing, name) for timing in timings]))


def add_views(file: Any, targets: Mapping[str, str], steps: int, demo: str = schema.DEMO) -> None:
    """Add robomimic's ``obs`` [0 : T] and ``next_obs`` [1 : T + 1] as views, so that no frame is stored twice.

    ``targets`` maps their keys to the datasets of T + 1 rows that they show; ``demo`` is the group that gets them.
    """
    for group, begin in (("obs", 0), ("next_obs", 1)):
        for key, target in targets.items():
            rows = file[target]
            layout = h5py.VirtualLayout((steps, *rows.shape[1:]), rows.dtype)
            # "." is this file, also after it is moved.
            layout[...] = h5py.VirtualSource(".", target, rows.shape, rows.dtype)[begin : begin + steps]
            file.require_group(f"{demo}/{group}").create_virtual_dataset(key, layout)


def add_judgement(file: Any, outcome: Outcome, steps: int, demo: str = schema.DEMO) -> None:
    """Add ``rewards`` and ``dones``: 1 on the last step, for rewards only if the episode succeeded."""
    last = np.zeros(steps, np.float32)
    last[-1] = 1
    storage.write_array(file, f"{demo}/dones", last.astype(np.int64))
    storage.write_array(file, f"{demo}/rewards", last * bool(outcome.success))


def salvage(partial: Path) -> Path:
    """Build a recording from a ``.partial``, beside it, and return its path. The ``.partial`` stays.

    An episode that had ended gets the name and the outcome that it was to have. Another one becomes ``NAME-salvaged.hdf5``
    with the outcome ``stopped_by="salvaged"``, not judged.

    Raises:
        RecordingError: it is not an unfinished recording, is being written, has no complete step, or was salvaged before.
    """
    partial = Path(partial)
    if not partial.name.endswith(UNFINISHED):
        raise RecordingError(f"{partial} is not unfinished: the name of such a recording ends in {UNFINISHED}.")
    if not partial.is_file():
        raise RecordingError(f"{partial} does not exist: `a2g recordings list` lists what there is.")
    with storage.reading(partial, "unfinished recording"), storage.holding(partial) as free:
        if not free:
            raise RecordingError(f"{partial} is being written or repaired by another program: wait until it has ended.")
        path, _, outcome = prospect(partial)
        return assemble(partial, path, outcome)


def prospect(partial: Path) -> tuple[Path, int, Outcome]:
    """Return what ``salvage`` would make of ``partial``: the recording's path, its length [steps], and the outcome.

    Raises:
        RecordingError: as ``salvage``; a ``.partial`` that is being written is accepted here.
    """
    stem = partial.name.removesuffix(UNFINISHED)
    complete, salvaged = partial.with_name(stem + schema.SUFFIX), partial.with_name(f"{stem}-salvaged{schema.SUFFIX}")
    if complete.exists():
        raise RecordingError(f"{complete} is complete: {partial.name} is a leftover of writing it and can be removed.")
    if salvaged.exists():
        raise RecordingError(f"{salvaged} exists: {partial.name} was salvaged before.")
    with storage.reading(partial, "unfinished recording"), JournalReader(partial) as journal:
        steps = journal.observations - 1
        if steps < 1:
            raise ValueError("it holds no complete step")
        if journal.outcome is None:
            return salvaged, steps, Outcome(None, "none", "salvaged")
        return complete, steps, journal.outcome
