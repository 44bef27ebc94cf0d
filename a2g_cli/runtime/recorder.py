"""The sink that writes an episode into a recording, step by step."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from a2g_cli.core.types import Goal, Image, Observation, Outcome, Provenance, StepTiming, Vector
from a2g_cli.data.recording.imagined import imagined
from a2g_cli.data.recording.storage import check_disk
from a2g_cli.data.recording.writer import Pressure, RecordingWriter
from a2g_cli.policies.base import Imagination
from a2g_cli.robots.base import RobotSpec

Shown = Callable[[Mapping[str, Sequence[Image]]], None]
"""Shows the frames that a plan imagined: camera -> frames (H, W, 3)."""


class Recorder:
    """Writes one episode to one path.

    Args:
        path: of the recording.
        spec: of the robot.
        goal: of the episode.
        provenance: who acts, and where.
        shown: receives the frames that a plan imagined, by camera, in the thread that makes them.
    """

    def __init__(
        self, path: Path, spec: RobotSpec, goal: Goal, provenance: Provenance, shown: Shown | None = None
    ) -> None:
        self.path, self._shown = path, shown
        self._spec, self._goal, self._provenance = spec, goal, provenance
        self._writer: RecordingWriter | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._imagining: Future[None] | None = None
        self.pressure = Pressure()
        """How often and how long the robot had to wait for the disk."""

    def begin(self, first: Observation) -> None:
        """Open the recording. Raises RecordingError if the disk is full."""
        check_disk(self.path)
        self._writer = RecordingWriter(self.path, self._spec, self._goal, self._provenance, first)
        self.pressure = self._writer.pressure

    def append(self, requested: Vector, sent: Vector, observation: Observation, timing: StepTiming) -> None:
        """Write one step."""
        if self._writer is not None:
            self._writer.append(requested, sent, observation, timing)

    def imagine(self, step: int, imagination: Imagination) -> None:
        """Make and write the frames that a plan imagines, in a thread beside the control loop.

        On a machine that is still at the frames of an earlier plan, this plan's are left out: the robot never waits.
        """
        writer, before = self._writer, self._imagining
        if writer is None or (before is not None and not before.done()):
            return
        if before is not None:
            before.result()  # raises what making or writing them raised
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="imagining")
        self._imagining = self._thread.submit(_write, writer, step, imagination, self._shown)

    def _imagined(self) -> None:
        """Return when no frames are being made. Raises what making or writing them raised."""
        thread, last = self._thread, self._imagining
        self._thread = self._imagining = None
        if thread is not None:
            thread.shutdown(wait=True)
        if last is not None:
            last.result()

    def finish(self, outcome: Outcome) -> None:
        """Complete the recording; it becomes visible."""
        if self._writer is not None:
            self._imagined()
            self._writer.finish(outcome)
            self._writer = None

    def abandon(self) -> None:
        """Leave a ``.partial`` file that can be repaired; one without any step is removed."""
        if self._writer is not None:
            try:
                self._imagined()
            finally:
                writer, self._writer = self._writer, None
                if len(writer):
                    writer.abandon()
                else:
                    writer.discard()


def _write(writer: RecordingWriter, step: int, imagination: Imagination, shown: Shown | None) -> None:
    frames, camera = imagination.frames(), imagination.camera
    if shown is not None:
        shown({camera: frames})
    writer.imagine(imagined(camera, step, imagination.offsets, imagination.near, frames))
