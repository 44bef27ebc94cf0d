"""Guards, resets and the key to hold, from the command line."""

import os
import pty
import sys
import time
from pathlib import Path

import pytest
from cli_examples import a2g, ask, refused
from processes import Forked

from a2g_cli.cli.commands import safety
from a2g_cli.core.errors import A2GError, RecordingError, UsageError
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.verify import verify
from a2g_cli.runtime import recorder

PATIENCE = 90.0
"""[s]"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    ask(folder, "capture-goal", "cup", "--seed", 3)
    ask(folder, "capture-goal", "pan", "--seed", 4)
    return folder


@pytest.mark.parametrize(("fault", "cause", "code"), [("drop", "stale-frame", 4), ("disconnect", "hardware", 3)])
def test_a_stop_says_why_and_reports_what_is_kept(place: Path, fault: str, cause: str, code: int) -> None:
    words = ("run", "cup", "--adapter", "random", "--episodes", 3, "--session", fault, "--fault", f"{fault}@3")
    told = ask(place, *words, code=code)
    assert told["error"]["exit_code"] == code
    [kept] = told["recordings"]
    assert kept["stopped_by"] == cause
    assert kept["path"] in told["error"]["message"]
    assert [problem for problem in verify(Path(kept["path"])) if "used twice" not in problem] == []
    with Recording(Path(kept["path"])) as recording:
        assert recording.outcome.stopped_by == cause
        assert recording.length == kept["steps"] >= 3 - (cause == "hardware")
        assert recording.provenance.settings["fault"] == f"{fault}@3"


def test_without_room_nothing_is_made(place: Path) -> None:
    words = ("run", "cup", "--adapter", "still", "--session", "full", "--safety", "disk_floor_gb=1e9")
    assert "GB are free" in refused(place, *words, code=4)
    assert not (place / "recordings" / "sessions" / "full").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--safety", "frame_ag=1"), "did you mean frame_age"),
        (("--safety", "frame_age"), "expected frame_age=VALUE"),
        (("--safety", "frame_age.x=1"), "expected frame_age=VALUE"),
        (("--safety", "max_step=1"), "expected max_step.NAME=VALUE"),
        (("--safety", "max_step.dx=fast"), "'fast' is not a number"),
        (("--safety", "frozen_frames=1.5"), "not a whole number"),
        (("--safety", "episode_seconds=-1"), "0 or more"),
        (("--safety", "workspace_low.q=1"), "known: dx, dy, dz, opening, x, y, z"),
        (("--reset", "cycle"), "two goals"),
        (("--reset", "rest-pos"), "did you mean rest-pose"),
        (("--reset", "home"), "--reset rest-pose"),
        (("--deadman-key", "k"), "not a terminal"),
        (("--fault", "frezze"), "did you mean freeze"),
        (("--judge", "person", "--safety", "frame_age=1", "--deadman-key", "k"), "choose one"),
    ],
)
def test_what_makes_no_sense_is_refused_before_there_is_a_session(
    place: Path, words: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(read))
    sessions = sorted((place / "recordings" / "sessions").glob("*"))
    if words[0] == "--deadman-key":
        with pytest.raises(UsageError, match=says), safety.deadman_key(SafetyLimits(hold_key=words[1])):
            pass
    else:
        assert says in refused(place, "run", "cup", "--adapter", "still", *words)
    assert sorted((place / "recordings" / "sessions").glob("*")) == sessions
    os.close(write)
    sys.stdin.close()


def test_a_session_in_which_nothing_could_be_recorded_leaves_no_folder(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted((place / "recordings" / "sessions").glob("*"))

    def full(path: Path) -> None:
        raise RecordingError(f"only 3 MB are free for {path}")

    monkeypatch.setattr(recorder, "check_disk", full)
    assert "only 3 MB" in refused(place, "run", "cup", "--adapter", "still", "--session", "full", code=1)
    assert sorted((place / "recordings" / "sessions").glob("*")) == before


def test_words_go_over_the_workspace_s_limits_name_by_name() -> None:
    before = SafetyLimits(workspace_low={"x": 0.1, "z": 0.0}, frame_age=0.2, hold_key="a")
    after = safety.limits_from(before, ["workspace_low.z=0.02", "frozen_frames=0", "max_speed.x=1e9"], "b")
    assert after.workspace_low == {"x": 0.1, "z": 0.02}
    assert (after.frame_age, after.frozen_frames, after.hold_key) == (0.2, 0, "b")
    assert after.max_speed == {"x": 1e9}
    assert safety.limits_from(before, [], None) == before


def test_drives_home_are_recorded_apart_and_go_with_their_session(place: Path) -> None:
    words = ("run", "cup", "--adapter", "random", "--steps", 3, "--episodes", 3, "--session", "homing")
    told = ask(place, *words, "--reset", "rest-pose", code=5)
    assert [Path(one["path"]).name for one in told["recordings"]] == [f"episode-000{i}.hdf5" for i in range(3)]
    assert told["timing"]["steps"] == 9
    assert told["timing"]["missed"] == 0
    folder = place / "recordings" / "sessions" / "homing"
    drives = sorted((folder / "resets").glob("*.hdf5"))
    assert len(drives) == 2
    for drive in drives:
        with Recording(drive) as recording:
            assert recording.provenance.policy == "reset"
            assert recording.provenance.settings["purpose"] == "reset"
            assert recording.outcome.stopped_by == "arrived"
    listed = ask(place, "recordings", "list", "homing")
    assert len(listed["recordings"]) == 3
    assert a2g(place, "recordings", "rm", "homing", "--yes").exit_code == 0
    assert not folder.exists()


def test_a_cycle_goes_from_goal_to_goal_without_a_reset(place: Path) -> None:
    words = ("run", "cup", "pan", "--adapter", "random", "--steps", 3, "--episodes", 2, "--reset", "cycle")
    told = ask(place, *words, code=5)
    assert [one["goal"] for one in told["recordings"]] == ["cup", "pan", "cup", "pan"]
    ends, starts = [], []
    for one in told["recordings"]:
        with Recording(Path(one["path"])) as recording:
            starts.append(recording.proprioception[0].tolist())
            ends.append(recording.proprioception[-1].tolist())
    assert starts[1:] == ends[:-1]


@pytest.mark.parametrize(("typed", "answer"), [(b"\n", True), (b"", None)])
def test_a_person_answers_in_time_or_the_run_ends(
    monkeypatch: pytest.MonkeyPatch, typed: bytes, answer: bool | None
) -> None:
    read, write = os.pipe()
    os.write(write, typed)
    monkeypatch.setattr(sys, "stdin", os.fdopen(read))
    told: list[str] = []
    question = safety.ask_for_key(0.3, told.append, lambda: False)
    if answer is None:
        with pytest.raises(A2GError, match=r"nobody confirmed within 0\.3 s"):
            question("cup")
        assert safety.ask_for_key(9e9, told.append, lambda: True)("cup") is False
    else:
        assert question("cup") is answer
    assert "Put the scene back for cup" in told[0]
    os.close(write)
    sys.stdin.close()


def test_a_key_that_is_let_go_of_stops_a_real_run(place: Path) -> None:
    ours, theirs = pty.openpty()
    folder = place / "recordings" / "sessions" / "held"
    words = ["run", "cup", "--adapter", "random", "--steps", "5000", "--session", "held", "--deadman-key", "k"]
    try:
        with Forked(*words, "--workspace", place, stdin=theirs) as process:
            end = time.monotonic() + PATIENCE
            while sum(path.stat().st_size for path in folder.glob("*.partial")) < 20_000:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < end, "no episode began"
                os.write(ours, b"k")
                time.sleep(0.03)
            _, err = process.communicate(timeout=PATIENCE)
    finally:
        os.close(ours)
        os.close(theirs)
    assert process.returncode == 4, err
    assert "the key 'k' is not held down" in err
    with Recording(folder / "episode-0000.hdf5") as recording:
        assert recording.outcome.stopped_by == "hold-released"
        assert 1 <= recording.length < 5000
