"""What is written is what is read, to the last bit."""

from dataclasses import replace
from pathlib import Path

import h5py
import in_process
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recording_examples import DONE, PROVENANCE, SPEC, actions, episode, extend, goal, observation, same, start

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Episode, Goal, Observation, Outcome, Provenance
from a2g_cli.data.recording.reader import Recording, fingerprint, read_episode
from a2g_cli.data.recording.storage import check_disk
from a2g_cli.data.recording.verify import Verification, verify, verify_all
from a2g_cli.data.recording.writer import FLUSH_STEPS, RecordingWriter, write_episode

floats = st.floats(width=32, allow_nan=True, allow_infinity=True)
judgements = st.builds(
    Outcome,
    st.sampled_from([True, False, None]),
    st.sampled_from(["truth", "policy", "person", "none"]),
    st.text(max_size=20),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
)
sources = st.builds(
    Provenance,
    st.text(max_size=20),
    st.text(max_size=20),
    adapter=st.none() | st.text(max_size=64),
    seed=st.none() | st.integers(0, 2**64),
    settings=st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8) | st.none(), max_size=3),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.integers(1, 2 * FLUSH_STEPS + 3), seed=st.integers(0, 99), outcome=judgements, provenance=sources)
def test_an_episode_comes_back_as_it_was(
    tmp_path: Path, steps: int, seed: int, outcome: Outcome, provenance: Provenance
) -> None:
    made = replace(episode(steps, seed), outcome=outcome, provenance=provenance)
    path = tmp_path / "episode-0000.hdf5"
    path.unlink(missing_ok=True)
    assert write_episode(path, SPEC, made) == path
    assert same(read_episode(path), made)
    assert [entry.name for entry in tmp_path.iterdir()] == ["episode-0000.hdf5"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    joints=st.integers(0, 3),
    width=st.integers(1, 4),
    cameras=st.dictionaries(
        st.text("abc.-_ é", min_size=1).filter(lambda n: n.strip(".")),
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        max_size=3,
    ),
    values=st.lists(floats, min_size=60, max_size=60),
)
def test_any_robot_and_any_number_can_be_recorded(
    tmp_path: Path, joints: int, width: int, cameras: dict[str, tuple[int, int]], values: list[float]
) -> None:
    spec = replace(
        SPEC,
        action_names=tuple(f"a{index}" for index in range(width)),
        action_units=("m",) * width,
        action_low=(-np.inf,) * width,
        action_high=(2.5,) * width,
        proprioception_names=tuple(f"p{index}" for index in range(joints)),
        proprioception_units=("rad",) * joints,
        cameras=cameras,
    )
    numbers = np.array(values, np.float32)
    made = episode(3, spec=spec)
    made.sent = [numbers[index : index + width] for index in range(3)]
    made.observations = [
        replace(one, proprioception=numbers[20 + index : 20 + index + joints], time=float(numbers[40 + index]))
        for index, one in enumerate(made.observations)
    ]
    path = tmp_path / "any.hdf5"
    path.unlink(missing_ok=True)
    write_episode(path, spec, made)
    assert same(read_episode(path), made)
    with Recording(path) as recording:
        assert recording.spec == spec
        assert list(recording.cameras) == list(cameras)


def test_frames_can_be_cut_like_a_list(tmp_path: Path) -> None:
    made = episode(7)
    recording = Recording(write_episode(tmp_path / "a.hdf5", SPEC, made))
    frames = np.stack([one.images["front"] for one in made.observations])
    for start_, stop in [(None, None), (2, 5), (-3, None), (5, 2), (0, 99), (8, None), (None, -8), (7, 8)]:
        np.testing.assert_array_equal(recording.frames("front", start_, stop), frames[start_:stop])
    np.testing.assert_array_equal(recording.frame("front", -1), frames[7])
    np.testing.assert_array_equal(recording.frame("front", 0), frames[0])
    np.testing.assert_array_equal(recording.observation(3).images["wrist"], made.observations[3].images["wrist"])
    np.testing.assert_allclose(recording.ages("front"), 0.03)
    assert (len(recording), recording.length, recording.cameras) == (7, 7, ("wrist", "front"))
    with pytest.raises(IndexError):
        recording.frame("front", 8)
    with pytest.raises(RecordingError, match="no camera 'left': it has wrist, front"):
        recording.frames("left")
    recording.close()
    assert recording.frame("wrist", 3).shape == (12, 16, 3)  # opened again
    recording.close()


def test_frames_are_stored_once(tmp_path: Path) -> None:
    path = write_episode(tmp_path / "a.hdf5", SPEC, episode(20))
    with h5py.File(path) as file:
        stored = sum(file[f"frames/{camera}"].id.get_storage_size() for camera in SPEC.cameras)
        assert file["data/demo_0/obs/front_image"].is_virtual
    assert path.stat().st_size < 1.5 * stored


def test_equal_episodes_are_equal_files_but_for_the_moment(tmp_path: Path) -> None:
    paths = [write_episode(tmp_path / name, SPEC, episode(5, seed)) for name, seed in [("a.hdf5", 1), ("b.hdf5", 2)]]
    assert fingerprint(paths[0]) != fingerprint(paths[1])
    assert fingerprint(paths[0]) == fingerprint(paths[0])
    assert len(fingerprint(paths[0])) == 64
    with pytest.raises(RecordingError, match="no such file"):
        fingerprint(tmp_path / "none.hdf5")


def test_a_recording_is_never_overwritten(tmp_path: Path) -> None:
    path = write_episode(tmp_path / "a.hdf5", SPEC, episode(3))
    before = fingerprint(path)
    with pytest.raises(RecordingError, match="never overwritten"):
        start(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.hdf5"]
    assert fingerprint(path) == before


def test_of_two_writers_one_gets_the_name(tmp_path: Path) -> None:
    with start(tmp_path / "a.hdf5") as first:
        with pytest.raises(RecordingError, match="exists: another program"):
            start(tmp_path / "a.hdf5")
        extend(first, 3)
        first.finish(DONE)
    assert Recording(tmp_path / "a.hdf5").length == 3


def test_arrays_may_be_used_again_after_append(tmp_path: Path) -> None:
    made = episode(30)
    with start(tmp_path / "a.hdf5") as writer:
        buffers = {camera: np.empty((*size, 3), np.uint8) for camera, size in SPEC.cameras.items()}
        vector, joints = np.empty(3, np.float32), np.empty(2, np.float32)
        for index in range(30):
            one = observation(index + 1)
            for camera, buffer in buffers.items():
                buffer[:] = one.images[camera]
            joints[:] = one.proprioception
            requested, sent = actions(index)
            vector[:] = sent
            writer.append(requested, vector, replace(one, images=buffers, proprioception=joints))
        assert same(read_episode(writer.finish(DONE)), made)


def _images(**changed: np.ndarray) -> Observation:
    one = observation(1)
    return replace(one, images={**one.images, **changed})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: (*actions(0), _images(front=np.zeros((24, 33, 3), np.uint8))), "camera 'front' gave uint8"),
        (lambda: (*actions(0), _images(front=np.zeros((24, 32, 3), np.float32))), "camera 'front' gave float32"),
        (lambda: (*actions(0), _images(left=np.zeros((24, 32, 3), np.uint8))), "sim:place has"),
        (lambda: (*actions(0), replace(observation(1), captured_at={"front": 1.0})), "sim:place has"),
        (lambda: (*actions(0), replace(observation(1), proprioception=np.zeros(3, np.float32))), r"has \(2,\)"),
        (lambda: (np.zeros(4, np.float32), actions(0)[1], observation(1)), r"takes \(3,\)"),
        (lambda: (actions(0)[0], np.float32(0), observation(1)), r"takes \(3,\)"),
    ],
)
def test_a_wrong_shape_is_refused_and_the_episode_goes_on(tmp_path: Path, wrong, message: str) -> None:
    with start(tmp_path / "a.hdf5") as writer:
        extend(writer, 2)
        with pytest.raises(RecordingError, match=message):
            writer.append(*wrong())
        extend(writer, 2)
        assert same(read_episode(writer.finish(DONE)), episode(4))


def test_what_cannot_be_recorded_is_refused_before_a_file_is_made(tmp_path: Path) -> None:
    made = episode(2)
    path = tmp_path / "a.hdf5"
    with pytest.raises(RecordingError, match="no outcome"):
        write_episode(path, SPEC, replace(made, outcome=None))
    with pytest.raises(RecordingError, match="2 observations"):
        write_episode(path, SPEC, replace(made, observations=made.observations[:2]))
    with pytest.raises(RecordingError, match=r"must end in \.hdf5"):
        write_episode(tmp_path / "a.h5", SPEC, made)
    with pytest.raises(RecordingError, match="provenance cannot be stored as JSON"):
        write_episode(path, SPEC, replace(made, provenance=replace(PROVENANCE, settings={"x": float("nan")})))
    with pytest.raises(RecordingError, match="cannot name a camera"):
        write_episode(path, replace(SPEC, cameras={"../front": (4, 4)}), made)
    with pytest.raises(RecordingError, match="no action"):
        write_episode(path, SPEC, episode(0))
    assert list(tmp_path.iterdir()) == []


def test_long_settings_and_truths_fit(tmp_path: Path) -> None:
    truth = {f"body-{index}": [float(index)] * 7 for index in range(2000)}
    made = replace(
        episode(2),
        goal=Goal("g", goal().images, "sim:place", truth),
        provenance=replace(PROVENANCE, settings={"note": "é" * 200_000}),
    )
    assert same(read_episode(write_episode(tmp_path / "a.hdf5", SPEC, made)), made)


def test_a_closed_writer_says_so(tmp_path: Path) -> None:
    writer = start(tmp_path / "a.hdf5")
    extend(writer, 1)
    writer.finish(DONE)
    with pytest.raises(RecordingError, match="closed"):
        extend(writer, 1)
    with pytest.raises(RecordingError, match="closed"):
        writer.finish(DONE)
    writer.abandon()


def test_an_unwritable_place_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match="a file stands where a folder must be") as caught:
        start(tmp_path / "file" / "a.hdf5")
    assert "\n" not in str(caught.value)


def test_the_disk_is_checked_before_an_episode_starts(tmp_path: Path) -> None:
    check_disk(tmp_path / "not" / "made" / "yet", 1)
    with pytest.raises(RecordingError, match="MB are free"):
        check_disk(tmp_path, 2**62)


def test_verify_finds_nothing_in_a_sound_recording(tmp_path: Path) -> None:
    assert verify(write_episode(tmp_path / "a.hdf5", SPEC, episode(70))) == []


def _stale(one: Observation, seconds: float) -> Observation:
    return replace(one, captured_at={"wrist": one.captured_at["wrist"], "front": one.time - seconds})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda e: e.sent[2].fill(np.nan), "actions: 3 of 15 numbers are NaN"),
        (lambda e: e.sent[2].fill(9), "actions: 1 sent beyond the limits of x, y"),
        (lambda e: e.observations.__setitem__(3, replace(e.observations[3], time=5.0)), "do not advance"),
        (lambda e: e.observations.__setitem__(3, _stale(e.observations[3], 0.13)), "front: 1 frames were used twice"),
        (lambda e: e.observations.__setitem__(3, _stale(e.observations[3], 0.2)), "older than the frame before"),
        (lambda e: e.observations.__setitem__(3, _stale(e.observations[3], 1.5)), "1.500 s old"),
        (lambda e: e.observations.__setitem__(3, _stale(e.observations[3], -0.5)), "0.500 s after it was used"),
    ],
)
def test_verify_names_what_is_wrong(tmp_path: Path, spoil, message: str) -> None:
    made: Episode = episode(5)
    spoil(made)
    problems = verify(write_episode(tmp_path / "a.hdf5", SPEC, made))
    assert any(message in problem for problem in problems), problems


def test_verify_knows_the_rate_and_the_rhythm(tmp_path: Path) -> None:
    def timed(name: str, moments: list[float]) -> Verification:
        made = episode(len(moments) - 1)
        made.observations = [
            replace(one, time=moment, captured_at=dict.fromkeys(one.captured_at, moment - 0.01))
            for one, moment in zip(made.observations, moments, strict=True)
        ]
        (verdict,) = verify_all([write_episode(tmp_path / name, SPEC, made)])
        return verdict

    slow = timed("slow.hdf5", [0.2 * step for step in range(9)])
    assert slow.problems == ("times: the usual step takes 0.2 s, which is 5 Hz; the spec says 10 Hz",)
    halting = timed("halting.hdf5", [0.1 * step + (0.35 if step > 4 else 0.0) for step in range(9)])
    assert halting.problems == ()
    assert halting.notes == ("times: 1 of 8 steps took longer than 1.5 control periods, the longest 4.5",)
    sound = timed("sound.hdf5", [0.1 * step for step in range(9)])
    assert (sound.problems, sound.notes) == ((), ())


def test_verify_knows_a_frozen_camera_and_the_same_episode_twice(tmp_path: Path) -> None:
    made = episode(30)
    frozen = replace(
        made,
        observations=[
            replace(one, images={**one.images, "front": made.observations[min(step, 9)].images["front"]})
            for step, one in enumerate(made.observations)
        ],
    )
    paths = [
        write_episode(tmp_path / f"{name}.hdf5", SPEC, one) for name, one in [("a", made), ("b", made), ("c", frozen)]
    ]
    one, two, three = verify_all(paths)
    assert one.content == two.content != three.content
    assert (one.notes, three.problems) == ((), ())
    assert three.notes == ("frames/front: the image stood still for 21 frames while the robot moved",)


def test_verify_goes_on_after_a_recording_that_kills_its_helper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [write_episode(tmp_path / name, SPEC, episode(2, seed)) for seed, name in enumerate(["a.hdf5", "b.hdf5"])]
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\nread line\ncase $line in *a.hdf5*) kill -SEGV $$;; *) echo '[]';; esac\n")
    fake.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(fake))
    in_process.processes_of_their_own(monkeypatch)
    assert [verdict.problems for verdict in verify_all(paths)] == [
        ("obs, next_obs: HDF5 cannot read them (its process ended with -11)",),
        (),
    ]


def test_verify_reads_what_robomimic_reads(tmp_path: Path) -> None:
    path = write_episode(tmp_path / "a.hdf5", SPEC, episode(5))
    with h5py.File(path, "r+") as file:
        demo = file["data/demo_0"]
        demo.attrs["num_samples"] = 6
        demo["rewards"][...] = 0
        del demo["next_obs/wrist_image"]
        demo["next_obs/wrist_image"] = demo["obs/wrist_image"]
        del demo["obs/front_image"]
    problems = "\n".join(verify(path))
    for expected in ("num_samples is 6", "rewards sum to 0", "obs/front_image is missing", "next_obs/wrist_image[0]"):
        assert expected in problems


def test_a_writer_is_a_context_manager_that_keeps_what_it_has(tmp_path: Path) -> None:
    def die() -> None:
        with RecordingWriter(tmp_path / "a.hdf5", SPEC, goal(), PROVENANCE, observation(0)) as writer:
            extend(writer, 5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.hdf5.partial"]
