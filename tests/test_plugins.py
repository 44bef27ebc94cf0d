"""Plugins of other packages, good and bad ones, found by their entry points."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from cli_examples import ask, refused
from rollout_examples import Kept, steady

from a2g_cli.core.errors import HardwareError, PluginError, UnknownNameError
from a2g_cli.core.plugins import GROUPS, THIRD_PARTY, Kind, known, load
from a2g_cli.core.types import Outcome
from a2g_cli.data.formats.registry import detect, find
from a2g_cli.data.relabelling import parse_mixture, relabel
from a2g_cli.robots.base import Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.rollout import Job, RolloutSettings, roll_out
from a2g_cli.runtime.success import make_judge
from a2g_cli.simulator.scenes import scene
from a2g_cli.simulator.shifts import Shift, parse_shift
from a2g_cli.training.finetune_settings import settings_from

MODULE = """
from a2g_cli.simulator.shifts import Shift

def dusk(strength): return Shift(light_scale=1 - 0.4 * strength)
def broken(*_): raise RuntimeError("no such thing")
def backwards(lengths, steps, uniform): return steps - 1
def mute(context): return lambda *_: None
def failing(context): return broken
FORMAT = 7
"""
ENTRIES = {
    "a2g.shifts": "dusk = plugged:dusk\nbroken = plugged:broken",
    "a2g.scenes": "broken = plugged:broken\nmissing = plugged:Missing",
    "a2g.relabelling": "backwards = plugged:backwards\nbroken = plugged:broken\nfinal = plugged:backwards",
    "a2g.judges": "mute = plugged:mute\nfailing = plugged:failing\nbroken = plugged:broken",
    "a2g.formats": "number = plugged:FORMAT\nunreadable = plugged_elsewhere:FORMAT",
    "a2g.finetuning": "unreadable = plugged_elsewhere:Finetuner",
    "a2g.robots": "unreadable = plugged_elsewhere:Robot",
}
KINDS: list[Kind] = [kind for kind in GROUPS if kind not in THIRD_PARTY]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with plugins of all kinds, few of which work."""
    folder = tmp_path / "site"
    about = folder / "plugged-0.1.dist-info"
    about.mkdir(parents=True)
    (folder / "plugged.py").write_text(MODULE)
    (folder / "plugged_elsewhere.py").write_text("raise OSError('the licence\\nhas expired')\n")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 0.1\n")
    (about / "entry_points.txt").write_text("".join(f"[{group}]\n{names}\n" for group, names in ENTRIES.items()))
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_every_built_in_plugin_is_registered_and_loads(kind: Kind) -> None:
    names = known(kind)
    assert names
    for name in names:
        assert load(kind, name) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_is_not_known_is_answered_with_the_nearest(kind: Kind) -> None:
    name = known(kind)[0]
    with pytest.raises(UnknownNameError, match=f"unknown {kind} '{name}x': did you mean .*{name}"):
        load(kind, f"{name}x")


def test_names_are_listed_without_importing_anything(site: Path) -> None:
    code = (
        "import sys; from a2g_cli.core.plugins import GROUPS, known; names = [known(kind) for kind in GROUPS]; "
        "assert any('dusk' in found for found in names); "
        "print([name for name in ('plugged', 'torch', 'numpy', 'mujoco', 'h5py') if name in sys.modules])"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site)!r}); {code}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_shift_of_another_package_is_one_like_any_other(site: Path) -> None:
    assert parse_shift("dusk:0.5") == Shift("dusk", 0.5, light_scale=0.8)
    with pytest.raises(PluginError, match=r"shift 'broken' failed in its call \(plugged.py, line 5\): RuntimeError"):
        parse_shift("broken")


def test_a_plugin_that_cannot_be_imported_is_one_clear_line(site: Path) -> None:
    with pytest.raises(PluginError, match=r"scene 'missing' does not load: AttributeError: .*Missing"):
        scene("missing", Shift())
    with pytest.raises(PluginError, match=r"does not load \(plugged_elsewhere.py, line 1\): OSError: the licence has"):
        settings_from(method="unreadable")
    with pytest.raises(HardwareError, match="the licence has expired"):
        load("robot", "unreadable")


def test_a_rule_that_returns_no_later_frame_is_refused(site: Path) -> None:
    lengths, steps = torch.tensor([4, 5]), torch.tensor([1, 2])
    for name, message in (("backwards", "from step \\+ 1 to length"), ("broken", "RuntimeError: no such thing")):
        with pytest.raises(PluginError, match=f"relabelling rule '{name}'.*{message}"):
            relabel(parse_mixture(f"{name},final"), lengths, steps, torch.Generator())


def test_a_built_in_plugin_is_not_replaced_by_another_package(site: Path) -> None:
    assert load("relabelling rule", "final").__module__ == "a2g_cli.data.relabelling"


def test_formats_that_do_not_work_leave_the_others_alone(site: Path, tmp_path: Path) -> None:
    (tmp_path / "set" / "meta").mkdir(parents=True)
    (tmp_path / "set" / "meta" / "info.json").write_text("{}")
    assert detect(tmp_path / "set").name == "lerobot"
    with pytest.raises(PluginError, match="format 'number' is not a"):
        find("number")


@pytest.mark.parametrize(("judge", "message"), [("failing", "failed in its judgement"), ("mute", "AttributeError")])
def test_an_episode_whose_judge_fails_is_kept(
    judge: str, message: str, site: Path, robots: list[SimRobot], trials: list[Trial]
) -> None:
    kept = Kept()
    settings = RolloutSettings(limit=3, verdict=make_judge(judge, None, 0.0))
    job = Job(trials[0].goal, 0, lambda robot: robots[0].begin(trials[0].start), lambda _: kept)
    with pytest.raises(PluginError, match=message):
        list(roll_out(robots[:1], [job], steady(), settings))
    assert isinstance(kept.outcome, Outcome)
    assert kept.outcome.stopped_by == "steps"


def test_a_judge_that_fails_at_once_is_refused_before_anything_moves(site: Path, tmp_path: Path) -> None:
    ask(tmp_path, "capture-goal", "cup", "--seed", 3)
    message = refused(tmp_path, "run", "cup", "--adapter", "still", "--judge", "broken", code=1)
    assert message.startswith("judge 'broken' failed in its call (plugged.py, line 5): RuntimeError: no such thing")
    assert not list((tmp_path / "recordings").rglob("*.hdf5"))
