"""Which sessions ``a2g adapt`` takes: those under way and those that are no practice are left out, and it is said."""

import fcntl
import os
import re
from pathlib import Path

import pytest
from cli_examples import cut_off, record
from following_examples import typed

from a2g_cli.data.recording.practice import held, recorder_of
from a2g_cli.data.recording.sessions import Session
from a2g_cli.training.demonstrations import record_demonstrations


def test_demonstrations_are_no_practice(here: Path) -> None:
    record(here, "monday/episode-0000")
    shown = Session(here / "recordings/sessions/shown")
    record_demonstrations(shown, "place", 5, 1, processes=1)
    for newer in shown.recordings():
        os.utime(newer, (2e9, 2e9))
    said = typed("adapt", "--dry-run").stdout
    assert "learning from 1 recording in session monday." in said
    assert "session shown is left out: it is not practice (policy: expert)" in said
    assert "learning from 1 recording in session shown." in typed("adapt", "shown", "--dry-run").stdout


class TestWhatIsGoingOn:
    """A session that a program records into is left out, between its episodes too, and nobody else records into it."""

    @pytest.fixture
    def sessions(self, here: Path) -> Session:
        record(here, "monday/episode-0000")
        newer = record(here, "tuesday/episode-0000")
        os.utime(newer, (2e9, 2e9))
        return Session(newer.parent)

    def test_it_is_taken_when_it_has_ended(self, sessions: Session) -> None:
        with held(sessions, "a2g run"):
            said = typed("adapt", "--dry-run").stdout
            assert "learning from 1 recording in session monday." in said
            assert re.search(r"session tuesday is left out: a2g run \(process \d+ on .*\) is recording it\.", said)
            assert "in session tuesday." in typed("adapt", "tuesday", "--dry-run").stdout, "whoever names it gets it"
        assert "learning from 1 recording in session tuesday." in typed("adapt", "--dry-run").stdout
        assert not list(sessions.folder.parent.glob(".*"))

    def test_an_episode_of_an_older_version_counts_too(self, here: Path, sessions: Session) -> None:
        partial = cut_off(here, "tuesday/episode-0001")
        assert "in session tuesday." in typed("adapt", "--dry-run").stdout, "a dead program's episode holds nobody up"
        with partial.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            assert "in session monday." in typed("adapt", "--dry-run").stdout

    def test_where_nothing_else_is_there_it_is_said(self, here: Path, sessions: Session) -> None:
        typed("recordings", "rm", "monday", "--yes")
        with held(sessions, "a2g improve"):
            said = typed("adapt", code=2).stderr
        assert "Session tuesday is left out: a2g improve" in said

    def test_a_run_and_an_improvement_hold_theirs(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[str | None] = []
        whole = Session.next_path

        def look(session: Session) -> Path:
            seen.append(recorder_of(session))
            return whole(session)

        monkeypatch.setattr(Session, "next_path", look)
        typed("capture-goal", "cup", "--seed", 3)
        typed("run", "cup", "--adapter", "random", "--steps", 3, code=5)
        assert seen[0] is not None
        assert seen[0].startswith("a2g run (process ")
        words = ("--rounds", 1, "--episodes", 1, "--steps", 3, "--evaluation", 1, "--iterations", 1)
        typed("improve", "--session", "mine", *words)
        session = Session(here / "recordings/sessions/mine")
        assert recorder_of(session) is None
        with held(session, "a2g improve"):
            said = typed("improve", "--resume", "mine", code=1).stderr
        assert "is locked by a2g improve" in said
