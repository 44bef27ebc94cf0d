"""Goals on disk: a folder with one PNG per camera and ``goal.json``, and checks of goal photos.

``recordings/README.md`` describes the folder. Everything that is read is checked.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from a2g_cli.cameras.metadata import CameraMetadata, Framing
from a2g_cli.core.errors import GoalError, UnknownNameError, UsageError
from a2g_cli.core.photos import read_photo, why
from a2g_cli.core.types import Goal, Image
from a2g_cli.core.workspace import Workspace, checked_name, read_text
from a2g_cli.data.recording import schema
from a2g_cli.data.recording.reader import Recording
from a2g_cli.robots.base import RobotSpec

FORMAT = 1
"""Version of ``goal.json``."""

_MAX_JSON = 2**20

SHARPNESS_FLOOR = 0.002
"""Least ``sharpness`` of an image in focus. The simulator's images have 0.018, and 0.0016 when blurred by one pixel."""
CONTRAST_FLOOR = 4.0
"""Least standard deviation of the grey levels (0 to 255) of an image with some contrast."""
CLIPPED_SHARE = 0.25
"""Largest share of black or of white pixels in a well exposed image."""
_LUMA = np.array([0.299, 0.587, 0.114])  # red, green, blue -> grey (ITU-R BT.601)


def save_goal(workspace: Workspace, goal: Goal, overwrite: bool = False, notes: Sequence[str] = ()) -> Path:
    """Write ``goal`` under its name, completely or not at all, and return its folder. ``notes`` are stored with it.

    Raises:
        UsageError: the name cannot be a folder's, or exists and ``overwrite`` is false.
        GoalError: there is no image, or the disk refuses.
    """
    folder = _folder(workspace, goal.name)
    if folder.exists() and not overwrite:
        raise UsageError(f"the goal {goal.name!r} exists: choose another name, or add --overwrite.")
    if not goal.images:
        raise GoalError(f"the goal {goal.name!r} has no image.")
    for camera, image in goal.images.items():
        checked_name("camera", camera)
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise GoalError(f"the goal's image for {camera!r} is {image.dtype} {image.shape}, not uint8 HxWx3.")
    sizes = {camera: image.shape[:2] for camera, image in goal.images.items()}
    description = {
        "a2g_goal": FORMAT,
        "name": goal.name,
        "source": goal.source,
        "cameras": {name: {"file": f"{name}.png", "height": h, "width": w} for name, (h, w) in sizes.items()},
        "truth": goal.truth,
        "views": {name: dict(view) for name, view in goal.views.items()},
        "shift": goal.shift,
        "fingerprint": goal.fingerprint,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "notes": list(notes),
    }
    try:
        text = json.dumps(description, indent=2, ensure_ascii=False, allow_nan=False)
        workspace.goals.mkdir(parents=True, exist_ok=True)
        # In the same folder, so that the rename stays on one disk; the dot hides it from lists.
        building = Path(tempfile.mkdtemp(prefix=".building-", dir=workspace.goals))
        try:
            building.chmod(0o755)
            for camera, image in goal.images.items():
                PIL.Image.fromarray(image).save(building / f"{camera}.png", format="PNG")
            (building / "goal.json").write_text(text + "\n", encoding="utf-8")
            _put(building, folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    except (TypeError, ValueError) as error:
        raise GoalError(f"the goal {goal.name!r} cannot be stored as JSON: {error}") from error
    except OSError as error:
        raise GoalError(f"{folder} cannot be written: {why(error)}.") from error
    return folder


def _put(building: Path, folder: Path) -> None:
    """Rename ``building`` to ``folder``. The old folder is moved away first: a rename cannot replace a full folder."""
    aside = Path(tempfile.mkdtemp(prefix=".replaced-", dir=folder.parent))
    with suppress(FileNotFoundError):
        folder.replace(aside / "goal")
    building.replace(folder)
    shutil.rmtree(aside, ignore_errors=True)


def load_goal(workspace: Workspace, name: str) -> Goal:
    """Return the goal ``name``.

    Raises:
        UnknownNameError: there is none; the nearest names are offered.
        GoalError: its files are damaged, or do not fit together.
    """
    folder = _folder(workspace, name)
    if not folder.is_dir():
        raise UnknownNameError("goal", name, list_goals(workspace), "`a2g capture-goal NAME` takes one.")
    with _reading(folder):
        description = _description(folder)
        images: dict[str, Image] = {}
        for camera, entry in description["cameras"].items():
            checked_name("camera", camera)
            size = (int(entry["height"]), int(entry["width"]))
            image = read_photo(folder / f"{camera}.png", formats=("PNG",)).pixels
            if image.shape[:2] != size:
                raise ValueError(
                    f"{camera}.png is {image.shape[1]}x{image.shape[0]}, goal.json says {size[1]}x{size[0]}"
                )
            images[camera] = image
        truth = schema.truth_from_json(description["truth"])
        views, shift = _views(description.get("views", {})), description.get("shift")
        goal = Goal(name, images, str(description["source"]), truth, views, None if shift is None else str(shift))
        if not images or goal.fingerprint != description["fingerprint"]:
            raise ValueError("its images are not those that were saved: the fingerprint differs")
    return goal


def list_goals(workspace: Workspace) -> list[str]:
    """Return the names of all goals, sorted."""
    if not workspace.goals.is_dir():
        return []
    return sorted(entry.parent.name for entry in workspace.goals.glob("[!.]*/goal.json"))


def remove_goal(workspace: Workspace, name: str) -> None:
    """Remove the goal ``name``, also a damaged one. Raises UnknownNameError, or GoalError if the disk refuses."""
    folder = _folder(workspace, name)
    if not folder.is_dir() or folder.is_symlink():
        raise UnknownNameError("goal", name, list_goals(workspace))
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise GoalError(f"{folder} cannot be removed: {why(error)}.") from error


def _folder(workspace: Workspace, name: str) -> Path:
    return workspace.goals / checked_name("goal", name)


def _description(folder: Path) -> dict[str, Any]:
    path = folder / "goal.json"
    if path.stat().st_size > _MAX_JSON:
        raise ValueError("goal.json is too large")
    description = json.loads(read_text(path))
    if not isinstance(description, dict) or not isinstance(description.get("cameras"), dict):
        raise TypeError("goal.json does not describe a goal")
    if description["a2g_goal"] != FORMAT:
        raise ValueError(f"it is format {description['a2g_goal']}, this a2g knows {FORMAT}: a newer a2g is needed")
    return description


def _views(value: object) -> dict[str, dict[str, Any]]:
    """Return the saved metadata of each camera. Raises KeyError, TypeError or ValueError if they are not valid."""
    if not isinstance(value, dict):
        raise TypeError("views that are not an object")
    return {str(name): CameraMetadata.from_json(view).to_json() for name, view in value.items()}


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    """Turn errors of reading an untrusted folder into a GoalError."""
    try:
        yield
    except KeyError as error:
        raise GoalError(f"the goal in {folder} is damaged: {error} is missing. Take it again.") from error
    except (OSError, ValueError, TypeError, OverflowError, AttributeError, RecursionError, UsageError) as error:
        raise GoalError(f"the goal in {folder} is damaged: {why(error)}. Take it again.") from error


def goal_from_images(name: str, paths: Mapping[str, Path], spec: RobotSpec) -> Goal:
    """Return a goal from photos, one per camera, each cropped about its centre and resized to its camera's size.

    Raises:
        UnknownNameError: a camera that the robot does not have.
        GoalError: a camera without photo, or a photo that cannot be read.
    """
    for camera in paths:
        if camera not in spec.cameras:
            raise UnknownNameError("camera", camera, spec.cameras)
    if missing := [camera for camera in spec.cameras if camera not in paths]:
        raise GoalError(
            f"the goal also needs an image for {', '.join(missing)}: give --from-image CAMERA=PATH for each."
        )
    images, sources = {}, []
    for camera, (height, width) in spec.cameras.items():
        path = Path(paths[camera])
        try:
            photo = read_photo(path, enough=(height, width))
        except (OSError, ValueError) as error:
            raise GoalError(f"{path} cannot be read as an image: {why(error)}.") from error
        images[camera], how = fit(photo.pixels, height, width)
        sources.append(f"{camera}={path} ({'; '.join([*photo.notes, how])})")
    return Goal(name, images, f"image:{'; '.join(sources)}")


def fit(pixels: Image, height: int, width: int) -> tuple[Image, str]:
    """Return ``pixels`` cropped about the centre to the aspect of ``height`` x ``width``, resized, and what was done."""
    rows, columns = pixels.shape[:2]
    if (rows, columns) == (height, width):
        return pixels, "as it is"
    framing = Framing(size=(height, width))
    _, _, crop_width, crop_height = framing.part(rows, columns)
    crop = "" if (crop_height, crop_width) == (rows, columns) else f", centre {crop_width}x{crop_height} kept"
    return framing.apply(pixels), f"{columns}x{rows}{crop}, resized to {width}x{height}"


def goal_from_recording(path: Path, index: int = -1, name: str = "goal") -> Goal:
    """Return observation ``index`` of T + 1 of a recording as a goal; the last one by default.

    Raises:
        GoalError: there is no such observation.
        RecordingError: the recording cannot be read.
    """
    with Recording(path) as recording:
        if not -recording.length - 1 <= index <= recording.length:
            raise GoalError(f"{path} has observations 0 to {recording.length}, not {index}.")
        number = index % (recording.length + 1)
        images = {camera: recording.frame(camera, number) for camera in recording.cameras}
        views = recording.provenance.settings.get("views", {})
    try:
        return Goal(name, images, f"recording:{path}#{number}", views=_views(views))
    except (KeyError, TypeError, ValueError) as error:
        raise GoalError(f"{path} has invalid camera metadata: {why(error)}.") from error


def check_goal(goal: Goal, spec: RobotSpec, views: Mapping[str, CameraMetadata] | None = None) -> list[str]:
    """Return warnings, with numbers, about blur, contrast, exposure and camera settings; empty if all is well.

    ``views`` is the metadata of the robot's cameras now, as far as it is known.

    Raises:
        GoalError: the cameras or their sizes are not the robot's, or the view is another one: the goal cannot be used.
    """
    if set(goal.images) != set(spec.cameras):
        raise GoalError(
            f"the goal {goal.name!r} has images of {', '.join(sorted(goal.images))}; "
            f"{spec.name} has the cameras {', '.join(sorted(spec.cameras))}."
        )
    for camera, (height, width) in spec.cameras.items():
        rows, columns = goal.images[camera].shape[:2]
        if (rows, columns) != (height, width):
            seen = f"{spec.name} sees {width}x{height}. Take it again."
            raise GoalError(f"the goal {goal.name!r} is {columns}x{rows} for {camera}; {seen}")
    changes = []
    for camera, now in (views or {}).items():
        if camera in goal.views:
            taken = CameraMetadata.from_json(goal.views[camera])
            if different := taken.differences(now):
                raise GoalError(
                    f"the goal {goal.name!r} was taken with another view, {camera}: {'; '.join(different)}. Take it again."
                )
            changes += [f"{camera}: the goal was taken with {change}." for change in taken.changes(now)]
    return [*changes, *(warning for camera in spec.cameras for warning in look(camera, goal.images[camera]))]


def sharpness(image: Image) -> float:
    r"""Return how much fine detail ``image`` (H, W, 3) has: :math:`E[(\nabla^2 g)^2] / 16\,\mathrm{Var}[g]`.

    The variance of the Laplacian grows with contrast; its share of the image's variance does not. A checkerboard of single
    pixels has 4, white noise 1.25, a gradient 0.
    """
    grey = image @ _LUMA
    variance = float(grey.var())
    if min(grey.shape) < 3 or variance == 0:
        return 0.0
    centre = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * centre
    return float((laplacian**2).mean()) / (16 * variance)


def look(camera: str, image: Image) -> list[str]:
    """Return warnings about contrast, blur and exposure of ``image``, with numbers; empty if it looks right."""
    found = []
    contrast = float((image @ _LUMA).std())
    detail = sharpness(image)
    dark, bright = float((image <= 2).all(axis=2).mean()), float((image >= 253).all(axis=2).mean())
    if contrast < CONTRAST_FLOOR:
        found.append(f"{camera}: almost no contrast ({contrast:.1f} of 255, at least {CONTRAST_FLOOR} is needed).")
    elif detail < SHARPNESS_FLOOR:
        found.append(
            f"{camera}: blurred (sharpness {detail:.4f}, at least {SHARPNESS_FLOOR} is needed): focus, hold still."
        )
    if dark > CLIPPED_SHARE:
        found.append(
            f"{camera}: underexposed ({dark:.0%} of the pixels are black, at most {CLIPPED_SHARE:.0%} may be)."
        )
    if bright > CLIPPED_SHARE:
        found.append(
            f"{camera}: overexposed ({bright:.0%} of the pixels are white, at most {CLIPPED_SHARE:.0%} may be)."
        )
    return found
