"""ALOHA's HDF5: a folder with ``episode_0.hdf5`` upwards, at 50 Hz, as ACT's training reads it.

ALOHA has T rows for T actions, and no times. What it has no place for is in a group ``a2g`` of each file, which its own code
ignores.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from a2g_cli.core.types import Image
from a2g_cli.data.formats import hdf5, hdf5_files
from a2g_cli.data.formats.aloha_foreign import ACTIONS, RATE, foreign
from a2g_cli.data.formats.hdf5_videos import Video
from a2g_cli.data.formats.incoming import Frames, Incoming, OwnMetadata
from a2g_cli.data.formats.outgoing import building_folder, frames, one_robot, timing, words
from a2g_cli.data.formats.reading import DEFAULTS, ReadOptions, SourceEpisode, SourceEpisodes, check_nothing_chosen
from a2g_cli.data.recording import schema, storage, untrusted
from a2g_cli.data.recording.journal import deflate
from a2g_cli.data.recording.reader import Recording

_OWN = "a2g"
_PACKED: dict[str, Any] = {"compression": "gzip", "compression_opts": 1}


def recognises(source: Path) -> bool:
    """Whether ``source`` is an ALOHA episode, or a folder of them."""
    return hdf5_files.recognises(source, "ALOHA episode", _is_episode)


def _is_episode(file: Any) -> bool:
    return any(untrusted.holds(file, name) for name in ACTIONS) and untrusted.holds(file, "observations")


def write(paths: Sequence[Path], target: Path, lossless: bool = True) -> list[str]:
    """Write the recordings ``paths`` into the folder ``target``, one file each; return notes for the user.

    This format is always lossless, whatever ``lossless`` says.

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
        notes.append(f"ALOHA's own programs expect {RATE:g} Hz, these recordings have {spec.rate:g} Hz")
    return notes


def _write_one(recording: Recording, file: Any) -> None:
    steps = recording.length
    joints, times = recording.proprioception, recording.times
    file.attrs["sim"] = False
    file.attrs["compress"] = False
    # The speed is 0 between two observations with the same time.
    passed = np.diff(times)[:, None]
    speed = np.divide(np.diff(joints, axis=0), passed, out=np.zeros_like(joints[1:]), where=passed > 0)
    storage.write_array(file, "action", recording.actions)
    storage.write_array(file, "observations/qpos", joints[:-1])
    storage.write_array(file, "observations/qvel", speed)
    file["observations/qvel"].attrs["derived_from"] = "qpos and times"
    own = file.create_group(_OWN)
    for camera, (height, width) in recording.spec.cameras.items():
        shape = (steps, height, width, 3)
        video = file.create_dataset(
            f"observations/images/{camera}", shape, "u1", chunks=(1, height, width, 3), **_PACKED
        )
        for index, image in enumerate(frames(recording, camera, steps)):
            video.id.write_direct_chunk((index, 0, 0, 0), deflate(image))
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
    """Yield the episodes of ``source``, a file or a folder of them. ``options.rate`` [Hz] is their rate, by default 50.

    Raises:
        UsageError: it holds too many files.
    """

    def one(file: Any, path: Path, name: str) -> list[SourceEpisode]:
        if untrusted.holds(file, _OWN):
            check_nothing_chosen(options)
            return [SourceEpisode(name, partial(_own, file))]
        return [SourceEpisode(name, partial(foreign, file, path, options))]

    return hdf5_files.episodes(source, one)


def _own(file: Any) -> Incoming:
    own = hdf5.group(file, _OWN)
    goal, last = _stills(own, "goal"), _stills(own, "final")
    texts = {
        name: untrusted.text_attribute(own, name) for name in ("spec", "goal", "provenance", "outcome", "created_at")
    }
    metadata = OwnMetadata.parse(texts, goal)
    times = hdf5.numbers(own, "times")
    steps, joints = len(times) - 1, len(metadata.spec.proprioception_names)
    videos = _videos(file, steps)
    if {camera: video.size for camera, video in videos.items()} != dict(metadata.spec.cameras):
        raise ValueError("its images do not fit the robot that it names")
    if {camera: image.shape[:2] for camera, image in last.items()} != dict(metadata.spec.cameras):
        raise ValueError("its last images do not fit the robot that it names")

    def moments() -> Iterator[Frames]:
        yield from _moments(videos, steps)
        yield last

    return Incoming(
        metadata.spec,
        metadata.goal,
        metadata.provenance,
        metadata.outcome,
        hdf5.matrix(file, "action", steps),
        hdf5.matrix(own, "actions_requested", steps),
        hdf5.matrix(own, "proprioception", steps + 1) if joints else np.zeros((steps + 1, 0), np.float32),
        times,
        {camera: hdf5.numbers(own, f"captured_at/{camera}", steps + 1) for camera in videos},
        moments,
        metadata.created_at,
        hdf5.timing(own, steps),
    )


def _stills(own: Any, name: str) -> dict[str, Image]:
    found = {}
    for camera in untrusted.members(own, name):
        dataset = untrusted.stored(own, f"{name}/{camera}", (None, None, 3), "u1")
        if max(dataset.shape) > schema.MAX_SIDE:
            raise ValueError(f"{name}/{camera} has shape {dataset.shape}")
        found[camera] = dataset[()]
    return found


def _videos(file: Any, steps: int) -> dict[str, Video]:
    """Return camera -> its images, as ``write`` stores them."""
    found = {}
    for camera in hdf5.group(file, "observations/images"):
        dataset = untrusted.stored(file, f"observations/images/{camera}", (steps, None, None, 3), "u1")
        if max(dataset.shape[1:]) > schema.MAX_SIDE:
            raise ValueError(f"{camera} has shape {dataset.shape}")
        found[camera] = Video(dataset, (dataset.shape[1], dataset.shape[2]), "rows")
    return found


def _moments(videos: dict[str, Video], count: int) -> Iterator[Frames]:
    for index in range(count):
        yield {camera: video.at(index) for camera, video in videos.items()}
