"""``a2g recordings export`` and ``import`` as a user types them, and ``a2g pretrain`` on what came from elsewhere."""

import re
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from cli_examples import a2g, ask, record, refused
from exchange_examples import aloha_file, robomimic_file

from a2g_cli.data.recording.reader import Recording, read_episode
from a2g_cli.data.recording.sessions import Session
from a2g_cli.data.recording.writer import write_episode
from a2g_cli.models import checkpoint


@pytest.mark.parametrize(("form", "out"), [("robomimic", "all.hdf5"), ("lerobot", "set"), ("aloha", "set")])
def test_out_and_in_again(tmp_path: Path, form: str, out: str) -> None:
    record(tmp_path)
    record(tmp_path, "monday/episode-0001")
    told = ask(tmp_path, "recordings", "export", "monday", "--format", form, "--out", tmp_path / out, "--lossless")
    assert (told["recordings"], told["format"]) == (2, form)
    assert told["bytes"] > 1000
    assert told["not_carried"]
    brought = ask(tmp_path, "recordings", "import", tmp_path / out, "--session", "back")
    assert (brought["format"], brought["session"], brought["recordings"], brought["steps"]) == (form, "back", 2, 10)
    verified = ask(tmp_path, "recordings", "verify", "back")
    assert verified["damaged"] == 0
    assert len(verified["duplicates"]) == 1, "the two that went out were one and the same episode"
    again = a2g(tmp_path, "recordings", "import", tmp_path / out, "--session", "back")
    assert again.exit_code == 2
    assert "exists" in again.stderr


def test_what_was_not_known_is_said(tmp_path: Path) -> None:
    aloha_file(tmp_path / "episode_0.hdf5")
    result = a2g(tmp_path, "recordings", "import", tmp_path / "episode_0.hdf5", "--resize", "24x8")
    assert result.exit_code == 0, result.stderr
    assert "in the session imported-episode_0, from aloha" in result.stdout
    assert "ALOHA has no times: they are counted at 50 Hz" in result.stdout
    assert "next: a2g pretrain imported-episode_0" in result.stdout
    (path,) = Session(tmp_path / "recordings" / "sessions" / "imported-episode_0").recordings()
    with Recording(path) as recording:
        assert recording.spec.cameras == {"cam_high": (8, 24), "cam_low": (8, 24)}


@pytest.mark.parametrize(("form", "out"), [("robomimic", "all.hdf5"), ("aloha", "set"), ("rerun", "set.rrd")])
@pytest.mark.parametrize("words", [("--cameras", "front"), ("--columns", "qpos")], ids=str)
def test_an_own_export_comes_back_whole_and_says_so(
    tmp_path: Path, form: str, out: str, words: tuple[str, ...]
) -> None:
    record(tmp_path)
    ask(tmp_path, "recordings", "export", "monday", "--format", form, "--out", tmp_path / out)
    assert "imported whole" in refused(tmp_path, "recordings", "import", tmp_path / out, *words)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("export", "monday", "--format", "robomimc", "--out", "x.hdf5"), "did you mean robomimic"),
        (("export", "monday", "--format", "robomimic", "--out", "x"), "must end in .hdf5"),
        (("export", "tuesday", "--format", "aloha", "--out", "x"), "unknown session 'tuesday'"),
        (("import", "nowhere"), "does not exist"),
        (("import", "lift.hdf5", "--session", "../up"), "cannot name a session"),
        (("import", "lift.hdf5", "--session", "latest"), "stands for the newest"),
        (("import", "lift.hdf5", "--resize", "wide"), "expected WIDTHxHEIGHT"),
        (("import", "lift.hdf5", "--flip", "upside"), "known: columns, rows, turn"),
        (("import", "lift.hdf5", "--cameras", ""), "--cameras '' names nothing"),
        (("import", "lift.hdf5", "--columns", " , "), "--columns ' , ' names nothing"),
    ],
)
def test_bad_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], part: str) -> None:
    monkeypatch.chdir(tmp_path)
    record(tmp_path)
    robomimic_file(tmp_path / "lift.hdf5")
    assert part in refused(tmp_path, "recordings", *words)


QUICK = ("--preset", "micro", "--iterations", 4, "--batch", 4, "--autoencoder-iterations", 2)


@pytest.mark.parametrize("form", ["robomimic", "lerobot"])
def test_a_base_from_a_folder_of_demonstrations_made_elsewhere(tmp_path: Path, form: str) -> None:
    demonstrations = tmp_path / "demonstrations"
    if form == "robomimic":
        demonstrations.mkdir()
        for name in ("lift", "stack"):
            robomimic_file(demonstrations / f"{name}.hdf5", lengths=(8, 7))
    else:
        record(tmp_path / "there")
        record(tmp_path / "there", "monday/episode-0001")
        words = ("monday", "--format", "lerobot", "--out", demonstrations)
        ask(tmp_path / "there", "recordings", "export", *words)
        shutil.rmtree(demonstrations / "meta" / "a2g")  # as LeRobot's own recorder leaves it
    words = ("pretrain", demonstrations, "--resize", "32x32", *QUICK, "--out", tmp_path / "run")
    document = ask(tmp_path, *words)
    ((session, count),) = document["data"].items()
    assert session.startswith("imported-demonstrations-")
    assert count == (4 if form == "robomimic" else 2)
    config, facts = checkpoint.read_config(tmp_path / "run" / "checkpoint")
    assert (config.height, config.width) == (32, 32)
    assert config.cameras == (("agentview",) if form == "robomimic" else ("front",))
    assert facts["data"] == document["data"]
    # The same command goes on, which it does only with the very same recordings; by its session's name as well.
    assert ask(tmp_path, *words)["hash"] == document["hash"]
    if form == "robomimic":
        named = ("pretrain", session, "--resize", "32x32", *QUICK, "--out", tmp_path / "run")
        assert ask(tmp_path, *named)["hash"] == document["hash"]


def _spoiled(workspace: Path, name: str) -> None:
    """Put a recording with one NaN in it into ``workspace``, as an import left it that did not look."""
    path = record(workspace, name)
    made = read_episode(path)
    with Recording(path) as recording:
        spec = recording.spec
    made.observations[2].proprioception[1] = np.nan
    path.unlink()
    write_episode(path, spec, made)


def test_what_cannot_be_learned_from_is_found_before_any_training(tmp_path: Path) -> None:
    record(tmp_path, "monday/episode-0000")
    record(tmp_path, "monday/episode-0001")
    _spoiled(tmp_path, "monday/episode-0002")
    out = tmp_path / "run"
    words = ("pretrain", "monday", *QUICK, "--out", out)
    told = refused(tmp_path, *words, code=1)
    assert told.startswith("monday/episode-0002 cannot be learned from: proprioception: 1 of ")
    assert told.endswith("`--skip-bad` leaves such recordings out.")
    assert not out.exists()
    assert "monday/episode-0002 cannot be learned" in refused(tmp_path, "adapt", "monday", code=1)
    assert not list((tmp_path / "adapters").glob("adapter-*"))
    assert ask(tmp_path, "recordings", "verify", "monday", code=1)["damaged"] == 1
    document = ask(tmp_path, *words, "--skip-bad")
    assert document["recordings"] == 2
    assert list(document["skipped"]) == ["monday/episode-0002"]
    for number in range(2):
        _spoiled(tmp_path, f"tuesday/episode-000{number}")
    told = refused(tmp_path, "pretrain", "tuesday", *QUICK, "--out", tmp_path / "none", "--skip-bad", code=1)
    assert told.endswith("2 of 2 recordings have such errors. There are no other recordings.")


def test_bad_episodes_of_other_programs_are_left_out_of_a_training(tmp_path: Path) -> None:
    robomimic_file(tmp_path / "lift.hdf5", lengths=(8, 7, 6))
    with h5py.File(tmp_path / "lift.hdf5", "r+") as file:
        file["data/demo_1/actions"][3, 0] = np.nan
    words = ("pretrain", tmp_path / "lift.hdf5", "--resize", "32x32", *QUICK, "--out", tmp_path / "run")
    told = refused(tmp_path, *words, code=1)
    assert "demo_1 cannot be used: actions: 1 of" in told
    assert "--skip-bad" in told
    again = a2g(tmp_path, *words, "--skip-bad")
    assert again.exit_code == 0, again.stderr
    assert "1 episodes were left out:\nskipped demo_1: actions: 1 of" in again.stderr
    ended = re.findall(r"(\d+)/(\d+) in ", again.stderr)
    assert len(ended) > 3
    assert [done for done, _ in ended] == [total for _, total in ended], (
        "a line that says how it ended says what was done"
    )
    assert "demo_1 cannot be used" in refused(tmp_path, *words, code=1), "what --skip-bad left is not taken for all"


@pytest.mark.parametrize(("form", "module"), [("lerobot", "pyarrow"), ("rerun", "rerun")])
def test_a_library_that_is_missing_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, module: str
) -> None:
    record(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    words = ("recordings", "export", "monday", "--format", form, "--out", tmp_path / "set")
    assert f"pip install 'a2g[{form}]'" in refused(tmp_path, *words, code=1)
    assert not (tmp_path / "set").exists()
