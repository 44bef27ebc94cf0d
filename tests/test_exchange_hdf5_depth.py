"""Depth in HDF5 data sets of other programs: where it may stand, its units, and what was not measured."""

from pathlib import Path
from typing import Any

import hdf5_examples as made
import numpy as np
import pytest
from hdf5_examples import aloha, video
from hdf5_imports import (
    Make,
    add,
    brought,
    changed,
    note,
)

from a2g_cli.core.workspace import Workspace
from a2g_cli.data.formats.importing import ImportOptions, bring_in
from a2g_cli.data.formats.registry import detect
from a2g_cli.data.recording.reader import Recording

WHOLE, METRES = made.distances(6), made.distances(6).astype(np.float32) / 1000
DEPTHS: dict[str, tuple[str, np.ndarray, str]] = {
    "beside the camera": ("images/top_depth", WHOLE, "millimetres"),
    "named the other way": ("images/depth_top", WHOLE[..., None], "millimetres"),
    "a group of its own": ("images_depth/top", WHOLE, "millimetres"),
    "depths": ("depths/top", WHOLE, "millimetres"),
    "metres": ("images/top_depth", METRES, "metres"),
}


@pytest.mark.parametrize("where", DEPTHS)
def test_depth_is_stored_in_millimetres(tmp_path: Path, where: str) -> None:
    name, data, said = DEPTHS[where]
    change = changed(lambda file: file.create_dataset(f"observations/{name}", data=data))
    result = brought(change(tmp_path / "episode_0.hdf5"))
    with Recording(result.session.recordings()[0]) as recording:
        assert recording.spec.depth == ("top",)
        np.testing.assert_array_equal(recording.depth("top"), WHOLE)
        assert recording.provenance.settings["imported"]["depth_units"] == 0.001
    assert said in note(result, "depth of top")


def test_depth_of_pngs(tmp_path: Path) -> None:
    def change(file: Any) -> None:
        file["observations/images_depth/top"] = made.padded([made.png_of_depth(depth) for depth in WHOLE])

    result = brought(aloha(tmp_path / "episode_0.hdf5", change=change))
    with Recording(result.session.recordings()[0]) as recording:
        np.testing.assert_array_equal(recording.depth("top"), WHOLE)


def test_what_was_not_measured_is_zero(tmp_path: Path) -> None:
    odd = METRES.copy()
    odd[:, 1, :5] = [np.nan, np.inf, -1.0, 70.0, 65.535]
    result = brought(add("top_depth", odd)(tmp_path / "episode_0.hdf5"))
    with Recording(result.session.recordings()[0]) as recording:
        assert recording.depth("top")[3, 1, :6].tolist() == [0, 0, 0, 0, 65535, 503]


def test_depth_after_the_last_action_and_resized(tmp_path: Path) -> None:
    path = made.robosuite(tmp_path / "lift.hdf5")
    result = bring_in(Workspace(tmp_path), path, detect(path), "small", ImportOptions(size=(6, 8)))
    with Recording(result.session.recordings()[0]) as recording:
        assert recording.depth("agentview").shape == (7, 6, 8)
        assert recording.depth("agentview")[:, 3, 3].tolist() == [500 + index for index in range(7)]


@pytest.mark.parametrize(
    ("make", "name", "reason"),
    [
        (add("top_depth", made.distances(6, (4, 4))), "top_depth", "another size"),
        (add("other_depth", WHOLE), "other_depth", "without a camera that is read"),
        (add("top_depth", WHOLE.astype(np.int32)), "top_depth", "not depth in 16 bits or in metres"),
        (lambda path: made.libero(path, depth=True), "agentview_depth", "not distances"),
        (add("infrared", video(6)[..., 0]), "infrared", "neither a colour image"),
        (add("words", np.array([b"hello"] * 6)), "words", "neither a colour image"),
        (add("nothing", np.zeros((6, 40), np.uint8)), "nothing", "--columns adds it"),
    ],
)
def test_one_thing_that_cannot_be_used_does_not_refuse_the_rest(
    tmp_path: Path, make: Make, name: str, reason: str
) -> None:
    result = brought(make(tmp_path / "episode_0.hdf5"))
    assert name in note(result, reason)
    with Recording(result.session.recordings()[0]) as recording:
        assert recording.spec.depth == ()
