"""Episodes on a robot: plan, act, observe, record. The same code for one robot and for many in lockstep.

An episode is a generator that asks for plans and receives promises of them: whoever drives it decides whether they are made
one by one or in one batch for all lanes. A plan may be asked for before the present chunk has ended, and is made while the
robot goes on; then it begins where the chunk ends, as in real-time chunking (arXiv 2506.07339).
Time is the robot's own clock, so nothing here knows what is simulated.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from a2g_cli.episode import Goal, Image, Observation, Outcome, Vector
from a2g_cli.errors import SafetyStop
from a2g_cli.policy.policy import Plan, PlanRequest, Policy
from a2g_cli.robots.robot import InstrumentedRobot, Robot, limit_of
from a2g_cli.session.planner import Planner, Promise
from a2g_cli.session.verdict import FINISHED, Verdict


@dataclass(frozen=True)
class RolloutSettings:
    """When an episode ends."""

    limit: int | None = None
    """Most actions in an episode [steps]; None for the robot's own limit."""
    hold: int = 5
    """Steps that the truth must hold without a break before an episode counts as a success [steps]."""
    stop_on_truth: bool = False
    """End at the success that an instrumented robot reports: for evaluation only, practice must not see the truth."""
    arrived_below: float = 0.0
    """End when the policy's own steps-to-go falls below this in two plans running [steps]; 0 never."""
    verdict: Verdict | None = None
    """Says of an episode that came to its end by itself whether it reached its goal; None leaves it to the truth."""


def limit_for(robot: Robot, settings: RolloutSettings) -> int:
    """Return the most actions in an episode on ``robot`` [steps]."""
    return limit_of(robot) if settings.limit is None else settings.limit


class Sink(Protocol):
    """Where an episode goes while it happens: a recording, or nowhere."""

    def begin(self, first: Observation) -> None:
        """The first observation is there."""

    def append(self, requested: Vector, sent: Vector, observation: Observation) -> None:
        """One step was taken."""

    def finish(self, outcome: Outcome) -> None:
        """The episode is complete."""

    def abandon(self) -> None:
        """The episode broke off: keep what there is."""


class Nowhere:
    """A sink that keeps nothing: held-out episodes are never learned from."""

    def _ignore(self, *_: object, **__: object) -> None: ...

    begin = append = finish = abandon = _ignore


class RolloutWatcher(Protocol):
    """Whoever looks on."""

    def planned(
        self, observation: Observation, imagined: Mapping[str, Sequence[Image]], steps_to_go: float, seconds: float
    ) -> None:
        """A plan was made, in ``seconds`` [s], and begins now."""

    def stepped(self, step: int, observation: Observation, steps_to_go: float) -> None:
        """``step`` actions were taken."""


class _Success:
    """Whether the goal's truth has held for long enough; None where nobody knows the truth."""

    def __init__(self, robot: Robot, goal: Goal, hold: int) -> None:
        self._robot = robot if isinstance(robot, InstrumentedRobot) and goal.truth is not None else None
        self._goal, self._hold, self._held = goal, hold, 0
        self.ever: bool | None = None if self._robot is None else False

    def look(self) -> None:
        if self._robot is not None:
            self._held = self._held + 1 if self._robot.succeeded(self._goal) else 0
            self.ever = self.ever or self._held >= self._hold


class _Rolling:
    """An episode under way: the bookkeeping around act and observe."""

    def __init__(self, robot: Robot, goal: Goal, seed: int, settings: RolloutSettings, sink: Sink) -> None:
        self.robot, self.goal, self.seed, self.settings, self.sink = robot, goal, seed, settings, sink
        self.limit = limit_for(robot, settings)
        self.success = _Success(robot, goal, settings.hold)
        self.step, self.asked, self.arrived, self.left = 0, 0, 0, float("nan")
        self._ended = False
        self._due: float | None = None  # when the next step ought to begin; None: whenever it does [s]

    def begin(self) -> None:
        """Take the first observation."""
        self.first = self.observation = self.robot.observe()
        self.sink.begin(self.observation)

    def take(self, action: Vector, ahead: float, early: float) -> Generator[PlanRequest, Promise, Promise | None]:
        """Take one step on the robot's clock, and return the promise of the next plan if it was asked for meanwhile.

        Args:
            action: (A,), in the robot's units.
            ahead: when that plan begins: so long after it is asked for [control periods].
            early: when it is asked for: so long before the step's end, at most 1 [control periods]; not at all at 0 or less.
        """
        promise = None
        if early == 1:
            promise = yield self.request(self.observation, ahead)
        if not np.isfinite(action).all():
            stop = SafetyStop("the policy asked for an action that is not a number: the robot was stopped.")
            self.break_off(stop, "action-not-finite")
            raise stop
        deadline = self._deadline()
        try:
            sent = self.robot.act(action)
        except SafetyStop as stop:  # the robot's own guard
            self.break_off(stop, "safety-stop")
            raise
        if 0 < early < 1:
            # For the plan alone. A clock that does not go on by itself is there already: then it is what the step ends with.
            self.robot.clock.sleep_until(deadline - early / self.robot.spec.rate)
            promise = yield self.request(self.robot.observe(), ahead)
        self.robot.clock.sleep_until(deadline)
        self._due = deadline
        self.observation = self.robot.observe()
        self.sink.append(action, sent, self.observation)
        self.step += 1
        self.success.look()
        return promise

    def _deadline(self) -> float:
        """Return the end of the control period that begins now [s]; one that is over already is not made up for."""
        # On a fixed schedule: what observing and recording take must not add to every period.
        now, period = self.robot.clock.now(), 1.0 / self.robot.spec.rate
        deadline = (now if self._due is None else self._due) + period
        return deadline if deadline > now else now + period

    def request(self, observation: Observation, ahead: float) -> PlanRequest:
        """Return the question for the next plan, which begins ``ahead`` control periods after ``observation``."""
        self.asked += 1
        if not ahead:
            self._due = None  # the robot waits, and planning takes what it takes: a new schedule begins
        return PlanRequest(observation, self.goal, self.seed, self.asked - 1, ahead)

    def planned(self, plan: Plan) -> str | None:
        """Take note of a plan; return why to stop, if the policy itself says that it has arrived."""
        self.left = plan.steps_to_go
        self.arrived = self.arrived + 1 if self.left < self.settings.arrived_below else 0
        return "arrived" if self.arrived >= 2 else None

    def over(self) -> str | None:
        """Return why to stop after a step, None to go on."""
        if self.success.ever and self.settings.stop_on_truth:
            return "success"
        return "steps" if self.step >= self.limit else None

    def end(self, reason: str) -> Outcome:
        """Close the episode and say how it ended; one without any step is not kept."""
        reached = self.success.ever
        left = None if np.isnan(self.left) else float(self.left)
        outcome = Outcome(reached, "none" if reached is None else "truth", reason, left)
        if self.step and self.settings.verdict is not None and reason in FINISHED:
            self.robot.rest()  # a person may take their time
            outcome = self.settings.verdict(outcome, self.goal, self.first, self.observation)
        if self.step:
            self.sink.finish(outcome)
        else:
            self.sink.abandon()
        self._ended = True
        return outcome

    def break_off(self, error: BaseException, reason: str | None = None) -> None:
        """Stop the robot and keep what there is; with a ``reason``, as an episode that ended.

        What goes wrong on the way is a note on ``error``: it must not hide why the episode broke off.
        """
        if self._ended:
            return
        try:
            _bring_to_rest(self.robot, error)
            if reason is not None:
                with _noted(error, "The episode could not be completed"):
                    self.end(reason)
        finally:
            if not self._ended:
                self._ended = True
                with _noted(error, "What was recorded could not be closed"):
                    self.sink.abandon()


@contextmanager
def _noted(error: BaseException, what: str) -> Iterator[None]:
    try:
        yield
    except Exception as another:
        error.add_note(f"{what}: {another or type(another).__name__}")


def _bring_to_rest(robot: Robot, error: BaseException) -> None:
    with _noted(error, "The robot could not be brought to rest"):
        robot.rest()


def _never() -> bool:
    return False


def episode(
    robot: Robot,
    goal: Goal,
    seed: int,
    settings: RolloutSettings,
    sink: Sink,
    watcher: RolloutWatcher | None = None,
    interrupted: Callable[[], bool] = _never,
) -> Generator[PlanRequest, Promise, Outcome]:
    """Roll one episode out from the robot's present state; yields requests, receives promises, returns how it ended.

    ``interrupted`` is asked after every step: the step is finished, the episode saved, the robot brought to rest.
    However it breaks off, by whatever error or by being closed, the robot is brought to rest too.

    Raises:
        SafetyStop: an action that is not finite, or that the robot's own guard refused; the episode is saved first.
        HardwareError: from the robot; what was recorded stays salvageable.
    """
    rolling = _Rolling(robot, goal, seed, settings, sink)
    promise: Promise | None = None
    try:
        rolling.begin()
        while True:
            plan = (promise or (yield rolling.request(rolling.observation, ahead=0)))()
            promise = None
            if watcher is not None:
                watcher.planned(rolling.observation, plan.imagined, plan.steps_to_go, plan.seconds)
            reason = rolling.planned(plan)
            chunk = plan.chunk if reason is None else plan.chunk[:0]
            end = rolling.step + len(chunk)
            ahead = min(plan.ahead, float(len(chunk))) if end < rolling.limit else 0.0
            for action in chunk:
                following = end - rolling.step - 1
                promise = (yield from rolling.take(action, ahead, ahead - following)) or promise
                if watcher is not None:
                    watcher.stepped(rolling.step, rolling.observation, rolling.left)
                reason = "interrupted" if interrupted() else rolling.over()
                if reason is not None:
                    break
            if reason is not None:
                if reason == "interrupted":
                    robot.rest()
                return rolling.end(reason)
    except BaseException as error:
        rolling.break_off(error)
        raise


@dataclass(frozen=True)
class Job:
    """One episode to be rolled out in whichever lane is free."""

    goal: Goal
    seed: int
    prepare: Callable[[Robot], None]
    """Brings robot and scene to the episode's start."""
    sink: Callable[[Robot], Sink]


@dataclass
class _Lane:
    robot: Robot
    index: int = -1
    rolling: Generator[PlanRequest, Promise, Outcome] | None = None
    request: PlanRequest | None = None

    def prepare(self, job: Job) -> None:
        try:
            job.prepare(self.robot)
        except BaseException as error:  # a robot on its way to the start moves too
            _bring_to_rest(self.robot, error)
            raise

    def break_off(self, error: BaseException) -> None:
        if self.rolling is not None:
            with suppress(BaseException):  # thrown in, not closed: what goes wrong on the way is noted on `error`
                self.rolling.throw(error)


def roll_out(
    robots: Sequence[Robot],
    jobs: Sequence[Job],
    policy: Policy,
    settings: RolloutSettings,
    watcher: RolloutWatcher | None = None,
    interrupted: Callable[[], bool] = _never,
) -> Iterator[tuple[int, Outcome]]:
    """Roll all jobs out, as many at once as there are robots, planning for all lanes in one pass.

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
                        lane.prepare(job)
                        sink = job.sink(lane.robot)
                        lane.rolling = episode(lane.robot, job.goal, job.seed, settings, sink, watcher, interrupted)
                        lane.request = next(lane.rolling)
                busy = [(lane, lane.request, lane.rolling) for lane in lanes if lane.request and lane.rolling]
                if not busy:
                    return
                promises = planner.ask([request for _, request, _ in busy])
                for (lane, _, rolling), promise in zip(busy, promises, strict=True):
                    try:
                        lane.request = rolling.send(promise)
                    except StopIteration as stop:
                        lane.rolling = lane.request = None
                        yield lane.index, stop.value
        except BaseException as error:
            for lane in lanes:
                lane.break_off(error)
            raise
