"""LeRobot's own dataset class, in a process of its own, reads what is exported; what it wrote is imported."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exchange_examples import in_memory
from recording_examples import SPEC, episode

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Episode, Outcome
from a2g_cli.data.formats import lerobot, lerobot_read
from a2g_cli.data.formats.reading import ReadOptions
from a2g_cli.data.recording.writer import write_episode

LENGTHS = (5, 3, 8)


@pytest.fixture(scope="module")
def made() -> list[Episode]:
    return [episode(steps, seed, outcome=Outcome(seed != 1, "truth", "steps")) for seed, steps in enumerate(LENGTHS)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, made: list[Episode]) -> Path:
    """``lossy`` and ``lossless``, exported and read by LeRobot into ``.npz``; ``theirs``, written by LeRobot."""
    if importlib.util.find_spec("lerobot") is None:
        pytest.skip("lerobot is not installed: `make test` brings it")
    root = tmp_path_factory.mktemp("lerobot")
    paths = [write_episode(root / f"{seed}.hdf5", SPEC, one) for seed, one in enumerate(made)]
    for name in ("lossy", "lossless"):
        lerobot.write(paths, root / name, name == "lossless")
    script = Path(__file__).with_name("lerobot_itself.py")
    # One process for all: importing LeRobot takes longer than the rest together.
    jobs = [f"read={root / 'lossy'}", f"read={root / 'lossless'}", f"write={root / 'theirs'}"]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(root / "home")}
    child = subprocess.run(
        [sys.executable, str(script), *jobs], env=offline, capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr[-2000:]
    return root


@pytest.mark.parametrize("name", ["lossy", "lossless"])
def test_lerobot_reads_what_is_exported(folder: Path, made: list[Episode], name: str) -> None:
    rows = dict(np.load(folder / f"{name}.npz"))
    assert len(rows["index"]) == sum(LENGTHS)
    assert rows["episodes"].tolist() == [3, 10]
    assert set(rows["task"]) == {"cup-on-plate"}
    sent = np.concatenate([one.sent for one in made])
    np.testing.assert_array_equal(rows["action"][:, 0], sent)  # the window of three begins now
    assert rows["action_is_pad"].sum(axis=1).tolist().count(2) == len(LENGTHS)
    np.testing.assert_allclose(rows["mean"], sent.mean(axis=0), rtol=1e-5)
    joints = np.concatenate([[o.proprioception for o in one.observations[:-1]] for one in made])
    np.testing.assert_array_equal(rows["observation.state"], joints)
    assert np.flatnonzero(rows["next.reward"]).tolist() == [4, 15]  # the second episode did not succeed
    assert np.flatnonzero(rows["next.done"]).tolist() == [4, 7, 15]
    np.testing.assert_allclose(rows["a2g.time"][:3], [5.0, 5.1, 5.2], rtol=1e-6)
    for camera in SPEC.cameras:
        shown = rows[f"observation.images.{camera}"].transpose(0, 2, 3, 1) * 255
        seen = np.concatenate([[o.images[camera] for o in one.observations[:-1]] for one in made]).astype(float)
        if name == "lossless":
            np.testing.assert_allclose(shown, seen, atol=0.01)
        else:
            # Rows of one colour between rows of noise: what a video keeps of such frames is their brightness.
            np.testing.assert_allclose(shown.mean(axis=(1, 2, 3)), seen.mean(axis=(1, 2, 3)), atol=6)


def test_what_lerobot_wrote_is_imported(folder: Path) -> None:
    read = [in_memory(one.load()) for one in lerobot_read.read(folder / "theirs")]
    assert [len(one) for one in read] == [5, 6]  # six and seven rows: the last action leads nowhere that was kept
    for number, one in enumerate(read):
        np.testing.assert_array_equal(one.sent, [[index, number] for index in range(len(one))])
        for index, moment in enumerate(one.observations):
            shade = 20 * index + 10 * number
            assert moment.time == pytest.approx(index / 10)
            np.testing.assert_array_equal(moment.proprioception, [number, index])
            assert abs(float(moment.images["front"].mean()) - shade) <= 2
            assert set(moment.images["wrist"].reshape(-1)) == {shade}  # a PNG in the Parquet file
        assert one.goal.name == "stack the cups"
        assert abs(float(one.goal.images["front"].mean()) - shade) <= 2
    slower = next(lerobot_read.read(folder / "theirs", ReadOptions(rate=5.0))).load()
    assert slower.spec.rate == 5
    assert abs(float(slower.goal.images["front"].mean()) - 100) <= 2  # the video's times are the video's


def _changed(root: Path, **values: Any) -> None:
    path = root / "meta" / "info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"codebase_version": "v2.1"}, "LeRobot's own converter"),
        ({"data_path": "../../{chunk_index.__class__}"}, "default names"),
        ({"features": []}, "not an object"),
        ({"fps": 0}, "0.0 frames a second"),
        (
            {"features": {"action": {"dtype": "float32", "shape": [1 << 40], "names": None}}},
            "instead of a whole number",
        ),
    ],
)
def test_a_description_that_asks_for_too_much(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    lerobot.write([write_episode(tmp_path / "0.hdf5", SPEC, episode(3))], tmp_path / "set")
    _changed(tmp_path / "set", **values)
    with pytest.raises(RecordingError, match=message):
        [in_memory(one.load()) for one in lerobot_read.read(tmp_path / "set")]


def test_a_description_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    lerobot.write([write_episode(tmp_path / "0.hdf5", SPEC, episode(3))], tmp_path / "set")
    path = tmp_path / "set" / "meta" / "info.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len([in_memory(one.load()) for one in lerobot_read.read(tmp_path / "set")]) == 1
