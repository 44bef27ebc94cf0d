"""Parts of the report: the verdict, where charts draw, of which trials a video is kept, what may not fail a command."""

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from recording_examples import TINY, actions, goal, observation

from a2g_cli.cli.commands.report import Report
from a2g_cli.cli.commands.report_page import Reporting, with_report
from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Outcome, StepTiming
from a2g_cli.data.recording import schema
from a2g_cli.data.recording.reader import Recording
from a2g_cli.policies.base import Plan
from a2g_cli.policies.baselines import RandomPolicy
from a2g_cli.report import charts, verdict
from a2g_cli.report.charts import Point, Series
from a2g_cli.report.contents import Rate
from a2g_cli.report.settings import ReportSettings
from a2g_cli.robots.base import Trial
from a2g_cli.runtime import recorder
from a2g_cli.runtime.sink import Sink
from a2g_cli.runtime.termination import MOST_ESTIMATES, RolloutSettings, Termination
from a2g_cli.runtime.videos import PURPOSE, VIDEOS, Videos, video_name

if TYPE_CHECKING:
    from a2g_cli.robots.base import Robot
    from a2g_cli.runtime.policy_factory import PolicyFactory


def rates(before: int, after: int, n: int = 20) -> tuple[Rate, Rate]:
    return verdict.rate("before", before, n, "simulator"), verdict.rate("after", after, n, "simulator")


@pytest.mark.parametrize(
    ("before", "after", "begins", "tone"),
    [
        (2, 18, "Practice helped: ", "good"),
        (18, 2, "Practice did harm: ", "bad"),
        (9, 12, "Practice may have helped: ", "open"),
        (12, 9, "Practice may have done harm: ", "open"),
        (9, 9, "Practice changed nothing that can be seen: ", "open"),
    ],
)
def test_the_verdict_is_as_strong_as_its_intervals(before: int, after: int, begins: str, tone: str) -> None:
    sentence, found = verdict.practised("the goal cup", *rates(before, after), changed=True)
    assert (sentence.startswith(begins), found) == (True, tone)
    assert ("may be chance" in sentence) == ("may have" in sentence)
    assert f"{after} of 20" in sentence
    assert f"{before} of 20" in sentence


def test_where_nothing_was_promoted_nothing_helped() -> None:
    sentence, tone = verdict.practised("the goal cup", *rates(2, 18), changed=False)
    assert (sentence.startswith("Nothing was promoted"), tone) == (True, "open")


def test_an_adapter_is_best_only_clearly() -> None:
    assert verdict.compared([*rates(2, 18)])[0].startswith("after is best")
    assert "No adapter is clearly best" in verdict.compared([*rates(9, 12)])[0]
    assert "before succeeded in 9 of 20" in verdict.compared([rates(9, 9)[0]])[0]


def test_a_chart_keeps_order_and_stays_inside() -> None:
    points = [Point(0.0, 0.1, "a", 0.0, 0.4), Point(20.0, 0.9, "b", 0.6, 1.0), Point(10.0, float("nan"), "c")]
    made = charts.chart("Success", [Series("held out", points), Series("none", [])], "episodes", "rate", rate=True)
    assert made is not None
    (drawn,) = made.series
    first, second = drawn.marks
    assert first.x < second.x
    assert first.y > second.y, "up is better"
    for mark in drawn.marks:
        assert made.left <= mark.x <= made.right
        assert made.top <= mark.high <= mark.y <= mark.low <= made.bottom  # type: ignore[operator]
    assert [tick.label for tick in made.y_ticks] == ["0%", "25%", "50%", "75%", "100%"]
    assert "held out: a, b" in made.words


@pytest.mark.parametrize("top", [0.03, 1.0, 7.0, 250.0, 99_999.0])
def test_axes_have_round_numbers(top: float) -> None:
    made = charts.chart("Loss", [Series("loss", [Point(top, top, "a")])], "x", "y")
    assert made is not None
    values = [float(tick.label) for tick in made.x_ticks]
    assert values[0] == 0
    assert 2 <= len(values) <= 7
    assert values[-1] <= top * 1.001


def test_without_points_there_is_no_chart() -> None:
    assert charts.chart("Loss", [Series("loss", [Point(1.0, float("inf"), "a")])], "x", "y") is None
    assert charts.curve([], 10) is None
    assert charts.curve([(0, 3.0)], 10) is None


def test_a_curve_goes_from_left_to_right() -> None:
    made = charts.curve([(0, 8.0), (5, 4.0), (10, 0.0)], 10)
    assert made is not None
    places = [tuple(map(float, place.split(","))) for place in made.line.split()]
    assert [x for x, _ in places] == [0.0, made.width / 2, made.width]
    assert [y for _, y in places] == sorted(y for _, y in places)
    assert all(0 <= y <= made.height for _, y in places)


def fails(error: BaseException) -> Path:
    raise error


@pytest.mark.parametrize("error", [RecordingError("no disk"), ValueError("odd"), MemoryError(), KeyboardInterrupt()])
def test_a_report_that_fails_fails_nothing(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    done = Report({"success": 1}, ["a line"], 5)
    report = with_report(done, Reporting(), lambda: fails(error))
    assert report.document == {"success": 1, "report": None}
    assert (report.lines, report.exit_code) == (["a line"], 5)
    assert type(error).__name__ in capsys.readouterr().err


def test_a_report_is_named(tmp_path: Path) -> None:
    report = with_report(Report({}, ["a line"]), Reporting(), lambda: tmp_path / "a.html")
    assert report.document["report"] == str(tmp_path / "a.html")
    assert report.lines == ["a line", f"report: {tmp_path / 'a.html'}"]


@pytest.mark.parametrize(
    ("reporting", "code"), [(None, 0), (Reporting(ReportSettings(report=False)), 0), (Reporting(), 130)]
)
def test_a_report_is_written_only_where_it_is_wanted(reporting: Reporting | None, code: int) -> None:
    done = Report({}, [], code)
    assert with_report(done, reporting, lambda: fails(AssertionError())) is done


def test_what_the_policy_believed_is_kept() -> None:
    outcome = Outcome(True, "truth", "success", 1.5, estimates=((0, 9.5), (4, 3.25)))
    assert schema.outcome_from_json(schema.outcome_to_json(outcome)) == outcome
    for damaged in ('[[0, "a"]]', "[[-1, 2]]", "[[0]]", "3"):
        text = schema.outcome_to_json(outcome).replace("[[0, 9.5], [4, 3.25]]", damaged)
        with pytest.raises((ValueError, TypeError)):
            schema.outcome_from_json(text)


class Bare:
    """As much of a robot as an ending and a video need."""

    spec = TINY


def plan(left: float) -> Plan:
    return Plan(np.zeros((1, 3), np.float32), left)


def test_a_long_episode_keeps_few_estimates() -> None:
    ending = Termination(cast("Robot", Bare()), goal(0, TINY), RolloutSettings(limit=3000))
    for step in range(3000):
        ending.planned(plan(float(3000 - step)))
        ending.look()
    ending.planned(plan(float("nan")))
    kept = ending.outcome("steps").estimates
    assert MOST_ESTIMATES // 2 <= len(kept) <= MOST_ESTIMATES + 1
    assert kept[0] == (0, 3000.0)
    assert all(left == 3000 - step for step, left in kept)
    assert len({after - before for (before, _), (after, _) in pairwise(kept)}) == 1, "evenly spaced"


def trial(index: int) -> Trial:
    return Trial("evaluation", 5, index, {}, goal(0, TINY))


def record_episode(sink: Sink, steps: int = 3) -> None:
    """Roll an episode into ``sink``."""
    sink.begin(observation(0, 0, TINY))
    for index in range(steps):
        sink.append(*actions(index, 0, TINY), observation(index + 1, 0, TINY), StepTiming(float(index)))
    sink.finish(Outcome(False, "truth", "steps"))


def made_in(folder: Path, noted: list[str]) -> Videos:
    factory = cast("PolicyFactory", None)  # a baseline needs none
    return Videos(folder, factory, "random", RandomPolicy(TINY), noted.append)


def test_videos_of_the_first_trials_are_made_once(tmp_path: Path) -> None:
    noted: list[str] = []
    robot = cast("Robot", Bare())
    videos = made_in(tmp_path, noted)
    for index in range(VIDEOS + 2):
        record_episode(videos.sink(trial(index), robot))
    assert sorted(path.name for path in tmp_path.iterdir()) == [video_name(trial(i), "random") for i in range(VIDEOS)]
    with Recording(tmp_path / video_name(trial(1), "random")) as recording:
        told = recording.provenance
        assert told.settings == {"purpose": PURPOSE, "trial": 1, "trials_seed": 5}
        assert (told.adapter_name, told.policy, recording.length) == ("random", "random", 3)
    record_episode(videos.sink(trial(0), robot))  # measured again: the video that there is stays
    # A run that was killed while it made a video begins that video again.
    path = tmp_path / video_name(trial(2), "random")
    path.unlink()
    schema.partial_path(path).write_bytes(b"half a video")
    record_episode(videos.sink(trial(2), robot))
    assert path.is_file()
    assert noted == []


def test_a_full_disk_costs_a_video_and_not_the_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path) -> None:
        raise RecordingError("the disk is full.")

    monkeypatch.setattr(recorder, "check_disk", full)
    noted: list[str] = []
    record_episode(made_in(tmp_path, noted).sink(trial(0), cast("Robot", Bare())))
    assert noted == ["no video of this trial: the disk is full."]
    assert list(tmp_path.iterdir()) == []
