"""The cameras that the user chose: ``--camera NAME=DRIVER:ADDRESS,KEY=VALUE`` and ``[cameras.NAME]`` in a2g.toml."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from a2g_cli.cameras.base import Camera
from a2g_cli.cameras.checked import CheckedCamera
from a2g_cli.cameras.metadata import Framing
from a2g_cli.cameras.reader import MAX_AGE, CameraReader
from a2g_cli.core import plugins
from a2g_cli.core.clock import Clock
from a2g_cli.core.errors import UsageError
from a2g_cli.core.workspace import Workspace, checked_name

_SETTING = re.compile(r",(?=[a-z_]+=)")  # a path may hold a comma
_SIZE = re.compile(r"(\d+)x(\d+)")
_CROP = re.compile(r"(\d+)x(\d+)\+(\d+)\+(\d+)")


@dataclass(frozen=True)
class CameraChoice:
    """One camera: its name, its driver with settings, and how its images are cropped and resized."""

    name: str
    driver: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The parameters of the driver's constructor."""
    framing: Framing = field(default_factory=Framing)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the camera in ``NAME=DRIVER[:ADDRESS][,KEY=VALUE...]``; the address is the driver's first setting.

        Raises:
            UsageError: ``text`` has another form; UnknownNameError: no such driver.
            HardwareError: the driver's SDK is not installed.
        """
        name, equals, rest = text.partition("=")
        what, *pairs = _SETTING.split(rest)
        driver, colon, address = what.partition(":")
        if not equals or not driver:
            raise UsageError(
                f"--camera {text!r} is not NAME=DRIVER:ADDRESS, as in front=realsense:SERIAL, front=opencv:/dev/video0 or "
                "front=images:FOLDER."
            )
        table: dict[str, Any] = {"driver": driver}
        if colon:
            table[_first(driver)] = address
        for pair in pairs:
            key, _, value = pair.partition("=")
            if key in table:
                raise UsageError(f"--camera {text!r} gives {key} twice.")
            table[key] = _value(value)
        return cls.from_table(name, table)

    @classmethod
    def from_table(cls, name: str, table: object) -> Self:
        """Return the camera that ``[cameras.NAME]`` describes. Raises UsageError for an invalid table."""
        checked_name("camera", name)
        if not isinstance(table, dict) or not isinstance(table.get("driver"), str):
            raise UsageError(f'[cameras.{name}] in a2g.toml must be a table with driver = "NAME".')
        settings = {key: value for key, value in table.items() if key not in {"driver", "crop", "size"}}
        return cls(name, table["driver"], settings, _framing(name, table))

    def make(self) -> Camera:
        """Return the camera, not open. Raises UnknownNameError, UsageError, HardwareError: see ``plugins.make``."""
        camera: Camera = plugins.make("camera", self.driver, self.settings, f"cameras.{self.name}")
        return CheckedCamera(camera, f"camera {self.name!r}")

    def reader(
        self, size: tuple[int, int] | None = None, max_age: float = MAX_AGE, clock: Clock | None = None
    ) -> CameraReader:
        """Return a reader of the camera, not open.

        Args:
            size: height and width of the images, unless the choice gives them [px].
            max_age: oldest frame that the reader returns [s].
            clock: the robot's clock.
        """
        framing = Framing(self.framing.crop, self.framing.size or size)
        return CameraReader(self.name, self.make(), framing, max_age, clock)


def choose(workspace: Workspace | None, given: Sequence[str]) -> dict[str, CameraChoice]:
    """Return name -> camera, from ``[cameras]`` in ``a2g.toml`` and from the command line, which wins.

    Raises:
        UsageError: an invalid description, or a camera that is given twice.
        HardwareError: see ``CameraChoice.parse``.
    """
    tables = {} if workspace is None else workspace.settings().get("cameras", {})
    if not isinstance(tables, dict):
        raise UsageError("[cameras] in a2g.toml must hold a table for each camera: [cameras.front].")
    chosen = {name: CameraChoice.from_table(name, table) for name, table in tables.items()}
    asked: dict[str, CameraChoice] = {}
    for text in given:
        camera = CameraChoice.parse(text)
        if camera.name in asked:
            raise UsageError(f"--camera {camera.name}=… was given twice.")
        asked[camera.name] = camera
    return chosen | asked


def _first(driver: str) -> str:
    parameters = plugins.parameters("camera", driver)
    if not parameters:
        raise UsageError(f"camera {driver!r} takes no address: write NAME={driver}.")
    return next(iter(parameters))


def _value(text: str) -> Any:
    """Return the value of ``text``: a number, true, false, or a string."""
    if text in {"true", "false"}:
        return text == "true"
    for number in (int, float):
        with suppress(ValueError):
            return number(text)
    return text


def _framing(name: str, table: Mapping[str, Any]) -> Framing:
    crop = size = None
    if "size" in table:
        found = _SIZE.fullmatch(str(table["size"]))
        if found is None:
            raise UsageError(f"camera {name}: size {table['size']!r} is not WIDTHxHEIGHT, as in 128x96.")
        size = (int(found[2]), int(found[1]))
    if "crop" in table:
        found = _CROP.fullmatch(str(table["crop"]))
        if found is None:
            raise UsageError(
                f"camera {name}: crop {table['crop']!r} is not WIDTHxHEIGHT+LEFT+TOP, as in 400x400+120+40."
            )
        crop = (int(found[3]), int(found[4]), int(found[1]), int(found[2]))
    return Framing(crop, size)


def identity(choice: CameraChoice) -> str:
    """Return the camera as the user would type it, without settings."""
    address = next((str(value) for value in choice.settings.values()), "")
    short = Path(address).name if address.startswith("/") and len(address) > 40 else address
    return f"{choice.name}={choice.driver}{':' if short else ''}{short}"
