"""Records demonstrations of the scripted expert in the simulator, in several processes."""

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
"""Demonstrations that a process makes at a time."""


@dataclass(frozen=True)
class _World:
    """The simulated world of the demonstrations."""

    scene: str
    shift: str
    disturbance: float

    def robot(self) -> SimRobot:
        """Return the robot, not connected. Raises UnknownNameError."""
        return SimRobot(scene=self.scene, shift=self.shift, disturbance=self.disturbance)


_stop: Any = None
"""In a worker: becomes non-zero when the parent asks it to stop. Shared memory without a lock, so that a killed worker
cannot keep a lock."""


def _begin_worker(stop: Any) -> None:
    """Ignore Ctrl-C, which the parent handles, and exit when the parent has died.

    Otherwise a worker would go on writing the recordings that the command, started again, has to make.
    """
    global _stop  # noqa: PLW0603 - a worker has no other place for it
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
    """Remove the partial recording that a killed process left of ``path``: making it again is cheaper than repairing it."""
    partial = schema.partial_path(path)
    with storage.writing(partial):
        if partial.exists() and not storage.being_written(partial):
            partial.unlink(missing_ok=True)


def demonstration(session: Session, index: int) -> Path:
    """Return the path of demonstration ``index``, which exists if the demonstration did not fail."""
    return _path(session.folder, index)


def _cores() -> int:
    """Return the number of cores that this process may use; a container or ``taskset`` may allow fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _path(folder: Path, index: int) -> Path:
    return folder / f"episode-{index:05d}{schema.SUFFIX}"


def _record(folder: Path, world: _World, seed: int, first: int, count: int) -> int:
    """Record those of ``first`` to ``first + count - 1`` that do not exist yet; return how many failed and were left out."""
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
            robot.connect()  # does nothing after the first time
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
    """Record ``count`` expert demonstrations into ``session``; existing ones are kept.

    Demonstration i depends only on (scene, seed, i). So an interrupted recording goes on where it stopped, and any number of
    processes (by default, one for each core) makes the same demonstrations.

    A base is never trained on demonstrations under a shift. They are for control experiments: what could an adapter learn
    from an expert?

    Returns:
        The number of demonstrations that failed; they are not recorded.

    Raises:
        UnknownNameError: no such scene or shift; nothing is recorded.
        RecordingError: the disk refuses.
        A2GError: a process was killed.
        KeyboardInterrupt: at Ctrl-C, after the current demonstrations are complete.
    """
    world = _World(scene, shift, disturbance)
    world.robot()  # reports a wrong name before anything is made
    with storage.writing(session.folder):
        session.folder.mkdir(parents=True, exist_ok=True)
    session.clear()  # partial recordings of a killed run: they are made again
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
        # Workers start here and inherit the blocked Ctrl-C, so that it cannot end them before they ignore it.
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
            "a process that makes demonstrations was killed, perhaps because memory ran out; "
            "start the same command again to go on."
        ) from error
    finally:
        stop.value = 1
        pool.shutdown(cancel_futures=True)
    return failed
