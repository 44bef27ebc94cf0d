"""In which order compressed pictures hold their colours: as their standard says, or with red and blue swapped.

OpenCV's ``imencode`` takes the first channel for blue. ALOHA's recorder hands it RGB, so every standard decoder unpacks BGR;
OpenCV's ``imdecode`` swaps them again, which hides it. The pixels do not tell which it is; the file sometimes does.
"""

from collections.abc import Mapping
from dataclasses import replace

from a2g_cli.data.formats import pictures
from a2g_cli.data.formats.hdf5_films import Film
from a2g_cli.data.formats.reading import ColourOrder

_MARKED_RGB = b"XPL-RGB1"
"""RoboTwin's and XPolicyLab's newer tools leave this comment in a JPEG whose colours are in the standard's order."""


def set_right(
    films: Mapping[str, Film], chosen: ColourOrder, aloha_marks: bool = False
) -> tuple[dict[str, Film], tuple[str, ...]]:
    """Return ``films`` such that they unpack to RGB, and a note for each thing that was concluded.

    ``aloha_marks``: the file holds what ALOHA's recorder leaves in a compressed one. Raises ValueError for a damaged picture.
    """
    right: dict[str, Film] = {}
    concluded: dict[str, list[str]] = {}
    for camera, film in films.items():
        right[camera] = film
        if film.form == "packed":
            order, why = (chosen, "") if chosen != "auto" else _told(film, aloha_marks)
            right[camera] = replace(film, swapped=order == "bgr")
            concluded.setdefault(why, []).append(camera)
    concluded.pop("", None)
    return right, tuple(why.format(cameras=", ".join(cameras)[:200]) for why, cameras in concluded.items())


def _told(film: Film, aloha_marks: bool) -> tuple[ColourOrder, str]:
    """Return the order of a packed film's colours, and what there is to say about it, with a place for its cameras' names."""
    if pictures.comment(film.encoded(0)) == _MARKED_RGB:
        return "rgb", ""
    if aloha_marks:
        return "bgr", _SWAPPED.replace("WHO", "the file has the marks of ALOHA's recorder, which swaps them")
    if film.dataset.dtype.kind == "S":
        return "bgr", _SWAPPED.replace("WHO", "RoboTwin's and RDT's tools, which pack pictures as texts, swap them")
    return "rgb", _AS_THEY_ARE


_SWAPPED = (
    "compressed pictures of {cameras}: red and blue were swapped back (WHO). If red looks blue now, import again with "
    "--colour-order rgb"
)
_AS_THEY_ARE = (
    "compressed pictures of {cameras}: nothing says whether red and blue are swapped; they were left as they are. If red "
    "looks blue, import again with --colour-order bgr"
)
