"""What plans imagine reaches the recording: with the right step, beside the control loop, and never in its way."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rollout_examples import Kept, Scripted, job, recorder, steady

from a2g_cli.core.types import Image
from a2g_cli.data.recording.reader import Recording
from a2g_cli.policies.base import Imagination, Plan, PlanRequest
from a2g_cli.robots.base import Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.rollout import roll_out
from a2g_cli.runtime.termination import RolloutSettings

WAIT = 60.0
"""Longest that a test waits for another thread [s]."""


class Dreaming(Scripted):
    """Every plan imagines two frames, made by ``frames(index)``."""

    def __init__(self, frames: Callable[[int], Sequence[Image]], ahead: float = 0) -> None:
        whole = steady(3, ahead)
        super().__init__(whole._chunk, ahead=ahead)
        self._frames = frames

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        plans = zip(requests, super().plan(requests), strict=True)
        return [replace(plan, imagination=self._imagination(request.index)) for request, plan in plans]

    def _imagination(self, index: int) -> Imagination:
        return Imagination("front", (2, 9), 1, lambda: self._frames(index))


def flat(index: int) -> list[Image]:
    return [np.full((16, 16, 3), 10 * index, np.uint8)] * 2


@pytest.mark.parametrize("ahead", [0, 0.5, 1, 2, 2.5, 3])
def test_frames_are_counted_from_the_observation_that_the_plan_was_made_from(
    robots: list[SimRobot], trials: list[Trial], ahead: float
) -> None:
    policy, kept = Dreaming(flat, ahead), Kept()
    list(roll_out(robots[:1], [job(trials[0], kept)], policy, RolloutSettings(12)))
    asked = [requests[0].observation.time for requests in policy.asked][: len(kept.imagined)]
    times = [one.time for one in kept.observations]
    steps = [step for step, _ in kept.imagined]
    assert len(steps) == 4
    assert steps[:2] == [0, 3 - int(ahead)]
    for moment, step in zip(asked, steps, strict=True):
        assert moment == pytest.approx(times[step], abs=0.51 / robots[0].spec.rate)


def test_a_recording_keeps_the_frames_of_each_plan(robots: list[SimRobot], trials: list[Trial], tmp_path: Path) -> None:
    threads: set[str] = set()

    def frames(index: int) -> list[Image]:
        threads.add(threading.current_thread().name)
        return flat(index)

    path = tmp_path / "a.hdf5"
    jobs = [job(trials[0], recorder(path, trials[0], robots[0]))]
    list(roll_out(robots[:1], jobs, Dreaming(frames), RolloutSettings(9)))
    with Recording(path) as recording:
        plans = recording.imagined
    assert plans[0].step == 0
    assert {one.step for one in plans} <= {0, 3, 6}
    for one in plans:
        assert one.shows == (one.step + 2, one.step + 9)
        assert abs(float(np.mean(one.frames())) - 10 * one.step / 3) < 2
    assert all(name.startswith("imagining") for name in threads)


def test_the_robot_does_not_wait_for_frames(robots: list[SimRobot], trials: list[Trial], tmp_path: Path) -> None:
    """The first plan's are not there before the ninth step; those of plans in between are left out."""
    at_last, waited = threading.Event(), []

    def frames(index: int) -> list[Image]:
        waited.append(at_last.wait(WAIT))
        return flat(index)

    steps: list[int] = []

    class Watcher:
        def began(self, *_: object) -> None: ...
        def planned(self, *_: object) -> None: ...
        def stepped(self, step: int, *_: object) -> None:
            steps.append(step)
            if step == 9:
                at_last.set()

    path = tmp_path / "a.hdf5"
    jobs = [job(trials[0], recorder(path, trials[0], robots[0]))]
    list(roll_out(robots[:1], jobs, Dreaming(frames), RolloutSettings(9), Watcher()))  # type: ignore[arg-type]
    assert steps == list(range(1, 10))
    assert waited == [True]
    with Recording(path) as recording:
        assert [one.step for one in recording.imagined] == [0]


def test_frames_that_cannot_be_made_are_not_hidden_and_cost_no_step(
    robots: list[SimRobot], trials: list[Trial], tmp_path: Path
) -> None:
    def frames(index: int) -> list[Image]:
        raise RuntimeError(f"no memory for plan {index}")

    path = tmp_path / "a.hdf5"
    jobs = [job(trials[0], recorder(path, trials[0], robots[0]))]
    with pytest.raises(RuntimeError, match="no memory for plan 0"):
        list(roll_out(robots[:1], jobs, Dreaming(frames), RolloutSettings(9)))
    assert [one.name for one in tmp_path.iterdir()] == ["a.hdf5.partial"]


def test_an_interrupted_episode_keeps_what_was_imagined(
    robots: list[SimRobot], trials: list[Trial], tmp_path: Path
) -> None:
    path = tmp_path / "a.hdf5"
    jobs = [job(trials[0], recorder(path, trials[0], robots[0]))]
    stops = iter([False, False, True])
    list(roll_out(robots[:1], jobs, Dreaming(flat), RolloutSettings(9), interrupted=lambda: next(stops, True)))
    with Recording(path) as recording:
        assert recording.outcome.stopped_by == "interrupted"
        assert [one.step for one in recording.imagined] == [0]
