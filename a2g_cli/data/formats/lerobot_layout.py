"""The files of a LeRobot dataset: v3 has many episodes per file, v2 (2.0 and 2.1) one.

Only LeRobot's default names are read. ``info.json`` can give other patterns, but untrusted data must not choose paths.

Raises (from everything here): OSError, KeyError, TypeError or ValueError for a damaged description.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from a2g_cli.data.formats.incoming import SourceError, check_downloaded
from a2g_cli.data.formats.lerobot import DATA, VERSION, VIDEO
from a2g_cli.data.formats.lerobot_columns import flat, whole
from a2g_cli.data.formats.lerobot_tables import opened, table
from a2g_cli.data.recording import schema

OLD_DATA = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
OLD_VIDEO = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
OLD = {"v2.0", "v2.1"}
_OLD_EPISODES = "meta/episodes.jsonl"
_CONVERT = "python -m lerobot.datasets.v30.convert_dataset_v21_to_v30 --repo-id=NAME --root={root} --push-to-hub=false"
_MAX_LIST = 2**30
_BATCH = 256
"""Descriptions of episodes that are unpacked at a time."""

EpisodeInfo = dict[str, Any]
"""The dataset's description of one episode, unchecked."""


class Layout(Protocol):
    """The layout of one version."""

    def episodes(self) -> Iterator[EpisodeInfo]:
        """Yield the description of every episode."""

    def data(self, info: EpisodeInfo) -> Path:
        """Return the Parquet file with an episode's rows."""

    def video(self, info: EpisodeInfo, key: str) -> tuple[Path, float, float | None]:
        """Return the video of camera ``key``, and begin and end of the episode in it [s]; None for the video's end."""

    def elsewhere(self, number: int) -> Path | None:
        """Search all files for rows of episode ``number`` and return the file; None if there is none."""


def layout(root: Path, information: Mapping[str, Any]) -> Layout:
    """Return the layout of the dataset in ``root``. Raises SourceError for a version that is not read."""
    version = str(information["codebase_version"])[:20]
    paths = information.get("data_path"), information.get("video_path")
    if version == VERSION:
        if paths[0] != DATA or paths[1] not in {VIDEO, None}:
            raise ValueError("its files do not have LeRobot's default names")
        return _V3(root)
    if version not in OLD:
        raise SourceError(
            f"{root} is LeRobot {version}, this a2g reads {VERSION}, v2.1 and v2.0: convert it with LeRobot's own "
            "converters."
        )
    if not (root / _OLD_EPISODES).is_file():
        raise SourceError(
            f"{root} says that it is LeRobot {version} and has no {_OLD_EPISODES}. Try LeRobot's own converter: "
            f"{_CONVERT.format(root=root)}"
        )
    if paths[0] != OLD_DATA or paths[1] not in {OLD_VIDEO, None}:
        raise ValueError("its files do not have LeRobot's default names")
    return _V2(root, whole(information.get("chunks_size", 1000)))


@dataclass
class _V3:
    root: Path
    _found: dict[int, Path] | None = None

    def episodes(self) -> Iterator[EpisodeInfo]:
        for path in sorted((self.root / "meta" / "episodes").glob("chunk-*/file-*.parquet")):
            for batch in table(path, lambda name: not name.startswith("stats/")).to_batches(_BATCH):
                yield from batch.to_pylist()

    def data(self, info: EpisodeInfo) -> Path:
        return self._inside(DATA, info, "data")

    def video(self, info: EpisodeInfo, key: str) -> tuple[Path, float, float | None]:
        begins, ends = (info.get(f"videos/{key}/{end}_timestamp") for end in ("from", "to"))
        if begins is None:
            raise KeyError(f"where its video of {key} begins is not said")
        path = self._inside(VIDEO, info, f"videos/{key}", video_key=key)
        return path, float(begins), None if ends is None else float(ends)

    def elsewhere(self, number: int) -> Path | None:
        if self._found is None:
            self._found = {}
            for path in sorted((self.root / "data").glob("chunk-*/file-*.parquet")):
                with opened(path) as file:
                    column = file.read(columns=["episode_index"], use_threads=False)
                self._found |= dict.fromkeys(map(int, np.unique(flat(column, "episode_index"))), path)
        return self._found.get(number)

    def _inside(self, pattern: str, info: EpisodeInfo, prefix: str, **more: str) -> Path:
        chunk, file = whole(info[f"{prefix}/chunk_index"]), whole(info[f"{prefix}/file_index"])
        return self.root / pattern.format(chunk_index=chunk, file_index=file, **more)


@dataclass
class _V2:
    root: Path
    chunks_size: int

    def episodes(self) -> Iterator[EpisodeInfo]:
        path = self.root / _OLD_EPISODES
        check_downloaded(path)
        if path.stat().st_size > _MAX_LIST:
            raise ValueError(f"{_OLD_EPISODES} is too large")
        with path.open(encoding="utf-8-sig") as file:
            while line := file.readline(schema.MAX_JSON):
                if line.strip():
                    yield schema.from_json(line)

    def data(self, info: EpisodeInfo) -> Path:
        return self._of(info, OLD_DATA)

    def video(self, info: EpisodeInfo, key: str) -> tuple[Path, float, float | None]:
        return self._of(info, OLD_VIDEO, video_key=key), 0.0, None

    def elsewhere(self, number: int) -> Path | None:  # noqa: ARG002 - a file is named after its episode
        return None

    def _of(self, info: EpisodeInfo, pattern: str, **more: str) -> Path:
        number = whole(info["episode_index"])
        return self.root / pattern.format(episode_chunk=number // self.chunks_size, episode_index=number, **more)
