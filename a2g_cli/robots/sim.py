"""The simulated robot, which is instrumented and reset-free. MuJoCo is imported when it connects."""

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from a2g_cli.cameras.sim import VIEWS, SimCamera
from a2g_cli.core.clock import SteppedClock
from a2g_cli.core.errors import GoalError, HardwareError, SafetyStop, UnknownNameError, UsageError
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.types import Description, Goal, Image, Observation, State, Vector
from a2g_cli.robots.base import Purpose, RobotSpec, Trial
from a2g_cli.simulator.disturbance import Disturbance
from a2g_cli.simulator.scenes import scene as scene_called
from a2g_cli.simulator.shifts import Shift, parse_shift

if TYPE_CHECKING:
    from a2g_cli.simulator.scenes.scene import Scene
    from a2g_cli.simulator.tabletop import Tabletop

MAX_STEP = 0.03
"""Displacement of the tool in one control step, per axis [m]."""
RATE = 10.0
"""[Hz]."""
SAFETY = SafetyLimits(
    workspace_low={"x": 0.05, "y": -0.45, "z": -0.02},
    workspace_high={"x": 0.75, "y": 0.45, "z": 0.35},
    max_step={"opening": 1.1},  # the gripper may open at once
    max_speed={"x": 1.0, "y": 1.0, "z": 1.0, "opening": 20.0},
    frozen_frames=50,  # images without noise do not change while the arm moves outside the view
)
MIN_SIZE, MAX_SIZE = 8, 2048
"""Smallest and largest side of the images [px]."""
# First element of the spawn key of each random stream of a seed, so that the streams are disjoint.
STREAMS: dict[str, int] = {
    "reset": 0,
    "demonstration": 1,
    "practice": 2,
    "evaluation": 3,
    "disturbance": 4,
    "start": 6,
    "next": 7,
}


class SimRobot:
    """A five-joint arm with a gripper at a tabletop.

    Actions are displacements (dx, dy, dz) [m] from the *measured* position of the tool, in the arm's base frame, and the
    gripper's opening. The arm is gravity-compensated and stiff, so a zero action holds it in place; with a block in the
    gripper it sinks by a tenth of a millimetre per step.

    Args:
        scene: the task, a plugin's name (simulator/scenes).
        shift: how this deployment differs from training, ``"name"`` or ``"name:strength"`` (simulator/shifts.py).
        seed: of the starts that ``reset`` draws and of the disturbance.
        cameras: any of ``front``, ``side`` and ``wrist``.
        size: height and width of the images [px].
        disturbance: strength of random pushes on the arm; 0 for none, 1 for diverse demonstrations.
    """

    def __init__(
        self,
        scene: str = "place",
        shift: str = "none",
        seed: int = 0,
        cameras: tuple[str, ...] = ("front",),
        size: int = 64,
        disturbance: float = 0.0,
    ) -> None:
        for camera in cameras:
            if camera not in VIEWS:
                raise UnknownNameError("camera view", camera, VIEWS)
        if seed < 0:
            raise UsageError(f"seed {seed} is negative; a seed is 0 or more")
        if not MIN_SIZE <= size <= MAX_SIZE:
            raise UsageError(f"images of {size} px cannot be drawn; expected {MIN_SIZE} to {MAX_SIZE}")
        self.task: Scene = scene_called(scene, parse_shift(shift))
        self._seed = seed
        self._size = size
        self.disturbance = disturbance
        self._clock = SteppedClock()
        self._spec = RobotSpec(
            name=f"sim:{scene}",
            action_names=("dx", "dy", "dz", "opening"),
            action_units=("m", "m", "m", "1"),
            action_low=(-MAX_STEP, -MAX_STEP, -MAX_STEP, 0.0),
            action_high=(MAX_STEP, MAX_STEP, MAX_STEP, 1.0),
            rate=RATE,
            proprioception_names=("x", "y", "z", "opening"),
            proprioception_units=("m", "m", "m", "1"),
            cameras=dict.fromkeys(cameras, (size, size)),
        )
        self._starts = self._stream("reset")
        self._pushes = Disturbance(0.0, self._starts)
        self._tabletop: Tabletop | None = None
        self._cameras: dict[str, SimCamera] = {}

    @property
    def shift(self) -> Shift:
        """How this deployment differs from training."""
        return self.task.shift

    @property
    def limit(self) -> int:
        """Default for the most actions in an episode of this scene [steps]."""
        return self.task.limit

    @property
    def spec(self) -> RobotSpec:
        """The robot's names, units, limits and rate."""
        return self._spec

    @property
    def safety(self) -> SafetyLimits:
        """Limits of the tool's position and speed, somewhat wider than what the arm can do."""
        return SAFETY

    @property
    def clock(self) -> SteppedClock:
        """Simulated time, which advances by one control period per action."""
        return self._clock

    @property
    def tabletop(self) -> "Tabletop":
        """The physics behind the robot. Raises HardwareError before ``connect``."""
        if self._tabletop is None:
            raise HardwareError(f"{self._spec.name} is not connected; call connect() first")
        return self._tabletop

    def connect(self) -> None:
        """Build the scene and the OpenGL context. Raises HardwareError without OpenGL. Moves nothing."""
        if self._tabletop is not None:
            return
        from a2g_cli.simulator.tabletop import Tabletop

        tabletop = Tabletop(self.task, self._size)
        cameras = {
            name: SimCamera(name, self._size, tabletop=tabletop, clock=self._clock) for name in self._spec.cameras
        }
        for camera in cameras.values():
            camera.open()
        self._tabletop, self._cameras = tabletop, cameras
        self.begin(self.task.default_state())

    def close(self) -> None:
        """Free the scene and the OpenGL context; harmless when called twice."""
        for camera in self._cameras.values():
            camera.close()
        if self._tabletop is not None:
            self._tabletop.close_graphics()
        self._tabletop, self._cameras = None, {}

    def observe(self) -> Observation:
        """Return the present observation."""
        tabletop = self.tabletop
        frames = {name: camera.read(timeout=1.0) for name, camera in self._cameras.items()}
        tool = tabletop.to_base(tabletop.tool())
        return Observation(
            images={name: frame.image for name, frame in frames.items()},
            proprioception=np.array([*tool, tabletop.opening()], dtype=np.float32),
            captured_at={name: frame.captured_at for name, frame in frames.items()},
            time=self._clock.now(),
        )

    def act(self, action: Vector) -> Vector:
        """Carry out one action (4,) for one control period, and return it as it was sent, after limits.

        Raises SafetyStop for an action that is not four finite numbers.
        """
        tabletop = self.tabletop
        if np.shape(action) != (4,) or not np.isfinite(action).all():
            raise SafetyStop(f"{self._spec.name} was sent {action!r}; an action is four finite numbers")
        sent = self._spec.clip(action)
        push, knocked = self._pushes.next() if self.disturbance else (np.zeros(3), False)
        wanted = self.shift.motor_gain * sent[:3].astype(np.float64) + self.shift.motor_pull + push
        target = tabletop.to_table(tabletop.to_base(tabletop.tool()) + wanted)
        tabletop.drive(target, 1.0 if knocked else float(sent[3]))
        self._clock.advance(1.0 / RATE)
        return sent

    def action_for(self, displacement: NDArray[np.float64], opening: float) -> Vector:
        """Return the action that moves the tool by ``displacement`` (3,) in the *table* frame [m], within the limits.

        It inverts the true base pose and actuators of the shift: the expert may know them, a policy may not.
        """
        tabletop = self.tabletop
        in_base = tabletop.to_base(displacement) - tabletop.to_base(np.zeros(3))
        commanded = (in_base - self.shift.motor_pull) / self.shift.motor_gain
        # All axes are scaled alike, so that the direction stays.
        longest = float(np.abs(commanded[:2]).max())
        commanded[:2] *= min(1.0, MAX_STEP / longest) if longest else 1.0
        return self._spec.clip(np.array([*commanded, opening], dtype=np.float32))

    def action_to_rest_pose(self, observation: Observation) -> tuple[Vector, float]:  # noqa: ARG002 - it knows where it is
        """Return the next action (4,) to the scene's rest pose, and about how many are left [steps]."""
        way, opening, there = self.task.action_to_rest_pose(self.state())
        left = float(np.abs(way).max()) / MAX_STEP
        return self.action_for(way, opening), 0.0 if there else max(1.0, left)

    def reset(self) -> None:
        """Begin at a new start, the next one of this robot's seed."""
        self.begin(self.task.draw(self._starts)[0])

    def rest(self) -> None:
        """Do nothing: the servos keep their set point between actions."""

    def trial(self, purpose: Purpose, seed: int, index: int) -> Trial:
        """Draw start and goal ``index`` of ``seed``; each purpose has its own stream, the same under every shift."""
        random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAMS[purpose], index)))
        start, truth = self.task.draw(random)
        goal = Goal(
            name=f"{self.task.name}-{purpose}-{seed}-{index}",
            images=self.photograph(truth),
            source=self._spec.name,
            truth=truth,
        )
        return Trial(purpose, seed, index, start, goal)

    def start_for(self, goal: Goal, seed: int, index: int) -> State:
        """Draw a start for ``goal``; fixed objects stand where the goal has them. Raises GoalError, UsageError."""
        random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAMS["start"], index)))
        return self.task.draw_start(self._truth(goal), random)

    @property
    def undone_by(self) -> tuple[str, ...]:
        """The resets after which ``next_goal`` works; see the scene."""
        return self.task.undone_by

    def next_goal(self, seed: int, index: int) -> Goal | None:
        """Draw goal ``index`` of ``seed`` for the world as it is; None if there is none."""
        random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAMS["next"], index)))
        truth = self.task.draw_next(self.state(), random)
        if truth is None:
            return None
        return Goal(f"{self.task.name}-next-{seed}-{index}", self.photograph(truth), self._spec.name, truth)

    def out_of_reach(self) -> list[str]:
        """Return the names of objects that the arm cannot reach any more."""
        return self.task.out_of_reach(self.state())

    def rearranged(self, before: State) -> bool:
        """Whether an object has moved since ``before``."""
        return self.task.rearranged(before, self.state())

    def begin(self, start: State) -> None:
        """Set the world to ``start``; nothing from before remains."""
        self.tabletop.set_state(start)
        strength = self.disturbance * self.task.disturbance
        self._pushes = Disturbance(strength, self._stream("disturbance", _digest(start)), self.task.knocks)

    def photograph(self, state: State) -> dict[str, Image]:
        """Return one image per camera of ``state``, without changing the present state."""
        tabletop = self.tabletop
        return {name: tabletop.draw_state(state, name) for name in self._spec.cameras}

    def state_from(self, values: Description) -> State:
        """Return the goal state that a person describes; see the scene's ``goal_state``."""
        return self.task.goal_state(values)

    def state(self) -> State:
        """Return the true present state, in the table frame."""
        return self.tabletop.state()

    def succeeded(self, goal: Goal) -> bool:
        """Whether the present state reaches ``goal``. Raises GoalError for a goal without truth, or of another scene."""
        return self.task.reached(self.state(), self._truth(goal))

    def expert_action(self, goal: Goal) -> Vector | None:
        """Return the scripted expert's next action (4,) to ``goal``; None where nothing is left to do. Raises GoalError."""
        from a2g_cli.simulator.expert import ScriptedExpert

        expert = ScriptedExpert(self)
        return None if expert.done(goal) else expert.act(goal)

    def _truth(self, goal: Goal) -> State:
        if goal.truth is None:
            raise GoalError(
                f"goal {goal.name!r} has no true state, so the simulator cannot judge it; "
                f"expected a goal taken by {self._spec.name}"
            )
        if not self.task.fits(goal.truth):
            raise GoalError(
                f"goal {goal.name!r} shows {', '.join(sorted(goal.truth))}, which {self._spec.name} does not have; "
                "choose its scene with --scene"
            )
        return goal.truth

    def _stream(self, name: str, *key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(STREAMS[name], *key)))


def _digest(state: State) -> int:
    """Return a hash of ``state``: the same start gets the same disturbance, another start another one."""
    return int.from_bytes(hashlib.sha256(json.dumps(state, sort_keys=True).encode()).digest()[:4], "big")
