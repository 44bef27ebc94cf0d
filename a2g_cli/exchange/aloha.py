"""ALOHA HDF5: a folder with ``episode_0.hdf5`` upwards, 50 steps a second, as ACT's training reads it.

ALOHA keeps T rows for T actions and no times. What it has no place for stands in a group ``a2g`` of each file, which its own
code passes over.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from a2g_cli.episode import Image, Outcome, Provenance
from a2g_cli.exchange import hdf5, pictures
from a2g_cli.exchange.incoming import Frames, Incoming, OwnWords, last_frame_as_goal, numbered, spec_for
from a2g_cli.exchange.outgoing import building_folder, frames, one_robot, timing, words
from a2g_cli.exchange.reading import DEFAULTS, ReadOptions, SourceEpisode, SourceEpisodes
from a2g_cli.recording import schema, storage, untrusted
from a2g_cli.recording.journal import deflate
from a2g_cli.recording.reader import Recording

RATE = 50.0
"""ALOHA's own [Hz]."""
_OWN = "a2g"
_PACKED: dict[str, Any] = {"compression": "gzip", "compression_opts": 1}


def recognises(source: Path) -> bool:
    """Whether ``source`` is an episode of ALOHA's, or a folder of them."""
    for path in _episodes(source)[:1]:
        if not h5py.is_hdf5(path):
            return False
        with storage.reading(path, "ALOHA episode"), untrusted.opened(path) as file:
            return untrusted.holds(file, "action") and untrusted.holds(file, "observations")
    return False


def _episodes(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    found = [path for path in source.glob("episode_*.hdf5") if path.stem[8:].isdecimal()]
    return sorted(found, key=lambda path: int(path.stem[8:]))


def write(paths: Sequence[Path], target: Path, lossless: bool = True) -> list[str]:
    """Write the recordings ``paths`` into the folder ``target``, one file each; return what there is to say.

    ``lossless`` is there for every format alike: this one always is.

    Raises:
        A2GError: recordings of different robots, one cannot be read, ``target`` exists, or the disk refuses.
    """
    del lossless
    spec = one_robot(paths)
    with building_folder(target) as folder:
        for number, path in enumerate(paths):
            with Recording(path) as recording, storage.creating(folder / f"episode_{number}.hdf5") as file:
                _write_one(recording, file)
    notes = ["qvel is not measured by a2g: it holds differences of qpos over the true times"]
    if spec.rate != RATE:
        notes.append(f"ALOHA's own programs take {RATE:g} Hz for granted, these recordings have {spec.rate:g}")
    return notes


def _write_one(recording: Recording, file: Any) -> None:
    steps = recording.length
    joints, times = recording.proprioception, recording.times
    file.attrs["sim"] = False
    file.attrs["compress"] = False
    # Where two observations carry one time there is no speed to tell.
    passed = np.diff(times)[:, None]
    speed = np.divide(np.diff(joints, axis=0), passed, out=np.zeros_like(joints[1:]), where=passed > 0)
    storage.write_array(file, "action", recording.actions)
    storage.write_array(file, "observations/qpos", joints[:-1])
    storage.write_array(file, "observations/qvel", speed)
    file["observations/qvel"].attrs["derived_from"] = "qpos and times"
    own = file.create_group(_OWN)
    for camera, (height, width) in recording.spec.cameras.items():
        shape = (steps, height, width, 3)
        film = file.create_dataset(
            f"observations/images/{camera}", shape, "u1", chunks=(1, height, width, 3), **_PACKED
        )
        for index, image in enumerate(frames(recording, camera, steps)):
            film.id.write_direct_chunk((index, 0, 0, 0), deflate(image))
        last = recording.frame(camera, -1)
        own.create_dataset(f"final/{camera}", data=last, chunks=last.shape, **_PACKED)
        storage.write_array(own, f"captured_at/{camera}", recording.captured_at(camera))
    for camera, image in recording.goal.images.items():
        own.create_dataset(f"goal/{camera}", data=image, chunks=image.shape, **_PACKED)
    storage.write_array(own, "times", times)
    if (taken := timing(recording)) is not None:
        for name, column in zip(schema.TIMING, taken.T, strict=True):
            storage.write_array(own, f"timing/{name}", column)
    storage.write_array(own, "proprioception", joints)
    storage.write_array(own, "actions_requested", recording.requested)
    hdf5.write_words(own, words(recording))


def read(source: Path, options: ReadOptions = DEFAULTS) -> SourceEpisodes:
    """Yield the episodes of ``source``, a file or a folder of them. ``options.rate`` [Hz] is theirs, 50 unless given.

    Raises:
        RecordingError: one is damaged, or describes what no recording can hold.
    """
    for path in _episodes(source):
        with storage.reading(path, "ALOHA episode"), untrusted.opened(path) as file:
            if untrusted.holds(file, _OWN):
                yield SourceEpisode(path.name, partial(_own, file))
            else:
                yield SourceEpisode(path.name, partial(_foreign, file, path, options.rate))


def _own(file: Any) -> Incoming:
    own = hdf5.group(file, _OWN)
    goal, last = _stills(own, "goal"), _stills(own, "final")
    texts = {
        name: untrusted.text_attribute(own, name) for name in ("spec", "goal", "provenance", "outcome", "created_at")
    }
    told = OwnWords.parse(texts, goal)
    times = hdf5.numbers(own, "times")
    steps, joints = len(times) - 1, len(told.spec.proprioception_names)
    films = _films(file, steps)
    if {camera: size for camera, (size, _) in films.items()} != dict(told.spec.cameras):
        raise ValueError("its pictures are not those of the robot that it names")
    if {camera: image.shape[:2] for camera, image in last.items()} != dict(told.spec.cameras):
        raise ValueError("its last pictures are not those of the robot that it names")

    def moments() -> Iterator[Frames]:
        yield from _moments(films, steps)
        yield last

    return Incoming(
        told.spec,
        told.goal,
        told.provenance,
        told.outcome,
        hdf5.matrix(file, "action", steps),
        hdf5.matrix(own, "actions_requested", steps),
        hdf5.matrix(own, "proprioception", steps + 1) if joints else np.zeros((steps + 1, 0), np.float32),
        times,
        {camera: hdf5.numbers(own, f"captured_at/{camera}", steps + 1) for camera in films},
        moments,
        told.created_at,
        hdf5.timing(own, steps),
    )


def _foreign(file: Any, path: Path, rate: float | None) -> Incoming:
    actions = hdf5.matrix(file, "action")
    steps = len(actions)
    if steps < 2:
        raise ValueError(f"it has {steps} rows: two are needed for one action and where it led")
    joints = hdf5.matrix(file, "observations/qpos", steps)
    films = _films(file, steps)
    hertz = RATE if rate is None else rate
    names = (numbered("action", actions.shape[1]), numbered("qpos", joints.shape[1]))
    spec = spec_for("aloha", *names, {camera: size for camera, (size, _) in films.items()}, hertz)
    goal = {camera: _at(size, dataset, steps - 1) for camera, (size, dataset) in films.items()}
    times = np.arange(steps) / hertz
    return Incoming(
        spec,
        last_frame_as_goal(goal, f"aloha:{path.name}"),
        Provenance("aloha", "imported", settings={"imported": {"format": "aloha", "episode": path.stem}}),
        Outcome(None, "none", "imported"),
        actions[:-1],
        actions[:-1],
        joints,
        times,
        dict.fromkeys(films, times),
        lambda: _moments(films, steps),
        notes=(
            f"ALOHA keeps no times: they are counted at {hertz:g} Hz; --rate says otherwise",
            "the last action of an episode leads nowhere that was kept, and is left out",
            "qvel and effort are left out",
        ),
    )


def _stills(own: Any, name: str) -> dict[str, Image]:
    found = {}
    for camera in untrusted.members(own, name):
        dataset = untrusted.stored(own, f"{name}/{camera}", (None, None, 3), "u1")
        if max(dataset.shape) > schema.MAX_SIDE:
            raise ValueError(f"{name}/{camera} has shape {dataset.shape}")
        found[camera] = dataset[()]
    return found


def _films(file: Any, steps: int) -> dict[str, tuple[tuple[int, int], Any]]:
    """Return camera -> its size and its dataset: pictures, or, where ``compress`` is set, padded JPEGs."""
    found = {}
    for camera in hdf5.group(file, "observations/images"):
        dataset = untrusted.plain(file, f"observations/images/{camera}")
        if len(dataset) < steps:
            raise ValueError(f"{camera} has {len(dataset)} pictures for {steps} actions")
        size = hdf5.picture_size(dataset)
        if size is None:
            if dataset.ndim != 2 or dataset.dtype != np.uint8 or dataset.shape[1] > pictures.MAX_FILE:
                raise ValueError(f"{camera} has shape {dataset.shape} of {dataset.dtype}: no pictures")
            size = pictures.size_of(_bytes(dataset[0]))
        found[camera] = (size, dataset)
    return found


def _at(size: tuple[int, int], dataset: Any, index: int) -> Image:
    row = dataset[index]
    return np.asarray(row, np.uint8) if dataset.ndim == 4 else pictures.decode(_bytes(row), size)


def _bytes(row: NDArray[np.uint8]) -> bytes:
    return bytes(row.tobytes())


def _moments(films: dict[str, tuple[tuple[int, int], Any]], count: int) -> Iterator[Frames]:
    for index in range(count):
        yield {camera: _at(size, dataset, index) for camera, (size, dataset) in films.items()}
