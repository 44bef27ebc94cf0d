"""Fault injection: simulates a broken cable, camera, servo or policy, to show which guard stops it.

A fault starts after a number of actions. It causes no motion of its own.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from a2g_cli.core.errors import HardwareError, UnknownNameError, UsageError
from a2g_cli.core.types import Observation, Vector
from a2g_cli.policies.base import Plan, PlanRequest, Policy, WrappedPolicy
from a2g_cli.robots.base import InstrumentedRobot, Robot


@dataclass(frozen=True)
class Kind:
    """One kind of fault."""

    what: str
    """What goes wrong."""
    stops: str
    """``stopped_by`` of the recording: the guard that stops it, or ``hardware``."""
    amount: float = 0.0
    """Default amount; 0: the fault takes none."""


OF_ROBOT: Mapping[str, Kind] = {
    "freeze": Kind("the cameras give the same image again and again, with new capture times", "frozen-frame"),
    "drop": Kind("no new frame comes; the newest one gets old", "stale-frame"),
    "delay": Kind("every observation takes AMOUNT seconds longer", "missed-deadline", 0.5),
    "stall": Kind("one observation takes AMOUNT seconds", "episode-time", 1e4),
    "corrupt": Kind("the first measured value is not a number", "reading-not-finite"),
    "stray": Kind("the first measured value is AMOUNT too high", "workspace", 10.0),
    "run-away": Kind("the first measured value grows by AMOUNT with every observation", "speed", 0.2),
    "disconnect": Kind("the robot no longer answers", "hardware"),
}
OF_POLICY: Mapping[str, Kind] = {
    "nan-action": Kind("the policy asks for an action that is not a number", "action-not-finite"),
    "wild-action": Kind("the policy asks for ten times the range of the first action", "action-range"),
    "jerk-action": Kind("the policy alternates between the lowest and the highest first action", "action-jump"),
}
KINDS = {**OF_ROBOT, **OF_POLICY}

_WORDS = re.compile(r"(?P<kind>[a-z-]+)(:(?P<amount>[0-9.e+-]+))?(@(?P<step>[0-9]+))?")


@dataclass(frozen=True)
class Fault:
    """One fault to inject."""

    kind: str
    amount: float
    step: int
    """Number of actions before it starts."""


def parse_fault(text: str) -> Fault:
    """Return the fault written as ``KIND[:AMOUNT][@STEP]`` (default step: 5). Raises UsageError, UnknownNameError."""
    match = _WORDS.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not a fault: expected KIND[:AMOUNT][@STEP], for example delay:0.5@10.")
    if match["kind"] not in KINDS:
        raise UnknownNameError("fault", match["kind"], KINDS)
    try:
        amount = KINDS[match["kind"]].amount if match["amount"] is None else float(match["amount"])
    except ValueError as error:
        raise UsageError(f"{match['amount']!r} in the fault {text!r} is not a number.") from error
    if match["amount"] is not None and not KINDS[match["kind"]].amount:
        raise UsageError(f"the fault {match['kind']} takes no amount: {text!r}.")
    if not math.isfinite(amount) or (match["kind"] in {"delay", "stall"} and amount <= 0):
        raise UsageError(
            f"the fault {text!r} has an invalid amount: expected a finite number, and for seconds more than 0."
        )
    return Fault(match["kind"], amount, int(match["step"] or 5))


def put_into_robot(robot: Robot, fault: Fault) -> None:
    """Inject ``fault`` into ``robot``, with any driver, by wrapping its ``observe``, ``act`` and ``rest``.

    Raises:
        UsageError: a fault of the policy on a real robot, or of measured values on a robot without any.
    """
    if fault.kind in OF_POLICY:
        if not isinstance(robot, InstrumentedRobot):
            raise UsageError(
                f"the fault {fault.kind} invents actions: use it with a simulator, not with {robot.spec.name}."
            )
        return
    if fault.kind in {"corrupt", "stray", "run-away"} and not robot.spec.proprioception_names:
        raise UsageError(f"{robot.spec.name} has no measured values, which the fault {fault.kind} would change.")
    faulty = _FaultyRobot(robot, fault)
    for name in ("observe", "act", "rest"):
        setattr(robot, name, getattr(faulty, name))


class _FaultyRobot:
    """A robot's methods with the fault injected."""

    def __init__(self, robot: Robot, fault: Fault) -> None:
        self._observe, self._act, self._rest = robot.observe, robot.act, robot.rest
        self._robot, self._fault = robot, fault
        self._acted = self._faulty_observations = 0
        self._last: Observation | None = None

    @property
    def _active(self) -> bool:
        return self._acted >= self._fault.step

    def act(self, action: Vector) -> Vector:
        self._check_connected()
        sent = self._act(action)
        self._acted += 1
        return sent

    def rest(self) -> None:
        self._check_connected()
        self._rest()

    def observe(self) -> Observation:
        self._check_connected()
        kind, amount = self._fault.kind, self._fault.amount
        if self._active and (kind == "delay" or (kind == "stall" and not self._faulty_observations)):
            self._robot.clock.sleep_until(self._robot.clock.now() + amount)
        seen = self._observe()
        if not self._active:
            self._last = seen
            return seen
        self._faulty_observations += 1
        last = self._last = self._last or seen  # a fault from step 0 on repeats the first observation
        match kind:
            case "freeze":
                seen = replace(seen, images=last.images)
            case "drop":
                seen = replace(seen, images=last.images, captured_at=last.captured_at)
            case "corrupt":
                seen = _with_offset(seen, float("nan"))
            case "stray":
                seen = _with_offset(seen, amount)
            case "run-away":
                seen = _with_offset(seen, amount * self._faulty_observations)
        return seen

    def _check_connected(self) -> None:
        if self._fault.kind == "disconnect" and self._active:
            raise HardwareError(f"{self._robot.spec.name} does not answer (injected fault {self._fault.kind!r}).")


def _with_offset(observation: Observation, offset: float) -> Observation:
    measured = observation.proprioception.copy()
    measured[0] += offset
    return replace(observation, proprioception=measured)


class FaultyPolicy(WrappedPolicy):
    """A policy whose actions become wrong after a number of actions."""

    def __init__(self, policy: Policy, robot: Robot, fault: Fault) -> None:
        super().__init__(policy)
        self._fault, self._planned = fault, 0
        self._low, self._high = robot.spec.action_low[0], robot.spec.action_high[0]

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Return the policy's plans, changed after the fault starts."""
        return [self._with_fault(plan) for plan in self._policy.plan(requests)]

    def _with_fault(self, plan: Plan) -> Plan:
        chunk = plan.chunk.copy()
        for i, action in enumerate(chunk):
            if self._planned + i < self._fault.step:
                continue
            match self._fault.kind:
                case "nan-action":
                    action[0] = np.nan
                case "wild-action":
                    action[0] = self._high + 10 * (self._high - self._low)
                case "jerk-action":
                    action[0] = self._high if (self._planned + i) % 2 else self._low
        self._planned += len(chunk)
        return replace(plan, chunk=chunk)
