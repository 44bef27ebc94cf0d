"""Episodes from the same start, side by side: the videos of held-out trials, and the tries of ``a2g demo``."""

from collections.abc import Sequence
from pathlib import Path

from a2g_cli.adapters.registry import BASE
from a2g_cli.core.errors import RecordingError
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import Session
from a2g_cli.report.contents import Card, Pair
from a2g_cli.report.episodes import Gallery, Known
from a2g_cli.runtime.videos import PURPOSE

HELD_OUT = Known("held-out trial", policy_ends=False)


def video_pairs(gallery: Gallery, folder: Path, names: Sequence[tuple[str, str]]) -> tuple[list[Pair], list[str]]:
    """Return the trials of which ``folder`` holds a video of every adapter in ``names``, and what could not be read.

    Args:
        gallery: makes the cards.
        folder: of the videos.
        names: (adapter, label) in the order of the columns.
    """
    trials: dict[tuple[str, str, int, int], dict[str, Card]] = {}
    problems: list[str] = []
    wanted = {adapter for adapter, _ in names}
    for path in Session(folder).recordings():
        try:
            with Recording(path) as recording:
                provenance, goal = recording.provenance, recording.goal
            adapter, settings = provenance.adapter_name or "", provenance.settings
            if settings.get("purpose") != PURPOSE or adapter not in wanted:
                continue
            key = (goal.name, goal.fingerprint, int(settings["trials_seed"]), int(settings["trial"]))
            trials.setdefault(key, {})[adapter] = gallery.card(path, HELD_OUT)
        except (RecordingError, KeyError, TypeError, ValueError) as error:
            problems.append(f"The video {path.name} cannot be read: {error}")
    pairs = [
        _pair(f"{goal}, held-out start {trial + 1}", [(label, sides[adapter]) for adapter, label in names])
        for (goal, _, _, trial), sides in sorted(trials.items())
        if wanted <= sides.keys()
    ]
    return pairs, problems


def try_pair(gallery: Gallery, first: Path, last: Path) -> Pair:
    """Return two tries of one goal from the same start, before and after practice. Raises RecordingError."""
    before, after = (gallery.card(path, Known("single try")) for path in (first, last))
    sides = [(f"before: {_called(before.adapter)}", before), (f"after: {_called(after.adapter)}", after)]
    return _pair(f"{before.goal}, one try from the same start", sides)


def before_and_after(before: str, after: str) -> list[tuple[str, str]]:
    """Return the columns of a run in which ``before`` acted at first, and ``after`` in the end."""
    return [(before, f"before: {_called(before)}"), (after, f"after: {_called(after)}")]


def _called(adapter: str) -> str:
    return "the base policy" if adapter == BASE else adapter


def _pair(title: str, sides: Sequence[tuple[str, Card]]) -> Pair:
    return Pair(title, sides[0][1].goal_image, sides)
