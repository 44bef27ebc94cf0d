"""The view of an improvement run: its first robot, the part that goes on now, and how far the run is."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.text import Text

from a2g_cli.core.types import Goal, Image, Observation
from a2g_cli.display.bars import bar_line, time_left
from a2g_cli.display.images import DrawnImage
from a2g_cli.display.lines import duration, estimate, printable, say
from a2g_cli.display.protocols import Overlay, forget, protocol_of, refresh_rate
from a2g_cli.display.scene import Rows, Scene
from a2g_cli.display.training_view import LiveTrainingView, PlainTrainingView, TrainingView

_REFRESH = 6.0
"""[Hz]"""
_AWAY = 3.0
"""The robot is shown until it has not moved for this long [s]."""


class PracticeView(TrainingView, Protocol):
    """Shows an improvement run."""

    def began(self, goal: Goal, limit: int) -> None:
        """The first robot begins an episode."""

    def planned(
        self, observation: Observation, imagined: Mapping[str, Sequence[Image]], steps_to_go: float, seconds: float
    ) -> None:
        """It has a plan."""

    def imagined(self, frames: Mapping[str, Sequence[Image]]) -> None:
        """Its plan imagined these frames; called from any thread."""

    def stepped(self, step: int, observation: Observation, steps_to_go: float) -> None:
        """It has moved."""

    def phase(self, text: str) -> None:
        """Something begins that has no steps to count; empty: it is over."""

    def run(self, done: int, total: int, result: str) -> None:
        """``done`` of ``total`` rounds are over, the last with this ``result``."""


def practice_view(console: Console) -> PracticeView:
    """Return a live view for a terminal, plain lines for anything else."""
    return LivePracticeView(console, protocol_of()) if console.is_interactive else PlainPracticeView(console)


class PlainPracticeView(PlainTrainingView):
    """Lines; the robot is not shown."""

    def began(self, goal: Goal, limit: int) -> None:
        """Print nothing."""

    def planned(
        self, observation: Observation, imagined: Mapping[str, Sequence[Image]], steps_to_go: float, seconds: float
    ) -> None:
        """Print nothing."""

    def imagined(self, frames: Mapping[str, Sequence[Image]]) -> None:
        """Print nothing."""

    def stepped(self, step: int, observation: Observation, steps_to_go: float) -> None:
        """Print nothing."""

    def phase(self, text: str) -> None:
        """Print it as one line."""
        if text:
            say(self.console, f"{text} …", "dim")

    def run(self, done: int, total: int, result: str) -> None:
        """Print nothing: the round has a line."""


class LivePracticeView(LiveTrainingView):
    """The first robot beside its goal, a bar of the part that goes on, and one of the run, redrawn in a thread of its own."""

    def __init__(
        self, console: Console, protocol: str | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Create it; ``protocol``: of the terminal's own images (``protocols.py``), None for half blocks."""
        self._protocol = protocol
        self._phase = "getting ready"
        self._rounds, self._round_total, self._result = 0, 0, ""
        self._run_begun = self._moved = now()
        self._step_of, self._limit, self._to_go, self._aim = 0, 0, math.nan, ""
        self._now: dict[str, DrawnImage] = {}
        self._goal: dict[str, DrawnImage] = {}
        self._imagined: dict[str, list[DrawnImage]] = {}
        super().__init__(console, now, refresh_rate(protocol, _REFRESH))  # it draws the view once

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        forget(self.console, self._protocol)

    def began(self, goal: Goal, limit: int) -> None:
        """Show the goal of the first robot."""
        self._limit, self._aim, self._to_go = limit, goal.name, math.nan
        self._step_of = 0
        self._goal = {camera: DrawnImage(image) for camera, image in goal.images.items()}
        self._now, self._imagined, self._moved = {}, {}, self._clock()

    def planned(
        self, observation: Observation, imagined: Mapping[str, Sequence[Image]], steps_to_go: float, seconds: float
    ) -> None:
        """Show what it imagines; if that is nothing, the frames of the plan before stay."""
        del seconds
        if imagined:
            self.imagined(imagined)
        self._seen(observation, steps_to_go)

    def imagined(self, frames: Mapping[str, Sequence[Image]]) -> None:
        """Show what it imagined."""
        self._imagined = {camera: [DrawnImage(image) for image in images] for camera, images in frames.items()}

    def stepped(self, step: int, observation: Observation, steps_to_go: float) -> None:
        """Show what it sees."""
        self._step_of = step
        self._seen(observation, steps_to_go)

    def phase(self, text: str) -> None:
        """Show it with the time since it began."""
        self._phase, self._idle_since = text, self._clock()

    def run(self, done: int, total: int, result: str) -> None:
        """Move the bar of the run."""
        if not self._round_total:
            self._run_begun = self._clock()
        self._rounds, self._round_total, self._result = done, total, result

    def started(self, title: str, total: int) -> None:
        """Show its bar, in the place of a phase."""
        self._phase = ""
        super().started(title, total)

    def _seen(self, observation: Observation, steps_to_go: float) -> None:
        self._now = {camera: DrawnImage(image) for camera, image in observation.images.items()}
        self._to_go, self._moved = steps_to_go, self._clock()

    def render(self) -> RenderableType:
        """Return the whole view."""
        width = self.console.size.width
        below = [*self._robot_line(width), self._part(), *self._run_line(width)]
        rows = self._scene(width)
        shown = Group(*rows.lines, *below)
        if self._protocol is None or not rows.places:
            return shown
        height = len(self.console.render_lines(shown, self.console.options.update(width=width), pad=False))
        return Group(shown, Overlay(self._protocol, rows.places, height))

    def _moves(self) -> bool:
        return bool(self._goal) and self._clock() - self._moved < _AWAY

    def _scene(self, width: int) -> Rows:
        """Return the images of the first robot, while it moves."""
        if not self._moves():
            return Rows([], [])
        # The control loop replaces these dicts while this thread draws: each is read once.
        scene = Scene(self._now, self._goal, self._imagined)
        # A bar may take three lines; one is for the cursor, one for the images of a protocol.
        return scene.rows(self.console, width - 1, self.console.size.height - 7, blank=self._protocol is not None)

    def _robot_line(self, width: int) -> list[RenderableType]:
        if not self._moves():
            return []
        step, words = self._step_of, f"step {self._step_of:>{len(str(self._limit))}}/{self._limit}"
        return [bar_line(f"{self._aim}  {words}", step, self._limit, f"{estimate(self._to_go)} to go", width)]

    def _part(self) -> RenderableType:
        """Return the bar of what is counted, or the phase with its time: something always moves."""
        if self._running and not self._phase:
            return super().render()
        return self._idle(self._phase or "working")

    def _run_line(self, width: int) -> list[RenderableType]:
        if not self._round_total:
            return []
        spent = self._clock() - self._run_begun
        lines: list[RenderableType] = [
            bar_line(
                f"round {min(self._rounds + 1, self._round_total)}/{self._round_total}",
                self._rounds,
                self._round_total,
                time_left(spent, self._rounds, self._round_total) or f"{duration(spent)} so far",
                width,
            )
        ]
        if self._result:
            lines.append(Text(printable(self._result), style="dim", no_wrap=True, overflow="ellipsis"))
        return lines
