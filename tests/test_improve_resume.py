"""An improvement run is durable: it dies at any of its moments, and goes on to the end that it would have had."""

import json
import math
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from cli_examples import a2g, ask, refused
from processes import Forked

from a2g_cli.data.recording.reader import Recording
from a2g_cli.improvement import candidate as making
from a2g_cli.improvement import comparison, loop
from a2g_cli.improvement.state import PROGRESS, RunState
from a2g_cli.policies.base import Policy
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.faults import FaultyPolicy, parse_fault
from a2g_cli.runtime.policy_factory import PolicyFactory

PATIENCE = 120.0
"""[s]; a slow machine starts a process in several."""
SETTINGS = ("--scene", "place", "--shift", "base-pose", "--rounds", 1, "--episodes", 2, "--seed", 7, "--steps", 4)
WORDS = (*SETTINGS, "--evaluation", 1, "--iterations", 1, "--session", "long")
MOMENTS = {"evaluated": 3, "practice": 4, "candidate": 5, "gate": 6, "decided": 7, "ended": 9}
"""Which save of the run's progress it is that comes before the practice, the adaptation, ...; 1 begins the run."""


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base without skill, to which every episode has arrived, so that there is always something to imitate."""
    folder = tmp_path_factory.mktemp("base")
    words = ("--scene", "place", "--demonstrations", 3, "--preset", "micro", "--iterations", 4, "--batch", 2)
    made = ask(folder, "pretrain", *words, "--autoencoder-iterations", 2, "--evaluation", 1, "--out", folder / "run")
    config = Path(made["checkpoint"]) / "config.json"
    told = json.loads(config.read_text())
    told["facts"]["arrived_below"] = 1e3
    config.write_text(json.dumps(told))
    return Path(made["checkpoint"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, base: Path) -> dict[str, Any]:
    """What the run says that nothing interrupts."""
    return ask(tmp_path_factory.mktemp("whole"), "improve", *WORDS, "--base", base)


def told(document: dict[str, Any]) -> dict[str, Any]:
    """Return what does not depend on the time that it took."""
    kept = json.loads(json.dumps(document))
    results = [kept["before"], kept["after"], *kept["in_distribution"].values()]
    for result in results:
        del result["seconds"]
    for done in kept["rounds"]:
        del done["rollout_seconds"], done["adapt_seconds"]
    return kept


def check(workspace: Path, whole: dict[str, Any], document: dict[str, Any]) -> None:
    """Hold a run that went on against one that was never interrupted."""
    assert told(document) == told(whole)
    progress = json.loads((workspace / "recordings/sessions/long" / PROGRESS).read_text())
    for working in progress["rounds"]:
        for names in (working["practice"], working["compared"]):
            trials = []
            for name in names:
                with Recording(workspace / "recordings/sessions/long" / name) as recording:
                    trials.append(recording.provenance.settings["index"])
            assert trials == [0, 1], "every trial once, in order"
    assert ask(workspace, "recordings", "verify", "long")["damaged"] == 0


@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_it_goes_on_from_every_moment(
    tmp_path: Path, base: Path, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch, moment: str, written: bool
) -> None:
    saves, save, last = 0, RunState.save, MOMENTS[moment]

    def dying(self: RunState) -> None:
        nonlocal saves
        saves += 1
        if saves < last or written:
            save(self)
        if saves == last:
            raise Killed

    monkeypatch.setattr(RunState, "save", dying)
    with pytest.raises(Killed):
        a2g(tmp_path, "improve", *WORDS, "--base", base)
    monkeypatch.undo()
    check(tmp_path, whole, ask(tmp_path, "improve", "--resume", "long"))


@pytest.mark.parametrize("saves", range(6, 10))
def test_it_goes_on_from_within_a_comparison(
    tmp_path: Path, base: Path, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch, saves: int
) -> None:
    monkeypatch.setattr(comparison, "COMPARED", 1)
    save = RunState.save

    def dying(self: RunState) -> None:
        nonlocal saves
        save(self)
        saves -= 1
        if not saves:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(RunState, "save", dying)
        with pytest.raises(Killed):
            a2g(tmp_path, "improve", *WORDS, "--base", base)
    check(tmp_path, whole, ask(tmp_path, "improve", "--resume", "long"))


def test_a_comparison_ends_where_it_is_settled(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "COMPARED", 1)
    monkeypatch.setattr(comparison, "sprt_stop", lambda parent, candidate, _: len(parent) == len(candidate) == 1)
    document = ask(tmp_path, "improve", *WORDS, "--base", base)
    assert [(done["episodes"], done["gate_episodes"]) for done in document["rounds"]] == [(2, 1)]
    assert len(list((tmp_path / "recordings/sessions/long").glob("episode-*.hdf5"))) == 3


class Wild(PolicyFactory):
    """Players whose adapters ask for ten times what the robot can do."""

    def get(self, name: str) -> Policy:
        policy = super().get(name)
        return (
            policy
            if name in {"base", "still"}
            else FaultyPolicy(policy, SimRobot("place"), parse_fault("wild-action@0"))
        )


def test_a_candidate_that_a_guard_stops_is_refused_and_practice_goes_on(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("a2g_cli.cli.commands.improve.PolicyFactory", Wild)
    document = ask(tmp_path, "improve", *WORDS, "--base", base, "--rounds", 2)
    assert len(document["rounds"]) == 2
    for done in document["rounds"]:
        assert not done["promoted"]
        assert "A safety guard stopped it" in done["reason"]
        assert (done["episodes"], done["gate_episodes"]) == (2, 0)
    assert told(ask(tmp_path, "improve", "--resume", "long")) == told(document)


def test_a_robot_that_was_stopped_stays_so(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a2g_cli.cli.commands.improve.PolicyFactory", Wild)
    monkeypatch.setattr(loop, "goes_on", lambda _: True)
    words = ("improve", *WORDS, "--base", base, "--rounds", 2)
    assert "far beyond" in refused(tmp_path, *words, code=4)
    document = json.loads((tmp_path / "recordings/sessions/long" / PROGRESS).read_text())
    assert [done["done"]["promoted"] for done in document["rounds"]] == [False], "what was decided is kept"
    assert document["rounds"][0]["compared"] == []


@pytest.mark.parametrize("losses", [{"last": math.nan}, {"held_out_before": 0.5, "held_out_after": 0.9}])
def test_what_its_losses_refuse_never_moves_the_robot(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch, losses: dict[str, float]
) -> None:
    monkeypatch.setattr(making, "losses_of", lambda _: losses)
    monkeypatch.setattr("a2g_cli.cli.commands.improve.PolicyFactory", Wild)
    done = ask(tmp_path, "improve", *WORDS, "--base", base)["rounds"][0]
    assert (done["promoted"], done["gate_episodes"]) == (False, 0)
    assert "loss" in done["reason"]


def test_it_mixes_demonstrations_in_and_says_what_it_costs_at_home(tmp_path: Path, base: Path) -> None:
    ask(tmp_path, "improve", *WORDS, "--base", base)
    words = ("--session", "mixed", "--cotrain", 0.5, "--demonstrations", "long", "--feature-alignment", 1)
    made = ask(tmp_path, "improve", *WORDS, "--base", base, *words)["rounds"][0]["adapter"]
    lineage = json.loads((tmp_path / "adapters" / made / "lineage.json").read_text())
    assert len(lineage["demonstrations"]) == 4
    assert (lineage["settings"]["cotrain"], lineage["settings"]["feature_alignment"]) == (0.5, 1)
    assert lineage["losses"]["retention_after"] > 0
    assert "give both" in refused(tmp_path, "improve", *SETTINGS, "--cotrain", 0.5)


def test_sigkill_in_the_middle_of_an_episode(tmp_path: Path, base: Path, whole: dict[str, Any]) -> None:
    words = [*map(str, WORDS), "--base", str(base), "--workspace", str(tmp_path)]
    folder = tmp_path / "recordings/sessions/long"
    with Forked("improve", *words) as process:
        end = time.monotonic() + PATIENCE
        while not list(folder.glob("episode-*")):
            assert process.poll() is None
            assert time.monotonic() < end, "no episode began"
            time.sleep(0.001)
        process.kill()
    check(tmp_path, whole, ask(tmp_path, "improve", "--resume", "long"))


@pytest.mark.parametrize("moment", ["candidate", "gate"])
def test_a_cycle_that_was_killed_goes_on_from_a_fresh_start(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    saves, save = 0, RunState.save

    def dying(self: RunState) -> None:
        nonlocal saves
        saves += 1
        save(self)
        if saves == MOMENTS[moment]:
            raise Killed

    monkeypatch.setattr(RunState, "save", dying)
    with pytest.raises(Killed):
        a2g(tmp_path, "improve", *WORDS, "--reset", "cycle", "--base", base)
    monkeypatch.undo()
    document = ask(tmp_path, "improve", "--resume", "long")
    folder = tmp_path / "recordings/sessions/long"
    progress = json.loads((folder / PROGRESS).read_text())
    told = []
    for name in [name for working in progress["rounds"] for name in working["practice"] + working["compared"]]:
        with Recording(folder / name) as recording:
            told.append(recording.provenance.settings)
    assert [one["start"] for one in told] == ["fresh", "left", "fresh", "left"]
    assert [one["index"] for one in told] == list(range(4))
    assert [done["set_ups"] for done in document["rounds"]] == [2]
    assert "each on its own trials" in document["rounds"][0]["reason"]
    assert ask(tmp_path, "recordings", "verify", "long")["damaged"] == 0


def test_between_drives_home_are_recorded_apart(tmp_path: Path, base: Path) -> None:
    words = ("--shift", "none", "--rounds", 1, "--episodes", 2, "--steps", 4, "--evaluation", 1, "--iterations", 1)
    ask(tmp_path, "improve", "--scene", "plug", *words, "--session", "home", "--reset", "rest-pose", "--base", base)
    folder = tmp_path / "recordings/sessions/home"
    resets = sorted((folder / "resets").glob("*.hdf5"))
    assert len(resets) == 3
    assert len(list(folder.glob("episode-*.hdf5"))) == 4
    with Recording(resets[0]) as recording:
        assert recording.provenance.policy == "reset"


def test_goals_that_were_achieved_are_practised_again_and_a_kill_changes_no_choice(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = tmp_path / "never"  # a base to which no goal holds, so that any may be asked for
    shutil.copytree(base, never)
    config = json.loads((never / "config.json").read_text())
    config["facts"]["arrived_below"] = 1e-6
    (never / "config.json").write_text(json.dumps(config))
    chosen = ("--goals-from", "recordings", "--curriculum", "progress")
    words = (*WORDS, "--rounds", 2, "--calibrate", "off", *chosen, "--base", never)

    def sources(workspace: Path) -> list[tuple[str, str]]:
        found = []
        for path in sorted((workspace / "recordings/sessions/long").glob("episode-*.hdf5")):
            with Recording(path) as recording:
                found.append((recording.goal.source.partition(":")[0], recording.goal.fingerprint))
        return found

    ask(tmp_path / "one", "improve", *words)
    assert [kind for kind, _ in sources(tmp_path / "one")] == ["sim", "sim", "recording", "recording"]
    saves, save = 0, RunState.save

    def dying(self: RunState) -> None:
        nonlocal saves
        saves += 1
        save(self)
        if saves == 6:
            raise Killed

    monkeypatch.setattr(RunState, "save", dying)
    with pytest.raises(Killed):
        a2g(tmp_path / "other", "improve", *words)
    monkeypatch.undo()
    assert len(sources(tmp_path / "other")) == 2, "killed at the beginning of the second round"
    ask(tmp_path / "other", "improve", "--resume", "long")
    assert sources(tmp_path / "other") == sources(tmp_path / "one")


@pytest.mark.parametrize(
    ("scene", "way", "says"),
    [
        ("write", "cycle", "use --reset own"),
        ("plug", "cycle", "use --reset rest-pose or --reset own"),
        ("place", "prompt", "use --reset own"),
    ],
)
def test_a_scene_that_nothing_undoes_is_refused_before_anything_is_made(
    tmp_path: Path, scene: str, way: str, says: str
) -> None:
    assert says in refused(tmp_path, "improve", "--scene", scene, "--reset", way, "--evaluation", 1)
    assert not (tmp_path / "recordings").exists()


def test_what_was_begun_can_be_asked_for_more(tmp_path: Path, base: Path, whole: dict[str, Any]) -> None:
    first = ask(tmp_path, "improve", *WORDS, "--base", base)
    assert first["stopped_by"] == "rounds"
    assert told(ask(tmp_path, "improve", "--resume", "latest")) == told(whole), (
        "once it has ended, going on changes nothing"
    )
    more = ask(tmp_path, "improve", "--resume", "long", "--rounds", 3, "--max-episodes", 8)
    assert more["rounds"][0] == first["rounds"][0]
    assert (len(more["rounds"]), more["stopped_by"]) == (2, "episodes")
    assert more["before"] == first["before"]


@pytest.mark.parametrize(
    ("limit", "stopped_by", "rounds"),
    [(("--until", 0.9), "until", 1), (("--max-minutes", 1e-6), "minutes", 1), (("--max-episodes", 7), "episodes", 1)],
)
def test_it_stops_at_its_limits(
    tmp_path: Path, base: Path, limit: tuple[str, float], stopped_by: str, rounds: int
) -> None:
    document = ask(tmp_path, "improve", *SETTINGS, "--evaluation", 1, "--iterations", 1, "--base", base, *limit)
    assert document["stopped_by"] == stopped_by
    assert len(document["rounds"]) == rounds


def test_what_cannot_go_on_is_refused(tmp_path: Path, base: Path) -> None:
    assert "session" in refused(tmp_path, "improve", "--resume", "nowhere")
    session = tmp_path / "recordings/sessions/plain"
    session.mkdir(parents=True)
    assert "did not create the session" in refused(tmp_path, "improve", "--resume", "plain")
    assert "--episodes" in refused(tmp_path, "improve", "--resume", "plain", "--episodes", 3)
    for text in ("", "[]", "{}", '{"a2g_improve": 1, "asked": {}, "measured": {}, "rounds": [{}]}'):
        (session / PROGRESS).write_text(text)
        assert "damaged" in refused(tmp_path, "improve", "--resume", "plain", code=1)


def test_another_base_and_names_that_leave_the_session_are_refused(tmp_path: Path, base: Path) -> None:
    mine = tmp_path / "base"
    shutil.copytree(base, mine)
    ask(tmp_path, "improve", *WORDS, "--base", mine)
    path = tmp_path / "recordings/sessions/long" / PROGRESS
    document = json.loads(path.read_text())
    empty = {"acting": "base", "practice": ["../../../etc/passwd"], "candidate": None, "compared": [], "done": None}
    path.write_text(json.dumps({**document, "rounds": [empty]}))
    assert "cannot name a recording" in refused(tmp_path, "improve", "--resume", "long", code=1)
    path.write_text(json.dumps({**document, "asked": {**document["asked"], "base_hash": "0" * 16}}))
    assert "another one: start a new session" in refused(tmp_path, "improve", "--resume", "long")
