"""Reads the images and the numbers of an environment's observations, the same entries from the first one on."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from a2g_cli.core.errors import HardwareError, UsageError
from a2g_cli.core.types import Image, Vector
from a2g_cli.robots import gymnasium_choice as choice
from a2g_cli.robots.gymnasium_choice import RENDER, CameraSetting, NumbersSetting, Source
from a2g_cli.robots.gymnasium_images import Found, look, to_image
from a2g_cli.robots.gymnasium_values import ROOT, Entries, entries, is_numeric, spaces


class ObservationReader:
    """Reads one environment's observations.

    Args:
        name: of the robot, for messages.
        seen: an observation.
        info: what came with it.
        space: the observation space.
        draw: has the environment draw itself.
        camera: camera -> entry, or entries alone: ``"pixels/top"``, ``"image[3]"`` of a stack, or ``"render"``. None: all
            images in the observation, else the environment's own drawing.
        proprioception: entries of the observation or of ``info``, or single numbers of them (``"observation.0"``); a
            mapping names them. None: all numbers in the observation.

    Raises:
        UsageError: no images; images or numbers of which somebody has to choose some; a choice that is not there.
    """

    def __init__(
        self,
        name: str,
        seen: Any,
        info: Any,
        space: Any,
        draw: Callable[[], Any],
        camera: CameraSetting | None = None,
        proprioception: NumbersSetting | None = None,
    ) -> None:
        self._name, self._draw = name, draw
        self._spaces = dict(spaces(space))
        found: Entries = {}
        for entry, array in entries(seen):
            if entry in found:
                raise UsageError(f"{name} has two entries called {entry!r} in its observation: rename one of them.")
            found[entry] = array
        looks = {entry: one for entry, array in found.items() if (one := look(array, self._spaces.get(entry)))}
        if camera is None:
            self._sources = choice.every_image(name, found, looks, self._drawn)
        else:
            self._sources = choice.chosen_images(name, camera, found, looks, self._drawn)
        self._with_info = proprioception is not None
        known = self._known(found, info)
        if proprioception is None:
            self._columns = choice.every_number(found, looks)
        else:
            self._columns = choice.chosen_numbers(name, proprioception, known)
        choice.check_numbers(name, self._columns, known)
        numbers = {column.entry for column in self._columns}
        used = {source.entry for source in self._sources.values()}
        chosen = (camera is not None, proprioception is not None)
        self.notes = tuple(choice.left_out(name, found, looks, used, numbers, chosen))
        """Which entries are neither a camera nor proprioception, and why."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of proprioception, in its order."""
        return tuple(column.name for column in self._columns)

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """Name in proprioception -> its least and its greatest value, where the observation space bounds it."""
        found: dict[str, tuple[float, float]] = {}
        for column in self._columns:
            box = self._spaces.get(column.entry)
            low, high = (np.ravel(getattr(box, side, [])) for side in ("low", "high"))
            if low.size == high.size == column.size:
                least, most = low[column.index], high[column.index]
                if np.isfinite([least, most]).all() and least < most:
                    found[column.name] = (float(least), float(most))
        return found

    def images(self, seen: Any, draw: Callable[[], Any] | None = None) -> dict[str, Image]:
        """Return camera -> image. Raises HardwareError for one that is not as it was at the start.

        Args:
            seen: an observation.
            draw: has another environment of the same kind draw itself; None: the reader's own.
        """
        found = dict(entries(seen))
        return {camera: self._read(source, found, draw or self._draw) for camera, source in self._sources.items()}

    def measured(self, seen: Any, info: Any) -> Vector:
        """Return proprioception (P,). Raises HardwareError where an entry is not as many numbers as at the start."""
        known = self._known(dict(entries(seen)), info)
        values: dict[str, Any] = {}
        for entry, size in {column.entry: column.size for column in self._columns}.items():
            array = known.get(entry)
            if array is None or array.size != size or not is_numeric(array):
                now = "it is missing" if array is None else f"they are {array.size} ({array.dtype})"
                raise HardwareError(f"{self._name}: the numbers of {entry!r} were {size} at the start, now {now}.")
            values[entry] = np.ravel(array)
        return np.array([values[column.entry][column.index] for column in self._columns], np.float32)

    def goal(self, info: Mapping[str, Any]) -> dict[str, Image]:
        """Return camera -> goal photo of a reset's ``info``: of the goal observation, else of the goal that was drawn."""
        shown, drawn = dict(entries(info.get("goal", {}))), dict(entries(info.get("goal_rendered", {}))).get(ROOT)
        images = {}
        for camera, source in self._sources.items():
            array = shown.get(source.entry, shown.get(ROOT))
            one = None if array is None else look(array)
            if one is None and drawn is not None:
                one = look(drawn)
            if one is not None and one.count == source.count:
                images[camera] = self._image(source, one)
        return images

    def _known(self, found: Entries, info: Any) -> Entries:
        return {**dict(entries(info)), **found} if self._with_info else found

    def _drawn(self, draw: Callable[[], Any] | None = None) -> Found | None:
        drawn = dict(entries((draw or self._draw)()))
        return look(drawn[ROOT]) if set(drawn) == {ROOT} else None

    def _read(self, source: Source, found: Entries, draw: Callable[[], Any]) -> Image:
        drawing = source.entry == RENDER and RENDER not in found
        one = self._drawn(draw) if drawing else look(found.get(source.entry, np.empty(0)))
        if one is None or one.count != source.count:
            now = "no image" if one is None else one.words()
            raise HardwareError(f"{self._name} shows {source.entry!r} as {now}, not as at the start.")
        return self._image(source, one)

    def _image(self, source: Source, one: Found) -> Image:
        try:
            return to_image(one.frames[source.index], source.range)
        except ValueError as error:
            raise HardwareError(f"{self._name}: the image {source.entry!r} cannot be read: {error}.") from error


def shows_goal(info: Mapping[str, Any]) -> bool:
    """Whether a reset's ``info`` holds a photo of the goal."""
    arrays = [array for key in ("goal", "goal_rendered") for _, array in entries(info.get(key, {}))]
    return any(one is not None and one.certain for one in map(look, arrays))
