"""The view of a rollout: current image, imagined plan and goal side by side, or one line per episode."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from a2g_cli.core.types import Goal, Image, Observation, Outcome
from a2g_cli.display.bars import bar_line, time_left
from a2g_cli.display.images import DrawnImage
from a2g_cli.display.lines import duration, estimate, printable, say
from a2g_cli.display.protocols import Overlay, forget, protocol_of, refresh_rate
from a2g_cli.display.scene import Scene

_REFRESH = 8.0
"""Live view [Hz]."""

_STILL = 2.0
"""The view says how long nothing has moved, from this time on [s]."""
_ROOMY = 12
"""In a terminal with fewer lines the last verdict is left out; it stands above the panel."""


class RolloutView(Protocol):
    """Shows what happens in a session, at almost no cost to the control loop."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(self, *_: object) -> None:
        """Give the terminal back."""

    def episode_started(self, index: int, total: int, goal: Goal, limit: int) -> None:
        """Episode ``index`` (from 0) of ``total`` starts; it may take ``limit`` steps."""

    def planned(
        self,
        observation: Observation,
        imagined: Mapping[str, Sequence[Image]],
        steps_to_go: float,
        seconds: float,
    ) -> None:
        """A plan was made in ``seconds`` [s]; ``imagined`` holds its frames for each camera and may be empty."""

    def stepped(self, step: int, observation: Observation, steps_to_go: float) -> None:
        """``step`` actions of this episode were executed."""

    def episode_ended(self, index: int, outcome: Outcome, steps: int, path: Path | None) -> None:
        """Episode ``index`` ended after ``steps``; ``path`` is its recording, None when it was not kept."""

    def note(self, text: str) -> None:
        """Print a line between the images."""


def rollout_view(console: Console) -> RolloutView:
    """Return a live view for a terminal, plain lines for anything else."""
    return LiveRolloutView(console, protocol_of()) if console.is_interactive else PlainRolloutView(console)


class PlainRolloutView:
    """One line per episode, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._goal = ""
        self._total = 0
        self._limit = 0
        self._judged = 0
        self._reached = 0
        self._planning: list[float] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def episode_started(self, index: int, total: int, goal: Goal, limit: int) -> None:  # noqa: ARG002
        """Keep what the line needs."""
        self._goal, self._total, self._limit, self._planning = goal.name, total, limit, []

    def planned(
        self,
        observation: Observation,  # noqa: ARG002
        imagined: Mapping[str, Sequence[Image]],  # noqa: ARG002
        steps_to_go: float,  # noqa: ARG002
        seconds: float,
    ) -> None:
        """Keep the planning time."""
        self._planning.append(seconds)

    def stepped(self, step: int, observation: Observation, steps_to_go: float) -> None:
        """Print nothing."""

    def episode_ended(self, index: int, outcome: Outcome, steps: int, path: Path | None) -> None:
        """Print the episode's line."""
        self._judged += outcome.success is not None
        self._reached += outcome.success is True
        parts = [f"episode {index + 1}/{self._total}", self._goal, _result(outcome, steps, self._limit)]
        if self._planning:
            parts.append(f"plan {1000 * sorted(self._planning)[len(self._planning) // 2]:.0f} ms")
        if self._judged:
            parts.append(f"successes {self._reached}/{self._judged}")
        if path is not None:
            parts.append(str(path))
        style = {True: "green", False: "yellow", None: ""}[outcome.success]
        say(self.console, "  ".join(parts), style)

    def note(self, text: str) -> None:
        """Print ``text`` as one line."""
        say(self.console, text, "dim")


class LiveRolloutView(PlainRolloutView):
    """A panel that is redrawn eight times per second in its own thread; finished episodes scroll above it."""

    def __init__(
        self, console: Console, protocol: str | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Create it; ``protocol``: of the terminal's own images (``protocols.py``), None for half blocks."""
        super().__init__(console)
        self._protocol, self._clock = protocol, now
        self._index = 0
        self._step = 0
        self._steps_to_go = math.nan
        self._farthest = 0.0
        self._seconds = math.nan
        self._last = ""
        self._begun = self._moved = self._episode_begun = now()
        self._now: dict[str, DrawnImage] = {}
        self._imagined: dict[str, list[DrawnImage]] = {}
        self._goal_images: dict[str, DrawnImage] = {}
        self._live = Live(
            get_renderable=self.render,
            console=console,
            refresh_per_second=refresh_rate(protocol, _REFRESH),
            transient=True,
            redirect_stdout=False,  # stdout is for data
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        forget(self.console, self._protocol)

    def episode_started(self, index: int, total: int, goal: Goal, limit: int) -> None:
        """Show the new goal."""
        super().episode_started(index, total, goal, limit)
        self._index, self._step = index, 0
        self._moved = self._episode_begun = self._clock()
        if not index:
            self._begun = self._moved
        self._steps_to_go, self._farthest, self._seconds = math.nan, 0.0, math.nan
        self._now, self._imagined = {}, {}
        self._goal_images = {camera: DrawnImage(image) for camera, image in goal.images.items()}

    def planned(
        self,
        observation: Observation,
        imagined: Mapping[str, Sequence[Image]],
        steps_to_go: float,
        seconds: float,
    ) -> None:
        """Show the plan until the next one."""
        super().planned(observation, imagined, steps_to_go, seconds)
        self._seconds = seconds
        self._imagined = {camera: [DrawnImage(image) for image in images] for camera, images in imagined.items()}
        self._seen(observation, steps_to_go)

    def stepped(self, step: int, observation: Observation, steps_to_go: float) -> None:
        """Show the new observation."""
        self._step = step
        self._seen(observation, steps_to_go)

    def episode_ended(self, index: int, outcome: Outcome, steps: int, path: Path | None) -> None:
        """Print the episode's line, and keep its verdict in the panel."""
        self._last = f"episode {index + 1}: {_result(outcome, steps, self._limit)}"
        super().episode_ended(index, outcome, steps, path)

    def _seen(self, observation: Observation, steps_to_go: float) -> None:
        self._now = {camera: DrawnImage(image) for camera, image in observation.images.items()}
        self._steps_to_go, self._moved = steps_to_go, self._clock()
        if math.isfinite(steps_to_go):
            self._farthest = max(self._farthest, steps_to_go)

    def render(self) -> RenderableType:
        """Return the panel."""
        if not self._total:
            return Text(f"waiting for the first episode: {duration(self._clock() - self._begun)}", style="dim")
        width, inner = self.console.size.width, self.console.size.width - 4
        status = self._status(inner)
        # The session replaces these dicts while this thread draws: each is read once.
        scene = Scene(self._now, self._goal_images, self._imagined)
        # Two lines of border, one for the cursor, and one for the images of a protocol.
        rows = scene.rows(
            self.console, inner, self.console.size.height - len(status) - 4, blank=self._protocol is not None
        )
        title = f"episode {self._index + 1}/{self._total} · {printable(self._goal)}"
        score = f"successes {self._reached}/{self._judged}" if self._judged else None
        panel = Panel(
            Group(*rows.lines, *status),
            title=Text(title),
            subtitle=score,
            title_align="left",
            subtitle_align="right",
            border_style="dim",
            width=width,
        )
        if self._protocol is None or not rows.places:
            return panel
        places = [replace(place, row=place.row + 1, column=place.column + 2) for place in rows.places]
        return Group(panel, Overlay(self._protocol, places, rows.height + len(status) + 2))

    def _status(self, width: int) -> list[RenderableType]:
        """Return the bars of the episode and of the run, the policy's estimate, and the last verdict."""
        now = self._clock()
        step, spent = f"step {self._step:>{len(str(self._limit))}}/{self._limit}", now - self._episode_begun
        still = now - self._moved
        after = f"no step for {duration(still)}" if still > _STILL else time_left(spent, self._step, self._limit)
        lines = [bar_line(step, self._step, self._limit, after, width)]
        if self._total > 1:
            done = self._index + min(1.0, self._step / max(1, self._limit))
            run = f"episode {self._index + 1}/{self._total}"
            lines.append(bar_line(run, done, self._total, time_left(now - self._begun, done, self._total), width))
        words = [f"steps to go {estimate(self._steps_to_go)}"]
        words += [f"plan {1000 * self._seconds:.0f} ms"] if math.isfinite(self._seconds) else []
        done = self._farthest - self._steps_to_go if math.isfinite(self._steps_to_go) else 0.0
        lines.append(bar_line("  ".join(words), done, self._farthest or 1.0, "", width))
        if self._last and self.console.size.height >= _ROOMY:
            lines.append(Text(self._last, style="dim", no_wrap=True, overflow="ellipsis"))
        return lines


JUDGES = {
    "truth": "simulator",
    "environment": "environment",
    "policy": "policy's estimate",
    "distance": "distance in latents",
    "person": "person",
}
"""Who judged an episode, as people read it."""


def _result(outcome: Outcome, steps: int, limit: int) -> str:
    """Return how an episode ended: ``success at step 62 of 80 (simulator)``."""
    number = f"{steps} step" if steps == 1 else f"{steps} steps"
    words = {
        True: f"success at step {steps} of {limit}",
        False: f"no success in {number}",
        None: f"not judged, {number}",
    }
    details = [] if outcome.success is None else [JUDGES.get(outcome.judge, outcome.judge)]
    if outcome.stopped_by not in {"success", "steps"}:
        details.append(f"stopped by {outcome.stopped_by}")
    ended = words[outcome.success]
    return f"{ended} ({', '.join(details)})" if details else ended
