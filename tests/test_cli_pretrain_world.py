"""``a2g pretrain`` on a stranger's demonstrations, with the stranger's world: what it says, measures and keeps."""

import json
from pathlib import Path

import pytest
from cli_examples import a2g, ask, refused

from a2g_cli.calibration import registration
from a2g_cli.cli.commands.deployment import Deployment
from a2g_cli.core.workspace import Workspace
from a2g_cli.models import checkpoint

ROBOT = "gym:gym_examples:Flat-v0"
TOML = f'[robot]\ndriver = "{ROBOT}"\nworld = "gym_examples:PointWorld"\n'
QUICK = ("--preset", "micro", "--batch", 4, "--autoencoder-iterations", 2, "--resize", "32x32", "--evaluation", 2)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a world and twelve demonstrations of its expert."""
    folder = tmp_path_factory.mktemp("stranger")
    (folder / "a2g.toml").write_text(TOML)
    ask(folder, "demonstrate", "--episodes", 12, "--session", "push")
    return folder


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        registration, "STEPS", 2
    )  # of the registration that is tried; how good it is is tested elsewhere


@pytest.mark.usefixtures("coarse")
def test_it_says_what_it_found_measures_in_the_world_and_ends_with_a_verdict(stranger: Path, tmp_path: Path) -> None:
    words = ("pretrain", "push", *QUICK, "--out", tmp_path / "run", "--evaluate-every", 3)
    result = a2g(stranger, *words, "--iterations", 6, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    told = result.stderr.replace("\n", " ")
    for part in (
        "found 12 demonstrations",
        "dx [m] moves x, dy [normalised] moves y",
        "not base pose: no measured value is called z",
        "this will take",
        "budget: 11 demonstrations are few",
        "calibration of the camera front:",
        "calibration of the actuators: not modelled",  # this world stands still where it has ended
    ):
        assert part in told, told
    assert told.index("this will take") < told.index("autoencoder: 2 to do"), "before it begins"
    assert (document["recordings"], document["held_out"]) == (11, 1)
    assert [one["iteration"] for one in document["evaluations"]] == [3, 6]
    assert all(one[ROBOT]["n"] == 2 and one["action_error"] > 0 for one in document["evaluations"])
    assert document["verdict"]["word"] in {"stopped too early", "usable", "good"}
    found = document["found"]
    assert (found["episodes"], found["rate"], found["success"]) == (11, 20.0, {"succeeded (truth)": 11})
    assert found["planned_iterations"] == 6
    _, facts = checkpoint.read_config(tmp_path / "run" / "checkpoint")
    assert facts["verdict"] == document["verdict"]
    assert set(facts["estimators"]) == {"camera front"}
    assert checkpoint.fingerprint(tmp_path / "run" / "checkpoint") == document["hash"], "facts are no part of the hash"
    assert "action error on held-out demonstrations" in (tmp_path / "run" / "checkpoint" / "README.md").read_text()
    again = ask(stranger, *words, "--iterations", 6)
    assert (again["hash"], again["verdict"], "found" in again) == (document["hash"], document["verdict"], False)
    # Longer, in the same folder.
    assert "add --grow" in refused(stranger, *words, "--minutes", 0.05)
    longer = a2g(stranger, *words, "--iterations", 9, "--grow", "--evaluate-every", 0, "--json")
    assert "it goes on where it was stopped" in longer.stderr.replace("\n", " ")
    assert json.loads(longer.stdout)["iteration"] == 9


def test_what_cannot_be_measured_or_understood_is_said_in_a_line(stranger: Path, tmp_path: Path) -> None:
    words = ("pretrain", "push", *QUICK, "--out", tmp_path / "run")
    assert "give one of them" in refused(stranger, *words, "--iterations", 6, "--minutes", 1)
    assert "add --evaluate-every" in refused(stranger, *words, "--patience", 2)
    assert "is not that of the demonstrations" in refused(stranger, *words, "--robot", "sim:place")
    assert "does not know success" in refused(stranger, *words, "--robot", "lerobot:so101")
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("coarse")
def test_an_environment_knows_success_by_its_world(stranger: Path, tmp_path: Path) -> None:
    assert Deployment.choose(Workspace(stranger), ROBOT).measurable_spec() is not None
    assert Deployment.choose(Workspace(tmp_path), ROBOT).measurable_spec() is None


def test_a_robot_that_is_another_one_is_named_and_the_demonstrations_measure_alone(
    stranger: Path, tmp_path: Path
) -> None:
    (tmp_path / "a2g.toml").write_text('[robot]\ndriver = "sim"\n')
    (tmp_path / "recordings").symlink_to(stranger / "recordings")
    words = ("pretrain", "push", *QUICK, "--iterations", 4, "--evaluate-every", 9, "--out", tmp_path / "run")
    result = a2g(tmp_path, *words, "--json")
    assert "success is not measured: the robot sim is not that of the demonstrations" in result.stderr.replace(
        "\n", " "
    )
    document = json.loads(result.stdout)
    (measured,) = document["evaluations"]
    assert set(measured) == {"iteration", "action_error"}
    assert "guessing the mean errs by 1" in document["verdict"]["text"]
