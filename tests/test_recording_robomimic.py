"""robomimic's ``SequenceDataset`` and ``get_dataset_info`` read recordings, sessions and exports as they are."""

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from recording_examples import SPEC, episode

from a2g_cli.core.types import Outcome
from a2g_cli.data.formats import robomimic
from a2g_cli.data.recording.sessions import Session
from a2g_cli.data.recording.writer import write_episode

KEYS = ["front_image", "wrist_image", "proprioception"]
LENGTHS = [5, 3, 8]


@pytest.fixture(params=["episode", "session", "export"])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, list[int]]:
    """A file, and the lengths of the demos in it."""
    session = Session(tmp_path)
    for seed, steps in enumerate(LENGTHS):
        write_episode(session.next_path(), SPEC, episode(steps, seed, outcome=Outcome(seed != 1, "truth", "steps")))
    if request.param == "episode":
        return session.recordings()[0], LENGTHS[:1]
    if request.param == "export":
        robomimic.write(session.recordings(), tmp_path / "export" / "all.hdf5")
        return tmp_path / "export" / "all.hdf5", LENGTHS
    return session.link(), LENGTHS


def test_the_accesses_that_it_makes(dataset: tuple[Path, list[int]]) -> None:
    """Those of robomimic 0.3's ``SequenceDataset``, one by one, so that the format is held where it is not installed."""
    path, lengths = dataset
    with h5py.File(path, "r", swmr=True, libver="latest") as file:
        demos = sorted(file["data"].keys(), key=lambda name: int(name[5:]))
        assert demos == [f"demo_{index}" for index in range(len(lengths))]
        assert file["data"].attrs["total"] == sum(lengths)
        for seed, (demo, steps) in enumerate(zip(demos, lengths, strict=True)):
            made = episode(steps, seed)
            assert file[f"data/{demo}"].attrs["num_samples"] == steps
            assert "actions" in file[f"data/{demo}"]
            np.testing.assert_array_equal(file[f"data/{demo}/actions"][()], made.sent)
            np.testing.assert_array_equal(file[f"data/{demo}/dones"][()], [0] * (steps - 1) + [1])
            assert file[f"data/{demo}/rewards"][()].astype("float32").sum() == (seed != 1)
            for key in KEYS:
                rows = [
                    one.images[key.removesuffix("_image")] if "_" in key else one.proprioception
                    for one in made.observations
                ]
                for group, expected in (("obs", rows[:-1]), ("next_obs", rows[1:])):
                    array = file[f"data/{demo}/{group}/{key}"]
                    np.testing.assert_array_equal(array[()], expected)
                    np.testing.assert_array_equal(array[1:3], expected[1:3])
                    np.testing.assert_array_equal(array[-1], expected[-1])
        if len(lengths) > 1:
            mask = [name.decode("utf-8") for name in np.array(file["mask/success"][:])]
            assert mask == ["demo_0", "demo_2"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cache", [None, "low_dim", "all"])
def test_sequence_dataset_itself(dataset: tuple[Path, list[int]], cache: str | None) -> None:
    sequences = pytest.importorskip(
        "robomimic.utils.dataset", reason="robomimic is not installed", exc_type=ImportError
    )
    from robomimic.utils import obs_utils

    path, lengths = dataset
    obs_utils.initialize_obs_utils_with_obs_specs({"obs": {"low_dim": [KEYS[2]], "rgb": KEYS[:2]}})
    data = sequences.SequenceDataset(
        str(path), KEYS, ["actions", "rewards", "dones"], seq_length=3, hdf5_cache_mode=cache, goal_mode="last"
    )
    try:
        assert len(data) == sum(lengths)
        made = episode(lengths[0], 0)
        item = data[1]
        np.testing.assert_array_equal(item["actions"], made.sent[1:4])
        np.testing.assert_array_equal(
            item["obs"]["proprioception"], [made.observations[i].proprioception for i in (1, 2, 3)]
        )
        np.testing.assert_array_equal(item["next_obs"]["front_image"][2], made.observations[4].images["front"])
        np.testing.assert_array_equal(item["goal_obs"]["wrist_image"], made.observations[-1].images["wrist"])
        assert item["obs"]["front_image"].dtype == np.uint8
    finally:
        data.close_and_delete_hdf5_handle()


def test_get_dataset_info_itself(tmp_path: Path) -> None:
    found = importlib.util.find_spec("robomimic")
    if found is None:
        pytest.skip("robomimic is not installed")
    # It ends with an error where actions leave [-1, 1]: robomimic's policies are made for such.
    spec = replace(SPEC, action_low=(-1.0,) * 3, action_high=(1.0,) * 3)
    session = Session(tmp_path)
    for seed, steps in enumerate(LENGTHS):
        write_episode(session.next_path(), spec, episode(steps, seed, spec))
    whole = robomimic.write(session.recordings(), tmp_path / "export" / "all.hdf5")
    assert whole == []
    script = Path(str(found.origin)).parent / "scripts" / "get_dataset_info.py"
    for path, lengths in (
        (session.recordings()[0], LENGTHS[:1]),
        (session.link(), LENGTHS),
        (tmp_path / "export" / "all.hdf5", LENGTHS),
    ):
        command = [sys.executable, str(script), "--dataset", str(path), "--verbose"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert f"total transitions: {sum(lengths)}" in told
        assert f"total trajectories: {len(lengths)}" in told
        assert "observation key front_image with shape (5, 24, 32, 3)" in told
        assert '"env_name": "sim:place"' in told
