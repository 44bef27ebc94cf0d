"""Reads a2g's own files in a LeRobot dataset: goal, final observation and provenance of its episodes.

Raises (from every function): OSError, KeyError, TypeError or ValueError for a damaged file.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from a2g_cli.core.workspace import read_text
from a2g_cli.data.formats import image_files
from a2g_cli.data.formats.incoming import Frames, OwnMetadata, check_downloaded
from a2g_cli.data.formats.lerobot import SIDE
from a2g_cli.data.recording import schema
from a2g_cli.robots.base import RobotSpec


@dataclass(frozen=True)
class Side:
    """What a2g stored for one episode."""

    words: OwnMetadata
    final: dict[str, Any]
    """Numbers of the final observation."""
    images: Frames
    """Its frames."""


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file."""
    check_downloaded(path)
    if path.stat().st_size > schema.MAX_JSON:
        raise ValueError(f"{path.name} is too large")
    return schema.from_json(read_text(path))


def read_side(root: Path, number: int, begins: float, spec: RobotSpec, *, choice: bool) -> Side | None:
    """Return what a2g stored for episode ``number``; None if there is nothing, or if it is another episode's.

    Args:
        root: the dataset's folder.
        number: the episode's number.
        begins: the time of its first row [s].
        spec: the robot, with the cameras that are read.
        choice: whether ``spec`` has only some of the cameras: the others are left out here too.
    """
    stem = f"{SIDE}/episode-{number:06d}"
    if not (root / f"{stem}.json").is_file():
        return None
    document = read_json(root / f"{stem}.json")
    if float(document["begins"]) != begins:
        return None  # LeRobot's own tools renumbered the episodes
    goal, images = (_images(root, document, stem, kind) for kind in ("goal", "final"))
    words = OwnMetadata.parse(document, goal)
    if choice:
        images = _among(images, spec)
        sizes = {name: size for name, size in words.spec.cameras.items() if name in spec.cameras}
        goal_seen = replace(words.goal, images=_among(words.goal.images, spec))
        words = replace(words, spec=replace(words.spec, cameras=sizes), goal=goal_seen)
    if dict(words.spec.cameras) != dict(spec.cameras) or words.spec.action_names != spec.action_names:
        raise ValueError(f"{stem}.json describes another robot than info.json")
    if {camera: image.shape[:2] for camera, image in images.items()} != dict(words.spec.cameras):
        raise ValueError(f"the final images in {SIDE} are not the robot's")
    return Side(words, document["final"], images)


def _among(images: Frames, spec: RobotSpec) -> Frames:
    return {name: image for name, image in images.items() if name in spec.cameras}


def _images(root: Path, document: dict[str, Any], stem: str, kind: str) -> Frames:
    cameras = [name.partition("/")[2] for name in document["pictures"] if name.startswith(f"{kind}/")]
    schema.check_keys("camera", cameras)
    # File names are counted, not read from the file: untrusted data must not choose paths.
    return {c: image_files.open_png(root / f"{stem}-{kind}-{index}.png") for index, c in enumerate(cameras)}
