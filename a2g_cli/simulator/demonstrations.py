"""Demonstrations: episodes of the scripted expert, on which a base policy is trained."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from a2g_cli.core.types import Episode, Outcome, Provenance
from a2g_cli.robots.base import Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.simulator.expert import ScriptedExpert, truth_of

STREAM = 5
"""First element of the spawn key of the random stream here; SimRobot has others (STREAMS)."""


def demonstrate(robot: SimRobot, trial: Trial, limit: int | None = None) -> Episode:
    """Let the expert solve ``trial`` in ``limit`` steps, by default the scene's limit; the true state is the judge."""
    limit = robot.task.demonstration_limit if limit is None else limit
    robot.begin(trial.start)
    expert = ScriptedExpert(robot)
    episode = Episode(
        goal=trial.goal,
        provenance=Provenance(
            robot=robot.spec.name,
            policy="expert",
            shift=str(robot.shift),
            seed=trial.seed,
            settings={"purpose": trial.purpose, "index": trial.index, "disturbance": robot.disturbance},
        ),
        observations=[robot.observe()],
    )
    while len(episode) < limit and not expert.done(trial.goal):
        requested = expert.act(trial.goal)
        sent = robot.act(requested)
        episode.append(requested, sent, robot.observe())
    done = expert.done(trial.goal)
    episode.outcome = Outcome(
        success=robot.succeeded(trial.goal), judge="truth", stopped_by="success" if done else "steps"
    )
    return episode


def demonstration_episodes(
    robot: SimRobot, seed: int, first: int, count: int, diverse: float = 0.25, limit: int | None = None
) -> Iterator[Episode]:
    """Yield the demonstrations ``first`` to ``first + count - 1`` of ``seed`` on a connected ``robot``.

    A share ``diverse`` of them does not start at the rest pose (see the scene). Failed ones are yielded too, with their
    outcome. Every episode depends only on its index, so that the work can be split over processes.
    """
    for index in range(first, first + count):
        trial = robot.trial("demonstration", seed, index)
        random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAM, index)))
        if random.random() < diverse:
            start = robot.task.diverse_start(trial.start, truth_of(trial.goal), random)
            trial = replace(trial, start=start)
        yield demonstrate(robot, trial, limit)
