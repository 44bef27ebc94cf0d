"""Fuzzes every reader in ``fuzz_targets.py``: ``python tests/fuzzing.py --cases 10000 [--seed S] [--target NAME]``.

A worker reads spoiled files, case after case, with little memory; whoever watches it notices when it dies, hangs or says
that something escaped, notes the case, and has another worker forked behind it. A case passes that ends in an A2GError of one
line, or in a clean result. It escapes as

    another exception, a crash, a hang (20 s), an allocation beyond 1 GB, or one that was tried and refused,
    a file opened for writing outside the case's folder, or for reading where no part of Python is,
    a process started, code compiled, something unpickled.
"""

import argparse
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from fuzz_worker import HANG, fork


@dataclass
class Result:
    """What became of the cases."""

    cases: Counter[str] = field(default_factory=Counter)
    clean: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    contained: Counter[str] = field(default_factory=Counter)
    """Crashes of readers that the program calls in a process of their own."""
    escapes: list[dict[str, Any]] = field(default_factory=list)


def fuzz(names: Sequence[str], each: int, seed: str, environment: dict[str, str] | None = None) -> Result:
    """Try ``each`` cases of every target in ``names``."""
    from fuzz_targets import TARGETS

    result = Result()
    isolated = {target.name for target in TARGETS if target.isolated}
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a folder of its own in it; no fsync waits
    with tempfile.TemporaryDirectory(prefix="a2g-fuzz-", dir=memory) as folder, _Workers(environment) as workers:
        left = dict.fromkeys(names, (0, each))
        while any(first < last for first, last in left.values()):
            waiting = [name for name in names if left[name][0] < left[name][1]]
            job = json.dumps({"names": waiting, "seed": seed, "cases": left, "root": folder})
            under_way: dict[str, Any] = {}
            ending = "hang"
            for facts in workers.run(job):
                if "ending" in facts:
                    ending = facts["ending"]
                elif "begin" in facts:
                    under_way = facts
                else:
                    under_way = {}
                    left[facts["end"]] = (facts["case"] + 1, each)
                    _count(result, facts["end"], facts["case"], facts["verdict"], facts.get("how", ""))
            if under_way:
                name, case = under_way["begin"], under_way["case"]
                left[name] = (case + 1, each)
                if "how" not in under_way:
                    result.cases[name] += 1  # HDF5 ended the process that was spoiling the file: nothing was read
                    result.clean[name] += 1
                elif name in isolated and ending != "hang":
                    result.cases[name] += 1
                    result.contained[name] += 1
                else:
                    _count(result, name, case, f"escape: the process ended with {ending}", under_way["how"])
            elif ending != "0":
                raise RuntimeError(f"a worker ended with {ending} between two cases")
    return result


def _count(result: Result, name: str, case: int, verdict: str, how: str) -> None:
    result.cases[name] += 1
    if verdict == "clean":
        result.clean[name] += 1
    elif verdict == "refused":
        result.refused[name] += 1
    else:
        result.escapes.append({"target": name, "case": case, "verdict": verdict, "how": how})


class _Workers:
    """Workers that are forked, one after the other, by a process that imports once what they read with."""

    def __init__(self, environment: dict[str, str] | None) -> None:
        self._environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "ARROW_DEFAULT_MEMORY_POOL": "system",
            **(environment or {}),
        }
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed at the end
        self._parent: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._errors.close()

    def run(self, job: str) -> Iterator[dict[str, Any]]:
        """Yield what a worker says, and last how it ended; one that is silent for too long is ended."""
        parent = self._parent or self._begin()
        assert parent.stdin is not None
        parent.stdin.write(job + "\n")
        parent.stdin.flush()
        patience = 300.0  # until the first case: what is read is imported before
        while True:
            try:
                line = self._lines.get(timeout=patience)
            except queue.Empty:
                self._end()
                yield {"ending": "hang"}
                return
            facts = {"ending": "1"} if line is None else json.loads(line)
            if facts.get("ending") == "1":
                self._errors.seek(0)
                raise RuntimeError("a worker failed:\n" + self._errors.read()[-3000:])
            yield facts
            if "ending" in facts:
                return
            patience = 3 * HANG

    def _begin(self) -> "subprocess.Popen[str]":
        self._lines = lines = queue.Queue()
        parent = subprocess.Popen(
            [sys.executable, __file__, "--fork"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=self._environment,
            start_new_session=True,  # so that a worker that hangs ends with it
        )

        def listen() -> None:
            for line in parent.stdout or ():
                lines.put(line)
            lines.put(None)

        threading.Thread(target=listen, daemon=True).start()
        self._parent = parent
        return parent

    def _end(self) -> None:
        if self._parent is not None:
            os.killpg(self._parent.pid, signal.SIGKILL)
            with self._parent:  # closes its streams, and waits for it
                pass
        self._parent = None


def main() -> int:
    """Fuzz, print a table, and end with 1 when anything escaped."""
    from fuzz_targets import TARGETS

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000, help="of all targets together")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--target", action="append", help="this one alone; repeatable")
    parser.add_argument("--fork", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fork:
        fork()
        return 0
    names = [target.name for target in TARGETS if not options.target or target.name in options.target]
    result = fuzz(names, -(-options.cases // len(names)), options.seed)
    print(f"{'reader':20} {'cases':>7} {'clean':>7} {'refused':>8} {'contained':>10} {'escaped':>8}")  # noqa: T201
    for name in [*names, "all"]:
        rows = [one for one in result.escapes if name in {one["target"], "all"}]
        counts = [
            counter.total() if name == "all" else counter[name]
            for counter in (result.cases, result.clean, result.refused, result.contained)
        ]
        print(f"{name:20} {counts[0]:7} {counts[1]:7} {counts[2]:8} {counts[3]:10} {len(rows):8}")  # noqa: T201
    for one in result.escapes:
        print(json.dumps(one))  # noqa: T201
    return int(bool(result.escapes))


if __name__ == "__main__":
    sys.exit(main())
