"""What a report says of the program and the machine that ran: versions, cores, memory."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from a2g_cli import __version__

LIBRARIES = ("torch", "mujoco", "numpy", "peft")
"""Those on which results depend."""


def about(command: str) -> dict[str, Any]:
    """Return what is known of this run, JSON-able; ``command`` is what was typed."""
    memory = psutil.virtual_memory().total / 2**30
    return {
        "command": command,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "a2g": __version__,
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.release()}, {platform.machine()}, {_cores()}, {memory:.0f} GiB of memory",
    }


def about_facts(kept: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what ``about`` kept as (what, words). What a file holds of another kind is left out."""
    libraries = kept.get("libraries")
    versions = [f"a2g {kept['a2g']}"] if isinstance(kept.get("a2g"), str) else []
    versions += [f"Python {kept['python']}"] if isinstance(kept.get("python"), str) else []
    versions += [f"{name} {number}" for name, number in libraries.items()] if isinstance(libraries, dict) else []
    facts = [(what, kept.get(what)) for what in ("command", "started", "machine")]
    return [
        *((what, words) for what, words in facts if isinstance(words, str) and words),
        *([("versions", ", ".join(versions))] if versions else []),
    ]


def _cores() -> str:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{count} core{'s' if count > 1 else ''}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
