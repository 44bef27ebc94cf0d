"""Rolls episodes out: plan, act, observe, record; on one robot, or on many in lockstep.

An episode is a generator that yields plan requests and receives pending plans. The caller decides whether it plans for each
robot alone or for all in one batch. A plan may be requested before the current chunk has ended; the robot moves on meanwhile,
and the plan starts where the chunk ends, as in real-time chunking (arXiv 2506.07339). If the plan is late on a real robot,
the robot continues with the old plan's further actions and blends into the new plan when it is ready. Time is the robot's
own clock, so the code is the same for simulation and hardware.
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
from a2g_cli.runtime.control_loop import Steps, bring_to_rest, steps_of
from a2g_cli.runtime.planner import PendingPlan, Planner
from a2g_cli.runtime.safety.guards import check_room
from a2g_cli.runtime.sink import Sink
from a2g_cli.runtime.termination import RolloutSettings


class RolloutWatcher(Protocol):
    """Shows the episodes of one robot while they run."""

    def began(self, goal: Goal, limit: int) -> None:
        """Show that an episode for ``goal`` begins, of at most ``limit`` steps."""

    def planned(
        self, observation: Observation, imagined: Mapping[str, Sequence[Image]], steps_to_go: float, seconds: float
    ) -> None:
        """Show a plan that starts now and took ``seconds`` [s]."""

    def stepped(self, step: int, observation: Observation, steps_to_go: float) -> None:
        """Show the observation after ``step`` actions."""


def _never() -> bool:
    return False


class _Unwatched:
    """Shows nothing."""

    def _ignore(self, *_: object) -> None: ...

    began = planned = stepped = _ignore


def episode(
    robot: Robot,
    goal: Goal,
    seed: int,
    settings: RolloutSettings,
    sink: Sink,
    watcher: RolloutWatcher | None = None,
    interrupted: Callable[[], bool] = _never,
) -> Generator[PlanRequest, PendingPlan, Outcome]:
    """Roll one episode out from the robot's current state; yield requests, receive pending plans, return the outcome.

    ``interrupted`` is asked after every step; if it is true, the episode is saved and the robot brought to rest. Any error,
    and closing the generator, brings the robot to rest as well.

    Raises:
        SafetyStop: from a guard or the robot; the episode is saved first, with the cause.
        HardwareError: from the robot; the episode is saved first. From the policy: the partial recording can be repaired.
    """
    steps = steps_of(robot, goal, seed, settings, sink)
    try:
        watcher = watcher or _Unwatched()
        watcher.began(goal, steps.termination.limit)
        steps.begin()
        reason = yield from _Course(steps, watcher, interrupted).run()
        if reason == "interrupted":
            steps.rest()
        return steps.end(reason)
    except BaseException as error:
        steps.break_off(error)
        raise


class _Course:
    """Executes an episode's plans, one after another, until there is a reason to stop."""

    def __init__(self, steps: Steps, watcher: RolloutWatcher, interrupted: Callable[[], bool]) -> None:
        self._steps, self._watcher, self._interrupted = steps, watcher, interrupted
        self._pending: PendingPlan | None = None
        self._reason: str | None = None

    def run(self) -> Generator[PlanRequest, PendingPlan, str]:
        steps = self._steps
        plan: Plan | None = None
        while True:
            plan = yield from self._next(plan)
            if self._reason is None:
                self._watcher.planned(steps.observation, plan.imagined, plan.steps_to_go, plan.seconds)
                self._reason = steps.termination.planned(plan)
                steps.imagined(plan)
            chunk = plan.chunk if self._reason is None else plan.chunk[:0]
            end = steps.step + len(chunk)
            ahead = min(plan.ahead, float(len(chunk))) if end < steps.termination.limit else 0.0
            for action in chunk:
                pending = yield from self._step(action, ahead, ahead - (end - steps.step - 1))
                self._pending = pending or self._pending
                if self._reason is not None:
                    break
            if self._reason is not None:
                return self._reason

    def _next(self, before: Plan | None) -> Generator[PlanRequest, PendingPlan, Plan]:
        """Return the plan to execute now. While it is late, execute the previous plan's further actions."""
        steps, pending = self._steps, self._pending
        self._pending = None
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
            if not len(plan.chunk):  # its time has passed
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
    """One episode to roll out on the next free robot."""

    goal: Goal
    seed: int
    prepare: Callable[[Robot], None]
    """Brings robot and scene to the episode's start."""
    sink: Callable[[Robot], Sink]
    where: Path | None = None
    """Path of the recording, to check the free space before anything moves; None: no recording."""
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
        except BaseException as error:  # the robot may be moving to the start
            bring_to_rest(self.robot, error)
            raise
        self.seed, metadata = job.seed, policy.start_episode(job.seed, job.slot)
        if job.note is not None:
            job.note(metadata)

    def break_off(self, error: BaseException) -> None:
        if self.rolling is not None:
            with suppress(BaseException):  # thrown in, so that further errors are noted on `error`
                self.rolling.throw(error)


def roll_out(
    robots: Sequence[Robot],
    jobs: Iterable[Job],
    policy: Policy,
    settings: RolloutSettings,
    watcher: RolloutWatcher | None = None,
    interrupted: Callable[[], bool] = _never,
) -> Iterator[tuple[int, Outcome]]:
    """Roll all jobs out, as many at a time as there are robots, planning for all robots in one batch.

    A job is taken from ``jobs`` when a robot is free, so it may depend on how the one before ended. ``watcher`` sees the
    first robot alone.

    Yields:
        (index of the job, outcome), in the order of ending. After an interruption no further job starts.
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
                        seen = watcher if lane is lanes[0] else None
                        lane.rolling = episode(lane.robot, job.goal, job.seed, settings, sink, seen, interrupted)
                        lane.request = next(lane.rolling)
                busy = [(lane, lane.request, lane.rolling) for lane in lanes if lane.request and lane.rolling]
                if not busy:
                    return
                pending_plans = planner.ask([request for _, request, _ in busy])
                for (lane, _, rolling), pending in zip(busy, pending_plans, strict=True):
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
