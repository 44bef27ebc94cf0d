"""What cameras see now, live in the terminal, beside and over the goal that the scene is to be arranged after."""

from collections.abc import Mapping
from typing import Self

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from a2g_cli.core.types import Image
from a2g_cli.display.lines import printable
from a2g_cli.display.pictures import Filmstrip, Picture, fitting_columns


def blended(now: Image, over: Image) -> Image:
    """Return both pictures, half and half; ``over`` is brought to the size of ``now``."""
    if over.shape != now.shape:
        import PIL.Image

        over = np.asarray(PIL.Image.fromarray(over).resize(now.shape[1::-1]))
    return ((now.astype(np.uint16) + over) // 2).astype(np.uint8)


class Preview:
    """A live view for a terminal that draws pictures; told when there is something new to show.

    Args:
        console: where it is drawn.
        over: the goal's pictures, by camera; empty where there is nothing to compare with.
        words: what the person can do, under the pictures.
    """

    def __init__(self, console: Console, over: Mapping[str, Image], words: str) -> None:
        self._console = console
        self._over = over
        self._words = words
        self._live = Live(
            console=console, auto_refresh=False, redirect_stdout=False, transient=True, vertical_overflow="crop"
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, images: Mapping[str, Image], problems: list[str]) -> None:
        """Draw what the cameras see now, and what is wrong with it."""
        self._live.update(self.render(images, problems), refresh=True)

    def render(self, images: Mapping[str, Image], problems: list[str]) -> RenderableType:
        """Return one moment: a row for each camera, now beside now over the goal, and lines of words."""
        rows: list[RenderableType] = []
        height = (self._console.size.height - 3 - len(problems)) // max(1, len(images)) - 1
        for camera, image in images.items():
            pictures, labels = [Picture(image)], [f"now {camera}"]
            if camera in self._over:
                over = self._over[camera]
                pictures += [Picture(blended(image, over)), Picture(over)]
                labels += ["now over the goal", "goal"]
            columns = fitting_columns(self._console.size.width - 1, height, len(pictures), pictures[0].aspect, most=64)
            rows.append(Filmstrip(pictures, columns, labels))
        lines = [Text(printable(problem), style="yellow") for problem in problems]
        return Group(*rows, *lines, Text(self._words, style="dim"))
