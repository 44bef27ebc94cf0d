"""Plays an episode in the terminal, in real time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from a2g_cli.core.clock import Clock, WallClock
from a2g_cli.core.errors import UsageError
from a2g_cli.core.types import Goal, Image
from a2g_cli.display.console import draws_images
from a2g_cli.display.episode_video import Dream, dream_at
from a2g_cli.display.images import DrawnImage
from a2g_cli.display.lines import duration, printable, say
from a2g_cli.display.protocols import Overlay, protocol_of, refresh_rate
from a2g_cli.display.scene import Scene


def play(
    console: Console,
    frames: Sequence[Mapping[str, Image]],
    goal: Goal,
    rate: float,
    captions: Sequence[str] = (),
    dreams: Sequence[Dream] = (),
    *,
    speed: float = 1.0,
    clock: Clock | None = None,
    protocol: str | None = None,
) -> bool:
    """Play ``frames``, recorded at ``rate`` [Hz], beside ``goal``. Late frames are dropped. Ctrl-C stops.

    A terminal that cannot draw images gets one line instead.

    Args:
        console: on which it plays.
        frames: camera -> image of each observation.
        goal: shown beside them.
        rate: [Hz]
        captions: of each observation.
        dreams: what the policy imagined, shown below from the step of its plan on.
        speed: 1: real time.
        clock: that it keeps; by default the wall clock.
        protocol: of the terminal's own images; by default what the terminal is known to have, else half blocks.

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
    protocol = protocol or protocol_of()
    stage = Stage(console, goal, dreams, protocol)
    period = 1 / (rate * speed)
    least = 1 / refresh_rate(protocol, rate * speed)
    begun, drawn = clock.now(), -least
    with Live(console=console, auto_refresh=False, redirect_stdout=False, vertical_overflow="crop") as live:
        try:
            for index, frame in enumerate(frames):
                late = clock.now() >= begun + (index + 1) * period
                soon = index * period - drawn < least * 0.99  # too soon for what the terminal can draw
                if (late or soon) and index + 1 < len(frames):
                    continue
                clock.sleep_until(begun + index * period)
                drawn = index * period
                words = f"{index + 1:>{len(str(len(frames)))}}/{len(frames)}  {speed:g}x"
                caption = captions[index] if index < len(captions) else ""
                live.update(stage.moment(index, frame, f"{words}  {caption}"), refresh=True)
            clock.sleep_until(begun + len(frames) * period)
        except KeyboardInterrupt:
            return False
    return True


@dataclass
class Stage:
    """Draws the moments of one episode."""

    console: Console
    goal: Goal
    dreams: Sequence[Dream]
    protocol: str | None
    _kept: dict[int, DrawnImage] = field(default_factory=dict)
    """Images that stay for many moments, by their identity, so that each is drawn once."""

    def moment(self, step: int, frame: Mapping[str, Image], words: str) -> RenderableType:
        """Return now and goal, what was imagined, and a line of text."""
        dream = dream_at(self.dreams, step)
        below = [words] if dream is None else [dream.words, words]
        camera = next(iter(frame), "")
        goal = {name: self._drawn(image) for name, image in self.goal.images.items() if name in frame}
        imagined = {} if dream is None else {camera: [self._drawn(image) for image in dream.frames]}
        now = {name: DrawnImage(image) for name, image in frame.items()}
        labels = [] if dream is None else [label.replace("about step", "~") for label in dream.labels]
        scene = Scene(now, goal, imagined, labels)
        size = self.console.size
        # A line for the cursor, and one for the images of a protocol.
        height = size.height - len(below) - 2
        rows = scene.rows(self.console, size.width - 1, height, blank=self.protocol is not None)
        lines = [Text(printable(line), no_wrap=True, overflow="ellipsis") for line in below]
        group = Group(*rows.lines, *lines)
        if self.protocol is None or not rows.places:
            return group
        return Group(group, Overlay(self.protocol, rows.places, rows.height + len(lines)))

    def _drawn(self, image: Image) -> DrawnImage:
        return self._kept.setdefault(id(image), DrawnImage(image))
