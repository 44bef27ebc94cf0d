"""Reads recordings. A recording may come from anywhere: everything in it is checked before it is used."""

import hashlib
import shlex
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Depth, Episode, Goal, Image, Observation, Outcome, Provenance, StepTiming, Vector
from a2g_cli.data.recording import imagined, schema, storage, untrusted
from a2g_cli.data.recording.imagined import Imagined
from a2g_cli.data.recording.journal import MAGIC
from a2g_cli.robots.base import RobotSpec


class Recording:
    """A complete recording, read-only. It is opened and checked at its first use, or by ``with``.

    For T actions, frames, proprioception and times have T + 1 rows; the last is the episode's end.

    Raises (from every property and method):
        RecordingError: the file is missing, unfinished, truncated, foreign, or contradicts itself.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._opened: Any = None

    # -- opening ------------------------------------------------------------------------------------------------------

    @property
    def _file(self) -> Any:
        if self._opened is None:
            _check_kind(self.path)
            with storage.reading(self.path):
                file = untrusted.opened(self.path)
                try:
                    self._read(file)
                except BaseException:
                    file.close()
                    raise
                self._opened = file
        return self._opened

    def _read(self, file: Any) -> None:
        """Check that all parts exist and fit together; keep the small ones."""
        version = _version(file)
        if version > schema.FORMAT:
            raise ValueError(f"it is format {version}, this a2g knows {schema.FORMAT}: a newer a2g is needed")
        self._spec = spec = schema.spec_from_json(untrusted.text_attribute(file, "spec"))
        self._provenance = schema.provenance_from_json(untrusted.text_attribute(file, "provenance"))
        self._outcome = schema.outcome_from_json(untrusted.text_attribute(file, "outcome"))
        self._created_at = untrusted.text_attribute(file, "created_at")
        width = len(spec.action_names)
        actions = untrusted.stored(file, f"{schema.DEMO}/actions", (None, width), "f4")
        self._length = steps = int(actions.shape[0])
        if not 1 <= steps <= schema.MAX_STEPS:
            raise ValueError(f"it has {steps} actions")
        untrusted.stored(file, f"{schema.DEMO}/actions_requested", (steps, width), "f4")
        untrusted.stored(file, "proprioception", (steps + 1, len(spec.proprioception_names)), "f4")
        untrusted.stored(file, "times", (steps + 1,), "f8")
        for camera, (height, breadth) in spec.cameras.items():
            frames = untrusted.stored(file, f"frames/{camera}", (steps + 1, height, breadth, 3), "u1")
            if frames.chunks not in {None, (1, height, breadth, 3)}:
                raise ValueError(f"frames/{camera} is not stored frame by frame")
            untrusted.stored(file, f"captured_at/{camera}", (steps + 1,), "f8")
        for camera in spec.depth:
            depth = untrusted.stored(file, f"depth/{camera}", (steps + 1, *spec.cameras[camera]), "<u2")
            if depth.chunks not in {None, (1, *spec.cameras[camera])}:
                raise ValueError(f"depth/{camera} is not stored frame by frame")
        self._timed = "timing" in file
        for name in schema.TIMING * self._timed:
            untrusted.stored(file, f"timing/{name}", (steps,), "f8")
        images: dict[str, Image] = {}
        for camera in untrusted.members(file, "goal"):
            dataset = untrusted.stored(file, f"goal/{camera}", (None, None, 3), "u1")
            if max(dataset.shape) > schema.MAX_SIDE or min(dataset.shape) < 1:
                raise ValueError(f"goal/{camera} has shape {dataset.shape}")
            images[camera] = dataset[()]
        self._goal = schema.goal_from_json(untrusted.text_attribute(file, "goal"), images)

    def close(self) -> None:
        """Close the file; harmless when called twice. The next use opens it again."""
        file, self._opened = self._opened, None
        if file is not None:
            file.close()

    def __enter__(self) -> Self:
        self._file  # noqa: B018 - opens
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # -- facts --------------------------------------------------------------------------------------------------------

    @property
    def length(self) -> int:
        """T, the number of actions [steps]."""
        self._file  # noqa: B018
        return self._length

    def __len__(self) -> int:
        return self.length

    @property
    def spec(self) -> RobotSpec:
        """The robot's names, units, limits and rate at the time of recording."""
        self._file  # noqa: B018
        return self._spec

    @property
    def goal(self) -> Goal:
        """The goal that the robot was shown."""
        self._file  # noqa: B018
        return self._goal

    @property
    def provenance(self) -> Provenance:
        """Where the episode came from."""
        self._file  # noqa: B018
        return self._provenance

    @property
    def outcome(self) -> Outcome:
        """How the episode ended, and who judged it."""
        self._file  # noqa: B018
        return self._outcome

    @property
    def created_at(self) -> str:
        """When it was recorded, ISO 8601 in UTC."""
        self._file  # noqa: B018
        return self._created_at

    @property
    def imagined(self) -> list[Imagined]:
        """What the world model imagined, plan by plan; empty where nothing was, and in recordings of earlier versions."""
        file = self._file
        with storage.reading(self.path):
            return imagined.read(file, list(self._spec.cameras), self._length)

    def imagined_frames(self, plan: Imagined) -> list[Image]:
        """Return the frames (H, W, 3) of one of ``imagined``."""
        with storage.reading(self.path):
            return plan.frames()

    @property
    def cameras(self) -> tuple[str, ...]:
        """The cameras' names, in the spec's order."""
        return tuple(self.spec.cameras)

    # -- arrays -------------------------------------------------------------------------------------------------------

    def _array(self, name: str) -> Any:
        file = self._file
        with storage.reading(self.path):
            return file[name][()]

    @property
    def actions(self) -> Vector:
        """(T, A) as sent to the robot, in the spec's units."""
        return np.asarray(self._array(f"{schema.DEMO}/actions"), np.float32)

    @property
    def requested(self) -> Vector:
        """(T, A) as the policy requested them."""
        return np.asarray(self._array(f"{schema.DEMO}/actions_requested"), np.float32)

    @property
    def proprioception(self) -> Vector:
        """(T + 1, P) in the spec's units."""
        return np.asarray(self._array("proprioception"), np.float32)

    @property
    def times(self) -> NDArray[np.float64]:
        """(T + 1,) when each observation was made, on the robot's clock [s]."""
        return np.asarray(self._array("times"), np.float64)

    @property
    def timings(self) -> list[StepTiming] | None:
        """T, the timing of each action; None if it was not recorded."""
        self._file  # noqa: B018
        if not self._timed:
            return None
        columns = [self._array(f"timing/{name}").tolist() for name in schema.TIMING]
        return [StepTiming(*row) for row in zip(*columns, strict=True)]

    def captured_at(self, camera: str) -> NDArray[np.float64]:
        """Return (T + 1,) when each frame of ``camera`` was captured, on the robot's clock [s]."""
        self._check_camera(camera)
        return np.asarray(self._array(f"captured_at/{camera}"), np.float64)

    def ages(self, camera: str) -> NDArray[np.float64]:
        """Return (T + 1,) the age of each frame of ``camera`` when it was used [s]."""
        return self.times - self.captured_at(camera)

    def frames(self, camera: str, start: int | None = None, stop: int | None = None) -> Image:
        """Return (n, H, W, 3) frames ``[start:stop]`` of ``camera``, as slicing a list does."""
        self._check_camera(camera)
        file = self._file
        first, last, _ = slice(start, stop).indices(self._length + 1)
        with storage.reading(self.path):
            return np.asarray(file[f"frames/{camera}"][first : max(first, last)], np.uint8)

    def frame(self, camera: str, index: int) -> Image:
        """Return one frame (H, W, 3) of ``camera``; -1 is the last. Raises IndexError beyond T."""
        self._check_camera(camera)
        file = self._file
        if not -self._length - 1 <= index <= self._length:
            raise IndexError(f"frame {index} of {self._length + 1}")
        with storage.reading(self.path):
            return np.asarray(file[f"frames/{camera}"][index % (self._length + 1)], np.uint8)

    def depth(self, camera: str, start: int | None = None, stop: int | None = None) -> Depth:
        """Return (n, H, W) depth images ``[start:stop]`` of a depth camera, as slicing a list does."""
        if camera not in self.spec.depth:
            raise RecordingError(
                f"{self.path} has no depth of {camera!r}: it has {', '.join(self.spec.depth) or 'none'}."
            )
        file = self._file
        first, last, _ = slice(start, stop).indices(self._length + 1)
        with storage.reading(self.path):
            return np.asarray(file[f"depth/{camera}"][first : max(first, last)], np.uint16)

    def observation(self, index: int) -> Observation:
        """Return observation ``index`` of T + 1; -1 is the last. Raises IndexError beyond T."""
        images = {camera: self.frame(camera, index) for camera in self.cameras}
        captured = {camera: float(self.captured_at(camera)[index]) for camera in self.cameras}
        row = range(self.length + 1)[index]
        depth = {camera: self.depth(camera, row, row + 1)[0] for camera in self.spec.depth}
        return Observation(images, self.proprioception[index], captured, float(self.times[index]), depth)

    def _check_camera(self, camera: str) -> None:
        if camera not in self.spec.cameras:
            raise RecordingError(f"{self.path} has no camera {camera!r}: it has {', '.join(self.spec.cameras)}.")


def _check_kind(path: Path) -> None:
    """Raise RecordingError for a folder, a file that is not HDF5, or an unfinished recording."""
    with storage.reading(path):
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        if not path.exists():
            raise RecordingError(f"{path} does not exist: `a2g recordings list` lists what there is.")
        with path.open("rb") as file:
            begin = file.read(len(MAGIC))
        if path.suffix == schema.PARTIAL_SUFFIX or begin == MAGIC:
            advice = f"`a2g recordings repair {shlex.quote(str(path))}` makes a recording of what it holds."
            raise RecordingError(f"{path} is an unfinished recording: {advice}")
        if not begin or not h5py.is_hdf5(path):
            raise RecordingError(f"{path} is {'not an HDF5 file' if begin else 'empty'}: it is no recording.")


def _version(file: Any) -> int:
    if schema.MARK in file.attrs:
        return untrusted.integer_attribute(file, schema.MARK)
    if "data" in list(file):
        raise ValueError("it is not one episode of a2g's (a session's index, or another program's data set)")
    raise ValueError(f"it is an HDF5 file of another kind, without the attribute {schema.MARK!r}")


def read_episode(path: Path) -> Episode:
    """Return the episode in ``path``, with all its frames. Raises RecordingError."""
    with Recording(path) as recording:
        frames = {camera: recording.frames(camera) for camera in recording.cameras}
        captured = {camera: recording.captured_at(camera) for camera in recording.cameras}
        proprioception, times = recording.proprioception, recording.times
        depth = {camera: recording.depth(camera) for camera in recording.spec.depth}
        observations = [
            Observation(
                {camera: frames[camera][index] for camera in frames},
                proprioception[index],
                {camera: float(captured[camera][index]) for camera in captured},
                float(times[index]),
                {camera: depth[camera][index] for camera in depth},
            )
            for index in range(recording.length + 1)
        ]
        return Episode(
            recording.goal,
            recording.provenance,
            observations,
            list(recording.requested),
            list(recording.actions),
            recording.outcome,
        )


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of the file's bytes, in hexadecimal. Raises RecordingError if it cannot be read."""
    with storage.reading(path), Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
