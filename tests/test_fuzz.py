"""Readers of files from elsewhere, fuzzed: some hundred cases here, ten thousand by ``python tests/fuzzing.py``.

The fuzzer itself is tried on readers that do what none may do.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import fuzzing
import pytest
from fuzz_targets import TARGETS, Target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from a2g_cli.adapters import files
from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.core.errors import A2GError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.formats import lerobot_read
from a2g_cli.data.goals import load_goal
from a2g_cli.data.recording import schema, storage
from a2g_cli.models import checkpoint

CASES = int(os.environ.get("A2G_FUZZ_CASES", "150"))
"""Of all readers together; the environment may ask for more."""


def installed(target: Target) -> bool:
    if target.name != "rerun":
        return True
    try:
        import rerun.chunk  # noqa: F401
    except ImportError:
        return False
    return True


def test_nothing_escapes() -> None:
    names = [target.name for target in TARGETS if installed(target)]
    result = fuzzing.fuzz(names, max(1, CASES // len(names)), seed=os.environ.get("A2G_FUZZ_SEED", "test"))
    assert result.escapes == []
    assert result.cases.total() >= CASES - len(names)
    # Were every case refused at the door, or none spoiled, nothing would have been tried.
    assert result.refused.total() > CASES // 4
    assert result.clean.total() > CASES // 20


BAD = """
from a2g_cli.core.errors import A2GError
from fuzz_worker import Target

def crash(folder):
    import os, signal
    os.kill(os.getpid(), signal.SIGSEGV)

def hang(folder):
    import time
    time.sleep(3600)

def take(folder):
    try:
        bytearray(1 << 40)
    except MemoryError as error:
        raise A2GError("no memory") from error

def fail(folder):
    raise KeyError("x")

def leave(folder):
    (folder.parent / "escaped").write_text("x")

def peek(folder):
    open("/etc/hostname").close()

def unpickle(folder):
    import pickle
    pickle.loads(b"cbuiltins\\nprint\\n.")

def start(folder):
    import subprocess
    subprocess.run(["true"])

def wait(folder):
    (folder / "a").read_bytes()
    open(folder.parent / "trap.hdf5").close()

def sound(folder):
    (folder / "a").read_bytes()

def only_spoiled(reader):
    return lambda folder: reader(folder) if (folder / "a").read_bytes() != b"sound" else None

TARGETS = tuple(
    Target(one.__name__, lambda folder: (folder / "a").write_bytes(b"sound"), only_spoiled(one))
    for one in (crash, hang, take, fail, leave, peek, unpickle, start, wait, sound)
)
"""


def test_the_fuzzer_sees_what_must_not_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fuzz_targets.py").write_text(BAD)
    # A module that Python imports by itself: the worker's readers are these.
    (tmp_path / "sitecustomize.py").write_text("import fuzz_targets\n")
    monkeypatch.setattr(fuzzing, "HANG", 1)
    names = ["crash", "hang", "take", "fail", "leave", "peek", "unpickle", "start", "wait", "sound"]
    result = fuzzing.fuzz(names, 1, "0", {"PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(__file__).parent}"})
    assert result.cases.total() == len(names)
    told: dict[str, Any] = {one["target"]: one["verdict"] for one in result.escapes}
    expected = {
        "crash": "ended with -11",
        "hang": "hang",
        "take": "more memory than there is",
        "fail": "KeyError",
        "leave": "escaped",
        "peek": "/etc/hostname",
        "unpickle": "pickle.find_class",
        "start": "subprocess.Popen",
        "wait": "hang",
    }
    assert set(told) == set(expected)
    assert {name: part for name, part in expected.items() if part not in told[name]} == {}


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def document(*names: str) -> st.SearchStrategy[str]:
    """A JSON object that has some of ``names``, whatever stands there."""
    known = st.fixed_dictionaries({}, optional=dict.fromkeys(names, ANYTHING))
    return st.one_of(known, known, ANYTHING).map(json.dumps) | st.text(max_size=40)


QUIET = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SPEC = document("name", "actions", "rate_hz", "proprioception", "cameras")


@pytest.mark.parametrize(
    ("read", "texts"),
    [
        (schema.spec_from_json, SPEC),
        (lambda text: schema.goal_from_json(text, {}), document("name", "source", "truth")),
        (schema.provenance_from_json, document("robot", "policy", "shift", "base", "adapter", "seed", "settings")),
        (schema.outcome_from_json, document("success", "judge", "stopped_by", "steps_to_go")),
    ],
)
def test_any_json_in_a_recording_is_read_or_told_apart(read: Any, texts: st.SearchStrategy[str]) -> None:
    @QUIET
    @given(texts)
    def holds(text: str) -> None:
        # Which `storage.reading` turns into one line.
        with suppress(KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
            read(text)

    holds()


def _put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="replace")
    return path


def _read_lerobot(root: Path) -> None:
    with storage.reading(root):
        for one in lerobot_read.read(root):
            one.load()


@pytest.mark.parametrize(
    ("name", "texts", "read"),
    [
        (
            "recordings/goals/cup/goal.json",
            document("a2g_goal", "name", "source", "truth", "fingerprint", "cameras"),
            lambda root: load_goal(Workspace(root), "cup"),
        ),
        ("adapters/active.json", document("history"), lambda root: AdapterRegistry(Workspace(root)).active()),
        ("adapter_config.json", document("peft_type", "r", "lora_alpha", "bias", "init_lora_weights"), files.read),
        ("lineage.json", document("base", "parent", "recordings"), files.read),
        ("config.json", document("a2g_checkpoint", "policy", "facts"), checkpoint.arrived_below),
        (
            "meta/info.json",
            document("codebase_version", "features", "fps", "data_path", "video_path", "robot_type"),
            _read_lerobot,
        ),
        ("a2g.toml", st.text(max_size=60), lambda root: Workspace(root).settings()),
    ],
)
def test_any_json_in_a_folder_is_read_or_refused(
    tmp_path: Path, name: str, texts: st.SearchStrategy[str], read: Any
) -> None:
    sound = {"adapter_config.json": '{"peft_type": "LORA", "r": 2, "lora_alpha": 4}', "lineage.json": '{"base": "0"}'}
    for other, text in sound.items():
        _put(tmp_path / other, text)

    @QUIET
    @given(texts)
    def holds(text: str) -> None:
        _put(tmp_path / name, text)
        with suppress(A2GError):
            read(tmp_path)

    holds()
