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
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
import types
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

HANG = 20
"""Seconds."""
ROOM = 1 << 30
"""What a case may take beside what its worker has [bytes]; arrays of the sound examples have some kilobytes."""


@dataclass(frozen=True)
class Target:
    """One reader."""

    name: str
    make: Callable[[Path], object]
    """Writes a sound example into a folder."""
    read: Callable[[Path], object]
    """Reads what stands in that folder, all of it. May raise A2GError, nothing else."""
    spoil: tuple[str, ...] = ("**/*",)
    """Which files a case may spoil."""
    isolated: bool = False
    """The program calls it in a process of its own: a crash there is told to the user, and ends nothing."""
    torch: bool = False
    """Needs torch, which takes seconds to import."""


# -- the worker ---------------------------------------------------------------------------------------------------------


class _HangError(BaseException):
    pass


class _Guard:
    """Notes what a reader does that it must not, by Python's audit events."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.found: list[str] = []
        self._own = [Path(entry).resolve() for entry in (sys.prefix, sys.base_prefix, *sys.path) if entry]
        self._own += [Path("/proc"), Path("/sys"), Path("/dev"), Path("/etc/localtime"), Path("/usr/share/zoneinfo")]
        self._own.append(Path(__file__).parents[1])
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        if event == "open":
            self._opened(*arguments)
        elif event in {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"}:
            # `shutil.rmtree` gives names that are relative to a folder's descriptor, which stands last.
            last = arguments[-1]
            relative = event in {"os.remove", "os.rmdir"} and isinstance(last, int) and last >= 0
            within = Path(f"/proc/self/fd/{last}").readlink() if relative else Path()
            for place in arguments[:2]:
                if isinstance(place, str | bytes | os.PathLike) and not self._inside(str(within / os.fsdecode(place))):
                    self.found.append(f"{event} {place!r}")
        elif event in {
            "subprocess.Popen",
            "os.system",
            "os.exec",
            "os.posix_spawn",
            "os.fork",
            "pickle.find_class",
        } or (event.startswith("socket.") or event in {"ctypes.dlopen"}):
            self.found.append(f"{event} {str(arguments)[:100]}")
        elif event == "exec" and isinstance(arguments[0], types.CodeType) and arguments[0].co_filename == "<string>":
            self.found.append("code made of a text")

    def _opened(self, place: object, mode: object, flags: object) -> None:
        if not isinstance(place, str | bytes | os.PathLike):
            return
        name = os.fsdecode(place)
        if self._inside(name):
            return
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes or not any(Path(name).resolve().is_relative_to(own) for own in self._own):
            self.found.append(f"open {name} ({mode})")

    def _inside(self, name: str) -> bool:
        return self.folder is not None and Path(name).absolute().is_relative_to(self.folder)


def work(names: Sequence[str], seed: str, cases: dict[str, tuple[int, int]], root: Path) -> None:
    """Read the cases ``first .. last`` of every target, saying on stdout what begins and how it ended."""
    import warnings

    from fuzz_mutations import spoil
    from fuzz_targets import TARGETS

    from a2g_cli.core.errors import A2GError

    warnings.simplefilter("ignore")
    guard = _Guard()
    trap = root / "trap.hdf5"
    if not trap.exists():
        os.mkfifo(trap)  # whoever opens it waits for ever, which is noticed: HDF5's opens raise no audit events
    signal.signal(signal.SIGALRM, _hang)
    for target in (one for one in TARGETS if one.name in names):
        example = root / "examples" / target.name.replace(" ", "-")
        shutil.rmtree(example, ignore_errors=True)
        example.mkdir(parents=True)
        target.make(example)
        folder = root / "case"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(example, folder)
        target.read(folder)  # sound as it is, and what is imported late is imported now
        _limit()
        for index in range(*cases[target.name]):
            rng = random.Random(f"{seed}:{target.name}:{index}")  # noqa: S311 - not for secrets
            shutil.rmtree(folder)
            shutil.copytree(example, folder)
            files = sorted({path for pattern in target.spoil for path in folder.glob(pattern) if path.is_file()})
            say(begin=target.name, case=index)
            how = spoil(rng.choice(files), rng, trap)
            say(begin=target.name, case=index, how=how)
            guard.found.clear()
            guard.folder = folder
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            signal.setitimer(signal.ITIMER_REAL, HANG)
            try:
                target.read(folder)
                verdict = "clean"
            except A2GError as error:
                verdict = _judge(error)
            except _HangError:
                verdict = "escape: hang"
            except BaseException as error:
                verdict = f"escape: {type(error).__name__}: {str(error)[:200]} @ {_where(error)}"
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                guard.folder = None
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
            if guard.found:
                verdict = f"escape: {guard.found[0]}"
            elif grown > ROOM // 2:
                verdict = f"escape: {grown / 2**20:.0f} MB of memory"
            say(end=target.name, case=index, verdict=verdict, how=how)


def _judge(error: BaseException) -> str:
    text = str(error)
    if "\n" in text or len(text) > 1500:
        return f"escape: a message of {len(text)} letters: {text[:80]!r}"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError):
            return "escape: more memory than there is was asked for"
        cause = cause.__cause__ or cause.__context__
    return "refused"


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-3:]))


def _hang(*_: object) -> None:
    raise _HangError


def _limit() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def say(**facts: object) -> None:
    """Write one line of JSON, at once."""
    os.write(1, (json.dumps(facts) + "\n").encode())


# -- who watches it -----------------------------------------------------------------------------------------------------


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


def fork() -> None:
    """Fork a worker for each job, a line on stdin; say how it ended."""
    import fuzz_mutations  # noqa: F401 - once for all workers
    from fuzz_targets import TARGETS

    for line in sys.stdin:
        job = json.loads(line)
        if any(target.torch for target in TARGETS if target.name in job["names"]):
            import cli_examples  # noqa: F401
            import policy_examples  # noqa: F401
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work(job["names"], job["seed"], job["cases"], Path(job["root"]))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        say(ending=str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))


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
