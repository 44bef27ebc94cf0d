"""The view of an improvement run: one robot, its phase, the run; nothing is silent."""

import re

import pytest
from rich.console import Console
from test_display_views import CAMERAS, GOAL, observation, output, pipe, terminal, visible

from a2g_cli.cli.commands.improve_view import ImproveView
from a2g_cli.display.bars import bar_line, time_left
from a2g_cli.display.practice_view import LivePracticeView, PlainPracticeView, PracticeView, practice_view
from a2g_cli.display.rollout_view import LiveRolloutView
from a2g_cli.display.training_view import LiveTrainingView


def shown(view: LivePracticeView | LiveRolloutView | LiveTrainingView, console: Console) -> str:
    before = len(visible(console))
    console.print(view.render())
    return visible(console)[before:]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("width", "height"), [(40, 24), (80, 24), (120, 40)])
@pytest.mark.parametrize("colours", [True, False])
def test_a_run_fits_the_terminal_and_tells_what_happens(width: int, height: int, colours: bool) -> None:
    console, clock = terminal(width, height, **({} if colours else {"NO_COLOR": "1"})), Clock()
    view = LivePracticeView(console, None, clock)
    view.run(1, 5, "Promoted. New adapter 8/8, old 0/8 on the same trials")
    clock.now = 60.0
    view.began(GOAL, 60)
    view.stepped(12, observation(1), 22.5)
    view.started("round 2: practice", 20)
    view.advanced(0, {})
    clock.now = 62.0
    view.advanced(7, {"successes (simulator)": 3})
    text = shown(view, console)
    assert max(map(len, text.splitlines())) <= width
    assert len(text.splitlines()) <= height
    for words in ("cup-left", "step 12/60", "22.5 to go", "round 2: practice", "7/20", "3.7 s left", "round 2/5"):
        assert words in text
    assert "4:08 left" in text  # a round took 62 s, and four are left
    assert "Promoted. New adapter" in text
    assert ("▄" in output(console)) == colours
    assert all((f"now {camera}" in text) == colours for camera in CAMERAS)


def test_now_and_goal_use_the_rows_that_are_free() -> None:
    widths = []
    for height in (16, 24, 40, 60):
        console = terminal(160, height)
        view = LivePracticeView(console)
        view.began(GOAL, 60)
        view.stepped(1, observation(1), 3.0)
        text = shown(view, console)
        widths.append(max(len(line.rstrip()) for line in text.splitlines() if "▄" in line))
        assert height - 8 <= len(text.splitlines()) <= height
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]


def test_what_a_plan_imagined_stays_until_the_next_one_or_the_next_episode() -> None:
    console = terminal(120, 40)
    view = LivePracticeView(console)
    view.began(GOAL, 60)
    view.stepped(1, observation(1), 3.0)
    without = shown(view, console)
    view.imagined({name: [image] * 3 for name, image in observation(2).images.items()})
    with_plan = shown(view, console)
    assert with_plan != without
    view.planned(observation(1), {}, 3.0, 0.1)
    assert shown(view, console).count("▄") == with_plan.count("▄")
    view.began(GOAL, 60)
    view.stepped(1, observation(1), 3.0)
    assert shown(view, console).count("▄") == without.count("▄")


def test_a_phase_is_named_with_its_time_and_the_robot_goes_when_it_rests() -> None:
    console, clock = terminal(80, 30), Clock()
    view = LivePracticeView(console, None, clock)
    assert "getting ready … 0.0 s" in shown(view, console)
    view.began(GOAL, 60)
    view.stepped(3, observation(1), 9.0)
    view.phase("round 1: measuring the camera, the arm and the motors")
    clock.now = 2.5
    text = shown(view, console)
    assert "measuring the camera, the arm and the motors … 2.5 s" in text
    assert "step  3/60" in text
    clock.now = 8.0
    text = shown(view, console)
    assert "measuring the camera, the arm and the motors … 8.0 s" in text
    assert "step" not in text
    view.started("adapting", 100)
    assert "measuring" not in shown(view, console)


def test_between_two_parts_something_moves() -> None:
    """Whatever a command does, its view changes at least every two seconds."""
    console, clock = terminal(), Clock()
    practice, training = LivePracticeView(console, None, clock), LiveTrainingView(console, clock)
    rollout = LiveRolloutView(console, None, clock)
    rollout.episode_started(0, 1, GOAL, 60)
    for view in (practice, training):
        view.started("encoding", 2)
        view.advanced(2, {})
        view.finished()
    seen: dict[object, list[str]] = {practice: [], training: [], rollout: []}
    for second in range(2, 12, 2):
        clock.now = second + 0.5
        for view, texts in seen.items():
            texts.append(shown(view, console))  # type: ignore[arg-type]
    for texts in seen.values():
        assert len(set(texts)) == len(texts)
        assert "4.5 s" in texts[1]


@pytest.mark.parametrize("height", [1, 4, 10])
@pytest.mark.parametrize("width", [10, 40])
def test_a_tiny_terminal_is_no_error(width: int, height: int) -> None:
    console = terminal(width, height)
    view = LivePracticeView(console)
    view.run(0, 3, "x")
    view.began(GOAL, 60)
    view.stepped(1, observation(1), float("nan"))
    view.advanced(3, {"loss": 1.0})
    assert max(map(len, shown(view, console).splitlines())) <= width


def test_a_dumb_terminal_and_a_pipe_get_lines() -> None:
    assert type(practice_view(terminal())) is LivePracticeView
    for console in (pipe(), terminal(TERM="dumb")):
        view = practice_view(console)
        assert type(view) is PlainPracticeView
        improve(view)
        lines = visible(console).splitlines()
        assert lines == [
            "round 1: practice: 2 to do",
            "round 1: practice: 2/2 in 0.0 s  successes (simulator) 1",
            "round 1: measuring the camera …",
            "round 1/3: Promoted.",
        ]
        assert not re.search(r"\x1b", output(console).replace("\x1b[2m", "").replace("\x1b[0m", ""))


def improve(view: PracticeView) -> None:
    run = ImproveView(view, simulated=True)
    run.run_begins(0, 3)
    run.rolled("round 1: practice", 0, 2, 0)
    run.began(GOAL, 60)
    run.planned(observation(0), {}, 9.0, 0.1)
    run.stepped(1, observation(1), 8.0)
    run.rolled("round 1: practice", 2, 2, 1)
    run.phase("round 1: measuring the camera")
    run.round_over(1, 3, "Promoted.")


def test_control_characters_of_a_goal_or_a_reason_never_reach_the_terminal() -> None:
    console = terminal()
    view = LivePracticeView(console)
    view.run(1, 2, "because \x1b[31m\x07[red]")
    view.phase("a \x1b]0;title\x07")
    text = shown(view, console)
    assert "\x07" not in output(console)
    assert "\x1b]" not in output(console)
    assert "[red]" in text


def test_a_bar_line_keeps_its_numbers() -> None:
    for width in (12, 30, 60, 200):
        console = terminal(width)
        console.print(bar_line("step 3/60", 3, 60, "", width))
        console.print(bar_line("x", 7, 5, "y", width))  # more than all is all
        lines = visible(console).splitlines()
        assert "step 3/60" in lines[0]
        assert max(map(len, lines)) <= width
    assert time_left(10.0, 2, 6) == "20 s left"
    assert [time_left(*given) for given in ((10.0, 0, 6), (10.0, 6, 6), (0.0, 1, 2))] == ["", "", ""]
