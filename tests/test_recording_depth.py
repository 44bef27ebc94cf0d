"""Depth is recorded beside the frames of the cameras that were asked for it, and is not there where nobody asked."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from recording_examples import DONE, PROVENANCE, SPEC, actions, goal, observation

from a2g_cli.cameras.metadata import Framing
from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Episode, Observation
from a2g_cli.data.recording.assemble import salvage
from a2g_cli.data.recording.reader import Recording, read_episode
from a2g_cli.data.recording.verify import verify
from a2g_cli.data.recording.writer import RecordingWriter, write_episode

DEEP = replace(SPEC, depth=("front",))


def seen(index: int) -> Observation:
    depth = np.random.default_rng(index).integers(0, 65536, SPEC.cameras["front"], np.uint16)
    return replace(observation(index), depth={"front": depth})


@pytest.fixture
def episode() -> Episode:
    made = Episode(goal(), PROVENANCE, [seen(0)], outcome=DONE)
    for index in range(4):
        made.append(*actions(index), seen(index + 1))
    return made


def test_depth_comes_back_bit_for_bit_and_robomimic_finds_it(tmp_path: Path, episode: Episode) -> None:
    path = write_episode(tmp_path / "episode-0000.hdf5", DEEP, episode)
    assert verify(path) == []
    with Recording(path) as recording:
        assert recording.spec == DEEP
        for index in range(5):
            np.testing.assert_array_equal(recording.depth("front")[index], seen(index).depth["front"])
        np.testing.assert_array_equal(recording.observation(-1).depth["front"], seen(4).depth["front"])
        with pytest.raises(RecordingError, match="no depth of 'wrist': it has front"):
            recording.depth("wrist")
    whole = read_episode(path)
    np.testing.assert_array_equal(whole.observations[2].depth["front"], seen(2).depth["front"])
    with h5py.File(path) as file:
        for group, begin in (("obs", 0), ("next_obs", 1)):
            view = file[f"data/demo_0/{group}/front_depth"]
            np.testing.assert_array_equal(view[0], seen(begin).depth["front"])


def test_without_depth_a_recording_is_as_it_always_was(tmp_path: Path, episode: Episode) -> None:
    path = write_episode(tmp_path / "episode-0000.hdf5", SPEC, episode)
    with h5py.File(path) as file:
        assert "depth" not in file
        assert b"depth" not in file.attrs["spec"]


def test_an_episode_that_was_cut_off_keeps_its_depth(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "episode-0000.hdf5", DEEP, goal(), PROVENANCE, seen(0))
    for index in range(3):
        writer.append(*actions(index), seen(index + 1))
    writer.abandon()
    with Recording(salvage(writer.partial)) as recording:
        np.testing.assert_array_equal(recording.depth("front", 3)[0], seen(3).depth["front"])


@pytest.mark.parametrize(
    "depth", [{}, {"front": np.zeros((2, 2), np.uint16)}, {"front": np.zeros(SPEC.cameras["front"], np.float32)}]
)
def test_depth_that_is_missing_or_odd_is_refused(tmp_path: Path, depth: dict[str, np.ndarray]) -> None:
    with pytest.raises(RecordingError, match="depth of camera 'front' is"):
        RecordingWriter(tmp_path / "a.hdf5", DEEP, goal(), PROVENANCE, replace(observation(0), depth=depth))


def test_damaged_depth_is_noticed(tmp_path: Path, episode: Episode) -> None:
    path = write_episode(tmp_path / "episode-0000.hdf5", DEEP, episode)
    with h5py.File(path) as file:
        chunk = file["depth/front"].id.get_chunk_info(2)
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset + chunk.size // 2)
        raw.write(b"\xff" * 16)
    assert any("a depth of front" in problem for problem in verify(path))
    with h5py.File(path, "r+") as file:
        del file["depth/front"]
    assert any("depth/front is missing" in problem for problem in verify(path))


def test_depth_is_never_a_mean_of_two_surfaces() -> None:
    depth = np.array([[1000, 1000, 3000, 3000]] * 4, np.uint16)
    small = Framing(size=(2, 2)).apply_depth(depth)
    assert small.tolist() == [[1000, 3000], [1000, 3000]]
    assert Framing(crop=(2, 1, 2, 2)).apply_depth(depth).tolist() == [[3000, 3000], [3000, 3000]]
    assert Framing(size=(8, 8)).apply_depth(depth).shape == (8, 8)
    upright = np.arange(16, dtype=np.uint16).reshape(4, 4)
    assert Framing(size=(2, 2)).apply_depth(upright).tolist() == [[5, 7], [13, 15]]
    assert set(np.unique(Framing(size=(3, 3)).apply_depth(depth))) <= {1000, 3000}
