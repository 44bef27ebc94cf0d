"""LeRobot's own ``record_loop`` (0.4.x) on a robot and a policy of a2g's: for ``benchmarks/control_loop.py``.

The loop is LeRobot's to the last line. Its robot, policy and data set are stand-ins: the robot passes everything on, the
policy hands out a chunk action by action and plans when it is used up, as LeRobot's chunked policies do, and the data set
keeps its frames in memory, which costs the loop less than LeRobot's own, that writes images. For a throw-away
environment alone: `pip install --no-deps lerobot==0.4.4 ...` with whatever its import asks for.
"""

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from lerobot.scripts.lerobot_record import record_loop

from a2g_cli.models import checkpoint
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.policies.base import PlanRequest
from a2g_cli.robots.base import Robot, Trial
from a2g_cli.robots.sim import SimRobot

if TYPE_CHECKING:
    from a2g_cli.core.types import Observation


class _Robot:
    """Speaks LeRobot's words."""

    name = robot_type = "a2g"

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self.last: Observation

    def get_observation(self) -> dict[str, Any]:
        self.last = self._robot.observe()
        names = self._robot.spec.proprioception_names
        return {**dict(zip(names, self.last.proprioception.tolist(), strict=True)), **self.last.images}

    def send_action(self, action: dict[str, float]) -> dict[str, float]:
        names = self._robot.spec.action_names
        sent = self._robot.act(torch.tensor([action[name] for name in names]).numpy())
        return dict(zip(names, sent.tolist(), strict=True))


class _Policy:
    """Hands out chunks."""

    config = SimpleNamespace(device="cpu", use_amp=False)

    def __init__(self, robot: _Robot, trial: Trial) -> None:
        self._policy = Act2GoalPolicy(checkpoint.load(checkpoint.SHIPPED), ActingSettings(replan_lead=0.0))
        self._robot, self._goal = robot, trial.goal
        self._left: list[Any] = []
        self.planning: list[float] = []

    def reset(self) -> None:
        self._left = []

    def select_action(self, _: dict[str, Any]) -> torch.Tensor:
        if not self._left:
            begun = time.perf_counter()
            request = PlanRequest(self._robot.last, self._goal, 0, len(self.planning))
            self._left = list(self._policy.plan([request])[0].chunk)
            self.planning.append(time.perf_counter() - begun)
        return torch.from_numpy(self._left.pop(0))[None]


class _Same:
    """A processor that changes nothing."""

    def reset(self) -> None: ...

    def __call__(self, value: Any) -> Any:
        return value[0] if isinstance(value, tuple) else value


def record(robot: SimRobot, trial: Trial, steps: int) -> list[float]:
    """Let LeRobot's loop run for as long as ``steps`` ought to take; return the planning times [s]."""
    robot.begin(trial.start)
    spec = robot.spec
    theirs = _Robot(robot)
    policy = _Policy(theirs, trial)
    frames: list[dict[str, Any]] = []
    features = {
        "observation.state": _numbers(spec.proprioception_names),
        **{
            f"observation.images.{name}": {
                "dtype": "image",
                "shape": (*size, 3),
                "names": ["height", "width", "channels"],
            }
            for name, size in spec.cameras.items()
        },
        "action": _numbers(spec.action_names),
    }
    dataset = SimpleNamespace(fps=int(spec.rate), features=features, add_frame=frames.append)
    same = _Same()
    record_loop(
        robot=theirs,
        events={"exit_early": False},
        fps=int(spec.rate),
        teleop_action_processor=same,
        robot_action_processor=same,
        robot_observation_processor=same,
        dataset=dataset,
        policy=policy,
        preprocessor=same,
        postprocessor=same,
        control_time_s=steps / spec.rate,
        single_task="",
    )
    return policy.planning


def _numbers(names: tuple[str, ...]) -> dict[str, Any]:
    return {"dtype": "float32", "shape": (len(names),), "names": list(names)}
