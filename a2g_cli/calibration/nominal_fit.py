"""What a base keeps of its home: median pictures of the demonstrations, and a reader that finds the tool in a picture.

The reader learns the tool's place where demonstrations measured it, and that its votes go along when a picture is
shifted, turned and scaled by a known map: that part needs no measurement, and reaches where no demonstration has been.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from a2g_cli.calibration.actuators import ActuatorModel
from a2g_cli.calibration.nominal import PLACES, NominalDomain
from a2g_cli.calibration.tool_keypoint import ToolKeypoint
from a2g_cli.data.recording.reader import Recording
from a2g_cli.encoding.frames import encode_frames, fewer
from a2g_cli.encoding.resizing import read_frames
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import to_images, to_tensor
from a2g_cli.models.presets import Act2GoalConfig

FRAMES = 12_000
"""Frames that are looked at, spread over all demonstrations."""
EACH = 12
"""Of one demonstration, evenly from its beginning to its end."""
BYTES = 512 * 2**20
"""The most that these frames take [bytes]; they are held twice, as they are and as they are framed otherwise."""
MEDIAN = 400
"""Frames of a group that its median picture is made of."""
COPIES = 3
"""Times that each frame is shifted, turned and scaled."""
INSIDE = 0.95
"""Of a picture, from its middle to its edge."""
BATCH, RATE = 128, 3e-3


def measure_nominal(
    model: Act2Goal,
    recordings: Sequence[Path],
    groups: Sequence[str],
    actuators: ActuatorModel | None,
    iterations: int,
    seed: int,
    advanced: Callable[[int, dict[str, float]], None] = lambda _i, _losses: None,
) -> NominalDomain:
    """Return what ``model`` is to keep of its demonstrations.

    Args:
        model: its autoencoder is final.
        recordings: all demonstrations.
        groups: the scene or session of each.
        motors: the motion law of all of them.
        iterations: of the reader's training.
        seed: of it.
        advanced: called with (iteration, losses).
    """
    frames, measured, of = _look(model, recordings, groups)
    pictures = []
    shown = tuple(dict.fromkeys(of))
    for group in shown:
        own = frames[torch.tensor([name == group for name in of])]
        pictures.append(own[torch.linspace(0, len(own) - 1, min(MEDIAN, len(own))).long()].median(dim=0).values)
    names = model.config.proprioception_names
    if not has_place(model.config):
        return NominalDomain(torch.stack(pictures), None, shown, actuators)
    places = measured[:, [names.index(name) for name in PLACES]]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reader = _train(model, frames, places, iterations, advanced)
    return NominalDomain(torch.stack(pictures), reader, shown, actuators)


def has_place(config: Act2GoalConfig) -> bool:
    """Return whether the robot measures where its tool is: then a reader of pictures is trained."""
    return set(PLACES) <= set(config.proprioception_names)


def looked_at(config: Act2GoalConfig, recordings: int) -> int:
    """Return how many of ``recordings`` are looked at, ``EACH`` frames of every one: no more than ``BYTES`` hold."""
    most = BYTES // (EACH * len(config.cameras) * 3 * config.height * config.width)
    return min(FRAMES // EACH, recordings, max(1, most))


def _look(model: Act2Goal, recordings: Sequence[Path], groups: Sequence[str]) -> tuple[Tensor, Tensor, list[str]]:
    """Return frames (N, V, H, W, 3) uint8, proprioception (N, P) and groups (N,), spread over all recordings."""
    some = torch.linspace(0, len(recordings) - 1, looked_at(model.config, len(recordings))).long().tolist()
    frames, measured, of = [], [], []
    for path, group in ((recordings[i], groups[i]) for i in some):
        with Recording(path) as recording:
            picked = torch.linspace(0, recording.length, min(EACH, recording.length + 1)).round().long()
            rows, config = picked.tolist(), model.config
            views = [torch.from_numpy(read_frames(recording, one, config.size, rows)) for one in config.cameras]
            frames.append(torch.stack(views, 1))
            measured.append(torch.from_numpy(recording.proprioception).float()[picked])
            of += [group] * len(picked)
    return torch.cat(frames), torch.cat(measured), of


def _encode(model: Act2Goal, frames: Tensor) -> Tensor:
    """Return latents (N, V, C, h, w) of frames (N, V, H, W, 3)."""
    return torch.stack([encode_frames(model, frames[:, view].numpy()) for view in range(frames.shape[1])], 1)


def _framed(model: Act2Goal, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return frames shifted, turned, scaled and relit at random, each view by its own map, and the maps of their points.

    Returns:
        uint8 frames (N, V, H, W, 3); matrices (N, V, 2, 2) and shifts (N, V, 2): a point p of the old picture lies at
        matrix p + shift in the new one.
    """
    flat = frames.flatten(0, 1)
    count = len(flat)

    def uniform(reach: float, *shape: int) -> Tensor:
        return reach * (2 * torch.rand(count, *shape) - 1)

    angle, wide, tall, slant = uniform(math.radians(25)), uniform(0.15).exp(), uniform(0.15).exp(), uniform(0.2)
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()], 1), torch.stack([angle.sin(), angle.cos()], 1)], 1)
    scale = torch.stack([torch.stack([wide, slant], 1), torch.stack([torch.zeros(count), tall], 1)], 1)
    back, shift = turn @ scale, uniform(0.15, 2)  # new -> old, which is what sampling asks for
    new = torch.empty_like(flat)
    light = 1 + uniform(0.3, 3, 1, 1)
    # A few at a time: as numbers with a point all of them would take several times what they take as bytes.
    for rows in torch.arange(count).split(fewer(1024, model.config)):
        old = to_tensor(flat[rows])
        grid = functional.affine_grid(
            torch.cat([back[rows], shift[rows, :, None]], 2), list(old.shape), align_corners=False
        )
        framed = functional.grid_sample(old, grid, padding_mode="border", align_corners=False)
        new[rows] = to_images((framed + 1) * light[rows] - 1)
    there = torch.linalg.inv(back)
    moved = -(there @ shift[:, :, None])[:, :, 0]
    shape = frames.shape[:2]
    return new.unflatten(0, shape), there.unflatten(0, shape), moved.unflatten(0, shape)


def _train(
    model: Act2Goal, frames: Tensor, places: Tensor, iterations: int, advanced: Callable[[int, dict[str, float]], None]
) -> ToolKeypoint:
    """Return the trained reader."""
    reader = ToolKeypoint(model.config.latent_channels, frames.shape[1])
    reader.mean.copy_(places.mean(0))
    reader.std.copy_(places.std(0).clamp(min=1e-3))
    wanted = (places - reader.mean) / reader.std
    latents = _encode(model, frames)
    copies = []
    for _ in range(COPIES):
        framed, matrix, shift = _framed(model, frames)
        copies.append((_encode(model, framed), matrix, shift))
    optimiser = torch.optim.AdamW(reader.parameters(), lr=RATE, weight_decay=1e-3)
    with torch.enable_grad():
        for i in range(iterations):
            some = torch.randint(len(latents), (BATCH,))
            logits, points = reader.votes(latents[some].float())
            error = functional.smooth_l1_loss(
                reader.places(points), wanted[some, None, None].expand_as(points), beta=0.1, reduction="none"
            )
            place = (logits.flatten(1).softmax(-1) * error.sum(-1).flatten(1)).sum(1).mean()
            along = torch.zeros(())
            if i >= iterations // 5:  # once it looks at the tool: before, all votes can go along with nothing
                along = _going_along(reader, logits, points, *(part[some] for part in copies[i % COPIES]))
            optimiser.zero_grad()
            (place + along).backward()
            torch.nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
            for group in optimiser.param_groups:
                group["lr"] = RATE * min(1.0, (i + 1) / 100) * (1 - i / iterations) + 1e-5
            optimiser.step()
            if (i + 1) % 10 == 0 or i + 1 == iterations:
                advanced(i + 1, {"place": place.item(), "along": along.item()})
    return reader.requires_grad_(requires_grad=False).eval()


def _going_along(
    reader: ToolKeypoint, logits: Tensor, points: Tensor, latents: Tensor, matrix: Tensor, shift: Tensor
) -> Tensor:
    """Return how far votes are from where the map of the pictures takes them, for what stays inside."""
    before = (logits.softmax(-1)[..., None] * points).sum(-2)
    wanted = torch.cat([(matrix @ before[..., :2, None])[..., 0] + shift, before[..., 2:]], -1)
    inside = (wanted[..., :2].abs() < INSIDE).all(-1) & (before[..., :2].abs() < INSIDE).all(-1)
    after, there = reader.votes(latents.float())
    error = functional.smooth_l1_loss(there, wanted[..., None, :].expand_as(there), beta=0.1, reduction="none")
    return ((after.softmax(-1) * error.sum(-1)).sum(-1) * inside).mean()
