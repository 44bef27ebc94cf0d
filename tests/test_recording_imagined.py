"""What the world model imagined, in a recording: kept through a kill, refused where damaged, absent where nothing was."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from recording_examples import DONE, episode, extend, imagined, same, start

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Outcome
from a2g_cli.data.recording import journal
from a2g_cli.data.recording.assemble import salvage
from a2g_cli.data.recording.imagined import Imagined, at_step, pack, unpack
from a2g_cli.data.recording.reader import Recording, read_episode
from a2g_cli.data.recording.verify import verify

SALVAGED = Outcome(None, "none", "salvaged")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of nine steps with two plans."""
    with start(tmp_path_factory.mktemp("imagined") / "a.hdf5") as writer:
        writer.imagine(imagined(0))
        extend(writer, 8)
        writer.imagine(imagined(8))
        extend(writer, 1)
        return writer.finish(DONE)


def test_a_recording_gives_back_what_was_imagined_and_nothing_else_changes(kept: Path) -> None:
    with Recording(kept) as recording:
        plans = recording.imagined
    assert plans == [imagined(0), imagined(8)]
    for one in plans:
        frames = one.frames()
        assert [frame.shape for frame in frames] == [(16, 24, 3)] * 3
        shades = np.random.default_rng([0, one.step, 2]).integers(0, 256, 3)
        assert [round(float(frame.mean())) for frame in frames] == pytest.approx(shades.tolist(), abs=3)
    assert plans[1].words() == "imagined at step 8, for steps 9, 10 and about 18"
    assert plans[1].label(2) == "about step 18"
    assert at_step(plans, 7) == plans[0]
    assert at_step(plans[1:], 7) is None
    assert same(read_episode(kept), episode(9))
    assert verify(kept) == []


def test_nothing_imagined_leaves_nothing_in_the_file(tmp_path: Path) -> None:
    with start(tmp_path / "a.hdf5") as writer:
        extend(writer, 2)
        path = writer.finish(DONE)
    with h5py.File(path) as file:
        assert "imagined" not in file
        assert file.attrs["a2g_recording"] == 1
    with Recording(path) as recording:
        assert recording.imagined == []


def test_a_killed_writer_s_imagined_frames_are_salvaged_with_its_steps(tmp_path: Path) -> None:
    writer = start(tmp_path / "a.hdf5")
    writer.imagine(imagined(0))
    extend(writer, 4)
    writer.imagine(imagined(4))
    writer.abandon()
    whole = writer.partial.read_bytes()
    for cut in range(len(whole) - 1, len(whole) - 400, -40):  # within the last record, and behind it
        partial = tmp_path / f"b{cut}.hdf5.partial"
        partial.write_bytes(whole[:cut])
        path = salvage(partial)
        assert same(read_episode(path), episode(4, outcome=SALVAGED))
        with Recording(path) as recording:
            assert recording.imagined == [imagined(0)]
    with Recording(salvage(writer.partial)) as recording:
        assert recording.imagined == [imagined(0), imagined(4)]


def test_an_unfinished_recording_of_before_can_be_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAGIC", b"a2g partial 2\n")
    writer = start(tmp_path / "a.hdf5")
    extend(writer, 4)
    writer.abandon()
    monkeypatch.undo()
    assert same(read_episode(salvage(writer.partial)), episode(4, outcome=SALVAGED))


def test_frames_of_another_shape_do_not_cost_a_recording(tmp_path: Path) -> None:
    with start(tmp_path / "a.hdf5") as writer:
        for one in (imagined(0), imagined(1, camera="wrist"), imagined(0)):
            writer.imagine(one)
        extend(writer, 1)
        with Recording(writer.finish(DONE)) as recording:
            assert recording.imagined == [imagined(0), imagined(0)]


def test_a_camera_that_the_robot_has_not_is_an_error(tmp_path: Path) -> None:
    with start(tmp_path / "a.hdf5") as writer, pytest.raises(RecordingError, match="cannot be written"):
        writer.imagine(imagined(0, camera="elsewhere"))


@pytest.mark.parametrize(
    "changed",
    [
        {"step": -1},
        {"shows": ()},
        {"shows": (3, 2, 9)},
        {"shows": (5,) * 65},
        {"near": 4},
        {"width": 0},
        {"jpeg": b""},
        {"shows": (9, 9, 2**31)},
    ],
)
def test_what_no_plan_has_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"imagined frames|stands for"):
        replace(imagined(4), **changed)


@pytest.mark.parametrize("jpeg", [b"no image", imagined(0).jpeg[:200]])
def test_what_cannot_be_unpacked_is_refused(jpeg: bytes) -> None:
    with pytest.raises(ValueError, match="imagined frames"):
        replace(imagined(0), jpeg=jpeg).frames()


def test_an_image_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="72x16 px for 3"):
        replace(imagined(0), width=23).frames()


def test_a_record_is_unpacked_as_it_was_packed_and_a_torn_one_refused() -> None:
    cameras = ["wrist", "front"]
    payload = pack(imagined(4), cameras)
    assert unpack(payload, cameras) == imagined(4)
    for torn in (payload[:8], payload[:16]):
        with pytest.raises(ValueError, match="imagined frames"):
            unpack(torn, cameras)
    with pytest.raises(ValueError, match="of camera 1"):
        unpack(payload, ["wrist"])


def _text(file: Any, text: str) -> None:
    del file["imagined"].attrs["about"]
    file["imagined"].attrs["about"] = text


def _array(name: str, values: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        file[f"imagined/{name}"][...] = values

    return change


def _link(file: Any) -> None:
    del file["imagined/jpeg"]
    file["imagined/jpeg"] = h5py.ExternalLink("elsewhere.hdf5", "/x")


DAMAGES: dict[str, Callable[[Any], None]] = {
    "no description": lambda file: _text(file, "{}"),
    "another camera": lambda file: _text(file, '{"camera": "x", "near": 2, "width": 24}'),
    "no number": lambda file: _text(file, '{"camera": "front", "near": "2", "width": 24}'),
    "a step behind the end": _array("step", [0, 10]),
    "steps out of order": _array("step", [8, 0]),
    "bytes out of order": _array("ends", [900, 800]),
    "bytes beyond the end": _array("ends", [1, 10**9]),
    "before its plan": _array("shows", 1),
    "a link": _link,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_group_is_refused_in_a_line(kept: Path, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.hdf5"
    shutil.copy(kept, path)
    with h5py.File(path, "r+") as file:
        DAMAGES[damage](file)
    with Recording(path) as recording:
        assert recording.length == 9
        with pytest.raises(RecordingError, match="is not a valid recording"):
            recording.imagined  # noqa: B018


def test_verify_names_frames_that_cannot_be_unpacked(kept: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    shutil.copy(kept, path)
    with h5py.File(path, "r+") as file:
        file["imagined/jpeg"][:20] = 7
    assert any("what was imagined at step 0" in problem for problem in verify(path))


def test_words_of_a_single_frame() -> None:
    one = Imagined("front", 3, (7,), 1, 24, imagined(0).jpeg)
    assert one.words() == "imagined at step 3, for step 7"
