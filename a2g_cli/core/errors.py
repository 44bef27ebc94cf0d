"""The errors that a person may see: what is wrong, what was expected, what to do.

Every class carries the exit code of the command that it ends (see ``a2g --help``).
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

LONGEST = 1000
"""Letters of a message."""


class A2GError(Exception):
    """Something failed in a way that can be explained in a sentence. Exit code 1.

    A message may quote a file from elsewhere, and so be of any length: what is beyond ``LONGEST`` letters is left out.
    """

    exit_code: ClassVar[int] = 1

    document: Mapping[str, Any] = MappingProxyType({})
    """What there is to report all the same, beside the error, with ``--json``."""

    lines: Sequence[Any] = ()
    """The same for people; printed before the error."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message if len(message) <= LONGEST else f"{message[: LONGEST - 1]}…")


class UsageError(A2GError):
    """The command was asked for something that does not exist or does not fit. Exit code 2."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that is not known; the nearest ones are offered."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = sorted(known)
        self._asked = (kind, name, names, hint)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        if near:
            offer = f"did you mean {' or '.join(near)}?"
        elif names:
            offer = f"known: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}."
        else:
            offer = f"there is no {kind} yet."
        super().__init__(f"unknown {kind} {name!r}: {offer}{' ' + hint if hint else ''}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Cross to another process as what was asked: exceptions are otherwise rebuilt from their message alone."""
        return type(self), self._asked


class CheckpointError(UsageError):
    """Weights that do not exist, are damaged, or do not fit the robot or the base."""


class GoalError(UsageError):
    """A goal image that is missing, damaged, or does not fit the robot's cameras."""


class RecordingError(A2GError):
    """A recording that is missing, truncated, or not a recording at all."""


class SessionExistsError(UsageError):
    """A session is to be made under a name that is taken."""


class BusyError(A2GError):
    """Something of the workspace is in the hands of another program."""

    def __init__(self, path: Path, owner: str) -> None:
        self._asked = (path, owner)
        super().__init__(f"{path} is held by {owner}: wait until it has ended, or end it.")

    def __reduce__(self) -> tuple[Any, ...]:
        """Cross to another process as what was asked: exceptions are otherwise rebuilt from their message alone."""
        return type(self), self._asked


class HardwareError(A2GError):
    """A robot, camera or graphics driver that does not answer as it must. Exit code 3."""

    exit_code = 3


class SafetyStop(A2GError):  # noqa: N818 - the field's word; it is not a defect of the program
    """A guard stopped the robot. Exit code 4."""

    exit_code = 4

    def __init__(self, message: str, cause: str = "safety-stop") -> None:
        super().__init__(message)
        self.cause = cause
        """The guard's name, which the recording keeps; a driver's own guard needs none."""


class GoalNotReached(A2GError):  # noqa: N818 - an outcome, not a defect
    """The episodes ended without reaching the goal. Exit code 5."""

    exit_code = 5


@contextmanager
def noted(error: BaseException, what: str) -> Iterator[None]:
    """Do something because of ``error``: what fails there becomes a note on ``error``, and never hides it.

    What says the same as ``error`` itself, such as a robot that cannot rest and is asked to again, is not said twice.
    """
    try:
        yield
    except Exception as another:
        if str(another) != str(error) or type(another) is not type(error):
            error.add_note(f"{what}: {another or type(another).__name__}")


class Closable(Protocol):
    """Whatever is closed at the end."""

    def close(self) -> None:
        """Let go."""


@contextmanager
def closed(thing: Closable, what: str) -> Iterator[None]:
    """Close ``thing`` at the end. Where something failed before, a failing ``close`` is a note on that; else it is raised."""
    try:
        yield
    except BaseException as error:
        with noted(error, what):
            thing.close()
        raise
    thing.close()
