"""Measures a base while it is trained: success on new starts and goals where a world can be asked, and the error of its
actions on held-out demonstrations.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from a2g_cli.data.relabelling import parse_mixture
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.image_size import ResizingPolicy, resized_spec
from a2g_cli.robots.base import Robot
from a2g_cli.runtime.evaluation import draw_trials, evaluate
from a2g_cli.runtime.termination import RolloutSettings
from a2g_cli.training.progress import ACTION_ERROR, worlds_of
from a2g_cli.training.retention import choose_retention_set, nominal_error
from a2g_cli.training.retention_set import Retention
from a2g_cli.training.watcher import TrainingWatcher

LANES = 8
"""Episodes that are rolled out at a time and planned in one batch."""


@dataclass(frozen=True)
class AskedWorld:
    """A world that knows success."""

    name: str
    """The scene or the robot."""
    connected: Callable[[int], AbstractContextManager[Sequence[Robot]]]
    """Connects as many robots, at most; they are closed when the block ends, or later."""
    first: int
    """Index of its first trial in the stream of demonstrations: none of these was demonstrated."""


@dataclass
class CheckpointEvaluation:
    """A few trials of every world. They are neither demonstrations nor trials of ``a2g evaluate``."""

    worlds: Sequence[AskedWorld]
    seed: int
    episodes: int
    """Trials of each world."""
    watcher: TrainingWatcher
    held_out: Sequence[Path] = ()
    """Demonstrations that are not trained on ..."""
    groups: Sequence[str] = ()
    """... and the session or scene of each."""
    relabel: str = "final:1"
    """The mixture of goals of the training."""
    _segments: Retention | None = field(default=None, init=False)

    def __call__(self, model: Act2Goal) -> dict[str, Any]:
        """Return world -> number, successes, rate and 95 % interval, and the action error on held-out demonstrations.

        The latents of held-out demonstrations are made once: every ``model`` must have the same autoencoder.

        Raises:
            CheckpointError: the model does not fit a world's robot.
            HardwareError: OpenGL, or somebody's environment, does not work.
        """
        found: dict[str, Any] = {world.name: self._success(world, model) for world in self.worlds}
        if self.held_out:
            if self._segments is None:
                mixture = parse_mixture(self.relabel)
                self._segments = choose_retention_set(model, self.held_out, self.groups, mixture, self.seed)
            found[ACTION_ERROR] = round(nominal_error(model, self._segments), 4)
        return found

    def _success(self, world: AskedWorld, model: Act2Goal) -> dict[str, Any]:
        size = model.config.size
        with world.connected(min(LANES, self.episodes)) as robots:
            checkpoint.check_fits(model.config, resized_spec(robots[0].spec, size))
            trials = draw_trials(robots[0], "demonstration", self.seed, self.episodes, world.first)
            self.watcher.started(f"evaluating on {world.name}", self.episodes)
            result = evaluate(
                world.name,
                ResizingPolicy(Act2GoalPolicy(model), size),
                robots,
                trials,
                RolloutSettings(stop_on_truth=True),
                lambda done, good: self.watcher.advanced(done, {"successes": good}),
            )
            self.watcher.finished()
        row = result.to_json()
        return {name: row[name] for name in ("n", "successes", "rate", "interval")}


def table(evaluations: list[Mapping[str, Any]]) -> list[str]:
    """Return evaluations as a Markdown table: one line per evaluation, one column per world, and one for the action error."""
    if not evaluations:
        return []
    worlds = list(worlds_of(evaluations[-1]))
    errors = [ACTION_ERROR] if ACTION_ERROR in evaluations[-1] else []
    columns = [*worlds, *("action error on held-out demonstrations" for _ in errors)]
    lines = ["| iteration | " + " | ".join(columns) + " |", "|---:" * (1 + len(columns)) + "|"]
    for one in evaluations:
        cells = [f"{one[world]['successes']}/{one[world]['n']}" if world in one else "" for world in worlds]
        cells += [f"{one[name]:.3f}" if name in one else "" for name in errors]
        lines.append(f"| {one['iteration']} | " + " | ".join(cells) + " |")
    return lines
