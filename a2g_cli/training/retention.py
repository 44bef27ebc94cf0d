"""What adapting must not cost: how the policy acts at home, measured on segments that ship with the base, and held there."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from a2g_cli.data.recording.reader import Recording
from a2g_cli.encoding.frames import encode_recording
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.training.finetuners import Finetuner
from a2g_cli.training.retention_set import Retention, join

SEGMENTS = 256
"""Of all demonstrations; fewer where they would take more than ``BYTES``, but for one a group."""
BYTES = 2_000_000
DENOISING = 5
"""Euler steps over the chunk that is held against the demonstrator's: those of acting."""


def choose_retention_set(
    model: Act2Goal,
    recordings: Sequence[Path],
    groups: Sequence[str],
    mixture: Mapping[str, float],
    seed: int,
    count: int = SEGMENTS,
    advanced: Callable[[int], None] = lambda _i: None,
) -> Retention:
    """Return segments of demonstrations, as many of each group, spread over its recordings.

    Args:
        model: its autoencoder is final.
        recordings: all demonstrations.
        groups: the scene or session of each.
        mixture: relabelling rule -> share: what counts as the goal, as in training.
        seed: of steps and goals.
        count: at most so many.
        advanced: called with the number of segments so far.
    """
    of: dict[str, list[Path]] = defaultdict(list)
    for path, group in zip(recordings, groups, strict=True):
        of[group].append(path)
    size = 4 * math.prod(model.frame_shape)  # now and goal, in half precision
    each = max(1, min(count, BYTES // size) // len(of))
    picked = [
        paths[i] for paths in of.values() for i in torch.linspace(0, len(paths) - 1, each).round().long().tolist()
    ]
    generator = torch.Generator().manual_seed(seed)
    parts: list[Retention] = []
    for path in dict.fromkeys(picked):
        segments, wanted = encode_recording(model, path), picked.count(path)
        batch = segments.batch(wanted, mixture, model.config.hashing, generator)
        with Recording(path) as recording:
            robot = recording.spec.name
        parts.append(
            Retention(
                batch["now"].half(),
                batch["goal"].half(),
                batch["proprioception"],
                batch["actions"],
                batch["mask"],
                batch["steps_to_go"].int(),
                torch.zeros(wanted, dtype=torch.int32),
                (robot,),
            )
        )
        advanced(sum(map(len, parts)))
    return join(parts)


@torch.no_grad()
def nominal_error(model: Act2Goal, kept: Retention) -> float:
    """Return how far the likeliest chunk lies from the demonstrator's: root mean square, in deviations of the actions.

    The same noise at every call, and torch's chance is left alone: what differs between two calls is the policy.
    """
    config = model.config
    dense = config.hashing.proximal
    noise = torch.randn(len(kept), config.frames, *model.frame_shape, generator=torch.Generator().manual_seed(0))
    nothing = torch.zeros(len(kept), config.hashing.actions, len(config.action_names))
    chunk = model.act(kept.now.float(), kept.goal.float(), kept.proprioception, noise, nothing, DENOISING)
    error = (chunk - kept.actions[:, :dense]) / model.action_std
    return float(error[kept.mask[:, :dense]].square().mean().sqrt())


class FeatureAlignment:
    """Holds what an adapted world model makes of now and goal to what the base makes of them.

    After "Don't Blind Your VLA" (arXiv 2510.25616), which aligns features with a frozen teacher's by their cosine; here the
    teacher is the base itself, and the features are the hidden states of every block, which the action expert reads.
    """

    def __init__(self, finetuner: Finetuner, kept: Retention | None, seed: int) -> None:
        """Hold ``finetuner`` on batches, and half on what the base has ``kept``, where it has."""
        self._finetuner, self._kept = finetuner, kept
        self._generator = torch.Generator().manual_seed(seed)

    def drift(self, batch: Mapping[str, Tensor], noise: Tensor) -> Tensor:
        """Return 1 - cosine, from 0 to 2, averaged over blocks, tokens and samples.

        Args:
            batch: now and goal (B, V, C, h, w).
            noise: (B, F, V, C, h, w), as in the action loss: its frames are pure noise, as when acting.
        """
        now, goal = batch["now"], batch["goal"]
        if self._kept is not None:
            half = len(now) // 2
            some = torch.randint(len(self._kept), (half,), generator=self._generator)
            now = torch.cat([self._kept.now[some].float(), now[half:]])
            goal = torch.cat([self._kept.goal[some].float(), goal[half:]])
        time = torch.zeros(len(now))
        base = self._finetuner.base_features(now, goal, noise, time)
        _, adapted = self._finetuner.model.world_model(now, goal, noise, time)
        pairs = zip(adapted, base, strict=True)
        return torch.stack([1 - functional.cosine_similarity(a, b, dim=-1).mean() for a, b in pairs]).mean()


def forgetting_in_words(losses: object) -> str | None:
    """Return what adapting cost at home, in words, from an adaptation's or a lineage's losses; None where they do not say."""
    told = losses if isinstance(losses, dict) else {}
    before, after = told.get("retention_before"), told.get("retention_after")
    if not isinstance(before, float) or not isinstance(after, float):
        return None
    return (
        f"at home its actions err by {after:.2f}, its parent's by {before:.2f} (in deviations of the demonstrations')"
    )
