"""Types commands, and what they print to be typed."""

import re
import shlex

from typer.testing import CliRunner, Result

from a2g_cli.cli.app import app

_LABELLED = re.compile(r"(?:^|; |[^ ]: )(?:(next|undo|promote|watch|go on): )(a2g .*)$")
SHORT = {"evaluate": ["--episodes", "1", "--steps", "2"], "run": ["--steps", "3"], "adapt": ["--iterations", "1"]}
"""What makes a printed command quick; everything that decides whether it is refused stays as it is printed."""


def typed(*words: object, code: int | set[int] = 0) -> Result:
    """Type ``a2g words...`` in the present folder."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    codes = code if isinstance(code, set) else {code}
    assert result.exit_code in codes, (words, result.exit_code, result.stdout, result.stderr, result.exception)
    return result


def printed(result: Result) -> dict[str, str]:
    """Return label -> the command behind it."""
    return {match[1]: match[2] for line in result.stdout.splitlines() if (match := _LABELLED.search(line))}


def follow(command: str, code: int | set[int] = 0) -> Result:
    """Type a command as it was printed, only quicker."""
    program, *words = shlex.split(command)
    assert program == "a2g"
    return typed(*words, *SHORT.get(words[0], []), code=code)
