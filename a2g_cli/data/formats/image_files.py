"""PNG and JPEG images inside other programs' files, decoded with bounds on their size."""

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
        with PIL.Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as opened:
            return opened.height, opened.width
    except _BROKEN as error:
        raise ValueError(f"an image cannot be read: {error}") from error


def decode(data: bytes, size: tuple[int, int] | None = None) -> Image:
    """Return (H, W, 3) RGB of a PNG or JPEG, of exactly ``size`` (H, W) if given. Raises ValueError for anything else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as opened:
                # Checked before a pixel is unpacked.
                found = (opened.height, opened.width)
                if max(found) > schema.MAX_SIDE:
                    raise ValueError(f"an image is {found[1]}x{found[0]} px, at most {schema.MAX_SIDE} are read")
                if size is not None and found != size:
                    raise ValueError(f"an image is {found[1]}x{found[0]}, not {size}")
                return np.array(opened.convert("RGB"), np.uint8)
    except _BROKEN as error:
        raise ValueError(f"an image cannot be unpacked: {error}") from error


def is_deep(data: bytes) -> bool:
    """Whether a PNG has one channel of 16 bits, as depth images have. Raises ValueError if it is not a PNG."""
    try:
        with PIL.Image.open(io.BytesIO(data), formats=("PNG",)) as opened:
            return opened.mode in _DEEP
    except _BROKEN as error:
        raise ValueError(f"a depth cannot be read: {error}") from error


def decode_depth(data: bytes, size: tuple[int, int]) -> Depth:
    """Return (H, W) of a PNG with one channel of 16 bits and exactly ``size`` (H, W). Raises ValueError for anything else."""
    try:
        with PIL.Image.open(io.BytesIO(data), formats=("PNG",)) as opened:
            if opened.mode not in _DEEP or (opened.height, opened.width) != size:
                raise ValueError(f"a depth is {opened.width}x{opened.height} {opened.mode}, not {size} of 16 bits")
            return np.array(opened).astype(np.uint16)
    except _BROKEN as error:
        raise ValueError(f"a depth cannot be unpacked: {error}") from error


def open_png(path: Path) -> Image:
    """Return (H, W, 3) RGB of the file ``path``. Raises OSError, or ValueError if it is not an image, or too large."""
    if path.stat().st_size > MAX_FILE:
        raise ValueError(f"{path.name} is too large")
    return decode(path.read_bytes())


def png(image: Image) -> bytes:
    """Return ``image`` (H, W, 3) as PNG."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def comment(data: bytes) -> bytes:
    """Return the comment in a JPEG, empty if there is none. Raises ValueError if it is not an image."""
    try:
        with PIL.Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as opened:
            found = opened.info.get("comment", b"")
            return found if isinstance(found, bytes) else b""
    except _BROKEN as error:
        raise ValueError(f"an image cannot be read: {error}") from error
