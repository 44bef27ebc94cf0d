"""Episodes as flat arrays of latents, and batches of segments drawn from them by index arithmetic."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from a2g_cli.data.relabelling import relabel
from a2g_cli.models.act2goal.temporal_hashing import TemporalHashing


@dataclass(frozen=True)
class Segments:
    """E episodes one after another; episode e has the T + 1 frames ``first[e]`` to ``first[e] + length[e]`` for T actions."""

    latents: Tensor
    """(N, V, C, h, w), half precision, which is enough for standardised latents and saves memory."""
    proprioception: Tensor
    """(N, P), robot's units."""
    actions: Tensor
    """(N, A), robot's units; row i leads from frame i to frame i + 1; the row of an episode's last frame is not used."""
    first: Tensor
    """(E,) index of each episode's first frame."""
    length: Tensor
    """(E,) number of actions T."""
    sampling_weights: Tensor | None = None
    """(E,) relative weight with which a transition of each episode is drawn; None: all are equal."""

    def __len__(self) -> int:
        return self.first.shape[0]

    @property
    def transitions(self) -> int:
        """Number of transitions (o, a, o') in all episodes."""
        return int(self.length.sum())

    def subset(self, episodes: list[int]) -> "Segments":
        """Return ``episodes`` only, as views of the same arrays."""
        index = torch.tensor(episodes, dtype=torch.long)
        sampling_weights = None if self.sampling_weights is None else self.sampling_weights[index]
        return replace(self, first=self.first[index], length=self.length[index], sampling_weights=sampling_weights)

    def draw(
        self, size: int, mixture: Mapping[str, float], generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return (episode, step, goal step), each (size,): transitions by ``sampling_weights``, goals by ``mixture``."""
        if self.sampling_weights is None:
            ends = self.length.cumsum(0)
            flat = torch.randint(int(ends[-1]), (size,), generator=generator)
            episode = torch.searchsorted(ends, flat, right=True)
            step = flat - (ends[episode] - self.length[episode])
        else:
            mass = self.length * self.sampling_weights.double()
            ends = mass.cumsum(0)
            point = torch.rand(size, dtype=torch.float64, generator=generator) * ends[-1]
            episode = torch.searchsorted(ends, point, right=True).clamp(max=len(self) - 1)
            position = (point - (ends[episode] - mass[episode])) / self.sampling_weights[episode]
            step = torch.minimum(position.long().clamp(min=0), self.length[episode] - 1)  # rounding may exceed by one
        return episode, step, relabel(mixture, self.length[episode], step, generator)

    def gather(self, episode: Tensor, step: Tensor, goal_step: Tensor, hashing: TemporalHashing) -> dict[str, Tensor]:
        """Return the batch for ``Act2Goal.losses`` of segments from ``step`` to ``goal_step``, all (B,)."""
        start = self.first[episode] + step
        left = goal_step - step
        frames = start.unsqueeze(1) + hashing.frame_offsets(left)
        offsets, mask = hashing.action_offsets(left)
        return {
            "now": self.latents[start].float(),
            "goal": self.latents[self.first[episode] + goal_step].float(),
            "frames": self.latents[frames].float(),
            "actions": self.actions[start.unsqueeze(1) + offsets - 1],
            "mask": mask,
            "proprioception": self.proprioception[start],
            "steps_to_go": left,
        }

    def batch(
        self, size: int, mixture: Mapping[str, float], hashing: TemporalHashing, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Draw ``size`` segments and gather them."""
        return self.gather(*self.draw(size, mixture, generator), hashing)


def join(parts: list[Segments]) -> Segments:
    """Return all episodes of ``parts`` in order; every transition is equally likely."""
    starts, total = [], 0
    for part in parts:
        starts.append(part.first + total)
        total += part.latents.shape[0]
    return Segments(
        torch.cat([part.latents for part in parts]),
        torch.cat([part.proprioception for part in parts]),
        torch.cat([part.actions for part in parts]),
        torch.cat(starts),
        torch.cat([part.length for part in parts]),
    )


def balance(segments: Segments, groups: Sequence[str], shares: Mapping[str, float]) -> Segments:
    """Return the segments with sampling weights that give each group its share of a batch.

    The share does not depend on the number and length of the group's episodes.

    Args:
        segments: E episodes.
        groups: the name of each episode's group (E,).
        shares: group -> its relative share; 1 where it is missing.
    """
    steps: Counter[str] = Counter()
    for group, length in zip(groups, segments.length.tolist(), strict=True):
        steps[group] += length
    if len(steps) == 1:
        return replace(segments, sampling_weights=None)
    sampling_weights = [shares.get(group, 1.0) / steps[group] for group in groups]
    return replace(segments, sampling_weights=torch.tensor(sampling_weights, dtype=torch.float64))
