"""Planners behind their seam: what every planner keeps to, and masked decoding in place of flow matching."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from cli_examples import ask, refused
from policy_examples import batch, change_config, config, frames, network, wake

from a2g_cli.core.errors import CheckpointError, PluginError
from a2g_cli.models import checkpoint, parts
from a2g_cli.models.act2goal.masked import MaskedWorldModel
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.act2goal.planner import Planner
from a2g_cli.models.act2goal.world_model import patchify
from a2g_cli.models.presets import Act2GoalConfig

CODES = 8


def masked(cameras: int = 2, awake: bool = True, codes: int = CODES) -> Act2Goal:
    torch.manual_seed(0)
    model = Act2Goal(replace(config(cameras=cameras), planner="masked", planner_settings={"codes": codes})).eval()
    model.world_model.fit(frames(model, 40, seed=9))
    if awake:
        wake(model.world_model)
    return model


def planner(model: Act2Goal) -> MaskedWorldModel:
    assert isinstance(model.world_model, MaskedWorldModel)
    return model.world_model


@pytest.fixture(params=["flow", "masked"])
def model(request: pytest.FixtureRequest) -> Act2Goal:
    return masked() if request.param == "masked" else network(cameras=2)


class TestEveryPlanner:
    def test_the_expert_reads_a_hidden_state_of_every_block(self, model: Act2Goal) -> None:
        noise = frames(model, 3, model.config.frames)
        _, hidden = model.world_model(frames(model, 3), frames(model, 3, seed=1), noise, torch.zeros(3))
        assert len(hidden) == model.config.blocks
        assert {(one.shape[0], one.shape[2]) for one in hidden} == {(3, model.config.model_width)}

    def test_the_cost_depends_on_its_arguments_alone_and_trains_what_imagines(self, model: Act2Goal) -> None:
        of, noise = batch(model, 4), model.sample_noise(4, 0.5, 2)
        given = (of["now"], of["goal"], of["frames"], noise["frame_noise"], noise["frame_time"], noise["shown"])
        first, _ = model.world_model.cost(*given)
        again, _ = model.world_model.cost(*given)
        assert torch.equal(first, again)
        first.backward()
        untrained = [name for name, p in model.world_model.named_parameters() if p.grad is None]
        assert untrained == []

    def test_a_batch_that_shows_nothing_costs_nothing(self, model: Act2Goal) -> None:
        of, noise = batch(model, 3), model.sample_noise(3, 0.0, 2)
        losses = model.losses(of, noise)
        assert losses["video"].item() == 0
        assert losses["action"].isfinite()

    @torch.no_grad()
    def test_what_is_imagined_depends_on_its_own_noise_alone(self, model: Act2Goal) -> None:
        now, goal = frames(model, 3), frames(model, 3, seed=1)
        noise = frames(model, 3, model.config.frames, seed=2)
        whole = model.imagine(now, goal, noise, 3)
        assert whole.shape == noise.shape
        alone = model.imagine(now[1:2], goal[1:2], noise[1:2], 3)
        torch.testing.assert_close(alone, whole[1:2], atol=1e-4, rtol=1e-4)
        assert not torch.equal(model.imagine(now, goal, noise.flip(0), 3), whole)

    def test_a_base_keeps_its_planner(self, model: Act2Goal, tmp_path: Path) -> None:
        checkpoint.save(model, tmp_path, "", {})
        again = checkpoint.load(tmp_path)
        assert (type(again.world_model), again.config) == (type(model.world_model), model.config)
        noise = frames(model, 1, model.config.frames)
        plans = [one.imagine(frames(model, 1), frames(model, 1, seed=1), noise, 1).shape for one in (again, model)]
        assert plans[0] == plans[1]


# -- masked decoding ------------------------------------------------------------------------------------------------------


def test_codes_are_the_cluster_centres_of_the_demonstrations() -> None:
    model = masked(awake=False)
    kinds = 10 * torch.randn(CODES, 4, generator=torch.Generator().manual_seed(1))
    some = torch.randint(CODES, (60, 2, 4, 4), generator=torch.Generator().manual_seed(2))
    model.world_model.fit(kinds[some].movedim(-1, -3) + 0.01 * frames(model, 60))
    found = torch.cdist(planner(model).codebook, kinds).min(1)
    assert found.values.max() < 0.1, "every code is one of the kinds"
    assert len(found.indices.unique()) == CODES, "and every kind has one"


def test_codes_come_back_as_the_latents_that_they_stand_for() -> None:
    model = planner(masked())
    codes = torch.randint(CODES, (2, 3, 2, 4, 4), generator=torch.Generator().manual_seed(0))
    latents = model.codebook[codes].movedim(-1, -3)
    assert torch.equal(model.quantised(latents), codes)
    assert torch.equal(model._latents(patchify(codes.unsqueeze(-3), model.plan_patch)), latents)


def test_a_network_that_knows_nothing_costs_one() -> None:
    model = masked(awake=False)
    of, noise = batch(model, 6), model.sample_noise(6, 1.0, 1)
    assert model.losses(of, noise)["video"].item() == pytest.approx(1)


@torch.no_grad()
def test_nothing_is_seen_of_masked_frames_and_all_are_masked_where_the_policy_acts() -> None:
    model = masked()
    of, noise = batch(model, 3), frames(model, 3, model.config.frames)
    time = torch.tensor([0.0, 0.0, 0.9])
    given = (noise, time, time > 0)
    _, one = model.world_model.cost(of["now"], of["goal"], of["frames"], *given)
    _, other = model.world_model.cost(of["now"], of["goal"], of["frames"].flip(0), *given)
    _, acting = model.world_model(of["now"], of["goal"], noise, time)
    for a, b, c in zip(one, other, acting, strict=True):
        assert torch.equal(a[:2], b[:2])
        torch.testing.assert_close(a[:2], c[:2])
    assert not torch.equal(one[-1][2], other[-1][2]), "of the third, most frames are seen"


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_every_imagined_latent_is_a_code(steps: int) -> None:
    model = masked()
    with torch.no_grad():
        seen = model.imagine(frames(model, 2), frames(model, 2), frames(model, 2, model.config.frames), steps)
    assert torch.cdist(seen.movedim(-3, -1).flatten(0, -2), planner(model).codebook).min(1).values.max() < 1e-2


def test_what_it_is_surest_of_becomes_visible_first_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    model = masked(cameras=1)
    passes: list[tuple[torch.Tensor, torch.Tensor]] = []

    def forward(*given: Any) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Surer of later frames; of another code in each pass."""
        _, _, seen, _, hidden = given
        passes.append((hidden.clone(), seen.clone()))
        strength = 5.0 + torch.arange(hidden[0].numel()).view(hidden.shape[1:]).expand_as(hidden)
        logits = torch.zeros(*hidden.shape, planner(model).plan_patch ** 2, CODES)
        logits[..., len(passes) % CODES] = strength[..., None]
        return logits, []

    monkeypatch.setattr(model.world_model, "forward", forward)
    noise = frames(model, 1, model.config.frames).clamp(-1, 1)
    imagined = model.imagine(frames(model, 1), frames(model, 1), noise, 4)
    hidden = [one.flatten() for one, _ in passes]
    count = hidden[0].numel()
    assert hidden[0].all()
    left = [int(one.sum()) for one in hidden]
    assert left == sorted(left, reverse=True)
    assert left[1] < count
    for one in hidden:
        first = torch.arange(count) < one.sum()
        assert torch.equal(one, first), "those that are still masked are the first, of which it is least sure"
    rows = model.config.frames
    assert torch.equal(imagined[:, rows - 1], passes[1][1][:, rows - 1]), "what became visible in the first pass stayed"


def test_it_learns_to_imagine_what_follows_from_the_goal() -> None:
    """All frames show the goal, whose cells are of few kinds."""
    model = masked(cameras=1, awake=False, codes=4)
    kinds = torch.randn(4, 4, generator=torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(4)

    def goals(count: int) -> torch.Tensor:
        # One kind an image: what a token of the plan covers can be read from any cell of the goal.
        return kinds[torch.randint(4, (count, 1, 1, 1), generator=generator)].movedim(-1, -3).expand(-1, 1, 4, 4, 4)

    model.world_model.fit(goals(200))
    optimiser = torch.optim.AdamW(model.world_model.parameters(), 3e-3)
    torch.manual_seed(0)
    for _ in range(40):
        goal = goals(16)
        of = {
            **batch(model, 16),
            "goal": goal,
            "frames": goal.unsqueeze(1).expand(-1, model.config.frames, -1, -1, -1, -1),
        }
        optimiser.zero_grad()
        loss = model.losses(of, model.sample_noise(16, 1.0, 1))["video"]
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.2
    goal = goals(16)
    with torch.no_grad():
        seen = model.imagine(frames(model, 16), goal, frames(model, 16, model.config.frames), 4)
    right = (seen - goal.unsqueeze(1)).abs().amax(-3) < 1e-2
    assert right.float().mean() > 0.9


# -- refusals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--planner", "nothing"), "unknown planner 'nothing'"),
        (("--planner", "masked:1"), "expected the number of codes"),
        (("--planner", "masked:many"), "expected the number of codes"),
        (("--planner", "flow:2"), "write flow alone"),
    ],
)
def test_a_planner_that_there_is_not_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(tmp_path, "pretrain", "--scene", "place", *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "changed",
    [
        {"planner": "../masked"},
        {"planner_settings": {"codes": 8}},
        {"planner": "masked", "planner_settings": {}},
        {"planner": "masked", "planner_settings": {"codes": 10**9}},
        {"planner": "masked", "planner_settings": {"codes": 8, "x": 1}},
        {"planner": "masked", "planner_settings": {"codes": 8}, "imagines": False},
        {"planner": "masked", "planner_settings": {"codes": 8}},  # the weights are those of another planner
    ],
    ids=range(7),
)
def test_a_base_s_config_with_a_planner_that_cannot_be_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    checkpoint.save(network(), tmp_path, "", {})
    change_config(tmp_path, **changed)
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path)


def test_settings_survive_a_base_s_config() -> None:
    written = masked().config
    assert Act2GoalConfig.from_json(json.loads(json.dumps(written.to_json()))) == written


def test_what_is_no_planner_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_plugin", lambda *_: lambda *_: torch.nn.Identity())
    with pytest.raises(PluginError, match="planner 'mine' is a Identity; expected"):
        parts.made("planner", "mine", Planner, config(), (4, 4))


def test_from_the_command_line_to_an_adapter(demonstrations: list[Path], tmp_path: Path) -> None:
    words = ("--preset", "micro", "--iterations", 4, "--autoencoder-iterations", 2, "--batch", 4, "--evaluate-every", 0)
    made = ask(tmp_path, "pretrain", *demonstrations, *words, "--planner", "masked:16", "--out", tmp_path / "run")
    trained = planner(checkpoint.load(Path(made["checkpoint"])))
    assert len(trained.codebook.unique(dim=0)) > 2, "the codes are those of the demonstrations"
    assert "- Planner: `masked`\n" in (tmp_path / "run" / "checkpoint" / "README.md").read_text()
    base = ("--base", made["checkpoint"])
    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    ask(tmp_path, "run", "cup", *base, "--steps", 3, "--episodes", 2, "--session", "first", code=5)
    more = ("--keep", "all", "--iterations", 1, "--no-promote", "--feature-alignment", 0.1)
    ask(tmp_path, "adapt", "first", *base, *more)
    told = ask(tmp_path, "evaluate", "--adapter", "adapter-001", *base, "--episodes", 1, "--steps", 2, "--no-report")
    assert [row["n"] for row in told["results"]] == [1]
