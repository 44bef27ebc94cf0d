"""The trajectories that a base keeps of its demonstrations, and the policy that replays them open loop."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from policy_examples import goal, images, network
from safetensors.torch import load_file, save_file

from a2g_cli.calibration.actuators import ActuatorModel
from a2g_cli.core.errors import CheckpointError
from a2g_cli.core.types import Observation
from a2g_cli.data.recording.reader import Recording
from a2g_cli.demo_replay import selection as learning
from a2g_cli.demo_replay import trajectory
from a2g_cli.demo_replay.policy import JOIN_STEPS, TrajectoryReplayPolicy
from a2g_cli.demo_replay.selection import PER_GROUP, select_trajectories
from a2g_cli.demo_replay.trajectory import ROBOTS, TRAJECTORIES, Trajectory, load_trajectories
from a2g_cli.models import checkpoint
from a2g_cli.policies.base import Plan, PlanRequest
from a2g_cli.robots.base import RobotSpec

# -- what is remembered ----------------------------------------------------------------------------------------------------


def test_movements_are_those_of_recordings_spread_over_each_group(demonstrations: list[Path]) -> None:
    found = select_trajectories(demonstrations, ["a", "b", "b", "b", "b", "b"], per_group=2)
    assert len(found) == 3
    for one, path in zip(found, (demonstrations[0], demonstrations[1], demonstrations[5]), strict=True):
        with Recording(path) as recording:
            assert np.array_equal(one.proprioception, recording.proprioception)
            assert np.array_equal(one.actions, recording.actions)
            assert one.robot == recording.spec.name


def test_they_take_no_more_room_than_they_may(demonstrations: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = select_trajectories(demonstrations, ["a"] * 6)
    room = 4 * sum(one.proprioception.numel() + one.actions.numel() for one in whole[:3])
    monkeypatch.setattr(learning, "BYTES", room)
    assert len(select_trajectories(demonstrations, ["a"] * 6)) == 3


# -- its file --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def base(tmp_path: Path) -> Path:
    checkpoint.save(network(), tmp_path, "# card\n", {})
    return tmp_path


def some(robots: tuple[str, ...] = ("sim:a", "sim:b"), lengths: tuple[int, ...] = (4, 1, 7)) -> list[Trajectory]:
    config, generator = network().config, torch.Generator().manual_seed(0)

    def drawn(rows: int, columns: int) -> torch.Tensor:
        return torch.randn(rows, columns, generator=generator)

    p, a = len(config.proprioception_names), len(config.action_names)
    return [Trajectory(drawn(n + 1, p), drawn(n, a), robots[i % len(robots)]) for i, n in enumerate(lengths)]


def test_what_is_written_is_read(base: Path) -> None:
    before = checkpoint.fingerprint(base)
    assert load_trajectories(base) == []
    trajectory.save_trajectories(some(), base)
    found = load_trajectories(base)
    assert len(found) == 3
    for one, other in zip(found, some(), strict=True):
        assert torch.equal(one.proprioception, other.proprioception)
        assert torch.equal(one.actions, other.actions)
        assert one.robot == other.robot
    assert checkpoint.fingerprint(base) == before


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"length": torch.tensor([4, 1, 6], dtype=torch.int32)}, "damaged"),
        ({"length": torch.tensor([4, 0, 8], dtype=torch.int32)}, "damaged"),
        ({"length": torch.tensor([-1, 6, 7], dtype=torch.int32)}, "damaged"),
        ({"length": torch.tensor([], dtype=torch.int32), "robot": torch.tensor([], dtype=torch.int32)}, "damaged"),
        ({"length": torch.tensor([4.0, 1.0, 7.0])}, "damaged"),
        ({"robot": torch.tensor([0, 1], dtype=torch.int32)}, "damaged"),
        ({"robot": torch.tensor([0, 1, 2], dtype=torch.int32)}, "damaged"),
        ({"robot": torch.tensor([0, -1, 0], dtype=torch.int32)}, "damaged"),
        ({"actions": torch.zeros(12, 9)}, "does not fit its base"),
        ({"proprioception": torch.zeros(15)}, "does not fit its base"),
        ({"actions": torch.full((12, 4), float("inf"))}, "not finite"),
    ],
    ids=range(11),
)
def test_what_is_damaged_or_of_another_robot_is_refused(
    base: Path, changed: dict[str, torch.Tensor], match: str
) -> None:
    trajectory.save_trajectories(some(), base)
    tensors = load_file(base / TRAJECTORIES)
    if "actions" in changed and match == "not finite":
        changed = {"actions": torch.full_like(tensors["actions"], float("inf"))}
    save_file(tensors | changed, base / TRAJECTORIES, metadata={ROBOTS: json.dumps(["sim:a", "sim:b"])})
    with pytest.raises(CheckpointError, match=match):
        load_trajectories(base)


def test_half_a_file_is_refused(base: Path) -> None:
    trajectory.save_trajectories(some(), base)
    whole = (base / TRAJECTORIES).read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole.replace(b"a2g_rob", b"a2g_bor")):
        (base / TRAJECTORIES).write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            load_trajectories(base)


def test_the_shipped_base_remembers_as_much_of_every_scene() -> None:
    found = load_trajectories(checkpoint.SHIPPED)
    _, facts = checkpoint.read_config(checkpoint.SHIPPED)
    for scene in facts["scenes"]:
        assert sum(one.robot == f"sim:{scene}" for one in found) == PER_GROUP


# -- moving so -------------------------------------------------------------------------------------------------------------

SPEC = RobotSpec(
    name="sim:example",
    action_names=("dx", "dy", "grip"),
    action_units=("m", "m", "1"),
    action_low=(-0.05, -0.05, 0.0),
    action_high=(0.05, 0.05, 1.0),
    rate=10.0,
    proprioception_names=("grip", "x", "y"),
    proprioception_units=("1", "m", "m"),
    cameras={"camera0": (32, 32)},
)


def along(law: ActuatorModel, steps: int = 40) -> Trajectory:
    """A movement on a curve, by motors of ``law``."""
    turned = torch.linspace(0, 3, steps + 1)
    places = torch.stack([0.2 * turned.cos(), 0.2 * turned.sin()], 1)
    grip = (torch.arange(steps) % 3 == 0).float()
    actions = torch.cat([law.inverse(places.diff(dim=0)), grip[:, None]], 1)
    return Trajectory(torch.cat([torch.zeros(steps + 1, 1), places], 1), actions, SPEC.name)


def follow(
    policy: TrajectoryReplayPolicy, actuators: ActuatorModel, start: torch.Tensor, pushes: torch.Tensor, seed: int = 3
) -> tuple[torch.Tensor, list[Plan]]:
    """Return the places (steps + 1, 2) that an arm with ``actuators`` goes through, pushed about; and the plans."""
    place, places, plans = start.clone(), [start], []
    for step, push in enumerate(pushes):
        measured = torch.cat([torch.zeros(1), place]).numpy()
        seen = Observation(images(32), measured, {"camera0": 0.0}, 0.0)
        (plan,) = policy.plan([PlanRequest(seen, goal(SPEC), seed, step)])
        place = place + actuators.displacement(torch.from_numpy(plan.chunk[0, :2])) + push
        places.append(place)
        plans.append(plan)
    return torch.stack(places), plans


WEAK = ActuatorModel(("x", "y"), torch.tensor([[0.7, 0.1], [-0.1, 0.6], [0.001, -0.002]]))
HOME = ActuatorModel(("x", "y"), torch.eye(3, 2))


def test_it_goes_where_the_movement_went_by_other_motors_from_elsewhere() -> None:
    movement = along(HOME)
    policy = TrajectoryReplayPolicy([along(HOME, 5), movement], WEAK, SPEC, {7: 1})
    assert policy.start_episode(3, 7) == {"movement": 1}
    wanted = movement.proprioception[:, 1:]
    places, plans = follow(policy, WEAK, wanted[0] + 0.01, torch.zeros(40, 2))
    apart = (places - wanted).norm(dim=1)
    torch.testing.assert_close(apart[JOIN_STEPS:], torch.zeros(41 - JOIN_STEPS), atol=1e-6, rtol=0)
    assert (apart[:JOIN_STEPS].diff() < 0).all(), "it comes over little by little"
    # What does not drive a measured value is as it was commanded.
    assert [float(plan.chunk[0, 2]) for plan in plans] == movement.actions[:, 2].tolist()


def test_pushes_do_not_add_up() -> None:
    policy = TrajectoryReplayPolicy([along(HOME), along(HOME, 10)], HOME, SPEC, {0: 0})  # the other one is faster
    policy.start_episode(3, 0)
    wanted = along(HOME).proprioception[:, 1:]
    pushes = torch.tensor([0.001, -0.002]).expand(40, 2)  # always the same way, 9 cm in all
    places, _ = follow(policy, HOME, wanted[0], pushes)
    torch.testing.assert_close(places[1:], wanted[1:] + pushes, atol=1e-6, rtol=0)


def test_without_a_law_a_command_is_a_displacement() -> None:
    policy = TrajectoryReplayPolicy([along(HOME)], None, SPEC, {0: 0})
    policy.start_episode(3, 0)
    wanted = along(HOME).proprioception[:, 1:]
    places, _ = follow(policy, HOME, wanted[0], torch.zeros(40, 2))
    torch.testing.assert_close(places, wanted, atol=1e-6, rtol=0)


def test_at_its_end_it_stays_and_says_that_nothing_is_left() -> None:
    policy = TrajectoryReplayPolicy([along(HOME, 4)], HOME, SPEC, {0: 0})
    policy.start_episode(3, 0)
    wanted = along(HOME, 4).proprioception[:, 1:]
    places, plans = follow(policy, HOME, wanted[0], torch.zeros(7, 2))
    assert [plan.steps_to_go for plan in plans[4:]] == [0.0] * 3
    assert all(np.isnan(plan.steps_to_go) for plan in plans[:4])
    torch.testing.assert_close(places[5:], places[4].expand(3, 2))
    assert all(plan.chunk[0, 2] == plans[3].chunk[0, 2] for plan in plans[4:])


def test_no_command_is_larger_than_what_was_demonstrated_nor_than_the_robot_bears() -> None:
    movement = along(HOME)
    near = replace(SPEC, action_low=(-0.004, -0.05, 0.0), action_high=(0.004, 0.05, 1.0))
    policy = TrajectoryReplayPolicy([movement], HOME, near, {0: 0})
    policy.start_episode(3, 0)
    _, plans = follow(policy, HOME, torch.tensor([0.9, -0.9]), torch.zeros(40, 2))
    chunks = np.concatenate([plan.chunk for plan in plans])
    assert np.abs(chunks[:, 0]).max() == pytest.approx(0.004)
    assert chunks[:, 1].max() == pytest.approx(float(movement.actions[:, 1].max()))


def test_each_episode_of_a_batch_follows_its_own() -> None:
    policy = TrajectoryReplayPolicy([along(HOME, 5), along(HOME, 40)], HOME, SPEC, {0: 0, 1: 1})
    policy.start_episode(11, 0)
    policy.start_episode(12, 1)
    seen = Observation(images(32), np.array([0, 0.2, 0.0], np.float32), {"camera0": 0.0}, 0.0)
    requests = [PlanRequest(seen, goal(SPEC), seed, 0) for seed in (12, 11)]
    both = policy.plan(requests)
    alone = [policy.plan([request])[0] for request in requests]
    assert all(np.array_equal(one.chunk, other.chunk) for one, other in zip(both, alone, strict=True))
    assert not np.array_equal(both[0].chunk, both[1].chunk)
