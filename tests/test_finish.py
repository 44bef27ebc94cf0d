import json
import math
import pickle

import pytest
import typer

from a2g_cli.commands.report import Report
from a2g_cli.errors import A2GError, HardwareError, UnknownNameError
from a2g_cli.finish import finish


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
