"""Real processes that record and are killed: ``python crash_writer.py ROOT HOW COUNT SEED``.

Forks COUNT writers, one after the other, each into a workspace of its own under ROOT. HOW is ``moment``: each is killed
(SIGKILL) at a random moment of its first episodes, or ``call``: at its n-th call that changes the disk, in the middle of it
where it is a write, n going through 1, 2, 3 ... A writer notes in ``log`` what it was promised, in the order in which it was.
"""

import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

from crash_disk import Dying
from recording_examples import DONE, TINY, extend, start

from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording import writer as writing
from a2g_cli.data.recording.sessions import new_session

STEPS = 20 if "A2G_CRASH_POINTS" in os.environ else 8
"""Of an episode; the long mode has longer ones."""
LINES = STEPS + 2
"""Of the log, for an episode."""


def record(root: Path, episodes: int, sync: bool) -> None:
    """Record episode after episode into the session ``s``, as ``a2g run`` does."""
    root.mkdir()
    log = os.open(root.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    if sync:
        writing.SYNC_SECONDS = 0.0
    session = new_session(Workspace(root), "s")
    for seed in range(episodes):
        writer = start(session.next_path(), seed, TINY)
        for _ in range(STEPS):
            extend(writer, 1, seed, TINY)
            os.write(log, f"{seed} {writer.committed}\n".encode())
        writer.finish(DONE)
        os.write(log, f"{seed} done\n".encode())
        session.link()
        os.write(log, f"{seed} linked\n".encode())


def _wait_for(log: Path, lines: int) -> None:
    while not log.exists() or log.read_bytes().count(b"\n") < lines:
        time.sleep(0.0005)


def main(root: Path, how: str, count: int, seed: int) -> None:
    """Fork and kill."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    record(root / "warm", 1, sync=True)  # what is imported late is imported
    for number in range(count):
        own = root / f"{number:05d}"
        child = os.fork()
        if child == 0:
            try:
                if how == "call":
                    with Dying(own, number + 1):
                        record(own, 1, sync=True)
                else:
                    record(own, 10_000, sync=number % 2 == 0)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        if how == "moment":
            # By what it has done, not by the clock: a busy machine would kill them all at the start, or late.
            _wait_for(own.with_suffix(".log"), chance.randrange(4 * LINES))
            time.sleep(chance.uniform(0, 0.004))
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
