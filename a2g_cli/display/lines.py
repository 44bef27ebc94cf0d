"""Text and numbers, formatted for one line."""

import math
from collections.abc import Mapping

from rich.console import Console
from rich.text import Text


def printable(text: str) -> str:
    """Return ``text`` on one line: control characters from file names and goals never reach the terminal."""
    return "".join(c if c.isprintable() else " " if c in "\t\n\r" else "�" for c in text)


def say(console: Console, text: str, style: str = "") -> None:
    """Print ``text`` as one line, without markup."""
    console.print(Text(printable(text), style=style), soft_wrap=True)


def duration(seconds: float) -> str:
    """Return ``seconds`` formatted for people: ``0.4 s``, ``42 s``, ``3:05``, ``1:02:07``."""
    if not math.isfinite(seconds):
        return "-"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def estimate(count: float) -> str:
    """Return an estimate of steps, as in ``12.3``, or a dash if there is none."""
    return f"{count:.1f}" if math.isfinite(count) else "-"


def losses_line(losses: Mapping[str, float]) -> str:
    """Return ``losses`` as ``flow 0.1234  steps 0.05678``."""
    return "  ".join(f"{printable(name)} {value:.4g}" for name, value in losses.items())
