"""Measures success on held-out trials before and after practice: of the named goals, else of goals that the scene draws."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from a2g_cli.adapters.registry import BASE
from a2g_cli.cli.commands.prompts import to_type
from a2g_cli.core.errors import UsageError
from a2g_cli.core.types import Goal
from a2g_cli.core.workspace import Workspace
from a2g_cli.data import goals as goal_store
from a2g_cli.improvement.state import RunState
from a2g_cli.robots.base import Robot, Trial, shift_of, views_of
from a2g_cli.runtime.evaluation import draw_trials, evaluate, not_kept, pooled, trials_for
from a2g_cli.runtime.policy_factory import PolicyFactory
from a2g_cli.runtime.reset import without_state
from a2g_cli.runtime.rollout import RolloutWatcher
from a2g_cli.runtime.termination import RolloutSettings
from a2g_cli.runtime.videos import Videos

Moment = str
"""``before`` or ``after`` practice."""


NOMINAL = "home "
"""Begin of the keys of results in the training domain in ``RunState.measured``; version 0.1's word."""


def row_of(goal: str, moment: Moment) -> str:
    """Return the key of a named goal's result in ``RunState.measured``."""
    return f"goal {goal} {moment}"


def forget_after(measured: dict[str, Any]) -> None:
    """Remove what was measured after practice: more practice follows."""
    for key in [key for key in measured if key.split()[-1] == "after"]:
        del measured[key]


def check_measurable(workspace: Workspace, robot: Robot, goals: Sequence[Goal]) -> None:
    """Check that ``goals`` fit ``robot``, and that success can be measured on them if it knows its true state.

    Raises:
        GoalError: a goal was taken by another robot.
        UsageError: a simulator does not know the state that a goal shows.
    """
    for goal in goals:
        goal_store.check_goal(goal, robot.spec, views_of(robot))
        if without_state(robot, goal):
            raise UsageError(
                f"the goal {goal.name!r} is an image without a state of {robot.spec.name}: the simulator can neither draw a "
                f"start for it nor measure success. Take a goal with a state "
                f"({to_type(workspace, 'capture-goal', 'NAME')}), or use this one with "
                f"{to_type(workspace, 'run', goal.name)}, then adapt."
            )


@dataclass(frozen=True)
class HeldOut:
    """Measures success on held-out trials, once for each moment of a run, and keeps the results in the run's state."""

    factory: PolicyFactory
    progress: RunState
    rollout: RolloutSettings
    seed: int
    """Of the held-out starts, and of the goals that are drawn."""
    count: int
    """Trials of each named goal; without any, trials in all."""
    goals: Sequence[Goal]
    """The named goals; empty: goals are drawn."""
    counting: Callable[[str, int], Callable[[int, int], None]]
    """(title, number of trials) -> a callback that shows the progress of an evaluation."""
    interrupted: Callable[[], bool]
    note: Callable[[str], None] = lambda _: None
    """Is told why a video of a trial could not be written."""
    watcher: RolloutWatcher | None = None
    """Shows the first robot."""
    nominal: bool = True
    """Whether success in the training domain is measured where there is a shift."""

    def measure(self, moment: Moment, name: str, robots: Sequence[Robot], unshifted: Sequence[Robot]) -> None:
        """Measure adapter ``name`` on ``robots``, and on drawn goals in the training domain, on ``unshifted``.

        ``unshifted`` is empty for a robot that does not know its true state: nothing is measured. Without a shift it is
        ``robots``: one measurement counts for both.
        """
        if not unshifted:
            return
        measured = self.progress.measured
        where = "training domain" if unshifted is robots else f"shift {shift_of(robots[0])}"
        for goal in self.goals:
            trials = partial(trials_for, robots[0], goal, self.seed, self.count)
            self._measure(f"goal {goal.name} ", moment, name, robots, trials, f"goal {goal.name}, {where}")
        if self.goals:
            measured[moment] = pooled([measured[row_of(goal.name, moment)] for goal in self.goals])
            self.progress.save()
        else:
            self._measure("", moment, name, robots, lambda: self._drawn(robots[0]), where)
        if unshifted is not robots and not self.nominal:
            return
        if unshifted is not robots:
            self._measure(NOMINAL, moment, name, unshifted, lambda: self._drawn(unshifted[0]), "training domain")
            return
        measured[f"home {moment}"] = measured[moment]
        self.progress.save()

    def _drawn(self, robot: Robot) -> list[Trial]:
        return draw_trials(robot, "evaluation", self.seed, self.count)

    def _measure(
        self,
        what: str,
        moment: Moment,
        name: str,
        robots: Sequence[Robot],
        trials: Callable[[], list[Trial]],
        where: str,
    ) -> None:
        """Measure once and keep the result under the key ``what`` + ``moment``."""
        measured, key = self.progress.measured, what + moment
        before = measured.get(f"{what}before")
        if key not in measured and before and (before["adapter"], before["n"]) == (name, self.count):
            measured[key] = before  # nothing was promoted: the same policy on the same trials
            self.progress.save()
        if key not in measured:
            who = "the base policy" if name == BASE else name
            told = self.counting(f"evaluating {who}, {where}", self.count)
            policy = self.factory.get(name)
            told(0, 0)  # the time counts from the start of the first episode
            videos = Videos(self.progress.session.videos.folder, self.factory, name, policy, self.note)
            sink = not_kept if what == NOMINAL else videos.sink
            result = evaluate(name, policy, robots, trials(), self.rollout, told, self.interrupted, sink, self.watcher)
            measured[key] = result.to_json()
            self.progress.save()
