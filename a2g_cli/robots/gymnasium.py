"""Any Gymnasium environment with pictures and a Box action as a robot. Gymnasium is imported when one is made."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from a2g_cli.cameras.view import Framing
from a2g_cli.clock import SteppedClock
from a2g_cli.episode import Image, Observation, State, Vector
from a2g_cli.errors import HardwareError, SafetyStop, UsageError
from a2g_cli.robots.gymnasium_calls import CAMERA, is_picture, make, pictures, strangers_code
from a2g_cli.robots.robot import RobotSpec
from a2g_cli.safety_limits import SafetyLimits

RATE = 10.0
"""Of an environment that does not say its own, as ``render_fps`` of its metadata [Hz]."""
SUCCESS = ("success", "is_success")
"""How environments report in ``info`` that the task is done."""
_MAX_SEED = 2**31


class GymRobot:
    """An environment of Gymnasium's, by its id: ``gym:gym_pusht:gym_pusht/PushT-v0`` (module, then id, as Gymnasium has it).

    Pictures are those of the observation, else the environment's own drawing; proprioception is the observation's other
    vectors, or what ``proprioception`` names, of the observation or of ``info``. An environment that has ended stays as it
    is until ``reset``. Its time goes on with every action, by one control period.

    Args:
        id: of the environment.
        options: what ``gymnasium.make`` passes on to it.
        rate: control rate [Hz]; None: what its metadata says, else 10.
        size: height and width of the pictures [px]; each is cropped about its centre. None: as they come.
        proprioception: names of vectors in the observation or in ``info``.
        seed: of the starts that ``reset`` draws.

    Raises:
        HardwareError: Gymnasium is not installed, or it cannot make the environment.
        UsageError: actions without bounds, or no pictures.
    """

    def __init__(
        self,
        id: str,  # noqa: A002 - Gymnasium's own word for it
        options: Mapping[str, Any] | None = None,
        rate: float | None = None,
        size: tuple[int, int] | None = None,
        proprioception: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        self._id, self._options = id, dict(options or {})
        self._names = None if proprioception is None else list(proprioception)
        self._starts = np.random.default_rng(seed)
        self._clock = SteppedClock()
        self._connected = self._over = self._done = False
        self._env: Any = make(id, self._options)
        space = self._env.action_space
        low, high = np.ravel(getattr(space, "low", [])), np.ravel(getattr(space, "high", []))
        if not low.size or not np.isfinite([low, high]).all():
            raise UsageError(f"gym:{id} takes {space}: a robot's action is a Box with finite bounds.")
        self._restart({"seed": [seed % _MAX_SEED]})
        frames = self._pictures()
        self._framing = Framing(size=None if size is None else (int(size[0]), int(size[1])))
        rate = float(self._env.metadata.get("render_fps") or RATE) if rate is None else float(rate)
        if not 0 < rate <= 1000:
            raise UsageError(f"a control rate of {rate:g} Hz makes no sense: expected more than 0, at most 1000.")
        names = [name for name, values in self._measured().items() for name in _numbered(name, values)]
        self._safety = self._declared()
        self._spec = RobotSpec(
            name=f"gym:{id}",
            action_names=tuple(f"action.{i}" for i in range(low.size)),
            action_units=("1",) * low.size,
            action_low=tuple(low.tolist()),
            action_high=tuple(high.tolist()),
            rate=rate,
            proprioception_names=tuple(names),
            proprioception_units=("1",) * len(names),
            cameras={name: self._framing.apply(image).shape[:2] for name, image in frames.items()},
        )

    @property
    def spec(self) -> RobotSpec:
        """The robot's names, units, limits and rate."""
        return self._spec

    @property
    def safety(self) -> SafetyLimits:
        """What its observation space says of the values that it measures, where that is bounded."""
        return self._safety

    @property
    def clock(self) -> SteppedClock:
        """Its time: it goes on by one control period with every action."""
        return self._clock

    def connect(self) -> None:
        """Make the environment, where it was closed, and begin at a start of it. Raises HardwareError."""
        if self._connected:
            return
        if self._env is None:
            self._env = make(self._id, self._options)
        self._connected = True
        self.reset()

    def close(self) -> None:
        """Close the environment; harmless when called twice."""
        self._connected = False
        if self._env is not None:
            self._env.close()
            self._env = None

    def observe(self) -> Observation:
        """Return the present observation."""
        self._check_connected()
        now = self._clock.now()
        images = {name: self._framing.apply(image) for name, image in self._pictures().items()}
        values = [np.ravel(value) for value in self._measured().values()]
        return Observation(
            images=images,
            proprioception=np.concatenate([*values, []]).astype(np.float32),
            captured_at=dict.fromkeys(images, now),
            time=now,
        )

    def act(self, action: Vector) -> Vector:
        """Carry out one action (A,) and return it as it was sent. Raises SafetyStop for one that is not A finite numbers."""
        self._check_connected()
        count = len(self._spec.action_names)
        if np.shape(action) != (count,) or not np.isfinite(action).all():
            raise SafetyStop(f"{self._spec.name} was sent {action!r}; an action is {count} finite numbers")
        sent = self._spec.clip(action)
        if not self._over:
            space = self._env.action_space
            with strangers_code(self._id, "step"):
                told = self._env.step(sent.reshape(space.shape).astype(space.dtype))
            self._seen, _, terminated, truncated, self._info = told
            self._over = bool(terminated or truncated)
            self._done = any(bool(self._info.get(name)) for name in SUCCESS)
        self._clock.advance(1.0 / self._spec.rate)
        return sent

    def reset(self) -> None:
        """Begin at a fresh start, the next one of this robot's seed."""
        self._check_connected()
        self._restart(self._draw(self._starts))

    def rest(self) -> None:
        """Hold: nothing goes on between actions."""

    def _draw(self, random: np.random.Generator) -> State:
        return {"seed": [float(random.integers(_MAX_SEED))]}

    def _restart(self, start: State) -> None:
        self._start = start
        with strangers_code(self._id, "reset"):
            self._seen, self._info = self._env.reset(seed=int(start["seed"][0]), options=self._told(start))
        self._over = self._done = False

    def _told(self, _start: State) -> dict[str, Any] | None:
        """Return the options of a reset."""
        return None

    def _pictures(self) -> dict[str, Image]:
        found = pictures(self._seen)
        if not found:
            with strangers_code(self._id, "render"):
                drawn = self._env.render()
            if not is_picture(drawn):
                raise UsageError(
                    f"gym:{self._id} shows no pictures: neither its observation nor render() is HxWx3 bytes."
                )
            found = {CAMERA: np.asarray(drawn)}
        return found

    def _measured(self) -> dict[str, Any]:
        seen = self._seen if isinstance(self._seen, dict) else {}
        if self._names is None:
            return {name: value for name, value in seen.items() if not is_picture(value)}
        known = {**self._info, **seen}
        missing = [name for name in self._names if name not in known]
        if missing:
            raise UsageError(
                f"gym:{self._id} measures no {', '.join(missing)}; it has: {', '.join(sorted(known)) or 'nothing'}."
            )
        return {name: known[name] for name in self._names}

    def _declared(self) -> SafetyLimits:
        spaces = getattr(self._env.observation_space, "spaces", {})
        low: dict[str, float] = {}
        high: dict[str, float] = {}
        for name, value in self._measured().items():
            box = spaces.get(name)
            bounds = (np.ravel(getattr(box, "low", [])), np.ravel(getattr(box, "high", [])))
            if all(np.size(bound) == np.size(value) for bound in bounds):
                for one, least, most in zip(_numbered(name, value), *bounds, strict=True):
                    if np.isfinite([least, most]).all() and least < most:
                        low[one], high[one] = float(least), float(most)
        return SafetyLimits(workspace_low=low, workspace_high=high)

    def _check_connected(self) -> None:
        if not self._connected:
            raise HardwareError(f"{self._spec.name} is not connected; call connect() first")


def _numbered(name: str, values: Any) -> list[str]:
    count = np.size(values)
    return [name] if count == 1 else [f"{name}.{i}" for i in range(count)]
