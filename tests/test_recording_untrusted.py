"""A file from anywhere: an explanation in one line, never a traceback, never a wrong number."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import in_process
import numpy as np
import pytest
from recording_examples import SPEC, episode, same

from a2g_cli.core.errors import RecordingError
from a2g_cli.data.recording.reader import Recording, read_episode
from a2g_cli.data.recording.verify import verify
from a2g_cli.data.recording.writer import write_episode


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_episode(tmp_path_factory.mktemp("sound") / "a.hdf5", SPEC, episode(6)).read_bytes()


def refused(path: Path) -> str:
    with pytest.raises(RecordingError) as caught:
        read_episode(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert len(message) < 700
    assert verify(path) == [message]
    return message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"\x89HDF", "not an HDF5 file"),
        (b"\x89HDF\r\n\x1a\n", "not a valid recording"),
        (b"\x89HDF\r\n\x1a\n" + bytes(500), "not a valid recording"),
        (b"PK\x03\x04" + bytes(3000), "not an HDF5 file"),
        (bytes(range(256)) * 40, "not an HDF5 file"),
    ],
)
def test_what_is_no_hdf5(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "a.hdf5"
    path.write_bytes(content)
    assert expected in refused(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "none.hdf5")
    assert "is a folder" in refused(tmp_path)


def test_truncated_anywhere(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "a.hdf5"
    for size in np.linspace(1, len(sound) - 1, 40, dtype=int):
        path.write_bytes(sound[:size])
        with pytest.raises(RecordingError):
            read_episode(path)


def test_a_flipped_bit_is_found_or_harmless(tmp_path: Path, sound: bytes) -> None:
    made = episode(6)
    path = tmp_path / "a.hdf5"
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(300):
        data = bytearray(sound)
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        try:
            again = read_episode(path)
        except RecordingError:
            found += 1
            continue
        assert same(again, made)
    assert found > 200


def test_foreign_files_are_named_as_such(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "foreign.hdf5", "w") as file:
        file["x"] = [1, 2]
    assert "another kind" in refused(tmp_path / "foreign.hdf5")
    with h5py.File(tmp_path / "robomimic.hdf5", "w") as file:
        file["data/demo_0/actions"] = np.zeros((3, 2))
    assert "another program's data set" in refused(tmp_path / "robomimic.hdf5")


def _replace(name: str, **made: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[name]
        file.create_dataset(name, **made)

    return change


def _link(name: str, link: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        if name in file:
            del file[name]
        file[name] = link

    return change


def _attribute(name: str, value: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        if value is None:
            del file.attrs[name]
        else:
            file.attrs[name] = value

    return change


def _json(name: str, key: str, value: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        text = file.attrs[name]
        changed = json.loads(text.decode() if isinstance(text, bytes) else text)
        changed[key] = value
        file.attrs[name] = json.dumps(changed)

    return change


def _virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((7, 24, 32, 3), "u1")
    layout[...] = h5py.VirtualSource("/etc/other.hdf5", "x", (7, 24, 32, 3))
    del file["frames/front"]
    file["frames"].create_virtual_dataset("front", layout)


def _external(file: Any) -> None:
    del file["times"]
    file.create_dataset("times", (7,), "f8", external=[("/etc/hostname", 0, 56)])


SHAPE = (7, 24, 32, 3)
CHANGES: list[tuple[str, Callable[[Any], None], str]] = [
    ("version", _attribute("a2g_recording", 2), "a newer a2g is needed"),
    ("version-text", _attribute("a2g_recording", "one"), "not an integer"),
    ("no-spec", _attribute("spec", None), "'spec' is missing"),
    ("spec-number", _attribute("spec", 3), "not a text"),
    ("spec-no-json", _attribute("spec", "{"), "not JSON"),
    ("spec-list", _attribute("spec", "[]"), "not an object"),
    ("spec-deep", _attribute("spec", "[" * 100_000), "not a valid recording"),
    ("no-rate", _attribute("spec", "{}"), "'actions' is missing"),
    ("huge-camera", _json("spec", "cameras", [{"name": "front", "height": 10**6, "width": 10**6}]), "frames of"),
    ("odd-camera", _json("spec", "cameras", [{"name": "../x", "height": 4, "width": 4}]), "not a valid recording"),
    ("more-cameras", _json("spec", "cameras", [{"name": "left", "height": 4, "width": 4}]), "frames/left is missing"),
    ("success-text", _json("outcome", "success", "yes"), "success 'yes'"),
    ("settings-list", _json("provenance", "settings", []), "settings"),
    ("truth-list", _json("goal", "truth", [1]), "truth"),
    ("T-frames", _replace("frames/front", shape=(6, 24, 32, 3), dtype="u1"), "has shape (6, 24, 32, 3)"),
    ("float-frames", _replace("frames/front", shape=SHAPE, dtype="f4"), "is float32, not uint8"),
    ("T-times", _replace("times", data=np.zeros(6)), "times has shape (6,)"),
    ("wide-actions", _replace("data/demo_0/actions", data=np.zeros((6, 4), np.float32)), "shape (6, 4)"),
    ("flat-actions", _replace("data/demo_0/actions", data=np.zeros(6, np.float32)), "shape (6,)"),
    ("no-actions", _replace("data/demo_0/actions", data=np.zeros((0, 3), np.float32)), "it has 0 actions"),
    ("text-actions", _replace("data/demo_0/actions", data=["a"] * 6), "not float32"),
    ("bomb", _replace("frames/front", shape=SHAPE, dtype="u1", chunks=(1, 24, 32, 3), compression="gzip"), "claims"),
    (
        "big-chunk",
        _replace("times", data=np.zeros(7), chunks=(2**24,), maxshape=(None,), compression="gzip"),
        "stored in pieces of 134217728 bytes",
    ),
    ("one-chunk", _replace("frames/front", data=np.ones(SHAPE, "u1"), chunks=SHAPE), "frame by frame"),
    (
        "plugin",
        _replace("frames/front", shape=SHAPE, dtype="u1", chunks=SHAPE, scaleoffset=0),
        "needs the HDF5 filters",
    ),
    ("goal-flat", _replace("goal/front", data=np.zeros((4, 4), "u1")), "goal/front has shape"),
    ("goal-else", _replace("goal", data=np.zeros(3)), "goal is not a group"),
    ("group", lambda file: (file.__delitem__("times"), file.create_group("times")), "times is not a dataset"),
    ("soft-link", _link("times", h5py.SoftLink("/captured_at/front")), "times is a link"),
    ("external-link", _link("times", h5py.ExternalLink("/etc/other.hdf5", "x")), "times"),
    ("linked-group", _link("captured_at", h5py.SoftLink("/frames")), "is a link"),
    ("virtual", _virtual, "another file"),
    ("external", _external, "another file"),
]


@pytest.mark.parametrize(("change", "expected"), [pytest.param(c, e, id=name) for name, c, e in CHANGES])
def test_a_file_that_contradicts_itself(tmp_path: Path, sound: bytes, change, expected: str) -> None:
    path = tmp_path / "a.hdf5"
    path.write_bytes(sound)
    with h5py.File(path, "r+") as file:
        change(file)
    assert expected in refused(path)


def test_a_link_is_not_followed_to_tell_what_it_is(tmp_path: Path, sound: bytes) -> None:
    path, trap = tmp_path / "a.hdf5", tmp_path / "trap.hdf5"
    os.mkfifo(trap)  # whoever opens it waits for ever
    for name in ("data", "times", "frames/front", "goal", "data/demo_0/actions", "captured_at", "timing"):
        path.write_bytes(sound)
        with h5py.File(path, "r+") as file:
            _link(name, h5py.ExternalLink(str(trap), "x"))(file)
        assert "is a link" in refused(path)


def test_ten_million_steps_that_are_not_there_cost_nothing(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "a.hdf5"
    path.write_bytes(sound)
    with h5py.File(path, "r+") as file:
        _replace("data/demo_0/actions", shape=(10_000_000, 3), dtype="f4")(file)
    assert path.stat().st_size < 2 * len(sound)
    assert "claims 120000000 bytes, 0 are stored" in refused(path)


def test_a_view_that_kills_hdf5_is_found_by_verify(tmp_path: Path, monkeypatch) -> None:
    path = write_episode(tmp_path / "a.hdf5", SPEC, episode(2))
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\nkill -SEGV $$\n")
    fake.chmod(0o755)
    in_process.processes_of_their_own(monkeypatch)
    monkeypatch.setattr("sys.executable", str(fake))
    assert verify(path) == ["obs, next_obs: HDF5 cannot read them (its process ended with -11)"]
    assert Recording(path).length == 2
