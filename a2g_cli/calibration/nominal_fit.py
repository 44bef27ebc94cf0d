"""Measures the reference data of the training domain: backgrounds, and a trained tool keypoint network.

The network learns the tool's position where demonstrations measured it, and that its votes move with an image that is
shifted, rotated and scaled by a known map. The second part needs no measurement, so it covers positions that no demonstration
has.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from a2g_cli.calibration.actuators import ActuatorModel
from a2g_cli.calibration.base_pose import POSITION
from a2g_cli.calibration.nominal import NominalDomain
from a2g_cli.calibration.tool_keypoint import ToolKeypoint
from a2g_cli.data.recording.reader import Recording
from a2g_cli.encoding.frames import encode_frames, equivalent_count
from a2g_cli.encoding.resizing import read_frames
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import Autoencoder, to_images, to_tensor
from a2g_cli.models.presets import Act2GoalConfig

FRAMES = 12_000
"""Number of frames to use, spread over all demonstrations."""
FRAMES_PER_RECORDING = 12
"""Frames of one demonstration, evenly from its beginning to its end."""
BYTES = 512 * 2**20
"""Most memory for these frames [bytes]; they are held twice, as recorded and as augmented."""
MEDIAN_FRAMES = 400
"""Number of a group's frames whose median is its background."""
COPIES = 3
"""Number of augmented copies of each frame: shifted, rotated, scaled and relit."""
INSIDE = 0.95
"""Points beyond this are not compared, as they may leave the image, whose edge is at 1."""
BATCH, LEARNING_RATE = 128, 3e-3


def measure_nominal(
    model: Act2Goal,
    recordings: Sequence[Path],
    groups: Sequence[str],
    actuators: ActuatorModel | None,
    iterations: int,
    seed: int,
    advanced: Callable[[int, dict[str, float]], None] = lambda _i, _losses: None,
) -> NominalDomain:
    """Return the reference data of the demonstrations.

    Args:
        model: the base, whose autoencoder is final.
        recordings: all demonstrations.
        groups: the scene or session of each.
        actuators: the actuator model of all of them.
        iterations: of the network's training.
        seed: of the training.
        advanced: called with (iteration, losses).
    """
    frames, measured, group_of = _sample(model, recordings, groups)
    backgrounds = []
    names = tuple(dict.fromkeys(group_of))
    for name in names:
        own = frames[torch.tensor([group == name for group in group_of])]
        rows = torch.linspace(0, len(own) - 1, min(MEDIAN_FRAMES, len(own))).long()
        backgrounds.append(own[rows].median(dim=0).values)
    if not measures_position(model.config):
        return NominalDomain(torch.stack(backgrounds), None, names, actuators)
    measured_names = model.config.proprioception_names
    positions = measured[:, [measured_names.index(name) for name in POSITION]]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tool_keypoint = _train(model, frames, positions, iterations, advanced)
    return NominalDomain(torch.stack(backgrounds), tool_keypoint, names, actuators)


def measures_position(config: Act2GoalConfig) -> bool:
    """Return whether the robot measures the tool's position: only then is a tool keypoint network trained."""
    return set(POSITION) <= set(config.proprioception_names)


def sampled_recordings(config: Act2GoalConfig, recordings: int) -> int:
    """Return how many of ``recordings`` are sampled, ``FRAMES_PER_RECORDING`` frames each, within ``BYTES``."""
    most = BYTES // (FRAMES_PER_RECORDING * len(config.cameras) * 3 * config.height * config.width)
    return min(FRAMES // FRAMES_PER_RECORDING, recordings, max(1, most))


def _sample(model: Act2Goal, recordings: Sequence[Path], groups: Sequence[str]) -> tuple[Tensor, Tensor, list[str]]:
    """Return frames (N, V, H, W, 3) uint8, proprioception (N, P) and groups (N,), spread over all recordings."""
    count = sampled_recordings(model.config, len(recordings))
    chosen = torch.linspace(0, len(recordings) - 1, count).long().tolist()
    frames, measured, group_of = [], [], []
    for path, group in ((recordings[i], groups[i]) for i in chosen):
        with Recording(path) as recording:
            count = min(FRAMES_PER_RECORDING, recording.length + 1)
            picked = torch.linspace(0, recording.length, count).round().long()
            rows, config = picked.tolist(), model.config
            views = [torch.from_numpy(read_frames(recording, name, config.size, rows)) for name in config.cameras]
            frames.append(torch.stack(views, 1))
            measured.append(torch.from_numpy(recording.proprioception).float()[picked])
            group_of += [group] * len(picked)
    return torch.cat(frames), torch.cat(measured), group_of


def _encode(model: Act2Goal, frames: Tensor) -> Tensor:
    """Return latents (N, V, C, h, w) of frames (N, V, H, W, 3)."""
    return torch.stack([encode_frames(model, frames[:, view].numpy()) for view in range(frames.shape[1])], 1)


def _augmented(model: Act2Goal, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return frames shifted, rotated, scaled and relit at random, each view by its own map, and these maps.

    Returns:
        uint8 frames (N, V, H, W, 3); matrices (N, V, 2, 2) and shifts (N, V, 2): a point p of the old image is at
        matrix @ p + shift in the new one.
    """
    flat = frames.flatten(0, 1)
    count = len(flat)

    def uniform(reach: float, *shape: int) -> Tensor:
        return reach * (2 * torch.rand(count, *shape) - 1)

    angle, width, height, shear = uniform(math.radians(25)), uniform(0.15).exp(), uniform(0.15).exp(), uniform(0.2)
    rotation = torch.stack([torch.stack([angle.cos(), -angle.sin()], 1), torch.stack([angle.sin(), angle.cos()], 1)], 1)
    scale = torch.stack([torch.stack([width, shear], 1), torch.stack([torch.zeros(count), height], 1)], 1)
    inverse, inverse_shift = rotation @ scale, uniform(0.15, 2)  # new -> old, as ``grid_sample`` needs it
    new = torch.empty_like(flat)
    light = 1 + uniform(0.3, 3, 1, 1)
    # A few at a time: floating point takes four times the memory of bytes.
    for rows in torch.arange(count).split(equivalent_count(1024, model.config)):
        old = to_tensor(flat[rows])
        grid = functional.affine_grid(
            torch.cat([inverse[rows], inverse_shift[rows, :, None]], 2), list(old.shape), align_corners=False
        )
        framed = functional.grid_sample(old, grid, padding_mode="border", align_corners=False)
        new[rows] = to_images((framed + 1) * light[rows] - 1)
    matrix = torch.linalg.inv(inverse)
    shift = -(matrix @ inverse_shift[:, :, None])[:, :, 0]
    shape = frames.shape[:2]
    return new.unflatten(0, shape), matrix.unflatten(0, shape), shift.unflatten(0, shape)


def _train(
    model: Act2Goal,
    frames: Tensor,
    positions: Tensor,
    iterations: int,
    advanced: Callable[[int, dict[str, float]], None],
) -> ToolKeypoint:
    """Return the trained network."""
    network = ToolKeypoint(model.config.latent_channels, frames.shape[1])
    network.mean.copy_(positions.mean(0))
    network.std.copy_(positions.std(0).clamp(min=1e-3))
    target = (positions - network.mean) / network.std
    latents = _encode(model, frames)
    copies = []
    for _ in range(COPIES):
        augmented, matrix, shift = _augmented(model, frames)
        copies.append((_encode(model, augmented), matrix, shift))
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=1e-3)
    with torch.enable_grad():
        for i in range(iterations):
            rows = torch.randint(len(latents), (BATCH,))
            logits, points = network.votes(latents[rows].float())
            error = functional.smooth_l1_loss(
                network.positions(points), target[rows, None, None].expand_as(points), beta=0.1, reduction="none"
            )
            position_loss = (logits.flatten(1).softmax(-1) * error.sum(-1).flatten(1)).sum(1).mean()
            consistency_loss = torch.zeros(())
            if i >= iterations // 5:  # not before the votes find the tool: they could move consistently with anything
                augmented_rows = (part[rows] for part in copies[i % COPIES])
                consistency_loss = _consistency_loss(network, logits, points, *augmented_rows)
            optimiser.zero_grad()
            (position_loss + consistency_loss).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            for group in optimiser.param_groups:
                group["lr"] = LEARNING_RATE * min(1.0, (i + 1) / 100) * (1 - i / iterations) + 1e-5
            optimiser.step()
            if (i + 1) % 10 == 0 or i + 1 == iterations:
                advanced(i + 1, {"position": position_loss.item(), "consistency": consistency_loss.item()})
    return network.requires_grad_(requires_grad=False).eval()


def _consistency_loss(
    network: ToolKeypoint, logits: Tensor, points: Tensor, latents: Tensor, matrix: Tensor, shift: Tensor
) -> Tensor:
    """Return the error of the votes on augmented images, relative to the mapped votes on the original ones.

    Points that leave the image do not count.
    """
    original = (logits.softmax(-1)[..., None] * points).sum(-2)
    target = torch.cat([(matrix @ original[..., :2, None])[..., 0] + shift, original[..., 2:]], -1)
    inside = (target[..., :2].abs() < INSIDE).all(-1) & (original[..., :2].abs() < INSIDE).all(-1)
    new_logits, new_points = network.votes(latents.float())
    error = functional.smooth_l1_loss(
        new_points, target[..., None, :].expand_as(new_points), beta=0.1, reduction="none"
    )
    return ((new_logits.softmax(-1) * error.sum(-1)).sum(-1) * inside).mean()


def reader_step(config: Act2GoalConfig) -> Callable[[], None] | None:
    """Return a training step of the tool keypoint network on random latents, to measure its time; None if there is none."""
    if not measures_position(config):
        return None
    network = ToolKeypoint(config.latent_channels, len(config.cameras))
    height, width = (side // Autoencoder.downsampling for side in config.size)
    latents = torch.randn(BATCH, len(config.cameras), config.latent_channels, height, width)

    def step() -> None:
        with torch.enable_grad():
            for _ in range(2):  # the frames, and their augmented copies
                logits, points = network.votes(latents)
                (logits.softmax(-1) * network.positions(points).sum(-1)).sum().backward()
        network.zero_grad()

    return step
