"""Retention: measures the action error in the training domain, and keeps the world model's features close to the base's."""

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
"""Number of segments; fewer if they would take more than ``BYTES``, but at least one for each group."""
BYTES = 2_000_000
DENOISING = 5
"""Euler steps over the action chunk, as when acting."""


def choose_retention_set(
    model: Act2Goal,
    recordings: Sequence[Path],
    groups: Sequence[str],
    mixture: Mapping[str, float],
    seed: int,
    count: int = SEGMENTS,
    advanced: Callable[[int], None] = lambda _i: None,
) -> Retention:
    """Return segments of demonstrations, the same number from each group, spread over its recordings.

    Args:
        model: with the final autoencoder.
        recordings: all demonstrations.
        groups: the scene or session of each.
        mixture: relabelling rule -> share, as in training.
        seed: of the drawn steps and goals.
        count: largest number of segments.
        advanced: called with the number of segments so far.
    """
    by_group: dict[str, list[Path]] = defaultdict(list)
    for path, group in zip(recordings, groups, strict=True):
        by_group[group].append(path)
    size = 4 * math.prod(model.frame_shape)  # now and goal, in half precision
    each = max(1, min(count, BYTES // size) // len(by_group))
    picked = [
        paths[i] for paths in by_group.values() for i in torch.linspace(0, len(paths) - 1, each).round().long().tolist()
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
def nominal_error(model: Act2Goal, segments: Retention) -> float:
    """Return the root mean square error of the most likely chunk, in standard deviations of the demonstrations' actions.

    Every call uses the same noise and does not touch torch's random state, so two calls differ only by the policy.
    """
    config = model.config
    dense = config.hashing.proximal
    noise = torch.randn(len(segments), config.frames, *model.frame_shape, generator=torch.Generator().manual_seed(0))
    action_noise = torch.zeros(len(segments), config.hashing.actions, len(config.action_names))
    chunk = model.act(
        segments.now.float(),
        segments.goal.float(),
        segments.proprioception,
        noise,
        action_noise,
        DENOISING,
    )
    error = (chunk - segments.actions[:, :dense]) / model.action_std
    return float(error[segments.mask[:, :dense]].square().mean().sqrt())


class FeatureAlignment:
    """A loss that keeps the finetuned world model's features close to the base's.

    After "Don't Blind Your VLA" (arXiv 2510.25616), which aligns features with those of a frozen model by cosine similarity.
    Here the frozen model is the base, and the features are the hidden states of every block, which the action expert reads.
    """

    def __init__(self, finetuner: Finetuner, retention_set: Retention | None, seed: int) -> None:
        """Align ``finetuner`` on its batches and, if the base has a retention set, half on that."""
        self._finetuner, self._retention_set = finetuner, retention_set
        self._generator = torch.Generator().manual_seed(seed)

    def drift(self, batch: Mapping[str, Tensor], noise: Tensor) -> Tensor:
        """Return 1 - cosine similarity (0 to 2), averaged over blocks, tokens and samples.

        Args:
            batch: now and goal (B, V, C, h, w).
            noise: (B, F, V, C, h, w) of the imagined frames, which are pure noise as in the action loss.
        """
        now, goal = batch["now"], batch["goal"]
        if self._retention_set is not None:
            half = len(now) // 2
            some = torch.randint(len(self._retention_set), (half,), generator=self._generator)
            now = torch.cat([self._retention_set.now[some].float(), now[half:]])
            goal = torch.cat([self._retention_set.goal[some].float(), goal[half:]])
        time = torch.zeros(len(now))
        base = self._finetuner.base_features(now, goal, noise, time)
        _, adapted = self._finetuner.model.world_model(now, goal, noise, time)
        pairs = zip(adapted, base, strict=True)
        return torch.stack([1 - functional.cosine_similarity(a, b, dim=-1).mean() for a, b in pairs]).mean()


def forgetting_in_words(losses: object) -> str | None:
    """Return in words how the action error in the training domain changed, from the ``losses`` of a finetuning or a lineage.

    None if they do not contain it.
    """
    values = losses if isinstance(losses, dict) else {}
    before, after = values.get("retention_before"), values.get("retention_after")
    if not isinstance(before, float) or not isinstance(after, float) or before <= 0:
        return None
    percent = round(100 * (after / before - 1))
    if not percent:
        return "In the training domain its actions are as accurate as before."
    change = "less" if percent > 0 else "more"
    return f"In the training domain its actions are {abs(percent)} % {change} accurate than before."
