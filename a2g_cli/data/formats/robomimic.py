"""robomimic's HDF5: one file, ``data/demo_0`` upwards. A recording is already such a file; an export joins many.

Nothing is lost: frames are stored once, as they are packed, with ``obs`` and ``next_obs`` as views. What robomimic does not
know (goal, true times, requested actions) is beside them, and robomimic ignores it.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from a2g_cli.data.formats import hdf5, hdf5_files
from a2g_cli.data.formats.hdf5_videos import Video
from a2g_cli.data.formats.incoming import Frames, Incoming, OwnMetadata
from a2g_cli.data.formats.outgoing import check_free, one_robot, without_depth, words
from a2g_cli.data.formats.reading import DEFAULTS, ReadOptions, SourceEpisode, SourceEpisodes, check_nothing_chosen
from a2g_cli.data.formats.robomimic_foreign import foreign
from a2g_cli.data.recording import schema, storage, untrusted
from a2g_cli.data.recording.assemble import add_judgement, add_views
from a2g_cli.data.recording.reader import Recording

_OWN = "own"
"""The group in a demo for what robomimic does not know."""


def recognises(source: Path) -> bool:
    """Whether ``source`` is a robomimic data set, or a folder of them. a2g's own recordings do not count."""
    return hdf5_files.recognises(source, "data set", lambda file: untrusted.holds(file, "data"))


def write(paths: Sequence[Path], target: Path, lossless: bool = True) -> list[str]:
    """Write the recordings ``paths`` as one file ``target``; return notes for the user, of which there are none.

    This format is always lossless, whatever ``lossless`` says.

    Raises:
        A2GError: recordings of different robots, one cannot be read, ``target`` exists, or the disk refuses.
    """
    del lossless
    check_free(target)
    one_robot(paths)
    total, successes = 0, []
    with storage.creating(target) as file:
        for number, path in enumerate(paths):
            with Recording(path) as recording, untrusted.opened(path) as source:
                demo = file.create_group(f"data/demo_{number}")
                for name in ("frames", "captured_at", "goal", "proprioception", "times", "timing"):
                    if name in source:
                        source.copy(name, demo.require_group(_OWN))
                for name in ("actions", "actions_requested"):
                    source.copy(f"{schema.DEMO}/{name}", demo)
                place = f"data/demo_{number}"
                targets = schema.view_targets(without_depth(recording.spec))
                targets = {key: f"{place}/{_OWN}/{target}" for key, target in targets.items()}
                add_views(file, targets, recording.length, place)
                add_judgement(file, recording.outcome, recording.length, place)
                demo.attrs["num_samples"] = recording.length
                hdf5.write_words(demo, words(recording))
                total += recording.length
                provenance = recording.provenance
                environment = schema.env_args(provenance.robot, provenance.shift, recording.spec.rate)
                if recording.outcome.success:
                    successes.append(f"demo_{number}")
        file["data"].attrs["total"] = total
        file["data"].attrs["env_args"] = environment
        file.create_dataset("mask/success", data=successes, shape=(len(successes),), dtype="S32")
    return []


def read(source: Path, options: ReadOptions = DEFAULTS) -> SourceEpisodes:
    """Yield the demos of ``source``, a file or a folder of them. ``options.rate`` [Hz] replaces the files' rate.

    Raises:
        UsageError: it holds too many files.
    """

    def demos(file: Any, path: Path, name: str) -> list[SourceEpisode]:
        data = hdf5.group(file, "data")
        environment = _environment(data)
        found = [demo for demo in data if demo.startswith("demo_") and demo[5:].isdecimal()]
        if not found:
            raise KeyError("it has no demo")
        made = []
        for demo in sorted(found, key=lambda name: int(name[5:])):
            load = partial(_load, data, demo, f"{path.name}#{demo}", environment, options)
            made.append(SourceEpisode(demo if path == source else f"{name} {demo}", load))
        return made

    return hdf5_files.episodes(source, demos)


def _load(data: Any, demo: str, name: str, environment: dict[str, Any], options: ReadOptions) -> Incoming:
    node = hdf5.group(data, demo)
    if untrusted.holds(node, _OWN):
        check_nothing_chosen(options)
        return _own(node)
    return foreign(node, name, data, environment, options)


def _environment(data: Any) -> dict[str, Any]:
    text = hdf5.optional_text(data, "env_args")
    return {} if text is None else schema.from_json(text)


def _own(demo: Any) -> Incoming:
    """Return a demo that ``write`` wrote, without any loss."""
    own = hdf5.group(demo, _OWN)
    images = {}
    for camera in untrusted.members(own, "goal"):
        dataset = untrusted.stored(own, f"goal/{camera}", (None, None, 3), "u1")
        if max(dataset.shape) > schema.MAX_SIDE:
            raise ValueError(f"a goal of shape {dataset.shape}")
        images[camera] = dataset[()]
    texts = {
        name: untrusted.text_attribute(demo, name) for name in ("spec", "goal", "provenance", "outcome", "created_at")
    }
    metadata = OwnMetadata.parse(texts, images)
    times = hdf5.numbers(own, "times")
    rows = len(times)
    videos = {
        camera: Video(untrusted.stored(own, f"frames/{camera}", (rows, *size, 3), "u1"), size, "rows")
        for camera, size in metadata.spec.cameras.items()
    }
    joints = len(metadata.spec.proprioception_names)
    return Incoming(
        metadata.spec,
        metadata.goal,
        metadata.provenance,
        metadata.outcome,
        hdf5.matrix(demo, "actions", rows - 1),
        hdf5.matrix(demo, "actions_requested", rows - 1),
        hdf5.matrix(own, "proprioception", rows) if joints else np.zeros((rows, 0), np.float32),
        times,
        {camera: hdf5.numbers(own, f"captured_at/{camera}", rows) for camera in videos},
        lambda: _moments(videos, rows),
        metadata.created_at,
        hdf5.timing(own, rows - 1),
    )


def _moments(videos: dict[str, Video], rows: int) -> Iterator[Frames]:
    running = {camera: video.first(rows) for camera, video in videos.items()}
    for _ in range(rows):
        yield {camera: next(video) for camera, video in running.items()}
