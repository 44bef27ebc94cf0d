"""Takes a goal from live cameras: a preview until a person presses Enter; blurred or badly exposed images are refused."""

import select
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from rich.console import Console

from a2g_cli.cameras.base import warnings_of
from a2g_cli.cameras.choice import CameraChoice
from a2g_cli.cameras.metadata import CameraMetadata
from a2g_cli.cameras.reader import MAX_AGE
from a2g_cli.cli.commands.prompts import line_typed, somebody_is_there
from a2g_cli.core.errors import GoalError, HardwareError, closed
from a2g_cli.core.types import Image, Observation
from a2g_cli.data.goals import look
from a2g_cli.display.console import draws_images
from a2g_cli.display.lines import say
from a2g_cli.display.preview import Preview
from a2g_cli.robots.base import Robot, RobotSpec, views_of

_REFRESH = 0.12
"""Time between two images of the preview [s]."""
_PATIENCE = 2.0
"""Longest time to wait for a frame [s]."""


@dataclass(frozen=True)
class Sight:
    """A source of current images: a robot, or cameras alone."""

    see: Callable[[], Mapping[str, Image]]
    """Returns the current image of each camera. Raises HardwareError."""
    views: Mapping[str, CameraMetadata]
    warnings: Sequence[str] = ()


def through_robot(robot: Robot) -> Sight:
    """Return the source for a connected robot, which does not move."""
    return Sight(lambda: _fresh(robot.observe()), views_of(robot))


def _fresh(observation: Observation) -> Mapping[str, Image]:
    """Return the images of an observation. Raises HardwareError if one is too old."""
    for camera, captured_at in observation.captured_at.items():
        age = observation.time - captured_at
        if age > MAX_AGE:
            raise HardwareError(
                f"camera {camera!r} sends nothing: its newest frame is {age:.2f} s old, {MAX_AGE:g} s is the limit."
            )
    return observation.images


@contextmanager
def through_cameras(choices: Mapping[str, CameraChoice], spec: RobotSpec) -> Iterator[Sight]:
    """Open cameras and close them at the end. Images have the size that ``spec`` gives for the camera, if it has one."""
    with ExitStack() as stack:
        readers = {name: choice.reader(spec.cameras.get(name)) for name, choice in choices.items()}
        for reader in readers.values():
            stack.enter_context(closed(reader, f"Camera {reader.name!r} could not be closed"))
            reader.open()
        views = {name: reader.view for name, reader in readers.items() if reader.view is not None}
        warnings = [f"{name}: {text}" for name, reader in readers.items() for text in warnings_of(reader)]
        yield Sight(lambda: {name: reader.read(_PATIENCE).image for name, reader in readers.items()}, views, warnings)


def take(console: Console, sight: Sight, over: Mapping[str, Image], force: bool, quiet: bool) -> dict[str, Image]:
    """Return the images of the moment that a person chooses; without a terminal, the current ones.

    Args:
        console: draws the preview.
        sight: the source of images.
        over: photos of the goal that is blended into the preview, by camera.
        force: accept blurred and badly exposed images.
        quiet: take the current images, without a preview.

    Raises:
        GoalError: an image is blurred or badly exposed, and ``force`` is false.
        HardwareError: a camera does not answer.
    """
    for warning in sight.warnings:
        say(console, f"note: {warning}", "yellow")
    if quiet or not somebody_is_there() or not draws_images(console):
        images = dict(sight.see())
        problems = problems_of(images)
        if problems and not force:
            raise GoalError(f"{' '.join(problems)} Correct it, or add --force to accept the image.")
        return images
    words = "Enter: take the image" + ("" if force else " (when it has no problem)") + " · Ctrl-C: cancel"
    with Preview(console, over, words) as preview:
        while True:
            images = dict(sight.see())
            problems = problems_of(images)
            preview.show(images, problems)
            if _entered(_REFRESH) and (force or not problems):
                return images


def problems_of(images: Mapping[str, Image]) -> list[str]:
    """Return the problems of images in words: blur, low contrast, too dark, too bright."""
    return [problem for camera, image in images.items() for problem in look(camera, image)]


def _entered(seconds: float) -> bool:
    """Return whether a person presses Enter within ``seconds`` [s]."""
    there, _, _ = select.select([sys.stdin], [], [], seconds)
    if not there:
        return False
    if not line_typed():  # the end of the input
        time.sleep(seconds)
        raise KeyboardInterrupt
    return True
