"""Recordings to other programs' formats and back, and other programs' recordings in."""

import math
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from exchange_examples import aloha_file, in_memory, robomimic_file
from hdf5_examples import BLUE
from recording_examples import SPEC, episode, same

from a2g_cli.core.errors import A2GError, RecordingError, UsageError
from a2g_cli.core.plugins import known
from a2g_cli.core.types import Episode, Outcome, StepTiming
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.formats.importing import ImportOptions, bring_in
from a2g_cli.data.formats.reading import ReadOptions
from a2g_cli.data.formats.registry import detect, find
from a2g_cli.data.recording.reader import Recording, read_episode
from a2g_cli.data.recording.verify import verify
from a2g_cli.data.recording.writer import RecordingWriter, write_episode

LENGTHS = (5, 3, 8)
TARGETS = {"robomimic": "all.hdf5", "lerobot": "set", "aloha": "set", "rerun": "set"}


@pytest.fixture
def recorded(tmp_path: Path) -> list[Path]:
    """Three recordings whose clock does not tick evenly: times that a grid would lose."""
    paths = []
    for seed, steps in enumerate(LENGTHS):
        made = episode(steps, seed, outcome=Outcome(seed != 1, "truth", "steps", 2.5))
        rng = np.random.default_rng(seed)
        for index, one in enumerate(made.observations):
            late = float(rng.uniform(0, 0.02))
            moved = {camera: time + late / 2 for camera, time in one.captured_at.items()}
            made.observations[index] = type(one)(one.images, one.proprioception, moved, one.time + late)
        path = tmp_path / "own" / f"episode-{seed:04d}.hdf5"
        # A demonstration has no times of its actions, the others have.
        paths.append(write_episode(path, SPEC, made) if seed == 1 else timed(path, made))
    return paths


def timed(path: Path, made: Episode) -> Path:
    """Record an episode with the times of its actions, NaN among them as a rollout leaves them."""
    with RecordingWriter(path, SPEC, made.goal, made.provenance, made.observations[0]) as writer:
        steps = zip(made.requested, made.sent, made.observations[1:], strict=True)
        for index, (requested, sent, observation) in enumerate(steps):
            due, planning = (math.nan, 0.05) if index == 0 else (5 + index / 10, math.nan)
            writer.append(requested, sent, observation, StepTiming(5.01 + index / 10, due, planning))
        assert made.outcome is not None
        return writer.finish(made.outcome)


def needs(name: str) -> None:
    if name == "rerun":
        pytest.importorskip("rerun.chunk", reason="rerun-sdk is not installed", exc_type=ImportError)


@pytest.mark.parametrize("name", known("format"))
def test_there_and_back_again(tmp_path: Path, recorded: list[Path], name: str) -> None:
    """Every number, every time, every pixel (losslessly where there is a choice), the goal and where it came from."""
    needs(name)
    form = find(name)
    target = tmp_path / TARGETS[name]
    form.write(recorded, target, lossless=True)
    assert detect(target) is form
    brought = bring_in(Workspace(tmp_path), target, form, "back")
    assert (brought.episodes, brought.steps, brought.notes) == (3, sum(LENGTHS), [])
    for original, again in zip(recorded, brought.session.recordings(), strict=True):
        assert same(read_episode(again), read_episode(original))
        assert verify(again) == []
        with Recording(original) as one, Recording(again) as other:
            assert (one.spec, one.created_at) == (other.spec, other.created_at)
            assert str(one.timings) == str(other.timings)  # NaN is equal to itself in a text
            assert (one.timings is None) == (original == recorded[1])


@pytest.mark.parametrize("name", ["robomimic", "lerobot", "aloha"])
def test_what_a2g_recorded_comes_back_even_where_its_clock_is_doubtful(tmp_path: Path, name: str) -> None:
    """A camera that sent a frame twice: `verify` says so of the original and of what came back."""
    made = episode(5)
    twice = made.observations[2]
    made.observations[3] = replace(made.observations[3], captured_at=twice.captured_at)
    path = write_episode(tmp_path / "own" / "a.hdf5", SPEC, made)
    find(name).write([path], tmp_path / TARGETS[name], True)
    (again,) = bring_in(Workspace(tmp_path), tmp_path / TARGETS[name], find(name), "back").session.recordings()
    assert verify(again) == verify(path) != []


@pytest.mark.parametrize("name", known("format"))
def test_an_export_never_overwrites_and_leaves_nothing_of_a_failure(
    tmp_path: Path, recorded: list[Path], name: str
) -> None:
    needs(name)
    target = tmp_path / TARGETS[name]
    recorded[2].write_bytes(recorded[2].read_bytes()[:5000])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RecordingError):
        find(name).write(recorded, target, False)
    assert sorted(tmp_path.rglob("*")) == before
    target.mkdir()
    with pytest.raises(A2GError, match="exists"):
        find(name).write(recorded[:2], target, False)
    assert not list(target.iterdir())


def test_one_data_set_holds_one_robot(tmp_path: Path, recorded: list[Path]) -> None:
    other = replace(SPEC, rate=20.0)
    strange = write_episode(tmp_path / "own" / "strange.hdf5", other, episode(2))
    for name in ("robomimic", "lerobot", "aloha"):
        with pytest.raises(UsageError, match="one robot"):
            find(name).write([*recorded, strange], tmp_path / TARGETS[name], False)


@pytest.mark.parametrize("next_obs", [True, False])
def test_robomimic_of_another_program(tmp_path: Path, next_obs: bool) -> None:
    path = robomimic_file(tmp_path / "lift.hdf5", next_obs=next_obs)
    assert detect(path).name == "robomimic"
    made = [in_memory(one) for one in _opened(path)]
    assert [len(one) for one in made] == ([6, 4] if next_obs else [5, 3])
    first = made[0]
    np.testing.assert_array_equal(first.sent, np.arange(len(first) * 2).reshape(-1, 2))
    shades = [int(one.images["agentview"][0, 0, 0]) for one in first.observations]
    assert shades == [10 * index for index in range(len(first) + 1)]
    joints = np.stack([one.proprioception for one in first.observations])
    np.testing.assert_array_equal(joints[:, 0], np.arange(len(first) + 1))
    assert joints.shape[1] == 3  # not `object`: only a simulator knows it
    np.testing.assert_allclose([one.time for one in first.observations], np.arange(len(first) + 1) / 20)
    assert first.goal.images["agentview"][0, 0, 0] == shades[-1]
    assert first.outcome == Outcome(True, "truth", "imported")


def _opened(path: Path):
    # Frames are read while the file is open, which it is as long as the next episode was not asked for.
    yield from (one.load() for one in detect(path).read(path))


@pytest.mark.parametrize("compress", [False, True])
def test_aloha_of_another_program(tmp_path: Path, compress: bool) -> None:
    for number in (10, 2):  # in the order of their numbers
        aloha_file(tmp_path / f"episode_{number}.hdf5", steps=number + 4, compress=compress)
    assert detect(tmp_path).name == "aloha"
    made = [in_memory(one.load()) for one in detect(tmp_path).read(tmp_path, ReadOptions(rate=25.0))]
    assert [len(one) for one in made] == [5, 13]
    reds = [float(one.images["cam_low"][..., 0].mean()) for one in made[0].observations]
    np.testing.assert_allclose(reds, [10 * index for index in range(6)], atol=3)
    assert made[0].observations[0].images["cam_low"][..., 2].mean() == pytest.approx(BLUE, abs=3)
    assert made[0].observations[3].time == pytest.approx(3 / 25)


def test_frames_are_resized_as_goals_are(tmp_path: Path) -> None:
    path = robomimic_file(tmp_path / "lift.hdf5")
    form = detect(path)
    brought = bring_in(Workspace(tmp_path), path, form, "small", ImportOptions(size=(8, 8), most=1))
    assert brought.episodes == 1
    again = read_episode(brought.session.recordings()[0])
    assert {one.images["agentview"].shape for one in again.observations} == {(8, 8, 3)}
    assert again.goal.images["agentview"].shape == (8, 8, 3)
    assert again.observations[4].images["agentview"][4, 4, 0] == 40


def test_an_import_that_fails_leaves_no_session(tmp_path: Path) -> None:
    path = robomimic_file(tmp_path / "lift.hdf5")
    with h5py.File(path, "r+") as file:
        del file["data/demo_1/actions"]
    workspace = Workspace(tmp_path)
    with pytest.raises(RecordingError, match="actions is missing"):
        bring_in(workspace, path, detect(path), "lift")
    assert not list(workspace.sessions.iterdir())


def test_an_episode_that_cannot_be_used_is_left_out_and_named(tmp_path: Path) -> None:
    path = robomimic_file(tmp_path / "lift.hdf5")
    with h5py.File(path, "r+") as file:
        del file["data/demo_0/actions"]
    brought = bring_in(Workspace(tmp_path), path, detect(path), "lift", ImportOptions(skip_bad=True))
    assert brought.episodes == 1
    assert brought.skipped == {"demo_0": "actions is missing"}
    assert [one.name for one in brought.session.folder.iterdir()] == ["episode-0000.hdf5"]
    with h5py.File(path, "r+") as file:
        del file["data/demo_1/actions"]
    with pytest.raises(RecordingError, match="no episode that can be used, 2 cannot: demo_0"):
        bring_in(Workspace(tmp_path), path, detect(path), "none", ImportOptions(skip_bad=True))


def test_frames_upside_down_are_turned(tmp_path: Path, recorded: list[Path]) -> None:
    target = tmp_path / "all.hdf5"
    find("robomimic").write(recorded, target, True)
    turned = bring_in(Workspace(tmp_path), target, detect(target), "turned", ImportOptions(flip="turn"))
    for path, before in zip(turned.session.recordings(), recorded, strict=True):
        with Recording(path) as here, Recording(before) as there:
            for camera in here.cameras:
                np.testing.assert_array_equal(here.frame(camera, 2), there.frame(camera, 2)[::-1, ::-1])
                np.testing.assert_array_equal(here.goal.images[camera], there.goal.images[camera][::-1, ::-1])


def test_images_in_another_file_are_not_followed(tmp_path: Path) -> None:
    path = robomimic_file(tmp_path / "lift.hdf5")
    robomimic_file(tmp_path / "other.hdf5")
    with h5py.File(path, "r+") as file:
        del file["data/demo_0/obs/agentview_image"]
        file["data/demo_0/obs/agentview_image"] = h5py.ExternalLink("other.hdf5", "data/demo_0/obs/agentview_image")
    with pytest.raises(RecordingError, match="is a link"):
        bring_in(Workspace(tmp_path), path, detect(path), "lift")


def test_what_is_none_of_them(tmp_path: Path, recorded: list[Path]) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    for place in (tmp_path / "notes.txt", recorded[0], tmp_path / "own"):
        with pytest.raises(UsageError, match="none of the formats aloha"):
            detect(place)
    with pytest.raises(UsageError, match="does not exist"):
        detect(tmp_path / "nowhere")


def test_a_rerun_file_that_ends_its_reader_is_refused(tmp_path: Path, recorded: list[Path]) -> None:
    needs("rerun")
    target = tmp_path / "one.rrd"
    find("rerun").write(recorded[:1], target, True)
    data = bytearray(target.read_bytes())
    del data[len(data) // 2 :]
    data[100:2000] = bytes(1900)
    target.write_bytes(data)
    with pytest.raises(RecordingError, match="Rerun"):
        bring_in(Workspace(tmp_path), target, detect(target), "one")


def test_rerun_makes_one_file_of_one_recording(tmp_path: Path, recorded: list[Path]) -> None:
    needs("rerun")
    with pytest.raises(UsageError, match="holds one recording"):
        find("rerun").write(recorded, tmp_path / "all.rrd", True)
    find("rerun").write(recorded[:1], tmp_path / "one.rrd", True)
    assert {path.name for path in tmp_path.iterdir()} == {"own", "one.rrd"}
    with pytest.raises(UsageError, match="exists"):
        find("rerun").write(recorded[:1], tmp_path / "one.rrd", True)


@pytest.mark.parametrize("name", known("format"))
def test_names_that_other_programs_would_trip_over(tmp_path: Path, name: str) -> None:
    needs(name)
    odd = replace(
        SPEC,
        action_names=("x",),
        action_units=("m",),
        action_low=(-1.0,),
        action_high=(1.0,),
        proprioception_names=(),
        proprioception_units=(),
        cameras={"left hand (new)": (10, 6), "é {0}": (8, 8)},
    )
    path = write_episode(tmp_path / "own" / "a.hdf5", odd, episode(3, 0, odd))
    target = tmp_path / TARGETS[name]
    find(name).write([path], target, True)
    (again,) = bring_in(Workspace(tmp_path), target, find(name), "back").session.recordings()
    assert same(read_episode(again), read_episode(path))
