"""Calibration as a user types it: practise in a changed world, adapt, look at what was found, act with it."""

from pathlib import Path

from cli_examples import a2g, ask, refused


def test_failed_practice_measures_and_the_adapter_says_what(tmp_path: Path) -> None:
    shift = ("--shift", "actuator-gain", "--steps", 30)
    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    ask(tmp_path, "run", "cup", "--episodes", 4, *shift, "--session", "practice", code=5)
    document = ask(tmp_path, "adapt", "practice")
    assert document["promoted"]
    assert document["kept"] == 4, "all of it measures, whatever it reached"
    assert document["losses"] == {}, "what was done under a wrong calibration is not imitated"
    actuators = document["calibration"]["motors"]
    assert actuators["names"] == ["x", "y", "z"]
    assert 0.5 < actuators["matrix"][0][0] < 0.7
    shown = ask(tmp_path, "adapters", "show", document["adapter"])
    assert shown["lineage"]["calibration"] == document["calibration"]
    assert "the actuators respond differently" in a2g(tmp_path, "adapters", "show", document["adapter"]).stdout
    again = ("--shift", "actuator-gain", "--steps", 9, "--session", "again", "--judge", "policy")
    (acted,) = ask(tmp_path, "run", "cup", *again, code=5)["recordings"]
    assert acted["judge"] == "policy"
    (told,) = ask(tmp_path, "recordings", "show", "again/episode-0000")["recordings"]
    assert told["provenance"]["adapter_name"] == document["adapter"]
    assert told["outcome"]["steps_to_go"] > 0
    assert told["outcome"]["distance"] > 0, "what an adapter carries does not hide the base from its judges"


def test_it_can_be_switched_off_and_a_typing_error_is_told(tmp_path: Path) -> None:
    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    ask(tmp_path, "run", "cup", "--episodes", 3, "--shift", "actuator-gain", "--steps", 9, "--session", "few", code=5)
    words = ("adapt", "few", "--calibrate", "off", "--keep", "all", "--iterations", 1)
    assert ask(tmp_path, *words)["calibration"] is None
    assert "apply" in refused(tmp_path, "adapt", "few", "--calibrate", "aply")
