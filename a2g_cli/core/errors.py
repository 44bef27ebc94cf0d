"""The errors that a user sees: what is wrong, what was expected, what to do. Each class has an exit code (``a2g --help``)."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

LONGEST = 1000
"""Longest message [characters]."""
NEAR = 0.6
"""Least similarity of two names (``difflib``) of which one may be a typing error of the other. At 0.5, "write" is offered for
"kitchen"."""


class A2GError(Exception):
    """A failure that one sentence explains. Exit code 1.

    A message may quote untrusted files, so it is cut after ``LONGEST`` characters.
    """

    exit_code: ClassVar[int] = 1

    document: Mapping[str, Any] = MappingProxyType({})
    """Results that ``--json`` reports beside the error."""

    lines: Sequence[Any] = ()
    """The same results as lines of text, printed before the error."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message if len(message) <= LONGEST else f"{message[: LONGEST - 1]}…")


class UsageError(A2GError):
    """A command with arguments that do not exist or do not fit. Exit code 2."""

    exit_code = 2


class UnknownNameError(UsageError):
    """An unknown name; the message offers the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = sorted(known)
        self._asked = (kind, name, names, hint)
        near = difflib.get_close_matches(name, names, n=3, cutoff=NEAR)
        near = near or [one for one in names if sorted(one) == sorted(name)][:3]  # swapped letters: tyni
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
    """Weights that are missing, damaged, or do not fit the robot or the base."""


class GoalError(UsageError):
    """A goal photo that is missing, damaged, or does not fit the robot's cameras."""


class RecordingError(A2GError):
    """A recording that is missing, damaged, or not a recording."""


class SessionExistsError(UsageError):
    """A new session with a name that exists."""


class BusyError(A2GError):
    """Another program holds a lock of the workspace."""

    def __init__(self, path: Path, owner: str) -> None:
        self._asked = (path, owner)
        super().__init__(f"{path} is locked by {owner}: wait until it has ended, or end it.")

    def __reduce__(self) -> tuple[Any, ...]:
        """Cross to another process as what was asked: exceptions are otherwise rebuilt from their message alone."""
        return type(self), self._asked


class PluginError(A2GError):
    """A plugin that cannot be imported, or that does not do what its kind must do. Exit code 1."""


class HardwareError(A2GError):
    """A robot, camera or graphics driver that fails. Exit code 3."""

    exit_code = 3


class SafetyStop(A2GError):  # noqa: N818 - the field's word; it is not a defect of the program
    """A guard stopped the robot. Exit code 4."""

    exit_code = 4

    def __init__(self, message: str, cause: str = "safety-stop") -> None:
        super().__init__(message)
        self.cause = cause
        """The guard's name, for the recording; ``"safety-stop"`` for a driver's own."""


class GoalNotReached(A2GError):  # noqa: N818 - an outcome, not a defect
    """The episodes ended without reaching the goal. Exit code 5."""

    exit_code = 5


@contextmanager
def noted(error: BaseException, what: str) -> Iterator[None]:
    """Clean up after ``error``: an error in the block becomes a note on ``error`` instead of replacing it.

    An error with the same text as ``error`` is not noted, such as that of a robot that cannot rest for the second time.
    """
    try:
        yield
    except Exception as another:
        if str(another) != str(error) or type(another) is not type(error):
            error.add_note(f"{what}: {another or type(another).__name__}")


class Closable(Protocol):
    """Anything with ``close``."""

    def close(self) -> None:
        """Release its resources."""


@contextmanager
def closed(thing: Closable, what: str) -> Iterator[None]:
    """Close ``thing`` at the end. If the block failed, an error of ``close`` becomes a note on it; otherwise it is raised."""
    try:
        yield
    except BaseException as error:
        with noted(error, what):
            thing.close()
        raise
    thing.close()
