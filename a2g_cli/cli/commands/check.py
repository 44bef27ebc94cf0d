"""One line of ``a2g doctor``: what was looked at, what is so, and what to do where it is not well."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "note", "fail"]
"""``note``: something optional is missing."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: State
    detail: str
    """What is so."""
    advice: str = ""
    """What to do about it; empty where nothing is to be done."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        return asdict(self)
