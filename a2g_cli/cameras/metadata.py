"""The metadata of a camera's images (device, settings, crop), and the framing that crops and resizes them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import PIL.Image

from a2g_cli.core.errors import UsageError
from a2g_cli.core.types import Depth, Image

Crop = tuple[int, int, int, int]
"""Left, top, width, height of the part that is kept [px]."""


@dataclass(frozen=True)
class CameraMetadata:
    """Where images come from. Two images can be compared only if device, size and crop are the same."""

    device: str
    """Driver and serial number, path or name: ``"realsense:0123456789"``."""
    width: int
    """Of the camera's whole image [px]."""
    height: int
    """Of the camera's whole image [px]."""
    crop: Crop | None = None
    """None for the whole image."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Exposure, gain, white balance and other settings of the camera, JSON-able."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        crop = None if self.crop is None else list(self.crop)
        return {
            "device": self.device,
            "width": self.width,
            "height": self.height,
            "crop": crop,
            "settings": dict(self.settings),
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the metadata in ``value``. Raises KeyError, TypeError or ValueError if they are not valid."""
        if not isinstance(value, dict) or not isinstance(value["settings"], dict):
            raise TypeError("camera metadata that are not an object")
        crop = value["crop"]
        if crop is not None:
            left, top, width, height = (int(number) for number in crop)
            crop = (left, top, width, height)
        return cls(str(value["device"]), int(value["width"]), int(value["height"]), crop, value["settings"])

    def differences(self, other: "CameraMetadata") -> list[str]:
        """Return in words why images cannot be compared with those of ``other``; empty if they can."""
        found = []
        if self.device != other.device:
            found.append(f"camera {self.device}, now {other.device}")
        if (self.width, self.height) != (other.width, other.height):
            found.append(f"images of {self.width}x{self.height}, now {other.width}x{other.height}")
        if self.crop != other.crop:
            found.append(f"crop {_crop_words(self.crop)}, now {_crop_words(other.crop)}")
        return found

    def changes(self, other: "CameraMetadata") -> list[str]:
        """Return in words which settings differ from those of ``other``, such as the exposure."""
        names = sorted(self.settings.keys() & other.settings.keys())
        return [
            f"{name} {_number(self.settings[name])}, now {_number(other.settings[name])}"
            for name in names
            if self.settings[name] != other.settings[name]
        ]


def _crop_words(crop: Crop | None) -> str:
    return "none" if crop is None else ",".join(map(str, crop))


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) and math.isfinite(value) else str(value)


@dataclass(frozen=True)
class Framing:
    """How a camera's image is cropped and resized."""

    crop: Crop | None = None
    """None for the largest part about the centre with the aspect of ``size``; the whole image without ``size``."""
    size: tuple[int, int] | None = None
    """Height and width of the result [px]; None for the size of the crop."""

    def __post_init__(self) -> None:
        crop, size = self.crop, self.size
        if crop is not None and (min(crop[:2]) < 0 or min(crop[2:]) < 1):
            raise UsageError(f"crop {_crop_words(crop)} keeps nothing: expected left, top, width, height in pixels.")
        if size is not None and not 1 <= min(size) <= max(size) <= 8192:
            raise UsageError(f"images of {size[1]}x{size[0]} px cannot be made: expected 1x1 to 8192x8192.")

    def part(self, height: int, width: int) -> Crop:
        """Return the crop of an image of ``height`` x ``width``. Raises UsageError for a crop outside it."""
        if self.crop is not None:
            left, top, kept_width, kept_height = self.crop
            if left + kept_width > width or top + kept_height > height:
                raise UsageError(f"crop {_crop_words(self.crop)} leaves the camera's image of {width}x{height}.")
            return self.crop
        if self.size is None:
            return 0, 0, width, height
        scale = min(height / self.size[0], width / self.size[1])
        kept_height, kept_width = max(1, round(self.size[0] * scale)), max(1, round(self.size[1] * scale))
        return (width - kept_width) // 2, (height - kept_height) // 2, kept_width, kept_height

    def apply(self, image: Image) -> Image:
        """Return ``image`` cropped and resized, always as a new array. Raises UsageError."""
        left, top, width, height = self.part(*image.shape[:2])
        kept = np.array(image[top : top + height, left : left + width], order="C")
        if self.size is None or self.size == (height, width):
            return kept
        small = PIL.Image.fromarray(kept).resize(self.size[::-1], PIL.Image.Resampling.BICUBIC)
        return np.array(small)

    def apply_depth(self, depth: Depth) -> Depth:
        """Return ``depth`` (H, W) cropped and resized to the nearest pixel: a mean of two surfaces would be neither."""
        left, top, width, height = self.part(*depth.shape)
        rows, columns = self.size or (height, width)
        down = top + (np.arange(rows) * height + height // 2) // rows
        across = left + (np.arange(columns) * width + width // 2) // columns
        return depth[np.ix_(down, across)]

    def of(self, view: CameraMetadata) -> CameraMetadata:
        """Return the metadata ``view`` with this crop."""
        part = self.part(view.height, view.width)
        return replace(view, crop=None if part == (0, 0, view.width, view.height) else part)
