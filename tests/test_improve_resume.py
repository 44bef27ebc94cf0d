"""An improvement run is durable: it dies at any of its moments, and goes on to the end that it would have had."""

import json
import math
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from cli_examples import ask, refused
from kill_moments import KillMoments
from processes import TRAINING, Forked

from a2g_cli.data.recording.reader import Recording
from a2g_cli.improvement import candidate as making
from a2g_cli.improvement import comparison, loop
from a2g_cli.improvement.state import PROGRESS
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


@pytest.fixture(scope="module")
def base(easy: Path) -> Path:
    """To it every episode has arrived, so that there is always something to imitate."""
    return easy


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, base: Path) -> KillMoments:
    """The run that nothing interrupts, and what a kill leaves of it."""
    made = KillMoments(tmp_path_factory.mktemp("run"), *WORDS, "--base", base)
    assert made.saves == max(MOMENTS.values()), "it saves at other moments now"
    return made


@pytest.fixture(scope="module")
def whole(run: KillMoments) -> dict[str, Any]:
    """What the run says that nothing interrupts."""
    return run.document


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory, base: Path) -> KillMoments:
    """The same run, which compares one trial at a time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(comparison, "COMPARED", 1)
        return KillMoments(tmp_path_factory.mktemp("compared"), *WORDS, "--base", base)


@pytest.fixture(scope="module")
def cycle(tmp_path_factory: pytest.TempPathFactory, base: Path) -> KillMoments:
    """The same run in a cycle of goals."""
    return KillMoments(tmp_path_factory.mktemp("cycle"), *WORDS, "--reset", "cycle", "--base", base)


def told(document: dict[str, Any]) -> dict[str, Any]:
    """Return what does not depend on the time that it took, or on the folder of the workspace."""
    kept = json.loads(json.dumps(document))
    kept.pop("report", None)
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
def test_it_goes_on_from_every_moment(tmp_path: Path, run: KillMoments, moment: str, written: bool) -> None:
    run.left(tmp_path, MOMENTS[moment], written)
    check(tmp_path, run.document, ask(tmp_path, "improve", "--resume", "long"))


@pytest.mark.parametrize("save", range(6, 10))
def test_it_goes_on_from_within_a_comparison(
    tmp_path: Path, one_by_one: KillMoments, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch, save: int
) -> None:
    monkeypatch.setattr(comparison, "COMPARED", 1)
    one_by_one.left(tmp_path, save)
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


def test_it_mixes_demonstrations_in_and_says_what_it_costs_at_home(
    tmp_path: Path, base: Path, run: KillMoments
) -> None:
    run.ended(tmp_path)
    ask(tmp_path, "adapters", "promote", "base")
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
    with Forked("improve", *words, imports=TRAINING) as process:
        end = time.monotonic() + PATIENCE
        while not list(folder.glob("episode-*")):
            assert process.poll() is None
            assert time.monotonic() < end, "no episode began"
            time.sleep(0.001)
        process.kill()
    check(tmp_path, whole, ask(tmp_path, "improve", "--resume", "long"))


@pytest.mark.parametrize("moment", ["candidate", "gate"])
def test_a_cycle_that_was_killed_goes_on_from_a_fresh_start(tmp_path: Path, cycle: KillMoments, moment: str) -> None:
    cycle.left(tmp_path, MOMENTS[moment])
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


def test_goals_that_were_achieved_are_practised_again_and_a_kill_changes_no_choice(tmp_path: Path, base: Path) -> None:
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

    whole = KillMoments(tmp_path / "one", *words)
    assert [kind for kind, _ in sources(whole.workspace)] == ["sim", "sim", "recording", "recording"]
    whole.left(tmp_path / "other", 6)
    assert len(sources(tmp_path / "other")) == 2, "killed at the beginning of the second round"
    ask(tmp_path / "other", "improve", "--resume", "long")
    assert sources(tmp_path / "other") == sources(whole.workspace)


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


def test_what_was_begun_can_be_asked_for_more(tmp_path: Path, run: KillMoments) -> None:
    run.ended(tmp_path)
    first = run.document
    assert first["stopped_by"] == "rounds"
    assert told(ask(tmp_path, "improve", "--resume", "latest")) == told(first), (
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


def test_another_base_and_names_that_leave_the_session_are_refused(tmp_path: Path, run: KillMoments) -> None:
    run.ended(tmp_path)
    path = tmp_path / "recordings/sessions/long" / PROGRESS
    document = json.loads(path.read_text())
    empty = {"acting": "base", "practice": ["../../../etc/passwd"], "candidate": None, "compared": [], "done": None}
    path.write_text(json.dumps({**document, "rounds": [empty]}))
    assert "cannot name a recording" in refused(tmp_path, "improve", "--resume", "long", code=1)
    path.write_text(json.dumps({**document, "asked": {**document["asked"], "base_hash": "0" * 16}}))
    assert "another one: start a new session" in refused(tmp_path, "improve", "--resume", "long")
