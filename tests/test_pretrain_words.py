"""What a pretraining says before it begins, and in the end."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pretrain_examples import SETTINGS

from a2g_cli.cli.commands.pretrain_plan import split_off
from a2g_cli.data.recording.reader import Recording
from a2g_cli.training.device import TrainingDevice
from a2g_cli.training.found import FoundAction, action_kinds, survey_demonstrations
from a2g_cli.training.speed import Plan, Speed, measure_speed, plan_training
from a2g_cli.training.verdict import advance, judge_training


def test_what_a_command_means_is_read_from_the_numbers() -> None:
    random = np.random.default_rng(0)
    x = np.cumsum(random.normal(size=501)) / 10
    joint = np.sin(np.arange(501) / 9)
    measured = np.stack([joint, x, random.normal(size=501)], 1)
    commands = np.stack(
        [
            np.diff(x) / 0.02 + random.normal(size=500),  # in a unit of its own, and not exactly carried out
            joint[1:] + 0.05 * random.normal(size=500),
            random.normal(size=500),
            np.ones(500),
        ],
        1,
    )
    kinds = action_kinds(commands, measured[:-1], measured[1:], ("joint", "x", "noise"))
    assert kinds == [("displacement", "x"), ("absolute", "joint"), ("unclear", ""), ("constant", "")]
    nothing = np.zeros((500, 0))
    assert action_kinds(commands, nothing, nothing, ()) == [*3 * [("unclear", "")], ("constant", "")]


def test_demonstrations_are_described_as_they_are(demonstrations: list[Path]) -> None:
    found = survey_demonstrations(demonstrations, 2)
    assert (found.episodes, found.held_out, found.steps, found.longest) == (6, 2, 6 * 15, 15)
    assert found.cameras == {"front": (32, 32)}
    kinds = {one.name: (one.kind, one.of) for one in found.actions}
    assert [kinds[name] for name in ("dx", "dy", "dz")] == [("displacement", name) for name in ("x", "y", "z")]
    assert found.goals_with_state == 6
    lines = "\n".join(found.lines())
    for part in (
        "found 8 demonstrations, 90 steps",
        "10 a second",
        "front 32x32",
        "dx [m] moves x",
        "2 of them are not",
    ):
        assert part in lines
    assert "cameras, base pose (x, y, z), actuators (x, y, z)" in lines
    assert found.to_json()["actions"][0]["kind"] == "displacement"
    assert str(FoundAction("a", "1", -1.0, 1.0, "unclear")) == "a [normalised] unclear"


def test_what_is_held_out_stays_held_out_when_more_is_recorded(tmp_path: Path) -> None:
    paths = [tmp_path / f"episode-{i:04d}.hdf5" for i in range(300)]
    few, many = (split_off(paths[:n], ["a"] * n, 0.1) for n in (60, 300))
    assert 1 <= sum(few) <= 15
    assert sum(many) == 20
    assert not [i for i in range(60) if many[i] and not few[i]], "nothing that was trained on is held out later"
    assert not any(split_off(paths[:9], ["a"] * 9, 0.5)), "too few to spare any"
    assert sum(split_off(paths[:10], ["a"] * 10, 1e-6)) == 1
    assert not any(split_off(paths, ["a"] * 300, 0.0))
    groups = ["a"] * 150 + ["b"] * 150
    held = split_off(paths, groups, 0.1)
    assert sum(held[:150]) > 0 < sum(held[150:])


def test_a_plan_adds_up_and_ends_by_time_where_asked(demonstrations: list[Path]) -> None:
    found = survey_demonstrations(demonstrations, 0)
    with Recording(demonstrations[0]) as first:
        config = SETTINGS.config(first.spec)
    speed = Speed(autoencoder=0.5, frame=0.01, joint=2.0, action=1.0, reader=0.1)
    plan = plan_training(speed, SETTINGS, config, found, borrowed=False)
    assert plan.parts["autoencoder"] == 40 * 0.5
    assert plan.parts["policy"] == 30 * 2.0 + 30 * 1.0
    assert plan.parts["encoding"] == pytest.approx((90 + 6) * 0.01)
    assert (plan.iterations, plan.segments) == (60, 60 * 16)
    assert plan_training(speed, SETTINGS, config, found, borrowed=True).parts["autoencoder"] == 0
    timed = plan_training(speed, replace(SETTINGS, minutes=5.0), config, found, borrowed=False)
    assert 0.8 * 300 < timed.parts["policy"] + timed.parts["autoencoder"] < 300
    assert timed.iterations == pytest.approx(timed.parts["policy"] / 1.5, abs=1)
    assert "2 min" in Plan({"policy": 119.0}, 5, 4).line()


def test_measuring_the_speed_leaves_chance_as_it_was(demonstrations: list[Path]) -> None:
    with Recording(demonstrations[0]) as first:
        config = SETTINGS.config(first.spec)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    speed = measure_speed(config, replace(SETTINGS, batch=4), TrainingDevice())
    assert torch.equal(before, torch.get_rng_state())
    assert all(value > 0 for value in vars(speed).values())


def evaluation(successes: int | None, error: float | None) -> Mapping[str, Any]:
    world = {} if successes is None else {"push": {"n": 20, "successes": successes}}
    return {"iteration": 9, **world, **({} if error is None else {"action_error": error})}


@pytest.mark.parametrize(
    ("successes", "error", "own", "demonstrations", "segments", "word", "words"),
    [
        (15, 0.3, 0.25, 200, 40_000, "good", "reaches 15 of 20 new goals"),
        (0, 0.9, 0.8, 200, 40_000, "stopped too early", "reaches 0 of 20"),
        (0, 0.6, 0.2, 200, 40_000, "too few demonstrations", "on its own by 0.20"),
        (0, 0.35, 0.3, 200, 9_000, "stopped too early", "guessing the mean errs by 1"),
        (0, 0.35, 0.3, 20, 40_000, "too few demonstrations", "reaches 0 of 20"),
        (0, 0.35, 0.3, 200, 40_000, "drifts", "loses its way"),
        (4, 0.35, 0.3, 200, 40_000, "usable", "Practice can improve it"),
        (0, None, None, 200, 40_000, "drifts", "reaches 0 of 20 new goals."),
        (None, 0.35, 0.3, 200, 40_000, "good", "not known"),
        (None, 0.9, 0.3, 200, 40_000, "too few demonstrations", "0.90"),
        (None, None, None, 200, 40_000, "not measured", "nothing was measured"),
    ],
)
def test_the_verdict_names_what_holds_a_base_back(
    successes: int | None,
    error: float | None,
    own: float | None,
    demonstrations: int,
    segments: int,
    word: str,
    words: str,
) -> None:
    verdict = judge_training([evaluation(20, 0.1), evaluation(successes, error)], demonstrations, segments, own, True)
    assert verdict.word == word
    assert words in verdict.text
    assert bool(verdict.advice) == (word != "good")
    assert verdict.to_json()["word"] == word


def test_too_little_is_said_before() -> None:
    assert advance(200, 40_000) == []
    few, short = advance(20, 600)
    assert "20 demonstrations are few" in few
    assert "--minutes" in short


def test_an_expert_s_displacement_towards_a_goal_is_no_absolute_command() -> None:
    """An expert that goes to a goal commands the more, the farther it is: the command correlates with the position."""
    random = np.random.default_rng(0)
    rows = []
    for goal in random.uniform(0.9, 1.0, 40):
        x, last = random.uniform(-1.0, 1.0), 0.0
        for _ in range(12):
            command = np.clip(2.0 * (goal - x), -1, 1)
            rows.append((command, x, x + 0.2 * last + random.normal(0, 0.05)))  # the arm is a step late
            x, last = rows[-1][2], command
    commands, before, after = (np.array(rows)[:, [i]] for i in range(3))
    assert np.corrcoef(commands[:, 0], after[:, 0])[0, 1] < -0.8
    assert action_kinds(commands, before, after, ("x",)) == [("displacement", "x")]
    # Absolute commands, also those that an arm follows only in part.
    for share in (1.0, 0.8):
        absolute = random.uniform(-1, 1, before.shape)
        after = before + share * (absolute - before) + random.normal(0, 0.02, before.shape)
        assert action_kinds(absolute, before, after, ("x",)) == [("absolute", "x")]
