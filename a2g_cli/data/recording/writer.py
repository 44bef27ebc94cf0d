"""Writes one episode while it happens: first into a journal (``.partial``), from which ``finish`` builds the recording.

A thread packs and writes, so that the control loop waits only for a disk that is too slow; ``pressure`` counts that.
Another thread syncs the disk about once a second: a power cut loses no more than that. Nothing is dropped: a write that
fails is raised by the next call.
"""

import shlex
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

import numpy as np

from a2g_cli import __version__
from a2g_cli.core.errors import RecordingError
from a2g_cli.core.files import make_folder
from a2g_cli.core.types import Episode, Goal, Observation, Outcome, Provenance, StepTiming, Vector
from a2g_cli.data.recording import schema, storage
from a2g_cli.data.recording.assemble import assemble
from a2g_cli.data.recording.imagined import Imagined
from a2g_cli.data.recording.journal import (
    NO_TIMING,
    JournalWriter,
    pack_end,
    pack_header,
    pack_imagined,
    pack_step,
)
from a2g_cli.robots.base import RobotSpec

FLUSH_STEPS = 16
"""Most steps that wait to be written: what a killed process loses at most [steps]."""

SYNC_SECONDS = 1.0
"""Time between syncs [s]. A power cut loses at most this, and what the disk takes to sync."""


@dataclass
class Pressure:
    """How often and how long the control loop had to wait for the disk."""

    waits: int = 0
    seconds: float = 0.0
    """Sum of all waits [s]."""
    longest: float = 0.0
    """[s]."""

    def waited(self, seconds: float) -> None:
        """Count one wait."""
        self.waits += 1
        self.seconds += seconds
        self.longest = max(self.longest, seconds)


class RecordingWriter:
    """Writes ``path`` (``*.hdf5``) step by step. As a context manager, it abandons an episode that was not finished.

    Raises (from every method):
        RecordingError: ``path`` or its ``.partial`` exists, the disk is full or read-only, or an array does not have the
            shape of ``spec``. Steps are written in a thread: an error is raised by the next call.
    """

    def __init__(
        self,
        path: Path,
        spec: RobotSpec,
        goal: Goal,
        provenance: Provenance,
        first: Observation,
        created_at: str | None = None,
    ) -> None:
        """Begin. ``created_at`` is ISO 8601 in UTC, by default now; an import gives the original time."""
        self.path = Path(path)
        self.partial = schema.partial_path(self.path)
        self._spec = spec
        self._steps = 0
        self._written = self._synced = 0
        self._sync_begun = monotonic()
        self._told = False
        self._journal: JournalWriter | None = None
        self._pending: deque[Future[None]] = deque()
        self._syncing: Future[None] | None = None
        self.pressure = Pressure()
        if self.path.suffix != schema.SUFFIX:
            raise RecordingError(f"{self.path} cannot be a recording: its name must end in {schema.SUFFIX}.")
        schema.check_keys("camera", [*spec.cameras, *goal.images])
        header = pack_header(
            {
                "spec": schema.spec_to_json(spec),
                "goal": schema.goal_to_json(goal),
                "provenance": schema.provenance_to_json(provenance),
                "created_at": created_at or datetime.now(UTC).isoformat(timespec="seconds"),
                "written_by": f"a2g {__version__}",
            },
            goal.images,
        )
        self._check(first)
        nothing = np.zeros(len(spec.action_names), np.float32)
        self._journal = self._open()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recording")
        self._sync_thread = ThreadPoolExecutor(1, thread_name_prefix="recording-sync")
        try:
            with storage.writing(self.partial):
                for payload in [*header, pack_step(spec, nothing, nothing, first)]:
                    self._journal.append(payload)
        except BaseException:
            self.discard()
            raise

    def _open(self) -> JournalWriter:
        with storage.writing(self.partial):
            make_folder(self.partial.parent)
            try:
                journal = JournalWriter(self.partial)
            except FileExistsError as error:
                raise RecordingError(
                    f"{self.partial} exists: another program is writing it, or was killed while it did. "
                    f"`a2g recordings repair {shlex.quote(str(self.partial))}` makes a recording of it."
                ) from error
            # After the .partial, not before: only its writer may make `path`.
            if self.path.exists():
                journal.close()
                self.partial.unlink()
                raise RecordingError(f"{self.path} exists: a recording is never overwritten.")
        return journal

    def __len__(self) -> int:
        """Return how many actions were appended [steps]."""
        return self._steps

    @property
    def committed(self) -> int:
        """How many actions a kill of this process would not lose [steps]."""
        return self._written

    @property
    def synced(self) -> int:
        """How many actions a power cut would not lose [steps]."""
        return self._synced

    def append(self, requested: Vector, sent: Vector, observation: Observation, timing: StepTiming = NO_TIMING) -> None:
        """Add one step: the requested and the sent action (A,), the observation that followed, and the timing.

        The arrays are copied.
        """
        if self._journal is None:
            raise RecordingError(f"{self.path} is closed: nothing can be added.")
        width = len(self._spec.action_names)
        for action in (requested, sent):
            if np.shape(action) != (width,):
                raise RecordingError(f"an action has shape {np.shape(action)}, {self._spec.name} takes ({width},).")
        if self._steps == schema.MAX_STEPS:
            raise RecordingError(f"{self.path} is full: an episode has at most {schema.MAX_STEPS} steps.")
        self._check(observation)
        begin = monotonic()
        full = len(self._pending) >= FLUSH_STEPS and not self._pending[0].done()
        self._settle(FLUSH_STEPS - 1)
        if full:
            self.pressure.waited(monotonic() - begin)
        copy = Observation(
            {camera: image.copy() for camera, image in observation.images.items()},
            observation.proprioception.copy(),
            dict(observation.captured_at),
            observation.time,
            {camera: depth.copy() for camera, depth in observation.depth.items()},
        )
        row = (np.array(requested), np.array(sent), copy, timing)
        self._pending.append(self._thread.submit(self._write, self._journal, *row))
        self._steps += 1

    def imagine(self, one: Imagined) -> None:
        """Add the frames that a plan imagined, and return when they are written. Not for the control loop: it would wait."""
        if self._journal is None:
            raise RecordingError(f"{self.path} is closed: nothing can be added.")
        with storage.writing(self.partial):
            self._thread.submit(self._journal.append, pack_imagined(self._spec, one)).result()

    def _write(
        self, journal: JournalWriter, requested: Vector, sent: Vector, observation: Observation, timing: StepTiming
    ) -> None:
        journal.append(pack_step(self._spec, requested, sent, observation, timing))
        self._written += 1
        if monotonic() - self._sync_begun >= SYNC_SECONDS and (self._syncing is None or self._syncing.done()):
            self._sync_begun = monotonic()
            self._syncing = self._sync_thread.submit(self._sync, journal)

    def _sync(self, journal: JournalWriter) -> None:
        written = self._written
        journal.sync()  # the journal keeps an error, and the next step raises it
        self._synced = written

    def _settle(self, most: int) -> None:
        """Return when at most ``most`` steps wait to be written. Raises the errors of those that were."""
        while self._pending and (len(self._pending) > most or self._pending[0].done()):
            try:
                with storage.writing(self.partial):
                    self._pending[0].result()
            except RecordingError:
                self._told = True
                raise
            self._pending.popleft()

    def flush(self) -> None:
        """Return when a kill of this process would lose nothing."""
        self._settle(0)

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
        for camera in spec.depth:
            depth = observation.depth.get(camera)
            if depth is None or depth.shape != spec.cameras[camera] or depth.dtype != np.uint16:
                got = "none" if depth is None else f"{depth.dtype} {depth.shape}"
                raise RecordingError(
                    f"depth of camera {camera!r} is {got}, {spec.name} has uint16 {spec.cameras[camera]}."
                )
        if np.shape(observation.proprioception) != (len(spec.proprioception_names),):
            raise RecordingError(
                f"proprioception has shape {np.shape(observation.proprioception)}, "
                f"{spec.name} has ({len(spec.proprioception_names)},)."
            )

    def finish(self, outcome: Outcome) -> Path:
        """Complete the recording, durably, and return its path. It never changes again.

        Raises:
            RecordingError: as every method, and if there is no action; use ``discard`` then.
        """
        if self._journal is None:
            raise RecordingError(f"{self.path} is closed: it cannot be finished.")
        if self._steps == 0:
            raise RecordingError(f"{self.path} has no action: there is nothing to record.")
        try:
            self._told = True  # this call raises whatever fails from here on
            self.flush()
            with storage.writing(self.partial):
                # First: if the disk is too full to build the recording, `salvage` still finds the outcome.
                self._journal.append(pack_end(outcome))
            assemble(self.partial, self.path, outcome, trusted=True)
        finally:
            self._close()
        with storage.writing(self.partial):
            self.partial.unlink()
        return self.path

    def abandon(self) -> None:
        """Write the waiting steps, durably, and leave the ``.partial`` for ``salvage``; harmless when called twice.

        Raises:
            RecordingError: a step could not be written, and no call has raised that yet.
        """
        journal = self._journal
        if journal is None:
            return
        try:
            with storage.writing(self.partial):
                for step in self._pending:
                    step.result()
                self._sync_thread.submit(self._sync, journal).result()
        except RecordingError:
            if not self._told:
                self._told = True
                raise
        finally:
            self._close()

    def discard(self) -> None:
        """Close, and remove the ``.partial``: for an episode without any action."""
        self._close()
        with storage.writing(self.partial):
            self.partial.unlink(missing_ok=True)

    def _close(self) -> None:
        journal, self._journal = self._journal, None
        if journal is not None:
            for thread in (self._thread, self._sync_thread):
                thread.shutdown(wait=True)
            self._pending.clear()
            journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.abandon()
        except RecordingError as lost:
            if error is None:
                raise
            error.add_note(str(lost))  # the reason why the episode broke off comes first


def write_episode(path: Path, spec: RobotSpec, episode: Episode) -> Path:
    """Write an episode that is in memory, and return ``path``.

    Raises:
        RecordingError: as RecordingWriter, or the episode has no outcome or not T + 1 observations for T actions.
    """
    steps = len(episode)
    if episode.outcome is None:
        raise RecordingError(f"{path} cannot be written: the episode has no outcome yet.")
    if steps == 0:
        raise RecordingError(f"{path} cannot be written: the episode has no action.")
    if len(episode.observations) != steps + 1 or len(episode.requested) != steps:
        raise RecordingError(
            f"{path} cannot be written: {len(episode.observations)} observations and {len(episode.requested)} requests "
            f"around {steps} actions."
        )
    writer = RecordingWriter(path, spec, episode.goal, episode.provenance, episode.observations[0])
    with writer:
        for requested, sent, observation in zip(episode.requested, episode.sent, episode.observations[1:], strict=True):
            writer.append(requested, sent, observation)
        return writer.finish(episode.outcome)
