"""Chooses the settings of the nearest-neighbour policy on held-out demonstrations, not on the evaluation's trials."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import torch
from nearest import Memory, NearestSettings, Search
from torch import Tensor

GOAL_WEIGHTS = (0.1, 0.3, 1.0, 3.0)
BODY_WEIGHTS = (0.0, 0.3, 1.0, 3.0, 10.0)
WHITENINGS = (0.0, 0.25, 0.5)
NEIGHBOURS = (1, 3, 5, 8, 15)
SHORTLIST = 64
"""Number of transitions that each extreme metric proposes; the other metrics search among these."""


@torch.no_grad()
def choose(
    memory: Memory, held: Sequence[int], queries: int = 384, seed: int = 0
) -> list[tuple[NearestSettings, float]]:
    """Return all settings with their errors in predicting demonstrated actions [variances of actions], best first.

    Args:
        memory: all demonstrations.
        held: episodes to predict; the neighbours are sought among the others.
        queries: number of transitions to predict.
        seed: of the choice of transitions.
    """
    away = set(held)
    search_in = memory.subset([e for e in range(len(memory.length)) if e not in away])
    asked = memory.subset(held)
    frame, episode, left = asked.rows()
    pick = torch.randperm(len(frame), generator=torch.Generator().manual_seed(seed))[:queries]
    frame, episode, left = frame[pick], episode[pick], left[pick]
    execute = NearestSettings.execute
    ahead = torch.arange(execute)
    exists = (ahead < left.unsqueeze(-1)).unsqueeze(-1)
    truth = memory.actions[frame.unsqueeze(-1) + torch.minimum(ahead, left.unsqueeze(-1) - 1)]
    deviation = memory.actions[memory.rows()[0]].std(0).clamp(min=1e-6)
    errors: dict[NearestSettings, float] = {}
    for whitening in WHITENINGS:
        search = Search(search_in, whitening)
        for some in torch.arange(len(frame)).split(16):
            all_terms = search.terms(memory.now[frame[some]], asked.goal[episode[some]], memory.body[frame[some]])
            listed = _shortlist(search, all_terms)
            terms = all_terms[0][:, listed], all_terms[1][:, listed], all_terms[2][:, listed]
            for goal, body in product(GOAL_WEIGHTS, BODY_WEIGHTS):
                most = NearestSettings(1.0, goal, body, whitening, max(NEIGHBOURS), execute)
                square, found = search.nearest(terms, most)
                for k in NEIGHBOURS:
                    actions, _ = search.actions(square[:, :k], listed[found[:, :k]], execute)
                    error = ((actions - truth[some]) / deviation).square() * exists[some]
                    settings = replace(most, neighbours=k)
                    errors[settings] = errors.get(settings, 0.0) + float(error.sum())
    count = float(exists.sum() * truth.shape[-1])
    return [(settings, errors[settings] / count) for settings in sorted(errors, key=lambda one: errors[one])]


def _shortlist(search: Search, terms: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Return the transitions (C,) that the extreme metrics propose: a search among all of them is the expensive part."""
    corners = [(1.0, 1.0), *product((GOAL_WEIGHTS[0], GOAL_WEIGHTS[-1]), (BODY_WEIGHTS[0], BODY_WEIGHTS[-1]))]
    metrics = [NearestSettings(1.0, goal, body, neighbours=SHORTLIST) for goal, body in corners]
    return torch.cat([search.nearest(terms, metric)[1].flatten() for metric in metrics]).unique()
