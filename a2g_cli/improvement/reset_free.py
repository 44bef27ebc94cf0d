"""Reset-free practice: a cycle in which each goal starts from where the last episode ended."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from a2g_cli.core.errors import UsageError
from a2g_cli.core.types import Goal, Image, State
from a2g_cli.improvement.goal_sampling import Candidate, GoalSampler
from a2g_cli.improvement.trials import Attempt, Stage, Start, begin_at, check_cycle, episode_index, own_reset, stay
from a2g_cli.robots.base import InstrumentedRobot, ResetFreeRobot, Robot
from a2g_cli.runtime.evaluation import instrumented

STUCK = 4
"""A reset-free cycle is stuck after so many goals in a row that were not reached while nothing moved."""


@dataclass(frozen=True)
class CycleObserver:
    """What a reset-free cycle knows of its episodes: the estimates of the base's steps-to-go head, no ground truth."""

    reached: Callable[[Path], bool]
    """Whether a recorded episode reached its goal."""
    satisfied: Callable[[Mapping[str, Image], Goal], bool]
    """Whether images show a goal already."""


class ResetFreeSampler:
    """No reset: objects stay where they are, and the next goal is one that is possible from there.

    Named goals follow one another in their order; otherwise each goal is drawn for the current state. The state at the
    beginning, and after a kill, is unknown, so the first start is set up. Later the scene is set up only when the cycle is
    stuck, with a note to the user. There is one robot, because the next goal depends on how the last episode ended.
    """

    paired = False

    def __init__(
        self,
        robot: Robot,
        way: str,
        seed: int,
        count: int,
        goals: Sequence[Goal],
        observer: CycleObserver,
        drive_home: Callable[[int], bool],
        note: Callable[[str], None],
        choose: GoalSampler | None = None,
        *,
        streams: bool = True,
    ) -> None:
        """Prepare it; nothing moves.

        Args:
            robot: the robot that practises.
            way: ``cycle``; or ``rest-pose``: the robot drives to its rest pose between episodes.
            seed: of the run.
            count: practice episodes a round.
            goals: the named goals; without any, goals are drawn.
            observer: judges episodes and images.
            drive_home: drives to the rest pose before episode ``index``, and returns whether to go on.
            note: shows a message to the user.
            choose: chooses among drawn goals.
            streams: see ``episode_index``.

        Raises:
            UsageError: see ``check_cycle``.
        """
        check_cycle(robot, way, goals)
        self.robots: Sequence[Robot] = [robot]
        self._way, self._seed, self._count, self._observer = way, seed, count, observer
        self._drive_home, self._note = drive_home, note
        self.goals, self._choose, self._streams = goals, choose or GoalSampler(), streams
        self._turn = 0
        self._known = False
        self._failed = 0
        self._before: State | None = None
        self._gone: list[str] = []

    def of(self, number: int, stage: Stage, slots: Sequence[int]) -> Iterator[Attempt]:
        """Yield the attempts in ``slots``, each for the state that the one before left."""
        for slot in slots:
            index = episode_index(stage, number, slot, self._count, repeat=False, streams=self._streams)
            start: Start = "left" if self._known else "fresh"
            goal = None
            if self._known and self._stuck():
                why = f"the last {self._failed} goals were not reached and nothing on the table moved"
                start = "stuck"
            elif self.goals and self._gone:
                why = f"the goals show what is out of reach now: {', '.join(self._gone)}"
                start = "stuck"
            elif self._known:
                if self._way == "rest-pose" and not self._drive_home(index):
                    return
                goal = self._next(number, index)
                why = "every goal is reached already" if self.goals else "no goal is possible from this state"
                start = start if goal else "stuck"
            if start == "stuck":
                self._note(
                    f"The cycle is stuck before episode {slot + 1}: {why}. Episodes lost: {self._failed}. The scene is set "
                    "up again."
                )
            begin: Callable[[Robot], None] = stay
            if goal is None:
                goal, begin = self._fresh(index)
            failed, self._failed = self._failed, self._failed if start == "left" else 0
            self._known, self._gone = True, self._gone if start == "left" else []
            yield Attempt(slot, index, goal, start, begin, failed if start == "stuck" else 0)

    def ended(self, path: Path) -> None:
        """Take note of whether the goal was reached and whether anything moved."""
        robot = self.robots[0]
        reached = self._observer.reached(path)
        moved = isinstance(robot, ResetFreeRobot) and self._before is not None and robot.rearranged(self._before)
        self._failed = 0 if reached or moved else self._failed + 1
        gone = robot.out_of_reach() if isinstance(robot, ResetFreeRobot) else []
        if not self.goals and (new := [name for name in gone if name not in self._gone]):
            self._note(f"Out of reach from now on: {', '.join(new)}. Practice goes on without it.")
        self._gone = gone
        if isinstance(robot, InstrumentedRobot):
            self._before = robot.state()

    def _stuck(self) -> bool:
        return self._failed >= STUCK

    def _next(self, number: int, index: int) -> Goal | None:
        """Return a goal that the current state does not satisfy yet; None if there is none."""
        seen = self.robots[0].observe().images
        if not self.goals:
            chosen = self._choose(lambda at: self._draw(seen, at), number, self._seed, index)
            return None if chosen is None else chosen.goal
        for _ in self.goals:
            goal = self._named()
            if not self._observer.satisfied(seen, goal):
                return goal
        return None

    def _draw(self, seen: Mapping[str, Image], index: int) -> Candidate | None:
        robot = self.robots[0]
        goal = robot.next_goal(self._seed, index) if isinstance(robot, ResetFreeRobot) else None
        return None if goal is None else Candidate(goal, None, lambda: seen)

    def _named(self) -> Goal:
        self._turn += 1
        return self.goals[(self._turn - 1) % len(self.goals)]

    def _fresh(self, index: int) -> tuple[Goal, Callable[[Robot], None]]:
        """Return a goal and a function that sets up a start for it. Raises UsageError if no goal has a start."""
        robot = self.robots[0]
        if not self.goals:
            trial = instrumented(robot).trial("practice", self._seed, index)
            return trial.goal, begin_at(trial.start)
        refused: UsageError | None = None
        for _ in self.goals:  # a goal that undoes another one may have no start of its own
            goal = self._named()
            if not isinstance(robot, InstrumentedRobot):
                return goal, own_reset
            try:
                return goal, begin_at(robot.start_for(goal, self._seed, index))
            except UsageError as error:
                refused = error
        raise refused or UsageError("there is no goal to start with.")
