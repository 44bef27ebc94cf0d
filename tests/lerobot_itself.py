"""LeRobot's own dataset class, run in a process of its own: ``lerobot_itself.py read=FOLDER write=FOLDER …``.

``read`` saves what ``LeRobotDataset`` gives for every row as ``FOLDER.npz``; ``write`` records a small dataset with it.

LeRobot imports torchvision, which needs a torch of its own build. Where it is not installed, three names of it that the
dataset class of LeRobot 0.4 uses stand in here: the reader of videos that LeRobot's own decoding drives, ``ToTensor`` and
``v2.Transform``. Everything else is LeRobot's.
"""

import importlib.machinery
import importlib.util
import sys
import types
from pathlib import Path

import av
import numpy as np
import torch


class VideoReader:
    """torchvision.io.VideoReader as it was, over PyAV: frames as (3, H, W) uint8 with their moment [s]."""

    def __init__(self, path: str, stream: str) -> None:
        self.container = av.open(path)
        self._frames = self.container.decode(video=0)

    def seek(self, moment: float, keyframes_only: bool) -> "VideoReader":
        assert keyframes_only
        self.container.seek(int(moment * 1_000_000))
        self._frames = self.container.decode(video=0)
        return self

    def __iter__(self) -> "VideoReader":
        return self

    def __next__(self) -> dict[str, object]:
        frame = next(self._frames)
        return {"data": torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1), "pts": float(frame.time)}


class ToTensor:
    def __call__(self, image: object) -> torch.Tensor:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def stand_in() -> None:
    made = {}
    for name in ("torchvision", "torchvision.io", "torchvision.transforms", "torchvision.transforms.v2"):
        made[name] = types.ModuleType(name)
        made[name].__spec__ = importlib.machinery.ModuleSpec(name, None)
        sys.modules[name] = made[name]
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(made[parent], child, made[name])
    made["torchvision"].set_video_backend = lambda backend: None
    made["torchvision.io"].VideoReader = VideoReader
    made["torchvision.transforms"].ToTensor = ToTensor
    made["torchvision.transforms.v2"].Transform = torch.nn.Module
    made["torchvision.transforms.v2"].functional = types.ModuleType("functional")


def read(root: Path) -> None:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    step = 1 / 10
    data = LeRobotDataset(
        "a2g/test", root=root, video_backend="pyav", delta_timestamps={"action": [0.0, step, 2 * step]}
    )
    rows = [data[index] for index in range(len(data))]
    arrays = {
        key: np.stack([np.asarray(row[key]) for row in rows])
        for key in rows[0]
        if isinstance(rows[0][key], torch.Tensor)
    }
    arrays["task"] = np.array([row["task"] for row in rows])
    arrays["episodes"] = np.array([data.meta.total_episodes, data.fps])
    arrays["mean"] = data.meta.stats["action"]["mean"]
    np.savez(root.with_suffix(".npz"), **arrays)


def encoder() -> dict[str, object]:
    """Return the setting that writes H.264 without torchcodec: LeRobot 0.4's, or 0.6's."""
    try:
        from lerobot.configs import RGBEncoderConfig
    except ImportError:
        return {"vcodec": "h264"}
    return {"rgb_encoder": RGBEncoderConfig(vcodec="h264")}


def write(root: Path) -> None:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    names = {"motors": ["shoulder", "elbow"]}
    features = {
        "action": {"dtype": "float32", "shape": (2,), "names": names},
        "observation.state": {"dtype": "float32", "shape": (2,), "names": names},
        "observation.images.front": {"dtype": "video", "shape": (32, 48, 3), "names": ["height", "width", "channels"]},
        "observation.images.wrist": {"dtype": "image", "shape": (16, 16, 3), "names": ["height", "width", "channels"]},
    }
    data = LeRobotDataset.create("a2g/test", fps=10, features=features, root=root, robot_type="so101", **encoder())
    for episode in range(2):
        for index in range(6 + episode):
            shade = 20 * index + 10 * episode
            data.add_frame(
                {
                    "action": np.array([index, episode], np.float32),
                    "observation.state": np.array([episode, index], np.float32),
                    "observation.images.front": np.full((32, 48, 3), shade, np.uint8),
                    "observation.images.wrist": np.full((16, 16, 3), shade, np.uint8),
                    "task": "stack the cups",
                }
            )
        data.save_episode(parallel_encoding=False)
    data.finalize()


if __name__ == "__main__":
    if importlib.util.find_spec("torchvision") is None:
        stand_in()
    for job in sys.argv[1:]:
        verb, _, place = job.partition("=")
        {"read": read, "write": write}[verb](Path(place))
