"""An adapter for a changed domain acts in that domain; in the training domain the base acts."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from a2g_cli.calibration import nominal
from a2g_cli.calibration.domain_switch import DomainDetector, DomainSwitchPolicy
from a2g_cli.calibration.estimate import estimate_transform
from a2g_cli.calibration.transform import DomainTransform
from a2g_cli.encoding.episodes import EncodedEpisode
from a2g_cli.models import checkpoint
from a2g_cli.policies.base import Plan, PlanRequest, Policy
from a2g_cli.robots.sim import SimRobot

Practice = Callable[[str, str], list[EncodedEpisode]]


class Saying(Policy):
    """A policy that answers with its own number."""

    name = "saying"

    def __init__(self, number: float) -> None:
        self.number = number

    def plan(self, requests: Sequence[PlanRequest]) -> list[Plan]:
        return [Plan(np.full((1, 4), self.number, np.float32), float(request.index)) for request in requests]


def chooser(practice: Practice, scene: str, shift: str) -> DomainSwitchPolicy:
    known, model = nominal.load_nominal(checkpoint.SHIPPED), checkpoint.load(checkpoint.SHIPPED)
    assert known is not None
    found = estimate_transform(model, known, practice(scene, shift))
    assert DomainDetector(model, known, found).visible
    return DomainSwitchPolicy(Saying(1.0), Saying(0.0), DomainDetector(model, known, found))


@pytest.mark.parametrize(
    ("scene", "shift"), [("place", "camera-bump:0.5"), ("place", "base-pose:0.8"), ("plug", "lighting:2")]
)
def test_what_is_seen_says_who_acts(practice: Practice, scene: str, shift: str) -> None:
    policy = chooser(practice, scene, shift)
    for where, expected in ((shift, 1.0), ("none", 0.0)):
        robot = SimRobot(scene=scene, shift=where)
        robot.connect()
        requests = []
        for i in range(8):
            trial = robot.trial("practice", 3, i)
            robot.begin(trial.start)
            requests.append(PlanRequest(robot.observe(), trial.goal, i, 0))
        plans = policy.plan(requests)
        robot.close()
        assert [float(plan.chunk[0, 0]) for plan in plans] == [expected] * 8
        assert [plan.steps_to_go for plan in plans] == [0.0] * 8


def test_episodes_in_one_batch_are_told_apart_and_each_remembers_only_itself(practice: Practice) -> None:
    policy = chooser(practice, "place", "camera-bump:0.5")
    seen = {}
    for where in ("none", "camera-bump:0.5"):
        robot = SimRobot(shift=where)
        robot.connect()
        trial = robot.trial("practice", 3, 0)
        robot.begin(trial.start)
        seen[where] = PlanRequest(robot.observe(), trial.goal, 5, 0)
        robot.close()
    home_one, here = seen["none"], seen["camera-bump:0.5"]
    both = policy.plan([home_one, PlanRequest(here.observation, here.goal, 6, 0)])
    assert [float(plan.chunk[0, 0]) for plan in both] == [0.0, 1.0]
    (again,) = policy.plan([PlanRequest(here.observation, here.goal, 5, 0)])
    assert float(again.chunk[0, 0]) == 1.0, "an episode that begins with the same seed begins anew"


def test_motors_alone_cannot_be_seen(practice: Practice) -> None:
    known, model = nominal.load_nominal(checkpoint.SHIPPED), checkpoint.load(checkpoint.SHIPPED)
    assert known is not None
    found = estimate_transform(model, known, practice("place", "actuator-gain"))
    assert found.actuators is not None
    assert not DomainDetector(model, known, found).visible
    assert not DomainDetector(model, known, DomainTransform()).visible
