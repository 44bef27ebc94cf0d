"""Nearest-neighbour policy: repeats the actions of the most similar demonstrations. It trains nothing.

Every transition t of a demonstration, whose goal is its last frame T, is compared with now, goal and proprioception:

    d^2 = w_now |z - z_t|^2 + w_goal |g - g_T|^2 + w_body |s - s_t|^2

z and g are principal components of a frozen autoencoder's latents; between two random transitions each term is 1 on average.
The next actions of the nearest neighbours are averaged with weights 1 / d^2, so a demonstrated state is replayed exactly.
After VINN (Pari et al. 2021, arXiv 2112.01511), with a goal, chunks, and another kernel.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from a2g_cli.core.files import replacing
from a2g_cli.core.types import Goal, Image
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import to_tensor
from a2g_cli.policies.base import Plan, PlanRequest, Policy

EXACT = 1e-6
"""Added to d^2: about the effect of rounding latents to half precision."""


class Episodes(Protocol):
    """Demonstrations one after another, as in ``encoding.segments.Segments``."""

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
    """Weights of the distance, and how many neighbours and actions are used."""

    now: float = 1.0
    """Weight of the present image."""
    goal: float = 1.0
    """Weight of the goal image."""
    body: float = 1.0
    """Weight of proprioception."""
    whitening: float = 0.5
    """0: components count by their variance; 1: all count the same."""
    neighbours: int = 1
    execute: int = 4
    """Actions executed before the next plan."""


@dataclass(frozen=True)
class Components:
    """Principal components (L, D) of latents of L numbers, and their mean (L,)."""

    mean: Tensor
    basis: Tensor

    @classmethod
    def of(cls, latents: Tensor, count: int) -> "Components":
        """Return the first ``count`` principal components of latents (N, ...), at most all."""
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
    """Demonstrations as components: about a hundred numbers per frame, so hundreds of thousands of frames fit in memory."""

    now: Tensor
    """(N, D) of every frame."""
    goal: Tensor
    """(E, D') of every episode's last frame, in components of their own: goals show less of the arm than other frames."""
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
        """Return the components of demonstrations, which may be given one by one; their latents are not kept.

        Args:
            episodes: all of them, at least one.
            sample: some of them, whose principal components are used for ``now``.
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
        """Return ``episodes`` only; the arrays are views, except for the goals."""
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
        with replacing(path) as temporary:
            save_file({name: value.contiguous() for name, value in flat.items()}, temporary)

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
    """Return factors (D,) that make the mean squared distance of two random rows of ``x`` (N, D) equal to 1."""
    variance = x.var(0, correction=0).clamp(min=1e-12)
    factors = variance ** (-whitening / 2)
    return factors / (2 * (variance * factors**2).sum()).sqrt()


class Search:
    """Squared distances to all transitions of a memory, term by term; weights are applied when the terms are added."""

    def __init__(self, memory: Memory, whitening: float) -> None:
        self.memory = memory
        self.frame, self.episode, self.left = memory.rows()
        self._now_scale, self._goal_scale = _scaled(memory.now, whitening), _scaled(memory.goal, whitening)
        self._body_mean, self._body_scale = memory.body.mean(0), _scaled(memory.body, 1.0)
        self._now = memory.now[self.frame] * self._now_scale
        self._goal = memory.goal * self._goal_scale
        self._body = (memory.body[self.frame] - self._body_mean) * self._body_scale
        self._norms = [stored.square().sum(1) for stored in (self._now, self._goal, self._body)]

    def terms(self, now: Tensor, goal: Tensor, body: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the terms of d^2, each (B, transitions), of components (B, D), (B, D') and proprioception (B, P)."""
        query = now * self._now_scale, goal * self._goal_scale, (body - self._body_mean) * self._body_scale
        stored = self._now, self._goal, self._body
        square = [
            torch.addmm(norm, x, y.T, alpha=-2).add_(x.square().sum(1, keepdim=True)).clamp_(min=0)
            for x, y, norm in zip(query, stored, self._norms, strict=True)
        ]
        return square[0], square[1][:, self.episode], square[2]

    def nearest(self, terms: tuple[Tensor, Tensor, Tensor], settings: NearestSettings) -> tuple[Tensor, Tensor]:
        """Return (squared distance, transition) of the nearest neighbours, (B, k) each, nearest first."""
        total = settings.now * terms[0] + settings.goal * terms[1] + settings.body * terms[2]
        k = min(settings.neighbours, total.shape[1])
        found = total.topk(k, dim=1, largest=False)
        return found.values, found.indices

    def actions(self, square: Tensor, transition: Tensor, execute: int) -> tuple[Tensor, Tensor]:
        """Return the averaged next actions (B, execute, A) of the neighbours, and the steps left of the nearest one (B,).

        A demonstration that has ended no longer counts; actions after the end of the nearest one are meaningless.
        """
        left = self.left[transition]  # (B, k)
        ahead = torch.arange(execute)
        exists = (ahead < left.unsqueeze(-1)).float()  # (B, k, n)
        frame = self.frame[transition].unsqueeze(-1) + torch.minimum(ahead, left.unsqueeze(-1) - 1)
        weight = exists / (square + EXACT).unsqueeze(-1)
        weight = weight / weight.sum(1, keepdim=True).clamp(min=1e-12)
        return (weight.unsqueeze(-1) * self.memory.actions[frame]).sum(1), left[:, 0]


class NearestPolicy(Policy):
    """Repeats the actions that followed the most similar transitions of the demonstrations."""

    name = "nearest"

    def __init__(self, model: Act2Goal, memory: Memory, settings: NearestSettings | None = None) -> None:
        self.model, self.memory = model, memory
        self.settings = settings or NearestSettings()
        self._search = Search(memory, self.settings.whitening)
        self._goals: dict[str, Tensor] = {}

    @torch.no_grad()
    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        """Answer all requests in one comparison, whatever their seeds. Steps-to-go are those of the nearest transition."""
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
        """Return latents (B, V, C, h, w) of per-camera images, in half precision like those of the memory."""
        views = [np.stack([view[camera] for camera in self.model.config.cameras]) for view in images]
        return self.model.encode(to_tensor(torch.from_numpy(np.stack(views)))).half()

    def _goal(self, goal: Goal) -> Tensor:
        key = goal.fingerprint
        if key not in self._goals:
            self._goals[key] = self.memory.goal_components(self._encode([goal.images]))[0]
        return self._goals[key]
