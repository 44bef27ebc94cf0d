"""``a2g demo`` practises the goal of its own image, tries the same start again, and shows both outcomes."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cli_examples import a2g, ask

from a2g_cli.cli.commands import demo
from a2g_cli.cli.commands.report import Report
from a2g_cli.data.recording.reader import Recording
from a2g_cli.improvement.settings import ImproveSettings

WORDS = ("demo", "--shift", "lighting:0.3", "--rounds", 1, "--evaluation", 1)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "EPISODES", 2)
    monkeypatch.setattr(demo, "ImproveSettings", partial(ImproveSettings, pose_search=0))
    monkeypatch.setattr(demo, "goal_learning", lambda _: {"iterations": 1, "calibrate": "off"})


def start_of(tried: dict[str, Any]) -> bytes:
    (one,) = tried["recordings"]
    with Recording(Path(one["path"])) as recording:
        assert recording.goal.name == demo.GOAL
        return recording.proprioception[0].tobytes() + recording.frames("front")[0].tobytes()


def test_it_practises_its_own_goal_and_tries_it_again(tmp_path: Path) -> None:
    document = ask(tmp_path, *WORDS)
    assert document["goals"].keys() == {demo.GOAL}
    first, last = document["first_try"], document["last_try"]
    assert start_of(first) == start_of(last)
    assert (first["adapter"], last["adapter"]) == ("base", document["active"])
    for path in (tmp_path / "recordings/sessions" / document["session"]).glob("episode-*.hdf5"):
        with Recording(path) as recording:
            assert recording.goal.name == demo.GOAL
            assert recording.proprioception[0].tobytes() + recording.frames("front")[0].tobytes() != start_of(first)
    report = Path(document["report"])
    assert report == tmp_path / "reports" / f"{document['session']}.html"
    assert f"{demo.GOAL}, one try from the same start" in report.read_text(encoding="utf-8")
    assert document["in_distribution"]["after"]["n"] == 1
    # A demo that is given again begins from the base, and shows the same; a quick one measures its own goal alone.
    said = a2g(tmp_path, *WORDS, "--no-report", "--quick")
    assert said.exit_code == 0, said.stderr
    assert "training domain" not in said.stdout + said.stderr
    outcome = "success" if first["successes"] else "no success"
    assert f"the first try, with the base policy: {outcome} in" in said.stdout
    assert "the same start after practice, with " in said.stdout
    assert "success in 1 held-out trials of the goal with the shift lighting:0.3" in said.stdout
    assert "report:" not in said.stdout
    assert [one.name for one in report.parent.iterdir()] == [report.name]


def test_a_length_that_is_typed_wins_over_quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stop(_: object, request: Any, **__: object) -> None:
        raise LookupError(request.settings.rounds, request.evaluation, request.nominal)

    monkeypatch.setattr(demo, "improve", stop)
    monkeypatch.setattr(demo, "_tried", lambda *_: Report({}))
    lengths = {(): (2, 100, True), ("--quick",): (1, 20, False), ("--quick", "--rounds", 3): (3, 20, False)}
    for words, length in lengths.items():
        said = a2g(tmp_path, "demo", *words)
        assert said.exception is not None
        assert said.exception.args == length
