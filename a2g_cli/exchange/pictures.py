"""Single compressed pictures inside other programs' files: PNG or JPEG, opened with bounds."""

import io
import warnings
from pathlib import Path

import numpy as np
import PIL.Image

from a2g_cli.episode import Image
from a2g_cli.recording import schema

MAX_FILE = 64 * 2**20
_BROKEN = (OSError, SyntaxError, EOFError, PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning)


def size_of(data: bytes) -> tuple[int, int]:
    """Return (H, W) of a PNG or JPEG without unpacking it. Raises ValueError."""
    try:
        with PIL.Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            return picture.height, picture.width
    except _BROKEN as error:
        raise ValueError(f"a picture cannot be read: {error}") from error


def decode(data: bytes, size: tuple[int, int] | None = None) -> Image:
    """Return (H, W, 3) RGB of a PNG or JPEG of exactly ``size`` (H, W), if given. Raises ValueError for anything else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
                # Before a pixel is unpacked.
                found = (picture.height, picture.width)
                if found != (size or found) or max(found) > schema.MAX_SIDE:
                    raise ValueError(f"a picture is {found[1]}x{found[0]}, not {size or 'as small as it must be'}")
                return np.array(picture.convert("RGB"), np.uint8)
    except _BROKEN as error:
        raise ValueError(f"a picture cannot be unpacked: {error}") from error


def open_png(path: Path) -> Image:
    """Return (H, W, 3) RGB of the file ``path``. Raises OSError, or ValueError where it is no picture, or too large."""
    if path.stat().st_size > MAX_FILE:
        raise ValueError(f"{path.name} is too large")
    return decode(path.read_bytes())


def png(image: Image) -> bytes:
    """Return ``image`` (H, W, 3) as PNG."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
