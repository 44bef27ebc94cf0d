"""The motion law: exact where motors are linear, deaf to collisions, and what turns one robot's commands into another's."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_examples import Quiet, network, practised
from torch import Tensor

from a2g_cli.errors import CheckpointError
from a2g_cli.learning.adapt import AdaptSettings, adapt
from a2g_cli.learning.lessons import Correction
from a2g_cli.learning.motion import FEWEST, MotionLaw, driven, measure
from a2g_cli.learning.practised import correct, home_law
from a2g_cli.learning.segments import Segments, join
from a2g_cli.policy import checkpoint
from a2g_cli.policy.act2goal import Act2Goal

ACTIONS = ("dx", "dy", "grip")
MEASURED = ("x", "y", "grip")
HOME = MotionLaw(("x", "y"), torch.tensor([[1.0, 0.1], [0.0, 0.9], [0.0, 0.0]]))
WEAK = MotionLaw(("x", "y"), torch.tensor([[0.5, 0.0], [0.1, 0.6], [0.02, -0.01]]))


def episodes(law: MotionLaw, steps: int = 300, seed: int = 0, noise: float = 0.0, stuck: float = 0.0) -> Segments:
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
    law = measure(segments, ACTIONS, MEASURED)
    assert law is not None
    assert law.names == ("x", "y"), "what has the same name as its action is a target, not driven"
    return law.matrix


def test_a_linear_robot_is_measured_exactly() -> None:
    torch.testing.assert_close(found(episodes(WEAK)), WEAK.matrix, atol=1e-4, rtol=0)


def test_noise_and_collisions_do_not_bend_it() -> None:
    torch.testing.assert_close(found(episodes(WEAK, 3000, noise=0.01, stuck=0.08)), WEAK.matrix, atol=0.02, rtol=0)


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=2))
@settings(deadline=None)
def test_a_command_brings_the_displacement_that_it_was_made_for(wish: list[float]) -> None:
    wanted = torch.tensor(wish)
    torch.testing.assert_close(WEAK.displacement(WEAK.command(wanted)), wanted, atol=1e-4, rtol=1e-4)


def test_too_little_or_one_sided_practice_measures_nothing() -> None:
    assert measure(episodes(WEAK, FEWEST - 1), ACTIONS, MEASURED) is None
    assert measure(episodes(WEAK), ("dx", "dy", "grip"), ("a", "b", "grip")) is None
    still = episodes(WEAK)
    still.actions[:] = 0.0
    assert measure(still, ACTIONS, MEASURED) is None


def test_recordings_of_robots_that_differ_have_no_law() -> None:
    assert measure(join([episodes(HOME), episodes(WEAK)]), ACTIONS, MEASURED) is None


FLAT = {"names": ["x", "y"], "matrix": [[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]}
ENDLESS = {"names": ["x"], "matrix": [[float("inf")], [0.0]]}


@pytest.mark.parametrize("told", [{}, [], 3, {"names": ["x"]}, {"names": ["x"], "matrix": [[1.0]]}, FLAT, ENDLESS])
def test_a_damaged_law_is_refused_in_one_line_and_a_missing_one_is_none(tmp_path: Path, told: object) -> None:
    torch.testing.assert_close(MotionLaw.from_json(WEAK.to_json()).matrix, WEAK.matrix)
    shutil.copytree(checkpoint.SHIPPED, tmp_path / "base")
    path = tmp_path / "base" / "config.json"
    config = json.loads(path.read_text())
    assert home_law(tmp_path / "base") is not None
    config["facts"]["motion_law"] = told
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="damaged motion law"):
        home_law(tmp_path / "base")
    del config["facts"]["motion_law"]
    path.write_text(json.dumps(config))
    assert home_law(tmp_path / "base") is None


def test_what_an_action_drives_is_told_by_names() -> None:
    assert driven(("dx", "dy", "dz", "opening"), ("x", "y", "z", "opening")) == ("x", "y", "z")
    assert driven(("shoulder.pos",), ("shoulder.pos",)) == ()


def mover() -> Act2Goal:
    """A micro policy whose first two actions drive its first two measured values."""
    model = network()
    model.config = replace(model.config, action_names=("dx", "dy", "a", "b"), proprioception_names=("x", "y", "p"))
    return model


def lesson(here: MotionLaw) -> Correction:
    base = mover()
    names = base.config.action_names
    segments = join([one.whole for one in practised(base)])
    goals = torch.stack([one.goal for one in practised(base)])
    home = MotionLaw(here.names, torch.eye(len(here.names) + 1, len(here.names)))
    high = torch.full((len(names),), 1e6)
    return Correction(segments, goals, base, home, here, -high, high)


def law_for(gain: float, pull: float) -> MotionLaw:
    config = mover().config
    names = driven(config.action_names, config.proprioception_names)
    assert names, "the example has an action that drives a value"
    matrix = torch.cat([gain * torch.eye(len(names)), torch.full((1, len(names)), pull)])
    return MotionLaw(names, matrix)


def test_a_corrected_chunk_does_here_what_the_base_s_did_at_home() -> None:
    taught = lesson(law_for(0.5, 0.01))
    chunk = torch.randn(5, 8, len(taught.base.config.action_names))
    columns = [taught.base.config.action_names.index(f"d{name}") for name in taught.here.names]
    brought = taught.here.displacement(taught.corrected(chunk)[..., columns])
    torch.testing.assert_close(brought, taught.home.displacement(chunk[..., columns]), atol=1e-4, rtol=1e-4)
    rest = [i for i in range(chunk.shape[-1]) if i not in columns]
    assert torch.equal(taught.corrected(chunk)[..., rest], chunk[..., rest])
    tight = replace(taught, low=taught.low * 0 - 0.125, high=taught.high * 0 + 0.125)
    assert float(tight.corrected(chunk).abs().max()) <= 0.125


def test_at_home_nothing_is_corrected_and_the_same_chance_draws_the_same(tmp_path: Path) -> None:
    taught = lesson(law_for(1.0, 0.0))
    chunk = torch.randn(3, 8, len(taught.base.config.action_names))
    torch.testing.assert_close(taught.corrected(chunk), chunk)
    one, other = (taught.batch(16, {"final": 1.0}, torch.Generator().manual_seed(4)) for _ in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert one["mask"][:, : taught.base.config.hashing.proximal].all()


@pytest.mark.parametrize(
    ("gain", "keep", "expected"), [(0.5, "arrived", True), (1.0, "arrived", False), (0.5, "all", False)]
)
def test_only_other_motors_are_corrected_and_only_where_nobody_asked_to_imitate(
    gain: float, keep: str, expected: bool
) -> None:
    base = mover()
    names = base.config.action_names
    driving = driven(names, base.config.proprioception_names)
    made = []
    for one in practised(base, (60, 60)):
        whole = one.whole
        whole.actions[:] = torch.randn(whole.actions.shape, generator=torch.Generator().manual_seed(1))
        for name in driving:
            steps = gain * whole.actions[:-1, names.index(f"d{name}")]
            column = base.config.proprioception_names.index(name)
            whole.proprioception[:, column] = torch.cat([torch.zeros(1), steps.cumsum(0)])
        made.append(one)
    home = law_for(1.0, 0.0)
    found = correct(made, base, home, keep, 0.15)  # type: ignore[arg-type]
    assert (found is not None) == expected
    assert correct(made, base, None, "arrived", 0.15) is None
    assert correct(made, base, home, "arrived", 0.0) is None


def test_an_adapter_is_taught_and_says_by_which_law(tmp_path: Path) -> None:
    taught = lesson(law_for(0.6, 0.0))
    base = mover()
    quick = AdaptSettings(iterations=12, batch=16, rank=8, lr=5e-3, held_out=0.0)
    result = adapt(base, "b" * 16, None, practised(base), tmp_path / "one", quick, Quiet(), correction=taught)
    lineage = json.loads((result.folder / "lineage.json").read_text())
    assert lineage["motion_law"] == taught.here.to_json()
    assert result.losses["last"] < result.losses["first"]
