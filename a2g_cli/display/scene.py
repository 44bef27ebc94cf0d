"""What a robot sees, as a block of a live view: now and goal as large as the free rows allow, the plan small below them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import set_cell_size
from rich.console import Console, RenderableType
from rich.text import Text

from a2g_cli.display.console import draws_images
from a2g_cli.display.images import LEAST_COLUMNS, DrawnImage, ImageRow, fitting_columns
from a2g_cli.display.lines import printable
from a2g_cli.display.protocols import Place

LARGEST = 64
"""Greatest width of now and goal [columns]."""
_PLAN_FROM = 12
"""With fewer lines for a camera, the plan is left out [lines]."""
_PLAN_LINES, _PLAN_MOST = 6, 8
"""Greatest height of an imagined frame [lines], and greatest number of them."""

Images = Mapping[str, DrawnImage]


@dataclass(frozen=True)
class Scene:
    """Images of one moment, by camera."""

    now: Images
    goal: Images
    imagined: Mapping[str, Sequence[DrawnImage]]
    labels: Sequence[str] = ()
    """Of the imagined frames; by default the first says what they are."""

    def rows(self, console: Console, width: int, height: int, *, blank: bool = False) -> "Rows":
        """Return it in ``width`` columns and at most ``height`` lines.

        Args:
            console: of the view; one that draws no images gets none.
            width: [columns]
            height: of all cameras [lines].
            blank: leave the images' cells empty, for a terminal's own protocol to draw over.
        """
        cameras = list(self.now or self.goal)
        if not cameras or not draws_images(console):
            return Rows([], [])
        lines, found = height // len(cameras), Rows([], [])
        for camera in cameras:
            first = self.now[camera] if camera in self.now else self.goal[camera]
            seen = [first, self.goal[camera]] if camera in self.goal else [first]
            plan = self.imagined.get(camera, ()) if lines >= _PLAN_FROM else ()
            small = min(_PLAN_LINES, lines // 4) if plan else 0
            columns = fitting_columns(width, lines - 1 - (small + 1 if small else 0), len(seen), first.aspect, LARGEST)
            if columns < LEAST_COLUMNS:
                return Rows([], [])
            name = f" {camera}" if len(cameras) > 1 else ""
            found.add(seen, columns, [f"now{name}", "goal"][: len(seen)], blank)
            if small:
                columns = fitting_columns(width, small, 1, plan[0].aspect, columns)
                count = min(_PLAN_MOST, (width + 1) // (columns + 1))
                if columns >= LEAST_COLUMNS and count:
                    shown = spread(plan, count)
                    labels = dict(zip(map(id, plan), self.labels, strict=False))
                    names = [labels.get(id(one), "") for one in shown]
                    found.add(shown, columns, names if any(names) else ["imagined", *names[1:]], blank)
        return found


@dataclass
class Rows:
    """Rows of images, one under the other."""

    lines: list[RenderableType]
    places: list[Place]
    """Of the images, from the first row's label on."""
    height: int = 0
    """[lines]"""

    def add(self, images: Sequence[DrawnImage], columns: int, labels: Sequence[str], blank: bool) -> None:
        """Add a row of images, each ``columns`` wide."""
        rows = [max(1, round(columns * image.aspect / 2)) for image in images]
        for number, image in enumerate(images):
            place = Place(image.image, self.height + 1, number * (columns + 1), columns, rows[number])
            self.places.append(place)
        if blank:
            self.lines += [Text(line, style="dim") for line in _blank(labels, columns, max(rows))]
        else:
            self.lines.append(ImageRow(images, columns, labels))
        self.height += 1 + max(rows)


def _blank(labels: Sequence[str], columns: int, rows: int) -> Iterator[str]:
    yield " ".join(set_cell_size(printable(label), columns) for label in labels)
    yield from [" "] * rows


def spread(images: Sequence[DrawnImage], count: int) -> list[DrawnImage]:
    """Return at most ``count`` of ``images``, evenly spaced; the last is always among them."""
    if len(images) <= count:
        return list(images)
    return [images[round((k + 1) * len(images) / count) - 1] for k in range(count)]
