"""A live preview of cameras in the terminal, beside and blended with a goal, to arrange the scene like it."""

from collections.abc import Mapping
from typing import Self

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from a2g_cli.core.types import Image
from a2g_cli.display.images import DrawnImage, ImageRow, fitting_columns
from a2g_cli.display.lines import printable


def blended(now: Image, over: Image) -> Image:
    """Return the mean of both images; ``over`` is resized to the size of ``now``."""
    if over.shape != now.shape:
        import PIL.Image

        over = np.asarray(PIL.Image.fromarray(over).resize(now.shape[1::-1]))
    return ((now.astype(np.uint16) + over) // 2).astype(np.uint8)


class Preview:
    """A live view for a terminal that can draw images.

    Args:
        console: where it is drawn.
        over: the goal's images, by camera; empty if there is no goal to compare with.
        words: shown under the images: what the person can do.
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
        """Draw the cameras' images, and the problems with them."""
        self._live.update(self.render(images, problems), refresh=True)

    def render(self, images: Mapping[str, Image], problems: list[str]) -> RenderableType:
        """Return one moment: one row per camera with its image, the blend and the goal, then the problems."""
        rows: list[RenderableType] = []
        height = (self._console.size.height - 3 - len(problems)) // max(1, len(images)) - 1
        for camera, image in images.items():
            drawn, labels = [DrawnImage(image)], [f"now {camera}"]
            if camera in self._over:
                over = self._over[camera]
                drawn += [DrawnImage(blended(image, over)), DrawnImage(over)]
                labels += ["now over the goal", "goal"]
            columns = fitting_columns(self._console.size.width - 1, height, len(drawn), drawn[0].aspect, most=64)
            rows.append(ImageRow(drawn, columns, labels))
        lines = [Text(printable(problem), style="yellow") for problem in problems]
        return Group(*rows, *lines, Text(self._words, style="dim"))
