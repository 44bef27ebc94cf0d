"""robomimic HDF5: one file, ``data/demo_0`` upwards. A recording is such a file already; this makes many into one.

Everything is carried over: frames as they are packed, once, with ``obs`` and ``next_obs`` as views; and what robomimic does
not know (goal, true times, actions as requested) beside it, which it passes over.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from a2g_cli.episode import Outcome, Provenance, Vector
from a2g_cli.exchange import hdf5
from a2g_cli.exchange.incoming import Frames, Incoming, OwnWords, last_frame_as_goal, numbered, spec_for
from a2g_cli.exchange.outgoing import check_free, one_robot, without_depth, words
from a2g_cli.exchange.reading import DEFAULTS, ReadOptions, SourceEpisode, SourceEpisodes
from a2g_cli.recording import schema, storage, untrusted
from a2g_cli.recording.assemble import add_judgement, add_views
from a2g_cli.recording.reader import Recording

RATE = 20.0
"""robomimic's simulators step at this rate, where the file does not say [Hz]."""
_TRUTH = {"object", "object-state", "env_state", "states"}
"""What only a simulator knows: no proprioception."""
_IMAGE = "_image"
_OWN = "own"
"""The group in a demo that holds what robomimic does not know."""


def recognises(source: Path) -> bool:
    """Whether ``source`` is a robomimic data set, or a folder of them. A single recording is one too, and needs no import."""
    for path in _files(source)[:1]:
        if h5py.is_hdf5(path):
            with storage.reading(path, "data set"), untrusted.opened(path) as file:
                return schema.MARK not in file.attrs and untrusted.holds(file, "data")
    return False


def _files(source: Path) -> list[Path]:
    return [source] if source.is_file() else sorted(source.glob(f"*{schema.SUFFIX}"))


def write(paths: Sequence[Path], target: Path, lossless: bool = True) -> list[str]:
    """Write the recordings ``paths`` as one file ``target``; return what there is to say, which is nothing.

    ``lossless`` is there for every format alike: this one always is.

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
                told = recording.provenance
                environment = schema.env_args(told.robot, told.shift, recording.spec.rate)
                if recording.outcome.success:
                    successes.append(f"demo_{number}")
        file["data"].attrs["total"] = total
        file["data"].attrs["env_args"] = environment
        file.create_dataset("mask/success", data=successes, shape=(len(successes),), dtype="S32")
    return []


def read(source: Path, options: ReadOptions = DEFAULTS) -> SourceEpisodes:
    """Yield the demos of ``source``, a file or a folder of them. ``options.rate`` [Hz] stands for what the files do not say.

    Raises:
        RecordingError: one is damaged, or describes what no recording can hold.
    """
    for path in _files(source):
        with storage.reading(path, "robomimic data set"), untrusted.opened(path) as file:
            data = hdf5.group(file, "data")
            environment = _environment(data)
            names = [name for name in data if name.startswith("demo_") and name[5:].isdecimal()]
            if not names:
                raise KeyError("it has no demo")
            for name in sorted(names, key=lambda name: int(name[5:])):
                demo = hdf5.group(data, name)
                if untrusted.holds(demo, _OWN):
                    yield SourceEpisode(name, partial(_own, demo))
                else:
                    yield SourceEpisode(name, partial(_foreign, demo, name, path, environment, options.rate))


def _environment(data: Any) -> dict[str, Any]:
    text = hdf5.optional_text(data, "env_args")
    return {} if text is None else schema.from_json(text)


def _own(demo: Any) -> Incoming:
    """Return a demo that ``write`` wrote, all of it."""
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
    told = OwnWords.parse(texts, images)
    times = hdf5.numbers(own, "times")
    rows = len(times)
    films = {
        camera: untrusted.stored(own, f"frames/{camera}", (rows, *size, 3), "u1")
        for camera, size in told.spec.cameras.items()
    }
    joints = len(told.spec.proprioception_names)
    return Incoming(
        told.spec,
        told.goal,
        told.provenance,
        told.outcome,
        hdf5.matrix(demo, "actions", rows - 1),
        hdf5.matrix(demo, "actions_requested", rows - 1),
        hdf5.matrix(own, "proprioception", rows) if joints else np.zeros((rows, 0), np.float32),
        times,
        {camera: hdf5.numbers(own, f"captured_at/{camera}", rows) for camera in films},
        lambda: _moments(films, rows),
        told.created_at,
        hdf5.timing(own, rows - 1),
    )


@dataclass(frozen=True)
class _Observed:
    """What a demo of another program's saw: its pictures and its numbers, told apart by their shape."""

    films: dict[str, Any]
    """Camera -> dataset of T pictures."""
    numbers: dict[str, Vector]
    """Key -> (T, N)."""
    left_out: list[str]


def _observed(demo: Any, group: str, steps: int) -> _Observed:
    films, columns, left_out = {}, {}, []
    node = hdf5.group(demo, group)
    for key in sorted(node):
        dataset = untrusted.plain(node, key)
        if hdf5.picture_size(dataset) is not None:
            if len(dataset) != steps:
                raise ValueError(f"{group}/{key} has {len(dataset)} pictures for {steps} actions")
            films[key.removesuffix(_IMAGE)] = dataset
        elif dataset.dtype.kind == "f" and dataset.ndim <= 2 and key not in _TRUTH:
            columns[key] = hdf5.matrix(node, key, steps)
        else:
            left_out.append(key)
    return _Observed(films, columns, left_out)


def _rate(environment: dict[str, Any], given: float | None, notes: list[str]) -> float:
    kwargs = environment.get("env_kwargs")
    said = kwargs.get("control_freq") if isinstance(kwargs, dict) else None
    if given is None and said is None:
        notes.append(f"the file names no control rate: {RATE:g} Hz is taken; --rate says otherwise")
    return given if given is not None else float(RATE if said is None else said)


def _foreign(demo: Any, name: str, source: Path, environment: dict[str, Any], rate: float | None) -> Incoming:
    """Return a demo of another program's; its goal is what it reached."""
    notes = ["robomimic keeps no times: they are counted from the control rate"]
    hertz = _rate(environment, rate, notes)
    actions = hdf5.matrix(demo, "actions")
    steps = len(actions)
    if not steps:
        raise ValueError(f"{name} has no action")
    seen = _observed(demo, "obs", steps)
    if seen.left_out:
        left = ", ".join(seen.left_out)[:200]
        notes.append(f"left out: {left} (what only a simulator knows, or no colour picture)")
    sizes = {camera: (int(film.shape[1]), int(film.shape[2])) for camera, film in seen.films.items()}
    last: Frames = {}
    joints = np.concatenate([*seen.numbers.values(), np.zeros((steps, 0), np.float32)], axis=1)
    if untrusted.holds(demo, "next_obs"):
        after = _observed(demo, "next_obs", steps)
        last = {camera: np.asarray(after.films[camera][-1], np.uint8) for camera in seen.films}
        ends = [after.numbers[key][-1:] for key in seen.numbers]
        joints = np.concatenate([joints, np.concatenate([*ends, np.zeros((1, 0), np.float32)], axis=1)])
    else:
        notes.append("without next_obs, the last action leads nowhere that was kept, and is left out")
        actions = actions[:-1]
    spec = spec_for(
        f"robomimic:{str(environment.get('env_name') or 'unknown')[:100]}",
        numbered("action", actions.shape[1]),
        tuple(name for key, values in seen.numbers.items() for name in numbered(key, values.shape[1])),
        sizes,
        hertz,
    )
    goal = last or {camera: np.asarray(film[-1], np.uint8) for camera, film in seen.films.items()}
    if any(image.shape[:2] != sizes[camera] for camera, image in goal.items()):
        raise ValueError(f"{name} ends in pictures of another size")

    def moments() -> Iterator[Frames]:
        yield from _moments(seen.films, steps)
        if last:
            yield last

    reached = bool(hdf5.numbers(demo, "rewards", steps).flat[-1] > 0) if untrusted.holds(demo, "rewards") else None
    times = np.arange(len(joints)) / hertz
    return Incoming(
        spec,
        last_frame_as_goal(goal, f"robomimic:{source.name}#{name}"),
        Provenance(spec.name, "imported", settings={"imported": {"format": "robomimic", "episode": name}}),
        Outcome(reached, "none" if reached is None else "truth", "imported"),
        actions,
        actions,
        joints,
        times,
        dict.fromkeys(sizes, times),
        moments,
        notes=tuple(notes),
    )


def _moments(films: dict[str, Any], rows: int) -> Iterator[Frames]:
    running = {camera: hdf5.pictures(dataset, rows) for camera, dataset in films.items()}
    for _ in range(rows):
        yield {camera: next(film) for camera, film in running.items()}
