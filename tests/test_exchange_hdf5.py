"""HDF5 data sets as other programs' tools write them: each layout is read, and what is left out of it is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5_examples as made
import numpy as np
import pytest
from hdf5_examples import BLUE, aloha, film
from recording_examples import SPEC, episode

from a2g_cli.core.errors import RecordingError, UsageError
from a2g_cli.core.types import Episode
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.formats.importing import BadEpisodeError, Imported, ImportOptions, bring_in
from a2g_cli.data.formats.reading import ReadOptions
from a2g_cli.data.formats.registry import detect
from a2g_cli.data.recording.object_header import finds_chunks_by_tree
from a2g_cli.data.recording.reader import Recording, read_episode
from a2g_cli.data.recording.verify import verify
from a2g_cli.data.recording.writer import write_episode

Make = Callable[[Path], Path]


def brought(source: Path, name: str = "it", skip_bad: bool = False, **read: Any) -> Imported:
    options = ImportOptions(ReadOptions(**read), skip_bad=skip_bad)
    return bring_in(Workspace(source.parent), source, detect(source), name, options)


def episodes(result: Imported) -> list[Episode]:
    return [read_episode(path) for path in result.session.recordings()]


def colours(result: Imported, camera: str | None = None) -> np.ndarray:
    """The mean colour of every frame of the first episode, (T + 1, 3)."""
    with Recording(result.session.recordings()[0]) as recording:
        frames = recording.frames(camera or next(iter(recording.cameras)))
    return frames.mean(axis=(1, 2))


def assert_true_colours(result: Imported, camera: str | None = None, begin: int = 0) -> None:
    found = colours(result, camera)
    expected = np.array([[10 * (begin + index), 60, BLUE] for index in range(len(found))])
    np.testing.assert_allclose(found, expected, atol=4)


def note(result: Imported, part: str) -> str:
    """The one note that has ``part`` in it."""
    (one,) = [text for text in result.notes if part in text]
    return one


def changed(change: Callable[[Any], Any]) -> Make:
    return lambda path: aloha(path, change=change)


def packed(wrap: Callable[[Any, str, list[bytes]], object], pack: Callable[[np.ndarray], bytes]) -> Make:
    """An episode whose camera ``top`` is packed by ``pack`` and wrapped by ``wrap``."""

    def change(file: Any) -> None:
        wrap(file["observations/images"], "top", [pack(frame) for frame in film(6)])

    return lambda path: aloha(path, change=change, images=False)


def as_texts(group: Any, name: str, rows: list[bytes]) -> None:
    group[name] = made.texts(rows)


def as_opaque(group: Any, name: str, rows: list[bytes]) -> None:
    group[name] = made.opaque(rows)


def padded(group: Any, name: str, rows: list[bytes]) -> None:
    group[name] = made.padded(rows)


def packed_chunks(group: Any, name: str, rows: list[bytes]) -> None:
    made.write_vlen(group, name, rows, chunks=(4,), maxshape=(None,), compression="gzip")


def bare_chunks(group: Any, name: str, rows: list[bytes]) -> None:
    made.write_vlen(group, name, rows, chunks=(4,))


def add(name: str, data: np.ndarray) -> Make:
    return changed(lambda file: file.create_dataset(f"observations/images/{name}", data=data))


STANDARD, OPENCV = made.as_the_standard_says, made.as_opencv_packs
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
    "channels first": add("left", film(6).transpose(0, 3, 1, 2)),
    "RGBA": add("left", np.concatenate([film(6), film(6)[..., :1]], axis=-1)),
    "a group a camera": add("left/color", film(6)),
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


def test_pictures_without_marks_are_left_as_they_are_and_it_is_said(tmp_path: Path) -> None:
    path = packed(padded, OPENCV)(tmp_path / "episode_0.hdf5")
    assert "--colour-order bgr" in note(brought(path, "guess"), "does not say whether red and blue")
    assert_true_colours(brought(path, colour_order="bgr"))


def test_pixels_that_are_not_packed_have_one_order(tmp_path: Path) -> None:
    for order in ("auto", "bgr"):
        assert_true_colours(brought(aloha(tmp_path / "episode_0.hdf5"), order, colour_order=order))


# -- depth ------------------------------------------------------------------------------------------------------------

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
        (add("infrared", film(6)[..., 0]), "infrared", "neither a colour picture"),
        (add("words", np.array([b"hello"] * 6)), "words", "neither a colour picture"),
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


# -- what is read, and what is left out -------------------------------------------------------------------------------


def test_groups_within_obs_are_left_out_and_named_once(tmp_path: Path) -> None:
    result = brought(made.isaac_lab(tmp_path / "isaac.hdf5"))
    assert "datagen_info/eef_pose/franka, datagen_info/object_pose/cube_1" in note(result, "neither a colour picture")
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


# -- files ------------------------------------------------------------------------------------------------------------

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
    path = LAYOUTS["of any length"](tmp_path / "episode_0.hdf5")
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
