"""What the gate refused is not proposed again at once: what practice measures stays measured, and it would never imitate."""

from pathlib import Path

import pytest
from cli_examples import ask

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.core.workspace import Workspace
from a2g_cli.improvement import comparison
from a2g_cli.improvement.gate import Decision
from a2g_cli.improvement.scoring import EpisodeScorer
from a2g_cli.training import finetune_plan

WORDS = ("--scene", "place", "--shift", "actuator-gain", "--episodes", 6, "--steps", 30, "--seed", 7)
FEW = ("--rounds", 1, "--evaluation", 1, "--iterations", 1, "--pose-search", 0)


def carried(workspace: Path, names: list[str]) -> list[bool]:
    registry = AdapterRegistry(Workspace(workspace))
    return [bool(registry.get(name).calibration) for name in names]


def test_after_a_refused_measurement_practice_is_imitated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "decide", lambda *_: Decision(promoted=False, reason="refused", measured={}))
    monkeypatch.setattr(
        finetune_plan, "select", lambda encoded, *_: list(encoded)
    )  # so short an episode arrives nowhere
    ask(tmp_path, "improve", *WORDS, *FEW, "--session", "long")
    # The run goes on from the disk alone, where it says what was refused.
    rounds = ask(tmp_path, "improve", "--resume", "long", "--rounds", 2)["rounds"]
    assert carried(tmp_path, [one["adapter"] for one in rounds]) == [True, False]


@pytest.mark.parametrize("known", [True, False])
def test_images_as_they_are_have_the_last_word_on_a_new_view(
    tmp_path: Path, easy: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    monkeypatch.setattr(EpisodeScorer, "same_views", lambda *_: known)
    told = Decision(promoted=False, reason="as they are", measured={})
    monkeypatch.setattr(
        comparison, "decide", lambda *_: Decision(promoted=True, reason="through the view", measured={})
    )
    monkeypatch.setattr(comparison, "veto_if_worse", lambda decision, *_: told if decision.promoted else decision)
    (done,) = ask(tmp_path, "improve", *WORDS, *FEW, "--base", easy)["rounds"]
    assert done["promoted"] == known
    assert done["reason"].startswith("through the view" if known else "as they are")
