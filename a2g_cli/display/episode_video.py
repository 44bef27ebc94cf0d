"""An episode's frames as they stand in a video: labelled images, a caption, steps-to-go over time, the verdict."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from a2g_cli.core.types import Image
from a2g_cli.display.video import side_by_side

BACKGROUND, INK, DIM = (24, 24, 24), (235, 235, 235), (150, 150, 150)
CURVE, CURSOR = (86, 156, 214), (235, 235, 235)
VERDICTS: Mapping[bool | None, tuple[int, int, int]] = {True: (20, 110, 60), False: (150, 40, 40), None: (70, 70, 70)}
"""Success -> colour of the bar with the verdict, on which ``INK`` can be read."""
BAR = 16
"""Height of a line of text [px]."""
CURVE_HEIGHT = 44
"""Of the curve of steps-to-go, with its label above it [px]."""
GAP = 2
"""Dark pixels between two images [px], before they are enlarged."""


@dataclass(frozen=True)
class EpisodeWords:
    """What a video says of an episode."""

    name: str
    steps: int
    """T, the actions."""
    estimates: Sequence[tuple[int, float]] = ()
    """(step, the policy's steps-to-go)."""
    success: bool | None = None
    verdict: str = ""
    """How it ended, in words."""

    def left_at(self, step: int) -> float | None:
        """Return the last estimate at ``step``; None if there is none yet."""
        return next((left for at, left in reversed(self.estimates) if at <= step), None)


@dataclass(frozen=True)
class Dream:
    """What one plan imagined."""

    step: int
    """At which it was made."""
    words: str
    labels: Sequence[str]
    """Which step each frame stands for."""
    frames: Sequence[Image]


def dream_at(dreams: Sequence[Dream], step: int) -> Dream | None:
    """Return the newest of ``dreams`` at ``step``; None if there is none yet."""
    return next((one for one in reversed(dreams) if one.step <= step), None)


@dataclass
class EpisodeCanvas:
    """Draws the moments of one episode, all in one size."""

    words: EpisodeWords
    goal: Mapping[str, Image]
    height: int
    """Images are enlarged to about this, by whole numbers [px]."""
    curve: bool = True
    """Whether there is room for the curve of steps-to-go; it is empty if no estimate was recorded."""
    dreams: Sequence[Dream] = ()
    """What was imagined, plan by plan; where nothing was, a video has no row for it."""
    _curve: Image | None = field(default=None, init=False)

    def moment(self, step: int, now: Mapping[str, Image]) -> Image:
        """Return the frame of observation ``step`` of T + 1; the last one shows the verdict."""
        images: list[Image] = []
        labels: list[str] = []
        for camera, image in now.items():
            images.append(image)
            labels.append(f"now {camera}")
            if camera in self.goal:
                images.append(self.goal[camera])
                labels.append("goal")
        tallest = max(image.shape[0] for image in images)
        scale = max(1, self.height // tallest)
        row = side_by_side(images, GAP, scale)
        places = [3 + GAP * scale * i + scale * sum(_widths(images[:i], tallest)) for i in range(len(images))]
        width, last = row.shape[1], step >= self.words.steps
        lines = [text_bar(width, list(zip(places, labels, strict=True)), DIM), row]
        if self.dreams:
            lines.append(self._imagined(width, step))
        lines.append(self._caption(width, step))
        if self.curve:
            lines.append(self._steps_to_go(width, step))
        lines.append(verdict_bar(width, self.words.verdict if last else "", self.words.success if last else None))
        return np.concatenate(lines, axis=0)

    def _imagined(self, width: int, step: int) -> Image:
        """Return what the newest plan imagined, each frame under the step that it stands for."""
        first, dream = self.dreams[0], dream_at(self.dreams, step)
        gap = GAP * max(1, self.height // first.frames[0].shape[0])
        cell = max(1, (width + gap) // len(first.frames) - gap)
        height = max(1, round(cell * first.frames[0].shape[0] / first.frames[0].shape[1]))
        row = np.full((height, width, 3), BACKGROUND, np.uint8)
        places: list[int] = []
        for number, frame in enumerate(dream.frames if dream is not None else ()):
            places.append(number * (cell + gap))
            row[:, places[-1] : places[-1] + cell] = fitted(frame, cell, height)
        labels = [(3 + place, label) for place, label in zip(places, dream.labels if dream else (), strict=True)]
        made = "" if dream is None else f"imagined at step {dream.step}, for"
        return np.concatenate([text_bar(width, [(3, made)], DIM), text_bar(width, labels, DIM), row], axis=0)

    def _caption(self, width: int, step: int) -> Image:
        left = self.words.left_at(step)
        counted = f"step {step:>{len(str(self.words.steps))}}/{self.words.steps}"
        ahead = "" if left is None else f"  {left:.1f} to go"
        return text_bar(width, [(3, f"{self.words.name}  {counted}{ahead}")])

    def _steps_to_go(self, width: int, step: int) -> Image:
        """Return the curve with the cursor at ``step``."""
        if self._curve is None or self._curve.shape[1] != width:
            self._curve = curve_image(width, self.words)
        shown = self._curve.copy()
        at = _across(step, self.words.steps, width)
        shown[BAR:, max(0, at - 1) : at + 1] = CURSOR
        return shown


def fitted(image: Image, width: int, height: int) -> Image:
    """Return ``image`` in that size: reduced smoothly, or enlarged with its pixels kept."""
    if image.shape[:2] == (height, width):
        return image
    sampling = PIL.Image.Resampling.BOX if width < image.shape[1] else PIL.Image.Resampling.NEAREST
    return np.asarray(PIL.Image.fromarray(image).resize((width, height), sampling))


def curve_image(width: int, words: EpisodeWords) -> Image:
    """Return steps-to-go over an episode, ``width`` pixels wide, with its largest value."""
    drawn = PIL.Image.new("RGB", (width, CURVE_HEIGHT), BACKGROUND)
    pen = PIL.ImageDraw.Draw(drawn)
    if not words.estimates:
        pen.text((3, 2), "steps to go: not recorded", fill=DIM, font=_font())
        return np.asarray(drawn)
    top = max(1.0, *(left for _, left in words.estimates))
    pen.text((3, 0), f"steps to go (policy), at most {top:.0f}", fill=DIM, font=_font())
    points = [
        (_across(at, words.steps, width), BAR + (1 - min(max(left, 0.0), top) / top) * (CURVE_HEIGHT - BAR - 4))
        for at, left in words.estimates
    ]
    pen.line(points if len(points) > 1 else points * 2, fill=CURVE, width=2)
    return np.asarray(drawn)


def text_bar(
    width: int,
    texts: Iterable[tuple[int, str]],
    ink: tuple[int, int, int] = INK,
    background: tuple[int, int, int] = BACKGROUND,
) -> Image:
    """Return a line of ``texts``, each at its place [px]."""
    bar = PIL.Image.new("RGB", (width, BAR), background)
    pen = PIL.ImageDraw.Draw(bar)
    for place, text in texts:
        # Without FreeType, Pillow's font has only Latin-1.
        pen.text((place, 2), text.encode("latin-1", "replace").decode("latin-1"), fill=ink, font=_font())
    return np.asarray(bar)


def verdict_bar(width: int, verdict: str, success: bool | None) -> Image:
    """Return a line with the verdict on its colour; dark if there is none yet."""
    return text_bar(width, [(3, verdict)], INK, VERDICTS[success] if verdict else BACKGROUND)


def _across(step: int, steps: int, width: int) -> int:
    return round(min(step / max(1, steps), 1.0) * (width - 1))


def _widths(images: Sequence[Image], height: int) -> list[int]:
    """Return the widths of ``images`` as ``side_by_side`` sizes them, ``height`` pixels high."""
    return [
        one.shape[1] if one.shape[0] == height else max(1, round(one.shape[1] * height / one.shape[0]))
        for one in images
    ]


def _font() -> PIL.ImageFont.ImageFont | PIL.ImageFont.FreeTypeFont:
    return PIL.ImageFont.load_default(size=11)
