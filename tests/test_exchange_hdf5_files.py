"""Files and folders of HDF5 data sets: names, order, damaged ones among good ones, and what must not be trusted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5_examples as made
import numpy as np
import pytest
from hdf5_examples import aloha
from hdf5_imports import (
    STANDARD,
    Make,
    brought,
    episodes,
    note,
    packed,
)
from recording_examples import SPEC, episode

from a2g_cli.core.errors import RecordingError
from a2g_cli.data.formats.importing import BadEpisodeError
from a2g_cli.data.recording.object_header import finds_chunks_by_tree
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.writer import write_episode

NAMES = ("episode0.hdf5", "episode_0.h5", "run-a.hdf5", "RUN.H5", "monday/episode_0.hdf5", "2026/may/1/x.h5")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", [aloha, made.robosuite])
def test_files_of_any_name_in_folders(tmp_path: Path, make: Make, name: str) -> None:
    make(tmp_path / "set" / name)
    assert brought(tmp_path / "set").episodes == (1 if make is aloha else 2)


def test_episodes_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number, steps in ((10, 7), (2, 6), (1, 5)):
        aloha(tmp_path / "set" / f"episode{number}.hdf5", steps=steps)
    assert [len(one) for one in episodes(brought(tmp_path / "set"))] == [4, 5, 6]


def test_a_folders_own_recordings_and_hidden_files_are_passed_over(tmp_path: Path) -> None:
    aloha(tmp_path / "set" / "episode_0.hdf5")
    aloha(tmp_path / "set" / ".trash" / "episode_1.hdf5")
    aloha(tmp_path / "set" / "a" / "b" / "c" / "d" / "too-deep" / "episode_1.hdf5")
    write_episode(tmp_path / "set" / "sessions" / "a.hdf5", SPEC, episode(3))
    (tmp_path / "set" / "sessions" / "up").symlink_to(tmp_path / "set")
    assert brought(tmp_path / "set").episodes == 1


@pytest.mark.parametrize("make", [aloha, made.robosuite])
@pytest.mark.parametrize("bad", [b"not HDF5 at all" * 100, b"", b"cut"])
def test_a_bad_file_among_good_ones_is_named_or_left_out(tmp_path: Path, make: Make, bad: bytes) -> None:
    source = tmp_path / "set"
    good = make(source / "b1.hdf5")
    make(source / "sub" / "b3.hdf5")
    (source / "b0.hdf5").write_bytes(good.read_bytes()[:3000] if bad == b"cut" else bad)
    with pytest.raises(BadEpisodeError, match=r"b0\.hdf5 cannot be used"):
        brought(source)
    result = brought(source, skip_bad=True)
    assert list(result.skipped) == ["b0.hdf5"]
    assert result.episodes == (2 if make is aloha else 4)


def test_a_file_of_another_kind_among_good_ones_is_named(tmp_path: Path) -> None:
    made.robosuite(tmp_path / "set" / "a.hdf5")
    with h5py.File(tmp_path / "set" / "statistics.hdf5", "w") as file:
        file["mean"] = [1.0]
    with pytest.raises(BadEpisodeError, match=r"statistics\.hdf5 cannot be used: .*data.* is missing") as caught:
        brought(tmp_path / "set")
    assert "copy" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda demo: demo.__delitem__("obs"), "dataset_states_to_obs"),
        (lambda demo: _cut(demo, "obs/agentview_image", 5), "agentview_image has 5 rows for 6 actions"),
        (lambda demo: _cut(demo, "obs/agentview_image", 2), "agentview_image has 2 rows for 6 actions"),
        (lambda demo: _cut(demo, "obs/robot0_eef_pos", 5), "robot0_eef_pos has 5 rows for 6 actions"),
        (lambda demo: _cut(demo, "next_obs/robot0_eef_pos", 5), "before the actions"),
        (lambda demo: _cut(demo, "next_obs/agentview_image", 5), "before the actions"),
        (lambda demo: demo.__delitem__("next_obs/agentview_image"), "missing after the actions"),
        (lambda demo: demo.__delitem__("obs/agentview_image"), "no camera"),
    ],
)
def test_a_bad_demo_is_named_and_said_to_be_no_more_than_that(
    tmp_path: Path, change: Callable[[Any], None], part: str
) -> None:
    path = made.robosuite(tmp_path / "lift.hdf5", depth=False)
    with h5py.File(path, "r+") as file:
        change(file["data/demo_1"])
    with pytest.raises(BadEpisodeError, match=f"demo_1 cannot be used: .*{part}") as caught:
        brought(path)
    assert "copy" not in str(caught.value)
    assert brought(path, skip_bad=True).episodes == 1


def _cut(demo: Any, name: str, rows: int) -> None:
    data = demo[name][:rows]
    del demo[name]
    demo[name] = data


def test_what_is_not_kept_step_by_step_is_left_out(tmp_path: Path) -> None:
    def extra(demo: Any, steps: int) -> None:
        demo["obs/camera_matrix"] = np.eye(3)

    result = brought(made.robosuite(tmp_path / "lift.hdf5", next_obs=False, extra=extra))
    assert "camera_matrix" in note(result, "not a row per step")


def test_a_heap_that_holds_no_such_row_is_a_bad_episode(tmp_path: Path) -> None:
    """HDF5 2.0 itself does not come to an end with such a file."""
    path = packed(made.write_vlen, STANDARD)(tmp_path / "episode_0.hdf5")
    data = path.read_bytes()
    heap = data.index(b"GCOL")
    for place in (heap + 8, heap + 24, heap + 16):  # the collection's size, its first object's, and its number
        path.write_bytes(data[:place] + bytes(8) + data[place + 8 :])
        with pytest.raises(BadEpisodeError, match=r"no camera that can be read .*heap|no camera .* is not in the file"):
            brought(path)


# -- what HDF5 must not be trusted with ---------------------------------------------------------------------------------


def test_what_may_grow_in_hdf5s_newest_layout_is_refused(tmp_path: Path) -> None:
    for maxshape in (made.bounded, made.unlimited):
        path = made.growing(tmp_path / "episode_0.hdf5", maxshape, libver="latest")
        with pytest.raises(RecordingError, match="h5repack"):
            brought(path)


@pytest.mark.parametrize(("libver", "tree"), [(None, True), (("v108", "v108"), True), ("latest", False)])
@pytest.mark.parametrize("userblock", [0, 512])
def test_the_bytes_tell_how_chunks_are_found(tmp_path: Path, libver: Any, tree: bool, userblock: int) -> None:
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w", libver=libver, userblock_size=userblock) as file:
        grows = file.create_dataset("x", data=np.zeros((6, 3)), chunks=(1, 3), maxshape=(9, 3))
        for index in range(40):  # more than one block of the object's header
            grows.attrs[f"attribute {index}"] = "x" * 60
    with h5py.File(path) as file:
        assert finds_chunks_by_tree(file["x"]) is tree


def test_a_chunk_reserved_for_a_whole_episode(tmp_path: Path) -> None:
    rows = 2**26 // (12 * 16 * 3) + 10  # more than 64 MB of frames
    noise = np.random.default_rng(0).integers(0, 256, (6, 12, 16, 3), np.uint8)

    def change(file: Any) -> None:
        images = file["observations/images"]
        images.create_dataset("top", data=noise, chunks=(rows, 12, 16, 3), maxshape=(None, 12, 16, 3))

    result = brought(aloha(tmp_path / "episode_0.hdf5", change=change, images=False))
    with Recording(result.session.recordings()[0]) as recording:
        np.testing.assert_array_equal(recording.frames("top"), noise)

    def empty(file: Any) -> None:
        how = {"chunks": (rows, 12, 16, 3), "maxshape": (None, 12, 16, 3), "compression": "gzip"}
        file["observations/images"].create_dataset("top", data=noise, **how)

    path = aloha(tmp_path / "episode_1.hdf5", change=empty, images=False)
    with pytest.raises(RecordingError, match="stored in pieces of"):
        brought(path, "bomb")
