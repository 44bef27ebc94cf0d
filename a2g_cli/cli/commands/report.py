"""The result of a command: a JSON document for machines, and lines for people."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from a2g_cli.core.errors import A2GError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


@dataclass(frozen=True)
class Report:
    """The result of a command; printed to stdout."""

    document: dict[str, Any]
    """JSON-able; printed with ``--json``."""
    lines: "Sequence[RenderableType]" = field(default_factory=list)
    """Printed without ``--json``."""
    exit_code: int = 0


@dataclass
class Finished:
    """Holds a command's report once its work is done."""

    report: Report | None = None


@contextmanager
def reported() -> Iterator[Finished]:
    """Keep the report if something fails after the work is done, e.g. closing a robot.

    Raises:
        A2GError: from the body; it carries the report, if there is one.
    """
    finished = Finished()
    try:
        yield finished
    except A2GError as error:
        if finished.report is not None:
            error.document, error.lines = finished.report.document, finished.report.lines
        raise
