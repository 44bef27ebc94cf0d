"""Finds compressed images in which red and blue are swapped.

OpenCV's ``imencode`` takes the first channel as blue. ALOHA's recorder gives it RGB, so that a standard decoder returns BGR;
OpenCV's ``imdecode`` swaps them again, which hides it. The pixels do not show the order; marks in the file sometimes do.
"""

from collections.abc import Mapping
from dataclasses import replace

from a2g_cli.data.formats import image_files
from a2g_cli.data.formats.hdf5_videos import Video
from a2g_cli.data.formats.reading import ColourOrder

_MARKED_RGB = b"XPL-RGB1"
"""Newer tools of RoboTwin and XPolicyLab write this comment into a JPEG with the standard order of colours."""


def set_right(
    videos: Mapping[str, Video], chosen: ColourOrder, aloha_marks: bool = False
) -> tuple[dict[str, Video], tuple[str, ...]]:
    """Return ``videos`` that unpack to RGB, and a note for each conclusion.

    ``aloha_marks``: the file has the marks of ALOHA's recorder. Raises ValueError for a damaged image.
    """
    right: dict[str, Video] = {}
    concluded: dict[str, list[str]] = {}
    for camera, video in videos.items():
        right[camera] = video
        if video.form == "packed":
            order, why = (chosen, "") if chosen != "auto" else _concluded(video, aloha_marks)
            right[camera] = replace(video, swapped=order == "bgr")
            concluded.setdefault(why, []).append(camera)
    concluded.pop("", None)
    return right, tuple(why.format(cameras=", ".join(cameras)[:200]) for why, cameras in concluded.items())


def _concluded(video: Video, aloha_marks: bool) -> tuple[ColourOrder, str]:
    """Return the order of a packed video's colours, and a note with a place for the cameras' names."""
    if image_files.comment(video.encoded(0)) == _MARKED_RGB:
        return "rgb", ""
    if aloha_marks:
        return "bgr", _SWAPPED.replace("WHO", "the file has the marks of ALOHA's recorder, which swaps them")
    if video.dataset.dtype.kind == "S":
        return "bgr", _SWAPPED.replace("WHO", "RoboTwin's and RDT's tools, which store images as strings, swap them")
    return "rgb", _AS_THEY_ARE


_SWAPPED = (
    "compressed images of {cameras}: red and blue were swapped back (WHO). If red looks blue, import again with "
    "--colour-order rgb"
)
_AS_THEY_ARE = (
    "compressed images of {cameras}: the file does not say whether red and blue are swapped, and they were not changed. If "
    "red looks blue, import again with --colour-order bgr"
)
