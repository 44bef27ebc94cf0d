"""``a2g improve GOAL...`` and ``a2g evaluate GOAL...`` are about these goals; a command that is repeated gives new data."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli_examples import a2g, ask, refused
from kill_moments import KillMoments

from a2g_cli.cli.commands import held_out
from a2g_cli.core.types import Goal, State
from a2g_cli.data.recording.reader import Recording
from a2g_cli.improvement.state import PROGRESS, RunState
from a2g_cli.improvement.trials import Stage, episode_index
from a2g_cli.robots.base import Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.evaluation import HELD_OUT, Result, evaluate, pooled, trials_for

QUICK = ("--scene", "place", "--steps", 4)
WORDS = ("--judge", "policy", *QUICK, "--rounds", 1, "--episodes", 2, "--evaluation", 3, "--iterations", 1)
SHIFT = ("--shift", "lighting")
IMPROVE = ("improve", "cup", "after", *WORDS, *SHIFT, "--session", "long", "--seed", 7)


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.fixture(scope="module")
def base(easy: Path) -> Path:
    """By its estimate every episode reaches its goal: there is always something to imitate."""
    return easy


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for name, seed in (("cup", 3), ("after", 4)):
        ask(tmp_path, "capture-goal", name, "--seed", seed)
    return tmp_path


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[list[Trial]]:
    """The trials of every measurement, in their order."""
    seen: list[list[Trial]] = []

    def watched(name: str, policy: Any, robots: Any, trials: list[Trial], *rest: Any) -> Result:
        seen.append(trials)
        return evaluate(name, policy, robots, trials, *rest)

    monkeypatch.setattr(held_out, "evaluate", watched)
    return seen


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """Which starts were drawn for named goals: (goal, seed, index)."""
    seen: list[tuple[str, int, int]] = []
    real = SimRobot.start_for

    def start_for(robot: SimRobot, goal: Goal, seed: int, index: int) -> State:
        seen.append((goal.name, seed, index))
        return real(robot, goal, seed, index)

    monkeypatch.setattr(SimRobot, "start_for", start_for)
    return seen


def untimed(document: dict[str, Any]) -> dict[str, Any]:
    """Return what does not depend on the time that it took, or on the folder of the workspace."""

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without(one) for key, one in value.items() if "seconds" not in key}
        return [without(one) for one in value] if isinstance(value, list) else value

    kept: dict[str, Any] = without(document)
    kept.pop("report", None)
    return kept


def names(trials: list[Trial]) -> set[str]:
    return {trial.goal.name for trial in trials}


def test_each_named_goal_is_measured_on_held_out_starts_of_its_own(
    workspace: Path, base: Path, measured: list[list[Trial]], drawn: list[tuple[str, int, int]]
) -> None:
    words = (*WORDS, *SHIFT, "--base", base, "--session", "long")
    document = ask(workspace, "improve", "cup", "after", "cup", *words)
    assert document["goals"].keys() == {"cup", "after"}
    for moment in ("before", "after"):
        rows = [document["goals"][goal][moment] for goal in ("cup", "after")]
        assert [(row["n"], row["judge"]) for row in rows] == [(3, "truth")] * 2
        assert document[moment]["n"] == 6
        assert document[moment]["successes"] == sum(row["successes"] for row in rows)
    assert names(measured[0]) == {"cup"}
    assert names(measured[1]) == {"after"}
    assert all(name.startswith("place-evaluation") for name in names(measured[2])), (
        "other goals, in the training domain"
    )
    assert document["in_distribution"]["before"]["n"] == 3
    practised = {(seed, index) for _, seed, index in drawn if index < HELD_OUT}
    judged = {(seed, index) for _, seed, index in drawn if index >= HELD_OUT}
    assert practised == {(0, 0), (0, 1)}
    assert judged == {(0, HELD_OUT + i) for i in range(3)}
    (done,) = document["rounds"]
    assert done["gate_episodes"], "the gate compares as well"
    for path in (workspace / "recordings/sessions/long").glob("episode-*.hdf5"):
        with Recording(path) as recording:
            assert recording.goal.name in {"cup", "after"}
    said = a2g(workspace, "improve", "--resume", "long")
    assert "success in 3 held-out trials of each goal with the shift lighting:1" in said.stdout
    assert [" ".join(line.split()[:2]) for line in said.stdout.splitlines() if line.startswith(("cup", "after"))] == [
        f"{goal}, {moment}" for goal in ("cup", "after") for moment in ("before", "after")
    ]


def test_a_repeated_run_practises_new_starts_and_is_measured_on_the_same(
    workspace: Path, base: Path, measured: list[list[Trial]], drawn: list[tuple[str, int, int]]
) -> None:
    words = ("improve", "cup", *WORDS, "--base", base, "--calibrate", "off")
    first = ask(workspace, *words)
    mine = [one for one in drawn if one[2] < HELD_OUT]
    drawn.clear()
    ask(workspace, "adapters", "promote", "base")
    second = ask(workspace, *words)
    assert (first["seed"], second["seed"]) == (0, 1)
    assert (first["evaluation_seed"], second["evaluation_seed"]) == (0, 0)
    assert not set(mine) & set(drawn)
    assert [trial.start for trial in measured[0]] == [trial.start for trial in measured[-1]]
    assert untimed(first["before"]) == untimed(second["before"])
    assert "seed 1" in a2g(workspace, "improve", "--resume", second["session"]).stdout
    drawn.clear()
    again = ask(workspace, *words, "--seed", 0)
    assert [one for one in drawn if one[2] < HELD_OUT] == mine, "a typed seed repeats its episodes"
    assert again["evaluation_seed"] == 0
    assert ask(workspace, *words, "--seed", 5)["evaluation_seed"] == 5


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, base: Path) -> KillMoments:
    """The run that nothing interrupts, and what a kill leaves of it."""
    folder = tmp_path_factory.mktemp("run")
    for name, seed in (("cup", 3), ("after", 4)):
        ask(folder / "workspace", "capture-goal", name, "--seed", seed)
    return KillMoments(folder, *IMPROVE[1:], "--base", base)


@pytest.mark.parametrize("last", [2, 3, 4, 6, 9])
def test_it_goes_on_from_every_moment(tmp_path: Path, run: KillMoments, last: int) -> None:
    run.left(tmp_path, last)
    assert untimed(ask(tmp_path, "improve", "--resume", "long")) == untimed(run.document)


def test_longer_practice_measures_the_end_again(workspace: Path, base: Path, measured: list[list[Trial]]) -> None:
    ask(workspace, "improve", "after", *WORDS, "--base", base, "--session", "long")
    told = json.loads((workspace / "recordings/sessions/long" / PROGRESS).read_text())["measured"]
    forgotten = dict(told)
    held_out.forget_after(forgotten)
    assert forgotten.keys() == {"goal after before", "before", "home before"}
    assert len(ask(workspace, "improve", "--resume", "long", "--rounds", 2)["rounds"]) == 2


def test_a_run_of_version_0_1_goes_on_with_the_goals_that_it_measured(
    workspace: Path, base: Path, monkeypatch: pytest.MonkeyPatch, measured: list[list[Trial]]
) -> None:
    def dying(self: RunState) -> None:
        save(self)
        raise Killed

    save = RunState.save
    with monkeypatch.context() as patched:
        patched.setattr(RunState, "save", dying)
        with pytest.raises(Killed):
            a2g(workspace, "improve", "cup", *WORDS, "--base", base, "--session", "old", "--seed", 9)
    path = workspace / "recordings/sessions/old" / PROGRESS
    told = json.loads(path.read_text())
    del told["asked"]["evaluation_seed"]
    path.write_text(json.dumps(told))
    document = ask(workspace, "improve", "--resume", "old")
    assert names(measured[0]) == {f"place-evaluation-9-{i}" for i in range(3)}
    assert document["goals"] == {}
    assert document["evaluation_seed"] == 9


@pytest.mark.parametrize("scene", ["place", "plug", "write"])
def test_no_held_out_start_satisfies_its_goal_and_none_is_drawn_twice(scene: str) -> None:
    robot = SimRobot(scene)
    robot.connect()
    try:
        goal = robot.trial("practice", 1, 0).goal
        trials = trials_for(robot, goal, 0, 20)
        assert trials == trials_for(robot, goal, 0, 20)
        for trial in trials:
            robot.begin(trial.start)
            assert not robot.succeeded(goal)
        others = [robot.start_for(goal, 0, index) for index in range(20)]
        assert not [trial for trial in trials if trial.start in others]
        assert trials_for(robot, goal, 1, 1)[0].start != trials[0].start
    finally:
        robot.close()


def test_results_on_several_goals_are_pooled() -> None:
    rows = [Result("a", 4, 1, 2.0).to_json(), Result("a", 8, 7, 3.0).to_json()]
    assert pooled(rows) == Result("a", 12, 8, 5.0).to_json()


def test_evaluate_has_a_row_for_each_goal_and_adapter(workspace: Path, base: Path) -> None:
    words = ("--adapter", "still", "--adapter", "base", "--episodes", 2, *QUICK, "--base", base)
    document = ask(workspace, "evaluate", "cup", "after", *words)
    rows = [(row["goal"], row["adapter"], row["n"]) for row in document["results"]]
    assert rows == [(goal, adapter, 2) for goal in ("cup", "after") for adapter in ("still", "base")]
    lines = a2g(workspace, "evaluate", "cup", *words).stdout.splitlines()
    assert lines[0].split()[:2] == ["goal", "adapter"]
    assert [line.split()[:2] for line in lines[1:-1]] == [["cup", "still"], ["cup", "base"]]
    assert lines[-1].startswith("report: ")
    assert "goal" not in ask(workspace, "evaluate", *words)["results"][0]
    assert "did you mean cup" in refused(workspace, "evaluate", "cap", *words)


def test_run_goes_on_to_a_new_seed_and_says_which(workspace: Path, base: Path) -> None:
    words = ("run", "cup", "--adapter", "still", "--steps", 2)
    seeds, starts = [], []
    for given in ((), (), ("--seed", 2), (), ("--seed", 0)):
        document = ask(workspace, *words, *given, code=5)
        seeds.append(document["seed"])
        with Recording(Path(document["recordings"][0]["path"])) as recording:
            assert recording.provenance.seed == document["seed"]
            starts.append(recording.proprioception[0].tobytes() + recording.frames("front")[0].tobytes())
    assert seeds == [0, 1, 2, 3, 0]
    assert starts[0] == starts[4], "a typed seed repeats its episode"
    assert len(set(starts)) == 4
    assert "seed 4" in a2g(workspace, *words).stderr


def test_practice_of_another_command_counts_too(workspace: Path, base: Path) -> None:
    ask(workspace, "run", "cup", "--adapter", "still", "--steps", 2, code=5)
    assert ask(workspace, "improve", "cup", *WORDS, "--base", base)["seed"] == 1
    assert ask(workspace, "run", "cup", "--adapter", "still", "--steps", 2, code=5)["seed"] == 2


@pytest.mark.parametrize("stage", Stage)
def test_practice_never_comes_to_a_held_out_start(stage: Stage) -> None:
    for repeat in (True, False):
        assert episode_index(stage, 9_999, 10**6, 10**6, repeat=repeat, streams=True) < HELD_OUT
