"""Demonstrations of any expert on a robot in simulated time: from a start, with a goal, its photo and success."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from a2g_cli.core import plugins
from a2g_cli.core.clock import goes_on
from a2g_cli.core.errors import PluginError, UsageError
from a2g_cli.core.types import Episode, Goal, Outcome, Provenance, Vector
from a2g_cli.robots.base import (
    ExpertRobot,
    InstrumentedRobot,
    ReportingRobot,
    Robot,
    RobotSpec,
    Trial,
    limit_of,
    shift_of,
)

OWN = "own"
"""The name of the expert that a robot's world has."""
HOLD = 5
"""Steps in a row for which a goal has to be reached until a demonstration ends [steps], as for a policy's success."""
STREAM = 8
"""First element of the spawn key of the disturbance's random stream."""

Act = Callable[[Any], Any]
"""Observation -> action (A,), or None where nothing is left to do. The observation is the environment's own, else a2g's."""


@dataclass(frozen=True)
class Expert:
    """Who demonstrates."""

    name: str
    """``"own"``, or the name by which a user called it."""
    act: Act | type | None
    """A class is made anew for each episode, for experts that remember; None: the robot's own."""

    def begin(self, robot: Robot, goal: Goal) -> Callable[[], Vector | None]:
        """Return a function that gives the next action (A,), or None where nothing is left to do.

        Raises (the function too):
            UsageError: the robot has no expert of its own.
            PluginError: the expert fails, or returns anything but A finite numbers.
        """
        what = f"expert {self.name!r}"
        if self.act is None:
            own = own_expert(robot)
            return lambda: _checked(what, robot.spec, own.expert_action(goal))
        with plugins.calling(what, "its constructor", error=PluginError):
            act = self.act() if isinstance(self.act, type) else self.act

        def follow() -> Vector | None:
            seen = getattr(robot, "raw", None)
            with plugins.calling(what, "its call", error=PluginError):
                action = act(robot.observe() if seen is None else seen)
            return _checked(what, robot.spec, action)

        return follow


def find_expert(name: str) -> Expert:
    """Return the expert called ``name``: ``own``, an entry point's name (group ``a2g.experts``), or ``MODULE:ATTRIBUTE``.

    Raises:
        UsageError: it does not exist, or cannot be called.
        PluginError: it cannot be imported.
    """
    if name == OWN:
        return Expert(name, None)
    found = plugins.find("expert", name)
    if not callable(found):
        raise UsageError(f"expert {name!r} is {found!r}: expected a function from an observation to an action.")
    return Expert(name, found)


def own_expert(robot: Robot) -> ExpertRobot:
    """Return ``robot`` as one with an expert. Raises UsageError if it has none."""
    if not isinstance(robot, ExpertRobot):
        raise UsageError(
            f"{robot.spec.name} has no expert of its own: name one, --expert MODULE:FUNCTION (observation -> action)."
        )
    return robot


def check_demonstrable(robot: Robot) -> None:
    """Raise UsageError for a robot on which no program may demonstrate: a real one, or one that knows no success."""
    if goes_on(robot.clock):
        raise UsageError(
            f"{robot.spec.name} moves in real time, where no program may demonstrate. Let a person do it: --teleop; or with "
            "LeRobot, then `a2g recordings import`."
        )
    if not isinstance(robot, InstrumentedRobot | ReportingRobot):
        raise UsageError(
            f"{robot.spec.name} knows no success, so no demonstration could be checked: see docs/worlds.md."
        )


def demonstrate(
    robot: Robot,
    expert: Expert,
    seed: int,
    index: int,
    disturb: float = 0.0,
    limit: int | None = None,
    to_the_end: bool = False,
) -> Episode:
    """Return demonstration ``index`` of ``seed``, which depends on nothing else.

    It ends when the goal has been reached for ``HOLD`` steps, unless ``to_the_end``; when the expert has nothing left to do;
    or at the limit.
    Without a world that draws goals, the goal is the last frame, and success is what the environment reports.

    Args:
        robot: a connected robot for which ``check_demonstrable`` holds.
        expert: who demonstrates.
        seed: of starts, goals and disturbance.
        index: of the demonstration, from 0.
        disturb: strength of the pushes (``Pushes``); 0 for none.
        limit: most actions [steps]; None: the robot's own.
        to_the_end: whether it goes on after success, so that the last frame shows what the goal's photo shows: what was
            carried is let go, and the arm is away.

    Raises:
        UsageError, PluginError, HardwareError: see their messages.
    """
    instrumented = isinstance(robot, InstrumentedRobot)
    trial = _trial(robot, seed, index)
    robot.begin(trial.start)  # type: ignore[attr-defined]
    pushes = Pushes(robot.spec, disturb, np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAM, index))))
    settings = {"purpose": "demonstration", "index": index, "disturbance": disturb, "expert": expert.name}
    settings |= {"to_the_end": True} if to_the_end else {}
    provenance = Provenance(robot.spec.name, "expert", shift_of(robot), seed=seed, settings=settings)
    episode = Episode(trial.goal, provenance, [robot.observe()])
    most, held, reason = limit_of(robot) if limit is None else limit, 0, "steps"
    follow = expert.begin(robot, trial.goal)
    while len(episode) < most:
        action = follow()
        if action is None or (held >= (HOLD if instrumented else 1) and not to_the_end):
            reason = "success" if held else "steps"
            break
        meant = robot.spec.clip(action)
        robot.act(pushes.push(meant))
        # What was meant is the label: the push is the world's (simulator/disturbance.py).
        episode.append(action, meant, robot.observe())
        held = held + 1 if _reached(robot, trial.goal) else 0
    if not instrumented:
        episode.goal = Goal(trial.goal.name, episode.observations[-1].images, robot.spec.name)
    said = _reached(robot, trial.goal)
    episode.outcome = Outcome(said, "truth" if instrumented else "environment" if said is not None else "none", reason)
    return episode


class Pushes:
    """Pushes on displacements, so that demonstrations show how to recover (DART, Laskey et al. 2017).

    They are the simulator's (simulator/disturbance.py) as a share of the largest displacement: zero most of the time, and
    for a few steps in one direction otherwise. A robot whose actions are not named as displacements (``dx``) is pushed in
    all actions.
    """

    MEMORY, THRESHOLD, LENGTH, LONGEST = 0.75, 1.9, 0.6, 0.83

    def __init__(self, spec: RobotSpec, strength: float, random: np.random.Generator) -> None:
        named = [i for i, name in enumerate(spec.action_names) if name.startswith("d") and len(name) > 1]
        self._pushed = named or list(range(len(spec.action_names)))
        low, high = np.array(spec.action_low)[self._pushed], np.array(spec.action_high)[self._pushed]
        self._spec, self._strength, self._random, self._half = spec, strength, random, (high - low) / 2
        self._walk = random.normal(size=len(self._pushed))

    def push(self, action: Vector) -> Vector:
        """Return ``action`` (A,) with the push of this step, within the limits."""
        noise = self._random.normal(size=len(self._walk))
        self._walk = self.MEMORY * self._walk + np.sqrt(1 - self.MEMORY**2) * noise
        length = float(np.linalg.norm(self._walk)) * np.sqrt(3 / len(self._walk))  # as long as three axes' on average
        size = min(self.LONGEST, self.LENGTH * max(0.0, length - self.THRESHOLD))
        pushed = action.copy()
        pushed[self._pushed] += self._strength * size * self._half * self._walk / np.linalg.norm(self._walk)
        return self._spec.clip(pushed)


def _trial(robot: Robot, seed: int, index: int) -> Trial:
    if isinstance(robot, InstrumentedRobot):
        return robot.trial("demonstration", seed, index)
    unseen = Goal(f"demonstration-{seed}-{index}", robot.observe().images, robot.spec.name)
    start = robot.start_for(unseen, seed, index)  # type: ignore[attr-defined]
    return Trial("demonstration", seed, index, start, unseen)


def _reached(robot: Robot, goal: Goal) -> bool | None:
    if isinstance(robot, InstrumentedRobot):
        return robot.succeeded(goal)
    return robot.reported_success() if isinstance(robot, ReportingRobot) else None


def _checked(what: str, spec: RobotSpec, action: Any) -> Vector | None:
    """Return an expert's action as float32 (A,). Raises PluginError for anything else but None."""
    if action is None:
        return None
    row = np.asarray(action)
    count = len(spec.action_names)
    if row.dtype.kind not in "fiu" or row.shape != (count,) or not np.isfinite(row).all():
        raise PluginError(
            f"{what} returned {action!r}: expected {count} finite numbers ({', '.join(spec.action_names)})."
        )
    return row.astype(np.float32)
