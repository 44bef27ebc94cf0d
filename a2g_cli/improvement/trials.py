"""Which goal and start each episode of a run has: trials with the robot's own reset before each episode.

``reset_free.py`` and ``prompted.py`` have the samplers for other resets.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Literal, Protocol

from a2g_cli.core.errors import UsageError
from a2g_cli.core.types import Goal, State
from a2g_cli.improvement.goal_sampling import Candidate, GoalSampler
from a2g_cli.robots.base import InstrumentedRobot, ResetFreeRobot, Robot
from a2g_cli.runtime.evaluation import instrumented
from a2g_cli.runtime.reset import in_cycles, rest_pose_robot

STREAM, ROUND = 10**11, 10**7
"""Distance between the episode numbers of two streams, and of two rounds in a stream of its own."""


class Stage(IntEnum):
    """The parts of a round that roll episodes out."""

    PRACTICE = 0
    GATE = 1
    """The candidate, tested against its parent."""
    POSE_SEARCH = 2
    DEMO_REPLAY = 3
    PARENT = 4
    """The parent, on the gate's trials, where practice explored by noise that the gate does without."""


def episode_index(
    stage: Stage, number: int, slot: int, count: int, *, repeat: bool, streams: bool, apart: bool = False
) -> int:
    """Return the index of an episode in its run: with the run's seed it fixes start, goal and noise.

    Pose search and demo replay have streams of their own. Practice and gate share one.

    Args:
        stage: of the round.
        number: of the round, from 0.
        slot: of the episode in its stage, from 0.
        count: practice episodes a round.
        repeat: whether the gate repeats the trials of practice; otherwise it has indices of its own.
        streams: False for a run of version 0.1, which numbered all stages as practice: they shared trials with other stages
            and with later rounds.
        apart: the gate's trials are a stream of their own, for candidate and parent, so that the candidate is tested on
            starts that it was not trained on.
    """
    if apart and stage in {Stage.GATE, Stage.PARENT}:
        return Stage.GATE * STREAM + number * ROUND + slot
    own = {Stage.POSE_SEARCH, Stage.DEMO_REPLAY} if repeat else {Stage.POSE_SEARCH, Stage.DEMO_REPLAY, Stage.PARENT}
    if streams and stage in own:
        return stage * STREAM + number * ROUND + slot
    return (number if repeat else 2 * number + stage) * count + slot


Start = Literal["drawn", "left", "fresh", "stuck"]
"""How an episode's start was made. ``drawn``: for its trial; ``left``: as the previous episode left it; ``fresh``: set up,
because the state was unknown; ``stuck``: set up, because the cycle was stuck."""


@dataclass(frozen=True)
class Attempt:
    """One episode to roll out."""

    slot: int
    """Number of the episode in its stage, from 0."""
    index: int
    """See ``episode_index``."""
    goal: Goal
    start: Start
    begin: Callable[[Robot], None]
    """Brings robot and scene to the start."""
    lost: int = 0
    """Number of episodes before it that were lost because the cycle was stuck."""


class TrialSampler(Protocol):
    """Chooses goal and start of each episode."""

    robots: Sequence[Robot]
    """The robots that act at the same time, in lockstep."""
    paired: bool
    """Whether practice and gate of a round have the same starts and goals."""
    goals: Sequence[Goal]
    """The named goals, in the order in which slots have them in turn; empty where goals are drawn."""

    def of(self, number: int, stage: Stage, slots: Sequence[int]) -> Iterable[Attempt]:
        """Return the attempts in ``slots`` of a stage of round ``number``, made one by one if each depends on the last."""

    def ended(self, path: Path) -> None:
        """Take note that an attempt has ended and was recorded at ``path``."""


class ResetSampler:
    """The robot's own reset before each episode: starts are drawn, and goals too unless they were named.

    Parent and candidate have the same trials if the robot can be put into a chosen start. If not, the driver's reset is
    used, and only named goals can be practised.
    """

    def __init__(
        self,
        robots: Sequence[Robot],
        seed: int,
        count: int,
        goals: Sequence[Goal],
        choose: GoalSampler | None = None,
        *,
        streams: bool = True,
        apart: bool = False,
    ) -> None:
        """Prepare it.

        Args:
            robots: the robots that act at the same time.
            seed: of the run.
            count: practice episodes a round.
            goals: the named goals, practised in turn; without any, goals are drawn.
            choose: chooses among drawn goals.
            streams: see ``episode_index``.
            apart: see ``episode_index``.

        Raises:
            UsageError: the robot cannot draw goals, and none were named.
        """
        self.robots, self._seed, self._count, self.goals = robots, seed, count, goals
        self.paired = isinstance(robots[0], InstrumentedRobot)
        if not self.paired and not goals:
            raise UsageError(
                f"{robots[0].spec.name} cannot draw goals: name the goals to practise (`a2g capture-goal` makes them)."
            )
        self._choose, self._streams, self._apart = choose or GoalSampler(), streams, apart

    def of(self, number: int, stage: Stage, slots: Sequence[int]) -> Iterable[Attempt]:
        """Yield the attempts in ``slots`` of a round. Raises UsageError if the robot draws no goal."""
        for slot in slots:
            index = episode_index(
                stage, number, slot, self._count, repeat=True, streams=self._streams, apart=self._apart
            )
            if not self.paired:
                yield Attempt(slot, index, self.goals[slot % len(self.goals)], "fresh", own_reset)
                continue
            trial = self._named(slot, index) if self.goals else self._choose(self._draw, number, self._seed, index)
            if trial is None:
                raise UsageError(f"{self.robots[0].spec.name} draws no goal: name one.")
            yield Attempt(slot, index, trial.goal, "drawn", begin_at(trial.start))

    def ended(self, path: Path) -> None:
        """Do nothing: no trial depends on the one before."""

    def _draw(self, index: int) -> Candidate:
        robot = instrumented(self.robots[0])
        trial = robot.trial("practice", self._seed, index)
        return Candidate(trial.goal, trial.start, lambda: robot.photograph(trial.start))

    def _named(self, slot: int, index: int) -> Candidate:
        """Return a named goal and a start for it."""
        robot, goal = instrumented(self.robots[0]), self.goals[slot % len(self.goals)]
        start = robot.start_for(goal, self._seed, index)
        return Candidate(goal, start, lambda: robot.photograph(start))


def check_cycle(robot: Robot, way: str, goals: Sequence[Goal]) -> None:
    """Check that ``robot`` can practise ``goals`` with the reset ``way``.

    Raises:
        UsageError: the robot cannot be driven to its rest pose, or nothing undoes what an episode did.
    """
    if way == "own":
        return
    if way == "rest-pose":
        rest_pose_robot(robot)
    if way == "prompt":
        if isinstance(robot, InstrumentedRobot):
            raise UsageError(
                f"a person cannot reset the scene of {robot.spec.name}; it resets itself: use --reset own."
            )
        if not goals:
            raise UsageError(
                "--reset prompt asks a person to reset the scene for each goal: name the goals to practise."
            )
        return
    if goals:
        in_cycles(goals, 1, "cycle")
        return
    ways = robot.undone_by if isinstance(robot, ResetFreeRobot) else ()
    if way not in ways:
        offered = " or ".join(f"--reset {name}" for name in (*ways, "own"))
        raise UsageError(
            f"with --reset {way} nothing on {robot.spec.name} undoes what an episode did, so no second goal can be drawn: "
            f"use {offered}, or name two goals, each of which is a start for the next."
        )


def begin_at(start: State | None) -> Callable[[Robot], None]:
    """Return a function that brings a robot to ``start``; None: it stays where it is."""
    return stay if start is None else lambda robot: instrumented(robot).begin(start)


def own_reset(robot: Robot) -> None:
    """Do the driver's own reset."""
    robot.reset()


def stay(robot: Robot) -> None:
    """Leave robot and scene as they are."""
