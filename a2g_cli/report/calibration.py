"""The measured domain transform as images: what the camera saw in training and sees here, laid over each other."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from a2g_cli.adapters.files import Adapter
from a2g_cli.calibration.base_pose import BasePose
from a2g_cli.calibration.camera import CameraWarp
from a2g_cli.calibration.nominal import load_nominal
from a2g_cli.calibration.transform import DomainTransform
from a2g_cli.core.errors import A2GError, CheckpointError
from a2g_cli.core.types import Image
from a2g_cli.data.recording.reader import Recording
from a2g_cli.models import checkpoint
from a2g_cli.policies.image_size import resized_images
from a2g_cli.report.contents import Measurement
from a2g_cli.report.media import PageImage, blended, page_image

SEEN = 16
"""Recordings whose first frames give the image of the scene here: their median shows what does not move."""


def measurements(
    adapters: Sequence[tuple[str, Adapter]], base: Path, paths: Sequence[Path]
) -> tuple[list[Measurement], list[str]]:
    """Return what each adapter's domain transform says, and what could not be shown of it, one sentence each.

    An adapter that measures what the one before it measures is left out.

    Args:
        adapters: (name, adapter), oldest first.
        base: the checkpoint that they belong to.
        paths: recordings of the deployment.
    """
    found: list[Measurement] = []
    problems: list[str] = []
    before: object = None
    for name, adapter in adapters:
        try:
            transform = adapter.calibration
            if not transform or adapter.lineage["calibration"] == before:
                continue
            before = adapter.lineage["calibration"]
            if adapter.base != checkpoint.fingerprint(base):
                raise CheckpointError("its base is not at hand")
            images, note = _overlays(transform, base, paths)
        except A2GError as error:
            problems.append(f"The measured transform of {name} cannot be drawn: {error}")
            continue
        words = str(transform)
        found.append(Measurement(name, words[:1].upper() + words[1:], _numbers(transform), images, note))
    return found, problems


def _numbers(transform: DomainTransform) -> list[tuple[str, str]]:
    numbers = []
    for camera, warp in transform.camera_warps.items():
        displacement, colour = warp.distance(CameraWarp.identity())
        numbers.append((f"camera {camera}", f"pixels lie {displacement:.1%} of the image's width elsewhere on average"))
        numbers.append((f"light of camera {camera}", f"colours differ by up to {min(colour, 1.0):.0%} of their range"))
    if transform.base_pose is not None:
        angle, distance = transform.base_pose.distance(BasePose.identity())
        words = f"turned by {math.degrees(angle):.1f}°, its tool {100 * distance:.1f} cm elsewhere"
        numbers.append(("base of the arm", words))
    if transform.actuators is not None:
        numbers.append(("actuators", "they make other displacements of the same commands than in training"))
    return numbers


def _overlays(transform: DomainTransform, base: Path, paths: Sequence[Path]) -> tuple[list[tuple[PageImage, str]], str]:
    """Return images with captions, and why there are none."""
    domain = load_nominal(base)
    config, _ = checkpoint.read_config(base)
    if domain is None or not len(domain.backgrounds):
        return [], "The base keeps no image of its training domain, so there is nothing to lay over."
    here = _scene(paths, config.size)
    if not here:
        return [], "No recording shows the scene."
    shown: list[tuple[PageImage, str]] = []
    corrected = transform.images(here)
    for index, camera in enumerate(config.cameras):
        if camera not in here:
            continue
        # The base may have seen several scenes: the nearest is the one that is practised.
        groups = domain.backgrounds[:, index].numpy().astype(np.int16)
        nearest = int(np.abs(groups - corrected[camera].astype(np.int16)).mean(axis=(1, 2, 3)).argmin())
        nominal = domain.backgrounds[nearest, index].numpy()
        shown += [
            (page_image(nominal, f"Camera {camera} in training"), f"{camera}: training"),
            (page_image(here[camera], f"Camera {camera} here"), f"{camera}: here"),
            (
                page_image(blended(nominal, here[camera]), f"{camera}: training and here, laid over each other"),
                "both, as seen",
            ),
        ]
        if camera in transform.camera_warps:
            over = blended(nominal, corrected[camera])
            words = f"{camera}: training and here, laid over each other after the correction"
            shown.append((page_image(over, words), "both, corrected"))
    return shown, ""


def _scene(paths: Sequence[Path], size: tuple[int, int]) -> dict[str, Image]:
    """Return the median of the first frames of some recordings for each camera, at the base's size."""
    stride = max(1, len(paths) // SEEN)
    frames: dict[str, list[Image]] = {}
    for path in paths[::stride][:SEEN]:
        with Recording(path) as recording:
            images = {camera: recording.frame(camera, 0) for camera in recording.cameras}
        for camera, image in resized_images(images, size).items():
            frames.setdefault(camera, []).append(image)
    return {camera: np.median(np.stack(seen), axis=0).astype(np.uint8) for camera, seen in frames.items()}
