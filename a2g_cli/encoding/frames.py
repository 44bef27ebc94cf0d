"""Encodes recordings to latents: every frame goes through the frozen autoencoder once."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.files import replacing
from a2g_cli.data.recording.checks import faults, numbers_of
from a2g_cli.data.recording.reader import Recording, fingerprint
from a2g_cli.encoding.augmentation import POLICY_RANGES, Appearance, apply_appearance, draw_appearances
from a2g_cli.encoding.resizing import read_frames
from a2g_cli.encoding.segments import Segments
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import to_tensor
from a2g_cli.models.presets import SIZE, Act2GoalConfig

LATENTS = "latents.safetensors"
"""Cache of encoded demonstrations, in the folder of a pretraining run."""
SAMPLE_BYTES = 512 * 2**20
"""Most memory for the frames that the autoencoder learns from [bytes]."""


class EpisodeTransform(Protocol):
    """Maps a recording to the training domain before it is encoded (``calibration/transform.py``)."""

    def frames(self, camera: str, pixels: Tensor) -> Tensor:
        """Return uint8 images (B, H, W, 3) of a camera as they would look in the training domain."""

    def proprioception(self, names: Sequence[str], measured: Tensor) -> Tensor:
        """Return measured values (..., P) as they would be measured in the training domain."""

    def to_nominal(self, actions: Tensor, action_names: Sequence[str], names: Sequence[str]) -> Tensor:
        """Return the actions (..., A) that have the same effect in the training domain."""


class _Unchanged:
    def frames(self, camera: str, pixels: Tensor) -> Tensor:  # noqa: ARG002
        return pixels

    def proprioception(self, names: Sequence[str], measured: Tensor) -> Tensor:  # noqa: ARG002
        return measured

    def to_nominal(self, actions: Tensor, action_names: Sequence[str], names: Sequence[str]) -> Tensor:  # noqa: ARG002
        return actions


UNCHANGED: EpisodeTransform = _Unchanged()
"""Changes nothing."""


def check_recording(recording: Recording, config: Act2GoalConfig) -> None:
    """Check that a policy can learn from a recording. Images may have any size: they are resized to the policy's.

    Raises:
        RecordingError: other cameras, actions, proprioception or rate, or a camera without a goal photo.
    """
    spec = recording.spec
    for what, wanted, found in (
        ("cameras", config.cameras, tuple(spec.cameras)),
        ("actions", config.action_names, spec.action_names),
        ("proprioception", config.proprioception_names, spec.proprioception_names),
        ("control rate", config.rate, spec.rate),
    ):
        if wanted != found:
            raise RecordingError(f"{recording.path} has {what} {found}, but the policy has {wanted}.")
    for camera in config.cameras:
        if camera not in recording.goal.images:
            raise RecordingError(f"{recording.path} needs a goal photo for camera {camera}, and has none.")


@torch.no_grad()
def encode_frames(model: Act2Goal, frames: np.ndarray, appearance: Appearance | None = None) -> Tensor:
    """Return half-precision latents (N, C, h, w) of frames (N, H, W, 3) uint8, all changed by the one ``appearance``."""
    device = model.action_mean.device
    parts, batch = [], equivalent_count(256, model.config)
    for i in range(0, len(frames), batch):
        images = to_tensor(torch.from_numpy(frames[i : i + batch]).to(device))
        if appearance is not None:
            images = apply_appearance(images, appearance)
        parts.append(model.autoencoder.encode(images).half().cpu())
    return torch.cat(parts)


def encode_recording(
    model: Act2Goal, path: Path, transform: EpisodeTransform = UNCHANGED, appearances: Sequence[Appearance] = ()
) -> Segments:
    """Return a recording as segments, mapped to the training domain: one episode, and one more for each of ``appearances``.

    Raises:
        RecordingError: it cannot be read, or does not fit the policy.
    """
    with Recording(path) as recording:
        check_recording(recording, model.config)
        if fault := next(faults(numbers_of(recording)), None):
            raise RecordingError(f"{path} cannot be learned from: {fault}.")
        videos = [
            transform.frames(camera, torch.from_numpy(read_frames(recording, camera, model.config.size))).numpy()
            for camera in model.config.cameras
        ]
        shown = (None, *appearances)
        views = [torch.cat([encode_frames(model, video, appearance) for appearance in shown]) for video in videos]
        actions = torch.from_numpy(np.concatenate([recording.actions, recording.actions[-1:]]).astype(np.float32))
        measured = torch.from_numpy(np.asarray(recording.proprioception, np.float32))
        names = model.config.action_names, model.config.proprioception_names
        copies = 1 + len(appearances)
        return Segments(
            torch.stack(views, dim=1),
            transform.proprioception(names[1], measured).repeat(copies, 1),
            transform.to_nominal(actions, *names).repeat(copies, 1),
            (recording.length + 1) * torch.arange(copies),
            torch.tensor([recording.length] * copies),
        )


def encode_recordings(
    model: Act2Goal,
    paths: Sequence[Path],
    advanced: Callable[[int], None] | None = None,
    copies: int = 0,
    seed: int = 0,
) -> Segments:
    """Return all recordings as segments, in the order given. Memory for them is allocated once, before encoding.

    Args:
        model: the policy whose autoencoder encodes.
        paths: E recordings.
        advanced: called with the number of encoded recordings.
        copies: number of augmented copies that follow each recording: the result has (1 + copies) * E episodes.
        seed: of the copies' appearances, together with a recording's index.
    """
    lengths = [_length(path) for path in paths]
    frames = (1 + copies) * (sum(lengths) + len(lengths))
    latents = torch.empty(frames, *model.frame_shape, dtype=torch.float16)
    proprioception = torch.empty(frames, len(model.config.proprioception_names))
    actions = torch.empty(frames, len(model.config.action_names))
    starts, at = [], 0
    for i, path in enumerate(paths):
        generator = torch.Generator().manual_seed((seed * 1_000_003 + i) % (2**63))
        appearances = [draw_appearances(1, POLICY_RANGES, generator) for _ in range(copies)]
        part = encode_recording(model, path, appearances=appearances)
        rows = slice(at, at + len(part.latents))
        latents[rows], proprioception[rows], actions[rows] = part.latents, part.proprioception, part.actions
        starts += (at + part.first).tolist()
        at = rows.stop
        if advanced is not None:
            advanced(i + 1)
    each = torch.tensor(lengths).repeat_interleave(1 + copies)
    return Segments(latents, proprioception, actions, torch.tensor(starts), each)


def _length(path: Path) -> int:
    with Recording(path) as recording:
        return recording.length


def write_latents(segments: Segments, path: Path, key: str) -> None:
    """Write encoded recordings to ``path``; ``key`` identifies the recordings and the autoencoder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: value for name, value in vars(segments).items() if value is not None}
    with replacing(path) as temporary:
        save_file(arrays, temporary, metadata={"a2g_latents": key})


def read_latents(path: Path, key: str) -> Segments | None:
    """Return what ``write_latents`` wrote with ``key``; None if there is nothing, or it has another key."""
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("a2g_latents") != key:
                return None
            return Segments(**{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError):
        return None  # it is a cache: the caller encodes again


def recording_name(path: Path) -> str:
    """Return a recording's name in a lineage: session, file and the beginning of its hash."""
    return f"{path.parent.name}/{path.name} {fingerprint(path)[:16]}"


def recordings_hash(paths: Sequence[Path], advanced: Callable[[int], None] | None = None) -> str:
    """Return a hash over the contents of these recordings, in this order: 16 hexadecimal digits.

    Raises:
        RecordingError: a recording cannot be read.
    """
    digest = hashlib.sha256()
    for i, path in enumerate(paths):
        digest.update(f"{path.name} {fingerprint(path)}\n".encode())
        if advanced is not None:
            advanced(i + 1)
    return digest.hexdigest()[:16]


def equivalent_count(count: int, config: Act2GoalConfig) -> int:
    """Return how many images of the policy's size have as many pixels as ``count`` of 64x64; 1 to ``count``."""
    return max(1, min(count, count * SIZE[0] * SIZE[1] // (config.height * config.width)))


def sample_size(config: Act2GoalConfig, recordings: int, limit: int) -> tuple[int, int]:
    """Return how many of ``recordings`` are sampled, and how many frames of each of their cameras.

    At most ``limit`` frames in all, but at least one for each sampled recording and camera; at most ``SAMPLE_BYTES``.
    """
    cameras = len(config.cameras)
    most = max(1, SAMPLE_BYTES // (3 * config.height * config.width))
    sampled = min(recordings, max(1, most // cameras))
    return sampled, max(1, min(limit, most) // (sampled * cameras))


def sample_frames(config: Act2GoalConfig, paths: Sequence[Path], limit: int, seed: int) -> Tensor:
    """Return frames (N, H, W, 3) uint8 at the policy's size, evenly from recordings and cameras, at random times."""
    rng = np.random.default_rng(seed)
    sampled, each = sample_size(config, len(paths), limit)
    frames = np.empty((sampled * each * len(config.cameras), *config.size, 3), np.uint8)
    count = 0
    for i in np.linspace(0, len(paths) - 1, sampled).round().astype(int):
        with Recording(paths[i]) as recording:
            check_recording(recording, config)
            for camera in config.cameras:
                rows = rng.permutation(recording.length + 1)[:each].tolist()
                frames[count : count + len(rows)] = read_frames(recording, camera, config.size, rows)
                count += len(rows)
    return torch.from_numpy(frames[:count])
