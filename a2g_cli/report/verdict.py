"""The verdict of a report: one sentence about the goal that was asked for, no stronger than its intervals allow."""

from collections.abc import Sequence

from a2g_cli.report.contents import Rate
from a2g_cli.runtime.evaluation import wilson

Verdict = tuple[str, str]
"""(sentence, tone): ``good``, ``bad`` or ``open``."""


def rate(label: str, successes: int, n: int, judge: str) -> Rate:
    """Return a rate with its 95 % Wilson interval."""
    low, high = wilson(successes, n)
    return Rate(label, successes, n, low, high, judge)


def practised(what: str, before: Rate, after: Rate, changed: bool) -> Verdict:
    """Return what practice brought on held-out trials.

    Args:
        what: the goal, as ``the goal cup``.
        before: its rate before practice.
        after: and after.
        changed: whether an adapter was promoted.
    """
    if not changed:
        return f"Nothing was promoted: {what} is still reached in {_counted(after)} held-out trials.", "open"
    numbers = f"{what} is reached in {_counted(after)} held-out trials, before practice in {_counted(before)}"
    if after.low > before.high:
        return f"Practice helped: {numbers}.", "good"
    if after.high < before.low:
        return f"Practice did harm: {numbers}.", "bad"
    if after.rate == before.rate:
        return f"Practice changed nothing that can be seen: {numbers}.", "open"
    effect = "helped" if after.rate > before.rate else "done harm"
    return f"Practice may have {effect}: {numbers}. The intervals overlap, so this may be chance.", "open"


def estimated(what: str, judge: str, first: Rate, last: Rate, rounds: int) -> Verdict:
    """Return what practice brought as its judge says, where nothing was measured on held-out trials."""
    begin = f"{what[:1].upper()}{what[1:]} was reached in {_counted(last)} practice episodes"
    compared = f" of the last round, in {_counted(first)} of the first" if rounds > 1 else ""
    return f"{begin}{compared} ({judge}). Nobody measured it on held-out trials.", "open"


def recorded(what: str, total: Rate) -> Verdict:
    """Return how often a session's episodes reached their goal."""
    if not total.n:
        return f"Nobody judged whether {what} was reached.", "open"
    tone = "good" if total.low > 0.5 else "bad" if total.high < 0.5 else "open"
    return f"{what[:1].upper()}{what[1:]} was reached in {_counted(total)} judged episodes ({total.judge}).", tone


def compared(rates: Sequence[Rate]) -> Verdict:
    """Return which of several adapters is best on the same trials."""
    best = max(rates, key=lambda one: one.rate)
    if len(rates) == 1:
        return f"{best.label} succeeded in {_counted(best)} held-out trials.", "open"
    second = max((one for one in rates if one is not best), key=lambda one: one.rate)
    numbers = f"{best.label} {_counted(best)}, {second.label} {_counted(second)}"
    if best.low > second.high:
        return f"{best.label} is best on these trials: {numbers}.", "good"
    return f"No adapter is clearly best on these trials: {numbers}; the intervals overlap.", "open"


def _counted(one: Rate) -> str:
    return f"{one.successes} of {one.n}"
