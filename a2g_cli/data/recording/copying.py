"""Copies of recordings: what is recorded never changes, so another goal means another file."""

from pathlib import Path

from a2g_cli.core.types import Goal
from a2g_cli.data.recording.journal import NO_TIMING
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.writer import RecordingWriter


def with_last_frame_as_goal(source: Path, target: Path) -> Path:
    """Write a copy of a recording whose goal is what its cameras saw last, and return ``target``.

    Raises:
        RecordingError: ``source`` is damaged, ``target`` exists, or the disk refuses.
    """
    with Recording(source) as episode:
        steps = episode.length
        goal = Goal(episode.goal.name, dict(episode.observation(steps).images), episode.spec.name)
        actions, asked = episode.actions, episode.requested  # each reads the file
        timings = episode.timings or [NO_TIMING] * steps
        first = episode.observation(0)
        made = RecordingWriter(target, episode.spec, goal, episode.provenance, first, created_at=episode.created_at)
        with made as writer:
            for step in range(steps):
                writer.append(asked[step], actions[step], episode.observation(step + 1), timings[step])
            return writer.finish(episode.outcome)
