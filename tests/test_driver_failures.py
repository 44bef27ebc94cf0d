"""What a third party's driver raises is hardware that fails: one line, exit code 3, the episode kept, the robot at rest."""

from pathlib import Path
from typing import Any

import pytest
from cli_examples import a2g, ask, refused
from driver_examples import ERRORS, install

from a2g_cli.cli.commands import checkup_hardware
from a2g_cli.data.recording.reader import Recording
from a2g_cli.robots.sim import SimRobot

PLAIN = [name for name, kind in ERRORS.items() if issubclass(kind, Exception)]
RUN = ("run", "cup", "--adapter", "still", "--session", "one")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a goal that the arm's camera took."""
    monkeypatch.syspath_prepend(install(tmp_path / "site"))
    workspace = tmp_path / "work"
    ask(workspace, "capture-goal", "cup", "--robot", "faulty", "--force")
    monkeypatch.setenv("A2G_DRIVER_LOG", str(tmp_path / "log"))
    return workspace


def called(workspace: Path) -> list[str]:
    return (workspace.parent / "log").read_text().split()


def told(workspace: Path, *words: object) -> tuple[str, dict[str, Any]]:
    document = ask(workspace, *words, code=3)
    message = document["error"]["message"]
    assert "\n" not in message
    return message, document


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("call", ["observe", "act"])
def test_a_plain_exception_in_an_episode_is_hardware_that_fails(bench: Path, call: str, kind: str) -> None:
    message, document = told(bench, *RUN, "--steps", 9, "--robot", f"faulty:{call}={kind}")
    assert f"robot 'faulty:{call}={kind}' failed in {call} (driver_examples.py, line " in message
    assert f"{kind}: " in message
    assert "went wrong: no status packet" in message or kind in {"KeyError", "OSError"}
    [kept] = document["recordings"]
    assert kept["stopped_by"] == "hardware"
    assert kept["path"] in message
    with Recording(Path(kept["path"])) as recording:
        steps = recording.length
        assert steps == kept["steps"] == {"observe": 2, "act": 3}[call]
        assert len(recording.frames("front")) == steps + 1
        assert recording.outcome.stopped_by == "hardware"
    assert not list(bench.glob("recordings/sessions/*/*.partial"))
    assert called(bench)[-4:] == ["rest", "rested", "close", "closed"]


@pytest.mark.parametrize(("call", "after"), [("constructor", []), ("connect", ["close"]), ("reset", ["rest", "close"])])
def test_before_there_is_an_episode_it_is_as_clear(bench: Path, call: str, after: list[str]) -> None:
    message, document = told(bench, *RUN, "--robot", f"faulty:{call}=RuntimeError")
    assert f"failed in {'its ' if call == 'constructor' else ''}{call} (driver_examples.py, line " in message
    assert "recordings" not in document
    assert [word for word in called(bench) if word in {"rest", "close"}] == after
    assert not list((bench / "recordings").glob("sessions/*/*"))


def test_a_robot_that_can_neither_act_nor_rest_nor_close_says_all_of_it(bench: Path) -> None:
    faults = "act=SerialException,rest=RuntimeError,close=KeyError"
    message, document = told(bench, *RUN, "--robot", f"faulty:{faults}")
    places = [message.index(f"failed in {call} (") for call in ("act", "rest", "close")]
    assert places == sorted(places), "the first failure comes first"
    assert "The robot could not be brought to rest: " in message
    assert "The robot could not be closed: " in message
    assert [one["stopped_by"] for one in document["recordings"]] == ["hardware"]


def test_a_robot_that_cannot_rest_keeps_its_episode(bench: Path) -> None:
    message, document = told(bench, *RUN, "--steps", 4, "--robot", "faulty:rest=RuntimeError")
    assert message.count("failed in rest") == 1
    [kept] = document["recordings"]
    assert (kept["steps"], kept["stopped_by"]) == (4, "hardware")
    assert called(bench)[-2:] == ["close", "closed"]


def test_a_robot_that_cannot_be_closed_loses_nothing(bench: Path) -> None:
    message, document = told(bench, *RUN, "--steps", 4, "--robot", "faulty:close=RuntimeError")
    assert "failed in close" in message
    [kept] = document["recordings"]
    assert (kept["steps"], kept["stopped_by"]) == (4, "steps")
    assert ask(bench, "recordings", "show", "latest")
    plain = a2g(bench, *RUN[:-1], "two", "--steps", 4, "--robot", "faulty:close=RuntimeError")
    assert plain.exit_code == 3
    assert "1 episode in " in plain.stdout
    assert plain.stderr.count("error:") == 1
    message, _ = told(bench, "capture-goal", "plate", "--force", "--robot", "faulty:close=RuntimeError")
    assert "failed in close" in message
    assert "plate" in [goal["name"] for goal in ask(bench, "goals", "list")["goals"]]


def test_the_stack_trace_is_there_for_who_asks(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = (*RUN, "--robot", "faulty:act=RuntimeError", "--steps", 9)
    assert "Traceback" not in a2g(bench, *words).stderr
    monkeypatch.setenv("A2G_TRACEBACK", "1")
    shown = a2g(bench, *RUN[:-1], "two", *words[len(RUN) :]).stderr
    assert "RuntimeError: act went wrong" in shown
    assert shown.index("Traceback") < shown.index("\nerror: ")


def test_an_interruption_in_the_driver_is_none_of_hardware(bench: Path) -> None:
    document = ask(bench, *RUN, "--robot", "faulty:act=KeyboardInterrupt", code=130)
    assert document["error"]["message"].startswith("interrupted")
    assert called(bench)[-4:] == ["rest", "rested", "close", "closed"]


def test_a_defect_of_a_driver_of_our_own_is_not_called_hardware(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act(self: SimRobot, action: object) -> object:
        raise RuntimeError("a bug")

    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    monkeypatch.setattr(SimRobot, "act", act)
    ended = a2g(tmp_path, *RUN)
    assert isinstance(ended.exception, RuntimeError)
    assert ended.exit_code == 1


@pytest.mark.parametrize("call", ["act", "rest", "close"])
def test_other_commands_hear_it_in_the_same_words(bench: Path, call: str) -> None:
    robot = f"faultysim:{call}=RuntimeError"
    ask(bench, "capture-goal", "block", "--robot", "faultysim", "--seed", 3)
    commands: list[tuple[object, ...]] = [("run", "block", "--adapter", "still", "--steps", 5)]
    if call != "rest":
        commands += [("evaluate", "--adapter", "still", "--episodes", 1, "--steps", 5)]
        commands += [("improve", "--rounds", 1, "--episodes", 1, "--evaluation", 1)] if call != "close" else []
    for words in commands:
        message, _ = told(bench, *words, "--robot", robot)
        assert f"robot {robot!r} failed in {call} (driver_examples.py, line " in message


def test_the_doctor_says_which_call_failed(bench: Path) -> None:
    for call in ("connect", "close"):
        document = ask(bench, "doctor", "--robot", f"faulty:{call}=RuntimeError", code=3)
        [found] = [check for check in document["checks"] if check["name"] == "robot"]
        assert found["state"] == "fail"
        assert f"failed in {call} (driver_examples.py" in found["detail"]


# -- cameras --------------------------------------------------------------------------------------------------------------


def test_a_camera_that_fails_in_an_episode_is_hardware_that_fails(bench: Path) -> None:
    seen = ("--robot", "faulty", "--camera", "front=faulty:read=KeyError,size=32x32")
    message, document = told(bench, *RUN, *seen, "--steps", 500)
    assert "camera 'front' failed in read (driver_examples.py, line " in message
    assert "KeyError" in message
    [kept] = document["recordings"]
    assert kept["stopped_by"] == "hardware"
    assert kept["steps"] >= 1
    assert called(bench).count("close") == 2, "the robot and the camera"


@pytest.mark.parametrize("call", ["open", "read", "close"])
def test_a_camera_that_fails_is_one_line_at_a_capture_and_for_the_doctor(
    bench: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    camera = f"front=faulty:{call}=RuntimeError"
    if call == "read":
        monkeypatch.setattr(checkup_hardware, "WATCH", 2.0)  # it fails in its thirtieth image
    document = ask(bench, "doctor", "--camera", camera, code=3)
    failed = [check for check in document["checks"] if check["name"] == "camera front" and check["state"] == "fail"]
    assert f"camera 'front' failed in {call} (driver_examples.py, line " in failed[-1]["detail"]
    if call != "read":
        message = refused(bench, "capture-goal", "plate", "--camera", camera, "--force", code=3)
        assert f"camera 'front' failed in {call} " in message
        assert (bench / "recordings" / "goals" / "plate").exists() == (call == "close")
