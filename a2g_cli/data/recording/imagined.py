"""What the world model imagined while an episode ran: kept for people to look at. Nothing learns from it.

Of some plans a recording keeps the frames of one camera, as a JPEG with all frames of the plan side by side. They are looked
at, not computed with, and what a small world model imagines is too noisy for a lossless codec: 11 kB a frame of 64x64 pixels,
where a frame of the camera takes 2 kB. Frames, not latents: they can be seen where the base is gone.
"""

import io
import struct
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import PIL.Image

from a2g_cli.core.types import Image
from a2g_cli.data.recording import schema, storage, untrusted

GROUP = "imagined"
"""In a recording's file; absent where nothing was imagined."""
MOST_FRAMES = 64
"""Most frames of a plan."""
MOST_BYTES = 4 * 2**20
"""Of the frames of a plan."""
QUALITY = 75

_LAST = 2**31 - 1
_HEAD = struct.Struct("<IHHHH")
"""step, number of the camera in the spec, frames, of them near, width of a frame."""
_BROKEN = (OSError, SyntaxError, EOFError, PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Imagined:
    """The frames that one plan imagined, by one camera. Raises ValueError for what no plan has."""

    camera: str
    step: int
    """The observation that the plan was made from [steps]."""
    shows: tuple[int, ...]
    """F, the step that each frame stands for, not before ``step``."""
    near: int
    """The first so many frames stand for steps of a fixed distance, the others for steps that the policy only estimated."""
    width: int
    """Of a frame [px]."""
    jpeg: bytes
    """The F frames side by side."""

    def __post_init__(self) -> None:
        if not (1 <= len(self.shows) <= MOST_FRAMES and 0 <= self.near <= len(self.shows)):
            raise ValueError(f"a plan of {len(self.shows)} imagined frames, {self.near} of them near")
        if not 0 <= self.step <= min(self.shows) <= max(self.shows) <= _LAST:
            raise ValueError(f"a plan of step {self.step} that stands for {self.shows}")
        if not (1 <= len(self.jpeg) <= MOST_BYTES and 1 <= self.width <= schema.MAX_SIDE):
            raise ValueError(f"imagined frames {self.width} px wide, in {len(self.jpeg)} bytes")

    def frames(self) -> list[Image]:
        """Return the F frames (H, W, 3). Raises ValueError if they cannot be unpacked."""
        count = len(self.shows)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
                with PIL.Image.open(io.BytesIO(self.jpeg), formats=("JPEG",)) as opened:
                    if opened.width != count * self.width or opened.height > schema.MAX_SIDE:
                        raise ValueError(f"{opened.width}x{opened.height} px for {count} imagined frames")
                    strip = np.array(opened.convert("RGB"), np.uint8)
        except _BROKEN as error:
            raise ValueError(f"imagined frames cannot be unpacked: {error}") from error
        return np.split(strip, count, axis=1)

    def label(self, frame: int) -> str:
        """Return which step a frame stands for: ``step 16``, or ``about step 31`` where the policy only estimated it."""
        return f"{'' if frame < self.near else 'about '}step {self.shows[frame]}"

    def words(self) -> str:
        """Return what the frames are, e.g. ``imagined at step 12, for steps 16, 20, about 31 and about 44``."""
        numbers = [f"{'' if i < self.near else 'about '}{step}" for i, step in enumerate(self.shows)]
        if len(numbers) == 1:
            return f"imagined at step {self.step}, for step {numbers[0]}"
        return f"imagined at step {self.step}, for steps {', '.join(numbers[:-1])} and {numbers[-1]}"


def imagined(camera: str, step: int, offsets: Sequence[int], near: int, frames: Sequence[Image]) -> Imagined:
    """Return the frames (H, W, 3) of a plan, packed. ``offsets``: how far each is from ``step`` [steps]."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(np.concatenate(list(frames), axis=1)).save(buffer, format="JPEG", quality=QUALITY)
    shows = tuple(step + int(offset) for offset in offsets)
    return Imagined(camera, step, shows, near, frames[0].shape[1], buffer.getvalue())


def at_step(plans: Sequence[Imagined], step: int) -> Imagined | None:
    """Return the newest of ``plans``, in their order, that was made at or before ``step``; None if there is none."""
    return next((one for one in reversed(plans) if one.step <= step), None)


def pack(one: Imagined, cameras: Sequence[str]) -> bytes:
    """Return the payload of a journal's record. Raises ValueError if the robot has no such camera."""
    head = _HEAD.pack(one.step, list(cameras).index(one.camera), len(one.shows), one.near, one.width)
    return head + np.asarray(one.shows, "<u4").tobytes() + one.jpeg


def unpack(payload: bytes, cameras: Sequence[str]) -> Imagined:
    """Return what ``pack`` packed. Raises ValueError for anything else."""
    if len(payload) < _HEAD.size:
        raise ValueError("imagined frames without a description")
    step, camera, frames, near, width = _HEAD.unpack_from(payload)
    end = _HEAD.size + 4 * frames
    if camera >= len(cameras) or len(payload) < end:
        raise ValueError(f"{frames} imagined frames of camera {camera}")
    shows = tuple(np.frombuffer(payload[_HEAD.size : end], "<u4").tolist())
    return Imagined(cameras[camera], step, shows, near, width, payload[end:])


def write(file: Any, plans: Sequence[Imagined]) -> None:
    """Write ``plans``, if there are any, in the order of their steps. A file has one shape of them: that of the first."""
    if not plans:
        return
    first = plans[0]
    plans = sorted((one for one in plans if _shape(one) == _shape(first)), key=lambda one: one.step)
    about = {"camera": first.camera, "near": first.near, "width": first.width}
    group = file.create_group(GROUP)
    storage.write_text(group, "about", schema.to_json("imagined frames", about))
    storage.write_array(group, "step", np.array([one.step for one in plans], np.int64))
    storage.write_array(group, "shows", np.array([one.shows for one in plans], np.int64))
    storage.write_array(group, "ends", np.cumsum([len(one.jpeg) for one in plans], dtype=np.int64))
    storage.write_array(group, "jpeg", np.frombuffer(b"".join(one.jpeg for one in plans), np.uint8))


def _shape(one: Imagined) -> tuple[str, int, int, int]:
    return one.camera, len(one.shows), one.near, one.width


def read(file: Any, cameras: Sequence[str], steps: int) -> list[Imagined]:
    """Return the plans that a recording of ``steps`` actions holds. Raises KeyError, TypeError or ValueError."""
    if not untrusted.members(file, GROUP):
        return []
    about = schema.from_json(untrusted.text_attribute(file[GROUP], "about"))
    camera, near, width = about["camera"], about["near"], about["width"]
    if camera not in cameras or type(near) is not int or type(width) is not int:
        raise ValueError(f"{GROUP} is of {about}")
    made = untrusted.stored(file, f"{GROUP}/step", (None,), "i8")
    count = made.shape[0]
    shows = untrusted.stored(file, f"{GROUP}/shows", (count, None), "i8")
    ends = untrusted.stored(file, f"{GROUP}/ends", (count,), "i8")
    jpeg = untrusted.stored(file, f"{GROUP}/jpeg", (None,), "u1")
    if not 1 <= count <= steps + 1 or shows.shape[1] > MOST_FRAMES:
        raise ValueError(f"{GROUP} has {count} plans of {shows.shape[1]} frames")
    bounds = [0, *ends[()].tolist()]
    at = made[()].tolist()
    if sorted(at) != at or at[-1] > steps or sorted(bounds) != bounds or bounds[-1] != jpeg.shape[0]:
        raise ValueError(f"{GROUP} is out of order")
    data = jpeg[()].tobytes()
    return [
        Imagined(camera, step, tuple(row), near, width, data[begin:end])
        for step, row, (begin, end) in zip(at, shows[()].tolist(), pairwise(bounds), strict=True)
    ]
