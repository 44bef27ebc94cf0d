"""The parts of benchmarks/policy.py that can be wrong without anybody noticing: identities, the cache, the tables."""

import ast
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from a2g_cli.core.plugins import known

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
try:
    import policy_runs as runs
    import policy_tables as tables
finally:
    sys.path.remove(str(BENCHMARKS))

PLAYER = runs.Player("act2goal", "abc", "somewhere")


def block(**changed: object) -> runs.Block:
    return replace(runs.Block(PLAYER, "place", "none", "evaluation", 7, 0, 25), **changed)  # type: ignore[arg-type]


# --- what is rolled out ---


@pytest.mark.parametrize(("episodes", "sizes"), [(100, [25] * 4), (60, [25, 25, 10]), (7, [7])])
def test_blocks_cover_every_trial_once(episodes: int, sizes: list[int]) -> None:
    made = runs.blocks(PLAYER, "place", "none", "evaluation", 7, episodes)
    assert [one.count for one in made] == sizes
    trials = [one.first + i for one in made for i in range(one.count)]
    assert trials == list(range(episodes))


def test_more_episodes_begin_with_the_same_blocks() -> None:
    few, many = (runs.blocks(PLAYER, "place", "none", "evaluation", 7, n) for n in (50, 100))
    assert many[:2] == few


@pytest.mark.parametrize(
    "changed",
    [
        {"player": replace(PLAYER, hash="abd")},
        {"player": runs.Player("still")},
        {"shift": "unseen"},
        {"purpose": "practice"},
        {"seed": 8},
        {"first": 25},
        {"count": 24},
    ],
    ids=str,
)
def test_what_changes_the_outcome_changes_the_identity(changed: dict[str, object], tmp_path: Path) -> None:
    known = runs.Cache(tmp_path / "results.json")
    known[block().identity()] = {"success": [True], "groups": [""], "code": ""}
    assert block().identity() in known
    assert block(**changed).identity() not in known


def test_a_name_and_a_folder_are_no_part_of_it() -> None:
    moved = replace(PLAYER, name="base", folder="elsewhere")
    assert block(player=moved).identity() == block().identity()


def test_replay_is_told_apart_by_its_metric() -> None:
    replay = replace(PLAYER, memory="memory.safetensors")
    near, far = (runs.with_settings(replay, runs.NearestSettings(goal=goal)) for goal in (1.0, 3.0))
    assert near.identity() != far.identity()
    assert runs.NearestSettings(**dict(far.settings)).goal == 3.0


def test_a_cache_survives_and_says_what_its_results_are_of(tmp_path: Path) -> None:
    known = runs.Cache(tmp_path / "deep" / "results.json")
    known[block().identity()] = {"success": [True, False], "groups": ["<=3", ">=7"], "code": runs.acting_code()}
    known[block(first=25).identity()] = {"success": [True], "groups": ["<=3"], "code": "of another day"}
    again = runs.Cache(known.path)
    assert runs.outcomes([block(), block(first=25)], again) == ([True, False, True], ["<=3", ">=7", "<=3"])
    assert again.stale == 1
    assert '"scene": "place"' in known.path.read_text()
    assert [path.name for path in known.path.parent.iterdir()] == ["results.json"]


def test_nothing_known_is_rolled_out_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = runs.Cache(tmp_path / "results.json")
    known[block().identity()] = {"success": [True], "groups": [""], "code": ""}
    monkeypatch.setattr(runs, "ProcessPoolExecutor", None)  # a call would be an error
    runs.roll_all([block()], known, 2)
    with pytest.raises(TypeError):
        runs.roll_all([block(seed=8)], known, 2)


def test_replay_s_metric_is_the_one_that_practice_likes(tmp_path: Path) -> None:
    known = runs.Cache(tmp_path / "results.json")
    factory = [replace(PLAYER, hash=name) for name in "abc"]
    for player, good in zip(factory, (3, 9, 5), strict=True):
        for one in runs.blocks(player, "place", "none", "practice", 0, 10):
            known[one.identity()] = {"success": [i < good for i in range(10)], "groups": [""] * 10, "code": ""}
    assert runs.tuned(factory, ["place"], known, 10, 1) is factory[1]


def test_trials_are_rolled_out_and_none_is_solved_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    one = block(player=runs.Player("still"), count=2)
    try:
        found = runs.roll(one)
        assert found["success"] == [False, False]
        assert len(found["groups"]) == 2
        monkeypatch.setattr(runs.SimRobot, "succeeded", lambda *_: True)
        with pytest.raises(AssertionError, match="solved before it begins"):
            runs.roll(one)
    finally:
        for robot in runs._worker.lanes(one.scene, one.shift):
            robot.close()
        runs._worker.robots.clear()


def test_words_do_not_make_another_scene_but_numbers_do() -> None:
    texts = ('"""One."""\nx = 1\n"""Of x."""\n', "# two\nx = 1\n", "x = 2\n", '"""One."""\nx = "text"\n')
    first, second, third, fourth = (runs.code(ast.parse(text)) for text in texts)
    assert first == second
    assert len({first, third, fourth}) == 3


def test_a_scene_is_its_own_module_and_those_that_it_needs() -> None:
    place = Path(sys.modules[runs.find_scene("place").__module__].__file__ or "")
    needed = runs.imported(ast.parse(place.read_text()))
    assert "a2g_cli.simulator.scenes.scene" in needed
    assert all(name.islower() for name in needed if name.startswith("a2g_cli"))  # modules, not what is in them
    versions = {scene: runs.scene_version(scene) for scene in known("scene")}
    assert len(set(versions.values())) == len(versions)


@pytest.mark.parametrize("text", ["flat", "=DIR", "flat="])
def test_a_policy_is_given_by_name(text: str) -> None:
    assert list(runs.by_name(["a b=/x=y"], "--policy")) == [("a b", Path("/x=y"))]
    with pytest.raises(SystemExit, match="NAME=DIR"):
        list(runs.by_name([text], "--policy"))


# --- what is printed ---


def test_seeds_are_pooled_and_their_range_told() -> None:
    found = tables.pooled([[True] * 8 + [False] * 2, [True] * 6 + [False] * 4])
    assert (found["n"], found["successes"], found["rate"]) == (20, 14, 0.7)
    assert found["interval"] == [0.4810, 0.8545]  # Wilson's, of 14 in 20
    assert (found["seeds_mean"], found["seeds_range"]) == (0.7, [0.6, 0.8])
    assert tables.show(found) == "0.70 [0.48, 0.85]; 2 seeds 0.70 (0.60 to 0.80)"


def test_one_seed_has_no_range_and_nothing_is_a_dash() -> None:
    assert tables.show(tables.pooled([[True] * 10])) == "1.00 [0.72, 1.00]"
    assert tables.show(None) == "-"
    assert tables.show(tables.pooled([])) == "-"


def test_groups_are_told_apart_in_a_reader_s_order() -> None:
    groups = [">=7", "<=3", "4-6", "<=3"]
    found = tables.grouped(groups, [[True, False, True, True], [False, False, True, True]])
    assert list(found) == ["<=3", "4-6", ">=7", "all"]
    assert [(found[name]["successes"], found[name]["n"]) for name in found] == [(2, 4), (2, 2), (1, 2), (5, 8)]


def test_a_scene_without_groups_has_one_row() -> None:
    assert list(tables.grouped(["", ""], [[True, False]])) == ["all"]


def test_the_ablation_is_a_row_a_group_and_a_column_a_plan() -> None:
    short, long = tables.pooled([[True, False]]), tables.pooled([[False, False]])
    results = {
        "printed": {"write ID": {"<=3": short, ">=7": short}},
        "no distal": {"write ID": {"<=3": short, ">=7": long}},
    }
    lines = tables.ablation_table(results, "n = 2").splitlines()
    assert lines[2] == "| deployment | trials | printed | no distal |"
    assert lines[4] == f"| write ID | <=3 | {tables.show(short)} | {tables.show(short)} |"
    assert lines[5] == f"| write ID | >=7 | {tables.show(short)} | {tables.show(long)} |"


def test_success_is_a_row_a_policy() -> None:
    result = tables.pooled([[True]])
    lines = tables.success_table({"flat": {"place ID": result, "place OOD": result}, "still": {}}, "n = 1").splitlines()
    assert lines[2] == "| policy | place ID | place OOD |"
    assert lines[-1] == "| still | - | - |"


def test_plans_are_printed_with_the_floor_that_is_exact_left_out() -> None:
    three, decibels = (0.5, 0.4, 0.6), (20.0, 19.0, 21.0)
    frame = {
        "frame": "+4",
        "offset_mean": 4.0,
        "latent_mse": dict.fromkeys(("sample", "mean", "limit", "copy", "blend", "ceiling"), three),
        "psnr": dict.fromkeys(("sample", "mean", "copy", "blend", "ceiling"), decibels),
        "ratio": {"copy": three, "blend": None},
    }
    text = tables.plans_table({"place ID": {"n": 9, "samples": 8, "episodes": 3, "frames": [frame]}})
    errors, images = text.split("\n\nPlans: PSNR")
    cell = "0.500 [0.400, 0.600]"
    assert errors.splitlines()[-1] == f"| place ID | +4 | 4.0 | {' | '.join([cell] * 5)} | 0.50 [0.40, 0.60] | - |"
    assert images.splitlines()[-1].count("20.0 [19.0, 21.0]") == 5
    for part in (errors, images):
        assert len({line.count("|") for line in part.splitlines() if line.startswith("|")}) == 1


def test_times_have_a_dash_where_nothing_is_denoised() -> None:
    one = {"median_ms": 4.25, "p95_ms": 8.0}
    lines = tables.time_table({"act2goal": {"1": one, "5": one}, "cloning": {"1": one}}).splitlines()
    assert lines[-2:] == ["| act2goal | 4.2 (8.0) | 4.2 (8.0) |", "| cloning | 4.2 (8.0) | - |"]
