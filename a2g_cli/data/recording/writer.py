"""Writes one episode while it happens: into a journal, ``.partial``, out of which ``finish`` builds the recording.

Packing and writing go on in a thread beside the control loop, which waits only when the disk cannot follow: ``pressure``
says how often it did. Another thread has the disk take what was written, about once a second, so that even a power cut
costs no more. Nothing is dropped: what cannot be written is an error of the next call.
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
from a2g_cli.data.recording.journal import NO_TIMING, JournalWriter, pack_end, pack_header, pack_step
from a2g_cli.robots.base import RobotSpec

FLUSH_STEPS = 16
"""Steps that may wait to be written, and so what a killed process loses at most [steps]."""

SYNC_SECONDS = 1.0
"""What was written longer ago than this, and the disk's own time to take it, a power cut does not cost [s]."""


@dataclass
class Pressure:
    """How often, and how long, the control loop had to wait for a disk that could not follow."""

    waits: int = 0
    seconds: float = 0.0
    """All of them together [s]."""
    longest: float = 0.0
    """[s]."""

    def waited(self, seconds: float) -> None:
        """Take note of one."""
        self.waits += 1
        self.seconds += seconds
        self.longest = max(self.longest, seconds)


class RecordingWriter:
    """Writes ``path`` (``*.hdf5``) step by step. As a context manager, it abandons what was not finished.

    Raises (from every method):
        RecordingError: ``path`` or its ``.partial`` exists, the disk is full or read-only, or an array does not have the
            shape that ``spec`` promises. Steps are written behind ``append``'s back: the next call raises what failed.
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
        """Begin. ``created_at`` is ISO 8601, UTC; now, unless the episode was recorded elsewhere before."""
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
                    f"{self.partial} is there already: another program is writing it, or died while it did. "
                    f"`a2g recordings repair {shlex.quote(str(self.partial))}` makes a recording of it."
                ) from error
            # After the exclusive name, not before: whoever holds it is the only one who may make `path`.
            if self.path.exists():
                journal.close()
                self.partial.unlink()
                raise RecordingError(f"{self.path} exists: a recording is never overwritten.")
        return journal

    def __len__(self) -> int:
        """Return the actions appended so far [steps]."""
        return self._steps

    @property
    def committed(self) -> int:
        """The actions that the death of this process would not lose [steps]."""
        return self._written

    @property
    def synced(self) -> int:
        """The actions that a power cut would not lose [steps]."""
        return self._synced

    def append(self, requested: Vector, sent: Vector, observation: Observation, timing: StepTiming = NO_TIMING) -> None:
        """Add one step: the action (A,) as asked for, as sent, the observation that it led to, and when it went out.

        The arrays are copied: they may be used again.
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
        journal.sync()  # an error stays with the journal, and is what the next step ends with
        self._synced = written

    def _settle(self, most: int) -> None:
        """Return when at most ``most`` steps wait, raising what went wrong with the others."""
        while self._pending and (len(self._pending) > most or self._pending[0].done()):
            try:
                with storage.writing(self.partial):
                    self._pending[0].result()
            except RecordingError:
                self._told = True
                raise
            self._pending.popleft()

    def flush(self) -> None:
        """Return when the death of this process would lose nothing."""
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
        """Complete the recording, durably, and return its path. From then on it never changes.

        Raises:
            RecordingError: also when there is no action to keep (then ``discard`` is what is wanted).
        """
        if self._journal is None:
            raise RecordingError(f"{self.path} is closed: it cannot be finished.")
        if self._steps == 0:
            raise RecordingError(f"{self.path} has no action: there is nothing to record.")
        try:
            self._told = True  # whatever goes wrong from here on is what this call raises
            self.flush()
            with storage.writing(self.partial):
                # First: should the disk be too full to build the recording, `salvage` still knows how the episode ended.
                self._journal.append(pack_end(outcome))
            assemble(self.partial, self.path, outcome, trusted=True)
        finally:
            self._close()
        with storage.writing(self.partial):
            self.partial.unlink()
        return self.path

    def abandon(self) -> None:
        """Write what waits, durably, and leave the ``.partial`` for ``salvage``; harmless when called twice.

        Raises:
            RecordingError: some of it could not be written, and nobody was told yet.
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
        """Close, and remove the ``.partial``: for an episode that ended before it began."""
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
            error.add_note(str(lost))  # it must not hide why the episode broke off


def write_episode(path: Path, spec: RobotSpec, episode: Episode) -> Path:
    """Write a whole episode that is in memory and return ``path``.

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
