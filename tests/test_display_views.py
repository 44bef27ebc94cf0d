import io
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from display_examples import output, pipe, terminal
from rich.console import Console

from a2g_cli.core.types import Goal, Image, Observation, Outcome
from a2g_cli.display.console import stderr_console
from a2g_cli.display.rollout_view import LiveRolloutView, PlainRolloutView, RolloutView, rollout_view
from a2g_cli.display.tables import bar, curve, results_table
from a2g_cli.display.training_view import LiveTrainingView, PlainTrainingView, TrainingView, training_view

CAMERAS = ("front", "wrist")


def visible(console: Console) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output(console))


def image(seed: int) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)


def observation(seed: int) -> Observation:
    return Observation(
        {camera: image(seed) for camera in CAMERAS},
        np.zeros(3, np.float32),
        dict.fromkeys(CAMERAS, 0.0),
        0.0,
    )


GOAL = Goal("cup-left", {camera: image(99) for camera in CAMERAS}, "test")
IMAGINED = {camera: [image(k) for k in range(8)] for camera in CAMERAS}
REACHED = Outcome(True, "truth", "success")
MISSED = Outcome(False, "policy", "steps")
STOPPED = Outcome(None, "none", "workspace-guard")


def two_episodes(view: RolloutView) -> None:
    with view:
        for index, outcome in enumerate((REACHED, MISSED)):
            view.episode_started(index, 2, GOAL, 60)
            for step in range(3):
                if step % 2 == 0:
                    view.planned(observation(step), IMAGINED if index else {}, 20.0 - step, 0.034)
                view.stepped(step + 1, observation(step + 1), 19.0 - step)
            view.episode_ended(index, outcome, 3, Path("recordings/sessions/s1/e.h5") if index else None)
        view.note("two done")


def some_training(view: TrainingView) -> None:
    with view:
        view.started("adapting", 100)
        for step in range(1, 101):
            view.advanced(step, {"flow": 1 / step, "steps": 0.5})
        view.finished()


def test_the_factories_choose_by_what_the_console_is() -> None:
    assert type(rollout_view(terminal())) is LiveRolloutView
    assert type(rollout_view(pipe())) is PlainRolloutView
    assert type(rollout_view(terminal(TERM="dumb"))) is PlainRolloutView
    assert type(training_view(terminal())) is LiveTrainingView
    assert type(training_view(pipe())) is PlainTrainingView


def test_what_a_person_sees_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    two_episodes(rollout_view(stderr_console()))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "episode 1/2" in captured.err


class TestPlainRollout:
    def test_it_prints_one_whole_line_an_episode(self) -> None:
        console = pipe()
        two_episodes(rollout_view(console))
        assert output(console).splitlines() == [
            "episode 1/2  cup-left  success at step 3 of 60 (simulator)  plan 34 ms  successes 1/1",
            "episode 2/2  cup-left  no success in 3 steps (policy's estimate)  plan 34 ms  successes 1/2"
            "  recordings/sessions/s1/e.h5",
            "two done",
        ]

    def test_a_guard_is_named_and_nobody_is_said_to_have_judged(self) -> None:
        console = pipe()
        view = rollout_view(console)
        view.episode_started(0, 1, GOAL, 60)
        view.episode_ended(0, STOPPED, 1, None)
        assert output(console) == "episode 1/1  cup-left  not judged, 1 step (stopped by workspace-guard)\n"

    def test_no_control_character_gets_out(self) -> None:
        console = pipe()
        view = rollout_view(console)
        view.episode_started(0, 1, Goal("[red]\x1b[31m\n", {}, "test"), 60)
        view.episode_ended(0, REACHED, 3, Path("a\rb"))
        view.note("[bold]multi\nline\x07")
        assert output(console).count("\n") == 2
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", output(console))
        assert "[red]" in output(console)


class TestLiveRollout:
    def test_it_shows_now_plan_goal_and_numbers(self) -> None:
        console = terminal(width=120)
        view = LiveRolloutView(console)
        view.episode_started(1, 3, GOAL, 60)
        view.planned(observation(0), IMAGINED, 30.0, 0.034)
        view.stepped(7, observation(1), 22.5)
        console.print(view.render())
        text = visible(console)
        for words in ("episode 2/3", "cup-left", "now front", "now wrist", "imagined", "goal", "step  7/60", "22.5"):
            assert words in text
        assert "plan 34 ms" in text
        assert {len(line) for line in text.splitlines()} == {120}
        assert "▄" in text

    def test_finished_episodes_stay_as_lines_and_the_cursor_comes_back(self) -> None:
        console = terminal(width=200)
        two_episodes(LiveRolloutView(console))
        text = visible(console)
        assert "success at step 3 of 60 (simulator)" in text
        assert "two done" in text
        assert output(console).rfind("\x1b[?25h") > output(console).rfind("\x1b[?25l")

    @pytest.mark.parametrize(("width", "height"), [(20, 5), (40, 10), (80, 24), (250, 70)])
    def test_it_fits_every_terminal(self, width: int, height: int) -> None:
        console = terminal(width, height)
        view = LiveRolloutView(console)
        view.episode_started(0, 1, GOAL, 60)
        view.planned(observation(0), IMAGINED, 30.0, 0.034)
        console.print(view.render())
        assert max(map(len, visible(console).splitlines())) <= width
        if height >= 10:
            assert len(visible(console).splitlines()) <= height
            assert all(words in visible(console) for words in ("step  0/60", "30.0", "plan 34 ms"))

    def test_without_colours_the_numbers_remain(self) -> None:
        console = terminal(NO_COLOR="1")
        view = LiveRolloutView(console)
        view.episode_started(0, 1, GOAL, 60)
        view.stepped(1, observation(0), float("nan"))
        console.print(view.render())
        assert "▄" not in output(console)
        assert "step  1/60" in visible(console)

    def test_a_robot_without_the_goals_cameras_shows_numbers_only(self) -> None:
        console = terminal()
        view = LiveRolloutView(console)
        view.episode_started(0, 1, Goal("g", {"top": image(0)}, "test"), 60)
        view.stepped(1, observation(0), 3.0)
        console.print(view.render())
        assert "step  1/60" in visible(console)

    def test_it_leaves_stdout_alone(self) -> None:
        before = sys.stdout
        with LiveRolloutView(terminal()):
            assert sys.stdout is before

    def test_a_step_costs_the_loop_less_than_a_tenth_of_a_millisecond(self) -> None:
        view = LiveRolloutView(terminal())
        view.episode_started(0, 1, GOAL, 60)
        seen = observation(0)
        begun = time.perf_counter()
        for step in range(1000):
            view.stepped(step, seen, 3.0)
        assert (time.perf_counter() - begun) / 1000 < 1e-4


class TestTraining:
    def test_plain_lines_are_at_least_ten_seconds_apart(self) -> None:
        console, now = pipe(), [0.0]
        view = PlainTrainingView(console, lambda: now[0])
        view.started("adapting", 100)
        for step in range(101):
            now[0] = 0.25 * step
            view.advanced(step, {"flow": 1 / max(1, step)})
        view.finished()
        assert output(console).splitlines() == [
            "adapting: 100 to do",
            "adapting  40/100  flow 0.025  10 s elapsed  15 s left",
            "adapting  80/100  flow 0.0125  20 s elapsed  5.0 s left",
            "adapting: 100/100 in 25 s  flow 0.01",
        ]

    def test_the_given_rate_tells_the_time_left(self) -> None:
        console, now = pipe(), [0.0]
        view = PlainTrainingView(console, lambda: now[0])
        view.started("adapting", 100)
        now[0] = 11.0
        view.advanced(50, {}, rate=2.0)
        assert "25 s left" in output(console)

    def test_a_training_that_goes_on_is_not_taken_for_a_fast_one(self) -> None:
        console, now = pipe(), [0.0]
        view = PlainTrainingView(console, lambda: now[0])
        view.started("pretraining", 6000)
        view.advanced(5000, {})
        now[0] = 20.0
        view.advanced(5200, {})
        assert "80 s" not in output(console)
        assert output(console).splitlines()[-1].endswith("1:20 left")

    def test_without_a_total_nothing_is_promised(self) -> None:
        console, now = pipe(), [0.0]
        view = PlainTrainingView(console, lambda: now[0])
        view.started("adapting", 0)
        now[0] = 11.0
        view.advanced(50, {})
        assert output(console).splitlines()[-1] == "adapting  50  11 s elapsed"

    @pytest.mark.parametrize("total", [100, 0])
    def test_the_live_bar_shows_losses_speed_and_time_left(self, total: int) -> None:
        console, now = terminal(width=80), [0.0]
        view = LiveTrainingView(console, lambda: now[0])
        view.started("adapting", total)
        view.advanced(0, {})
        now[0] = 10.0
        view.advanced(40, {"flow": 0.25})
        console.print(view.render())
        text = visible(console)
        assert "flow 0.25" in text
        assert "4/s" in text
        assert ("40/100" in text and "15 s left" in text) if total else "10 s elapsed" in text
        assert max(map(len, text.splitlines())) <= 80

    def test_both_views_end_with_the_same_line(self) -> None:
        for console in (pipe(), terminal()):
            some_training(training_view(console))
            assert re.search(r"adapting: 100/100 in 0\.\d s  flow 0\.01  steps 0\.5\n", visible(console))


class TestTables:
    rows = (
        {"adapter": None, "n": 50, "successes": 14, "rate": 0.28, "interval": (0.17, 0.42), "seconds": 61.2},
        {"adapter": "round-3", "n": 50, "successes": 41, "rate": 0.82, "interval": (0.69, 0.9), "seconds": None},
    )

    def test_results_stand_side_by_side(self) -> None:
        console = pipe()
        console.print(results_table(self.rows))
        base, third = output(console).splitlines()[1:]
        assert base.split()[:5] == ["base", "14/50", "28", "%", "17-42"]
        assert base.endswith("1:01")
        assert third.startswith("round-3")
        console.print(results_table([]))

    @pytest.mark.parametrize("width", [200, 80, 60, 40, 20])
    def test_names_and_rates_stay_whole_however_narrow_the_terminal_is(self, width: int) -> None:
        names = ["base", "adapter-001", "a-carefully-named-adapter-of-2026-[x]"]
        console = Console(file=io.StringIO(), width=width, soft_wrap=True, markup=False, emoji=False, highlight=False)
        console.print(results_table([{**self.rows[0], "adapter": name} for name in names]))
        console.print(curve([0.2, 0.9], ["before", names[2]], [(0.1, 0.4), (0.7, 0.97)]))
        lines = output(console).splitlines()
        assert [line.split()[0] for line in lines[1:4]] == names
        assert all("14/50" in line and "28 %" in line and "17-42 %" in line for line in lines[1:4])
        assert lines[4].startswith("before")
        assert lines[5].startswith(names[2])
        assert lines[5].endswith("90 %  70-97 %")
        if width >= 40 + len(names[2]):
            assert max(map(len, lines)) <= width

    @pytest.mark.parametrize("width", [120, 80, 60, 40])
    def test_the_live_line_keeps_its_numbers_on_a_narrow_terminal(self, width: int) -> None:
        console, now = terminal(width=width), [0.0]
        view = LiveTrainingView(console, lambda: now[0])
        view.started("evaluating adapter-001 under base-pose:0.8", 100)
        view.advanced(0, {})
        now[0] = 20.0
        view.advanced(33, {"successes": 12})
        console.print(view.render())
        text = visible(console)
        assert "33/100" in text
        assert "41 s left" in text
        assert "adapter-001" in text

    @pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
    def test_a_bar_is_as_long_as_its_value(self, value: float) -> None:
        assert bar(value, None, 20).plain == "█" * round(20 * value) + " " * (20 - round(20 * value))
        shaded = bar(value, (max(0.0, value - 0.2), min(1.0, value + 0.2)), 20).plain
        assert len(shaded) == 20
        assert shaded.count("█") + shaded.count("▓") == round(20 * value)

    def test_a_curve_has_a_line_a_round(self) -> None:
        console = pipe()
        console.print(curve([0.2, 0.9], ["base", "round 1"], [(0.1, 0.4), (0.7, 0.97)]))
        first, second = output(console).splitlines()
        assert first.startswith("base")
        assert "20 %" in first
        assert "70-97 %" in second
