"""What `a2g pretrain` is asked for, checked as it was typed."""

from pathlib import Path

import pytest

from a2g_cli.cli.commands.pretrain import counts, shares
from a2g_cli.core.errors import UsageError
from a2g_cli.data.recording.reader import Recording
from a2g_cli.models.act2goal.temporal_hashing import TemporalHashing
from a2g_cli.training.pretrain_settings import PretrainSettings, settings_for

# -- settings -------------------------------------------------------------------------------------------------------------


def test_a_plan_may_be_shaped_otherwise(demonstrations: list[Path]) -> None:
    shape = {"proximal": 12, "distal": 3, "spacing": "mirrored", "distal_actions": False, "stride": None}
    with Recording(demonstrations[0]) as first:
        hashing = settings_for("micro", hashing=shape).config(first.spec).hashing
        assert hashing == TemporalHashing(12, 4, 3, "mirrored", distal_actions=False)
        assert settings_for("flat", hashing={"distal": None}).config(first.spec).hashing.distal == 0


def test_iterations_are_shared_out_as_the_defaults_are() -> None:
    settings = settings_for("tiny", 70, batch=None, seed=4)
    assert (settings.joint_iterations, settings.action_iterations) == (55, 15)
    assert (settings.batch, settings.seed) == (PretrainSettings().batch, 4)


def test_a_plan_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no valid shape: proximal \(6\) must be a positive multiple of stride \(4\)"):
        settings_for("tiny", hashing={"proximal": 6})
    with pytest.raises(UsageError, match="printed, mirrored"):
        settings_for("tiny", hashing={"spacing": "even"})


# -- what was typed -------------------------------------------------------------------------------------------------------


def test_demonstrations_are_counted_for_all_scenes_or_for_one() -> None:
    assert counts([], []) == {}
    assert counts(["place"], []) == {"place": 4000}
    assert counts(["place"], ["place=7", "20"]) == {"place": 7}  # in whatever order
    assert counts(["place"], ["20", "30"]) == {"place": 30}


@pytest.mark.parametrize(
    ("scenes", "given", "says"),
    [
        (["plaec"], [], "did you mean place"),
        (["place"], ["plaec=3"], "did you mean place"),
        (["place"], ["=3"], "expected a number"),
        (["place"], ["0"], "expected a number"),
        (["place"], ["place=few"], "expected a number"),
        ([], ["3"], "add --scene"),
    ],
)
def test_demonstrations_that_cannot_be_counted_are_refused(scenes: list[str], given: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        counts(scenes, given)


def test_shares_are_read_and_refused() -> None:
    assert shares(["place=2", "a=b=0.5"]) == {"place": 2.0, "a=b": 0.5}
    for wrong in ("place", "place=", "place=0", "place=-1", "place=nan", "=2"):
        with pytest.raises(UsageError, match="expected NAME=NUMBER"):
            shares([wrong])
