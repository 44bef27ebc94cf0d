"""``a2g pretrain`` as a user types it."""

from pathlib import Path

import pytest
from cli_examples import ask, refused

from a2g_cli.demo_replay import trajectory
from a2g_cli.models import checkpoint
from a2g_cli.tracking.metrics import read
from a2g_cli.training import retention_set

QUICK = ("--preset", "micro", "--iterations", 6, "--batch", 6, "--autoencoder-iterations", 2)


def test_one_base_for_two_scenes_is_tried_in_both_on_the_way(tmp_path: Path) -> None:
    scenes = ("--scene", "place", "--scene", "plug", "--demonstrations", 1, "--demonstrations", "place=2")
    plan = ("--proximal", 12, "--stride", 6, "--distal", 3, "--spacing", "mirrored", "--no-distal-actions")
    words = (*scenes, *plan, *QUICK, "--evaluate-every", 4, "--evaluation", 1, "--accumulate", 2)
    document = ask(tmp_path, "pretrain", *words, "--out", tmp_path / "run")
    assert document["data"] == {"place": 2, "plug": 1}
    assert [one["iteration"] for one in document["evaluations"]] == [4, 6]
    assert all(one[scene]["n"] == 1 for one in document["evaluations"] for scene in ("place", "plug"))
    config, facts = checkpoint.read_config(tmp_path / "run" / "checkpoint")
    assert config.hashing.frames == 5
    assert config.hashing.actions == 12
    assert facts["evaluations"] == document["evaluations"]
    card = (tmp_path / "run" / "checkpoint" / "README.md").read_text()
    assert "3 demonstrations: 2 of `place`, 1 of `plug`" in card
    assert "| iteration | place | plug |" in card
    kept = retention_set.load_retention_set(tmp_path / "run" / "checkpoint")
    assert kept is not None
    assert len(kept.of("sim:place")) == len(kept.of("sim:plug")) > 100
    moved = trajectory.load_trajectories(tmp_path / "run" / "checkpoint")
    assert [one.robot for one in moved] == ["sim:place", "sim:place", "sim:plug"]
    logged = {(one["stage"], one["step"]) for one in read(tmp_path / "run/logs/metrics.jsonl")}
    assert logged == {("autoencoder", 2), ("policy", 4), ("evaluation", 4), ("policy", 6), ("evaluation", 6)}
    again = ask(tmp_path, "pretrain", *words, "--out", tmp_path / "run")
    assert (again["hash"], again["evaluations"]) == (document["hash"], document["evaluations"])
    # Another policy on the same data, with the same autoencoder.
    other = (
        *scenes,
        "--preset",
        "micro",
        "--iterations",
        4,
        "--batch",
        6,
        "--autoencoder",
        tmp_path / "run",
        "--evaluate-every",
        0,
    )
    taken = Path(ask(tmp_path, "pretrain", *other, "--copies", 2, "--out", tmp_path / "other")["checkpoint"])
    settings = checkpoint.read_config(taken)[1]["settings"]
    assert (settings["autoencoder_iterations"], settings["copies"]) == (0, 2)
    assert "2 augmented copies of each" in (taken / "README.md").read_text()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--scene", "place", "--scene", "plg"), "did you mean plug"),
        (("--scene", "place", "--demonstrations", "plug=3"), "add --scene plug"),
        (("--scene", "place", "--share", "place"), "expected NAME=NUMBER"),
        (("--scene", "place", "--spacing", "even"), "printed, mirrored"),
        (("--scene", "place", "--device", "gpu"), "unknown device"),
        (("--scene", "place", "--precision", "bf61"), "did you mean bf16"),
        (("--evaluate-every", 5), "no data to learn from"),
    ],
)
def test_bad_words_are_refused_before_anything_is_made(tmp_path: Path, words: tuple[object, ...], part: str) -> None:
    assert part in refused(tmp_path, "pretrain", *words, *QUICK, "--out", tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "part"),
    [(("--autoencoder", "nowhere"), "holds no checkpoint"), (("--batch", 3, "--accumulate", 4), "slices")],
)
def test_what_cannot_be_trained_is_refused_before_demonstrations_are_made(
    tmp_path: Path, words: tuple[object, ...], part: str
) -> None:
    assert part in refused(tmp_path, "pretrain", "--scene", "place", *words, "--out", tmp_path / "run")
    assert not list(tmp_path.iterdir())
