"""What version 0.1 wrote opens, acts as it did, and goes on; what was typed then is understood, or answered by the new word.

Everything goes through the command line, so that no module's name matters. The files are version 0.1's own, see
``tests/data/make_version_0_1.py``; nothing here may be made again to please a later version.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import version_0_1_examples as asking
from cli_examples import a2g

ANSWERS: dict[str, Any] = json.loads((asking.DATA / "answers.json").read_text())
OPTIONS: dict[str, Any] = json.loads((asking.DATA / "options.json").read_text())
SHIFTS = ("none", "camera-bump", "remounted", "new-object", "relit", "weak-motors", "other-bench")
NOWHERE = "not-there"
TYPED = [
    *(("capture-goal", "new", "--seed", 1, "--overwrite", "--shift", f"{shift}:0.5") for shift in SHIFTS[1:]),
    *(("run", "drawn", "--steps", 1, "--adapter", name) for name in ("none", "random", "still")),
    *(("run", NOWHERE, "--reset", way) for way in ("own", "home", "cycle", "prompt")),
    *(("run", NOWHERE, "--judge", who) for who in ("auto", "truth", "policy", "distance", "person", "none")),
    *(("improve", "--base", NOWHERE, "--goals-from", source) for source in ("scene", "recordings", "imagined")),
    *(("improve", "--base", NOWHERE, "--curriculum", how) for how in ("none", "progress")),
    *(("adapt", NOWHERE, "--relabel", rule) for rule in ("final", "future", "successor")),
    *(("adapt", NOWHERE, "--keep", which) for which in ("arrived", "all", "failed")),
    *(("adapt", NOWHERE, "--method", kind) for kind in ("lora", "dora", "full")),
    *(("adapt", NOWHERE, "--placement", where) for where in ("all", "expert", "world-model")),
    *(("adapt", NOWHERE, "--calibrate", how) for how in ("apply", "teach", "off")),
    *(("pretrain", NOWHERE, "--preset", name) for name in ("tiny", "small", "micro", "flat", "cloning", "regressing")),
    *(("pretrain", NOWHERE, "--spacing", rule) for rule in ("printed", "mirrored")),
]
"""Each value that an option of version 0.1 takes; what is wrong with the rest is said only after it was understood."""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return asking.unpack(tmp_path / "workspace")


def same(part: str, answer: Any) -> None:
    assert asking.differences(ANSWERS[part], json.loads(json.dumps(answer)), part) == []


def recordings(workspace: Path) -> dict[str, bytes]:
    """Every recording, and what else may never be changed by looking or by going on."""
    found = asking.contents(workspace)
    kept = (".hdf5", ".partial", ".png", "goal.json", "adapter_model.safetensors", "adapter_config.json")
    return {name: one for name, one in found.items() if name.endswith(kept) and not name.endswith("session.hdf5")}


def unchanged(before: dict[str, bytes], workspace: Path) -> None:
    now = asking.contents(workspace)
    assert [name for name, one in before.items() if now.get(name) != one] == []


def test_it_opens_and_looking_changes_nothing(workspace: Path) -> None:
    before = {name: one for name, one in asking.contents(workspace).items() if not name.endswith("index.json")}
    same("looked at", asking.looked_at(workspace))
    unchanged(before, workspace)
    assert a2g(workspace, "replay", "monday/episode-0001", "--video", workspace / "seen.gif").exit_code == 0
    assert (workspace / "seen.gif").stat().st_size > 1000


def test_it_is_mended_and_tidied_up(workspace: Path) -> None:
    partial = workspace / "recordings/sessions/monday/episode-0007.hdf5.partial"
    content = partial.read_bytes()
    same("changed", asking.changed(workspace))
    assert partial.read_bytes() == content


@pytest.mark.parametrize(("adapter", "where"), asking.ACTING)
def test_it_acts_as_it_did(workspace: Path, adapter: str, where: str) -> None:
    did = ANSWERS["acted"][f"{adapter} {where}"]
    np.testing.assert_allclose(asking.acted(workspace, adapter, where), did, rtol=0, atol=1e-4)


def test_it_is_learned_from_and_its_adapters_are_parents(workspace: Path) -> None:
    before = recordings(workspace)
    answer = asking.adapted(workspace)
    did = ANSWERS["adapted"]
    assert asking.differences(did["adapt"], answer["adapt"]) == []
    np.testing.assert_allclose(answer["actions"], did["actions"], rtol=0, atol=1e-3)
    unchanged(before, workspace)


@pytest.mark.parametrize("session", ["rehearsed", "explored"])
def test_an_improvement_run_that_was_killed_goes_on(workspace: Path, session: str) -> None:
    before = recordings(workspace)
    same(session, asking.resumed(workspace, session))
    unchanged(before, workspace)


def test_a_pretraining_that_was_stopped_goes_on(workspace: Path) -> None:
    before = recordings(workspace)
    cache = workspace / "training" / "run" / "latents.safetensors"
    latents = cache.stat().st_mtime_ns
    answer, did = asking.pretrained(workspace), ANSWERS["pretrained"]
    assert cache.stat().st_mtime_ns == latents, "what was encoded is not encoded again"
    for one in (answer, did):
        del one["pretrain"]["document"][asking.KEYS.get("hash", "hash") if one is answer else "hash"]
    assert asking.differences(did["pretrain"], answer["pretrain"]) == []
    np.testing.assert_allclose(answer["weights"], did["weights"], rtol=2e-3, atol=1e-4)
    unchanged(before, workspace)


def test_a_pretraining_with_other_settings_is_another_one(workspace: Path) -> None:
    words = (*asking.RUN[:-1], 8, "--out", workspace / "training" / "run")
    code, document = asking.asked(workspace, "pretrain", "demonstrations", *words)
    assert (code, "batch" in document["error"]["message"]) == (2, True)


def test_every_key_of_its_a2g_toml_is_known(workspace: Path) -> None:
    codes = asking.understood(workspace)
    assert codes.keys() == ANSWERS["understood"].keys()
    assert codes["sim.toml"] == 0
    assert set(codes.values()) <= {0, 3}, "nothing but hardware is missing"


@pytest.mark.parametrize("command", OPTIONS)
def test_each_option_is_there_or_answered_by_its_new_name(tmp_path: Path, command: str) -> None:
    if command not in asking.commands():
        result = a2g(tmp_path, *command.split(), "--json")
        message = json.loads(result.stdout)["error"]["message"]
        assert result.exit_code == 2
        assert any(name and f"a2g {name}" in message for name in asking.commands()), message
        return
    today = asking.options(asking.commands()[command])
    for option, takes in OPTIONS[command]["options"].items():
        if option in today:
            assert ("nothing" if today[option].is_flag else "value") == takes, option
        else:
            asking.new_name(command, option)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return asking.unpack(tmp_path_factory.mktemp("typed"))


@pytest.mark.parametrize("words", TYPED, ids=lambda words: " ".join(map(str, words)))
def test_each_value_is_understood_or_answered_by_its_new_name(shared: Path, words: tuple[object, ...]) -> None:
    command, *_, option, value = words
    base = ("--base", shared / "base") if command == "run" else ()
    known = asking.options(asking.commands()[str(command)])
    typed = [
        word if not str(word).startswith("--") or word in known else asking.new_name(str(command), str(word))
        for word in (*words, *base)
    ]
    result = a2g(shared, *typed, "--json")
    message = json.loads(result.stdout).get("error", {}).get("message", "")
    today = asking.said_today(str(option), str(value))
    if today == value:
        assert result.exit_code in {0, 5} or NOWHERE in message, message
    else:
        assert result.exit_code == 2
        assert today.partition(":")[0] in message
