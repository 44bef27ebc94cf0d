"""Faults on purpose: what can go wrong with a cable, a camera, a servo or a policy, to see the guard that meets it.

A fault sets in after so many actions of the robot that it was put into, and moves nothing that would not have moved.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from a2g_cli.core.errors import HardwareError, UnknownNameError, UsageError
from a2g_cli.core.types import Observation, Vector
from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.robots.base import InstrumentedRobot, Robot


@dataclass(frozen=True)
class Kind:
    """One kind of fault."""

    what: str
    """What goes wrong."""
    stops: str
    """The guard that stops it, or ``hardware``, as ``stopped_by`` of a recording says."""
    amount: float = 0.0
    """How much, unless it is said."""


OF_ROBOT: Mapping[str, Kind] = {
    "freeze": Kind("the cameras give the same picture again and again, with new capture times", "frozen-frame"),
    "drop": Kind("no new frame comes: the newest one grows old", "stale-frame"),
    "delay": Kind("every observation takes AMOUNT seconds longer", "missed-deadline", 0.5),
    "stall": Kind("one observation takes AMOUNT seconds", "episode-time", 1e4),
    "corrupt": Kind("the first measured value is no number", "reading-not-finite"),
    "stray": Kind("the first measured value is AMOUNT too high", "workspace", 10.0),
    "run-away": Kind("the first measured value grows by AMOUNT with every observation", "speed", 0.2),
    "disconnect": Kind("the robot does not answer any more, to anything", "hardware"),
}
OF_POLICY: Mapping[str, Kind] = {
    "nan-action": Kind("the policy asks for what is no number", "action-not-finite"),
    "wild-action": Kind("the policy asks for ten times the range of the first action", "action-range"),
    "jerk-action": Kind("the policy asks for least and most of the first action by turns", "action-jump"),
}
KINDS = {**OF_ROBOT, **OF_POLICY}

_WORDS = re.compile(r"(?P<kind>[a-z-]+)(:(?P<amount>[0-9.e+-]+))?(@(?P<step>[0-9]+))?")


@dataclass(frozen=True)
class Fault:
    """What goes wrong, how much, and when."""

    kind: str
    amount: float
    step: int
    """Actions before it sets in."""


def parse_fault(text: str) -> Fault:
    """Return the fault ``KIND[:AMOUNT][@STEP]``; step 5 if it is not said. Raises UsageError, UnknownNameError."""
    match = _WORDS.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is no fault: expected KIND[:AMOUNT][@STEP], as in delay:0.5@10.")
    if match["kind"] not in KINDS:
        raise UnknownNameError("fault", match["kind"], KINDS)
    try:
        amount = KINDS[match["kind"]].amount if match["amount"] is None else float(match["amount"])
    except ValueError as error:
        raise UsageError(f"{match['amount']!r} in the fault {text!r} is no number.") from error
    if match["amount"] is not None and not KINDS[match["kind"]].amount:
        raise UsageError(f"the fault {match['kind']} takes no amount: {text!r}.")
    if not math.isfinite(amount) or (match["kind"] in {"delay", "stall"} and amount <= 0):
        raise UsageError(f"the fault {text!r} cannot be meant: expected a finite amount, of seconds more than 0.")
    return Fault(match["kind"], amount, int(match["step"] or 5))


def put_into_robot(robot: Robot, fault: Fault) -> None:
    """Let ``fault`` come over ``robot``, whatever its driver: its own ``observe``, ``act`` and ``rest`` are wrapped.

    Raises:
        UsageError: the fault is one of a policy and the robot a real one, or there is nothing for it to spoil.
    """
    if fault.kind in OF_POLICY:
        if not isinstance(robot, InstrumentedRobot):
            raise UsageError(
                f"the fault {fault.kind} makes actions up: it is for a simulator, not for {robot.spec.name}."
            )
        return
    if fault.kind in {"corrupt", "stray", "run-away"} and not robot.spec.proprioception_names:
        raise UsageError(f"{robot.spec.name} measures nothing that the fault {fault.kind} could spoil.")
    spoiled = _Spoiled(robot, fault)
    for name in ("observe", "act", "rest"):
        setattr(robot, name, getattr(spoiled, name))


class _Spoiled:
    """A robot's own methods, and what becomes of them."""

    def __init__(self, robot: Robot, fault: Fault) -> None:
        self._observe, self._act, self._rest = robot.observe, robot.act, robot.rest
        self._robot, self._fault = robot, fault
        self._acted = self._spoilt = 0
        self._last: Observation | None = None

    @property
    def _on(self) -> bool:
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
        if self._on and (kind == "delay" or (kind == "stall" and not self._spoilt)):
            self._robot.clock.sleep_until(self._robot.clock.now() + amount)
        seen = self._observe()
        if not self._on:
            self._last = seen
            return seen
        self._spoilt += 1
        last = self._last = self._last or seen  # from the first observation on, there is no earlier one to repeat
        match kind:
            case "freeze":
                seen = replace(seen, images=last.images)
            case "drop":
                seen = replace(seen, images=last.images, captured_at=last.captured_at)
            case "corrupt":
                seen = _raised(seen, float("nan"))
            case "stray":
                seen = _raised(seen, amount)
            case "run-away":
                seen = _raised(seen, amount * self._spoilt)
        return seen

    def _check_connected(self) -> None:
        if self._fault.kind == "disconnect" and self._on:
            raise HardwareError(
                f"{self._robot.spec.name} does not answer (the fault {self._fault.kind!r} was asked for)."
            )


def _raised(seen: Observation, by: float) -> Observation:
    measured = seen.proprioception.copy()
    measured[0] += by
    return replace(seen, proprioception=measured)


class FaultyPolicy(Policy):
    """A policy that asks for nonsense after so many actions."""

    def __init__(self, policy: Policy, robot: Robot, fault: Fault) -> None:
        self._policy, self._fault, self._planned = policy, fault, 0
        self._low, self._high = robot.spec.action_low[0], robot.spec.action_high[0]

    @property
    def name(self) -> str:
        """Name of the wrapped policy."""
        return self._policy.name

    def start_episode(self, seed: int, slot: int) -> dict[str, Any]:
        """Prepare the policy for an episode."""
        return self._policy.start_episode(seed, slot)

    def end_episode(self, seed: int) -> None:
        """Let the policy forget an episode."""
        self._policy.end_episode(seed)

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Answer as the policy would, until the fault sets in."""
        return [self._spoil(plan) for plan in self._policy.plan(requests)]

    def _spoil(self, plan: Plan) -> Plan:
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
