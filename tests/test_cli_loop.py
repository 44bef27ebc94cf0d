"""The whole loop as a user types it, on CPU in seconds: a base, a goal, episodes, an adapter, an evaluation, improvement."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_examples import a2g, ask, refused

from a2g_cli.core.types import Vector
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import Session
from a2g_cli.data.recording.writer import write_episode
from a2g_cli.display.training_view import PlainTrainingView
from a2g_cli.robots.sim import SimRobot
from a2g_cli.simulator.demonstrations import demonstration_episodes
from a2g_cli.training import retention
from a2g_cli.training.demonstrations import record_demonstrations
from a2g_cli.training.retention_set import RETENTION


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base of the smallest preset, from six demonstrations: it has every part and no skill."""
    folder = tmp_path_factory.mktemp("base")
    words = (
        "--scene",
        "place",
        "--demonstrations",
        6,
        "--preset",
        "micro",
        "--iterations",
        8,
        "--batch",
        4,
        "--evaluate-every",
        0,
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(retention, "BYTES", 32_000)  # every adaptation measures its error on what is kept, twice
        document = ask(folder, "pretrain", *words, "--autoencoder-iterations", 3, "--out", folder / "run")
    assert document["recordings"] == 6
    again = ask(folder, "pretrain", *words, "--autoencoder-iterations", 3, "--out", folder / "run")
    assert again["hash"] == document["hash"], "a finished run that is started again is the same base"
    return Path(document["checkpoint"])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Iterator[Path]:
    """A workspace with a goal and a session of two episodes."""
    folder = tmp_path_factory.mktemp("workspace")
    ask(folder, "capture-goal", "cup", "--seed", 3)
    document = ask(folder, "run", "cup", "--episodes", 2, "--steps", 9, "--base", base, "--session", "first", code=5)
    assert all(one["waited_for_disk"] >= 0 for one in document["recordings"])
    # Without skill, its steps-to-go head may take any frame for the goal and stop early.
    assert all(1 <= one["steps"] <= 9 for one in document["recordings"])
    assert document["successes"] == 0
    return folder


def test_run_records_what_it_says(workspace: Path, base: Path) -> None:
    paths = sorted((workspace / "recordings/sessions/first").glob("episode-*.hdf5"))
    assert len(paths) == 2
    with Recording(paths[0]) as recording:
        assert 1 <= recording.length <= 9
        assert len(recording.frames("front")) == recording.length + 1
        assert recording.provenance.adapter_name == "base"
        assert recording.provenance.base is not None
        assert recording.outcome.judge == "truth"
        assert recording.goal.name == "cup"


def test_the_floors_act_and_a_base_that_is_not_there_is_refused_beside_them(workspace: Path) -> None:
    document = ask(workspace, "run", "cup", "--steps", 3, "--adapter", "random", code=5)
    assert document["episodes"] == 1
    floors = ("--adapter", "still", "--adapter", "random", "--episodes", 3)
    rows = ask(workspace, "evaluate", *floors)
    assert [row["successes"] for row in rows["results"]] == [0, 0]
    refused = ask(workspace, "evaluate", *floors, "--base", workspace / "nowhere", code=2)
    assert "holds no checkpoint" in refused["error"]["message"]


def test_adapt_makes_an_adapter_that_runs(workspace: Path, base: Path) -> None:
    words = ("--iterations", 2, "--base", base, "--keep", "all", "--rank", 4)
    assert ask(workspace, "adapt", "first", *words, "--dry-run")["dry_run"] is True
    made = ask(workspace, "adapt", "first", *words, "--name", "mine")
    assert made["parent"] == "base"
    assert {"first", "last", "retention_before", "retention_after"} <= made["losses"].keys()
    assert "In the training domain its actions are" in a2g(workspace, "adapters", "show", "mine").stdout
    assert (workspace / "adapters/mine/adapter_model.safetensors").is_file()
    ask(workspace, "run", "cup", "--steps", 3, "--adapter", "mine", "--base", base, code=5)
    onward = ask(workspace, "adapt", "first", *words, "--parent", "mine")
    assert onward["parent"] == "mine"
    assert "exists already" in refused(workspace, "adapt", "first", *words, "--name", "mine")


def test_adapt_mixes_demonstrations_in_and_holds_to_the_base(workspace: Path, base: Path) -> None:
    home = Session(workspace / "recordings/sessions/home")
    record_demonstrations(home, "place", 5, 2, processes=1)
    words = ("first", "--iterations", 2, "--base", base, "--keep", "all", "--parent", "base")
    mixed = ("--cotrain", 0.5, "--demonstrations", "home", "--feature-alignment", 2, "--method", "dora", "--rank", 4)
    assert ask(workspace, "adapt", *words, *mixed, "--dry-run")["demonstrations"] == 2
    made = ask(workspace, "adapt", *words, *mixed, "--name", "mixed", "--no-promote")
    assert (made["demonstrations"], made["recordings"]) == (2, 2)
    assert made["losses"]["drift"] >= 0
    shown = a2g(workspace, "adapters", "show", "mixed").stdout
    assert "0.5 of each batch, from 2 demonstrations: home/episode-00000.hdf5" in shown
    assert "DoRA" in shown
    ask(workspace, "adapt", *words, "--method", "full", "--lr", 1e-4, "--name", "whole", "--no-promote")
    assert "full fine-tuning" in a2g(workspace, "adapters", "show", "whole").stdout
    ask(workspace, "run", "cup", "--steps", 3, "--adapter", "mixed", "--base", base, code=5)
    known = list((workspace / "adapters").iterdir())
    assert "give both" in refused(workspace, "adapt", *words, "--cotrain", 0.5)
    assert "give both" in refused(workspace, "adapt", *words, "--demonstrations", "home")
    assert "hoem" in refused(workspace, "adapt", *words, "--cotrain", 0.5, "--demonstrations", "hoem")
    again = ("--cotrain", 0.5, "--demonstrations", "first")
    assert "as practice and as a demonstration" in refused(workspace, "adapt", *words, *again)
    elsewhere = Session(workspace / "recordings/sessions/elsewhere")
    record_demonstrations(elsewhere, "plug", 5, 1, processes=1)
    other = ("--cotrain", 0.5, "--demonstrations", "elsewhere")
    assert "with the robot sim:plug, but practice with sim:place" in refused(workspace, "adapt", *words, *other, code=1)
    assert list((workspace / "adapters").iterdir()) == known, "what is refused leaves nothing"
    robot = SimRobot(size=32)
    robot.connect()
    small = next(demonstration_episodes(robot, 0, 0, 1, limit=3))
    write_episode(workspace / "recordings/sessions/small/episode-0000.hdf5", robot.spec, small)
    robot.close()
    other = ("--cotrain", 0.5, "--demonstrations", "small")
    said = a2g(workspace, "adapt", *words, *other)
    assert said.exit_code == 0, said.stderr
    assert "images of 32x32 (front) are cropped about the centre and resized to 64x64" in said.stderr


def test_a_base_that_keeps_no_retention_set_adapts_and_says_so_where_it_is_asked_for(
    workspace: Path, base: Path, tmp_path: Path
) -> None:
    bare = Path(shutil.copytree(base, tmp_path / "bare"))
    (bare / RETENTION).unlink()
    words = ("--iterations", 1, "--base", bare, "--keep", "all", "--parent", "base", "--no-promote")
    assert "retention_after" not in ask(workspace, "adapt", "first", *words)["losses"]
    said = a2g(workspace, "adapt", "first", *words, "--feature-alignment", 1)
    assert said.exit_code == 0
    assert "has no retention set" in said.stderr
    (bare / RETENTION).write_bytes(b"half")
    assert "is damaged" in refused(workspace, "adapt", "first", *words)


def test_adapt_says_when_there_is_nothing_to_imitate(workspace: Path, base: Path) -> None:
    # An untrained head may see either end as arrived, but not both.
    both = [
        a2g(workspace, "adapt", "first", "--base", base, "--keep", keep, "--iterations", 1)
        for keep in ("reached", "failed")
    ]
    assert sorted(result.exit_code for result in both) == [0, 1]
    [empty] = [result for result in both if result.exit_code]
    assert "nothing to learn from" in empty.stderr


def test_evaluate_keeps_its_contract(workspace: Path, base: Path) -> None:
    words = ("--scene", "place", "--shift", "camera-bump", "--episodes", 2, "--seed", 7, "--steps", 4, "--base", base)
    before = set((workspace / "recordings").rglob("*.hdf5"))
    document = ask(workspace, "evaluate", *words, "--adapter", "base", "--adapter", "random")
    for row, name in zip(document["results"], ("base", "random"), strict=True):
        assert row["adapter"] == name
        assert row["n"] == 2
        assert 0 <= row["interval"][0] <= row["rate"] <= row["interval"][1] <= 1
        assert row["seconds"] > 0
    report = Path(document["report"]).read_text(encoding="utf-8")
    assert report.count("<video") == 4, "both adapters, from two starts"
    assert set((workspace / "recordings").rglob("*.hdf5")) == before, "nothing is recorded"


def test_improve_keeps_its_contract(workspace: Path, base: Path) -> None:
    words = ("--scene", "place", "--shift", "base-pose", "--rounds", 2, "--episodes", 2, "--seed", 7, "--steps", 4)
    document = ask(workspace, "improve", *words, "--evaluation", 2, "--iterations", 2, "--base", base)
    for result in (document["before"], document["after"], *document["in_distribution"].values()):
        assert {"adapter", "n", "successes", "rate", "interval", "seconds"} <= result.keys()
    assert len(document["rounds"]) == 2
    for done in document["rounds"]:
        assert {"episodes", "rollout_seconds", "adapt_seconds", "promoted", "adapter"} <= done.keys()
    encoded = sorted((workspace / "recordings/sessions" / document["session"]).glob("episode-*.hdf5"))
    assert [done["episodes"] for done in document["rounds"]] == [2, 2]
    assert len(encoded) == sum(done["episodes"] + done["gate_episodes"] for done in document["rounds"])
    purposes = set()
    for path in encoded:
        with Recording(path) as recording:
            purposes.add(recording.provenance.settings["purpose"])
            assert recording.provenance.shift == "base-pose:1"
    assert purposes == {"practice"}, "what is judged is recorded apart, so it can never be learned from"
    folder = workspace / "recordings/sessions" / document["session"]
    state = json.loads((folder / "improve.json").read_text())
    for one in state["rounds"]:
        assert set(one["judged"]) == {*one["practice"], *one["compared"]}
        assert one["judge"] == "policy's estimate"
    assert state["about"]["command"].startswith("a2g improve --scene place --shift base-pose")
    videos = [path.name.split("+")[1:] for path in sorted((folder / "held-out").iterdir())]
    adapters = dict.fromkeys(document[moment]["adapter"] for moment in ("before", "after"))
    assert sorted(videos) == sorted([f"{trial:04d}", f"{name}.hdf5"] for trial in range(2) for name in adapters)
    assert document["report"] == str(workspace / "reports" / f"{document['session']}.html")
    assert Path(document["report"]).is_file()


def test_improve_without_a_shift_measures_once_and_says_so(workspace: Path, base: Path) -> None:
    words = ("--rounds", 1, "--episodes", 2, "--seed", 7, "--steps", 4, "--evaluation", 2, "--iterations", 2)
    said = a2g(workspace, "improve", "--scene", "place", *words, "--base", base, "--session", "plain")
    assert said.exit_code == 0, said.stderr
    document = ask(workspace, "improve", "--resume", "plain", "--no-report")
    assert "report" not in document
    measured = 2 if document["rounds"][0]["promoted"] else 1
    assert said.stderr.count("training domain: 2 to do") == measured, "after is before where nothing was promoted"
    assert "under none" not in said.stderr + said.stdout
    assert "in the training domain (there is no shift)" in " ".join(said.stdout.split())
    assert "in distribution, before" not in said.stdout
    assert document["in_distribution"] == {"before": document["before"], "after": document["after"]}
    assert document["before"]["n"] == 2


def test_the_time_of_a_batch_of_episodes_begins_before_the_first(
    workspace: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All lanes end at about the same moment: told of the first end alone, a view would time next to nothing."""
    told: list[tuple[str, str]] = []
    begin = PlainTrainingView.started

    def started(view: PlainTrainingView, title: str, total: int) -> None:
        told.append(("started", title))
        begin(view, title, total)

    def act(robot: SimRobot, action: Vector) -> Vector:
        told.append(("acted", ""))
        return real(robot, action)

    real = SimRobot.act
    monkeypatch.setattr(PlainTrainingView, "started", started)
    monkeypatch.setattr(SimRobot, "act", act)
    words = ("--rounds", 1, "--episodes", 2, "--seed", 7, "--steps", 4, "--evaluation", 2, "--iterations", 2)
    ask(workspace, "improve", "--scene", "place", *words, "--base", base)
    acts = [(title, len(done)) for title, done in batches(told)]
    assert acts[0][0] != "", "an arm moved before anything was shown"
    moved = {title: count for title, count in acts if count}
    assert any(title.startswith("evaluating") for title in moved)
    assert "round 1: practice" in moved
    # Two episodes of three or four steps each: all of them, not the last step of the lane that ends last.
    assert min(moved.values()) >= 6


def batches(told: list[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """What was shown, each with what was done until the next was."""
    title, done = "", list[str]()
    for kind, name in told:
        if kind == "started":
            if title or done:
                yield title, done
            title, done = name, []
        else:
            done.append(kind)
    yield title, done


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("run", "cap"), "did you mean cup"),
        (("run", "cup", "--adapter", "mien"), "unknown adapter"),
        (("run", "cup", "--robot", "smi"), "did you mean sim"),
        (("run", "cup", "--shift", "camera-bum"), "camera-bump"),
        (("run", "cup", "--base", "nowhere"), "holds no checkpoint"),
        (("run", "cup", "--scene", "write", "--adapter", "base"), "choose its scene"),
        (("adapt", "fist"), "first"),
        (("adapt", "first", "--relabel", "fianl"), "did you mean final"),
        (("adapt", "first", "--placement", "exprt"), "did you mean expert"),
        (("run", "cup", "--adapter", "base", "--n-action-steps", "9"), "a plan of this base has 8"),
        (("evaluate", "--adapter", "../up"), "cannot name"),
        (("evaluate", "--adapter", "base", "--n-action-steps", "9"), "a plan of this base has 8"),
        (("improve", "--scene", "plaec"), "did you mean place"),
        (("pretrain",), "no data to learn from"),
        (("pretrain", "first", "--preset", "tyni"), "did you mean tiny"),
    ],
)
def test_bad_words_are_answered_with_the_nearest(workspace: Path, words: tuple[str, ...], part: str) -> None:
    sessions = set((workspace / "recordings" / "sessions").iterdir())
    assert part in refused(workspace, *words)
    assert set((workspace / "recordings" / "sessions").iterdir()) == sessions, "what is refused leaves no empty session"


def test_an_adapter_of_another_base_is_refused(workspace: Path, base: Path, unskilled: Path) -> None:
    ask(workspace, "adapt", "first", "--iterations", 1, "--base", base, "--keep", "all", "--name", "foreign")
    assert "was trained on base" in refused(workspace, "run", "cup", "--adapter", "foreign", "--base", unskilled)
    assert "was trained on base" in refused(workspace, "adapt", "first", "--parent", "foreign", "--base", unskilled)
