import re

import numpy as np
import pytest
from display_examples import output, pipe, terminal
from rich.console import Console

from a2g_cli.core.clock import SteppedClock
from a2g_cli.core.errors import UsageError
from a2g_cli.core.types import Goal, Image
from a2g_cli.display.images import DrawnImage, ImageRow, fitting_columns, image_row
from a2g_cli.display.lines import duration, printable
from a2g_cli.display.player import play

RED, BLUE = (248, 0, 0), (0, 0, 248)


def visible(console: Console) -> list[str]:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output(console)).splitlines()


def plain(height: int, width: int, colour: tuple[int, int, int] = RED) -> Image:
    return np.full((height, width, 3), colour, np.uint8)


@pytest.mark.parametrize(("height", "width", "columns"), [(64, 64, 24), (48, 64, 32), (64, 48, 12), (8, 8, 30)])
def test_an_image_keeps_its_aspect(height: int, width: int, columns: int) -> None:
    console = terminal()
    console.print(image_row([plain(height, width)], columns))
    lines = visible(console)
    assert {len(line) for line in lines} == {columns}
    # A cell is two pixels high.
    assert abs(2 * len(lines) - columns * height / width) <= 1


def test_the_upper_pixel_is_the_background_and_the_lower_the_foreground() -> None:
    image = plain(2, 2)
    image[1] = BLUE
    lines = DrawnImage(image).lines(2)
    (segment,) = lines[0]
    assert segment.style is not None
    assert segment.text == "▄▄"
    assert tuple(segment.style.bgcolor.triplet) == (255, 0, 0)
    assert tuple(segment.style.color.triplet) == (0, 0, 255)


def test_an_image_row_puts_images_side_by_side_under_their_labels() -> None:
    console = terminal()
    console.print(image_row([plain(8, 8), plain(16, 8)], 8, ["now", "a goal that is too long"]))
    lines = visible(console)
    assert lines[0] == "now      a goal t"
    assert [len(line) for line in lines] == [17] * (1 + 8)


def test_an_image_row_shrinks_to_the_terminal() -> None:
    console = terminal(width=30)
    console.print(image_row([plain(64, 64)] * 3, 24))
    assert {len(line) for line in visible(console)} == {3 * 9 + 2}


def test_an_image_is_turned_into_cells_once() -> None:
    one = DrawnImage(plain(64, 64))
    assert one.lines(12) is one.lines(12)
    assert one.lines(12) is not one.lines(13)


@pytest.mark.parametrize("console", [pipe(), terminal(NO_COLOR="1"), terminal(width=3)])
def test_where_nothing_can_be_drawn_a_few_words_stand(console: Console) -> None:
    console.print(image_row([plain(48, 64)], 24))
    assert "▄" not in output(console)
    assert "image" in "".join(visible(console)).replace("\n", "") or console.width < 10


def test_no_images_are_no_error() -> None:
    for console in (pipe(), terminal()):
        console.print(image_row([], 24))


def test_images_fit_width_and_height() -> None:
    for width, height, across, aspect in [(80, 20, 3, 1.0), (120, 5, 2, 0.75), (40, 50, 6, 1.5)]:
        columns = fitting_columns(width, height, across, aspect)
        assert across * columns + across - 1 <= width
        assert columns * aspect / 2 <= height
        strip = ImageRow([DrawnImage(plain(int(20 * aspect), 20))] * across, columns)
        assert strip.columns <= 32


def test_control_characters_never_reach_the_terminal() -> None:
    assert printable("cup\x1b[2J\r\nleft") == "cup�[2J  left"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.42, "0.4 s"), (42.4, "42 s"), (59.7, "1:00"), (185, "3:05"), (3727, "1:02:07"), (float("inf"), "-")],
)
def test_durations_read_as_a_person_says_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


class TestPlay:
    goal = Goal("cup-left", {"front": plain(16, 16, BLUE)}, "test")
    frames = ({"front": plain(16, 16)},) * 5
    captions = tuple(f"step {k}" for k in range(5))

    def test_it_takes_the_time_that_the_episode_took(self) -> None:
        console, clock = terminal(), SteppedClock()
        assert play(console, self.frames, self.goal, 10.0, self.captions, speed=2.0, clock=clock)
        assert clock.now() == pytest.approx(5 / 10 / 2)
        text = "\n".join(visible(console))
        assert all(caption in text for caption in self.captions)
        assert "5/5" in text
        assert "goal" in text

    def test_late_frames_are_dropped_but_never_the_last(self) -> None:
        class Slow(SteppedClock):
            def now(self) -> float:
                self.advance(0.06)
                return super().now()

        console = terminal()
        play(console, self.frames, self.goal, 20.0, self.captions, clock=Slow())
        text = "\n".join(visible(console))
        assert "step 4" in text
        assert sum(caption in text for caption in self.captions) < 5

    def test_an_interrupt_stops_it_and_gives_the_cursor_back(self) -> None:
        class Interrupted(SteppedClock):
            def sleep_until(self, moment: float) -> None:
                super().sleep_until(moment)
                if moment > 0.15:
                    raise KeyboardInterrupt

        console = terminal()
        assert not play(console, self.frames, self.goal, 10.0, self.captions, clock=Interrupted())
        assert output(console).rfind("\x1b[?25h") > output(console).rfind("\x1b[?25l")

    def test_without_a_terminal_one_line_says_what_it_is(self) -> None:
        console = pipe()
        assert play(console, self.frames, self.goal, 10.0, self.captions)
        assert output(console) == "cup-left: 5 frames, 0.5 s at 10 Hz  step 4\n"

    def test_a_rate_of_zero_is_refused(self) -> None:
        with pytest.raises(UsageError, match="above 0"):
            play(pipe(), self.frames, self.goal, 0.0)
