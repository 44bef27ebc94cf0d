"""What the page says of runs that go on: words, bars and images, the same when it is opened and when it follows."""

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from a2g_cli.core.workspace import Workspace
from a2g_cli.display.lines import duration
from a2g_cli.live.state import IMAGES, Live, State, lives
from a2g_cli.report.charts import curve
from a2g_cli.view.finding import address

WORDS = {
    "now": "What the robot sees now",
    "plan": "What the policy imagines on the way to the goal",
    "goal": "The goal photo",
}
"""Of each image, for people who do not see it."""


@dataclass(frozen=True)
class Bar:
    """How far something is."""

    value: int
    most: int
    """0: unknown."""


@dataclass(frozen=True)
class Shown:
    """One run on the page."""

    id: str
    """Changes when another run takes its place, or when it ends."""
    link: str
    """Of its session."""
    stop: str
    """Address that takes a request to stop it."""
    run: str
    """Which process is meant by such a request."""
    words: dict[str, str]
    bars: dict[str, Bar]
    images: dict[str, str]
    """Name -> address; empty: there is none."""
    curve: str
    """``points`` of a polyline; empty: there is none."""
    alive: bool
    stopping: bool

    def to_json(self) -> dict[str, Any]:
        """Return what the page's script reads."""
        return asdict(self)


def shown_runs(workspace: Workspace) -> list[Shown]:
    """Return the runs that go on; if none does, the one that ended last."""
    found = lives(workspace)
    alive = [one for one in found if one.state.alive]
    return [shown(one) for one in alive or found[:1]]


def shown(live: Live) -> Shown:
    """Return what the page says of one run."""
    state = live.state
    identity = f"{state.pid}-{state.started}"
    drawn = curve([(int(step), left) for step, left in state.estimates], state.limit)
    return Shown(
        hashlib.sha256(f"{state.session} {identity} {state.alive}".encode("utf-8", "replace")).hexdigest()[:16],
        address("sessions", state.session),
        address("live", live.folder.name, "stop"),
        identity,
        words(state),
        {"episode": Bar(state.step, state.limit), "part": Bar(state.done, state.total)},
        {
            name: f"{address('live', live.folder.name, f'{name}.png')}?n={state.images[name]}"
            if state.images.get(name)
            else ""
            for name in IMAGES
        },
        drawn.line if drawn else "",
        state.alive,
        bool(state.stopping),
    )


def words(state: State) -> dict[str, str]:
    """Return every text about a run, by its place on the page."""
    judged = f"{state.successes} of {state.judged}" if state.judged else "not judged yet"
    return {
        "title": f"{state.command}, goal {state.goal}" if state.goal else state.command,
        "session": state.session,
        "part": state.part or "starting",
        "status": status(state),
        "goal": state.goal or "none yet",
        "step": f"step {state.step} of {state.limit}" if state.limit else "no episode yet",
        "done": f"{state.done} of {state.total}" if state.total else str(state.done),
        "steps_to_go": "no estimate" if state.steps_to_go is None else f"{max(0.0, state.steps_to_go):.0f}",
        "successes": judged,
        "round": f"{state.round} of {state.rounds} done" if state.rounds else "none",
        "left": _left(state.part_ends),
        "run_left": _left(state.run_ends, "at most "),
        "robot": state.robot,
        "shift": state.shift,
        "adapter": state.adapter,
        "plan": f"{state.plan_ms:.0f} ms" if state.plan_ms is not None else "none yet",
        "losses": ", ".join(f"{name} {value:.4g}" for name, value in state.losses.items()) or "none",
        "lines": "\n".join(state.lines),
    }


def status(state: State) -> str:
    """Return in a sentence whether a run goes on."""
    if state.ended:
        return state.ended
    if not state.owner.alive:
        return "It was killed, or its machine was switched off."
    if state.silent:
        return f"It has written nothing for {duration(state.silent)}: what is shown may be old."
    if state.stopping:
        return f"It is stopping softly: {state.stopping} asked for it."
    return f"It runs: {state.part}." if state.part else "It begins."


def _left(ends: float | None, prefix: str = "") -> str:
    """Return the time until ``ends`` [s since 1970] in words."""
    if ends is None or not math.isfinite(ends):
        return "unknown"
    return f"{prefix}{duration(max(0.0, ends - time.time()))}"


def to_json(runs: Sequence[Shown]) -> dict[str, Any]:
    """Return what one event tells the page's script."""
    return {"runs": [one.to_json() for one in runs]}
