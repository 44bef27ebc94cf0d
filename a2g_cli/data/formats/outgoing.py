"""Parts that all exports share: check that recordings fit together, read frames in blocks, publish a complete folder."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.errors import UsageError
from a2g_cli.core.types import Image
from a2g_cli.data.formats.incoming import own_words
from a2g_cli.data.recording import schema, storage
from a2g_cli.data.recording.reader import Recording
from a2g_cli.robots.base import RobotSpec

_BLOCK = 32


def one_robot(paths: Sequence[Path]) -> RobotSpec:
    """Return the common spec of the recordings ``paths``: one data set describes one robot.

    Raises:
        UsageError: nothing to export, or recordings of different robots.
        RecordingError: one of them cannot be read.
    """
    if not paths:
        raise UsageError("nothing to export: the session has no recording.")
    first: RobotSpec | None = None
    for path in paths:
        with Recording(path) as recording:
            spec = recording.spec
        first = first or spec
        for what in ("action_names", "proprioception_names", "cameras", "rate"):
            if getattr(first, what) != getattr(spec, what):
                raise UsageError(
                    f"{path} has {what.replace('_', ' ')} {getattr(spec, what)}, {paths[0]} has {getattr(first, what)}: "
                    "one data set holds one robot. Export them apart."
                )
    assert first is not None  # noqa: S101 - for the type checker: paths is not empty
    return first


def frames(recording: Recording, camera: str, count: int) -> Iterator[Image]:
    """Yield the first ``count`` frames of ``camera``, a few in memory at a time. Raises RecordingError."""
    for start in range(0, count, _BLOCK):
        yield from recording.frames(camera, start, min(start + _BLOCK, count))


def timing(recording: Recording) -> NDArray[np.float64] | None:
    """Return (T, 3) the columns of ``schema.TIMING`` [s]; None if they were not recorded. Raises RecordingError."""
    taken = recording.timings
    if taken is None:
        return None
    return np.array([[getattr(one, name) for name in schema.TIMING] for one in taken], np.float64)


def words(recording: Recording) -> dict[str, str]:
    """Return the facts for which other formats have no place, as JSON texts. Raises RecordingError."""
    spec = without_depth(recording.spec)
    return own_words(recording.goal, recording.provenance, recording.outcome, spec, recording.created_at)


def without_depth(spec: RobotSpec) -> RobotSpec:
    """Return ``spec`` without depth, which no export carries."""
    return replace(spec, depth=())


def check_free(target: Path) -> None:
    """Raise UsageError if ``target`` exists."""
    if target.exists():
        raise UsageError(f"{target} exists: choose another --out. An export never overwrites.")


@contextmanager
def building_folder(target: Path) -> Iterator[Path]:
    """Give a folder to fill; when the block ends, it is renamed to ``target``. If the block raises, nothing is left.

    Raises:
        UsageError: ``target`` exists.
        RecordingError: the disk refuses.
    """
    check_free(target)
    building = target.with_name(f".{target.name}.building")
    with storage.writing(target):
        with suppress(FileNotFoundError):
            shutil.rmtree(building)  # of an export that was killed
        building.mkdir(parents=True)
    try:
        yield building
        with storage.writing(target):
            building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
