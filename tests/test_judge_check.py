"""A simulator checks the judge of practice: one that is wrong most of the time is replaced, and the run says so."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cli_examples import a2g, ask
from recording_examples import TINY, episode

from a2g_cli.core.types import Outcome
from a2g_cli.data.recording.writer import write_episode
from a2g_cli.improvement.judge_check import FEWEST, CheckedJudging, judging_of
from a2g_cli.improvement.judging import PhotoJudging, PolicyJudging, TruthJudging, Verdict


class Says:
    """A judge that says yes to all episodes."""

    name, words = "photo", "photo judge"

    def __init__(self) -> None:
        self.fitted: list[int] = []

    def fit(self, practice: Sequence[Path]) -> None:
        self.fitted.append(len(practice))

    def so_far(self, practice: Sequence[Path]) -> list[Verdict]:
        return [Verdict(True, 0.1) for _ in practice]


def recorded(folder: Path, truths: Sequence[bool | None], judge: str = "truth") -> list[Path]:
    outcomes = [Outcome(truth, judge, "steps") for truth in truths]
    return [
        write_episode(folder / f"{i}.hdf5", TINY, episode(1, i, TINY, outcome)) for i, outcome in enumerate(outcomes)
    ]


def checked(told: list[str]) -> CheckedJudging:
    return CheckedJudging(Says(), TruthJudging(None), told.append)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("truths", "judge", "replaced"),
    [
        ([False] * 5 + [True] * 3, "truth", True),
        ([False] * 5 + [True] * 3, "environment", True),
        ([False] * 4 + [True] * 4, "truth", False),  # half of them are right
        ([False] * (FEWEST - 1), "truth", False),  # too few to say
        ([False] * 12, "person", False),  # no simulator
        ([None] * 12, "none", False),
    ],
)
def test_a_judge_is_replaced_when_most_of_its_successes_are_false(
    tmp_path: Path, truths: list[bool | None], judge: str, replaced: bool
) -> None:
    told: list[str] = []
    judging, practice = checked(told), recorded(tmp_path, truths, judge)
    claims = [verdict.success for verdict in judging.so_far(practice)]  # while the round goes on: the search of the aim
    assert claims == (truths if replaced else [True] * len(truths))
    judging.fit(practice)
    assert (judging.name, judging.words) == (("truth", "simulator") if replaced else ("photo", "photo judge"))
    assert [verdict.success for verdict in judging.so_far(practice)] == claims
    assert len(told) == replaced
    if replaced:
        assert "8 episodes" in told[0]
        assert "5 of them did not" in told[0]


def test_it_is_decided_once_so_that_a_run_that_goes_on_decides_the_same(tmp_path: Path) -> None:
    told: list[str] = []
    judging = checked(told)
    judging.fit(recorded(tmp_path / "good", [True] * 9))
    judging.fit(recorded(tmp_path / "bad", [False] * 9))
    assert (judging.name, told) == ("photo", [])


@pytest.mark.parametrize(
    ("judge", "named", "kind"),
    [
        ("photo", True, PhotoJudging),
        ("person", True, PhotoJudging),
        ("policy", True, PolicyJudging),
        ("truth", False, TruthJudging),
    ],
)
def test_a_judge_that_was_chosen_is_believed(judge: str, named: bool, kind: type) -> None:
    class Scorer:
        class model:  # noqa: N801
            class config:  # noqa: N801
                cameras, size = ("front",), (64, 64)

    scorer: Any = Scorer()
    assert type(judging_of(judge, named, scorer, print)) is kind
    assert type(judging_of("auto", named, scorer, print)) is CheckedJudging


def test_a_run_says_who_judged_and_goes_on_with_the_simulator(easy: Path, tmp_path: Path) -> None:
    """By its own estimate this base reaches every goal; it reaches none."""
    words = ("--base", easy, "--scene", "place", "--rounds", 1, "--episodes", FEWEST, "--steps", 3)
    few = ("--evaluation", 1, "--iterations", 1, "--calibrate", "off", "--no-report", "--seed", 7)
    done = a2g(tmp_path, "improve", *words, *few, "--session", "one")
    assert done.exit_code == 0, done.stderr
    assert "From now on the simulator judges practice" in done.stderr
    document = ask(tmp_path, "improve", *words, *few, "--judge", "policy", "--session", "two")
    assert document["rounds"][0]["false_successes"] >= FEWEST
