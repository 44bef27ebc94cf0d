"""Demonstrations: episodes of the scripted expert, what a base policy is trained on."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from a2g_cli.episode import Episode, Outcome, Provenance, State
from a2g_cli.robots.robot import Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.simulator.arm import FINGER_STROKE
from a2g_cli.simulator.expert import ScriptedExpert
from a2g_cli.simulator.place import BLOCK_HEIGHT

STREAM = 5
"""First element of the spawn key of the draws made here; those of SimRobot lie below (STREAMS)."""


def demonstrate(robot: SimRobot, trial: Trial, limit: int = 120) -> Episode:
    """Let the expert solve ``trial`` in at most ``limit`` steps and return the episode, judged by the truth."""
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
    robot: SimRobot, seed: int, first: int, count: int, diverse: float = 0.25, limit: int = 120
) -> Iterator[Episode]:
    """Yield the demonstrations ``first`` to ``first + count - 1`` of ``seed`` on a connected ``robot``.

    A share ``diverse`` of them starts elsewhere than at rest, see ``diverse_start``. Failed ones are yielded too; their
    outcome says so. Every episode depends on its own index alone: the work can be split over processes.
    """
    for index in range(first, first + count):
        trial = robot.trial("demonstration", seed, index)
        random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAM, index)))
        if random.random() < diverse:
            trial = replace(trial, start=diverse_start(trial.start, robot.shift.thing.half_width, random))
        yield demonstrate(robot, trial, limit)


def diverse_start(start: State, half_width: float, random: np.random.Generator) -> State:
    """Return ``start`` with the tool anywhere, open or closed, or, one time in three, holding the block somewhere.

    ``half_width`` is that of the block [m].
    """
    block, tool = list(start["block"]), list(start["tool"])
    if random.random() < 1 / 3:
        x, y = random.uniform([-0.12, -0.14], [0.12, 0.14])
        # Held blocks sit straight between the fingers.
        block = [x, y, BLOCK_HEIGHT + random.uniform(0.0, 0.08), 1.0, 0.0, 0.0, 0.0]
        tool = [x, y, block[2], half_width / FINGER_STROKE]
    else:
        tool = [*random.uniform([-0.18, -0.16, 0.02], [0.14, 0.16, 0.22]), float(random.random() < 0.5)]
        # Fingers beside or above the block, never inside it.
        if math.dist(tool[:2], block[:2]) < 0.11:
            tool[2] = max(tool[2], 0.08)
    return {"block": [float(value) for value in block], "tool": [float(value) for value in tool]}
