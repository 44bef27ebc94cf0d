"""The view of a rollout: current image, imagined plan and goal side by side, or one line per episode."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from a2g_cli.core.types import Goal, Image, Observation, Outcome
from a2g_cli.display.console import draws_images
from a2g_cli.display.images import LEAST_COLUMNS, DrawnImage, ImageRow, fitting_columns
from a2g_cli.display.lines import estimate, printable, say

_REFRESH = 8.0
"""Live view [Hz]."""

_IMAGINED_COLUMNS = 16
"""Another imagined frame is shown only if every image keeps at least this width [columns]."""


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
    return LiveRolloutView(console) if console.is_interactive else PlainRolloutView(console)


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

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._index = 0
        self._step = 0
        self._steps_to_go = math.nan
        self._farthest = 0.0
        self._seconds = math.nan
        self._now: dict[str, DrawnImage] = {}
        self._imagined: dict[str, list[DrawnImage]] = {}
        self._goal_images: dict[str, DrawnImage] = {}
        self._live = Live(
            get_renderable=self.render,
            console=console,
            refresh_per_second=_REFRESH,
            transient=True,
            redirect_stdout=False,  # stdout is for data
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def episode_started(self, index: int, total: int, goal: Goal, limit: int) -> None:
        """Show the new goal."""
        super().episode_started(index, total, goal, limit)
        self._index, self._step = index, 0
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

    def _seen(self, observation: Observation, steps_to_go: float) -> None:
        self._now = {camera: DrawnImage(image) for camera, image in observation.images.items()}
        self._steps_to_go = steps_to_go
        if math.isfinite(steps_to_go):
            self._farthest = max(self._farthest, steps_to_go)

    def render(self) -> RenderableType:
        """Return the panel."""
        if not self._total:
            return Text("waiting for the first episode", style="dim")
        width = self.console.size.width
        lines: list[RenderableType] = [*self._strips(width - 4), self._status()]
        title = f"episode {self._index + 1}/{self._total} · {printable(self._goal)}"
        score = f"successes {self._reached}/{self._judged}" if self._judged else None
        return Panel(
            Group(*lines),
            title=Text(title),
            subtitle=score,
            title_align="left",
            subtitle_align="right",
            border_style="dim",
            width=width,
        )

    def _strips(self, width: int) -> list[RenderableType]:
        """Return one row per camera: current image, the imagined frames that fit, goal."""
        # The session replaces these dicts while this thread draws: each is read once.
        now, imagined, goal = self._now, self._imagined, self._goal_images
        cameras = [camera for camera in goal if camera in now] if now else list(goal)
        if not cameras or not draws_images(self.console):
            return []
        room = max(1, width // (_IMAGINED_COLUMNS + 1) - 2)
        lines = (self.console.size.height - 6) // len(cameras) - 1
        rows: list[RenderableType] = []
        for camera in cameras:
            plan = _spread(imagined.get(camera, ()), min(4, room))
            first = now.get(camera, goal[camera])
            columns = fitting_columns(width, lines, 2 + max(1, len(plan)), first.aspect)
            if columns < LEAST_COLUMNS:
                return []
            name = f" {camera}" if len(cameras) > 1 else ""
            labels = [f"now{name}", *(["imagined", *[""] * len(plan)][: len(plan)]), "goal"]
            rows.append(ImageRow([first, *plan, goal[camera]], columns, labels))
        return rows

    def _status(self) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        done = self._farthest - self._steps_to_go if math.isfinite(self._steps_to_go) else 0.0
        planning = f"plan {1000 * self._seconds:.0f} ms" if math.isfinite(self._seconds) else ""
        words = [
            Text(f"step {self._step:>{len(str(self._limit))}}/{self._limit}"),
            Text(f"steps to go {estimate(self._steps_to_go):>6}"),
            Text(planning, style="dim"),
        ]
        # Within the panel's border; numbers are worth more than a bar.
        room = self.console.size.width - 4 - sum(text.cell_len + 2 for text in words)
        bar = ProgressBar(total=self._farthest or 1.0, completed=done, width=min(20, room))
        grid.add_row(*words[:2], *([bar] if room > 0 else []), words[2])
        return grid


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


def _spread(images: Sequence[DrawnImage], count: int) -> list[DrawnImage]:
    """Return at most ``count`` of ``images``, evenly spaced; the last is always among them."""
    if len(images) <= count:
        return list(images)
    return [images[round((k + 1) * len(images) / count) - 1] for k in range(count)]
