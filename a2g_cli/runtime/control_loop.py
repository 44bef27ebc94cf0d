"""The control loop of one episode: act, wait for the end of the control period, observe, record; and close it in any case."""

import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from a2g_cli.core.clock import goes_on
from a2g_cli.core.errors import HardwareError, PluginError, SafetyStop, noted
from a2g_cli.core.types import Goal, Observation, Outcome, StepTiming, Vector
from a2g_cli.policies.base import Plan, PlanRequest
from a2g_cli.robots.base import Robot
from a2g_cli.runtime.judge import FINISHED
from a2g_cli.runtime.planner import PendingPlan
from a2g_cli.runtime.safety.guards import Guards
from a2g_cli.runtime.sink import Sink
from a2g_cli.runtime.termination import RolloutSettings, Termination
from a2g_cli.runtime.timing import Schedule

LOST = "hardware"
"""``stopped_by`` of an episode whose robot or camera no longer answered."""


class Steps:
    """The steps of one episode, each checked by the guards."""

    def __init__(self, robot: Robot, goal: Goal, seed: int, settings: RolloutSettings, sink: Sink) -> None:
        self.robot, self.goal, self.seed, self.sink = robot, goal, seed, sink
        self._verdict = settings.verdict
        self.termination = Termination(robot, goal, settings)
        self.schedule = Schedule(robot.clock, robot.spec.rate)
        self.guards = Guards(robot, settings.safety, settings.held)
        self.real = goes_on(robot.clock)
        self.step = self._asked = 0
        self._asked_at = 0  # the observation that the pending plan is made from [steps]
        self._planning = math.nan  # time of the plan whose first action is not sent yet [s]
        self._ended = False

    def begin(self) -> None:
        """Take the first observation."""
        with self._watched():
            self._first = self.observation = self.robot.observe()
            self.guards.readable(self.observation)
            self.guards.measured(self.observation)
        self.sink.begin(self.observation)

    def take(
        self, action: Vector, ahead: float, early: float
    ) -> Generator[PlanRequest, PendingPlan, PendingPlan | None]:
        """Take one step on the robot's clock; return the pending next plan if it was requested during the step.

        Args:
            action: (A,), in the robot's units.
            ahead: time between the request of that plan and its start [control periods].
            early: time between the request and the end of the step, at most 1 [control periods]; 0 or less: no request.
        """
        pending = None
        if early == 1:
            pending = yield self.request(self.observation, ahead)
        with self._watched():
            self.schedule.wait()
            allowed = self.guards.allow(action)
            due, deadline = self.schedule.due, self.schedule.deadline()
            timing = StepTiming(self.robot.clock.now(), math.nan if due is None else due, self._planning)
            sent = self.robot.act(allowed)
            self._planning = math.nan
        if 0 < early < 1:
            # An extra observation for the plan only.
            with self._watched():
                self.robot.clock.sleep_until(deadline - early / self.robot.spec.rate)
                early_observation = self.robot.observe()
                self.guards.readable(early_observation)
            pending = yield self.request(early_observation, ahead, self.step + 1)
        with self._watched():
            self.robot.clock.sleep_until(deadline)
            self.schedule.due = deadline
            observation = self.robot.observe()
            self.guards.readable(observation)
            self.observation = observation
        self.sink.append(action, sent, observation, timing)
        self.step += 1
        self.termination.look()
        with self._watched():
            self.guards.measured(observation)
            self.guards.sent(timing, sent)
        return pending

    def request(self, observation: Observation, ahead: float, step: int | None = None) -> PlanRequest:
        """Return the request for the next plan, which starts ``ahead`` control periods after ``observation``.

        ``step``: the step of ``observation``, if it was taken on the way to that step; by default the present one.
        """
        self._asked += 1
        self._asked_at = self.step if step is None else step
        if not ahead:
            self.schedule.reset()
        return PlanRequest(observation, self.goal, self.seed, self._asked - 1, ahead)

    def planned(self, seconds: float) -> None:
        """Take note that a plan took ``seconds`` [s]; its first action is sent next."""
        self._planning = seconds

    def imagined(self, plan: Plan) -> None:
        """Hand over what the plan that begins now imagines, if it is kept."""
        if plan.imagination is not None:
            self.sink.imagine(self._asked_at, plan.imagination)

    def is_late(self, pending: PendingPlan) -> bool:
        """Whether the next action would be late if the robot waited for ``pending``; never on a simulated clock."""
        return self.real and not pending.ready(self.schedule.grace())

    def pause(self, pending: PendingPlan) -> None:
        """Hold the robot still until ``pending`` is ready, or a guard stops the episode."""
        with self._watched():
            self.robot.rest()
            while not pending.ready(1 / self.robot.spec.rate):
                self.guards.alive()

    def rest(self) -> None:
        """Bring the robot to rest."""
        with self._watched():
            self.robot.rest()

    def end(self, reason: str) -> Outcome:
        """Close the episode and return its outcome. An episode without any step is not kept."""
        outcome = self.termination.outcome(reason)
        if self.step and self._verdict is not None and reason in FINISHED:
            self.rest()  # a person may need time to judge
            try:
                outcome = self._verdict(outcome, self.goal, self._first, self.observation)
            except PluginError:  # the judge failed, not the episode: it is kept, and not judged
                self._close(outcome)
                raise
        self._close(outcome)
        return outcome

    def _close(self, outcome: Outcome) -> None:
        if self.step:
            self.sink.finish(outcome)
        else:
            self.sink.abandon()
        self._ended = True

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """If a guard stops or the hardware fails, end the episode and record the cause."""
        try:
            yield
        except (SafetyStop, HardwareError) as error:
            self.break_off(error, error.cause if isinstance(error, SafetyStop) else LOST)
            raise

    def break_off(self, error: BaseException, reason: str | None = None) -> None:
        """Stop the robot and keep what was recorded; with a ``reason``, as a complete episode.

        Further errors are added to ``error`` as notes, so that they do not hide it.
        """
        if self._ended:
            return
        try:
            bring_to_rest(self.robot, error)
            if reason is not None:
                with noted(error, "The episode could not be completed"):
                    self.end(reason)
        finally:
            if not self._ended:
                self._ended = True
                with noted(error, "The recording could not be closed"):
                    self.sink.abandon()


def steps_of(robot: Robot, goal: Goal, seed: int, settings: RolloutSettings, sink: Sink) -> Steps:
    """Return the steps of an episode. After an error the robot is at rest: it may still have moved from the reset."""
    try:
        return Steps(robot, goal, seed, settings, sink)
    except BaseException as error:
        bring_to_rest(robot, error)
        raise


def bring_to_rest(robot: Robot, error: BaseException) -> None:
    """Bring a robot to rest with its driver's ``rest``, after ``error``."""
    with noted(error, "The robot could not be brought to rest"):
        robot.rest()
