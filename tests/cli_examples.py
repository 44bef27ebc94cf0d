"""Small workspaces for tests of the command line, and a way to call it without starting a process."""

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from a2g_cli.adapters.files import CONFIG, LINEAGE, WEIGHTS
from a2g_cli.cli.app import app
from a2g_cli.core.types import Episode, Outcome, Provenance
from a2g_cli.data.recording.writer import RecordingWriter, write_episode
from a2g_cli.robots.base import RobotSpec
from a2g_cli.robots.sim import SimRobot

STEPS = 5
PROVENANCE = Provenance("sim:place", "act2goal", "lighting:1", "b" * 16, "a" * 16, "adapter-001", 7)


def a2g(workspace: Path, *words: object, answer: str | None = None) -> Result:
    """Call ``a2g words... --workspace workspace`` in this process."""
    return CliRunner().invoke(app, [*map(str, words), "--workspace", str(workspace)], input=answer)


def ask(workspace: Path, *words: object, code: int = 0) -> dict[str, Any]:
    """Call it with ``--json``; return stdout, which has to be one JSON document, after checking the exit code."""
    result = a2g(workspace, *words, "--json")
    assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr, result.exception)
    document: dict[str, Any] = json.loads(result.stdout)
    assert "Traceback" not in result.stderr
    return document


def refused(workspace: Path, *words: object, code: int = 2) -> str:
    """Call it with ``--json``; return the message of the error that it has to end with."""
    error = ask(workspace, *words, code=code)["error"]
    assert error["exit_code"] == code
    message: str = error["message"]
    assert "\n" not in message
    return message


@cache
def _episode() -> tuple[RobotSpec, Episode]:
    robot = SimRobot()
    robot.connect()
    trial = robot.trial("practice", 3, 0)
    robot.begin(trial.start)
    episode = Episode(trial.goal, PROVENANCE, [robot.observe()], outcome=Outcome(False, "truth", "steps", 31.5))
    for step in range(STEPS):
        action = np.array([0.02, 0.01 * step, 0.0, 1.0], np.float32)
        episode.append(action, robot.act(action), robot.observe())
    robot.close()
    return robot.spec, episode


@cache
def _recording() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="a2g-recording-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    spec, episode = _episode()
    return write_episode(folder / "episode-0000.hdf5", spec, episode)


def record(workspace: Path, name: str = "monday/episode-0000") -> Path:
    """Put a recording of five steps on the simulator into ``workspace``."""
    path = workspace / "recordings" / "sessions" / f"{name}.hdf5"
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_recording(), path)
    return path


def cut_off(workspace: Path, name: str = "monday/episode-0007", steps: int = 3) -> Path:
    """Put an episode whose writer died after ``steps`` steps into ``workspace``, and return the ``.partial``."""
    spec, episode = _episode()
    path = workspace / "recordings" / "sessions" / f"{name}.hdf5"
    writer = RecordingWriter(path, spec, episode.goal, episode.provenance, episode.observations[0])
    for index in range(steps):
        writer.append(episode.requested[index], episode.sent[index], episode.observations[index + 1])
    writer.abandon()
    return writer.partial


def shelve(workspace: Path, name: str, base: str = "0123456789abcdef", **lineage: object) -> Path:
    """Put a small adapter into ``workspace``."""
    folder = workspace / "adapters" / name
    folder.mkdir(parents=True)
    save_file({"base_model.model.x.lora_A.weight": torch.zeros(2, 4)}, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 4}))
    made = {"a2g_adapter": 1, "base": base, "parent": None, "recordings": ["monday/episode-0000"], "promotion": None}
    (folder / LINEAGE).write_text(json.dumps(made | {"created_at": "2026-01-01T00:00:00+00:00"} | lineage))
    return folder
