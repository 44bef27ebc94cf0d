"""``a2g.toml``: what is meant is taken, what cannot be meant is refused with its line and what can be."""

from pathlib import Path

import pytest
from cli_examples import refused

from a2g_cli.core.config import Configuration, line_of, read
from a2g_cli.core.errors import UsageError
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.workspace import Workspace

WHOLE = """# the bench
[robot]
driver = "sim:place"
size = 64

[cameras.wrist]
driver = "images"
path = "/photos"
size = "64x48"

[safety]
frame_age = 0.2
workspace_low = { x = -0.1, "y" = -0.2 }
max_step.x = 0.01
hold_key = "space"

[safety.workspace_high]
x = 0.1

[goals]
names = ["cup"]
"""


def write(folder: Path, text: str) -> Workspace:
    (folder / "a2g.toml").write_text(text)
    return Workspace(folder)


def test_what_is_written_is_taken(tmp_path: Path) -> None:
    found = read(write(tmp_path, WHOLE))
    assert (found.robot, found.robot_settings, found.goals) == ("sim:place", {"size": 64}, ("cup",))
    assert found.safety == SafetyLimits(
        {"x": -0.1, "y": -0.2}, {"x": 0.1}, {"x": 0.01}, frame_age=0.2, hold_key="space"
    )


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    assert read(Workspace(tmp_path)) == Configuration() == Configuration(None, {}, None, {}, SafetyLimits(), ())


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("[safety]", "[saftey]", ["line 11", "unknown section 'saftey'", "did you mean safety"]),
        ("frame_age = 0.2", "frame_ages = 0.2", ["line 12", "[safety]", "did you mean frame_age"]),
        ("frame_age = 0.2", "frame_age = 200", ["line 12", "frame_age = 200", "seconds, 0.02 to 10"]),
        ("frame_age = 0.2", 'frame_age = "200 ms"', ["line 12", "'200 ms'", "seconds, 0.02 to 10"]),
        ("frame_age = 0.2", "frame_age = nan", ["line 12", "seconds, 0.02 to 10"]),
        ("frame_age = 0.2", "frame_age = true", ["line 12", "seconds, 0.02 to 10"]),
        ("frame_age = 0.2", "missed_deadlines = 2.5", ["line 12", "a whole number of control periods"]),
        ("max_step.x = 0.01", "max_step.x = -1", ["line 14", "[safety.max_step] x = -1", "a step"]),
        ("max_step.x = 0.01", "max_step = 0.01", ["line 14", "max_step = { NAME = NUMBER }"]),
        ("x = 0.1\n", "x = -0.3\n", ["line 13", "x = -0.1", "less than workspace_high, -0.3"]),
        ('hold_key = "space"', 'hold_key = "shift"', ["line 15", "space, enter, tab"]),
        ('"sim:place"', '"smi:place"', ["line 3", "unknown robot driver 'smi'", "did you mean sim"]),
        ('driver = "images"\n', "", ["line 6", 'driver = "NAME"']),
        ('size = "64x48"', 'size = "64"', ["line 9", "[cameras.wrist] size = '64'", "WIDTHxHEIGHT"]),
        ('size = "64x48"', 'size = "0x48"', ["line 9", "1 to 8192 px"]),
        ('size = "64x48"', "size = 64", ["line 9", "WIDTHxHEIGHT"]),
        ('size = "64x48"', 'crop = "99999x48+0+0"', ["line 9", "WIDTHxHEIGHT+LEFT+TOP", "1 to 8192 px"]),
        ('names = ["cup"]', 'names = ["../cup"]', ["line 21", "cannot name a goal"]),
        ("size = 64", "sise = 64", ["line 4", "[robot]", "did you mean size"]),
        ("size = 64", "size = 64\nrate = 0", ["line 5", "hertz, 0.1 to 1000"]),
        ("size = 64", "size = true", ["line 4", "[robot] size = True", "a whole number"]),
        ("size = 64", 'size = "64x64"', ["line 4", "size = '64x64'", "expected a whole number"]),
        ('path = "/photos"', "path = 7", ["line 8", "[cameras.wrist] path = 7", "text in quotes"]),
        ('path = "/photos"', 'path = "/photos"\nloop = "no"', ["line 9", "loop = 'no'", "true or false"]),
        ('path = "/photos"', 'paht = "/photos"', ["line 8", "[cameras.wrist]", "did you mean path"]),
        ('driver = "images"', 'driver = "imges"', ["line 7", "did you mean images"]),
        ("[cameras.wrist]", '[cameras."../wrist"]', ["line 6", "letters, digits"]),
        ('names = ["cup"]', 'names = "cup"', ["line 21", 'names = ["cup", "plate"]']),
        ("[goals]", "[goals", ["not valid TOML"]),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(
    before: str, after: str, words: list[str], tmp_path: Path
) -> None:
    assert before in WHOLE
    with pytest.raises(UsageError) as refusal:
        read(write(tmp_path, WHOLE.replace(before, after, 1)))
    for word in words:
        assert word in str(refusal.value)


def test_every_limit_can_be_set_in_its_range(tmp_path: Path) -> None:
    # A limit that the guards know and the file does not, could not be set.
    from dataclasses import fields

    from a2g_cli.core.config import BY_NAME, NUMBERS

    assert {one.name for one in fields(SafetyLimits)} == {*BY_NAME, *NUMBERS, "hold_key"}
    for name, allowed in NUMBERS.items():
        assert allowed.holds(getattr(SafetyLimits(), name))


def test_a_line_is_found_whatever_way_its_table_is_written() -> None:
    text = "[a]\nb.c = 1\n[a.d]\n'e f' = 2\n[[g]]\nh = 3\n"
    assert line_of(text, ["a", "b", "c"]) == 2
    assert line_of(text, ["a", "d", "e f"]) == 4
    assert line_of(text, ["g", "h"]) == 6
    assert line_of(text, ["a", "z"]) == 1
    assert line_of(text, ["z"]) is None


def test_the_command_line_says_it(tmp_path: Path) -> None:
    write(tmp_path, WHOLE.replace("frame_age = 0.2", "frame_age = 200"))
    assert "a2g.toml, line 12: [safety] frame_age = 200: expected seconds, 0.02 to 10" in refused(
        tmp_path, "run", "cup"
    )


BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    "as_saved",
    [BOM + WHOLE.encode(), WHOLE.replace("\n", "\r\n").encode(), BOM + WHOLE.replace("\n", "\r\n").encode()],
    ids=["byte order mark", "Windows", "both"],
)
def test_a_file_as_windows_saves_it_means_the_same(tmp_path: Path, as_saved: bytes) -> None:
    plain = read(write(tmp_path, WHOLE))
    (tmp_path / "a2g.toml").write_bytes(as_saved)
    assert read(Workspace(tmp_path)) == plain
    (tmp_path / "a2g.toml").write_bytes(as_saved.replace(b"frame_age = 0.2", b"frame_age = 99"))
    with pytest.raises(UsageError, match="line 12"):
        read(Workspace(tmp_path))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_a_file_in_another_encoding_is_refused_with_what_to_do(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a2g.toml").write_bytes("# f\u00fcr den Arm\n[robot]\ndriver = 'sim'\n".encode(encoding))
    assert "save it as UTF-8" in refused(tmp_path, "run", "cup")
    (tmp_path / "a2g.toml").write_bytes("[robot]\n".encode(encoding))
    assert encoding == "latin-1" or "save it as UTF-8" in refused(tmp_path, "run", "cup")
