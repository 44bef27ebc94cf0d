"""Small robots, networks and batches, the same every time, for the tests of policy and learning."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from a2g_cli.core.types import Goal, Observation
from a2g_cli.encoding.episodes import EncodedEpisode
from a2g_cli.encoding.segments import Segments
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.act2goal.temporal_hashing import TemporalHashing
from a2g_cli.models.presets import Act2GoalConfig, micro
from a2g_cli.robots.base import RobotSpec
from a2g_cli.training.retention_set import Retention, join

torch.set_num_threads(1)  # networks this small only lose by sharing their work

SIZE = 32
"""Of the images [px]: latents of 4x4 cells, the least that the presets' patches allow."""


def spec(cameras: int = 1, actions: int = 4, states: int = 3, size: int = SIZE) -> RobotSpec:
    return RobotSpec(
        name="sim:example",
        action_names=tuple(f"a{i}" for i in range(actions)),
        action_units=("m",) * actions,
        action_low=(-1.0,) * actions,
        action_high=(1.0,) * actions,
        rate=10.0,
        proprioception_names=tuple(f"p{i}" for i in range(states)),
        proprioception_units=("m",) * states,
        cameras={f"camera{i}": (size, size) for i in range(cameras)},
    )


def config(hashing: TemporalHashing | None = None, **shape: int) -> Act2GoalConfig:
    made = micro(spec(**shape))
    return made if hashing is None else replace(made, hashing=hashing)


def network(seed: int = 0, awake: bool = True, hashing: TemporalHashing | None = None, **shape: int) -> Act2Goal:
    """A micro policy; ``awake`` moves its zero-initialised parts away from zero, as training would."""
    torch.manual_seed(seed)
    model = Act2Goal(config(hashing, **shape)).eval()
    if awake:
        wake(model, seed)
    return model


def wake(model: torch.nn.Module, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))


def frames(model: Act2Goal, *batch: int, seed: int = 0) -> Tensor:
    """Random latents (*batch, V, C, h, w)."""
    return torch.randn(*batch, *model.frame_shape, generator=torch.Generator().manual_seed(seed))


def batch(model: Act2Goal, size: int, seed: int = 0) -> dict[str, Tensor]:
    """A random batch as ``Act2Goal.losses`` takes it, with every action inside the goal."""
    random = torch.Generator().manual_seed(seed)
    hashing = model.config.hashing
    return {
        "now": frames(model, size, seed=seed + 1),
        "goal": frames(model, size, seed=seed + 2),
        "frames": frames(model, size, hashing.frames, seed=seed + 3),
        "actions": torch.randn(size, hashing.actions, len(model.config.action_names), generator=random),
        "mask": torch.ones(size, hashing.actions, dtype=torch.bool),
        "proprioception": torch.randn(size, len(model.config.proprioception_names), generator=random),
        "steps_to_go": torch.randint(1, 30, (size,), generator=random),
    }


def plan_inputs(model: Act2Goal, size: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """(now, goal, proprioception, plan noise, action noise) as ``Act2Goal.act`` takes them."""
    made = batch(model, size, seed)
    return made["now"], made["goal"], made["proprioception"], made["frames"], made["actions"]


def segments(model: Act2Goal, lengths: tuple[int, ...] = (9, 14, 6, 20), seed: int = 0) -> Segments:
    """Episodes whose action is told by the image: it is the mean of the frame's first latent channel."""
    counts = [length + 1 for length in lengths]
    total = sum(counts)
    latents = frames(model, total, seed=seed)
    wish = latents[:, 0, 0].mean(dim=(-2, -1))
    names, states = len(model.config.action_names), len(model.config.proprioception_names)
    return Segments(
        latents.half(),
        torch.randn(total, states, generator=torch.Generator().manual_seed(seed)),
        wish[:, None].repeat(1, names),
        torch.tensor([sum(counts[:i]) for i in range(len(counts))]),
        torch.tensor(lengths),
    )


def encoded(model: Act2Goal, lengths: tuple[int, ...] = (9, 14, 6, 20), seed: int = 0) -> list[EncodedEpisode]:
    """The episodes of ``segments``, each as a recording of its own that arrived."""
    together = segments(model, lengths, seed)
    made = []
    for i, length in enumerate(lengths):
        rows = slice(int(together.first[i]), int(together.first[i]) + length + 1)
        parts = (together.latents[rows], together.proprioception[rows], together.actions[rows])
        alone = Segments(*parts, torch.tensor([0]), torch.tensor([length]))
        goal = parts[0][-1].float()
        pixels = np.random.default_rng(seed).integers(0, 256, (4, parts[0].shape[1], SIZE, SIZE, 3), np.uint8)
        sample = torch.from_numpy(pixels)
        made.append(
            EncodedEpisode(Path(f"a/{i}.hdf5"), f"a/{i}.hdf5 {i:016x}", alone, alone, goal, 0.0, "sim:example", sample)
        )
    return made


def retention(model: Act2Goal, robots: tuple[str, ...] = ("sim:example",), each: int = 6) -> Retention:
    """Segments of each robot in turn, as ``batch`` makes them; what they show is another robot's for each."""
    parts = []
    for i, robot in enumerate(robots):
        made = batch(model, each, seed=40 + i)
        tensors = {name: made[name] for name in ("now", "goal", "proprioception", "actions", "mask", "steps_to_go")}
        half = {name: tensors[name].half() for name in ("now", "goal")}
        whose = {"steps_to_go": made["steps_to_go"].int(), "robot": torch.zeros(each, dtype=torch.int32)}
        parts.append(Retention(**tensors | half | whose, robots=(robot,)))
    return join(parts)


def images(size: int = SIZE, cameras: int = 1, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {f"camera{i}": random.integers(0, 256, (size, size, 3), np.uint8) for i in range(cameras)}


def observation(robot: RobotSpec, seed: int = 0) -> Observation:
    seen = images(next(iter(robot.cameras.values()))[0], len(robot.cameras), seed)
    state = np.random.default_rng(seed).normal(size=len(robot.proprioception_names)).astype(np.float32)
    return Observation(seen, state, dict.fromkeys(seen, 0.0), 0.0)


def goal(robot: RobotSpec, seed: int = 99) -> Goal:
    return Goal(f"goal-{seed}", observation(robot, seed).images, "example")


class Quiet:
    """A TrainingWatcher that keeps what it is told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.steps: list[int] = []
        self.losses: list[dict[str, float]] = []
        self.notes: list[str] = []
        self.ended = 0

    def started(self, title: str, total: int) -> None:
        self.stages.append((title, total))

    def advanced(self, step: int, losses: dict[str, float], rate: float | None = None) -> None:
        self.steps.append(step)
        self.losses.append(dict(losses))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def finished(self) -> None:
        self.ended += 1


def change_config(folder: Path, **changed: Any) -> None:
    """Write other values into the policy's shape in a base's config."""
    path = folder / "config.json"
    data = json.loads(path.read_text())
    data["policy"] |= changed
    path.write_text(json.dumps(data))
