"""Writes one episode while it happens: into ``.partial``, in flushed steps, and renamed when it is complete.

While an episode grows, its file is in HDF5's single-writer-multiple-reader mode, whose order of writes leaves a readable
file at every instant, however the process ends. ``assemble`` then builds the recording itself in a second file: the
``.partial`` stays whole until the rename, so no moment exists at which both are unreadable.
"""

import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np

from a2g_cli import __version__
from a2g_cli.episode import Episode, Goal, Observation, Outcome, Provenance, Vector
from a2g_cli.errors import RecordingError
from a2g_cli.recording import schema, storage
from a2g_cli.recording.assemble import assemble
from a2g_cli.robots.robot import RobotSpec

FLUSH_STEPS = 16
"""Steps that a killed process can lose at most [steps] …"""
FLUSH_SECONDS = 1.0
"""… or this long, whichever comes first [s]."""

_FRAME_CODEC: dict[str, Any] = {"compression": "gzip", "compression_opts": 1}
"""Lossless, and in every HDF5 build; measured against lzf in ``benchmarks/recording.py``. Shuffle does nothing to bytes."""


class RecordingWriter:
    """Writes ``path`` (``*.hdf5``) step by step. As a context manager, it abandons what was not finished.

    Raises (from every method):
        RecordingError: ``path`` or its ``.partial`` exists, the disk is full or read-only, or an array does not have the
            shape that ``spec`` promises.
    """

    def __init__(self, path: Path, spec: RobotSpec, goal: Goal, provenance: Provenance, first: Observation) -> None:
        self.path = Path(path)
        self.partial = schema.partial_path(self.path)
        self._spec = spec
        self._steps = 0
        self.committed = 0
        self._file: Any = None
        self._hold: int | None = None
        if self.path.suffix != schema.SUFFIX:
            raise RecordingError(f"{self.path} cannot be a recording: its name must end in {schema.SUFFIX}.")
        schema.names_once("camera", [*spec.cameras, *goal.images])
        attributes = {
            "spec": schema.spec_to_json(spec),
            "goal": schema.goal_to_json(goal),
            "provenance": schema.provenance_to_json(provenance),
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "written_by": f"a2g {__version__}",
        }
        self._check(first)
        try:
            with storage.writing(self.partial):
                self._file = self._create()
                self._lay_out(attributes, goal)
                self._write_observation(first)
                self._file.swmr_mode = True
                self._hold = storage.hold(self.partial)
                self.flush()
        except BaseException:
            if self._file is not None:  # else the ``.partial`` is somebody else's
                self.discard()
            raise

    def _create(self) -> Any:
        self.partial.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Exclusive: of two writers with the same idea, one gets the name.
            file = h5py.File(self.partial, "x", libver=storage.LIBVER, locking="best-effort")
        except FileExistsError as error:
            raise RecordingError(
                f"{self.partial} is there already: another program is writing it, or died while it did. "
                f"`a2g recordings repair {self.partial}` makes a recording of it."
            ) from error
        # After the exclusive name, not before: whoever holds it is the only one who may make `path`.
        if self.path.exists():
            file.close()
            self.partial.unlink()
            raise RecordingError(f"{self.path} exists: a recording is never overwritten.")
        return file

    def _lay_out(self, attributes: dict[str, str], goal: Goal) -> None:
        file, spec = self._file, self._spec
        file.attrs[schema.PARTIAL_MARK] = schema.FORMAT
        for name, text in attributes.items():
            storage.write_text(file, name, text)
        for camera, image in goal.images.items():
            file.create_dataset(f"goal/{camera}", data=np.asarray(image, np.uint8), chunks=image.shape, **_FRAME_CODEC)
        for camera, (height, width) in spec.cameras.items():
            shape = (height, width, 3)
            file.create_dataset(
                f"frames/{camera}", (0, *shape), np.uint8, maxshape=(None, *shape), chunks=(1, *shape), **_FRAME_CODEC
            )
            self._column(f"captured_at/{camera}", np.float64)
        self._column("times", np.float64)
        for name in ("actions", "actions_requested"):
            self._column(name, np.float32, len(spec.action_names))
        # HDF5 has no chunks of no width: a robot without proprioception gets a column that `assemble` drops.
        self._column("proprioception", np.float32, max(1, len(spec.proprioception_names)))
        file.create_dataset("committed", data=np.array([-1], np.int64))

    def _column(self, name: str, dtype: type, width: int | None = None) -> None:
        row = () if width is None else (width,)
        self._file.create_dataset(name, (0, *row), dtype, maxshape=(None, *row), chunks=(256, *row))

    def __len__(self) -> int:
        """Return the actions appended so far [steps]."""
        return self._steps

    def append(self, requested: Vector, sent: Vector, observation: Observation) -> None:
        """Add one step: the action (A,) as asked for, as sent, and the observation that it led to."""
        if self._file is None:
            raise RecordingError(f"{self.path} is closed: nothing can be added.")
        width = len(self._spec.action_names)
        for action in (requested, sent):
            if np.shape(action) != (width,):
                raise RecordingError(f"an action has shape {np.shape(action)}, {self._spec.name} takes ({width},).")
        if self._steps == schema.MAX_STEPS:
            raise RecordingError(f"{self.path} is full: an episode has at most {schema.MAX_STEPS} steps.")
        self._check(observation)
        with storage.writing(self.partial):
            self._write_observation(observation)
            self._write("actions", self._steps, sent)
            self._write("actions_requested", self._steps, requested)
            self._steps += 1
            if self._steps - self.committed >= FLUSH_STEPS or time.monotonic() - self._flushed_at >= FLUSH_SECONDS:
                self.flush()

    def _write_observation(self, observation: Observation) -> None:
        index = self._file["times"].shape[0]
        for camera in self._spec.cameras:
            self._write(f"frames/{camera}", index, observation.images[camera])
            self._write(f"captured_at/{camera}", index, observation.captured_at[camera])
        if self._spec.proprioception_names:
            self._write("proprioception", index, observation.proprioception)
        self._write("times", index, observation.time)

    def _write(self, name: str, index: int, value: Any) -> None:
        dataset = self._file[name]
        dataset.resize(index + 1, axis=0)
        dataset[index] = value

    def flush(self) -> None:
        """Hand everything appended so far to the operating system: the death of this process no longer loses it."""
        with storage.writing(self.partial):
            self._file.flush()
            # Counted only after what it counts is there: the count is what `salvage` believes.
            self._file["committed"][0] = self._steps
            self._file.flush()
        self.committed = self._steps
        self._flushed_at = time.monotonic()

    def _check(self, observation: Observation) -> None:
        spec = self._spec
        if set(observation.images) != set(spec.cameras) or set(observation.captured_at) != set(spec.cameras):
            raise RecordingError(
                f"an observation of {sorted(observation.images)}, {spec.name} has {sorted(spec.cameras)}."
            )
        for camera, (height, width) in spec.cameras.items():
            image = observation.images[camera]
            if image.shape != (height, width, 3) or image.dtype != np.uint8:
                raise RecordingError(
                    f"camera {camera!r} gave {image.dtype} {image.shape}, {spec.name} has uint8 {(height, width, 3)}."
                )
        if np.shape(observation.proprioception) != (len(spec.proprioception_names),):
            raise RecordingError(
                f"proprioception has shape {np.shape(observation.proprioception)}, "
                f"{spec.name} has ({len(spec.proprioception_names)},)."
            )

    def finish(self, outcome: Outcome) -> Path:
        """Complete the recording, rename it to its name, and return that. From then on it never changes.

        Raises:
            RecordingError: also when there is no action to keep (then ``discard`` is what is wanted).
        """
        if self._file is None:
            raise RecordingError(f"{self.path} is closed: it cannot be finished.")
        if self._steps == 0:
            raise RecordingError(f"{self.path} has no action: there is nothing to record.")
        with self:
            self.flush()
        assemble(self.partial, self.path, outcome)
        with storage.writing(self.partial):
            self.partial.unlink()
        return self.path

    def abandon(self) -> None:
        """Close, and leave the ``.partial`` for ``salvage``; harmless when called twice."""
        if self._file is None:
            return
        # A full disk, most likely, when these fail: what was flushed before is there all the same.
        with suppress(RecordingError):
            self.flush()
        self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError, RuntimeError):
                file.close()
        hold, self._hold = self._hold, None
        if hold is not None:
            os.close(hold)

    def discard(self) -> None:
        """Close, and remove the ``.partial``: for an episode that ended before it began."""
        self._close()
        with storage.writing(self.partial):
            self.partial.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.abandon()


def write_episode(path: Path, spec: RobotSpec, episode: Episode) -> Path:
    """Write a whole episode that is in memory and return ``path``.

    Raises:
        RecordingError: as RecordingWriter, or the episode has no outcome or not T + 1 observations for T actions.
    """
    steps = len(episode)
    if episode.outcome is None:
        raise RecordingError(f"{path} cannot be written: the episode has no outcome yet.")
    if len(episode.observations) != steps + 1 or len(episode.requested) != steps:
        raise RecordingError(
            f"{path} cannot be written: {len(episode.observations)} observations and {len(episode.requested)} requests "
            f"around {steps} actions."
        )
    writer = RecordingWriter(path, spec, episode.goal, episode.provenance, episode.observations[0])
    with writer:
        for requested, sent, observation in zip(episode.requested, episode.sent, episode.observations[1:], strict=True):
            writer.append(requested, sent, observation)
        if steps == 0:
            writer.discard()
        return writer.finish(episode.outcome)
