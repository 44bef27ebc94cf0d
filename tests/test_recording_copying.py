"""A copy with another goal: everything else is what was recorded."""

from pathlib import Path

import numpy as np
import pytest
from recording_examples import DONE, SPEC, TINY, episode

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Outcome
from a2g_cli.data.recording.copying import with_last_frame_as_goal
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.writer import write_episode


@pytest.mark.parametrize("steps", [1, 7])
def test_the_goal_is_what_the_cameras_saw_last_and_the_rest_is_equal(tmp_path: Path, steps: int) -> None:
    made = episode(steps, 3, SPEC, Outcome(None, "none", "person"))
    source = write_episode(tmp_path / "source.hdf5", SPEC, made)
    target = with_last_frame_as_goal(source, tmp_path / "target.hdf5")
    with Recording(source) as before, Recording(target) as after:
        for camera, image in made.observations[-1].images.items():
            assert np.array_equal(after.goal.images[camera], image)
            assert not np.array_equal(before.goal.images[camera], image)
            assert np.array_equal(after.frames(camera), before.frames(camera))
            assert np.array_equal(after.captured_at(camera), before.captured_at(camera))
        assert (after.goal.name, after.goal.truth) == (before.goal.name, None)
        for name in ("actions", "requested", "proprioception", "times"):
            assert np.array_equal(getattr(after, name), getattr(before, name))
        assert (after.outcome, after.provenance, after.created_at) == (
            before.outcome,
            before.provenance,
            before.created_at,
        )


def test_a_recording_is_never_overwritten(tmp_path: Path) -> None:
    source = write_episode(tmp_path / "source.hdf5", TINY, episode(2, 0, TINY, DONE))
    with pytest.raises(RecordingError):
        with_last_frame_as_goal(source, source)
    with Recording(source) as kept:
        assert len(kept) == 2
