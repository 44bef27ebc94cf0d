"""Gymnasium environments with images and a Box action as robots. Gymnasium is imported when one is made."""

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from a2g_cli.cameras.metadata import Framing
from a2g_cli.core.clock import SteppedClock
from a2g_cli.core.errors import HardwareError, SafetyStop, UsageError
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.types import Goal, Observation, State, Vector
from a2g_cli.robots.base import EPISODE_LIMIT, RobotSpec
from a2g_cli.robots.gymnasium_calls import begun, make, stepped, strangers_code
from a2g_cli.robots.gymnasium_choice import CameraSetting, NumbersSetting
from a2g_cli.robots.gymnasium_names import action_names, units_of
from a2g_cli.robots.gymnasium_observation import ObservationReader
from a2g_cli.robots.gymnasium_shift import check_shift, move_cameras, weakened
from a2g_cli.robots.gymnasium_values import is_so
from a2g_cli.simulator.shifts import parse_shift

RATE = 10.0
"""Control rate of an environment without ``render_fps`` in its metadata [Hz]."""
SUCCESS = ("success", "is_success")
"""Keys of ``info`` by which environments report success."""
_MAX_SEED = 2**31
MANY = 100_000
"""Largest ``limit`` [steps]."""


class GymRobot:
    """A Gymnasium environment, by its id: ``gym:gym_pusht:gym_pusht/PushT-v0`` (module, then id, as Gymnasium has it).

    The cameras are the images in the observation, or the environment's own rendering if there are none; proprioception is
    the observation's other numbers. ``camera`` and ``proprioception`` choose others; ``notes`` says what was left out. An
    environment that has ended does not change until ``reset``. Time advances by one control period per action.

    Args:
        id: the environment's id.
        options: what ``gymnasium.make`` passes to it.
        rate: control rate [Hz]; None for that of its metadata, or 10.
        size: height and width of the images [px], cropped about the centre; None for their own size.
        proprioception: names of numbers in the observation or in ``info``; a slash goes into a dictionary or a tuple, a
            dot to a single number (``"observation.0"``). A mapping names them: ``{"x": "observation.0"}``.
        seed: of the starts that ``reset`` draws.
        camera: camera -> name of an image in the observation, or only such names: ``"pixels/top"``, ``"image[3]"`` of a
            stack, ``"render"`` for the environment's own rendering.
        actions: names of the actions, in their order; None: ``action.0``, ``action.1``, ...
        units: name of an action or of a measured value -> its unit.
        repeat: how many steps of the environment one action takes, 1 to 100; they divide the rate of its metadata.
        limit: the default for the most actions in an episode [steps].
        shift: how this deployment differs from training, ``"camera-bump:0.5"`` or ``"actuator-gain"``.
        name: what recordings call the robot; None: ``gym:`` and the environment's id.

    Raises:
        HardwareError: Gymnasium is not installed, or it cannot make the environment.
        UsageError: actions without bounds; no images; a stack of images, or too many numbers, to choose from.
    """

    def __init__(
        self,
        id: str,  # noqa: A002 - Gymnasium's own word for it
        options: Mapping[str, Any] | None = None,
        rate: float | None = None,
        size: tuple[int, int] | None = None,
        proprioception: NumbersSetting | None = None,
        seed: int = 0,
        camera: CameraSetting | None = None,
        actions: Sequence[str] | None = None,
        units: Mapping[str, str] | None = None,
        repeat: int = 1,
        limit: int | None = None,
        shift: str = "none",
        name: str | None = None,
    ) -> None:
        self._id, self._options, self._name = id, dict(options or {}), name or f"gym:{id}"
        self.shift = parse_shift(shift)
        self._repeat = _within(self._name, "repeat", repeat, 100) or 1
        self.limit = _within(self._name, "limit", limit, MANY) or EPISODE_LIMIT
        self._starts = np.random.default_rng(seed)
        self._ends: dict[int, weakref.finalize[..., Any]] = {}
        self._clock = SteppedClock()
        self._connected = self._over = self._done = False
        self._seen: Any = None
        self._info: Mapping[str, Any] = {}
        self._reported = False
        self._env: Any = self._made()
        try:
            self._describe(rate, size, seed, camera, proprioception, actions, units)
        except BaseException:
            self.close()
            raise

    def _describe(
        self,
        rate: float | None,
        size: tuple[int, int] | None,
        seed: int,
        camera: CameraSetting | None,
        proprioception: NumbersSetting | None,
        actions: Sequence[str] | None,
        units: Mapping[str, str] | None,
    ) -> None:
        """Reset the environment and describe it. Raises HardwareError, UsageError."""
        name, space = self._name, self._env.action_space
        low, high = np.ravel(getattr(space, "low", [])), np.ravel(getattr(space, "high", []))
        if not low.size or not np.isfinite([low, high]).all():
            raise UsageError(f"{name} takes {space}: a robot's action is a Box with finite bounds.")
        own_rate = float(self._env.metadata.get("render_fps") or RATE) / self._repeat
        rate = own_rate if rate is None else float(rate)
        if not 0 < rate <= 1000:
            raise UsageError(f"a control rate of {rate:g} Hz is not possible: expected more than 0, at most 1000.")
        self._framing = Framing(size=None if size is None else (int(size[0]), int(size[1])))
        self._restart({"seed": [seed % _MAX_SEED]})
        with strangers_code(self._id, "its observation"):
            self._reader = ObservationReader(
                name, self._seen, self._info, self._env.observation_space, self._drawn, camera, proprioception
            )
            frames = self._reader.images(self._seen)
        self.notes = self._reader.notes
        names, measured = action_names(name, actions, low.size), self._reader.names
        check_shift(name, self.shift, names)
        self._spec = RobotSpec(
            name=name,
            action_names=names,
            action_units=units_of(name, units, names, (*names, *measured)),
            action_low=tuple(low.tolist()),
            action_high=tuple(high.tolist()),
            rate=rate,
            proprioception_names=measured,
            proprioception_units=units_of(name, units, measured, (*names, *measured)),
            cameras={name: self._framing.apply(image).shape[:2] for name, image in frames.items()},
        )

    @property
    def spec(self) -> RobotSpec:
        """The robot's names, units, limits and rate."""
        return self._spec

    @property
    def safety(self) -> SafetyLimits:
        """The bounds of the observation space for the measured values, if it has any."""
        bounds = self._reader.bounds
        return SafetyLimits(
            workspace_low={name: low for name, (low, _) in bounds.items()},
            workspace_high={name: high for name, (_, high) in bounds.items()},
        )

    @property
    def clock(self) -> SteppedClock:
        """Its time, which advances by one control period per action."""
        return self._clock

    def connect(self) -> None:
        """Make the environment if it was closed, and begin at a start. Raises HardwareError."""
        if self._connected:
            return
        if self._env is None:
            self._env = self._made()
        self._connected = True
        self.reset()

    def close(self) -> None:
        """Close the environment; harmless when called twice."""
        self._connected = False
        env, self._env = self._env, None
        self._end(env)

    def observe(self) -> Observation:
        """Return the present observation."""
        self._check_connected()
        now = self._clock.now()
        with strangers_code(self._id, "its observation"):
            frames, values = self._reader.images(self._seen), self._reader.measured(self._seen, self._info)
        images = {name: self._framing.apply(image) for name, image in frames.items()}
        for name, image in images.items():
            height, width = self._spec.cameras[name]
            if image.shape[:2] != (height, width):
                now_it_is = f"{image.shape[1]}x{image.shape[0]}"
                raise HardwareError(f"{self._spec.name}: camera {name!r} was {width}x{height}, now it is {now_it_is}.")
        return Observation(
            images=images,
            proprioception=values,
            captured_at=dict.fromkeys(images, now),
            time=now,
        )

    def act(self, action: Vector) -> Vector:
        """Carry out one action (A,) and return it as it was sent. Raises SafetyStop unless it is A finite numbers."""
        self._check_connected()
        count = len(self._spec.action_names)
        if np.shape(action) != (count,) or not np.isfinite(action).all():
            raise SafetyStop(f"{self._spec.name} was sent {action!r}; an action is {count} finite numbers")
        sent = self._spec.clip(action)
        low, high = (np.array(side, np.float32) for side in (self._spec.action_low, self._spec.action_high))
        moved = weakened(self.shift, sent, self._spec.action_names, low, high)
        for _ in range(self._repeat):
            if self._over:
                break
            space = self._env.action_space
            with strangers_code(self._id, "step"):
                answer = self._env.step(moved.reshape(space.shape).astype(space.dtype))
                self._seen, self._over, self._info = stepped(self._id, answer)
                self._reported = self._reported or any(name in self._info for name in SUCCESS)
                self._done = any(is_so(self._info[name]) for name in SUCCESS if name in self._info)
        self._clock.advance(1.0 / self._spec.rate)
        return sent

    def reset(self) -> None:
        """Begin at a new start, the next one of this robot's seed."""
        self._check_connected()
        self._restart(self._draw(self._starts))

    def rest(self) -> None:
        """Do nothing: the environment stands still between actions."""

    @property
    def raw(self) -> Any:
        """The environment's own present observation, as a scripted expert of that environment reads it."""
        self._check_connected()
        return self._seen

    def reported_success(self) -> bool | None:
        """Whether the environment reports success now; None as long as it has not reported any."""
        return self._done if self._reported else None

    def start_for(self, goal: Goal, seed: int, index: int) -> State:  # noqa: ARG002 - it knows nothing of goals
        """Draw start ``index`` of ``seed``: the seed of a reset."""
        return self._draw(np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(3, index))))

    def begin(self, start: State) -> None:
        """Begin at ``start``."""
        self._check_connected()
        self._restart(start)

    def _made(self) -> Any:
        """Return a new environment, shifted as this robot is; it is closed by ``_end``, or when this robot is no more."""
        env = make(self._id, self._options)
        self._ends[id(env)] = weakref.finalize(self, env.close)
        try:
            move_cameras(self._name, env, self.shift)
        except BaseException:
            self._end(env)
            raise
        return env

    def _end(self, env: Any) -> None:
        """Close an environment of ``_made``, once."""
        if (end := self._ends.pop(id(env), None)) is not None:
            end()

    def _draw(self, random: np.random.Generator) -> State:
        return {"seed": [float(random.integers(_MAX_SEED))]}

    def _restart(self, start: State) -> None:
        self._start = start
        with strangers_code(self._id, "reset"):
            answer = self._env.reset(seed=int(start["seed"][0]), options=self._told(start))
            self._seen, self._info = begun(self._id, answer)
        self._over = self._done = False

    def _told(self, _start: State) -> dict[str, Any] | None:
        """Return the options of a reset."""
        return None

    def _drawn(self, env: Any = None) -> Any:
        with strangers_code(self._id, "render"):
            return (self._env if env is None else env).render()

    def _check_connected(self) -> None:
        if not self._connected:
            raise HardwareError(f"{self._spec.name} is not connected; call connect() first")


def _within(robot: str, setting: str, value: int | None, most: int) -> int | None:
    """Return a setting that is a whole number from 1 to ``most``, or None. Raises UsageError."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most):
        raise UsageError(f"{robot}: {setting} = {value!r}: expected a whole number from 1 to {most}.")
    return value
