"""Verifies recordings: reads every byte and reports what is wrong."""

import hashlib
import json
import selectors
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from a2g_cli.core.errors import RecordingError
from a2g_cli.data.recording import schema, storage, untrusted
from a2g_cli.data.recording.checks import MAX_AGE, doubts, faults, numbers_of
from a2g_cli.data.recording.reader import Recording

_BLOCK = 64
_LATE = 1.5
"""A note reports steps that took longer than this [control periods]."""
_STILL = 1.0
"""A note reports images that did not change for longer than this while the robot moved [s]."""
_PATIENCE = 120.0


@dataclass(frozen=True)
class Verification:
    """The result for one recording."""

    path: Path
    problems: tuple[str, ...]
    """Empty for a sound recording."""
    notes: tuple[str, ...] = ()
    """Remarks about a recording; nothing is wrong."""
    content: str = ""
    """SHA-256 over the episode: equal for two recordings of one episode; empty if it cannot be read."""


def verify(path: Path, max_age: float = MAX_AGE) -> list[str]:
    """Return the problems of the recording ``path``; empty for a sound one. Frames may be ``max_age`` [s] old."""
    return list(next(verify_all([path], max_age)).problems)


def verify_all(paths: Iterable[Path], max_age: float = MAX_AGE) -> Iterator[Verification]:
    """Yield the result for each of ``paths``. Frames may be ``max_age`` [s] old.

    Opening a recording checks its schema and lengths; this also reads every number and every frame.
    """
    with _Views() as views:
        for path in paths:
            try:
                with Recording(path) as recording:
                    yield _verdict(recording, max_age, views)
            except RecordingError as error:
                yield Verification(path, (str(error),))


def _verdict(recording: Recording, max_age: float, views: "_Views") -> Verification:
    numbers = numbers_of(recording)
    problems = [*faults(numbers), *doubts(numbers, max_age), *_goal(recording)]
    with storage.reading(recording.path), untrusted.opened(recording.path) as file:
        problems += _robomimic(recording, file)
    problems += views.problems(recording.path)
    notes = list(_rhythm(recording))
    content = hashlib.sha256()
    for array in (recording.times, recording.actions, recording.requested, recording.proprioception):
        content.update(np.ascontiguousarray(array).data)
    for camera in recording.cameras:
        try:
            still = _frames(recording, camera, content)
        except RecordingError as error:
            problems.append(f"a frame of {camera} cannot be unpacked: {error}")
            continue
        if still > max(2, _STILL * recording.spec.rate) and np.ptp(recording.proprioception, axis=0).any():
            notes.append(f"frames/{camera}: the image stood still for {still} frames while the robot moved")
    for camera in recording.spec.depth:
        try:
            for start in range(0, recording.length + 1, _BLOCK):
                content.update(recording.depth(camera, start, start + _BLOCK).data)
        except RecordingError as error:
            problems.append(f"a depth of {camera} cannot be unpacked: {error}")
    for plan in recording.imagined:
        try:
            recording.imagined_frames(plan)
        except RecordingError as error:
            problems.append(f"what was imagined at step {plan.step}: {error}")
    return Verification(recording.path, tuple(problems), tuple(notes), content.hexdigest())


def _frames(recording: Recording, camera: str, content: Any) -> int:
    """Read every frame into ``content``; return the longest run of frames that are equal to the one before."""
    longest = run = 0
    last = None
    for start in range(0, recording.length + 1, _BLOCK):
        frames = recording.frames(camera, start, start + _BLOCK)
        content.update(frames.data)
        before = frames[:1] if last is None else last[None]
        equal = (np.concatenate([before, frames[:-1]]) == frames).all(axis=(1, 2, 3))
        for index, same in enumerate(equal, start):
            run = run + 1 if same and index else 0
            longest = max(longest, run)
        last = frames[-1]
    return longest


def _rhythm(recording: Recording) -> Iterator[str]:
    """Steps that took longer than they should: a robot that waited for a plan, a camera or a disk."""
    periods = np.diff(recording.times) * recording.spec.rate
    if count := int((periods > _LATE).sum()):
        yield (
            f"times: {count} of {recording.length} steps took longer than {_LATE:g} control periods, "
            f"the longest {periods.max():.1f}"
        )


def _goal(recording: Recording) -> Iterator[str]:
    goal, spec = recording.goal, recording.spec
    if set(goal.images) != set(spec.cameras):
        yield f"goal: images of {sorted(goal.images)}, the robot has {sorted(spec.cameras)}"
    for camera, image in goal.images.items():
        if camera in spec.cameras and image.shape[:2] != spec.cameras[camera]:
            yield f"goal: {camera} is {image.shape[:2]}, the camera gives {spec.cameras[camera]}"


def _robomimic(recording: Recording, file: Any) -> Iterator[str]:
    """What robomimic reads must agree with what a2g reads."""
    steps, demo = recording.length, file[schema.DEMO]
    for node, name in ((demo, "num_samples"), (file["data"], "total")):
        if (value := untrusted.integer_attribute(node, name)) != steps:
            yield f"{name} is {value}, there are {steps} actions"
    schema.from_json(untrusted.text_attribute(file["data"], "env_args"))
    rewards = untrusted.stored(file, f"{schema.DEMO}/rewards", (steps,), "f4")[()]
    if bool(rewards.any()) != bool(recording.outcome.success):
        yield f"rewards sum to {rewards.sum():g}, the outcome's success is {recording.outcome.success}"
    dones = untrusted.stored(file, f"{schema.DEMO}/dones", (steps,), "i8")[()]
    if dones[:-1].any() or dones[-1] != 1:
        yield "dones: not the last step alone"
    if schema.from_json(untrusted.text_attribute(file, "goal")).get("fingerprint") != recording.goal.fingerprint:
        yield "goal: the images are not those that were recorded: the fingerprint differs"


class _Views:
    """Checks ``obs`` and ``next_obs`` in a child process, which is used for many recordings and replaced if it dies.

    HDF5 stores the mapping of a virtual dataset without a checksum, and version 2.0 crashes on some damaged mappings.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def problems(self, path: Path) -> list[str]:
        """Return the problems of the views in ``path``."""
        if self._child is None:
            command = [sys.executable, "-m", "a2g_cli.data.recording.views"]
            self._child = subprocess.Popen(  # noqa: S603 - our own
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
            )
        child = self._child
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("a process without pipes")
        with suppress(BrokenPipeError):  # it died: the read below sees that
            child.stdin.write(json.dumps(str(path.resolve())).encode() + b"\n")
        with selectors.DefaultSelector() as answers:
            answers.register(child.stdout, selectors.EVENT_READ)
            answered = b""
            while not answered.endswith(b"\n"):
                if not answers.select(_PATIENCE):
                    self._end()
                    return [f"obs, next_obs: HDF5 could not read them within {_PATIENCE:.0f} s"]
                piece = child.stdout.read(65536)
                if not piece:
                    code = child.wait()
                    self._end()
                    return [f"obs, next_obs: HDF5 cannot read them (its process ended with {code})"]
                answered += piece
        problems: list[str] = json.loads(answered)
        return problems

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()
