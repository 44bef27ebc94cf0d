"""A person demonstrates: the robot follows a teleoperator, gently at first, under the guards; keys begin and end it."""

import os
import pty
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench_robot import GOAL, SPEC, BenchRobot
from cli_examples import refused
from feetech_servos import GOAL as GOAL_ADDRESS
from feetech_servos import PRESENT, Servos, servos
from lerobot_examples import JOINTS, calibration, lerobot

from a2g_cli.cli.commands import teleoperate
from a2g_cli.cli.commands.deployment import Deployment
from a2g_cli.cli.commands.teleoperate import teleoperate_into
from a2g_cli.core.errors import HardwareError, SafetyStop, UnknownNameError, UsageError
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.types import Outcome, Provenance
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import Session, open_session
from a2g_cli.robots.lerobot_teleoperator import LeRobotTeleoperator
from a2g_cli.robots.teleoperator import CheckedTeleoperator, make_teleoperator
from a2g_cli.runtime.recorder import Recorder
from a2g_cli.runtime.teleoperation import APPROACH, Approach, follow
from a2g_cli.runtime.termination import RolloutSettings


class Stick:
    """A joint is held at 1.5 rad, dx is pushed by 1 cm."""

    def __init__(self, **units: str) -> None:
        self.units: Mapping[str, str] = units or {"joint": "rad", "dx": "m"}
        self.values: dict[str, object] = {"joint": 1.5, "dx": 0.01, "button": 1.0}

    def connect(self) -> None: ...

    def action(self) -> Mapping[str, float]:
        return self.values  # type: ignore[return-value]

    def close(self) -> None: ...


def checked(stick: Stick) -> CheckedTeleoperator:
    return CheckedTeleoperator(stick, "the stick", SPEC)


def after(steps: int) -> Callable[[], bool]:
    left = iter(range(steps))
    return lambda: next(left, None) is None


def followed(robot: BenchRobot, path: Path, stick: Stick, **settings: object) -> Outcome:
    sink = Recorder(path, SPEC, GOAL, Provenance("bench", "expert"))
    over = settings.pop("over", after(40))
    interrupted = settings.pop("interrupted", lambda: False)
    chosen = RolloutSettings(**{"limit": 100, **settings})  # type: ignore[arg-type]
    return follow(robot, checked(stick).action, Approach(robot), GOAL, chosen, sink, over, interrupted)  # type: ignore[arg-type]


def test_the_robot_comes_gently_to_where_the_person_holds_it_and_then_follows_at_once(tmp_path: Path) -> None:
    robot, stick = BenchRobot(), Stick()
    outcome = followed(robot, tmp_path / "a.hdf5", stick)
    joint = np.array([sent[0] for sent in robot.sent])
    span = SPEC.action_high[0] - SPEC.action_low[0]
    assert np.diff(joint, prepend=0.0).max() <= APPROACH * span * 1.001
    assert joint[-1] == pytest.approx(1.5)
    assert all(sent[1] == pytest.approx(0.01) for sent in robot.sent)  # a displacement needs no approach
    assert (outcome.stopped_by, outcome.success) == ("person", None)
    with Recording(tmp_path / "a.hdf5") as recording:
        assert np.array_equal(recording.actions, np.stack(robot.sent))


def test_once_they_met_a_jump_of_the_person_is_a_jump_of_the_robot() -> None:
    robot = BenchRobot()
    approach = Approach(robot)
    assert not approach.met
    approach(np.array([0.01, 0.0], np.float32))
    assert approach.met
    assert approach(np.array([1.9, 0.0], np.float32)).tolist() == pytest.approx([1.9, 0.0])


def test_the_person_judges_and_an_interruption_brings_the_robot_to_rest(tmp_path: Path) -> None:
    asked = []

    def judge(outcome: Outcome, *_: object) -> Outcome:
        asked.append(outcome.stopped_by)
        return replace(outcome, success=True, judge="person")

    robot = BenchRobot()
    assert followed(robot, tmp_path / "a.hdf5", Stick(), verdict=judge).success is True
    assert asked == ["person"]
    robot.done.clear()
    outcome = followed(robot, tmp_path / "b.hdf5", Stick(), verdict=judge, interrupted=after(3))
    assert (outcome.stopped_by, outcome.success, robot.done[-1]) == ("interrupted", None, "rest")
    assert asked == ["person"]
    assert followed(robot, tmp_path / "c.hdf5", Stick(), limit=2).stopped_by == "steps"


def test_a_guard_stops_a_person_too_and_the_recording_is_kept(tmp_path: Path) -> None:
    robot = BenchRobot()
    with pytest.raises(SafetyStop):
        followed(robot, tmp_path / "a.hdf5", Stick(), safety=SafetyLimits(max_speed={"joint": 0.1}))
    assert robot.done[-1] == "rest"
    with Recording(tmp_path / "a.hdf5") as recording:
        assert recording.outcome.success is None


@pytest.mark.parametrize("value", [float("nan"), "high", None])
def test_what_is_no_number_never_reaches_the_robot(tmp_path: Path, value: object) -> None:
    robot, stick = BenchRobot(), Stick()
    stick.values["joint"] = value
    with pytest.raises(HardwareError, match="the stick"):
        followed(robot, tmp_path / "a.hdf5", stick)
    assert robot.sent == []


def test_other_names_or_units_are_refused() -> None:
    with pytest.raises(UsageError, match="does not move dx of bench: it gives joint"):
        checked(Stick(joint="rad"))
    with pytest.raises(UsageError, match=r"joint in deg, bench takes it in rad"):
        checked(Stick(joint="deg", dx="m"))
    checked(Stick(joint="", dx=""))  # what does not say its units is believed


def test_a_driver_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownNameError):
        make_teleoperator("wand", {}, SPEC)


class TestAnSO101:
    """LeRobot's own leader and follower, on software servos; a pseudo-terminal has the keys."""

    @pytest.fixture(autouse=True)
    def _bench(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        lerobot()
        folder = calibration(tmp_path / "calibration")
        ours, theirs = pty.openpty()
        self.person, self.workspace = ours, Workspace(tmp_path)
        with servos() as follower, servos() as leader, os.fdopen(theirs) as terminal:
            self.leader = leader
            monkeypatch.setattr(sys, "stdin", terminal)
            self.leader_config = {"port": leader.port, "id": "bench", "calibration_dir": str(folder)}
            config = {"port": follower.port, "id": "bench", "calibration_dir": str(folder)}
            self.deployment = Deployment("lerobot:so101_follower", {"config": config, "rate": 25.0})
            text = f'[teleoperator]\ndriver = "lerobot:so101_leader"\n[teleoperator.config]\nport = "{leader.port}"\n'
            (tmp_path / "a2g.toml").write_text(f'{text}id = "bench"\ncalibration_dir = "{folder}"\n')
            yield
        os.close(ours)

    def recorded(
        self, typed: dict[str, list[bytes]], monkeypatch: pytest.MonkeyPatch, episodes: int = 2, **options: bool
    ) -> Session:
        """Run it; ``typed``: what the person types, each time, a moment after a line that begins so was shown."""
        shown = threading.Semaphore(0)
        lines: list[str] = []

        def tell(text: str) -> None:
            lines.append(text)
            shown.release()

        def person() -> None:
            while shown.acquire(timeout=20):
                line = lines.pop(0)
                if line == "over":
                    return
                if answers := next((keys for begin, keys in typed.items() if line.startswith(begin)), None):
                    time.sleep(0.5)
                    hold(self.leader, 100)
                    os.write(self.person, answers.pop(0))

        monkeypatch.setattr(teleoperate, "tell", tell)
        thread = threading.Thread(target=person)
        thread.start()
        try:
            words = (self.workspace, self.deployment, "lerobot:so101_leader", episodes, "by-hand", None)
            self.report = teleoperate_into(*words, options.get("keep", False), SafetyLimits(missed_deadlines=1000))
        finally:
            tell("over")
            thread.join()
        return open_session(self.workspace, "by-hand")

    def test_it_is_recorded_from_key_to_key_and_its_goal_is_where_it_ended(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        always = {"lerobot:so101": b"\n", "Set up": b"\n", "Recording": b"\n", "is the goal of": b"y"}
        typed = {line: 2 * [keys] for line, keys in always.items()}
        session = self.recorded(typed, monkeypatch)
        paths = session.recordings()
        assert [path.name for path in paths] == ["episode-0000.hdf5", "episode-0001.hdf5"]
        assert self.report.document["episodes"] == 2
        assert not session.unjudged.folder.exists()
        with Recording(paths[1]) as recording:
            assert (recording.outcome.success, recording.outcome.judge) == (True, "person")
            assert recording.provenance.settings["expert"] == "lerobot:so101_leader"
            assert recording.spec.action_names == tuple(f"{name}.pos" for name in JOINTS)
            assert len(recording) > 3
            moved = recording.proprioception[-1] - recording.proprioception[0]
            assert np.abs(moved[0]) > 1.0  # the leader was moved meanwhile, and the arm went with it

    def test_what_failed_is_left_out_and_q_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        typed = {"lerobot:so101": [b"\n"], "Set up": [b"\n", b"q"], "Recording": [b"\n"], "is the goal of": [b"n"]}
        session = self.recorded(typed, monkeypatch)
        assert session.recordings() == []
        assert (self.report.document["episodes"], self.report.document["failed"]) == (0, 1)

    def test_what_was_interrupted_is_kept_beside_the_session(self, monkeypatch: pytest.MonkeyPatch) -> None:
        recording = threading.Event()

        class Interrupted:
            requested = False

            def __init__(self, _: Callable[[], None]) -> None: ...

            def __call__(self) -> bool:
                return recording.is_set()

            def __enter__(self) -> "Interrupted":
                return self

            def __exit__(self, *_: object) -> None: ...

        monkeypatch.setattr(teleoperate, "Interrupt", Interrupted)
        typed: dict[str, list[bytes]] = {"lerobot:so101": [b"\n"], "Set up": [b"\n"], "Recording": _Setting(recording)}
        session = self.recorded(typed, monkeypatch)
        assert session.recordings() == []
        (kept,) = session.unjudged.recordings()
        with Recording(kept) as one:
            assert one.outcome.stopped_by == "interrupted"

    def test_who_presses_q_first_moves_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        session = self.recorded({"lerobot:so101": [b"q"]}, monkeypatch)
        assert session.recordings() == []

    def test_another_unit_of_the_leader_is_refused(self) -> None:
        settings = {"config": {**self.leader_config, "use_degrees": False}}
        with self.deployment.connected() as (robot,), pytest.raises(UsageError, match="use_degrees"):
            make_teleoperator("lerobot:so101_leader", settings, robot.spec)

    def test_a_silent_or_uncalibrated_leader_is_said(self) -> None:
        leader = LeRobotTeleoperator("so101_leader", self.leader_config)
        leader.connect()
        assert set(leader.action()) == set(leader.units) == {f"{name}.pos" for name in JOINTS}
        self.leader.silent = True
        with pytest.raises(HardwareError, match="gives no action"):
            leader.action()
        self.leader.silent = False
        leader.close()
        leader.close()
        with pytest.raises(HardwareError, match="lerobot-calibrate"):
            LeRobotTeleoperator("so101_leader", {**self.leader_config, "id": "other"})
        with pytest.raises(UnknownNameError):
            LeRobotTeleoperator("so999_leader", self.leader_config)


class _Setting(list[bytes]):
    """Instead of a key, something happens."""

    def __init__(self, event: threading.Event) -> None:
        super().__init__([b"x"])
        self._event = event

    def pop(self, _: int = 0) -> bytes:  # type: ignore[override]
        self._event.set()
        return b"x"


def hold(leader: Servos, ticks: int) -> None:
    """A person turns the leader's first joint."""
    servo = leader.servos[1]
    for address in (GOAL_ADDRESS, PRESENT):
        servo.put(address, servo.get(address) + ticks)


def test_bad_input_is_refused_in_a_line(tmp_path: Path) -> None:
    assert "leave --expert" in refused(tmp_path, "demonstrate", "--teleop", "lerobot:so101_leader", "--disturb", 1)
    assert "terminal" in refused(tmp_path, "demonstrate", "--teleop", "lerobot:so101_leader")
    (tmp_path / "a2g.toml").write_text('[teleoperator]\ndriver = "wand"\n')
    assert "unknown teleoperator driver 'wand'" in refused(tmp_path, "demonstrate", "--episodes", 1)
