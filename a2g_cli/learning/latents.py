"""Recordings -> latents: every frame goes through the frozen autoencoder once."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from a2g_cli.errors import RecordingError
from a2g_cli.learning.segments import Segments, join
from a2g_cli.policy.act2goal import Act2Goal
from a2g_cli.policy.autoencoder import to_tensor
from a2g_cli.policy.presets import Act2GoalConfig
from a2g_cli.recording.reader import Recording, fingerprint


def check_recording(recording: Recording, config: Act2GoalConfig) -> None:
    """Hold a recording against the policy that is to learn from it.

    Raises:
        RecordingError: other cameras, image sizes, actions or proprioception.
    """
    spec = recording.spec
    for what, wanted, found in (
        ("cameras", config.cameras, tuple(spec.cameras)),
        ("image sizes", {(config.height, config.width)}, set(spec.cameras.values())),
        ("actions", config.action_names, spec.action_names),
        ("proprioception", config.proprioception_names, spec.proprioception_names),
        ("control rate", config.rate, spec.rate),
    ):
        if wanted != found:
            raise RecordingError(f"{recording.path} has {what} {found}, but the policy has {wanted}.")
    for camera in config.cameras:
        image = recording.goal.images.get(camera)
        if image is None or image.shape[:2] != (config.height, config.width):
            has = "none" if image is None else f"one of {image.shape[:2]}"
            raise RecordingError(f"{recording.path} needs a goal image for camera {camera}, and has {has}.")


@torch.no_grad()
def encode_frames(model: Act2Goal, frames: np.ndarray) -> Tensor:
    """Return half-precision latents (N, C, h, w) of frames (N, H, W, 3) uint8."""
    parts = [
        model.autoencoder.encode(to_tensor(torch.from_numpy(frames[i : i + 256]))).half()
        for i in range(0, len(frames), 256)
    ]
    return torch.cat(parts)


def encode_recording(model: Act2Goal, path: Path) -> Segments:
    """Return one recording as segments. Raises RecordingError."""
    with Recording(path) as recording:
        check_recording(recording, model.config)
        if not (np.isfinite(recording.actions).all() and np.isfinite(recording.proprioception).all()):
            raise RecordingError(
                f"{path} holds actions or proprioception that are not finite: it cannot be learned from."
            )
        views = [encode_frames(model, recording.frames(camera)) for camera in model.config.cameras]
        actions = np.concatenate([recording.actions, recording.actions[-1:]])
        return Segments(
            torch.stack(views, dim=1),
            torch.from_numpy(np.asarray(recording.proprioception, np.float32)),
            torch.from_numpy(np.asarray(actions, np.float32)),
            torch.tensor([0]),
            torch.tensor([recording.length]),
        )


def encode_recordings(
    model: Act2Goal, paths: Sequence[Path], advanced: Callable[[int], None] | None = None
) -> Segments:
    """Return all recordings as segments, in the order given; ``advanced(i)`` is called after each."""
    parts = []
    for i, path in enumerate(paths):
        parts.append(encode_recording(model, path))
        if advanced is not None:
            advanced(i + 1)
    return join(parts)


def named(path: Path) -> str:
    """Return how a lineage calls a recording: session, file and the beginning of its hash."""
    return f"{path.parent.name}/{path.name} {fingerprint(path)[:16]}"


def sample_frames(config: Act2GoalConfig, paths: Sequence[Path], limit: int, seed: int) -> Tensor:
    """Return up to ``limit`` frames (N, H, W, 3) uint8, spread evenly over recordings, cameras and time."""
    rng = np.random.default_rng(seed)
    each = max(1, limit // max(1, len(paths) * len(config.cameras)))
    frames = []
    for path in paths:
        with Recording(path) as recording:
            check_recording(recording, config)
            for camera in config.cameras:
                video = recording.frames(camera)
                frames.append(video[rng.permutation(len(video))[:each]])
    return torch.from_numpy(np.concatenate(frames))
