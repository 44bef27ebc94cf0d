"""A calibration undoes on the way out what it does on the way in, says what differs, and refuses to be nonsense."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_examples import goal, observation, spec

from a2g_cli.calibration.actuators import ActuatorModel
from a2g_cli.calibration.base_pose import BasePose
from a2g_cli.calibration.camera import CameraWarp
from a2g_cli.calibration.policy import TransformedPolicy
from a2g_cli.calibration.transform import IDENTITY, DomainTransform
from a2g_cli.core.errors import CheckpointError
from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.robots.base import RobotSpec

ACTIONS, MEASURED = ("dx", "dy", "dz", "grip"), ("x", "y", "z", "grip")
AS_ASKED = ActuatorModel(("x", "y", "z"), torch.eye(4, 3))
WEAK = ActuatorModel(
    ("x", "y", "z"), torch.cat([torch.diag(torch.tensor([0.5, 0.6, 0.7])), torch.tensor([[0.01, 0.0, 0.02]])])
)
TURNED = BasePose(math.radians(20), (0.02, -0.13, 0.0), (0.4, 0.0, 0.1))
MOVED = CameraWarp(torch.tensor([[1.0, 0.1, 0.05], [0.0, 1.0, 0.0], [0.02, 0.0, 1.0]]), torch.ones(3), torch.zeros(3))
LIT = CameraWarp(torch.eye(3), torch.tensor([1.2, 1.1, 1.3]), torch.tensor([0.02, 0.0, -0.1]))
ALL = DomainTransform({"camera0": MOVED}, TURNED, WEAK, AS_ASKED)
finite = st.floats(-1, 1, width=32)


@given(st.lists(finite, min_size=4, max_size=4))
@settings(deadline=None)
def test_what_is_brought_home_comes_back(numbers: list[float]) -> None:
    action = torch.tensor([numbers])
    for one in (
        ALL,
        DomainTransform(base_pose=TURNED),
        DomainTransform(actuators=WEAK, nominal_actuators=AS_ASKED),
        IDENTITY,
    ):
        back = one.from_nominal(one.to_nominal(action, ACTIONS, MEASURED), ACTIONS, MEASURED)
        torch.testing.assert_close(back, action, atol=1e-4, rtol=1e-4)


@given(st.lists(finite, min_size=4, max_size=4), st.lists(finite, min_size=4, max_size=4))
@settings(deadline=None)
def test_an_action_of_the_base_moves_the_tool_as_it_would_have_at_home(place: list[float], action: list[float]) -> None:
    """Bring the place home, act there; or act here as told, then bring the new place home: the same."""
    here, wanted = torch.tensor(place), torch.tensor(action)
    there = ALL.proprioception(MEASURED, here)[:3] + AS_ASKED.displacement(wanted[:3])
    sent = ALL.from_nominal(wanted, ACTIONS, MEASURED)
    moved = here.clone()
    moved[:3] += WEAK.displacement(sent[:3])
    torch.testing.assert_close(ALL.proprioception(MEASURED, moved)[:3], there, atol=1e-4, rtol=1e-4)
    assert sent[3] == wanted[3]
    assert ALL.proprioception(MEASURED, here)[3] == here[3]


def test_a_view_shows_an_image_as_home_saw_it() -> None:
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(CameraWarp.identity().to_nominal(image), image, atol=1e-5)
    shifted = CameraWarp(torch.tensor([[1.0, 0, 2 / 32 * 5], [0, 1, 0], [0, 0, 1]]), torch.ones(3), torch.zeros(3))
    assert torch.allclose(shifted.to_nominal(image)[..., :27], image[..., 5:], atol=1e-4)
    assert shifted.distance(CameraWarp.identity())[0] == pytest.approx(5 / 32, abs=1e-4)
    lit = LIT.to_nominal(image)
    assert torch.allclose(lit[0, 0], (1.2 * image[0, 0] + 0.02).clamp(0, 1), atol=1e-4)
    pixels = (image.movedim(1, -1) * 255).round().to(torch.uint8)
    assert torch.equal(CameraWarp.identity().pixels_to_nominal(pixels), pixels)


def test_what_differs_is_said_and_what_is_small_is_not() -> None:
    assert not IDENTITY
    assert not IDENTITY.differs(DomainTransform(nominal_actuators=AS_ASKED))
    assert str(IDENTITY) == "no difference from the training domain"
    commands = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    for one, word in (
        (DomainTransform({"front": MOVED}), "front moved"),
        (DomainTransform({"front": LIT}), "light"),
        (DomainTransform(base_pose=TURNED), "turned by 20 degrees"),
        (DomainTransform(actuators=WEAK, nominal_actuators=AS_ASKED), "actuators"),
    ):
        assert one.differs(IDENTITY, commands), word
        assert IDENTITY.differs(one, commands), word
        assert not one.differs(one, commands), word
        assert word in str(one)
    nearly = replace(TURNED, yaw=TURNED.yaw + math.radians(1))
    assert not DomainTransform(base_pose=nearly).differs(DomainTransform(base_pose=TURNED))


def test_it_survives_json_and_a_damaged_one_is_refused() -> None:
    told = json.loads(json.dumps(ALL.to_json()))
    again = DomainTransform.from_json(told)
    assert not again.differs(ALL, torch.randn(20, 3))
    assert again.to_json() == ALL.to_json()
    damage = [
        {**told, "views": {"camera0": {}}},
        {**told, "views": 3},
        {**told, "views": {"camera0": {**told["views"]["camera0"], "homography": [[0, 0, 0]] * 3}}},
        {**told, "mount": {"yaw": math.nan, "shift": [0, 0, 0], "middle": [0, 0, 0]}},
        {**told, "mount": {"yaw": 0.0, "shift": [0, 0], "middle": [0, 0, 0]}},
        {**told, "motors": {"names": ["q"], "matrix": [[1.0], [0.0]]}},
        {},
        7,
    ]
    for one in damage:
        with pytest.raises(CheckpointError, match="damaged domain transform"):
            DomainTransform.from_json(one)


class Asking(Policy):
    """A policy that keeps what it is asked, and always wants the same."""

    name = "asking"

    def __init__(self, chunk: np.ndarray) -> None:
        self.chunk, self.asked = chunk, list[PlanRequest]()

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        self.asked += requests
        return [Plan(self.chunk, 5.0, tail=self.chunk[:1]) for _ in requests]


def mover() -> RobotSpec:
    return replace(spec(states=4), action_names=ACTIONS, proprioception_names=MEASURED)


def test_a_calibrated_policy_sees_as_at_home_and_stays_within_limits_in_the_direction_it_wants() -> None:
    robot = mover()
    inner = Asking(np.array([[0.9, 0.3, 0.0, 0.5], [0.02, 0.01, 0.0, 1.0]], np.float32))
    policy = TransformedPolicy(inner, DomainTransform({"camera0": MOVED}, None, WEAK, AS_ASKED), robot)
    request = PlanRequest(observation(robot), goal(robot), 0, 0)
    (plan,) = policy.plan([request])
    assert policy.name == "asking"
    seen = inner.asked[0]
    before = torch.from_numpy(request.observation.images["camera0"])[None]
    assert np.array_equal(seen.observation.images["camera0"], MOVED.pixels_to_nominal(before)[0].numpy())
    assert not np.array_equal(seen.goal.images["camera0"], request.goal.images["camera0"])
    assert np.abs(plan.chunk).max() <= 1.0
    free = ALL.from_nominal(torch.from_numpy(inner.chunk), ACTIONS, MEASURED)
    wanted = (
        DomainTransform(actuators=WEAK, nominal_actuators=AS_ASKED)
        .from_nominal(torch.from_numpy(inner.chunk), ACTIONS, MEASURED)
        .numpy()
    )
    assert free.shape == plan.chunk.shape
    assert np.allclose(plan.chunk[0, :3] / plan.chunk[0, 0], wanted[0, :3] / wanted[0, 0], atol=1e-4)
    assert np.allclose(plan.chunk[1], wanted[1], atol=1e-5), "what is within the limits is not shortened"
    assert plan.tail is not None
    assert np.allclose(plan.tail, plan.chunk[:1])


def test_without_other_motors_actions_pass_untouched() -> None:
    robot = mover()
    inner = Asking(np.array([[2.0, 0.3, 0.0, 0.5]], np.float32))
    (plan,) = TransformedPolicy(inner, DomainTransform({"camera0": LIT}), robot).plan(
        [PlanRequest(observation(robot), goal(robot), 0, 0)]
    )
    assert np.array_equal(plan.chunk, inner.chunk)
