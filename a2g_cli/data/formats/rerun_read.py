"""Reads the ``.rrd`` files that ``rerun.py`` wrote; files of other programs do not say which numbers are actions.

Rerun's reader ends the process on some damaged files. So a child process reads all of them first:
``python -m a2g_cli.data.formats.rerun_read FILE …``.
"""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.types import Image
from a2g_cli.data.formats import image_files
from a2g_cli.data.formats.incoming import Frames, Incoming, OwnMetadata
from a2g_cli.data.formats.reading import DEFAULTS, ReadOptions, SourceEpisode, SourceEpisodes, check_nothing_chosen
from a2g_cli.data.formats.rerun import CAPTURED, SUFFIX, TIMES, TIMING, WORDS, library
from a2g_cli.data.recording import schema, storage

_MAX_FILE = 8 * 2**30
_PATIENCE = 600
"""Longest time that the child process may take [s]."""
_BLOB, _NUMBERS, _TEXT = "EncodedImage:blob", "Scalars:scalars", "TextDocument:text"


def recognises(source: Path) -> bool:
    """Whether ``source`` is a Rerun file, or a folder of them."""
    return bool(_files(source))


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if source.suffix == SUFFIX else []
    return sorted(source.glob(f"*{SUFFIX}"))


def read(source: Path, options: ReadOptions = DEFAULTS) -> SourceEpisodes:
    """Yield the recordings in ``source``, a file or a folder of them. ``options`` have no effect.

    Raises:
        RecordingError: one is damaged, or was not written by a2g.
        A2GError: rerun-sdk is missing.
    """
    check_nothing_chosen(options)
    library()
    paths = _files(source)
    with storage.reading(source, "Rerun recording of a2g's"):
        if any(path.stat().st_size > _MAX_FILE for path in paths):
            raise ValueError("it is too large")
        _try(paths)
    for path in paths:
        with storage.reading(path, "Rerun recording of a2g's"):
            yield SourceEpisode(path.name, partial(episode, path))


def _try(paths: list[Path]) -> None:
    command = [sys.executable, "-m", "a2g_cli.data.formats.rerun_read", *(str(path.resolve()) for path in paths)]
    try:
        child = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)  # noqa: S603 - our own
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"Rerun could not read it within {_PATIENCE} s") from error
    if child.returncode:
        raise ValueError(f"Rerun cannot read it (its process ended with {child.returncode})")


def episode(path: Path) -> Incoming:
    """Return the recording in one file. Raises KeyError, TypeError, ValueError; a damaged file can end the process."""
    entities = _entities(path)
    texts = entities.get(WORDS, {}).get(None)
    if not isinstance(texts, str):
        raise KeyError("it was not written by a2g: the meaning of its entities is not known")
    goal = {
        name.removeprefix("goal/"): image_files.decode(found[None])
        for name, found in entities.items()
        if name.startswith("goal/")
    }
    metadata = OwnMetadata.parse(schema.from_json(texts), goal)
    spec = metadata.spec
    steps = len(entities["action"])
    width, joints, cameras = len(spec.action_names), len(spec.proprioception_names), list(spec.cameras)
    captured = _rows(entities, CAPTURED, steps + 1, len(cameras)) if cameras else np.zeros((steps + 1, 0))
    videos = {camera: entities[f"camera/{camera}"] for camera in cameras}

    def moments() -> Iterator[Frames]:
        for step in range(steps + 1):
            yield {camera: _image(video[step], spec.cameras[camera]) for camera, video in videos.items()}

    return Incoming(
        spec,
        metadata.goal,
        metadata.provenance,
        metadata.outcome,
        _rows(entities, "action", steps, width).astype(np.float32),
        _rows(entities, "action_requested", steps, width).astype(np.float32),
        _rows(entities, "proprioception", steps + 1 if joints else 0, joints).astype(np.float32)
        if joints
        else np.zeros((steps + 1, 0), np.float32),
        _rows(entities, TIMES, steps + 1, 1)[:, 0],
        {camera: captured[:, index] for index, camera in enumerate(cameras)},
        moments,
        metadata.created_at,
        _rows(entities, TIMING, steps, len(schema.TIMING)) if TIMING in entities else None,
    )


def _entities(path: Path) -> dict[str, dict[int | None, Any]]:
    """Return entity -> step -> bytes, text or numbers; the step is None for static data."""
    found: dict[str, dict[int | None, Any]] = {}
    for chunk in library().chunk.RrdReader(str(path)).stream():
        batch = chunk.to_record_batch()
        if batch.num_rows > schema.MAX_STEPS + 1:
            raise ValueError(f"{batch.num_rows} rows in one chunk")
        kept = next((name for name in (_BLOB, _NUMBERS, _TEXT) if name in batch.schema.names), None)
        if kept is None:
            continue
        steps = [None] * batch.num_rows if chunk.is_static else batch.column("step").to_pylist()
        column = batch.column(kept)
        own = found.setdefault(chunk.entity_path.strip("/").replace("\\", ""), {})  # as Rerun escapes names
        for row, step in enumerate(steps):
            own[step] = _value(kept, column[row])
    return found


def _value(kind: str, cell: Any) -> Any:
    if kind == _TEXT:
        return cell.as_py()[0]
    values = cell.values if kind == _NUMBERS else cell.values[0].values
    array = values.to_numpy(zero_copy_only=False)
    return np.asarray(array, np.float64) if kind == _NUMBERS else array.tobytes()


def _rows(entities: dict[str, dict[int | None, Any]], name: str, count: int, width: int) -> NDArray[np.float64]:
    own = entities[name]
    if len(own) != count or any(np.shape(own[step]) != (width,) for step in range(count)):
        raise ValueError(f"{name} does not have {count} rows of {width} numbers")
    return np.stack([own[step] for step in range(count)]) if count else np.zeros((0, width))


def _image(data: Any, size: tuple[int, int]) -> Image:
    if not isinstance(data, bytes):
        raise TypeError("an image is missing")
    return image_files.decode(data, size)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        _entities(Path(name))
