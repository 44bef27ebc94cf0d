import json
import math
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from cli_examples import refused
from typer.testing import CliRunner

from a2g_cli import __version__
from a2g_cli.cli.app import app
from a2g_cli.cli.commands.report import Report
from a2g_cli.cli.runner import finish
from a2g_cli.core.errors import A2GError, HardwareError, UnknownNameError


def strict(text: str) -> object:
    """Parse JSON as others do: NaN and Infinity are no JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_has_no_word_for_is_null(capsys: pytest.CaptureFixture[str], number: float) -> None:
    document = {"rate": number, "rows": [{"loss": number}, (1.5, number)], "n": 3, "yes": True, "none": None}
    finish(True, lambda: Report(document, []))
    expected = {"rate": None, "rows": [{"loss": None}, [1.5, None]], "n": 3, "yes": True, "none": None}
    assert strict(capsys.readouterr().out) == expected


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        (HardwareError("lost the arm."), "lost the arm.", 3),
        (OSError(28, "No space left on device", "/here"), "No space left on device: /here", 1),
        (KeyboardInterrupt(), "interrupted", 130),
    ],
    ids=repr,
)
def test_what_else_went_wrong_on_the_way_out_is_told(
    capsys: pytest.CaptureFixture[str], error: BaseException, message: str, code: int
) -> None:
    error.add_note("The robot could not be brought to rest: no brake")

    def work() -> Report:
        raise error

    with pytest.raises(typer.Exit) as left:
        finish(True, work)
    assert left.value.exit_code == code
    out, err = capsys.readouterr()
    told = f"{message} The robot could not be brought to rest: no brake"
    assert strict(out) == {"error": {"message": told, "exit_code": code}}
    assert "could not be brought to rest" in err


def test_an_unknown_name_crosses_from_a_worker_to_its_parent() -> None:
    error = UnknownNameError("scene", "plaec", iter(["place", "stack"]), "Look again.")
    error.add_note("in a worker")
    crossed = pickle.loads(pickle.dumps(error))  # noqa: S301 - what a process pool does
    assert type(crossed) is UnknownNameError
    assert str(crossed) == str(error)
    assert "did you mean place" in str(crossed)
    assert isinstance(crossed, A2GError)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("capture-goal", "cup", "--seed", 2**64), "'--seed': 18446744073709551616 is too large"),
        (("capture-goal", "cup", "--seed", 2**53), "is too large: expected at most 9007199254740991"),
        (("adapt", "--seed", 10**400), "is too large"),
        (("run", "cup", "--seed", -1), "'--seed'"),
        (("adapt", "--lr", "nan"), "'--lr'"),
        (("improve", "--until", "nan"), "'--until'"),
        (("improve", "--max-minutes", "inf"), "'--max-minutes': inf"),
        (("run", "cup", "--reset-timeout", "inf"), "'--reset-timeout': inf"),
        (("adapt", "--slowness-tau", "1e400"), "'--slowness-tau': inf"),
        (("recordings", "import", "x", "--rate", "inf"), "'--rate': inf"),
        (("run", "cup", "--episodes", 10**9), "'--episodes'"),
    ],
    ids=str,
)
def test_a_number_that_no_command_can_use_is_refused(tmp_path: Path, words: tuple[object, ...], message: str) -> None:
    assert message in refused(tmp_path, *words)


HOMELESS = "~no-such-user/x"


@pytest.mark.parametrize(
    "words",
    [
        ("run", "cup", "--base", HOMELESS),
        ("capture-goal", "cup", "--from-image", HOMELESS),
        ("capture-goal", "cup", "--from-image", f"front={HOMELESS}"),
        ("capture-goal", "cup", "--from-recording", HOMELESS),
        ("capture-goal", "cup", "--camera", f"front=images:{HOMELESS}"),
        ("capture-goal", "cup", "--camera", f"front=opencv:{HOMELESS}"),
        ("pretrain", HOMELESS),
        ("pretrain", "x", "--out", HOMELESS),
        ("pretrain", "x", "--autoencoder", HOMELESS),
        ("adapt", HOMELESS),
        ("adapt", "--demonstrations", HOMELESS, "--cotrain", "0.5", HOMELESS),
        ("replay", HOMELESS),
        ("replay", "latest", "--video", HOMELESS),
        ("recordings", "verify", HOMELESS),
        ("recordings", "show", HOMELESS),
        ("recordings", "repair", HOMELESS),
        ("recordings", "rm", "--yes", HOMELESS),
        ("recordings", "import", HOMELESS),
        ("recordings", "export", "latest", "--format", "aloha", "--out", HOMELESS),
    ],
    ids=str,
)
def test_a_home_folder_that_nobody_has_is_refused(tmp_path: Path, words: tuple[object, ...]) -> None:
    assert "~no-such-user has no home folder" in refused(tmp_path, *words)


def test_neither_is_it_a_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no home folder" in refused(Path(HOMELESS), "goals", "list")
    monkeypatch.setenv("A2G_WORKSPACE", HOMELESS)
    said = CliRunner().invoke(app, ["goals", "list"])
    assert (said.exit_code, "no home folder" in said.stderr) == (2, True)


def test_the_home_folder_is_meant_by_every_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert str(tmp_path / "none") in refused(tmp_path, "evaluate", "--base=~/none", "--episodes", 1)


@pytest.mark.parametrize(
    "words", [("--help",), ("capture-goal", "--help"), ("goals", "list"), ("goals", "list", "--json")]
)
def test_a_stdout_that_has_no_code_for_a_letter_gets_a_question_mark(tmp_path: Path, words: tuple[str, ...]) -> None:
    folder = os.fsencode(tmp_path) + b"/gr\xc3\xbcn-\xff"
    os.mkdir(folder)  # noqa: PTH102 - a name of bytes, one of them no UTF-8
    place = {} if "--help" in words else {"A2G_WORKSPACE": folder}
    for encoding in ("ascii", "utf-8") if words == ("goals", "list") else ("ascii",):
        environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
        done = subprocess.run(
            [sys.executable, "-m", "a2g_cli", *words], capture_output=True, env={**environment, **place}, check=False
        )
        assert (done.returncode, done.stderr.count(b"Traceback")) == (0, 0), done.stderr
        assert "--json" not in words or strict(done.stdout.decode("ascii")) == {"goals": []}


@pytest.mark.parametrize("words", [("--version",), ("--version", "goals", "list")], ids=str)
def test_the_version_is_told_with_a_command_and_without(words: tuple[str, ...]) -> None:
    said = CliRunner().invoke(app, words)
    assert (said.exit_code, said.stdout) == (0, f"a2g {__version__}\n")


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="the system has no device that is always full")
@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        ("--help",),
        ("run", "--help"),
        ("goals", "list"),
        ("goals", "list", "--json"),
        ("nosuch", "--json"),
    ],
    ids=str,
)
def test_a_stdout_on_a_full_disk_is_told_in_one_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    environment = os.environ | {"A2G_WORKSPACE": str(tmp_path)}
    command = [sys.executable, "-m", "a2g_cli", *words]
    with FULL.open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment, check=False, text=True)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
        assert "standard output cannot be written to: No space left" in done.stderr
        if words == ("goals", "list"):
            both = subprocess.run(command, stdout=full, stderr=full, env=environment, check=False)
            assert both.returncode == 1
