"""Which practice episodes are kept depends only on how the base's own head scores where they ended."""

from pathlib import Path

import torch

from a2g_cli.data.recording.reader import Recording
from a2g_cli.encoding import episodes as encoded
from a2g_cli.encoding.episodes import EncodedEpisode, select
from a2g_cli.encoding.frames import encode_frames
from a2g_cli.encoding.segments import Segments
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.presets import micro


def some(*steps_left: float) -> list[EncodedEpisode]:
    nothing = torch.zeros(0)
    segments = Segments(nothing, nothing, nothing, nothing, nothing)
    return [
        EncodedEpisode(Path(f"{i}"), f"{i}", segments, segments, torch.zeros(1), left, "sim:example", nothing)
        for i, left in enumerate(steps_left)
    ]


def test_select_keeps_order_and_splits_into_reached_and_failed() -> None:
    episodes = some(0.5, 30.0, 2.0, 1.9)
    names = {keep: [one.name for one in select(episodes, keep, 2.0)] for keep in ("reached", "failed", "all")}  # type: ignore[arg-type]
    assert names == {"reached": ["0", "3"], "failed": ["1", "2"], "all": ["0", "1", "2", "3"]}


def test_an_episode_is_cut_where_it_came_nearest_to_the_goal_that_was_asked_for(demonstrations: list[Path]) -> None:
    """Not to what was achieved, and whatever the outcome in the recording says."""
    with Recording(demonstrations[0]) as recording:
        model = Act2Goal(micro(recording.spec)).eval().requires_grad_(requires_grad=False)
        frames = encode_frames(model, recording.frames("front")).float()[:, None]
        goal = encode_frames(model, recording.goal.images["front"][None]).float()[:, None]
    one = encoded.encode_episode(model, demonstrations[0])
    each = [float(model.steps_to_go.steps(frame[None], goal)[0]) for frame in frames]
    nearest = int(one.segments.length)
    assert nearest >= 1
    assert abs(one.steps_left - each[nearest]) < 1e-3
    assert min(each[1:]) > one.steps_left - 1e-3
