"""What a command has to say: one JSON document for machines, the same for people."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


@dataclass(frozen=True)
class Report:
    """The result of a command; goes to stdout."""

    document: dict[str, Any]
    """JSON-able; printed with ``--json``."""
    lines: "Sequence[RenderableType]" = field(default_factory=list)
    """Printed without ``--json``."""
    exit_code: int = 0
