"""The sink that writes an episode into a recording, step by step."""

from pathlib import Path

from a2g_cli.core.types import Goal, Observation, Outcome, Provenance, StepTiming, Vector
from a2g_cli.data.recording.storage import check_disk
from a2g_cli.data.recording.writer import Pressure, RecordingWriter
from a2g_cli.robots.base import RobotSpec


class Recorder:
    """Writes one episode to one path."""

    def __init__(self, path: Path, spec: RobotSpec, goal: Goal, provenance: Provenance) -> None:
        self.path = path
        self._spec, self._goal, self._provenance = spec, goal, provenance
        self._writer: RecordingWriter | None = None
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

    def finish(self, outcome: Outcome) -> None:
        """Complete the recording; it becomes visible."""
        if self._writer is not None:
            self._writer.finish(outcome)
            self._writer = None

    def abandon(self) -> None:
        """Leave a ``.partial`` file that can be repaired; one without any step is removed."""
        if self._writer is not None:
            if len(self._writer):
                self._writer.abandon()
            else:
                self._writer.discard()
            self._writer = None
