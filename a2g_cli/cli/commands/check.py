"""One result of ``a2g doctor``."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "note", "fail"]
"""``note``: something optional is missing."""


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    name: str
    state: State
    detail: str
    """What was found."""
    advice: str = ""
    """What to do about it; empty if nothing is wrong."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        return asdict(self)
