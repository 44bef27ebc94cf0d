"""The plugin package in ``examples/``, installed as a third party's would be, and used by its names."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from cli_examples import ask, refused
from example_packages import count_lines, installed
from processes import Forked

from a2g_cli.core.plugins import known
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.relabelling import parse_mixture, relabel


@pytest.fixture(scope="module", autouse=True)
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with installed("a2g-extras", tmp_path_factory.mktemp("extras")) as folder:
        yield folder


def test_its_plugins_are_known_beside_the_built_in_ones() -> None:
    assert {"final", "future", "near", "successor"} <= set(known("relabelling rule"))
    assert {"auto", "person", "pixels"} <= set(known("judge"))


def test_its_rule_draws_near_goals_most_often_and_none_beyond_the_end() -> None:
    count, length = 40_000, 20
    lengths, steps = torch.full((count,), length), torch.full((count,), 4)
    goals = relabel(parse_mixture("near"), lengths, steps, torch.Generator().manual_seed(0))
    shares = torch.bincount(goals, minlength=length + 1)[5:].double() / count
    expected = (7 / 8) ** torch.arange(length - 4, dtype=torch.float64)
    # Five standard errors of the largest share.
    assert (shares - expected / expected.sum()).abs().max() < 5 * (0.15 * 0.85 / count) ** 0.5


def test_its_rule_is_one_of_a_mixture() -> None:
    lengths, steps = torch.arange(1, 200), torch.arange(199) // 2
    goals = relabel(parse_mixture("near:0.5,final:0.5"), lengths, steps, torch.Generator().manual_seed(1))
    assert ((goals > steps) & (goals <= lengths)).all()


def test_a_process_of_its_own_judges_by_it_and_the_recording_says_so(tmp_path: Path, site: Path) -> None:
    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    words = ("run", "cup", "--adapter", "still", "--steps", 3, "--judge", "pixels", "--json")
    with Forked(*words, env={"PYTHONPATH": str(site), "A2G_WORKSPACE": str(tmp_path)}) as ran:
        out, err = ran.communicate()
    assert ran.returncode == 5, err
    [kept] = json.loads(out)["recordings"]
    assert kept["judge"] == "pixels"
    with Recording(Path(kept["path"])) as recording:
        assert (recording.outcome.success, recording.outcome.judge) == (False, "pixels")


def test_a_name_that_is_nearly_one_of_its_own_is_corrected(tmp_path: Path) -> None:
    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    assert "did you mean pixels?" in refused(tmp_path, "run", "cup", "--judge", "pixel")


def test_it_is_short_enough_to_be_read() -> None:
    assert count_lines("a2g-extras") < 80
