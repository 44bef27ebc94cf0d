"""What a run publishes for those who follow it, and the request to stop that it hears: never at the control loop's cost."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from cli_examples import a2g, ask
from live_examples import until
from recording_examples import TINY, goal, observation

from a2g_cli.core.errors import A2GError
from a2g_cli.core.types import Outcome
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import Session, list_sessions
from a2g_cli.live import publisher, state
from a2g_cli.live.publisher import ROWS, Publisher, png
from a2g_cli.live.state import STATE, STOP, Live, State, live_in, lives
from a2g_cli.runtime.interrupt import Interrupt


@contextmanager
def publishing(
    root: Path, session: str = "monday", stop: Callable[[str], None] = lambda _: None
) -> Iterator[Publisher]:
    with Publisher(Workspace(root), session, "a2g run", stop, adapter="base", robot="sim:place") as live:
        yield live


def the(root: Path) -> Live:
    (found,) = lives(Workspace(root))
    return found


def test_who_follows_reads_what_was_told(tmp_path: Path) -> None:
    with publishing(tmp_path) as live:
        live.part("episodes", 4)
        live.began(replace(goal(0, TINY), name="cup"), 60)
        live.planned(observation(0, 0, TINY), {}, 12.0, 0.1)
        live.stepped(7, observation(1, 0, TINY), 11.0)
        live.said("a line")
        live.advanced(1, successes=1, judged=1)
        until(lambda: the(tmp_path).state.images.get("now") and the(tmp_path).state.step == 7)
        found = the(tmp_path)
        assert found.state.alive
        assert (found.state.goal, found.state.step, found.state.limit) == ("cup", 7, 60)
        assert (found.state.steps_to_go, found.state.estimates) == (11.0, [[0, 12.0]])
        assert (found.state.done, found.state.total, found.state.lines) == (1, 4, ["a line"])
        assert found.state.part_ends is not None
        for name in ("now", "goal"):
            data = found.image(name)
            assert data is not None
            assert data.startswith(b"\x89PNG")
        assert found.image("plan") is None
        assert found.state.images["plan"] == 0
    ended = the(tmp_path).state
    assert (ended.alive, ended.ended) == (False, "It has ended.")


def test_a_plan_is_shown_until_another_one_imagined_something_or_the_episode_ends(tmp_path: Path) -> None:
    frames = [np.full((6, 8, 3), 40 * i, np.uint8) for i in range(5)]
    with publishing(tmp_path) as live:
        live.began(goal(0, TINY), 60)
        live.imagined({"front": frames})
        until(lambda: the(tmp_path).state.images.get("plan", 0) > 0)
        live.planned(observation(0, 0, TINY), {}, 12.0, 0.1)
        assert live._images["plan"]  # files follow later
        live.stepped(1, observation(1, 0, TINY), 11.0)
        until(lambda: the(tmp_path).state.step == 1)
        assert the(tmp_path).image("plan") is not None
        live.began(goal(0, TINY), 60)
        until(lambda: the(tmp_path).state.images.get("plan") == 0)


def test_the_newest_image_is_shown_small(tmp_path: Path) -> None:
    large = np.zeros((3 * ROWS, 4 * ROWS, 3), np.uint8)
    large[..., 0] = 200
    path = tmp_path / "now.png"
    path.write_bytes(png([{"front": large, "wrist": large}]))
    with PIL.Image.open(path) as shown:
        assert shown.height == ROWS
        assert shown.getpixel((5, 5)) == (200, 0, 0)


def test_a_state_comes_back_as_it_was() -> None:
    told = State("monday", "a2g improve", losses={"flow": 0.5}, estimates=[[0, 2.5]], lines=["<b>"], images={"now": 3})
    assert State.from_json(told.to_json()) == told
    told.steps_to_go, told.losses = float("nan"), {"flow": float("inf")}
    assert json.loads(told.to_json())["steps_to_go"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"a2g_live": 2},
        {"session": 3},
        {"step": "7"},
        {"step": True},
        {"at": None},
        {"steps_to_go": "near"},
        {"lines": [1]},
        {"lines": ["x"] * 1001},
        {"estimates": [[1]]},
        {"estimates": [[1, "x"]]},
        {"images": {"now": []}},
        {"losses": [1]},
    ],
    ids=str,
)
def test_a_state_of_another_kind_is_not_shown(tmp_path: Path, change: dict[str, object]) -> None:
    folder = tmp_path / "live" / "monday"
    folder.mkdir(parents=True)
    told = json.loads(State("monday", "a2g run").to_json())
    (folder / STATE).write_text(json.dumps(told))
    assert live_in(folder) is not None
    (folder / STATE).write_text(json.dumps({**told, **change}))
    assert live_in(folder) is None
    assert lives(Workspace(tmp_path)) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_state_is_not_shown(tmp_path: Path, content: bytes) -> None:
    (tmp_path / STATE).write_bytes(content)
    assert live_in(tmp_path) is None


def test_a_link_to_elsewhere_is_not_read(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / STATE).write_text(State("monday", "a2g run").to_json())
    (elsewhere / "now.png").write_bytes(b"secret")
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "monday").symlink_to(elsewhere)
    assert lives(Workspace(tmp_path)) == []
    own = tmp_path / "live" / "own"
    own.mkdir()
    (own / STATE).write_text(State("own", "a2g run").to_json())
    (own / "now.png").symlink_to(elsewhere / "now.png")
    assert the(tmp_path).image("now") is None
    with pytest.raises(KeyError):
        the(tmp_path).image("../monday/now")


def test_a_request_to_stop_is_heard_once(tmp_path: Path) -> None:
    heard: list[str] = []
    with publishing(tmp_path, stop=heard.append):
        until(lambda: lives(Workspace(tmp_path)))
        the(tmp_path).ask_to_stop("somebody")
        until(lambda: heard)
        until(lambda: the(tmp_path).state.stopping == "somebody")
    assert heard == ["somebody"]
    assert the(tmp_path).state.ended == "It was stopped softly: somebody asked for it."
    with pytest.raises(A2GError, match="does not run any more"):
        the(tmp_path).ask_to_stop("somebody")


def test_a_request_for_an_earlier_run_is_not_heard(tmp_path: Path) -> None:
    heard: list[str] = []
    with publishing(tmp_path, stop=heard.append) as live:
        until(lambda: lives(Workspace(tmp_path)))
        found = the(tmp_path)
        older = Live(found.folder, replace(found.state, started=found.state.started - 1))
        (older.folder / STOP).write_text(
            json.dumps({"who": "x", "pid": older.state.pid, "started": older.state.started})
        )
        looks = live.state.at
        until(lambda: live.state.at > looks)
    assert heard == []


def test_what_was_asked_before_a_run_began_is_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "live" / "monday"
    folder.mkdir(parents=True)
    (folder / STOP).write_text("anything")
    heard: list[str] = []
    with publishing(tmp_path, stop=heard.append) as live:
        until(lambda: live.state.at)
    assert heard == []


def test_ended_runs_are_cleared_by_the_next_and_others_stay(tmp_path: Path) -> None:
    with publishing(tmp_path, "first"):
        pass
    with publishing(tmp_path, "second"), publishing(tmp_path, "third"):
        until(lambda: {one.folder.name for one in lives(Workspace(tmp_path))} == {"second", "third"})
    assert not (tmp_path / "live" / "first").exists()


def test_the_control_loop_never_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, freed = threading.Event(), threading.Event()

    def waits(*_: object) -> bytes:
        stuck.set()
        freed.wait(60)
        return b""

    monkeypatch.setattr(publisher, "png", waits)
    with publishing(tmp_path) as live:
        live.began(goal(0, TINY), 60)
        assert stuck.wait(60)
        for step in range(1000):
            live.stepped(step, observation(0, 0, TINY), 3.0)
        assert not freed.is_set()
        freed.set()
    assert the(tmp_path).state.step == 999


def test_a_disk_that_refuses_stops_nothing_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "live").write_text("not a folder")
    with publishing(tmp_path) as live:
        live.stepped(1, observation(0, 0, TINY), 3.0)
    assert "live" in live.problem


def test_an_interrupt_can_be_requested_from_another_thread() -> None:
    told: list[str] = []
    with Interrupt(lambda: told.append(interrupt.words())) as interrupt:
        assert not interrupt()
        threading.Thread(target=interrupt.request, args=("the page",)).start()
        until(interrupt)
    assert told == ["stopping, as the page asked: finishing the step, saving …"]
    assert interrupt.who == "the page"


def stop_when(root: Path, ready: Callable[[State], bool]) -> threading.Thread:
    """Ask the run in ``root`` to stop, from another thread, when its state is ``ready``."""

    def wait() -> None:
        until(lambda: any(ready(one.state) for one in lives(Workspace(root))))
        the(root).ask_to_stop("somebody at the page of a2g view")

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_run_that_is_asked_to_stop_keeps_its_episode_and_says_why(tmp_path: Path) -> None:
    ask(tmp_path, "capture-goal", "cup")
    asking = stop_when(tmp_path, lambda one: one.step >= 2 and one.images.get("plan", 0) > 0)
    result = a2g(tmp_path, "run", "cup", "--adapter", "base", "--episodes", 500, "--steps", 1000)
    asking.join()
    assert result.exit_code == 130
    assert "stopping, as somebody at the page of a2g view asked" in result.stderr
    assert "stopped softly: somebody at the page of a2g view asked for it" in result.stdout
    (session,) = list_sessions(Workspace(tmp_path))
    with Recording(session.recordings()[-1]) as recording:
        assert recording.outcome.stopped_by == "interrupted"
    assert the(tmp_path).state.ended == "It was stopped softly: somebody at the page of a2g view asked for it."


def test_an_improvement_shows_its_first_robot_and_stops_when_it_is_asked(tmp_path: Path, hard: Path) -> None:
    ask(tmp_path, "capture-goal", "cup")
    seen: list[State] = []

    def practises(one: State) -> bool:
        seen.append(one)
        shown = all(one.images.get(name, 0) > 0 for name in ("now", "plan", "goal"))
        return one.part.startswith("round 1") and one.step >= 1 and shown

    asking = stop_when(tmp_path, practises)
    words = (
        "improve",
        "cup",
        "--base",
        hard,
        "--episodes",
        30,
        "--evaluation",
        1,
        "--session",
        "tuesday",
        "--no-report",
    )
    result = a2g(tmp_path, *words)
    asking.join()
    assert result.exit_code == 130, result.output
    assert "as somebody at the page of a2g view asked" in result.stdout
    assert "resume" in result.stdout
    assert {one.goal for one in seen} - {""} == {"cup"}
    assert (seen[-1].command, seen[-1].rounds > 0, seen[-1].judged >= 0) == ("a2g improve", True, True)
    assert Session(tmp_path / "recordings" / "sessions" / "tuesday").recordings()


def test_what_ended_an_episode_is_counted(tmp_path: Path) -> None:
    from a2g_cli.live.following import FollowedRollout

    class View:
        def __getattr__(self, _: str) -> Callable[..., None]:
            return lambda *_: None

    with publishing(tmp_path) as live, FollowedRollout(View(), live) as view:  # type: ignore[arg-type]
        view.episode_started(0, 2, goal(0, TINY), 10)
        view.episode_ended(0, Outcome(True, "truth", "success"), 3, None)
        view.episode_ended(1, Outcome(None, "none", "steps"), 3, None)
    told = the(tmp_path).state
    assert (told.done, told.total, told.successes, told.judged) == (2, 2, 1, 1)


def test_a_run_whose_process_has_gone_is_not_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    told = State("monday", "a2g run", pid=2**22 + 1, host=state.Owner.here("x").host, started=1.0, at=time.time())
    assert not told.alive
