"""Real processes that need not wait for imports: forked from one that has imported what commands need, and done nothing else.

Each has a pid, signals, streams, a terminal and an end of its own, as one that was started. How a2g is started, and what
it imports when, is tested with processes that are.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, Self

IMPORTED = (
    "a2g_cli.cli.app",
    "a2g_cli.cli.commands.run",
    "a2g_cli.models.act2goal.model",
    "a2g_cli.runtime.policy_factory",
)
"""Not MuJoCo, whose OpenGL is for the process that imports it."""
TRAINING = ("peft", "torch._dynamo")
"""What is imported late by what trains: torch's optimisers import its compiler, which takes seconds."""
_NUMBER = struct.Struct("=i")


class Forked:
    """``python -m module words...``, as ``subprocess.Popen`` starts it; what it says is read once it has ended."""

    def __init__(
        self,
        *words: object,
        module: str = "a2g_cli",
        env: Mapping[str, str] | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
        terminal: int | None = None,
        imports: Sequence[str] = (),
    ) -> None:
        """Start it.

        Args:
            words: what follows the module.
            module: what is run, found as by ``python -m``.
            env: added to this process's environment.
            stdin: descriptor of its input; by default there is none, and what it says is kept.
            stdout: descriptor of its output; by default what it writes is kept.
            terminal: descriptor of a terminal for input, output and errors, in a session of its own.
            imports: imported before, once for all that are started.
        """
        self.returncode: int | None = None
        self.args = [module, *map(str, words)]
        self._said: list[IO[str]] = []
        self._read: list[str] = []
        none = os.open(os.devnull, os.O_RDONLY)
        if terminal is None:
            self._said = [tempfile.TemporaryFile("w+", encoding="utf-8") for _ in range(2)]  # noqa: SIM115
            out, err = (said.fileno() for said in self._said)
            streams = [none if stdin is None else stdin, out if stdout is None else stdout, err]
        else:
            streams = [terminal] * 3
        leads = terminal is not None
        asked = {"words": self.args, "env": {**os.environ, **(env or {})}, "folder": str(Path.cwd()), "leads": leads}
        self._told, theirs = os.pipe()
        data = json.dumps({**asked, "imports": [*IMPORTED, *imports]}).encode()
        server = _server()
        server.sendall(struct.pack("=i", len(data)))
        socket.send_fds(server, [data[:1]], [*streams, theirs])
        server.sendall(data[1:])
        os.close(theirs)
        os.close(none)
        self.pid = self._number()

    def _number(self) -> int:
        told = os.read(self._told, _NUMBER.size)
        assert len(told) == _NUMBER.size, f"{self.args} was not started"
        number: int = _NUMBER.unpack(told)[0]
        return number

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once it has ended; that of a signal is negative."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = self._number()
            os.close(self._told)
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit code if it has ended."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return what it wrote, once it has ended."""
        self.wait(timeout)
        for said in self._said:
            said.seek(0)
            self._read.append(said.read())
            said.close()
        self._said = []
        out, err = self._read or ("", "")
        return out, err

    def send_signal(self, number: int) -> None:
        """Send it a signal if it has not ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it if it has not ended."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.communicate()


@cache
def _server() -> socket.socket:
    """Start the process that forks the others; it ends with this one."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, __file__, str(theirs.fileno())]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env={**os.environ, "PYTHONPATH": path})
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


# -- in the process that forks --------------------------------------------------------------------------------------------


def serve(connection: socket.socket) -> list[str]:
    """Fork what is asked for; returns, in a process that was forked, the words that it was asked to run."""
    while True:
        size = connection.recv(_NUMBER.size, socket.MSG_WAITALL)
        if not size:
            os._exit(0)
        first, streams, _, _ = socket.recv_fds(connection, 1, 4)
        data = first + connection.recv(_NUMBER.unpack(size)[0] - 1, socket.MSG_WAITALL)
        asked = json.loads(data)
        for name in asked["imports"]:
            importlib.import_module(name)
        gc.freeze()  # the end of a process does not go through what it never used
        if os.fork() == 0:
            connection.close()
            return _forked(asked, streams)
        for descriptor in streams:
            os.close(descriptor)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _forked(asked: dict[str, Any], streams: list[int]) -> list[str]:
    """Be what was asked for; a process between waits for it, and tells how it ended."""
    told = streams.pop()
    child = os.fork()
    if child:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        for descriptor in streams:
            os.close(descriptor)
        os.write(told, _NUMBER.pack(child))
        os.write(told, _NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
        os._exit(0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for other in (signal.SIGHUP, signal.SIGTERM):  # whoever runs the tests may have them ignored
        signal.signal(other, signal.SIG_DFL)
    if asked["leads"]:
        os.setsid()
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    os.closerange(3, 256)
    if asked["leads"]:
        import fcntl
        import termios

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["folder"])
    sys.path[:0] = [entry for entry in asked["env"].get("PYTHONPATH", "").split(os.pathsep) if entry not in sys.path]
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(0, closefd=False),
        os.fdopen(1, "w", buffering=1 if os.isatty(1) else -1, closefd=False),
        os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False),
    )
    return asked["words"]


if __name__ == "__main__":
    module, *sys.argv[1:] = serve(socket.socket(fileno=int(sys.argv[1])))
    sys.argv[0] = module
    runpy.run_module(module, run_name="__main__", alter_sys=True)
