"""What practice tries next, and from where: drawn trials, or a cycle in which each goal begins where the last one ended."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Literal, Protocol

from a2g_cli.core.errors import UsageError
from a2g_cli.core.types import Goal, Image, State
from a2g_cli.improvement.goal_sampling import Candidate, GoalSampler
from a2g_cli.robots.base import InstrumentedRobot, ResetFreeRobot, Robot
from a2g_cli.runtime.evaluation import instrumented
from a2g_cli.runtime.reset import in_cycles, rest_pose_robot

STUCK = 4
"""So many goals in a row that were not reached, with nothing moved, and a cycle is stuck."""

STREAM, ROUND = 10**11, 10**7
"""Distance between the episode numbers of two streams, and of two rounds in a stream of its own."""


class Stage(IntEnum):
    """The parts of a round that roll episodes out."""

    PRACTICE = 0
    GATE = 1
    """The candidate, tested against its parent."""
    POSE_SEARCH = 2
    DEMO_REPLAY = 3


def episode_index(stage: Stage, number: int, slot: int, count: int, *, repeat: bool, streams: bool) -> int:
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
    """
    if streams and stage in {Stage.POSE_SEARCH, Stage.DEMO_REPLAY}:
        return stage * STREAM + number * ROUND + slot
    return (number if repeat else 2 * number + stage) * count + slot


Start = Literal["drawn", "left", "fresh", "stuck"]
"""How an episode's start came about: drawn for its trial; as the episode before left it; set up anew because nobody knew how
things stood; or because the cycle was stuck."""


@dataclass(frozen=True)
class Attempt:
    """One practice episode that is to be rolled out."""

    slot: int
    """Which of its stage's episodes it is, from 0."""
    index: int
    """In the seed's stream."""
    goal: Goal
    start: Start
    begin: Callable[[Robot], None]
    """Brings robot and scene to the start."""
    lost: int = 0
    """Episodes before it that were lost to a cycle that was stuck."""


class TrialSampler(Protocol):
    """Says what is tried next.

    A round's stages: 0 is practice, 1 the candidate's comparison, 2 trying where the arm stands, 3 rehearsing.
    """

    robots: Sequence[Robot]
    """Which are rolled out on, in lockstep."""
    paired: bool
    """Whether both stages of a round have the same starts and goals."""

    def of(self, number: int, stage: Stage, slots: Sequence[int]) -> Iterable[Attempt]:
        """Return the attempts of round ``number``; where one depends on the last, each when it is asked for."""

    def ended(self, path: Path) -> None:
        """An attempt was recorded."""


class ResetSampler:
    """The robot's own reset before each episode: starts are drawn, and goals that were not named.

    Parent and candidate have the same, where the robot can be put into a chosen start; else its driver's reset comes first,
    and only named goals can be practised.
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
    ) -> None:
        """``count`` episodes a stage, towards ``goals`` in turn or, without any, towards goals that are chosen."""
        self.robots, self._seed, self._count, self._goals = robots, seed, count, goals
        self.paired = isinstance(robots[0], InstrumentedRobot)
        if not self.paired and not goals:
            raise UsageError(
                f"{robots[0].spec.name} cannot draw goals: name those that it is to practise (`a2g capture-goal` takes them)."
            )
        self._choose, self._streams = choose or GoalSampler(), streams

    def of(self, number: int, stage: Stage, slots: Sequence[int]) -> Iterable[Attempt]:
        """Return the attempts in ``slots`` of a round."""
        for slot in slots:
            index = episode_index(stage, number, slot, self._count, repeat=True, streams=self._streams)
            if not self.paired:
                yield Attempt(slot, index, self._goals[slot % len(self._goals)], "fresh", _reset)
                continue
            tried = self._named(slot, index) if self._goals else self._choose(self._draw, number, self._seed, index)
            if tried is None:
                raise UsageError(f"{self.robots[0].spec.name} draws no goal: name one.")
            yield Attempt(slot, index, tried.goal, "drawn", _begin(tried.start))

    def ended(self, path: Path) -> None:
        """Nothing depends on it."""

    def _draw(self, index: int) -> Candidate:
        robot = instrumented(self.robots[0])
        trial = robot.trial("practice", self._seed, index)
        return Candidate(trial.goal, trial.start, lambda: robot.photograph(trial.start))

    def _named(self, slot: int, index: int) -> Candidate:
        """Return a goal that the user named, and a start for it."""
        robot, goal = instrumented(self.robots[0]), self._goals[slot % len(self._goals)]
        start = robot.start_for(goal, self._seed, index)
        return Candidate(goal, start, lambda: robot.photograph(start))


@dataclass(frozen=True)
class CycleObserver:
    """What a cycle sees, all of it by the base's own steps-to-go head: no truth."""

    arrived: Callable[[Path], bool]
    """Whether a recorded episode reached its goal."""
    satisfied: Callable[[Mapping[str, Image], Goal], bool]
    """Whether pictures show a goal already."""


class ResetFreeSampler:
    """No reset: things stay where they were put, and the next goal is one that can be asked of them as they stand.

    Goals that were named follow one another in their order; else each is drawn for the table that is there. How things
    stand at first nobody knows, so a run begins, and goes on after a kill, with a fresh start; another is made only when the
    cycle is stuck, and said. One robot, as the next goal hangs on how the last one ended.
    """

    paired = False

    def __init__(
        self,
        robot: Robot,
        way: str,
        seed: int,
        count: int,
        goals: Sequence[Goal],
        eyes: CycleObserver,
        drive_home: Callable[[int], bool],
        note: Callable[[str], None],
        choose: GoalSampler | None = None,
        *,
        streams: bool = True,
    ) -> None:
        """Prepare it; nothing moves.

        Args:
            robot: who practises.
            way: ``cycle``, or ``rest-pose`` where the robot drives to its rest pose between episodes.
            seed: of starts and goals.
            count: episodes a stage.
            goals: those that were named; none: they are drawn.
            eyes: see there.
            drive_home: drives home before episode ``index``, and returns whether to go on.
            note: tells a person what happened.
            choose: chooses among goals that are drawn.
            streams: see ``episode_index``.

        Raises:
            UsageError: the robot cannot be driven home; one goal alone; or nothing undoes what was done in this scene.
        """
        check_cycle(robot, way, goals)
        self.robots: Sequence[Robot] = [robot]
        self._way, self._seed, self._count, self._eyes = way, seed, count, eyes
        self._drive_home, self._note = drive_home, note
        self._goals, self._choose, self._streams = goals, choose or GoalSampler(), streams
        self._turn = 0
        self._known = False
        self._failed = 0
        self._before: State | None = None
        self._gone: list[str] = []

    def of(self, number: int, stage: Stage, slots: Sequence[int]) -> Iterator[Attempt]:
        """Yield the attempts in ``slots``, each drawn for what the one before left."""
        for slot in slots:
            index = episode_index(stage, number, slot, self._count, repeat=False, streams=self._streams)
            start: Start = "left" if self._known else "fresh"
            goal = None
            if self._known and self._stuck():
                why = f"the last {self._failed} goals were not reached and nothing on the table moved"
                start = "stuck"
            elif self._goals and self._gone:
                why = f"out of reach, and shown by the goals: {', '.join(self._gone)}"
                start = "stuck"
            elif self._known:
                if self._way == "rest-pose" and not self._drive_home(index):
                    return
                goal = self._next(number, index)
                why = "every goal holds already" if self._goals else "nothing can be asked of what lies there"
                start = start if goal else "stuck"
            if start == "stuck":
                self._note(
                    f"the cycle is stuck before episode {slot + 1}: {why}; episodes lost: {self._failed}; a fresh start."
                )
            begin: Callable[[Robot], None] = stay
            if goal is None:
                goal, begin = self._fresh(index)
            failed, self._failed = self._failed, self._failed if start == "left" else 0
            self._known, self._gone = True, self._gone if start == "left" else []
            yield Attempt(slot, index, goal, start, begin, failed if start == "stuck" else 0)

    def ended(self, path: Path) -> None:
        """Take note of whether the goal was reached, and of whether anything moved."""
        robot = self.robots[0]
        reached = self._eyes.arrived(path)
        moved = isinstance(robot, ResetFreeRobot) and self._before is not None and robot.rearranged(self._before)
        self._failed = 0 if reached or moved else self._failed + 1
        gone = robot.out_of_reach() if isinstance(robot, ResetFreeRobot) else []
        if not self._goals and (new := [name for name in gone if name not in self._gone]):
            self._note(f"out of reach from now on: {', '.join(new)}; practice goes on with what is left.")
        self._gone = gone
        if isinstance(robot, InstrumentedRobot):
            self._before = robot.state()

    def _stuck(self) -> bool:
        return self._failed >= STUCK

    def _next(self, number: int, index: int) -> Goal | None:
        """Return a goal that does not hold yet, for things as they are; None where there is none."""
        seen = self.robots[0].observe().images
        if not self._goals:
            chosen = self._choose(lambda at: self._draw(seen, at), number, self._seed, index)
            return None if chosen is None else chosen.goal
        for _ in self._goals:
            goal = self._named()
            if not self._eyes.satisfied(seen, goal):
                return goal
        return None

    def _draw(self, seen: Mapping[str, Image], index: int) -> Candidate | None:
        robot = self.robots[0]
        goal = robot.next_goal(self._seed, index) if isinstance(robot, ResetFreeRobot) else None
        return None if goal is None else Candidate(goal, None, lambda: seen)

    def _named(self) -> Goal:
        self._turn += 1
        return self._goals[(self._turn - 1) % len(self._goals)]

    def _fresh(self, index: int) -> tuple[Goal, Callable[[Robot], None]]:
        """Return a goal and the way to a start that is not known from before. Raises UsageError where no goal has one."""
        robot = self.robots[0]
        if not self._goals:
            trial = instrumented(robot).trial("practice", self._seed, index)
            return trial.goal, _begin(trial.start)
        refused: UsageError | None = None
        for _ in self._goals:  # a goal that undoes another may have no start of its own
            goal = self._named()
            if not isinstance(robot, InstrumentedRobot):
                return goal, _reset
            try:
                return goal, _begin(robot.start_for(goal, self._seed, index))
            except UsageError as error:
                refused = error
        raise refused or UsageError("there is no goal to begin with.")


def check_cycle(robot: Robot, way: str, goals: Sequence[Goal]) -> None:
    """Raise UsageError where ``robot`` cannot practise so: no way home, and nothing and nobody undoes what was done."""
    if way == "own":
        return
    if way == "rest-pose":
        rest_pose_robot(robot)
    if way == "prompt":
        if isinstance(robot, InstrumentedRobot):
            raise UsageError(
                f"nobody can put the scene of {robot.spec.name} back, and it does so itself: use --reset own."
            )
        if not goals:
            raise UsageError(
                "--reset prompt asks a person to put the scene back for a goal: name those to be practised."
            )
        return
    if goals:
        in_cycles(goals, 1, "cycle")
        return
    ways = robot.undone_by if isinstance(robot, ResetFreeRobot) else ()
    if way not in ways:
        known = " or ".join(f"--reset {one}" for one in (*ways, "own"))
        raise UsageError(
            f"with --reset {way} nothing on {robot.spec.name} undoes what was done, so no second goal could be drawn: use "
            f"{known}, or name two goals, each of which is a start for the next."
        )


def _begin(start: State | None) -> Callable[[Robot], None]:
    """Return the way to ``start``; None: where things are."""
    return stay if start is None else lambda robot: instrumented(robot).begin(start)


def _reset(robot: Robot) -> None:
    robot.reset()


def stay(robot: Robot) -> None:
    """Leave everything where it is."""
