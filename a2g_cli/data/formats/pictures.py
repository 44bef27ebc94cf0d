"""PNG and JPEG pictures inside other programs' files, decoded with bounds on their size."""

import io
import warnings
from pathlib import Path

import numpy as np
import PIL.Image

from a2g_cli.core.types import Depth, Image
from a2g_cli.data.recording import schema

MAX_FILE = 64 * 2**20
_DEEP = {"I", "I;16", "I;16B"}
"""Pillow's names for one channel of 16 bits."""
_BROKEN = (OSError, SyntaxError, EOFError, PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning)


def size_of(data: bytes) -> tuple[int, int]:
    """Return (H, W) of a PNG or JPEG without unpacking it. Raises ValueError."""
    try:
        with PIL.Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            return picture.height, picture.width
    except _BROKEN as error:
        raise ValueError(f"a picture cannot be read: {error}") from error


def decode(data: bytes, size: tuple[int, int] | None = None) -> Image:
    """Return (H, W, 3) RGB of a PNG or JPEG, of exactly ``size`` (H, W) if given. Raises ValueError for anything else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
                # Checked before a pixel is unpacked.
                found = (picture.height, picture.width)
                if max(found) > schema.MAX_SIDE:
                    raise ValueError(f"a picture is {found[1]}x{found[0]} px, at most {schema.MAX_SIDE} are read")
                if size is not None and found != size:
                    raise ValueError(f"a picture is {found[1]}x{found[0]}, not {size}")
                return np.array(picture.convert("RGB"), np.uint8)
    except _BROKEN as error:
        raise ValueError(f"a picture cannot be unpacked: {error}") from error


def is_deep(data: bytes) -> bool:
    """Whether a PNG has one channel of 16 bits, as depth images have. Raises ValueError if it is not a PNG."""
    try:
        with PIL.Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            return picture.mode in _DEEP
    except _BROKEN as error:
        raise ValueError(f"a depth cannot be read: {error}") from error


def decode_depth(data: bytes, size: tuple[int, int]) -> Depth:
    """Return (H, W) of a PNG with one channel of 16 bits and exactly ``size`` (H, W). Raises ValueError for anything else."""
    try:
        with PIL.Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            if picture.mode not in _DEEP or (picture.height, picture.width) != size:
                raise ValueError(f"a depth is {picture.width}x{picture.height} {picture.mode}, not {size} of 16 bits")
            return np.array(picture).astype(np.uint16)
    except _BROKEN as error:
        raise ValueError(f"a depth cannot be unpacked: {error}") from error


def open_png(path: Path) -> Image:
    """Return (H, W, 3) RGB of the file ``path``. Raises OSError, or ValueError if it is not a picture, or too large."""
    if path.stat().st_size > MAX_FILE:
        raise ValueError(f"{path.name} is too large")
    return decode(path.read_bytes())


def png(image: Image) -> bytes:
    """Return ``image`` (H, W, 3) as PNG."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def comment(data: bytes) -> bytes:
    """Return the comment in a JPEG, empty if there is none. Raises ValueError if it is not a picture."""
    try:
        with PIL.Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            found = picture.info.get("comment", b"")
            return found if isinstance(found, bytes) else b""
    except _BROKEN as error:
        raise ValueError(f"a picture cannot be read: {error}") from error
