"""Images by a terminal's own protocol: they hold the pixels, stand where the view left room, and are removed."""

import base64
import io
import re

import numpy as np
import PIL.Image
import pytest
from rich.console import Group
from test_display_views import GOAL, IMAGINED, observation, output, terminal

from a2g_cli.core.types import Image
from a2g_cli.display import protocols
from a2g_cli.display.practice_view import LivePracticeView
from a2g_cli.display.protocols import DRAWN, Overlay, Place, forget, protocol_of
from a2g_cli.display.rollout_view import LiveRolloutView

SEQUENCE = re.compile(
    r"\x1b_G[^\x1b]*\x1b\\|\x1b\]1337;[^\x07]*\x07|\x1bP[^\x1b]*\x1b\\|\x1b[78]|\x1b\[[0-9;?]*[A-Za-z]"
)


def quarters() -> Image:
    image = np.zeros((8, 16, 3), np.uint8)
    image[:4, :8], image[4:, 8:] = (255, 0, 0), (0, 0, 255)
    return image


PLACE = Place(quarters(), row=3, column=5, columns=8, rows=2)


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, None),
        ({"TERM": "xterm-kitty", "TMUX": "socket,1,0"}, None),
        ({"TERM": "xterm-kitty", "A2G_IMAGES": "blocks"}, None),
        ({"TERM": "xterm-256color", "A2G_IMAGES": "sixel"}, "sixel"),
        ({}, None),
    ],
)
def test_the_terminal_s_name_decides_and_a_person_may(environment: dict[str, str], protocol: str | None) -> None:
    assert protocol_of(environment) == protocol


def test_kitty_gets_every_pixel_in_short_chunks() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    drawn = DRAWN["kitty"](Place(noise, 0, 0, 10, 5), 2)
    chunks = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", drawn)
    assert len(chunks) > 1
    assert all(len(data) <= 4096 for _, data in chunks)
    assert ["m=1" in keys for keys, _ in chunks] == [True] * (len(chunks) - 1) + [False]
    assert {"c=10", "r=5", "C=1", "q=2"} <= set(chunks[0][0].split(","))
    shown = PIL.Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in chunks))))
    assert (np.asarray(shown) == noise).all()


def test_iterm_gets_a_file_in_cells_and_a_large_one_is_reduced() -> None:
    found = re.fullmatch(r"\x1b\]1337;File=([^:]*):([^\x07]*)\x07", DRAWN["iterm"](PLACE, 0))
    assert found is not None
    assert {"inline=1", "width=8", "height=2", "doNotMoveCursor=1"} <= set(found[1].split(";"))
    assert (np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(found[2])))) == quarters()).all()
    large = DRAWN["iterm"](Place(np.zeros((1000, 2000, 3), np.uint8), 0, 0, 8, 2), 0)
    assert PIL.Image.open(io.BytesIO(base64.b64decode(large.split(":")[1][:-1]))).size == (512, 256)


def painted(sixels: str) -> Image:
    """Draw sixels as a terminal does."""
    width, height = (int(size) for size in re.findall(r'"1;1;(\d+);(\d+)', sixels)[0])
    colours = {
        int(number): [round(int(part) * 255 / 100) for part in rgb.split(";")]
        for number, rgb in re.findall(r"#(\d+);2;(\d+;\d+;\d+)", sixels)
    }
    image = np.zeros((height + 6, width, 3), np.uint8)
    body = re.sub(r'^\x1bP[^q]*q"[\d;]*|#\d+;2;[\d;]*|\x1b\\$', "", sixels)
    top = left = colour = 0
    for sign in re.findall(r"#\d+|!\d+.|[$-]|[?-~]", body):
        if sign[0] == "#":
            colour = int(sign[1:])
        elif sign in "$-":
            left, top = 0, top + 6 * (sign == "-")
        else:
            count, dots = (int(sign[1:-1]), sign[-1]) if sign[0] == "!" else (1, sign)
            for row in range(6):
                if (ord(dots) - 63) >> row & 1:
                    image[top + row, left : left + count] = colours[colour]
            left += count
    return image[:height]


def test_sixels_paint_the_image() -> None:
    shown = painted(DRAWN["sixel"](PLACE, 0))
    height, width = shown.shape[:2]
    assert (width, height) == (80, 40)  # eight cells by two, ten by twenty pixels each
    large = quarters().repeat(5, axis=0).repeat(5, axis=1)
    assert np.abs(shown.astype(int) - large).max() <= 3


@pytest.mark.parametrize("protocol", list(DRAWN))
@pytest.mark.parametrize(("width", "height"), [(40, 24), (80, 24), (120, 40)])
def test_images_stand_under_their_labels_and_take_no_room(protocol: str, width: int, height: int) -> None:
    for made in (LiveRolloutView, LivePracticeView):
        console = terminal(width, height)
        view = made(console, protocol)
        if isinstance(view, LiveRolloutView):
            view.episode_started(0, 3, GOAL, 60)
        else:
            view.run(0, 5, "")
            view.began(GOAL, 60)
        view.planned(observation(0), IMAGINED, 30.0, 0.034)
        frame = view.render()
        assert isinstance(frame, Group)
        overlay = frame.renderables[-1]
        assert isinstance(overlay, Overlay)
        console.print(frame, end="")
        text = SEQUENCE.sub("", output(console)).split("\n")
        assert len(text) <= height
        assert max(map(len, text)) <= width
        assert "▄" not in output(console)
        lines = len(text) - 1  # the last is empty: there the images are drawn from
        assert text[-1].strip() == ""
        assert overlay._height == lines
        for number, place in enumerate(overlay._places):
            label = text[place.row - 1][place.column :]
            assert label.startswith(("now", "goal", "imagined", " ")), (number, label)
            inner = [line[place.column : place.column + place.columns] for line in text[place.row :][: place.rows]]
            assert len(inner) == place.rows
            assert not "".join(inner).strip(), "nothing is written where the image is"
        ups = [int(up) for up in re.findall(r"\x1b7\x1b\[(\d+)A", output(console))]
        assert ups == [lines - place.row for place in overlay._places]


def test_what_did_not_change_is_drawn_once_and_what_changed_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Image] = []
    monkeypatch.setattr(protocols, "DRAWN", {"kitty": lambda place, _: drawn.append(place.image) or "x"})
    first, second = quarters(), quarters()
    for image in (first, first, second, first):
        console = terminal()
        console.print(Overlay("kitty", [Place(image, 1, 0, 8, 2)], 5))
        assert "x\x1b8" in output(console)
    assert len(drawn) == 2
    for _ in range(100):
        protocols._drawn("kitty", Place(quarters(), 1, 0, 8, 2), 0)
    assert len(protocols._KEPT) <= protocols._MOST_IMAGES


def test_kitty_s_images_are_removed_at_the_end() -> None:
    for protocol, removed in (("kitty", True), ("sixel", False), (None, False)):
        console = terminal()
        forget(console, protocol)
        assert ("a=d" in output(console)) == removed
        console = terminal()
        with LiveRolloutView(console, protocol):
            pass
        assert ("a=d" in output(console)) == removed


def test_no_image_has_a_number_that_is_not_removed() -> None:
    most = max(int(number) for number in re.findall(r"i=(\d+)", _gone()))
    assert most >= protocols._FIRST_ID + 2 * (2 + 8) - 1  # two cameras: now, goal and eight imagined frames each


def _gone() -> str:
    console = terminal()
    forget(console, "kitty")
    return output(console)
