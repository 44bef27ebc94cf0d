"""An episode under way: act, wait for the end of the control period, observe, record; and how it is closed, come what may."""

import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from a2g_cli.core.clock import goes_on
from a2g_cli.core.errors import HardwareError, PluginError, SafetyStop, noted
from a2g_cli.core.types import Goal, Observation, Outcome, StepTiming, Vector
from a2g_cli.policies.base import PlanRequest
from a2g_cli.robots.base import Robot
from a2g_cli.runtime.judge import FINISHED
from a2g_cli.runtime.planner import PendingPlan
from a2g_cli.runtime.safety.guards import Guards
from a2g_cli.runtime.sink import Sink
from a2g_cli.runtime.termination import RolloutSettings, Termination
from a2g_cli.runtime.timing import Schedule

LOST = "hardware"
"""Why an episode ended whose robot or camera did not answer any more."""


class Steps:
    """The bookkeeping around act and observe, every step of it under the guards."""

    def __init__(self, robot: Robot, goal: Goal, seed: int, settings: RolloutSettings, sink: Sink) -> None:
        self.robot, self.goal, self.seed, self.sink = robot, goal, seed, sink
        self._verdict = settings.verdict
        self.termination = Termination(robot, goal, settings)
        self.schedule = Schedule(robot.clock, robot.spec.rate)
        self.guards = Guards(robot, settings.safety, settings.held)
        self.real = goes_on(robot.clock)
        self.step = self._asked = 0
        self._planning = math.nan  # of a plan whose first action has not gone out yet [s]
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
        """Take one step on the robot's clock, and return the promise of the next plan if it was asked for meanwhile.

        Args:
            action: (A,), in the robot's units.
            ahead: when that plan begins: so long after it is asked for [control periods].
            early: when it is asked for: so long before the step's end, at most 1 [control periods]; not at all at 0 or less.
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
            # For the plan alone. A clock that does not go on by itself is there already: then it is what the step ends with.
            with self._watched():
                self.robot.clock.sleep_until(deadline - early / self.robot.spec.rate)
                glimpse = self.robot.observe()
                self.guards.readable(glimpse)
            pending = yield self.request(glimpse, ahead)
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

    def request(self, observation: Observation, ahead: float) -> PlanRequest:
        """Return the question for the next plan, which begins ``ahead`` control periods after ``observation``."""
        self._asked += 1
        if not ahead:
            self.schedule.reset()
        return PlanRequest(observation, self.goal, self.seed, self._asked - 1, ahead)

    def planned(self, seconds: float) -> None:
        """A plan was made in ``seconds`` [s]; its first action goes out next."""
        self._planning = seconds

    def is_late(self, pending: PendingPlan) -> bool:
        """Whether the next action would be late if the robot waited for ``pending``; in stepped time nothing is."""
        return self.real and not pending.ready(self.schedule.grace())

    def pause(self, pending: PendingPlan) -> None:
        """Hold still until ``pending`` is kept, or a guard says that this takes too long."""
        with self._watched():
            self.robot.rest()
            while not pending.ready(1 / self.robot.spec.rate):
                self.guards.alive()

    def rest(self) -> None:
        """Bring the robot to rest; one that cannot is lost."""
        with self._watched():
            self.robot.rest()

    def end(self, reason: str) -> Outcome:
        """Close the episode and say how it ended; one without any step is not kept."""
        outcome = self.termination.outcome(reason)
        if self.step and self._verdict is not None and reason in FINISHED:
            self.rest()  # a person may take their time
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
        """Where a guard stops, or the robot is lost: the episode ends there, and is kept with the cause."""
        try:
            yield
        except (SafetyStop, HardwareError) as error:
            self.break_off(error, error.cause if isinstance(error, SafetyStop) else LOST)
            raise

    def break_off(self, error: BaseException, reason: str | None = None) -> None:
        """Stop the robot and keep what there is; with a ``reason``, as an episode that ended.

        What goes wrong on the way is a note on ``error``: it must not hide why the episode broke off.
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
                with noted(error, "What was recorded could not be closed"):
                    self.sink.abandon()


def bring_to_rest(robot: Robot, error: BaseException) -> None:
    """Bring a robot to rest by its driver's own soft way, because of ``error``."""
    with noted(error, "The robot could not be brought to rest"):
        robot.rest()
