"""What a pretraining has come to, in plain words: how good the base is, what holds it back, and what to do next.

The bounds are rules of thumb, from few measurements (docs/pretraining.md): a base of one simple task came to .75 with 200
demonstrations and 33,600 segments, and the actions of the base that ships err by .25 to .4 standard deviations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from a2g_cli.training.progress import ACTION_ERROR, worlds_of

ENOUGH_DEMONSTRATIONS = 50
ENOUGH_SEGMENTS = 30_000
GOOD_RATE, USABLE_RATE = 0.5, 0.1
"""Success rates from which on a base is worth practising with, and improves by practice at least now and then."""
LEARNED = 0.6
"""Action error on its own demonstrations above which a base has not learned them [standard deviations of the actions]."""
OVERFIT = 1.3
"""Action error on held-out demonstrations, relative to that on its own, from which on demonstrations are too few."""


@dataclass(frozen=True)
class Verdict:
    """What a training has come to."""

    word: str
    """``good``, ``usable``, ``too few demonstrations``, ``stopped too early``, ``drifts``, ``not measured``."""
    text: str
    """In plain words."""
    advice: str
    """What to do next; empty where the base is good."""

    def to_json(self) -> dict[str, str]:
        """Return the entry of the document."""
        return {"word": self.word, "text": self.text, "advice": self.advice}

    def lines(self) -> list[str]:
        """Return it as lines."""
        return [f"verdict: {self.text}", *([f"advice: {self.advice}"] if self.advice else [])]


def advance(demonstrations: int, segments: int) -> list[str]:
    """Return what is likely to be too little, before anything is trained; empty if nothing is.

    Args:
        demonstrations: that are trained on.
        segments: that the policy will see.
    """
    found = []
    if demonstrations < ENOUGH_DEMONSTRATIONS:
        found.append(
            f"{demonstrations} demonstrations are few: {ENOUGH_DEMONSTRATIONS} to 300 are usual for one task; expect little"
        )
    if segments < ENOUGH_SEGMENTS:
        found.append(
            f"{segments:,} segments are few: the smallest base of one task that worked here saw about {ENOUGH_SEGMENTS:,}; "
            "give more --iterations or --minutes"
        )
    return found


def judge_training(
    evaluations: Sequence[Mapping[str, Any]],
    demonstrations: int,
    segments: int,
    own_error: float | None,
    can_push: bool,
) -> Verdict:
    """Return the verdict of a training that has ended.

    Args:
        evaluations: what was measured on the way, the last one at the end.
        demonstrations: that were trained on.
        segments: that the policy saw.
        own_error: action error on the base's own demonstrations [standard deviations]; None: not measured.
        can_push: whether the demonstrations' world can record disturbed ones.
    """
    last = evaluations[-1] if evaluations else {}
    worlds, error = worlds_of(last), last.get(ACTION_ERROR)
    n, reached = (sum(row[key] for row in worlds.values()) for key in ("n", "successes"))
    if not n and error is None:
        return Verdict(
            "not measured",
            "nothing was measured: there is no held-out demonstration and no world that knows success.",
            "give 10 demonstrations or more, or a robot that knows success (docs/worlds.md).",
        )
    errors = _errors(error, own_error)
    text = f"reaches {reached} of {n} new goals{f' ({errors})' if errors else ''}." if n else f"{errors}."
    cause, advice = _cause(demonstrations, segments, error, own_error, can_push, success_is_known=bool(n))
    if n and reached >= GOOD_RATE * n:
        return Verdict("good", f"{text} Good enough to practise with.", "")
    if n and reached >= USABLE_RATE * n:
        return Verdict("usable", f"{text} Practice can improve it. {_WORDS[cause]}", advice)
    if n or cause != "drifts":
        return Verdict(cause, f"{text} {_WORDS[cause]}", advice)
    return Verdict("good", f"{text} Whether it reaches its goals is not known: nothing here knows success.", "")


_WORDS = {
    "too few demonstrations": "Too few demonstrations: it does on its own what it does not do on others.",
    "stopped too early": "Stopped too early: it has not yet learned its own demonstrations.",
    "drifts": "It acts as demonstrated where the demonstrator was, and loses its way where nobody was.",
}


def _errors(error: float | None, own: float | None) -> str:
    parts = [] if error is None else [f"on held-out demonstrations its actions err by {error:.2f}"]
    parts += [] if own is None else [f"on its own by {own:.2f}"]
    return f"{', '.join(parts)}; guessing the mean errs by 1" if parts else ""


def _cause(
    demonstrations: int,
    segments: int,
    error: float | None,
    own: float | None,
    can_push: bool,
    success_is_known: bool,
) -> tuple[str, str]:
    """Return what holds a base back, a key of ``_WORDS``, and the advice."""
    longer = f"train for longer (`--grow` goes on with this run): it saw {segments:,} segments"
    more = f"record more than these {demonstrations} demonstrations, or add `--copies 3`"
    if own is not None and own > LEARNED:
        return "stopped too early", f"{longer}."
    if error is not None and own is not None and error > OVERFIT * own:
        return "too few demonstrations", f"{more}."
    if success_is_known and segments < ENOUGH_SEGMENTS:
        return "stopped too early", f"{longer}."
    if success_is_known and demonstrations < ENOUGH_DEMONSTRATIONS:
        return "too few demonstrations", f"{more}."
    pushed = "record disturbed demonstrations (`a2g demonstrate --disturb 0.5`)"
    other = "record demonstrations that begin from many places and recover from mistakes"
    return "drifts", f"{pushed if can_push else other}, and see whether the camera shows what the goal asks for."
