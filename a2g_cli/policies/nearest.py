"""Nearest-neighbour replay: find the demonstrations that looked most like this, and do what they did. It trains nothing.

Every transition t of a demonstration, whose goal is its own last frame T, is compared with now, goal and proprioception:

    d^2 = w_now |z - z_t|^2 + w_goal |g - g_T|^2 + w_body |s - s_t|^2

z and g are principal components of a frozen autoencoder's latents; each term is 1, on average, between two transitions that
have nothing to do with each other. The next actions of the nearest few are averaged with weights 1 / d^2: what was shown
before is replayed exactly. After VINN (Pari et al. 2021, arXiv 2112.01511), with a goal, chunks, and another kernel.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from a2g_cli.core.types import Goal, Image
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import to_tensor
from a2g_cli.policies.base import Plan, PlanRequest

EXACT = 1e-6
"""Added to d^2: about what rounding latents to half precision makes of 0."""


class Episodes(Protocol):
    """Demonstrations laid end to end, as ``learning.segments.Segments`` holds them."""

    @property
    def latents(self) -> Tensor:
        """(N, V, C, h, w)."""

    @property
    def proprioception(self) -> Tensor:
        """(N, P), robot's units."""

    @property
    def actions(self) -> Tensor:
        """(N, A), robot's units; row i leads from frame i to frame i + 1."""

    @property
    def first(self) -> Tensor:
        """(E,) index of each episode's first frame."""

    @property
    def length(self) -> Tensor:
        """(E,) number of actions T."""


@dataclass(frozen=True)
class NearestSettings:
    """What near means, and what is done about it."""

    now: float = 1.0
    """Weight of the present picture."""
    goal: float = 1.0
    """Weight of the goal picture."""
    body: float = 1.0
    """Weight of proprioception."""
    whitening: float = 0.5
    """0: components count by their variance; 1: all alike, whatever they vary by."""
    neighbours: int = 1
    execute: int = 4
    """Actions executed before the next look."""


@dataclass(frozen=True)
class Components:
    """The directions (L, D) in which latents of L numbers vary most, about their mean (L,)."""

    mean: Tensor
    basis: Tensor

    @classmethod
    def of(cls, latents: Tensor, count: int) -> "Components":
        """Return the first ``count`` principal components of latents (N, ...), or as many as there are."""
        flat = latents.flatten(1).float()
        mean = flat.mean(0)
        away = flat - mean
        _, basis = torch.linalg.eigh(away.T @ away / max(1, len(flat) - 1))
        return cls(mean, basis.flip(-1)[:, :count].contiguous())

    def __call__(self, latents: Tensor) -> Tensor:
        """Return the components (N, D) of latents (N, ...)."""
        return (latents.flatten(1).float() - self.mean) @ self.basis


@dataclass(frozen=True)
class Memory:
    """Demonstrations as components: some hundred numbers a frame, so that hundreds of thousands fit."""

    now: Tensor
    """(N, D) of every frame."""
    goal: Tensor
    """(E, D') of every episode's last frame, in directions of their own: goals show less of the arm than frames do."""
    body: Tensor
    """(N, P)."""
    actions: Tensor
    """(N, A)."""
    first: Tensor
    length: Tensor
    now_components: Components
    goal_components: Components

    @classmethod
    def of(cls, episodes: Iterable[Episodes], sample: Episodes, components: int = 64) -> "Memory":
        """Remember demonstrations; they may come one by one, and none of their latents is kept.

        Args:
            episodes: all of them, at least one.
            sample: some of them, from which the directions of ``now`` are taken.
            components: D.
        """
        seen = Components.of(sample.latents, components)
        now, body, actions, first, length, ends, total = [], [], [], [], [], [], 0
        for part in episodes:
            now.append(seen(part.latents))
            body.append(part.proprioception.float())
            actions.append(part.actions.float())
            first.append(part.first + total)
            length.append(part.length)
            ends.append(part.latents[part.first + part.length])
            total += part.latents.shape[0]
        last = torch.cat(ends)
        wanted = Components.of(last, components)
        flat = (torch.cat(now), wanted(last), torch.cat(body), torch.cat(actions), torch.cat(first), torch.cat(length))
        return cls(*flat, seen, wanted)

    def subset(self, episodes: Sequence[int]) -> "Memory":
        """Return the same arrays restricted to ``episodes``: a view but for their goals."""
        index = torch.tensor(episodes, dtype=torch.long)
        return replace(self, goal=self.goal[index], first=self.first[index], length=self.length[index])

    def rows(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return all transitions as (frame, episode, steps left), each (transitions,)."""
        episode = torch.arange(len(self.length)).repeat_interleave(self.length)
        begin = self.length.cumsum(0) - self.length
        step = torch.arange(len(episode)) - begin[episode]
        return self.first[episode] + step, episode, self.length[episode] - step

    def save(self, path: Path) -> None:
        """Write everything into one safetensors file, by rename."""
        flat = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        for name in ("now_components", "goal_components"):
            flat |= {f"{name}.{key}": value for key, value in vars(getattr(self, name)).items()}
        save_file({name: value.contiguous() for name, value in flat.items()}, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)

    @classmethod
    def load(cls, path: Path) -> "Memory":
        """Read what ``save`` wrote."""
        flat = load_file(path)
        now, goal = (
            Components(flat.pop(f"{name}.mean"), flat.pop(f"{name}.basis"))
            for name in ("now_components", "goal_components")
        )
        return cls(**flat, now_components=now, goal_components=goal)


def _scaled(x: Tensor, whitening: float) -> Tensor:
    """Return factors (D,) after which two of ``x`` (N, D) drawn at random are 1 apart, squared, on average."""
    variance = x.var(0, correction=0).clamp(min=1e-12)
    factors = variance ** (-whitening / 2)
    return factors / (2 * (variance * factors**2).sum()).sqrt()


class Search:
    """Squared distances to all transitions of a memory, term by term; weights are applied when they are added up."""

    def __init__(self, memory: Memory, whitening: float) -> None:
        self.memory = memory
        self.frame, self.episode, self.left = memory.rows()
        self._now_scale, self._goal_scale = _scaled(memory.now, whitening), _scaled(memory.goal, whitening)
        self._body_mean, self._body_scale = memory.body.mean(0), _scaled(memory.body, 1.0)
        self._now = memory.now[self.frame] * self._now_scale
        self._goal = memory.goal * self._goal_scale
        self._body = (memory.body[self.frame] - self._body_mean) * self._body_scale
        self._norms = [known.square().sum(1) for known in (self._now, self._goal, self._body)]

    def terms(self, now: Tensor, goal: Tensor, body: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the terms of d^2, each (B, transitions), of components (B, D), (B, D') and proprioception (B, P)."""
        asked = now * self._now_scale, goal * self._goal_scale, (body - self._body_mean) * self._body_scale
        known = self._now, self._goal, self._body
        square = [
            torch.addmm(norm, x, y.T, alpha=-2).add_(x.square().sum(1, keepdim=True)).clamp_(min=0)
            for x, y, norm in zip(asked, known, self._norms, strict=True)
        ]
        return square[0], square[1][:, self.episode], square[2]

    def nearest(self, terms: tuple[Tensor, Tensor, Tensor], settings: NearestSettings) -> tuple[Tensor, Tensor]:
        """Return (squared distance, transition) of the nearest, (B, k) each, nearest first."""
        total = settings.now * terms[0] + settings.goal * terms[1] + settings.body * terms[2]
        k = min(settings.neighbours, total.shape[1])
        found = total.topk(k, dim=1, largest=False)
        return found.values, found.indices

    def actions(self, square: Tensor, transition: Tensor, execute: int) -> tuple[Tensor, Tensor]:
        """Return the next actions (B, execute, A) of the nearest, averaged, and the nearest's own steps left (B,).

        Where a demonstration has ended, the others go on alone; past the nearest's own end an action means nothing.
        """
        left = self.left[transition]  # (B, k)
        ahead = torch.arange(execute)
        exists = (ahead < left.unsqueeze(-1)).float()  # (B, k, n)
        frame = self.frame[transition].unsqueeze(-1) + torch.minimum(ahead, left.unsqueeze(-1) - 1)
        weight = exists / (square + EXACT).unsqueeze(-1)
        weight = weight / weight.sum(1, keepdim=True).clamp(min=1e-12)
        return (weight.unsqueeze(-1) * self.memory.actions[frame]).sum(1), left[:, 0]


class NearestPolicy:
    """Replays what followed the nearest transitions of the demonstrations."""

    name = "nearest"

    def __init__(self, model: Act2Goal, memory: Memory, settings: NearestSettings | None = None) -> None:
        self.model, self.memory = model, memory
        self.settings = settings or NearestSettings()
        self._search = Search(memory, self.settings.whitening)
        self._goals: dict[str, Tensor] = {}

    @torch.no_grad()
    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Answer all requests in one comparison; seeds play no part. Steps to go are those that the nearest had left."""
        now = self.memory.now_components(self._encode([request.observation.images for request in requests]))
        goal = torch.stack([self._goal(request.goal) for request in requests])
        body = torch.from_numpy(np.stack([request.observation.proprioception for request in requests])).float()
        square, transition = self._search.nearest(self._search.terms(now, goal, body), self.settings)
        actions, left = self._search.actions(square, transition, self.settings.execute)
        return [
            Plan(chunk[: int(steps)].numpy().astype(np.float32), float(steps))
            for chunk, steps in zip(actions, left, strict=True)
        ]

    def _encode(self, images: Sequence[Mapping[str, Image]]) -> Tensor:
        """Return latents (B, V, C, h, w) of per-camera images, as coarse as those remembered: in half precision."""
        views = [np.stack([view[camera] for camera in self.model.config.cameras]) for view in images]
        return self.model.encode(to_tensor(torch.from_numpy(np.stack(views)))).half()

    def _goal(self, goal: Goal) -> Tensor:
        key = goal.fingerprint
        if key not in self._goals:
            self._goals[key] = self.memory.goal_components(self._encode([goal.images]))[0]
        return self._goals[key]
