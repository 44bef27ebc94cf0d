"""LeRobot's ACT and diffusion policy on recordings of a2g's, for ``benchmarks/peers.py``: its own classes, its own acting.

They have no goals, so the goal's photo is one more camera (``observation.images.goal_CAMERA``): in training, the photo that
the demonstration was recorded with. LeRobot's processors normalise the features, with the demonstrations' statistics.

Sizes are those that one CPU can train in the time that it has: images as they were recorded (64x64), ResNet18 from scratch
(no weights are downloaded), a transformer of 256 in place of 512, a U-Net of 64, 128, 256 in place of 512, 1024, 2048,
chunks of 16 in place of 100, and DDIM in 10 steps when acting. Each has two settings; ``--settings`` chooses.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from a2g_cli.core.errors import UsageError
from a2g_cli.core.types import Goal, Observation
from a2g_cli.data.recording.reader import Recording
from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.robots.base import RobotSpec

STATE, ACTION, IMAGES = "observation.state", "action", "observation.images."
LEAST = 1e-4
"""Least spread of a value by which it is normalised: a constant one would be divided by 0."""
NEEDED = "pip install 'lerobot>=0.4.4,<0.5' 'transformers>=4.57,<5'"

ACT: dict[str, Any] = {
    "pretrained_backbone_weights": None,
    "chunk_size": 16,
    "dim_model": 256,
    "dim_feedforward": 1024,
    "n_heads": 8,
    "n_encoder_layers": 4,
    "optimizer_lr": 1e-4,
    "optimizer_lr_backbone": 1e-4,
}
DIFFUSION: dict[str, Any] = {
    "pretrained_backbone_weights": None,
    "down_dims": (64, 128, 256),
    "noise_scheduler_type": "DDIM",
    "num_inference_steps": 10,
    "optimizer_lr": 3e-4,
}
SETTINGS: dict[str, tuple[dict[str, Any], ...]] = {
    "act": (
        {**ACT, "n_action_steps": 8},
        {**ACT, "n_action_steps": 1, "temporal_ensemble_coeff": 0.01},
    ),
    "diffusion": (
        {**DIFFUSION, "n_obs_steps": 1, "horizon": 16, "n_action_steps": 8, "drop_n_last_frames": 0},
        {**DIFFUSION, "n_obs_steps": 2, "horizon": 16, "n_action_steps": 8, "drop_n_last_frames": 7},
    ),
}
"""Peer -> its settings 0 and 1, fields of LeRobot's ``ACTConfig`` and ``DiffusionConfig``."""
BATCH = 16
"""Frames in a step: 16 take about a second on one core, and some hundred steps are worth more than large ones."""
WARM_UP = 0.05
"""Share of the time in which the learning rate rises; then it falls along a cosine."""


@dataclass(frozen=True)
class Demonstrations:
    """All demonstrations of a session, one after the other: E of them, N frames in all; a last frame has no action."""

    spec: RobotSpec
    frames: dict[str, NDArray[np.uint8]]
    """Camera -> (N, 3, H, W)."""
    goals: dict[str, NDArray[np.uint8]]
    """Camera -> (E, 3, H, W), the goals' photos."""
    state: NDArray[np.float32]
    """(N, P)."""
    actions: NDArray[np.float32]
    """(N, A); the last frame of a demonstration repeats the last action."""
    episode: NDArray[np.int64]
    """(N,) to which demonstration a frame belongs."""
    first: NDArray[np.int64]
    """(E,) its first frame."""
    length: NDArray[np.int64]
    """(E,) how many actions it has."""

    @classmethod
    def read(cls, paths: Sequence[Path]) -> "Demonstrations":
        """Read recordings. Raises UsageError for none, RecordingError for damaged ones, or ones of different robots."""
        if not paths:
            raise UsageError("there are no recordings in this session: record some with a2g demonstrate.")
        frames: dict[str, list[Any]] = {}
        goals: dict[str, list[Any]] = {}
        state, actions, length = [], [], []
        with Recording(paths[0]) as recording:
            spec = recording.spec
        for path in paths:
            with Recording(path) as recording:
                if recording.spec != spec or not set(spec.cameras) <= set(recording.goal.images):
                    raise UsageError(f"{path} is of another robot than {paths[0]}, or its goal has no photo.")
                for camera in spec.cameras:
                    frames.setdefault(camera, []).append(recording.frames(camera))
                    goals.setdefault(camera, []).append(recording.goal.images[camera][None])
                state.append(recording.proprioception)
                actions.append(np.concatenate([recording.actions, recording.actions[-1:]]))
                length.append(recording.length)
        counts = np.array(length) + 1
        first = np.cumsum(counts) - counts
        return cls(
            spec,
            {camera: _channels_first(np.concatenate(parts)) for camera, parts in frames.items()},
            {camera: _channels_first(np.concatenate(parts)) for camera, parts in goals.items()},
            np.concatenate(state).astype(np.float32),
            np.concatenate(actions).astype(np.float32),
            np.repeat(np.arange(len(paths)), counts),
            first,
            np.array(length),
        )

    def statistics(self) -> dict[str, dict[str, Tensor]]:
        """Return mean, std, min and max of each feature, as LeRobot's normalisation takes them."""
        acted = np.concatenate([self.actions[a : a + n] for a, n in zip(self.first, self.length, strict=True)])
        found = {STATE: _statistics(self.state), ACTION: _statistics(acted)}
        for name, images in self.images().items():
            shares = images[:: max(1, len(images) // 500)].transpose(0, 2, 3, 1).reshape(-1, 3) / np.float32(255)
            found[name] = {key: value[:, None, None] for key, value in _statistics(shares).items()}
        return found

    def images(self) -> dict[str, NDArray[np.uint8]]:
        """Return LeRobot's names of the images -> the images."""
        return {IMAGES + camera: images for camera, images in self.frames.items()} | {
            f"{IMAGES}goal_{camera}": images for camera, images in self.goals.items()
        }

    def batch(self, rows: NDArray[np.int64], config: Any) -> dict[str, Tensor]:
        """Return a batch for frames ``rows`` (B,), as LeRobot's dataset gives it for the policy of ``config``."""
        episode = self.episode[rows]
        low, high = self.first[episode][:, None], (self.first + self.length - 1)[episode][:, None]
        wanted = rows[:, None] + np.array(config.action_delta_indices)
        batch = {
            ACTION: torch.from_numpy(self.actions[np.clip(wanted, low, high)]),
            "action_is_pad": torch.from_numpy((wanted < low) | (wanted > high)),
        }
        deltas = config.observation_delta_indices
        seen = rows if deltas is None else np.maximum(rows[:, None] + np.array(deltas), low)
        whose = episode if deltas is None else np.broadcast_to(episode[:, None], seen.shape)
        batch[STATE] = torch.from_numpy(self.state[seen])
        for camera in self.spec.cameras:
            batch[IMAGES + camera] = torch.from_numpy(self.frames[camera][seen]).float() / 255
            batch[f"{IMAGES}goal_{camera}"] = torch.from_numpy(self.goals[camera][whose]).float() / 255
        return batch

    def rows(self, left_out: int) -> NDArray[np.int64]:
        """Return the frames to train on: all that have an action, but for the last ``left_out`` of a demonstration."""
        kept = np.maximum(1, self.length - left_out)
        return np.concatenate([np.arange(a, a + n) for a, n in zip(self.first, kept, strict=True)])


def _channels_first(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def _statistics(values: NDArray[Any]) -> dict[str, Tensor]:
    low, high = values.min(0), values.max(0)
    found = {"mean": values.mean(0), "std": np.maximum(values.std(0), LEAST), "min": low}
    return {
        name: torch.from_numpy(np.asarray(one, np.float32))
        for name, one in {**found, "max": np.maximum(high, low + LEAST)}.items()
    }


def configured(kind: str, setting: int, spec: RobotSpec) -> tuple[Any, Any, Any]:
    """Return LeRobot's config, policy class, and the function that makes its processors.

    Raises:
        UsageError: LeRobot is not installed, or cannot be imported.
    """
    try:
        from lerobot.configs.types import FeatureType, PolicyFeature
        from lerobot.policies.act.configuration_act import ACTConfig
        from lerobot.policies.act.modeling_act import ACTPolicy
        from lerobot.policies.act.processor_act import make_act_pre_post_processors
        from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
        from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy
        from lerobot.policies.diffusion.processor_diffusion import make_diffusion_pre_post_processors
    except (
        ImportError,
        TypeError,
        RuntimeError,
    ) as error:  # the last two: LeRobot beside another Transformers, torchvision
        text = " ".join(str(error).split())
        raise UsageError(f"the peers {', '.join(SETTINGS)} need LeRobot's policies: {NEEDED} ({text}).") from error
    make_config, policy, processors = {
        "act": (ACTConfig, ACTPolicy, make_act_pre_post_processors),
        "diffusion": (DiffusionConfig, DiffusionPolicy, make_diffusion_pre_post_processors),
    }[kind]
    names = [prefix + camera for prefix in (IMAGES, f"{IMAGES}goal_") for camera in spec.cameras]
    sizes = [*spec.cameras.values()] * 2
    inputs = {name: PolicyFeature(FeatureType.VISUAL, (3, *size)) for name, size in zip(names, sizes, strict=True)} | {
        STATE: PolicyFeature(FeatureType.STATE, (len(spec.proprioception_names),))
    }
    outputs = {ACTION: PolicyFeature(FeatureType.ACTION, (len(spec.action_names),))}
    config = make_config(input_features=inputs, output_features=outputs, device="cpu", **SETTINGS[kind][setting])
    return config, policy, processors


@dataclass(frozen=True)
class Trained:
    """A trained peer, and what its training took."""

    policy: "LeRobotPolicy"
    steps: int
    cpu_seconds: float
    losses: tuple[float, ...]
    """The loss of every tenth of the time."""
    parameters: int


def train(
    kind: str, setting: int, data: Demonstrations, minutes: float, seed: int, say: Callable[[str], None]
) -> Trained:
    """Train a peer for ``minutes`` of wall clock time. Raises UsageError where LeRobot is missing."""
    config, policy_class, make_processors = configured(kind, setting, data.spec)
    torch.manual_seed(seed)
    policy = policy_class(config)
    before, after = make_processors(config, data.statistics())
    optimiser = config.get_optimizer_preset().build(policy.get_optim_params())
    rates = [group["lr"] for group in optimiser.param_groups]
    random = np.random.default_rng(seed)
    rows = data.rows(getattr(config, "drop_n_last_frames", 0))
    losses: list[float] = []
    recent: list[float] = []
    began, cpu, steps = time.monotonic(), time.process_time(), 0
    policy.train()
    while (share := (time.monotonic() - began) / (60 * minutes)) < 1:
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * _schedule(share)
        loss, _ = policy(before(data.batch(random.choice(rows, BATCH), config)))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 10.0)
        optimiser.step()
        steps, recent = steps + 1, [*recent, loss.item()]
        if share >= (len(losses) + 1) / 10:
            losses.append(float(np.mean(recent)))
            say(f"{kind} {setting}: {10 * len(losses)} %, {steps} steps, loss {losses[-1]:.4f}")
            recent = []
    policy.eval()
    size = sum(one.numel() for one in policy.parameters())
    acting = LeRobotPolicy(kind, policy, before, after)
    return Trained(acting, steps, time.process_time() - cpu, tuple(losses), size)


def _schedule(share: float) -> float:
    """Return the learning rate as a share of its greatest after ``share`` of the time."""
    return min(1.0, share / WARM_UP + 0.01) * 0.5 * (1 + math.cos(math.pi * share))


class LeRobotPolicy(Policy):
    """A policy of LeRobot's, one action a step as its ``select_action`` gives it; for one episode at a time."""

    def __init__(self, name: str, policy: Any, before: Any, after: Any) -> None:
        self._name, self._policy, self._before, self._after = name, policy, before, after

    @property
    def name(self) -> str:
        """The peer's name."""
        return self._name

    def start_episode(self, seed: int, slot: int) -> dict[str, Any]:
        """Forget the last episode."""
        self._policy.reset()
        torch.manual_seed(seed)
        return super().start_episode(seed, slot)

    @torch.no_grad()
    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Return the next action of the only episode."""
        (request,) = requests
        inputs = dict(_inputs(request.observation, request.goal))
        action = self._after(self._policy.select_action(self._before(inputs)))
        return [Plan(np.asarray(action, np.float32).reshape(1, -1), float("nan"))]


def _inputs(seen: Observation, goal: Goal) -> Iterator[tuple[str, Tensor]]:
    """Give the features (1, ...) of an observation and a goal."""
    yield STATE, torch.from_numpy(seen.proprioception)[None]
    for prefix, images in ((IMAGES, seen.images), (f"{IMAGES}goal_", goal.images)):
        for camera in seen.images:
            yield prefix + camera, torch.from_numpy(_channels_first(images[camera][None])).float() / 255
