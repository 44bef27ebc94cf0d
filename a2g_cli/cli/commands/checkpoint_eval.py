"""Measures success of a base while it is trained, on starts and goals that follow those of its demonstrations."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.image_size import ResizingPolicy, resized_spec
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.evaluation import draw_trials, evaluate
from a2g_cli.runtime.termination import RolloutSettings
from a2g_cli.training.watcher import TrainingWatcher

LANES = 8
"""Episodes that are rolled out at a time and planned in one batch."""


@dataclass(frozen=True)
class CheckpointEvaluation:
    """A few trials of every scene. They are neither demonstrations nor trials of ``a2g evaluate``."""

    scenes: Mapping[str, int]
    """Scene -> number of its demonstrations: the trials after them are drawn."""
    seed: int
    episodes: int
    """Trials of each scene."""
    watcher: TrainingWatcher

    def __call__(self, model: Act2Goal) -> dict[str, Any]:
        """Return scene -> number, successes, rate and 95 % interval.

        Raises:
            CheckpointError: the model does not fit the simulator's robot.
            HardwareError: OpenGL does not work.
        """
        size = model.config.size
        policy, found = ResizingPolicy(Act2GoalPolicy(model), size), {}
        for scene, first in self.scenes.items():
            with ExitStack() as stack:
                robots = [SimRobot(scene=scene) for _ in range(min(LANES, self.episodes))]
                checkpoint.check_fits(model.config, resized_spec(robots[0].spec, size))
                for robot in robots:
                    stack.callback(robot.close)
                    robot.connect()
                trials = draw_trials(robots[0], "demonstration", self.seed, self.episodes, first)
                self.watcher.started(f"evaluating on {scene}", self.episodes)
                result = evaluate(
                    scene,
                    policy,
                    robots,
                    trials,
                    RolloutSettings(stop_on_truth=True),
                    lambda done, good: self.watcher.advanced(done, {"successes": good}),
                )
                self.watcher.finished()
            row = result.to_json()
            found[scene] = {name: row[name] for name in ("n", "successes", "rate", "interval")}
        return found


def table(evaluations: list[Mapping[str, Any]]) -> list[str]:
    """Return evaluations as a Markdown table: one line per evaluation, one column per scene."""
    if not evaluations:
        return []
    scenes = [name for name in evaluations[-1] if name != "iteration"]
    lines = ["| iteration | " + " | ".join(scenes) + " |", "|---:" * (1 + len(scenes)) + "|"]
    for one in evaluations:
        cells = [f"{one[scene]['successes']}/{one[scene]['n']}" if scene in one else "" for scene in scenes]
        lines.append(f"| {one['iteration']} | " + " | ".join(cells) + " |")
    return lines
