"""Names decide what can be calibrated; they can be given at import."""

from pathlib import Path

import pytest
from cli_examples import ask, refused
from exchange_examples import robomimic_file

from a2g_cli.calibration.names import in_words, parts
from a2g_cli.core.errors import UsageError
from a2g_cli.data.formats.renaming import NewName, parse_renames
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import Session
from a2g_cli.robots.sim import SimRobot


def test_the_simulator_can_be_calibrated_whole() -> None:
    spec = SimRobot().spec
    can, cannot = in_words(spec.action_names, spec.proprioception_names)
    assert can == "cameras, base pose (x, y, z), actuators (x, y, z)"
    assert cannot == ""


@pytest.mark.parametrize(
    ("actions", "measured", "missing"),
    [
        (
            ("action.0", "action.1"),
            ("observation.0",),
            {
                "base pose": "no measured value is called x, y or z and no action is called dx or dy",
                "actuators": "no action is called dNAME after a measured value NAME",
            },
        ),
        (("dx", "dy"), ("x", "y"), {"base pose": "no measured value is called z"}),
        (
            ("dhip", "dknee"),
            ("hip", "knee"),
            {"base pose": "no measured value is called x, y or z and no action is called dx or dy"},
        ),
        (("dx", "dy", "dz"), ("x", "y", "z"), {}),
    ],
)
def test_what_names_do_not_allow_is_said(
    actions: tuple[str, ...], measured: tuple[str, ...], missing: dict[str, str]
) -> None:
    assert {part.name: part.missing for part in parts(actions, measured) if part.missing} == missing


def test_doctor_says_what_the_names_allow(tmp_path: Path) -> None:
    flat = "gym_examples:Flat-v0"
    (tmp_path / "a2g.toml").write_text(f'[robot]\ndriver = "gym:{flat}"\n')
    check = next(one for one in ask(tmp_path, "doctor")["checks"] if one["name"] == "calibration")
    assert check["state"] == "note"
    assert "by its names (action.0, action.1, observation.0" in check["detail"]
    (tmp_path / "a2g.toml").write_text(f'[robot]\ndriver = "gym:{flat}"\nworld = "gym_examples:PointWorld"\n')
    check = next(one for one in ask(tmp_path, "doctor")["checks"] if one["name"] == "calibration")
    assert "actuators (x, y)" in check["detail"]


def test_renames_are_parsed() -> None:
    assert parse_renames(["action.0=dx:m", "a=b"]) == {"action.0": NewName("dx", "m"), "a": NewName("b", None)}
    for text in ("action.0", "=dx", "action.0="):
        with pytest.raises(UsageError, match="expected OLD=NEW"):
            parse_renames([text])
    with pytest.raises(UsageError, match="given twice"):
        parse_renames(["a=b", "a=c"])


def test_an_import_gives_names_and_units(tmp_path: Path) -> None:
    source = robomimic_file(tmp_path / "demo.hdf5")
    ask(tmp_path, "recordings", "import", source, "--session", "plain")
    spec = first_spec(tmp_path, "plain")
    old, measured = spec.action_names[0], spec.proprioception_names[0]
    words = ("--rename", f"{old}=dx:m", "--rename", f"{measured}=x")
    ask(tmp_path, "recordings", "import", source, "--session", "named", *words)
    named = first_spec(tmp_path, "named")
    assert (named.action_names[0], named.action_units[0]) == ("dx", "m")
    assert named.action_names[1:] == spec.action_names[1:]
    assert (named.proprioception_names[0], named.proprioception_units[0]) == ("x", spec.proprioception_units[0])
    message = refused(tmp_path, "recordings", "import", source, "--session", "new", "--rename", "grasp=g", code=1)
    assert f"--rename names grasp; it has: {old}" in message
    twice = ("--rename", f"{old}={spec.action_names[1]}")
    assert "two values are called" in refused(
        tmp_path, "recordings", "import", source, "--session", "new", *twice, code=1
    )


def first_spec(workspace: Path, session: str):  # type: ignore[no-untyped-def]
    with Recording(Session(workspace / "recordings" / "sessions" / session).recordings()[0]) as recording:
        return recording.spec
