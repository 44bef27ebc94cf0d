"""HDF5 data sets as other programs' tools write them: each layout is read, and what is left out of it is named."""

from pathlib import Path
from typing import Any

import h5py
import hdf5_examples as made
import numpy as np
import pytest
from hdf5_examples import BLUE, aloha, video
from hdf5_imports import (
    OPENCV,
    STANDARD,
    Make,
    add,
    as_opaque,
    as_texts,
    assert_true_colours,
    bare_chunks,
    brought,
    changed,
    colours,
    episodes,
    note,
    packed,
    packed_chunks,
    padded,
)

from a2g_cli.core.errors import UsageError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.formats.importing import ImportOptions, bring_in
from a2g_cli.data.formats.registry import detect
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.verify import verify

LAYOUTS: dict[str, Make] = {
    "ACT": aloha,
    "ALOHA, compressed": made.real_aloha,
    "padded, no marks": packed(padded, STANDARD),
    "PNG": packed(padded, lambda frame: STANDARD(frame, "PNG")),
    "RoboTwin": packed(as_texts, OPENCV),
    "RoboTwin, marked": packed(as_texts, made.with_the_mark_of_robotwin),
    "opaque": packed(as_opaque, STANDARD),
    "of any length": packed(made.write_vlen, STANDARD),
    "of any length, packed again": packed(packed_chunks, STANDARD),
    "of any length, in chunks": packed(bare_chunks, STANDARD),
    "of any length, each longer than a heap's block": packed(
        made.write_vlen, lambda frame: STANDARD(frame) + bytes(9000)
    ),
    "channels first": add("left", video(6).transpose(0, 3, 1, 2)),
    "RGBA": add("left", np.concatenate([video(6), video(6)[..., :1]], axis=-1)),
    "a group a camera": add("left/color", video(6)),
    "may grow a little": lambda path: made.growing(path, made.bounded),
    "may grow a little, gzip": lambda path: made.growing(path, made.bounded, compression="gzip"),
    "may grow in all directions": lambda path: made.growing(path, made.unlimited),
    "may grow, HDF5 1.8": lambda path: made.growing(path, made.bounded, libver=("v108", "v108")),
    "longer chunks than data": lambda path: made.growing(path, made.unlimited, chunk=64),
    "no qvel": changed(lambda file: file.__delitem__("observations/qvel")),
    "no qpos": changed(lambda file: file.__delitem__("observations/qpos")),
    "actions": changed(lambda file: file.move("action", "actions")),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_episode_of_alohas_in_any_layout(tmp_path: Path, layout: str) -> None:
    result = brought(LAYOUTS[layout](tmp_path / "episode_0.hdf5"))
    assert (result.episodes, result.steps, result.skipped) == (1, 5, {})
    with Recording(result.session.recordings()[0]) as recording:
        cameras = list(recording.cameras)
        np.testing.assert_array_equal(recording.actions, np.arange(15).reshape(5, 3))
    for camera in cameras:
        assert_true_colours(result, camera)
    assert verify(result.session.recordings()[0]) == []


DEMOS: dict[str, tuple[Make, set[str], int, float]] = {
    "robomimic": (made.robosuite, {"agentview"}, 6, 20.0),
    "robomimic without next_obs": (lambda path: made.robosuite(path, next_obs=False), {"agentview"}, 5, 20.0),
    "robocasa": (made.robocasa, {"agentview", "robot0_eye_in_hand"}, 5, 20.0),
    "MimicGen": (made.mimicgen, {"agentview"}, 5, 20.0),
    "LIBERO": (made.libero, {"agentview", "eye_in_hand"}, 5, 20.0),
    "Isaac Lab": (made.isaac_lab, {"table_cam"}, 5, 1 / (0.01 * 5)),
}


@pytest.mark.parametrize("layout", DEMOS)
def test_demos_of_any_program(tmp_path: Path, layout: str) -> None:
    make, cameras, steps, rate = DEMOS[layout]
    result = brought(make(tmp_path / "all.hdf5"))
    assert (result.episodes, result.steps) == (2, 2 * steps)
    for path in result.session.recordings():
        with Recording(path) as recording:
            assert set(recording.cameras) == cameras
            assert recording.spec.rate == pytest.approx(rate)
            assert recording.outcome.success is True
            assert recording.outcome.judge == "truth"
        assert verify(path) == []
    for camera in cameras:
        assert_true_colours(result, camera)
    assert len(set(result.notes)) == len(result.notes)


# -- colours ----------------------------------------------------------------------------------------------------------


def test_the_examples_are_packed_as_opencv_does_it() -> None:
    cv2 = pytest.importorskip("cv2")
    frame = made.tinted(3)
    theirs = cv2.imencode(".jpg", frame)[1].tobytes()
    for data in (theirs, OPENCV(frame)):
        ours = made.PIL.Image.open(made.io.BytesIO(data)).convert("RGB")
        np.testing.assert_allclose(np.asarray(ours), frame[..., ::-1], atol=4)
        np.testing.assert_allclose(cv2.imdecode(np.frombuffer(data, np.uint8), 1), frame, atol=4)


def test_alohas_red_and_blue_are_swapped_back_and_it_is_said(tmp_path: Path) -> None:
    path = made.real_aloha(tmp_path / "episode_0.hdf5")
    result = brought(path)
    assert "--colour-order rgb" in note(result, "swapped back (the file has the marks of ALOHA's recorder")
    as_they_are = brought(path, "asis", colour_order="rgb")
    np.testing.assert_allclose(colours(as_they_are)[2], [BLUE, 60, 20], atol=4)
    assert not [text for text in as_they_are.notes if "red and blue" in text]


def test_a_tool_that_packs_rightly_is_told_by_the_person(tmp_path: Path) -> None:
    path = made.real_aloha(tmp_path / "episode_0.hdf5", pack=STANDARD)
    assert_true_colours(brought(path, colour_order="rgb"))


def test_images_without_marks_are_left_as_they_are_and_it_is_said(tmp_path: Path) -> None:
    path = packed(padded, OPENCV)(tmp_path / "episode_0.hdf5")
    assert "--colour-order bgr" in note(brought(path, "guess"), "does not say whether red and blue")
    assert_true_colours(brought(path, colour_order="bgr"))


def test_pixels_that_are_not_packed_have_one_order(tmp_path: Path) -> None:
    for order in ("auto", "bgr"):
        assert_true_colours(brought(aloha(tmp_path / "episode_0.hdf5"), order, colour_order=order))


# -- what is read, and what is left out -------------------------------------------------------------------------------


def test_groups_within_obs_are_left_out_and_named_once(tmp_path: Path) -> None:
    result = brought(made.isaac_lab(tmp_path / "isaac.hdf5"))
    assert "datagen_info/eef_pose/franka, datagen_info/object_pose/cube_1" in note(result, "neither a colour image")
    assert "grasp_1" in note(result, "is in a group")
    assert "object" in note(result, "only a simulator knows it")
    assert "initial_state, processed_actions, states" in note(result, "neither the action nor an observation")
    with Recording(result.session.recordings()[0]) as recording:
        assert recording.spec.proprioception_names == (
            *("actions.0", "actions.1"),
            *(f"joint_pos.{i}" for i in range(4)),
        )


def test_columns_and_cameras_are_chosen(tmp_path: Path) -> None:
    path = made.isaac_lab(tmp_path / "isaac.hdf5")
    columns = ("joint_pos", "datagen_info/subtask_term_signals/grasp_1")
    result = brought(path, columns=columns)
    assert "actions, object" in note(result, "--columns does not name it")
    with Recording(result.session.recordings()[0]) as recording:
        names = recording.spec.proprioception_names
    assert names == (*(f"joint_pos.{index}" for index in range(4)), "datagen_info/subtask_term_signals/grasp_1")
    casa = made.robocasa(tmp_path / "casa.hdf5")
    for number, name in enumerate(("agentview", "agentview_image")):  # as a2g calls it, and as the file does
        chosen = brought(casa, f"one-{number}", cameras=(name,))
        assert "robot0_eye_in_hand_image" in note(chosen, "--cameras does not name it")
        with Recording(chosen.session.recordings()[0]) as recording:
            assert list(recording.cameras) == ["agentview"]


@pytest.mark.parametrize(
    ("read", "part"),
    [
        ({"cameras": ("fornt",)}, "They have table_cam"),
        ({"columns": ("qpos",)}, "actions, datagen_info/subtask_term_signals/grasp_1, joint_pos"),
        ({"columns": ("datagen_info/eef_pose/franka",)}, "cannot be read"),
    ],
)
def test_a_name_that_is_not_there(tmp_path: Path, read: dict[str, Any], part: str) -> None:
    with pytest.raises(UsageError, match=part):
        brought(made.isaac_lab(tmp_path / "isaac.hdf5"), **read)


def test_alohas_other_numbers_are_named_and_can_be_read(tmp_path: Path) -> None:
    path = made.real_aloha(tmp_path / "episode_0.hdf5")
    result = brought(path)
    assert "effort, qvel" in note(result, "--columns adds it")
    assert "base_action" in note(result, "neither the action nor an observation")
    chosen = brought(path, "chosen", columns=("effort", "qpos"))
    with Recording(chosen.session.recordings()[0]) as recording:
        assert recording.spec.proprioception_names == tuple(f"{n}.{i}" for n in ("effort", "qpos") for i in range(3))


def test_observations_of_one_more_moment_than_actions_lose_none(tmp_path: Path) -> None:
    def change(file: Any) -> None:
        action = file["action"][:5]
        del file["action"]
        file["action"] = action

    result = brought(aloha(tmp_path / "episode_0.hdf5", change=change))
    assert result.steps == 5
    assert not [text for text in result.notes if "last action" in text]


@pytest.mark.parametrize(
    ("said", "success"),
    [
        (True, True),
        (0, False),
        (1.0, True),
        ("True", True),
        (b"failure", False),
        (np.array([1]), True),
        ("maybe", None),
    ],
)
def test_success_as_an_attribute(tmp_path: Path, said: Any, success: bool | None) -> None:
    real = changed(lambda file: file.attrs.update({"success": said, "sim": False}))
    result = brought(real(tmp_path / "episode_0.hdf5"))
    (one,) = episodes(result)
    assert one.outcome is not None
    assert (one.outcome.success, one.outcome.judge) == (success, "none" if success is None else "person")
    assert bool([text for text in result.notes if "`success`" in text]) == (success is None)
    demos = brought(made.isaac_lab(tmp_path / "isaac.hdf5", said), "isaac")
    assert {one.outcome.success for one in episodes(demos) if one.outcome} == {success}


def test_frames_on_their_head_are_noticed_and_turned(tmp_path: Path) -> None:
    path = made.libero(tmp_path / "libero.hdf5")
    with h5py.File(path, "r+") as file:
        file["data/demo_0/obs/agentview_rgb"][:, 0] = 255
    assert "--flip rows" in note(brought(path), "upside down")
    turned = bring_in(Workspace(tmp_path), path, detect(path), "turned", ImportOptions(flip="rows"))
    assert not [text for text in turned.notes if "upside down" in text], "they were turned already"
    with Recording(turned.session.recordings()[0]) as recording:
        assert recording.frame("agentview", 2)[-1].min() == 255
