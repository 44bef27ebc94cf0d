"""Reads spoiled files, case after case, with little memory, and says on stdout what begins and how it ended."""

import json
import os
import random
import resource
import shutil
import signal
import sys
import traceback
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
