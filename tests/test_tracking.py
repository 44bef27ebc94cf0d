"""Metrics: a2g's own file is complete whatever a tracker does, and a tracker that fails is said in a line."""

import json
import sys
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli_examples import a2g, ask, record, refused

from a2g_cli.core.errors import A2GError, UnknownNameError
from a2g_cli.core.workspace import Workspace
from a2g_cli.tracking import metrics, trackers
from a2g_cli.tracking.metrics import FILE, Metrics, last_folder, new_folder, read

LOSSES = [
    ("adapting", 1, {"action loss": 2.5}),
    ("adapting", 2, {"action loss": 1.25}),
    ("rounds", 1, {"reached": 0.5}),
]


class Failing:
    """A tracker that fails at one moment, and keeps what it got until then."""

    where = "somewhere"

    def __init__(self, moment: str) -> None:
        self.moment, self.got, self.closed = moment, [], 0
        self._fail("start")

    def _fail(self, now: str) -> None:
        if now == self.moment:
            raise ConnectionError("no\nserver \x1b[31m")

    def log(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        self._fail("log")
        self.got.append((stage, step, dict(values)))

    def close(self) -> None:
        self.closed += 1
        self._fail("close")


def kept(folder: Path) -> list[tuple[str, int, dict[str, Any]]]:
    return [(one["stage"], one["step"], one["values"]) for one in read(folder / FILE)]


WRITTEN = [
    ("adapting", 1, {"action_loss": 2.5}),
    ("adapting", 2, {"action_loss": 1.25}),
    ("rounds", 1, {"reached": 0.5}),
]


@pytest.mark.parametrize("moment", ["start", "log", "close", "never"])
def test_a_tracker_that_fails_is_said_once_and_the_file_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    made: list[Failing] = []

    def begin(*_: object) -> Failing:
        made.append(Failing(moment))
        return made[-1]

    monkeypatch.setattr(trackers, "TRACKERS", {"wandb": begin})
    said: list[str] = []
    with Metrics(tmp_path / "run", "run", said.append, "wandb") as kept_here:
        for stage, step, values in LOSSES:
            kept_here.log(stage, step, values)
    assert kept(tmp_path / "run") == WRITTEN
    failures = [line for line in said if "The run goes on" in line]
    assert len(failures) == (moment != "never")
    assert all("ConnectionError: no server" in line and "\x1b" not in line and "\n" not in line for line in failures)
    assert all(str(tmp_path / "run" / FILE) in line for line in failures)
    if moment in {"close", "never"}:
        assert (made[0].got, made[0].closed) == (WRITTEN, 1)


def test_a_run_that_goes_on_keeps_its_name_and_a_cut_off_line_hides_no_other(tmp_path: Path) -> None:
    with Metrics(tmp_path, "monday", print) as first:
        first.log("adapting", 1, {"loss": 2.0})
        first.log("adapting", 2, {})
    with (tmp_path / FILE).open("a") as file:
        file.write('{"stage": "adapting", "step": 2, "val')
    with Metrics(tmp_path, "monday", print) as second:
        second.log("adapting", 2, {"loss": float("nan")})
    lines = (tmp_path / FILE).read_text().splitlines()
    heads = [json.loads(line) for line in lines if line.startswith('{"a2g_metrics"')]
    assert len(heads) == 2
    assert heads[0]["run"] == heads[1]["run"]
    assert heads[0]["run"].startswith("monday-")
    assert kept(tmp_path) == [("adapting", 1, {"loss": 2.0}), ("adapting", 2, {"loss": None})]
    (tmp_path / FILE).write_text('{"a2g_metrics": 1, "run": "../../x"}\n')
    with Metrics(tmp_path, "tuesday", print) as third:
        third.log("adapting", 1, {"loss": 2.0})
    assert '"run": "tuesday-' in (tmp_path / FILE).read_text()


def test_numbers_of_a_config_that_json_does_not_have_end_no_run(tmp_path: Path) -> None:
    config = {"asked": {"limit": float("inf"), "rates": (float("nan"), 1.0)}, "folder": tmp_path}
    with Metrics(tmp_path, "monday", print, config=config) as kept_here:
        kept_here.log("adapting", 1, {"loss": 2.0})
    head = json.loads((tmp_path / FILE).read_text().splitlines()[0], parse_constant=pytest.fail)
    assert head["config"] == {"asked": {"limit": None, "rates": [None, 1.0]}, "folder": str(tmp_path)}


@pytest.mark.parametrize("obstacle", ["file", "folder"])
def test_a_disk_that_refuses_ends_no_run(tmp_path: Path, obstacle: str) -> None:
    where = tmp_path / "logs"
    if obstacle == "file":
        where.write_text("")
    else:
        (where / FILE).mkdir(parents=True)
    said: list[str] = []
    with Metrics(where, "monday", said.append) as kept_here:
        for step in range(3):
            kept_here.log("adapting", step, {"loss": 1.0})
    assert len(said) == 1
    assert "the metrics cannot be kept" in said[0]


def test_nothing_is_made_before_there_is_something_to_keep(tmp_path: Path) -> None:
    with Metrics(tmp_path / "logs", "monday", print) as kept_here:
        kept_here.log("encoding", 1, {})
    assert not list(tmp_path.iterdir())


def test_folders_of_runs_are_never_shared(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert last_folder(workspace, "a-1") == new_folder(workspace, "a-1") == tmp_path / "logs/a-1"
    for name in ("a-1", "a-1-2", "a-1-3"):
        new_folder(workspace, "a-1").mkdir(parents=True)
        assert last_folder(workspace, "a-1") == tmp_path / "logs" / name


def test_a_tracker_is_looked_for_before_anything_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trackers.check_tracker(None)
    with pytest.raises(UnknownNameError, match="did you mean trackio"):
        trackers.check_tracker("trakio")
    specs = {"wandb": None, "trackio": ModuleSpec("trackio", None, is_package=True)}
    monkeypatch.setattr(trackers, "find_spec", specs.get)
    for name in specs:  # the second is a mere folder
        with pytest.raises(A2GError, match=rf"pip install 'a2g\[{name}\]'"):
            trackers.check_tracker(name)
        for words in (("adapt",), ("improve",), ("improve", "--resume", "x"), ("pretrain", "--scene", "place")):
            assert f"a2g[{name}]" in refused(tmp_path, *words, "--log", name, code=1)
    assert not list(tmp_path.iterdir())


def test_tensorboard_shows_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    said: list[str] = []
    with Metrics(tmp_path / "run", "run", said.append, "tensorboard", {"command": "a2g adapt"}) as kept_here:
        for stage, step, values in LOSSES:
            kept_here.log(stage, step, values)
    events = EventAccumulator(str(tmp_path / "run"))
    events.Reload()
    shown = [(one.step, one.value) for one in events.Scalars("adapting/action_loss")]
    assert shown == [(1, 2.5), (2, 1.25)]
    assert events.Scalars("rounds/reached")[0].value == 0.5
    assert said == [f"logging to TensorBoard: tensorboard --logdir {tmp_path / 'run'}"]


class Library:
    """What W&B and Trackio are asked for, written down."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.api = SimpleNamespace(api_key=None)
        self.dir, self.url = "/x/files", "https://example.org/run"

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            self.asked.append((name, *given, named))
            return self if name == "init" else SimpleNamespace()

        return call


def test_weights_and_biases_draws_each_stage_against_its_own_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library()
    monkeypatch.setitem(sys.modules, "wandb", library)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    said: list[str] = []
    with Metrics(tmp_path, "monday", said.append, "wandb") as kept_here:
        kept_here.log(*LOSSES[0])
    assert "wandb login" in said[0]  # nobody is asked for a key in the middle of a run
    assert not [one for one in library.asked if one[0] == "init"]
    monkeypatch.setenv("WANDB_MODE", "offline")
    with Metrics(tmp_path, "monday", said.append, "wandb") as kept_here:
        for stage, step, values in LOSSES:
            kept_here.log(stage, step, values)
    (started,) = [one[-1] for one in library.asked if one[0] == "init"]
    assert started["resume"] == "allow"
    assert started["id"] == started["name"] == json.loads((tmp_path / FILE).read_text().splitlines()[0])["run"]
    steps = [one[-1]["step_metric"] for one in library.asked if one[0] == "define_metric" and one[-1]]
    assert steps == ["adapting/step", "rounds/step"]
    rows = [one[1] for one in library.asked if one[0] == "log"]
    assert rows[1] == {"adapting/action_loss": 1.25, "adapting/step": 2}
    assert library.asked[-1] == ("finish", {})
    assert said[-1] == "logging to Weights & Biases: wandb sync /x"


def test_trackio_gets_rows_with_their_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    library = Library()
    monkeypatch.setitem(sys.modules, "trackio", library)
    with Metrics(tmp_path, "monday", print, "trackio") as kept_here:
        kept_here.log(*LOSSES[1])
    assert ("log", {"adapting/action_loss": 1.25}, {"step": 2}) in library.asked
    assert library.asked[-1] == ("finish", {})


class TestCommands:
    """Real runs of a base without skill."""

    def test_adapt_keeps_its_losses_though_the_tracker_fails(
        self, tmp_path: Path, easy: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(trackers, "TRACKERS", {"wandb": lambda *_: Failing("log")})
        monkeypatch.setattr(trackers, "find_spec", lambda name: ModuleSpec(name, None, origin="x"))
        for number in range(2):
            record(tmp_path, f"monday/episode-000{number}")
        words = ("--base", easy, "--iterations", 3, "--keep", "all", "--calibrate", "off", "--log", "wandb")
        said = a2g(tmp_path, "adapt", *words)
        assert said.exit_code == 0, said.stderr
        assert said.stderr.count("The run goes on") == 1
        losses = [one for one in kept(tmp_path / "logs/adapter-001") if one[0] == "adapting"]
        assert [step for _, step, _ in losses] == [1, 2, 3]
        (result,) = [one for one in kept(tmp_path / "logs/adapter-001") if one[0] == "result"]
        lineage = json.loads((tmp_path / "adapters/adapter-001/lineage.json").read_text())
        assert result[2] == pytest.approx(lineage["losses"], abs=1e-5)

    def test_improve_keeps_rounds_and_held_out_trials_and_goes_on_in_the_same_file(
        self, tmp_path: Path, easy: Path
    ) -> None:
        words = ("--base", easy, "--episodes", 2, "--steps", 4, "--iterations", 2, "--evaluation", 1)
        first = ask(
            tmp_path, "improve", *words, "--calibrate", "off", "--rounds", 1, "--no-report", "--session", "mine"
        )
        ask(tmp_path, "improve", "--resume", "mine", "--rounds", 2, "--no-report")
        (folder,) = (tmp_path / "logs").iterdir()
        assert folder.name == "mine"
        found = kept(folder)
        assert [(stage, step) for stage, step, _ in found if stage in {"rounds", "held-out"}] == [
            ("held-out", 0),
            ("rounds", 1),
            ("held-out", 1),
            ("held-out", 0),
            ("rounds", 2),
            ("held-out", 2),
        ]
        (one,) = [values for stage, step, values in found if (stage, step) == ("rounds", 1)]
        told = first["rounds"][0]
        assert (one["reached"], one["promoted"], one["episodes"]) == (told["arrived"], told["promoted"], 2)
        assert {stage for stage, _, _ in found} >= {"round_1", "round_2"}


def test_a_name_for_every_value() -> None:
    assert [metrics.key(text) for text in ("Action loss", "success goal <b>", "…", "held-out")] == [
        "action_loss",
        "success_goal_b",
        "value",
        "held-out",
    ]
