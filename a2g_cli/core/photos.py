"""Reads photos from untrusted files, after a check of their size."""

import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from PIL import UnidentifiedImageError

from a2g_cli.core.types import Image

MAX_WHOLE = 64 * 2**20
"""Largest image that is returned at full size [px]."""
MAX_PIXELS = 128 * 2**20
"""Largest image that is opened to be made smaller [px]: 134 megapixels take about half a gigabyte of memory. A JPEG takes
less, because it is made smaller while it is unpacked."""
_MAX_FILE = 256 * 2**20

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
"""Accepted formats, by Pillow's names. Some others, such as EPS, would start another program."""
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_MOVING = ("PNG", "WEBP", "GIF", "TIFF", "AVIF")
"""Formats with several equal images; in MPO and HEIF one image is the main one."""
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
"""EXIF's orientation -> what turns the stored pixels upright (EXIF 2.3, tag 274)."""


@dataclass(frozen=True)
class Photo:
    """An image that was read."""

    pixels: Image
    """(H, W, 3) RGB, upright."""
    notes: tuple[str, ...] = ()
    """Notes for the user, e.g. that it was made smaller."""


def read_photo(path: Path, formats: tuple[str, ...] = FORMATS, enough: tuple[int, int] | None = None) -> Photo:
    """Read an image.

    Args:
        path: an untrusted file.
        formats: the expected ones of ``FORMATS``.
        enough: height and width [px] to which the caller will crop and resize the image. An image of more than
            ``MAX_WHOLE`` pixels is then made smaller by a whole factor, to at least twice that; otherwise it is refused.

    Raises:
        OSError: the file does not exist, or cannot be read.
        ValueError: not an image, damaged, or too large; the message is one line.
    """
    about = path.stat()
    if stat.S_ISDIR(about.st_mode):
        raise ValueError("it is a folder")
    if not stat.S_ISREG(about.st_mode):
        raise ValueError("it is not a regular file")  # a pipe or a device might never end
    if about.st_size == 0:
        raise ValueError("the file is empty")
    if about.st_size > _MAX_FILE:
        raise ValueError(f"the file is larger than {_MAX_FILE // 2**20} MB")
    known = _openers(path, formats)
    with reading_images(), PIL.Image.open(path, formats=known) as image:
        return _read(image, enough)


@contextmanager
def reading_images() -> Iterator[None]:
    """Turn any error of Pillow into a ValueError of one line, except OSError."""
    try:
        with warnings.catch_warnings():
            # Pillow warns about details that do not matter here; the caller checks the size.
            warnings.simplefilter("ignore")
            yield
    except UnidentifiedImageError as error:
        raise ValueError("it is not a sound PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF or HEIC image") from error
    except PIL.Image.DecompressionBombError as error:
        raise ValueError(_too_large(MAX_PIXELS)) from error
    except (OSError, ValueError):
        raise
    except Exception as error:  # Pillow's parsers raise nearly anything: struct.error, SyntaxError, IndexError, ...
        raise ValueError(f"it is damaged: {one_line(error)}") from error


def _read(image: PIL.Image.Image, enough: tuple[int, int] | None) -> Photo:
    columns, rows = image.size
    most = MAX_WHOLE if enough is None else MAX_PIXELS
    if columns * rows > most:
        raise ValueError(_too_large(most, f" ({columns}x{rows})"))
    if image.mode.startswith(("I", "F")):
        raise ValueError(
            f"it has one number of 16 bits or more per pixel ({image.mode}), like depth; an 8-bit colour image is needed"
        )
    notes = ["the first of its images"] if image.format in _MOVING and getattr(image, "is_animated", False) else []
    reduces = enough is not None and columns * rows > MAX_WHOLE
    least = 2 * max(enough or (0,))
    if reduces:
        image.draft(None, (least, least))  # a JPEG is unpacked at a half, a quarter or an eighth of its size
    image.load()
    turn = None
    try:
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except Exception as error:  # as in reading_images; but the pixels are sound
        notes.append(f"not turned upright: its EXIF data cannot be read ({one_line(error)})")
    # Other modes cannot be averaged: their values are indices of a palette, or have an alpha channel.
    converted = image if image.mode in ("RGB", "L", "CMYK", "YCbCr") else image.convert("RGB")
    if reduces:
        notes.append(f"first made smaller than its {columns}x{rows}")
        if (factor := min(image.width, image.height) // least) > 1:
            converted = converted.reduce(factor)
    if converted.mode != "RGB":
        converted = converted.convert("RGB")
    return Photo(np.array(converted if turn is None else converted.transpose(turn), np.uint8), tuple(notes))


def _openers(path: Path, formats: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of ``formats`` that can be opened. Raises ValueError if ``path`` needs a package that is not installed."""
    if not set(formats) <= PIL.Image.OPEN.keys():
        PIL.Image.init()
    if "HEIF" in formats and "HEIF" not in PIL.Image.OPEN and _is_heic(path):
        try:
            from pillow_heif import register_heif_opener
        except ImportError as error:
            raise ValueError(
                "it is a HEIC photo, which needs pillow-heif: pip install 'a2g[heic]'; or save it as JPEG "
                "(iPhone: Settings, Camera, Formats, Most Compatible)"
            ) from error
        register_heif_opener(thumbnails=False)
    return tuple(form for form in formats if form in PIL.Image.OPEN)


def _is_heic(path: Path) -> bool:
    """Whether a file's header says that it is a HEIC photo (ISO/IEC 23008-12: a box ``ftyp`` with such a brand)."""
    with path.open("rb") as file:
        head = file.read(64)
    return head[4:8] == b"ftyp" and head[8:12] in _HEIC and b"avif" not in head[16:]  # AVIF uses the same container


def _too_large(most: int, found: str = "") -> str:
    return f"it has more than {most / 1e6:.0f} million pixels{found}: save a smaller copy"


def one_line(error: Exception) -> str:
    """Return an error's text on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def why(error: Exception) -> str:
    """Return an error's reason in a few words."""
    return getattr(error, "strerror", None) or one_line(error)
