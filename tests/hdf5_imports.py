"""HDF5 data sets of other programs brought in: what came of them, and data sets changed a little."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hdf5_examples as made
import numpy as np
from hdf5_examples import BLUE, aloha, video

from a2g_cli.core.types import Episode
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.formats.importing import Imported, ImportOptions, bring_in
from a2g_cli.data.formats.reading import ReadOptions
from a2g_cli.data.formats.registry import detect
from a2g_cli.data.recording.reader import Recording, read_episode

Make = Callable[[Path], Path]


def brought(source: Path, name: str = "it", skip_bad: bool = False, **read: Any) -> Imported:
    options = ImportOptions(ReadOptions(**read), skip_bad=skip_bad)
    return bring_in(Workspace(source.parent), source, detect(source), name, options)


def episodes(result: Imported) -> list[Episode]:
    return [read_episode(path) for path in result.session.recordings()]


def colours(result: Imported, camera: str | None = None) -> np.ndarray:
    """The mean colour of every frame of the first episode, (T + 1, 3)."""
    with Recording(result.session.recordings()[0]) as recording:
        frames = recording.frames(camera or next(iter(recording.cameras)))
    return frames.mean(axis=(1, 2))


def assert_true_colours(result: Imported, camera: str | None = None, begin: int = 0) -> None:
    found = colours(result, camera)
    expected = np.array([[10 * (begin + index), 60, BLUE] for index in range(len(found))])
    np.testing.assert_allclose(found, expected, atol=4)


def note(result: Imported, part: str) -> str:
    """The one note that has ``part`` in it."""
    (one,) = [text for text in result.notes if part in text]
    return one


def changed(change: Callable[[Any], Any]) -> Make:
    return lambda path: aloha(path, change=change)


def packed(wrap: Callable[[Any, str, list[bytes]], object], pack: Callable[[np.ndarray], bytes]) -> Make:
    """An episode whose camera ``top`` is packed by ``pack`` and wrapped by ``wrap``."""

    def change(file: Any) -> None:
        wrap(file["observations/images"], "top", [pack(frame) for frame in video(6)])

    return lambda path: aloha(path, change=change, images=False)


def as_texts(group: Any, name: str, rows: list[bytes]) -> None:
    group[name] = made.texts(rows)


def as_opaque(group: Any, name: str, rows: list[bytes]) -> None:
    group[name] = made.opaque(rows)


def padded(group: Any, name: str, rows: list[bytes]) -> None:
    group[name] = made.padded(rows)


def packed_chunks(group: Any, name: str, rows: list[bytes]) -> None:
    made.write_vlen(group, name, rows, chunks=(4,), maxshape=(None,), compression="gzip")


def bare_chunks(group: Any, name: str, rows: list[bytes]) -> None:
    made.write_vlen(group, name, rows, chunks=(4,))


def add(name: str, data: np.ndarray) -> Make:
    return changed(lambda file: file.create_dataset(f"observations/images/{name}", data=data))


STANDARD, OPENCV = made.as_the_standard_says, made.as_opencv_packs
