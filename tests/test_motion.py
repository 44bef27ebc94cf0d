"""The motion law: exact where motors are linear, deaf to collisions, and what turns one robot's commands into another's."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from a2g_cli.calibration import nominal
from a2g_cli.calibration.actuators import MIN_STEPS, ActuatorModel, driven_names, fit_actuators
from a2g_cli.core.errors import CheckpointError
from a2g_cli.encoding.segments import Segments, join
from a2g_cli.models import checkpoint

ACTIONS = ("dx", "dy", "grip")
MEASURED = ("x", "y", "grip")
HOME = ActuatorModel(("x", "y"), torch.tensor([[1.0, 0.1], [0.0, 0.9], [0.0, 0.0]]))
WEAK = ActuatorModel(("x", "y"), torch.tensor([[0.5, 0.0], [0.1, 0.6], [0.02, -0.01]]))


def episodes(law: ActuatorModel, steps: int = 300, seed: int = 0, noise: float = 0.0, stuck: float = 0.0) -> Segments:
    """Two episodes of random commands on a robot that obeys ``law``, but for a share of steps in which it is stuck."""
    source = torch.Generator().manual_seed(seed)
    asked = torch.randn(steps, 3, generator=source)
    moved = law.displacement(asked[:, :2]) + noise * torch.randn(steps, 2, generator=source)
    moved[torch.rand(steps, generator=source) < stuck] = 0.0
    parts = []
    for rows in (slice(0, steps // 3), slice(steps // 3, steps)):
        place = torch.cat([torch.zeros(1, 2), moved[rows].cumsum(0)])
        grip = torch.rand(len(place), 1, generator=source)
        actions = torch.cat([asked[rows], asked[rows][-1:]])
        count = torch.tensor([len(place) - 1])
        parts.append(
            Segments(torch.zeros(len(place), 1), torch.cat([place, grip], 1), actions, torch.tensor([0]), count)
        )
    return join(parts)


def found(segments: Segments) -> Tensor:
    law = fit_actuators(segments, ACTIONS, MEASURED)
    assert law is not None
    assert law.names == ("x", "y"), "what has the same name as its action is a target, not driven"
    return law.matrix


def test_a_linear_robot_is_measured_exactly() -> None:
    torch.testing.assert_close(found(episodes(WEAK)), WEAK.matrix, atol=1e-4, rtol=0)


@pytest.mark.parametrize("scale", [0.002, 50.0])
def test_the_unit_of_commands_does_not_matter(scale: float) -> None:
    scaled = ActuatorModel(WEAK.names, scale * WEAK.matrix)
    torch.testing.assert_close(found(episodes(scaled)) / scale, WEAK.matrix, atol=1e-3, rtol=0)


def test_an_arm_that_does_not_move_has_no_law() -> None:
    assert fit_actuators(episodes(ActuatorModel(WEAK.names, 0 * WEAK.matrix)), ACTIONS, MEASURED) is None
    assert fit_actuators(episodes(ActuatorModel(WEAK.names, 0 * WEAK.matrix), noise=0.01), ACTIONS, MEASURED) is None


def test_noise_and_collisions_do_not_bend_it() -> None:
    torch.testing.assert_close(found(episodes(WEAK, 3000, noise=0.01, stuck=0.08)), WEAK.matrix, atol=0.02, rtol=0)


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=2))
@settings(deadline=None)
def test_a_command_brings_the_displacement_that_it_was_made_for(wish: list[float]) -> None:
    wanted = torch.tensor(wish)
    torch.testing.assert_close(WEAK.displacement(WEAK.inverse(wanted)), wanted, atol=1e-4, rtol=1e-4)


def test_too_little_or_one_sided_practice_measures_nothing() -> None:
    assert fit_actuators(episodes(WEAK, MIN_STEPS - 1), ACTIONS, MEASURED) is None
    assert fit_actuators(episodes(WEAK), ("dx", "dy", "grip"), ("a", "b", "grip")) is None
    still = episodes(WEAK)
    still.actions[:] = 0.0
    assert fit_actuators(still, ACTIONS, MEASURED) is None


def test_recordings_of_robots_that_differ_have_no_law() -> None:
    assert fit_actuators(join([episodes(HOME), episodes(WEAK)]), ACTIONS, MEASURED) is None


FLAT = {"names": ["x", "y"], "matrix": [[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]}
ENDLESS = {"names": ["x"], "matrix": [[float("inf")], [0.0]]}


@pytest.mark.parametrize("told", [{}, [], 3, {"names": ["x"]}, {"names": ["x"], "matrix": [[1.0]]}, FLAT, ENDLESS])
def test_a_damaged_law_is_refused_in_one_line_and_a_missing_one_is_none(tmp_path: Path, told: object) -> None:
    torch.testing.assert_close(ActuatorModel.from_json(WEAK.to_json()).matrix, WEAK.matrix)
    shutil.copytree(checkpoint.SHIPPED, tmp_path / "base")
    path = tmp_path / "base" / "config.json"
    config = json.loads(path.read_text())
    known = nominal.load_nominal(tmp_path / "base")
    assert known is not None
    assert known.actuators is not None
    config["facts"]["motion_law"] = told
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="damaged actuator model"):
        nominal.load_nominal(tmp_path / "base")
    del config["facts"]["motion_law"]
    path.write_text(json.dumps(config))
    (tmp_path / "base" / nominal.NOMINAL).unlink()
    assert nominal.load_nominal(tmp_path / "base") is None


def test_what_an_action_drives_is_told_by_names() -> None:
    assert driven_names(("dx", "dy", "dz", "opening"), ("x", "y", "z", "opening")) == ("x", "y", "z")
    assert driven_names(("shoulder.pos",), ("shoulder.pos",)) == ()
