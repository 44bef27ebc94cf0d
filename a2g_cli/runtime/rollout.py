"""Episodes on a robot: plan, act, observe, record. The same code for one robot and for many in lockstep.

An episode is a generator that asks for plans and receives promises of them: whoever drives it decides whether they are made
one by one or in one batch for all lanes. A plan may be asked for before the present chunk has ended, and is made while the
robot goes on; then it begins where the chunk ends, as in real-time chunking (arXiv 2506.07339). Where time goes on by itself
and the plan is late, the robot goes on with what the plan before foresaw, and crosses over to the new one when it is there.
Time is the robot's own clock, so nothing here knows what is simulated.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from a2g_cli.core.types import Goal, Image, Observation, Outcome, Vector
from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.robots.base import Robot
from a2g_cli.runtime.blending import blended, further
from a2g_cli.runtime.control_loop import Steps, bring_to_rest
from a2g_cli.runtime.planner import PendingPlan, Planner
from a2g_cli.runtime.safety.guards import check_room
from a2g_cli.runtime.sink import Sink
from a2g_cli.runtime.termination import RolloutSettings


class RolloutWatcher(Protocol):
    """Whoever looks on."""

    def planned(
        self, observation: Observation, imagined: Mapping[str, Sequence[Image]], steps_to_go: float, seconds: float
    ) -> None:
        """A plan was made, in ``seconds`` [s], and begins now."""

    def stepped(self, step: int, observation: Observation, steps_to_go: float) -> None:
        """``step`` actions were taken."""


def _never() -> bool:
    return False


class _Unwatched:
    """Nobody looks on."""

    def _ignore(self, *_: object) -> None: ...

    planned = stepped = _ignore


def episode(
    robot: Robot,
    goal: Goal,
    seed: int,
    settings: RolloutSettings,
    sink: Sink,
    watcher: RolloutWatcher | None = None,
    interrupted: Callable[[], bool] = _never,
) -> Generator[PlanRequest, PendingPlan, Outcome]:
    """Roll one episode out from the robot's present state; yields requests, receives promises, returns how it ended.

    ``interrupted`` is asked after every step: the step is finished, the episode saved, the robot brought to rest.
    However it breaks off, by whatever error or by being closed, the robot is brought to rest too.

    Raises:
        SafetyStop: from a guard, ours or the robot's own; the episode is saved first, with the cause.
        HardwareError: from the robot; the episode is saved first. From the policy: what was recorded stays salvageable.
    """
    try:
        steps = Steps(robot, goal, seed, settings, sink)
    except BaseException as error:  # what led to the start may still move
        bring_to_rest(robot, error)
        raise
    try:
        steps.begin()
        reason = yield from _Course(steps, watcher or _Unwatched(), interrupted).run()
        if reason == "interrupted":
            steps.rest()
        return steps.end(reason)
    except BaseException as error:
        steps.break_off(error)
        raise


class _Course:
    """An episode's plans, one after another, until there is a reason to stop."""

    def __init__(self, steps: Steps, watcher: RolloutWatcher, interrupted: Callable[[], bool]) -> None:
        self._steps, self._watcher, self._interrupted = steps, watcher, interrupted
        self._promise: PendingPlan | None = None
        self._reason: str | None = None

    def run(self) -> Generator[PlanRequest, PendingPlan, str]:
        steps = self._steps
        plan: Plan | None = None
        while True:
            plan = yield from self._next(plan)
            if self._reason is None:
                self._watcher.planned(steps.observation, plan.imagined, plan.steps_to_go, plan.seconds)
                self._reason = steps.termination.planned(plan)
            chunk = plan.chunk if self._reason is None else plan.chunk[:0]
            end = steps.step + len(chunk)
            ahead = min(plan.ahead, float(len(chunk))) if end < steps.termination.limit else 0.0
            for action in chunk:
                pending = yield from self._step(action, ahead, ahead - (end - steps.step - 1))
                self._promise = pending or self._promise
                if self._reason is not None:
                    break
            if self._reason is not None:
                return self._reason

    def _next(self, before: Plan | None) -> Generator[PlanRequest, PendingPlan, Plan]:
        """Return the plan to be executed now. One that is late is not waited for while there is something to go on with."""
        steps, pending = self._steps, self._promise
        self._promise = None
        if pending is None:
            pending = yield steps.request(steps.observation, ahead=0)
        spare, late = (further(before) if before is not None else None), 0
        while steps.is_late(pending):
            if spare is None or late >= len(spare):
                steps.pause(pending)
                break
            yield from self._step(spare[late], 0.0, 0.0)
            late += 1
            if self._reason is not None and before is not None:
                return before
        plan = pending()
        if late and spare is not None:
            plan = blended(spare[late:], plan, late)
            if not len(plan.chunk):  # every moment that it was for has passed
                pending = yield steps.request(steps.observation, ahead=0)
                plan = pending()
        steps.planned(plan.seconds)
        return plan

    def _step(
        self, action: Vector, ahead: float, early: float
    ) -> Generator[PlanRequest, PendingPlan, PendingPlan | None]:
        steps = self._steps
        pending = yield from steps.take(action, ahead, early)
        self._watcher.stepped(steps.step, steps.observation, steps.termination.left)
        self._reason = "interrupted" if self._interrupted() else steps.termination.over(steps.step)
        return pending


@dataclass(frozen=True)
class Job:
    """One episode to be rolled out in whichever lane is free."""

    goal: Goal
    seed: int
    prepare: Callable[[Robot], None]
    """Brings robot and scene to the episode's start."""
    sink: Callable[[Robot], Sink]
    where: Path | None = None
    """What is going to be written, so that there is room for it before anything moves; None: nothing is."""
    slot: int = 0
    """Number of the episode among those of its stage, for the policy's ``start_episode``."""
    note: Callable[[dict[str, Any]], None] | None = None
    """Receives what the policy's ``start_episode`` returns, before ``sink`` is called."""


@dataclass
class _Lane:
    robot: Robot
    index: int = -1
    seed: int = 0
    rolling: Generator[PlanRequest, PendingPlan, Outcome] | None = None
    request: PlanRequest | None = None

    def prepare(self, job: Job, policy: Policy, settings: RolloutSettings) -> None:
        if job.where is not None:
            check_room(settings.safety, job.where)
        try:
            job.prepare(self.robot)
        except BaseException as error:  # a robot on its way to the start moves too
            bring_to_rest(self.robot, error)
            raise
        self.seed, metadata = job.seed, policy.start_episode(job.seed, job.slot)
        if job.note is not None:
            job.note(metadata)

    def break_off(self, error: BaseException) -> None:
        if self.rolling is not None:
            with suppress(BaseException):  # thrown in, not closed: what goes wrong on the way is noted on `error`
                self.rolling.throw(error)


def roll_out(
    robots: Sequence[Robot],
    jobs: Iterable[Job],
    policy: Policy,
    settings: RolloutSettings,
    watcher: RolloutWatcher | None = None,
    interrupted: Callable[[], bool] = _never,
) -> Iterator[tuple[int, Outcome]]:
    """Roll all jobs out, as many at once as there are robots, planning for all lanes in one pass.

    A job is asked for when a lane is free, so that it may hang on how the one before it ended.

    Yields:
        (index of the job, how it ended), in the order of ending. After an interruption no further job is begun.
    """
    lanes = [_Lane(robot) for robot in robots]
    waiting = iter(enumerate(jobs))
    with Planner(policy) as planner:
        try:
            while True:
                for lane in lanes:
                    if lane.rolling is None and not interrupted() and (following := next(waiting, None)) is not None:
                        lane.index, job = following
                        lane.prepare(job, policy, settings)
                        sink = job.sink(lane.robot)
                        lane.rolling = episode(lane.robot, job.goal, job.seed, settings, sink, watcher, interrupted)
                        lane.request = next(lane.rolling)
                busy = [(lane, lane.request, lane.rolling) for lane in lanes if lane.request and lane.rolling]
                if not busy:
                    return
                promises = planner.ask([request for _, request, _ in busy])
                for (lane, _, rolling), pending in zip(busy, promises, strict=True):
                    try:
                        lane.request = rolling.send(pending)
                    except StopIteration as stop:
                        lane.rolling = lane.request = None
                        planner.end_episode(lane.seed)
                        yield lane.index, stop.value
        except BaseException as error:
            for lane in lanes:
                lane.break_off(error)
                planner.end_episode(lane.seed)
            raise
