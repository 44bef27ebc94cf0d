"""Named goals are judged by their photos: what is imitated, what the gate counts, and how practice acts."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cli_examples import ask, refused
from policy_examples import batch, encoded, network, observation, retention, spec
from policy_examples import goal as a_goal
from recording_examples import SPEC
from recording_examples import episode as an_episode

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.cli.commands.improve import _check_truth
from a2g_cli.cli.commands.prompts import first_answers
from a2g_cli.core.errors import UsageError
from a2g_cli.core.types import Outcome
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.goals import load_goal
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.writer import write_episode
from a2g_cli.encoding.episodes import encode_episode, select
from a2g_cli.improvement.estimates import distrust, false_successes
from a2g_cli.improvement.exploration import GOAL_TEMPERATURE
from a2g_cli.improvement.judging import PhotoJudging, PhotoVerdicts
from a2g_cli.improvement.scoring import EpisodeScorer
from a2g_cli.improvement.settings import ImproveSettings, goal_learning, improve_settings_from_json
from a2g_cli.models import checkpoint
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.policies.base import PlanRequest
from a2g_cli.policies.exploring import AlternatingPolicy
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.policy_factory import PolicyFactory
from a2g_cli.training.cotraining import RetentionReplay
from a2g_cli.training.finetune_settings import settings_from

SCENE = ("--scene", "plug")
FEW = ("--rounds", 1, "--episodes", 4, "--evaluation", 1, "--iterations", 1, "--steps", 60)


@pytest.fixture(scope="module")
def practised(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """One round of practice of one goal by the shipped base, which solves it."""
    workspace = tmp_path_factory.mktemp("practised")
    ask(workspace, "capture-goal", "socket", "--seed", 3, *SCENE)
    return workspace, ask(workspace, "improve", "socket", *SCENE, *FEW, "--session", "one", "--seed", 5)


def practice(workspace: Path) -> list[Path]:
    recordings = sorted((workspace / "recordings" / "sessions" / "one").glob("episode-*.hdf5"))
    found = []
    for path in recordings:
        with Recording(path) as recording:
            if recording.provenance.settings.get("purpose") == "practice":
                found.append(path)
    return found


def test_noise_that_lasts_is_the_same_in_every_plan_of_an_episode_and_moves_it_as_a_whole() -> None:
    model = network()
    robot = spec()
    calm = Act2GoalPolicy(model, ActingSettings(temperature=0.0))
    noisy = Act2GoalPolicy(model, ActingSettings(temperature=0.0, persistent_noise=1.0))

    def chunk(policy: Act2GoalPolicy, seed: int, index: int) -> np.ndarray:
        (plan,) = policy.plan([PlanRequest(observation(robot), a_goal(robot), seed, index)])
        return plan.chunk

    assert np.array_equal(noisy._episode_noise(3), noisy._episode_noise(3))
    assert not torch.equal(noisy._episode_noise(3), noisy._episode_noise(4))
    assert not np.allclose(chunk(noisy, 3, 0), chunk(calm, 3, 0))
    assert not np.allclose(chunk(noisy, 3, 0), chunk(noisy, 4, 0))


def test_every_second_episode_acts_by_the_other_policy() -> None:
    model, robot = network(), spec()
    even, odd = (Act2GoalPolicy(model, ActingSettings(temperature=heat)) for heat in (0.0, 2.0))
    both = AlternatingPolicy(even, odd)
    requests = [PlanRequest(observation(robot), a_goal(robot), seed, 0) for seed in (10, 11, 12)]
    for slot, request in enumerate(requests):
        both.start_episode(request.seed, slot)
    expected = [even.plan(requests[:1]), odd.plan(requests[1:2]), even.plan(requests[2:])]
    for plan, (alone,) in zip(both.plan(requests), expected, strict=True):
        assert np.allclose(plan.chunk, alone.chunk, atol=1e-5)
    both.end_episode(11)
    (after,) = both.plan(requests[1:2])
    assert np.allclose(after.chunk, even.plan(requests[1:2])[0].chunk, atol=1e-5), "it was forgotten"


def test_a_named_goal_is_practised_with_noise_and_judged_by_its_photo(practised: tuple[Path, dict[str, Any]]) -> None:
    workspace, document = practised
    for path in practice(workspace)[:4]:
        with Recording(path) as recording:
            settings = recording.provenance.settings
            assert settings["temperature"] == GOAL_TEMPERATURE
            assert len(settings["aim_offset"]) == 2
    assert "(photo judge)" in document["rounds"][0]["reason"]
    (done,) = document["rounds"]
    assert done["gate_episodes"] == 4, "two trials, on which the parent acts again beside the candidate"
    tested = []
    for path in practice(workspace)[4:]:
        with Recording(path) as recording:
            settings = recording.provenance.settings
            assert "temperature" not in settings, "the gate compares without the noise of practice"
            tested.append(settings["index"])
    assert tested[:2] == tested[2:], "parent and candidate have the same trials"
    assert not set(tested) & set(range(4)), "which nothing was trained on"


def test_it_agrees_with_the_truth_where_the_base_solves_the_goal(practised: tuple[Path, dict[str, Any]]) -> None:
    workspace, _ = practised
    paths = practice(workspace)
    robot = SimRobot(scene="plug")
    judging = PhotoJudging(
        EpisodeScorer(PolicyFactory(checkpoint.SHIPPED, AdapterRegistry(Workspace(workspace)), robot.spec))
    )
    early = judging.so_far(paths[:4])
    assert all(one.remaining > 0 for one in early), "how near failures came is known as well"
    assert min(early, key=lambda one: one.remaining).success
    judging.fit(paths[:4])
    assert judging.so_far(paths[:4]) == early, "as if the round had ended"
    for path in paths:
        episode = judging.read(path)
        with Recording(path) as recording:
            last = recording.length
        assert episode.judge == "photo"
        assert 1 <= int(episode.segments.length[0]) <= last
    episodes = [judging.read(path) for path in paths]
    agrees = 0
    for path, episode in zip(paths, episodes, strict=True):
        with Recording(path) as recording:
            agrees += judging.reached(episode, "base") == bool(recording.outcome.success)
    assert agrees >= len(episodes) - 1
    assert any(judging.reached(episode, "base") for episode in episodes)
    assert judging.sides("base", episodes[:1], []) == ([0.0 if episodes[0].judgement else math.inf], [])


def test_its_adapter_acts_on_that_goal_alone(practised: tuple[Path, dict[str, Any]]) -> None:
    workspace, document = practised
    ask(workspace, "capture-goal", "other", "--seed", 4, *SCENE)
    robot = SimRobot(scene="plug")
    registry = AdapterRegistry(Workspace(workspace))
    name = document["rounds"][0]["adapter"]
    assert registry.get(name).acts_on == ("socket",)
    robot.connect()
    try:
        robot.reset()
        seen = robot.observe()
    finally:
        robot.close()
    factory = PolicyFactory(checkpoint.SHIPPED, registry, robot.spec)
    own, base = factory.get(name), factory.get("base")
    for goal, same in (("other", True), ("socket", False)):
        request = PlanRequest(seen, load_goal(Workspace(workspace), goal), 0, 0)
        (one,), (two,) = own.plan([request]), base.plan([request])
        assert np.array_equal(one.chunk, two.chunk) is same
    told: list[str] = []
    factory.note_goals(told.append, ["base", name], [load_goal(Workspace(workspace), "socket")])
    assert told == []
    factory.note_goals(told.append, ["base", name], [load_goal(Workspace(workspace), "other")])
    assert told == [f"{name} practised socket; on other the base policy acts"]
    session = document["session"]
    everywhere = ask(
        workspace, "adapt", session, "--acts-on", "all", "--iterations", 1, "--parent", "base", "--no-promote"
    )
    assert registry.get(everywhere["adapter"]).acts_on is None
    assert "choice of goals" in refused(workspace, "adapt", session, "--acts-on", "most")


def test_what_the_judge_does_not_know_is_neither_imitated_nor_a_failure() -> None:
    model = network()
    known, unknown, failed = (
        episode.judged("photo", success) for episode, success in zip(encoded(model), (True, None, False), strict=False)
    )
    every = [known, unknown, failed]
    assert select(every, "reached", math.inf) == [known]
    assert select(every, "failed", math.inf) == [failed]
    assert select(every, "all", math.inf) == every
    assert torch.equal(known.segments.latents, encoded(model)[0].segments.latents)


def test_without_a_judgement_the_steps_left_decide() -> None:
    near, far = (
        replace(episode, steps_left=left) for episode, left in zip(encoded(network()), (1.0, 9.0), strict=False)
    )
    assert select([near, far], "reached", 5.0) == [near]
    assert select([near, far], "failed", 5.0) == [far]


def test_a_run_that_began_without_a_photo_judge_goes_on_without_it() -> None:
    from dataclasses import asdict

    written = asdict(ImproveSettings())
    del written["judge"], written["practice_temperature"]
    for name in ("held", "verdict"):
        written["rollout"].pop(name, None)
    settings = improve_settings_from_json(written)
    assert (settings.judge, settings.practice_temperature) == ("policy", None)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--judge", "photo"), "name a GOAL"),
        (("cup", "--judge", "phote"), "did you mean photo"),
        (("cup", "--practice-temperature", 3), "less than or equal to 2"),
        (("cup", "--retention", 1), "from 0 to below 1"),
    ],
)
def test_bad_words_are_refused(tmp_path: Path, words: tuple[Any, ...], says: str) -> None:
    assert says in refused(tmp_path, "improve", *words)
    assert not (tmp_path / "recordings").exists()


def test_retention_and_cotraining_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="give one of them"):
        settings_from(retention=0.2, cotrain=0.2, demonstrations=["a"])


def test_a_share_of_each_batch_is_the_base_s_own_segments() -> None:
    model = network()
    kept = retention(model)

    class Practice:
        def subset(self, episodes: list[int]) -> "Practice":
            return self

        def batch(self, size: int, mixture: Any, generator: torch.Generator) -> dict[str, torch.Tensor]:
            drawn = batch(model, size)
            return drawn | {"weight": torch.full((size,), 0.5)}

    drawn = RetentionReplay(Practice(), kept, 0.25).batch(8, {}, torch.Generator().manual_seed(0))
    assert {len(value) for value in drawn.values()} == {8}
    goals = [goal.numpy().tobytes() for goal in kept.goal.float()]
    assert [goal.numpy().tobytes() in goals for goal in drawn["goal"]] == [False] * 6 + [True] * 2
    assert np.allclose(drawn["weight"].numpy(), 0.5)
    noise = model.sample_noise(8, 0.0, 2)
    assert torch.isfinite(model.losses(drawn, noise)["action"])
    alone = RetentionReplay(Practice(), kept, 0.9).batch(1, {}, torch.Generator().manual_seed(0))
    assert len(alone["goal"]) == 1, "practice is never left out"


def test_a_base_without_a_retention_set_is_practised_without_it(tmp_path: Path) -> None:
    assert goal_learning(None)["retention"] > 0
    assert "retention" not in goal_learning(tmp_path)


def test_a_person_is_asked_ten_times_at_most_and_the_photo_judge_learns_from_it(
    practised: tuple[Path, dict[str, Any]],
) -> None:
    asked: list[str] = []
    ask_first = first_answers(lambda goal: asked.append(goal) or (None if len(asked) == 1 else True), 2)
    assert [ask_first("cup") for _ in range(5)] == [None, True, True, None, None]
    assert len(asked) == 3, "who cannot tell has not answered"
    workspace, _ = practised
    paths = practice(workspace)
    judge = PhotoVerdicts(checkpoint.load())
    judge.fit(paths, fewest=len(paths) + 1)
    model = checkpoint.load()
    episode = encode_episode(model, paths[0])
    assert judge.judged(episode) == episode, "too few recordings of this goal"


def test_what_a_person_said_counts_more_than_the_photo(tmp_path: Path) -> None:
    recorded = write_episode(
        tmp_path / "a.hdf5",
        SPEC,
        replace(an_episode(6), outcome=Outcome(success=True, judge="person", stopped_by="steps")),
    )
    model = network()
    one = replace(encoded(model)[0], path=recorded)
    judged = PhotoVerdicts(model).judged(one)
    assert (judged.judge, judged.judgement) == ("person", True)
    assert int(judged.segments.length[0]) == int(one.segments.length[0])


def test_the_simulator_can_judge_practice_and_other_robots_cannot(tmp_path: Path) -> None:
    ask(tmp_path, "capture-goal", "socket", "--seed", 3, *SCENE)
    (done,) = ask(tmp_path, "improve", "socket", *SCENE, *FEW, "--seed", 5, "--judge", "truth")["rounds"]
    assert "(simulator)" in done["reason"]
    assert done["false_successes"] == 0
    hardware = SPEC.name
    with pytest.raises(UsageError, match=f"{hardware} does not know its true state"):
        _check_truth(ImproveSettings(judge="truth"), Echo())  # type: ignore[arg-type]


class Echo:
    spec = SPEC


def test_a_judge_that_is_often_wrong_is_named(tmp_path: Path) -> None:
    def recorded(name: str, success: bool, judge: str) -> Path:
        outcome = Outcome(success=success, judge=judge, stopped_by="steps")
        return write_episode(tmp_path / f"{name}.hdf5", SPEC, replace(an_episode(3), outcome=outcome))

    right, wrong = recorded("a", True, "truth"), recorded("b", False, "environment")
    by_hand = recorded("c", False, "person")
    assert false_successes([(by_hand, True)]) is None, "no simulator knows"
    assert false_successes([(right, True), (wrong, True), (wrong, False), (by_hand, True)]) == 1
    assert distrust("photo judge", 12, 3) is None
    assert "photo judge says that 8 episodes" in str(distrust("photo judge", 8, 3))
    assert distrust("photo judge", 2, 2) is None, "too few to say"
    assert distrust("photo judge", 8, None) is None
