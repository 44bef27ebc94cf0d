"""How often each named goal was reached in practice, as a judge says; and how often it errs, where a simulator knows."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from a2g_cli.core.types import Goal
from a2g_cli.data.recording.reader import Recording
from a2g_cli.improvement.state import RunState
from a2g_cli.runtime.evaluation import Result


def practice_rates(
    progress: RunState, goals: Sequence[Goal], reached: Callable[[Path], bool], judge: str = "policy"
) -> dict[str, dict[str, Any]]:
    """Return goal -> ``before`` and ``after``, each a ``Result`` as JSON with that judge; None without episodes.

    Before: the practice episodes of the first round. After: the last round's episodes of the adapter that acts from then on:
    its episodes in the gate if it was promoted, else the round's practice.

    Args:
        progress: of the run.
        goals: the named goals.
        reached: whether a recorded episode reached its goal.
        judge: who says so.
    """
    rates: dict[str, dict[str, Any]] = {goal.name: {"before": None, "after": None} for goal in goals}
    ended = [(state, state.done) for state in progress.rounds if state.done is not None]
    if not ended:
        return rates
    (first, _), (last, result) = ended[0], ended[-1]
    moments = {
        "before": (first.acting, first.parent or first.practice),
        "after": (result.adapter, last.compared) if result.promoted else (last.acting, last.parent or last.practice),
    }
    for moment, (adapter, names) in moments.items():
        episodes = _by_goal(progress.session.folder / name for name in names)
        for goal in rates.keys() & episodes.keys():
            successes = sum(reached(path) for path in episodes[goal])
            rates[goal][moment] = Result(adapter, len(episodes[goal]), successes, 0.0, judge).to_json()
    return rates


def false_successes(said: Sequence[tuple[Path, bool]]) -> int | None:
    """Return how many episodes a judge called successes and the simulator did not; None where no simulator knows.

    Args:
        said: episodes, and whether the judge says that they reached their goal.
    """
    known = [(reached, truth) for path, reached in said if (truth := truth_of(path)) is not None]
    return sum(reached and not truth for reached, truth in known) if known else None


def distrust(judge: str, said: int, false: int | None) -> str | None:
    """Return a warning if more than a quarter of what a judge calls successes are none, and at least three.

    Args:
        judge: as people read it.
        said: its successes.
        false: how many of them are none, by the simulator; None: nobody knows.
    """
    if false is None or false < 3 or 4 * false <= said:
        return None
    return (
        f"the {judge} says that {said} episodes of this round reached their goal; by the simulator {false} of them did not. "
        "What such a judge keeps and promotes is not to be trusted here: use --judge person, or --judge truth for experiments"
    )


def truth_of(path: Path) -> bool | None:
    """Return whether an episode reached its goal, by a simulator or an environment; None where neither knows.

    Raises:
        RecordingError: it cannot be read.
    """
    with Recording(path) as recording:
        return recording.outcome.success if recording.outcome.judge in {"truth", "environment"} else None


def _by_goal(paths: Iterable[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in paths:
        with Recording(path) as recording:
            found.setdefault(recording.goal.name, []).append(path)
    return found
