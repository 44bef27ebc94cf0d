"""Recording the scripted expert's demonstrations: what the shipped base is trained on."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from a2g_cli.recording.sessions import Session
from a2g_cli.recording.writer import write_episode

SHARD = 50
"""Demonstrations a process makes at a time."""


def _record(folder: Path, scene: str, shift: str, seed: int, first: int, count: int, disturbance: float) -> int:
    """Record demonstrations ``first`` .. ``first + count - 1`` and return how many of them failed and were left out."""
    from a2g_cli.robots.sim import SimRobot
    from a2g_cli.simulator.demonstrations import demonstration_episodes

    robot = SimRobot(scene=scene, shift=shift, disturbance=disturbance)
    robot.connect()
    failed = 0
    try:
        for i, episode in enumerate(demonstration_episodes(robot, seed, first, count)):
            if episode.outcome is None or not episode.outcome.success or not len(episode):
                failed += 1
                continue
            path = folder / f"episode-{first + i:05d}.hdf5"
            if not path.exists():
                write_episode(path, robot.spec, episode)
    finally:
        robot.close()
    return failed


def record_demonstrations(
    session: Session,
    scene: str,
    seed: int,
    count: int,
    disturbance: float = 1.0,
    processes: int = 2,
    shift: str = "none",
    advanced: Callable[[int], None] | None = None,
) -> int:
    """Record ``count`` expert demonstrations into ``session``; those that are there already are kept.

    A base is never trained on shifted ones: they serve the control that says what an adapter could learn from an expert.

    Demonstration i depends on (scene, seed, i) alone, so an interrupted recording goes on where it stopped.

    Returns:
        How many demonstrations failed; they are not recorded.
    """
    session.folder.mkdir(parents=True, exist_ok=True)
    there = {path.stem for path in session.recordings()}
    shards = [
        (first, min(SHARD, count - first))
        for first in range(0, count, SHARD)
        if any(f"episode-{i:05d}" not in there for i in range(first, min(first + SHARD, count)))
    ]
    failed, done = 0, count - sum(size for _, size in shards)
    # "spawn": a forked child would share the parent's graphics context.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        futures = [
            pool.submit(_record, session.folder, scene, shift, seed, first, size, disturbance) for first, size in shards
        ]
        for future, (_, size) in zip(futures, shards, strict=True):
            failed += future.result()
            done += size
            if advanced is not None:
                advanced(done)
    return failed
