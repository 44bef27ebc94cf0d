"""What a policy imagined, above what really happened at those steps: an image with two rows for each plan."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image

from a2g_cli.core.types import Image
from a2g_cli.data.recording.imagined import Imagined
from a2g_cli.data.recording.reader import Recording
from a2g_cli.report.media import BACKGROUND, PageImage, data_uri

MOST = 3
"""Most plans of an episode that a page shows: the first, the last, and between them."""
ROWS = 96
"""Greatest height of a frame [px]; larger ones are reduced."""
QUALITY = 60


@dataclass(frozen=True)
class Comparison:
    """One plan beside what happened."""

    image: PageImage
    """Above the imagined frames, below the camera's frames of the same steps; dark where the episode had ended."""
    labels: Sequence[str]
    """Of the columns."""
    words: str
    """Below the image."""


def chosen(plans: Sequence[Imagined]) -> list[int]:
    """Return the numbers of the plans that are shown, evenly spaced."""
    if len(plans) <= MOST:
        return list(range(len(plans)))
    return [round(k * (len(plans) - 1) / (MOST - 1)) for k in range(MOST)]


def words(plan: Imagined, length: int) -> str:
    """Return in words what the two rows are, for who does not see them; ``length`` is the episode's [steps]."""
    told = f"Above, {plan.words()}; below, what really happened at those steps."
    return f"{told} The episode ended at step {length}." if max(plan.shows) > length else told


def drawn(plan: Imagined, recording: Recording) -> Image:
    """Return the two rows. Raises RecordingError if the recording is damaged."""
    above = recording.imagined_frames(plan)
    height, width = above[0].shape[:2]
    if height > ROWS:
        height, width = ROWS, max(1, round(width * ROWS / height))
    below = [
        recording.frame(plan.camera, step) if step <= recording.length else np.full((1, 1, 3), BACKGROUND, np.uint8)
        for step in plan.shows
    ]
    gap = 2
    sheet = np.full((2 * height + gap, len(above) * (width + gap) - gap, 3), BACKGROUND, np.uint8)
    for number, pair in enumerate(zip(above, below, strict=True)):
        left = number * (width + gap)
        for row, image in enumerate(pair):
            top = row * (height + gap)
            sheet[top : top + height, left : left + width] = _sized(image, height, width)
    return sheet


def jpeg(plan: Imagined, recording: Recording) -> bytes:
    """Return the two rows as a JPEG. Raises as ``drawn``."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(drawn(plan, recording)).save(buffer, format="JPEG", quality=QUALITY)
    return buffer.getvalue()


def comparison(plan: Imagined, recording: Recording, uri: str = "") -> tuple[Comparison, int]:
    """Return a plan beside what happened, and its size [bytes]. ``uri``: where the image is; by default within the page.

    Raises:
        RecordingError: the recording is damaged.
    """
    sheet = drawn(plan, recording)
    data = b""
    if not uri:
        data = jpeg(plan, recording)
        uri = data_uri("image/jpeg", data)
    image = PageImage(uri, sheet.shape[1], sheet.shape[0], words(plan, recording.length))
    ended = f" The episode ended at step {recording.length}." if max(plan.shows) > recording.length else ""
    told = f"Above: imagined at step {plan.step}. Below: what really happened.{ended}"
    return Comparison(image, [plan.label(i) for i in range(len(plan.shows))], told), len(data)


def _sized(image: Image, height: int, width: int) -> Image:
    if image.shape[:2] == (height, width):
        return image
    sampling = PIL.Image.Resampling.BOX if image.shape[0] > height else PIL.Image.Resampling.NEAREST
    return np.asarray(PIL.Image.fromarray(image).resize((width, height), sampling))
