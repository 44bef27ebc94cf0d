"""Recording the scripted expert's demonstrations: what the shipped base is trained on."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any

from a2g_cli.core.errors import A2GError
from a2g_cli.data.recording import schema, storage
from a2g_cli.data.recording.sessions import Session
from a2g_cli.data.recording.writer import write_episode
from a2g_cli.robots.sim import SimRobot
from a2g_cli.simulator.demonstrations import demonstration_episodes

SHARD = 50
"""Demonstrations a process makes at a time."""


@dataclass(frozen=True)
class _World:
    """Where the expert demonstrates."""

    scene: str
    shift: str
    disturbance: float

    def robot(self) -> SimRobot:
        """Return the robot, not connected. Raises UnknownNameError."""
        return SimRobot(scene=self.scene, shift=self.shift, disturbance=self.disturbance)


_stop: Any = None
"""In a worker: becomes non-zero when the parent wants no more. Shared memory without a lock, so that no killed worker can
take a lock with it."""


def _begin_worker(stop: Any) -> None:
    """Leave Ctrl-C to the parent, which gets it too, and die when the parent has died.

    An orphan would go on writing, and hold the very recordings that the same command, started again, has to make.
    """
    global _stop  # noqa: PLW0603 - what a worker knows beside its arguments has no other place
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # see record_demonstrations
    Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _make_way(path: Path) -> None:
    """Remove what a killed writer left of ``path``: a demonstration is cheaper made again than salvaged."""
    partial = schema.partial_path(path)
    with storage.writing(partial):
        if partial.exists() and not storage.being_written(partial):
            partial.unlink(missing_ok=True)


def demonstration(session: Session, index: int) -> Path:
    """Return where demonstration ``index`` is, if it did not fail."""
    return _path(session.folder, index)


def _cores() -> int:
    """Return how many processes have a core of their own here; a container or ``taskset`` may leave fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _path(folder: Path, index: int) -> Path:
    return folder / f"episode-{index:05d}{schema.SUFFIX}"


def _record(folder: Path, world: _World, seed: int, first: int, count: int) -> int:
    """Record those of ``first`` .. ``first + count - 1`` that are not there; return how many failed and were left out."""
    robot = world.robot()
    failed = 0
    try:
        for index in range(first, first + count):
            if _stop is not None and _stop.value:
                break
            path = _path(folder, index)
            _make_way(path)
            if path.exists():
                continue
            robot.connect()  # the first time; then it is
            for episode in demonstration_episodes(robot, seed, index, 1):
                if episode.outcome is None or not episode.outcome.success or not len(episode):
                    failed += 1
                else:
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
    processes: int | None = None,
    shift: str = "none",
    advanced: Callable[[int], None] | None = None,
) -> int:
    """Record ``count`` expert demonstrations into ``session``; those that are there already are kept.

    A base is never trained on shifted ones: they serve the control that says what an adapter could learn from an expert.

    Demonstration i depends on (scene, seed, i) alone, so an interrupted recording goes on where it stopped, and as many
    processes as there are cores, where no number is given, make the same demonstrations as one.

    Returns:
        How many demonstrations failed; they are not recorded.

    Raises:
        UnknownNameError: no such scene or shift; nothing is made then.
        RecordingError: the disk refuses.
        A2GError: a process was killed.
        KeyboardInterrupt: at Ctrl-C, as soon as the demonstrations under way are complete.
    """
    world = _World(scene, shift, disturbance)
    world.robot()  # a name that is wrong is wrong before anything is made
    with storage.writing(session.folder):
        session.folder.mkdir(parents=True, exist_ok=True)
    session.clear()  # of halves that a killed run left: each demonstration is made again
    shards = [
        (first, min(SHARD, count - first))
        for first in range(0, count, SHARD)
        if not all(_path(session.folder, i).exists() for i in range(first, min(first + SHARD, count)))
    ]
    failed, done = 0, count - sum(size for _, size in shards)
    # "spawn": a forked child would share the parent's graphics context.
    context = get_context("spawn")
    stop = context.RawValue("b", 0)
    pool = ProcessPoolExecutor(processes or _cores(), context, _begin_worker, (stop,))
    try:
        # Workers are started here, and inherit that Ctrl-C is blocked: none dies of it before it can ignore it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            futures = [pool.submit(_record, session.folder, world, seed, first, size) for first, size in shards]
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for future, (_, size) in zip(futures, shards, strict=True):
            failed += future.result()
            done += size
            if advanced is not None:
                advanced(done)
    except BrokenProcessPool as error:
        raise A2GError(
            "a process that makes demonstrations was killed, perhaps for want of memory; "
            "the same command goes on where it stopped."
        ) from error
    finally:
        stop.value = 1
        pool.shutdown(cancel_futures=True)
    return failed
