"""``a2g recordings``: list, show, verify, repair and remove; what is being recorded is left alone."""

from pathlib import Path

import h5py
from cli_examples import STEPS, a2g, ask, cut_off, record, refused, shelve
from report_examples import put

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.sessions import Session


class TestRecordings:
    def test_list_of_sessions_and_of_one(self, tmp_path: Path) -> None:
        record(tmp_path)
        cut_off(tmp_path)
        (session,) = ask(tmp_path, "recordings", "list")["sessions"]
        assert (session["name"], session["recordings"], session["unfinished"]) == ("monday", 1, 1)
        listed = ask(tmp_path, "recordings", "list", "monday")
        assert listed["recordings"][0]["name"] == "monday/episode-0000"
        assert len(listed["unfinished"]) == 1
        assert "recordings repair" in a2g(tmp_path, "recordings", "list").stdout
        assert "no success, step limit" in a2g(tmp_path, "recordings", "list", "latest").stdout

    def test_a_list_says_what_sessions_came_to(self, tmp_path: Path) -> None:
        sessions = tmp_path / "recordings/sessions"
        put(sessions / "monday/episode-0000.hdf5", success=True)
        put(sessions / "monday/episode-0001.hdf5", success=False, name="pan", adapter="adapter-001")
        put(sessions / "monday/episode-0002.hdf5", success=None, name="lid", adapter="adapter-002")
        (sessions / "monday/episode-0003.hdf5").write_bytes(b"cut off")
        put(sessions / "tuesday/episode-0000.hdf5", success=None)
        monday, tuesday = ask(tmp_path, "recordings", "list")["sessions"]
        assert (monday["goals"], monday["adapters"]) == (["cup", "pan", "lid"], ["base", "adapter-001", "adapter-002"])
        assert (monday["successes"], monday["judged"], monday["damaged"], monday["recordings"]) == (1, 2, 1, 4)
        assert (tuesday["successes"], tuesday["judged"], tuesday["shifts"]) == (0, 0, ["lighting:1"])
        _, *rows = a2g(tmp_path, "recordings", "list").stdout.splitlines()
        assert [row.split("  ")[0] for row in rows] == ["monday", "tuesday"]  # the newest is nearest to the prompt
        assert all(words in rows[0] for words in ("3 goals", "  1/2  ", "3 adapters", "1 damaged"))
        assert all(words in rows[1] for words in ("  cup  ", "  -  ", "  base  ", "  lighting:1  "))

    def test_show_has_the_documented_keys(self, tmp_path: Path) -> None:
        record(tmp_path)
        (shown,) = ask(tmp_path, "recordings", "show", "monday/episode-0000")["recordings"]
        assert (shown["steps"], shown["seconds"], shown["rate"], shown["problem"]) == (STEPS, 0.5, 10.0, None)
        judged = {"success": False, "judge": "truth", "steps_to_go": 31.5, "distance": None}
        assert shown["outcome"] == {**judged, "stopped_by": "steps"}
        assert shown["provenance"]["adapter_name"] == "adapter-001"
        assert "31.5 at the end" in a2g(tmp_path, "recordings", "show", "latest").stdout

    def test_names_that_do_not_exist(self, tmp_path: Path) -> None:
        record(tmp_path)
        assert "did you mean monday?" in refused(tmp_path, "recordings", "show", "mondey")
        assert "did you mean monday/episode-0000" in refused(tmp_path, "recordings", "show", "monday/episode-0001")
        assert "did you mean monday/episode-0000" in refused(tmp_path, "recordings", "rm", "monday/episode-0", "--yes")

    def test_a_truncated_and_a_foreign_file(self, tmp_path: Path) -> None:
        path = record(tmp_path)
        path.write_bytes(path.read_bytes()[:3000])
        with h5py.File(path.with_name("episode-0001.hdf5"), "w") as file:
            file["x"] = 1
        shown = ask(tmp_path, "recordings", "show", "monday", code=1)["recordings"]
        assert all(entry["problem"] for entry in shown)
        verified = ask(tmp_path, "recordings", "verify", code=1)
        assert (verified["sound"], verified["damaged"]) == (0, 2)
        listed = a2g(tmp_path, "recordings", "list", "monday")
        assert (listed.exit_code, listed.stdout.count("damaged")) == (0, 2)

    def test_verify_of_what_is_sound(self, tmp_path: Path) -> None:
        path = record(tmp_path)
        verified = ask(tmp_path, "recordings", "verify", path)
        sound = {"name": "monday/episode-0000", "path": str(path), "problems": [], "notes": []}
        assert verified["recordings"] == [sound]

    def test_repair_saves_every_whole_step_once(self, tmp_path: Path) -> None:
        partial = cut_off(tmp_path, steps=3)
        promised = ask(tmp_path, "recordings", "repair", "--dry-run")
        assert len(list(partial.parent.iterdir())) == 1
        done = ask(tmp_path, "recordings", "repair")
        assert promised["repaired"] == done["repaired"]
        assert (done["repaired"][0]["steps"], done["failed"]) == (3, [])
        assert partial.exists()
        assert ask(tmp_path, "recordings", "repair")["repaired"] == []
        assert "salvaged before" in ask(tmp_path, "recordings", "repair", partial, code=1)["failed"][0]["problem"]
        ask(tmp_path, "recordings", "show", "monday/episode-0007-salvaged")

    def test_repair_of_what_is_nothing_of_the_kind(self, tmp_path: Path) -> None:
        path = record(tmp_path)
        assert "complete" in refused(tmp_path, "recordings", "repair", "monday/episode-0000")
        foreign = path.with_name("episode-0003.hdf5.partial")
        foreign.write_bytes(b"something else")
        for option in ([], ["--dry-run"]):
            (failed,) = ask(tmp_path, "recordings", "repair", "monday", *option, code=1)["failed"]
            assert "not an unfinished recording" in failed["problem"]

    def test_rm_of_one_recording_keeps_the_session_in_order(self, tmp_path: Path) -> None:
        first, second = record(tmp_path), record(tmp_path, "monday/episode-0001")
        partial = cut_off(tmp_path)
        index = Session(first.parent).link()
        assert "--yes" in refused(tmp_path, "recordings", "rm", "monday")
        assert ask(tmp_path, "recordings", "rm", first, "--dry-run")["removed"] == [str(first)]
        ask(tmp_path, "recordings", "rm", first, "monday/episode-0007", "--yes")
        assert not first.exists()
        assert not partial.exists()
        with h5py.File(index) as file:
            assert file["data/demo_0/actions"].shape == (STEPS, 4)
            assert len(file["data"]) == 1
        assert second.exists()

    def test_rm_of_a_session_leaves_what_is_not_ours(self, tmp_path: Path) -> None:
        path = record(tmp_path)
        video = path.with_name("best.mp4")
        video.write_bytes(b"")
        said = a2g(tmp_path, "recordings", "rm", "monday", "--yes")
        assert "other files" in said.stdout
        assert list(path.parent.iterdir()) == [video]
        record(tmp_path, "tuesday/episode-0000")
        ask(tmp_path, "recordings", "rm", "tuesday", "--yes")
        assert not (tmp_path / "recordings" / "sessions" / "tuesday").exists()

    def test_rm_of_what_an_adapter_learned_from_needs_force(self, tmp_path: Path) -> None:
        path = record(tmp_path)
        other = record(tmp_path, "monday/episode-0001")
        shelve(tmp_path, "taught", recordings=["monday/episode-0000.hdf5 0123456789abcdef"])
        for words in (("monday",), (path,)):
            assert "taught learned from 1 of these" in refused(tmp_path, "recordings", "rm", *words, "--yes")
        ask(tmp_path, "recordings", "rm", other, "--yes")
        ask(tmp_path, "recordings", "rm", "monday", "--yes", "--force")
        assert not path.exists()

    def test_rm_waits_for_an_adapter_in_the_making(self, tmp_path: Path) -> None:
        path = record(tmp_path)
        with AdapterRegistry(Workspace(tmp_path)).creating("new"):
            assert "the creation of new" in refused(tmp_path, "recordings", "rm", "monday", "--yes")
        ask(tmp_path, "recordings", "rm", "monday", "--yes")
        assert not path.exists()

    def test_a_session_that_is_a_link_is_removed_where_it_is(self, tmp_path: Path) -> None:
        path = record(tmp_path / "elsewhere")
        partial = cut_off(tmp_path / "elsewhere")
        sessions = tmp_path / "recordings" / "sessions"
        sessions.mkdir(parents=True)
        (sessions / "linked").symlink_to(path.parent)
        assert ask(tmp_path, "recordings", "list")["sessions"][0]["recordings"] == 1
        assert "is a link" in refused(tmp_path, "recordings", "rm", "linked", "--yes")
        assert "is a link" in refused(tmp_path, "recordings", "repair", "linked")
        assert ask(tmp_path, "recordings", "repair")["repaired"] == []
        assert sorted(path.parent.glob("*.hdf5*")) == [path, partial]

    def test_verify_finds_the_same_episode_twice_and_a_stale_session_file(self, tmp_path: Path) -> None:
        first = record(tmp_path)
        Session(first.parent).link()
        assert ask(tmp_path, "recordings", "verify")["sessions"] == []
        record(tmp_path, "tuesday/episode-0004")
        record(tmp_path, "monday/episode-0001")
        assert "is the same episode as" in a2g(tmp_path, "recordings", "verify", "tuesday", "monday").stdout
        found = ask(tmp_path, "recordings", "verify", code=1)
        assert found["damaged"] == 0
        assert found["duplicates"] == [
            ["monday/episode-0000", "monday/episode-0001"],
            ["monday/episode-0000", "tuesday/episode-0004"],
        ]
        assert [session["name"] for session in found["sessions"]] == ["monday"]
        ask(tmp_path, "recordings", "repair")
        assert len(ask(tmp_path, "recordings", "verify")["duplicates"]) == 2  # worth knowing, and nothing is wrong

    def test_repair_makes_session_files_again_and_clears_up(self, tmp_path: Path) -> None:
        path = record(tmp_path)
        index = path.with_name("session.hdf5")
        left = path.with_name("episode-0001.hdf5.0a1b2c3d.building")
        left.write_bytes(b"half")
        before = path.read_bytes(), path.stat().st_mtime_ns
        assert ask(tmp_path, "recordings", "repair", "--dry-run")["linked"] == [str(index)]
        assert not index.exists()
        for damage in (None, b"", b"\x89HDF"):
            if damage is not None:
                index.write_bytes(damage)
            assert ask(tmp_path, "recordings", "repair")["linked"] == [str(index)]
            with h5py.File(index) as file:
                assert file["data/demo_0/actions"].shape == (STEPS, 4)
        assert ask(tmp_path, "recordings", "repair", "monday")["linked"] == []
        assert not left.exists()
        assert (path.read_bytes(), path.stat().st_mtime_ns) == before
        path.with_name("episode-0009.hdf5").write_bytes(b"damaged")
        (failed,) = ask(tmp_path, "recordings", "repair", code=1)["failed"]
        assert "episode-0009.hdf5 is not an HDF5 file" in failed["problem"]

    def test_a_session_that_is_being_recorded_is_left_alone(self, tmp_path: Path) -> None:
        """Its episode is not cut off, that is no failure, and links made now would be old at the end."""
        import fcntl

        partial = cut_off(tmp_path)
        before = sorted(partial.parent.iterdir())
        with partial.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            told = ask(tmp_path, "recordings", "repair")
            assert (told["repaired"], told["linked"], told["failed"]) == ([], [], [])
            assert sorted(partial.parent.iterdir()) == before
            (failed,) = ask(tmp_path, "recordings", "repair", "monday", code=1)["failed"]
            assert "being written" in failed["problem"]
        assert len(ask(tmp_path, "recordings", "repair")["repaired"]) == 1

    def test_what_is_being_written_is_not_removed(self, tmp_path: Path) -> None:
        import fcntl

        partial = cut_off(tmp_path)
        with partial.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            assert "is writing" in refused(tmp_path, "recordings", "rm", "monday", "--yes", code=1)
        assert partial.exists()
