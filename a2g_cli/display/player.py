"""Plays an episode in the terminal, in real time."""

from collections.abc import Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from a2g_cli.core.clock import Clock, WallClock
from a2g_cli.core.errors import UsageError
from a2g_cli.core.types import Goal, Image
from a2g_cli.display.console import draws_images
from a2g_cli.display.images import DrawnImage, ImageRow, fitting_columns
from a2g_cli.display.lines import duration, printable, say


def play(
    console: Console,
    frames: Sequence[Mapping[str, Image]],
    goal: Goal,
    rate: float,
    captions: Sequence[str] = (),
    *,
    speed: float = 1.0,
    clock: Clock | None = None,
) -> bool:
    """Play ``frames``, recorded at ``rate`` [Hz], beside ``goal``. Late frames are dropped. Ctrl-C stops.

    A terminal that cannot draw images gets one line instead.

    Returns:
        Whether the end was reached.

    Raises:
        UsageError: ``rate`` or ``speed`` is not above 0.
    """
    if rate <= 0 or speed <= 0:
        raise UsageError(f"playing needs a rate and a speed above 0, not {rate} Hz and {speed}.")
    if not frames or not draws_images(console):
        last = f"  {captions[-1]}" if captions else ""
        say(console, f"{goal.name}: {len(frames)} frames, {duration(len(frames) / rate)} at {rate:g} Hz{last}")
        return True
    clock = clock or WallClock()
    goal_images = {camera: DrawnImage(image) for camera, image in goal.images.items()}
    period = 1 / (rate * speed)
    begun = clock.now()
    with Live(console=console, auto_refresh=False, redirect_stdout=False, vertical_overflow="crop") as live:
        try:
            for index, frame in enumerate(frames):
                late = clock.now() >= begun + (index + 1) * period
                if late and index + 1 < len(frames):
                    continue
                clock.sleep_until(begun + index * period)
                words = f"{index + 1:>{len(str(len(frames)))}}/{len(frames)}  {speed:g}x"
                caption = captions[index] if index < len(captions) else ""
                live.update(_frame(console, frame, goal_images, f"{words}  {caption}"), refresh=True)
            clock.sleep_until(begun + len(frames) * period)
        except KeyboardInterrupt:
            return False
    return True


def _frame(console: Console, frame: Mapping[str, Image], goal: Mapping[str, DrawnImage], words: str) -> RenderableType:
    """Return one moment: one row per camera with its image and the goal, then a caption."""
    rows: list[RenderableType] = []
    height = (console.size.height - 2) // max(1, len(frame)) - 1
    for camera, image in frame.items():
        drawn, labels = [DrawnImage(image)], [camera]
        if camera in goal:
            drawn.append(goal[camera])
            labels.append("goal")
        columns = fitting_columns(console.size.width - 1, height, len(drawn), drawn[0].aspect, most=64)
        rows.append(ImageRow(drawn, columns, labels))
    return Group(*rows, Text(printable(words), no_wrap=True))
