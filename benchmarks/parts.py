"""What encoders and planners cost on this machine: CPU time to encode a frame, to act, and of a training step of the losses.

    python benchmarks/parts.py

Networks of the preset ``tiny`` with random weights, one thread; the least of several runs, in CPU time, so that other
programs count little. ``dino`` is a DINOv2 of the size ViT-S/14.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import torch

from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.presets import Act2GoalConfig, tiny
from a2g_cli.robots.sim import SimRobot

BATCH, STEPS = 64, 5
"""Segments in a training step; denoising steps of the actions."""
VIT_S = {
    "model_type": "dinov2",
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "patch_size": 14,
}


def least(run: Callable[[], object], times: int) -> float:
    """Return the least CPU time of ``times`` runs after a first one [s]."""
    run()
    found = []
    for _ in range(times):
        begun = time.process_time()
        run()
        found.append(time.process_time() - begun)
    return min(found)


def acting(model: Act2Goal) -> float:
    """Return the time of one plan [s]."""
    config, now = model.config, torch.randn(1, *model.frame_shape)
    state = torch.zeros(1, len(config.proprioception_names))
    plan = torch.randn(1, config.frames, *model.frame_shape)
    actions = torch.zeros(1, config.hashing.actions, len(config.action_names))
    return least(lambda: model.act(now, now, state, plan, actions, STEPS), 10)


def training(model: Act2Goal) -> float:
    """Return the time of the losses of a batch and their gradients [s]."""
    config, latents = model.config, torch.randn(BATCH, *model.frame_shape)
    of = {
        "now": latents,
        "goal": latents,
        "frames": torch.randn(BATCH, config.hashing.frames, *model.frame_shape),
        "actions": torch.randn(BATCH, config.hashing.actions, len(config.action_names)),
        "mask": torch.ones(BATCH, config.hashing.actions, dtype=torch.bool),
        "proprioception": torch.zeros(BATCH, len(config.proprioception_names)),
    }

    def step() -> None:
        losses = model.losses(of, model.sample_noise(BATCH, 0.5, 2))
        (losses["action"] + losses["video"]).backward()

    return least(step, 3)


def encoding(model: Act2Goal) -> float:
    """Return the time of one frame of one camera [s]."""
    images = torch.rand(4, 1, 3, *model.config.size)
    return least(lambda: model.encode(images), 5) / 4


def main() -> None:
    """Measure, and print a table."""
    torch.set_num_threads(1)
    plain = tiny(SimRobot().spec)
    print("| planner | a plan [ms] | a training step [ms] | parameters |\n|---|---|---|---|")
    codes: dict[str, Act2GoalConfig] = {
        "flow": plain,
        "masked": replace(plain, planner="masked", planner_settings={"codes": 256}),
    }
    for name, config in codes.items():
        model = Act2Goal(config)
        count = sum(parameter.numel() for parameter in model.world_model.parameters())
        times = acting(model.eval()), training(model.train())
        print(f"| {name} | {1e3 * times[0]:.1f} | {1e3 * times[1]:.0f} | {count:,} |")
    print("\n| encoder | a frame [ms] | parameters |\n|---|---|---|")
    encoders = {"autoencoder": plain, "dino": replace(plain, encoder="dino", encoder_settings=VIT_S)}
    for name, config in encoders.items():
        model = Act2Goal(config).eval()
        count = sum(parameter.numel() for parameter in model.autoencoder.encoder.parameters())
        print(f"| {name} | {1e3 * encoding(model):.1f} | {count:,} |")


if __name__ == "__main__":
    main()
