"""Commands of a2g as benchmarks run them: as a user types them, each in a process of its own."""

import json
import subprocess
import sys
from typing import Any


def a2g(*words: object) -> dict[str, Any]:
    """Run a command with --json and return its document. Raises SystemExit with its error."""
    command = [sys.executable, "-m", "a2g_cli", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def world(name: str) -> list[str]:
    """Return the options that choose a world: a scene of the simulator, or a robot where the name has a colon."""
    return ["--robot" if ":" in name else "--scene", name]
