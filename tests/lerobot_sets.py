"""LeRobot datasets as other people's programs leave them, written by pyarrow and PyAV alone, small."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq

from a2g_cli.core.types import Episode
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.formats.importing import Imported, ImportOptions, bring_in
from a2g_cli.data.formats.lerobot import DATA, VIDEO
from a2g_cli.data.formats.lerobot_layout import OLD_DATA, OLD_VIDEO
from a2g_cli.data.formats.registry import detect
from a2g_cli.data.formats.videos import write_mp4
from a2g_cli.data.recording.reader import read_episode
from a2g_cli.data.recording.verify import verify

H, W, FPS = 16, 24, 10
FRONT = "observation.images.front"
DEPTH = "observation.images.front_depth"


def shade(episode: int, row: int, height: int = H, width: int = W) -> np.ndarray:
    """A frame that says which it is, brighter below and to the right."""
    image = np.full((height, width, 3), (10 + 40 * episode + 5 * row) % 200, np.uint8)
    image[height // 2 :] += 20
    image[:, width // 2 :] += 10
    return image


def png(image: np.ndarray) -> dict[str, Any]:
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": None}


@dataclass
class Made:
    """What a dataset is to be like; ``write`` lays it out. One video for each episode, unless ``together``."""

    lengths: Sequence[int] = (6, 5, 4)
    video: bool = True
    cameras: Sequence[str] = (FRONT,)
    action: str = "action"
    state: str = "observation.state"
    features: dict[str, Any] = field(default_factory=dict)
    """Over what is written anyway."""
    columns: Mapping[str, Callable[[int, int], Any]] = field(default_factory=dict)
    """Column -> its value at (episode, row), over what is written anyway."""
    told: Callable[[dict[str, Any]], None] = lambda _: None
    """Changes what is said of an episode."""
    videos: Mapping[int, int | None] = field(default_factory=dict)
    """Episode -> how many frames its video has instead; None: there is no video."""
    together: bool = False
    version: str = "v3.0"

    def write(self, root: Path) -> Path:
        old = self.version.startswith("v2")
        (root / "meta").mkdir(parents=True)
        vector = {"dtype": "float32", "shape": [2], "names": ["pan", "lift"]}
        one = {"dtype": "int64", "shape": [1], "names": None}
        column = {
            "dtype": "video" if self.video else "image",
            "shape": [H, W, 3],
            "names": ["height", "width", "channels"],
        }
        features = {self.action: vector, self.state: vector, **dict.fromkeys(self.cameras, column)}
        features |= {"timestamp": one | {"dtype": "float32"}, **dict.fromkeys(("frame_index", "episode_index"), one)}
        information = {
            "codebase_version": self.version,
            "robot_type": "so101",
            "fps": FPS,
            "chunks_size": 1000,
            "data_path": OLD_DATA if old else DATA,
            "video_path": (OLD_VIDEO if old else VIDEO) if self.video else None,
            "features": features | self.features,
        }
        (root / "meta" / "info.json").write_text(json.dumps(information))
        self._data(root, old)
        self._told(root, old)
        if self.video:
            self._videos(root, old)
        return root

    def _rows(self, episode: int) -> list[dict[str, Any]]:
        stored = {} if self.video else dict.fromkeys(self.cameras)
        return [
            {
                self.action: [float(row), float(episode)],
                self.state: [float(episode), float(row)],
                "timestamp": row / FPS,
                "frame_index": row,
                "episode_index": episode,
                **{camera: png(shade(episode, row)) for camera in stored},
                **{name: value(episode, row) for name, value in self.columns.items()},
            }
            for row in range(self.lengths[episode])
        ]

    def _data(self, root: Path, old: bool) -> None:
        episodes = [self._rows(episode) for episode in range(len(self.lengths))]
        files = {OLD_DATA.format(episode_chunk=0, episode_index=i): rows for i, rows in enumerate(episodes)}
        if not old:
            files = {DATA.format(chunk_index=0, file_index=0): [row for rows in episodes for row in rows]}
        for name, rows in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(rows), root / name)  # all of it in one row group

    def _told(self, root: Path, old: bool) -> None:
        told = []
        for episode, length in enumerate(self.lengths):
            begins = sum(self.lengths[:episode]) / FPS if self.together else 0.0
            one = {"episode_index": episode, "tasks": ["stack"], "length": length}
            if not old:
                one |= {"data/chunk_index": 0, "data/file_index": 0}
                for camera in self.cameras if self.video else ():
                    one |= {
                        f"videos/{camera}/chunk_index": 0,
                        f"videos/{camera}/file_index": 0 if self.together else episode,
                        f"videos/{camera}/from_timestamp": begins,
                        f"videos/{camera}/to_timestamp": begins + self.videos.get(episode, length) / FPS
                        if self.videos.get(episode, length) is not None
                        else None,
                    }
            self.told(one)
            told.append(one)
        if old:
            (root / "meta" / "episodes.jsonl").write_text("".join(json.dumps(one) + "\n" for one in told))
        else:
            place = root / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
            place.parent.mkdir(parents=True)
            pq.write_table(pa.Table.from_pylist(told), place)

    def _videos(self, root: Path, old: bool) -> None:
        counts = [self.videos.get(episode, length) for episode, length in enumerate(self.lengths)]
        frames = [[shade(episode, row) for row in range(count or 0)] for episode, count in enumerate(counts)]
        videos = [[image for video in frames for image in video]] if self.together else frames
        for number, video in enumerate(videos):
            for camera in self.cameras if video else ():
                name = OLD_VIDEO if old else VIDEO
                where = {"episode_chunk": 0, "episode_index": number, "chunk_index": 0, "file_index": number}
                path = root / name.format(video_key=camera, **where)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_mp4(path, iter(video), FPS, lossless=True)


def brought(root: Path, **options: Any) -> Imported:
    """Import the dataset in ``root``; what comes of it is sound."""
    found = bring_in(Workspace(root.parent), root, detect(root), "theirs", ImportOptions(**options))
    assert [verify(path) for path in found.session.recordings()] == [[]] * found.episodes
    return found


def episodes(root: Path, **options: Any) -> list[Episode]:
    """Import the dataset in ``root`` and read its episodes."""
    return [read_episode(path) for path in brought(root, **options).session.recordings()]


def assert_shows(made: Episode, number: int, camera: str = "front") -> None:
    """Every frame is the one that its row had, and the goal is the last."""
    for row, seen in enumerate(made.observations):
        np.testing.assert_allclose(seen.images[camera].astype(int), shade(number, row), atol=2)
    np.testing.assert_array_equal(made.goal.images[camera], made.observations[-1].images[camera])
