"""Recordings -> latents: every frame goes through the frozen autoencoder once."""

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
from a2g_cli.data.recording.checks import faults, numbers_of
from a2g_cli.data.recording.reader import Recording, fingerprint
from a2g_cli.encoding.augmentation import KNOCKED, Look, draw_looks, seen
from a2g_cli.encoding.resizing import read_frames
from a2g_cli.encoding.segments import Segments
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import to_tensor
from a2g_cli.models.presets import SIZE, Act2GoalConfig

LATENTS = "latents.safetensors"
"""A run's cache of encoded demonstrations."""
SAMPLE_BYTES = 512 * 2**20
"""The most that the frames take which an autoencoder learns from, held in memory as they are [bytes]."""


class EpisodeTransform(Protocol):
    """What brings a recording to the training domain before it is encoded (``calibration/transform.py``)."""

    def frames(self, camera: str, pixels: Tensor) -> Tensor:
        """Return uint8 pictures (B, H, W, 3) of a camera as they would look in the training domain."""

    def measured(self, names: Sequence[str], proprioception: Tensor) -> Tensor:
        """Return proprioception (..., P) as it would be measured in the training domain."""

    def to_nominal(self, actions: Tensor, action_names: Sequence[str], names: Sequence[str]) -> Tensor:
        """Return the actions (..., A) that have the same effect in the training domain."""


class _Unchanged:
    def frames(self, camera: str, pixels: Tensor) -> Tensor:  # noqa: ARG002
        return pixels

    def measured(self, names: Sequence[str], proprioception: Tensor) -> Tensor:  # noqa: ARG002
        return proprioception

    def to_nominal(self, actions: Tensor, action_names: Sequence[str], names: Sequence[str]) -> Tensor:  # noqa: ARG002
        return actions


UNCHANGED: EpisodeTransform = _Unchanged()
"""A recording is encoded as it is."""


def check_recording(recording: Recording, config: Act2GoalConfig) -> None:
    """Hold a recording against the policy that is to learn from it.

    Raises:
        RecordingError: other cameras, actions or proprioception, or a camera without a goal image. Images of any size are
            read at the policy's.
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
            raise RecordingError(f"{recording.path} needs a goal image for camera {camera}, and has none.")


@torch.no_grad()
def encode_frames(model: Act2Goal, frames: np.ndarray, look: Look | None = None) -> Tensor:
    """Return half-precision latents (N, C, h, w) of frames (N, H, W, 3) uint8, all seen in the one ``look``."""
    device = model.action_mean.device
    parts, some = [], fewer(256, model.config)
    for i in range(0, len(frames), some):
        images = to_tensor(torch.from_numpy(frames[i : i + some]).to(device))
        parts.append(model.autoencoder.encode(images if look is None else seen(images, look)).half().cpu())
    return torch.cat(parts)


def encode_recording(
    model: Act2Goal, path: Path, transform: EpisodeTransform = UNCHANGED, looks: Sequence[Look] = ()
) -> Segments:
    """Return one recording as segments, brought to the training domain by ``transform``; then again in each of ``looks``.

    Raises:
        RecordingError: it cannot be read, or does not fit the policy.
    """
    with Recording(path) as recording:
        check_recording(recording, model.config)
        if found := next(faults(numbers_of(recording)), None):
            raise RecordingError(f"{path} cannot be learned from: {found}.")
        videos = [
            transform.frames(camera, torch.from_numpy(read_frames(recording, camera, model.config.size))).numpy()
            for camera in model.config.cameras
        ]
        views = [torch.cat([encode_frames(model, video, look) for look in (None, *looks)]) for video in videos]
        actions = torch.from_numpy(np.concatenate([recording.actions, recording.actions[-1:]]).astype(np.float32))
        measured = torch.from_numpy(np.asarray(recording.proprioception, np.float32))
        names = model.config.action_names, model.config.proprioception_names
        times = 1 + len(looks)
        return Segments(
            torch.stack(views, dim=1),
            transform.measured(names[1], measured).repeat(times, 1),
            transform.to_nominal(actions, *names).repeat(times, 1),
            (recording.length + 1) * torch.arange(times),
            torch.tensor([recording.length] * times),
        )


def encode_recordings(
    model: Act2Goal,
    paths: Sequence[Path],
    advanced: Callable[[int], None] | None = None,
    copies: int = 0,
    seed: int = 0,
) -> Segments:
    """Return all recordings as segments, in the order given; ``advanced(i)`` is called after each.

    What is returned is held in memory once: the place for it is made before anything is encoded.

    Args:
        model: whose autoencoder encodes.
        paths: E recordings.
        advanced: called with how many are done.
        copies: how often each follows once more, in a look of its own: the result has (1 + copies) * E episodes.
        seed: of the looks, beside a recording's place among the others.
    """
    lengths = [_length(path) for path in paths]
    frames = (1 + copies) * (sum(lengths) + len(lengths))
    latents = torch.empty(frames, *model.frame_shape, dtype=torch.float16)
    proprioception = torch.empty(frames, len(model.config.proprioception_names))
    actions = torch.empty(frames, len(model.config.action_names))
    starts, at = [], 0
    for i, path in enumerate(paths):
        generator = torch.Generator().manual_seed((seed * 1_000_003 + i) % (2**63))
        looks = [draw_looks(1, KNOCKED, generator) for _ in range(copies)]
        part = encode_recording(model, path, looks=looks)
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
    """Keep encoded recordings at ``path``; ``key`` says of which recordings they are, and by which autoencoder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: value for name, value in vars(segments).items() if value is not None}
    save_file(arrays, path.with_suffix(".tmp"), metadata={"a2g_latents": key})
    path.with_suffix(".tmp").replace(path)


def read_latents(path: Path, key: str) -> Segments | None:
    """Return what ``write_latents`` kept under ``key``; None when there is none, or it is of something else."""
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("a2g_latents") != key:
                return None
            return Segments(**{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError):
        return None  # a cache: made again


def recording_name(path: Path) -> str:
    """Return how a lineage calls a recording: session, file and the beginning of its hash."""
    return f"{path.parent.name}/{path.name} {fingerprint(path)[:16]}"


def identity(paths: Sequence[Path], advanced: Callable[[int], None] | None = None) -> str:
    """Return what tells these recordings, in this order, from any others: a hash over every byte of them.

    Raises:
        RecordingError: one of them cannot be read.
    """
    digest = hashlib.sha256()
    for i, path in enumerate(paths):
        digest.update(f"{path.name} {fingerprint(path)}\n".encode())
        if advanced is not None:
            advanced(i + 1)
    return digest.hexdigest()[:16]


def fewer(count: int, config: Act2GoalConfig) -> int:
    """Return how many pictures at the policy's size are as much to hold and to code as ``count`` of 64x64; at least one."""
    return max(1, min(count, count * SIZE[0] * SIZE[1] // (config.height * config.width)))


def sample_size(config: Act2GoalConfig, recordings: int, limit: int) -> tuple[int, int]:
    """Return of how many of ``recordings`` frames are sampled, and how many of each of their cameras.

    Together they are up to ``limit``, or one of each recording and camera where those are more; and never more than
    ``SAMPLE_BYTES`` hold.
    """
    cameras = len(config.cameras)
    most = max(1, SAMPLE_BYTES // (3 * config.height * config.width))
    some = min(recordings, max(1, most // cameras))
    return some, max(1, min(limit, most) // (some * cameras))


def sample_frames(config: Act2GoalConfig, paths: Sequence[Path], limit: int, seed: int) -> Tensor:
    """Return frames (N, H, W, 3) uint8 at the policy's size, spread evenly over recordings, cameras and time."""
    rng = np.random.default_rng(seed)
    some, each = sample_size(config, len(paths), limit)
    frames = np.empty((some * each * len(config.cameras), *config.size, 3), np.uint8)
    count = 0
    for i in np.linspace(0, len(paths) - 1, some).round().astype(int):
        with Recording(paths[i]) as recording:
            check_recording(recording, config)
            for camera in config.cameras:
                rows = rng.permutation(recording.length + 1)[:each].tolist()
                frames[count : count + len(rows)] = read_frames(recording, camera, config.size, rows)
                count += len(rows)
    return torch.from_numpy(frames[:count])
