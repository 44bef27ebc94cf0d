"""Pictures out of files, which may come from anywhere: opened only after their size was looked at."""

import warnings
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps

from a2g_cli.episode import Image

MAX_PIXELS = 64 * 2**20
"""One image [px]: a photo of 64 megapixels is opened, a decompression bomb is not."""
_MAX_FILE = 256 * 2**20

BOMBS = (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning)
# Pillow raises SyntaxError for some broken files.
UNREADABLE = (OSError, ValueError, TypeError, SyntaxError, *BOMBS)
"""Whatever a file that is no picture makes ``read_photo`` raise."""


def read_photo(path: Path, formats: tuple[str, ...] | None = None) -> Image:
    """Return HxWx3 RGB pixels, upright. Raises one of ``UNREADABLE``."""
    if path.stat().st_size > _MAX_FILE:
        raise ValueError(f"{path.name} is larger than {_MAX_FILE // 2**20} MB")
    with warnings.catch_warnings():
        warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
        with PIL.Image.open(path, formats=formats) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{path.name} is {image.width}x{image.height}: more than {MAX_PIXELS} pixels")
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"{path.name} has mode {image.mode}: an 8-bit colour image is needed")
            upright = PIL.ImageOps.exif_transpose(image)  # a phone stores how it was held, not upright pixels
            return np.array(upright.convert("RGB"), np.uint8)


def why(error: Exception) -> str:
    """Return what went wrong in a few words."""
    return getattr(error, "strerror", None) or str(error)
