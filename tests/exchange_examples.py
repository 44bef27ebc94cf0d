"""Other programs' recordings as their own writers lay them out, small."""

import json
from pathlib import Path

import h5py
import numpy as np
from hdf5_examples import as_opencv_packs, padded, video

from a2g_cli.core.types import Episode
from a2g_cli.data.formats.incoming import Incoming


def in_memory(incoming: Incoming) -> Episode:
    """The whole of an incoming episode."""
    observations = list(incoming.observations())
    requested, sent = list(incoming.requested), list(incoming.actions)
    return Episode(incoming.goal, incoming.provenance, observations, requested, sent, incoming.outcome)


def shade(index: int, height: int = 12, width: int = 16) -> np.ndarray:
    """A frame that says which it is."""
    return np.full((height, width, 3), 10 * index, np.uint8)


def robomimic_file(path: Path, lengths: tuple[int, ...] = (6, 4), next_obs: bool = True) -> Path:
    """As robomimic's ``playback_dataset`` and ``dataset_states_to_obs`` leave it: plain datasets, no times."""
    with h5py.File(path, "w") as file:
        file.create_group("data")
        for number, steps in enumerate(lengths):
            demo = file.create_group(f"data/demo_{number}")
            demo["actions"] = np.arange(steps * 2, dtype=np.float64).reshape(steps, 2)
            demo["rewards"] = np.eye(steps)[-1]
            demo["states"] = np.zeros((steps, 9))
            for group, begin in (("obs", 0), ("next_obs", 1)) if next_obs else (("obs", 0),):
                rows = range(begin, begin + steps)
                demo[f"{group}/agentview_image"] = np.stack([shade(row) for row in rows])
                demo[f"{group}/robot0_eef_pos"] = np.array([[row, 0.5, number] for row in rows])
                demo[f"{group}/object"] = np.zeros((steps, 4))
            demo.attrs["num_samples"] = steps
        env = {"env_name": "Lift", "type": 1, "env_kwargs": {"control_freq": 20}}
        file["data"].attrs["env_args"] = json.dumps(env)
        file["data"].attrs["total"] = sum(lengths)
    return path


def aloha_file(path: Path, steps: int = 6, compress: bool = False) -> Path:
    """As ALOHA's ``record_episodes`` writes it; ``compress`` hands RGB to ``cv2.imencode`` and pads the JPEGs."""
    with h5py.File(path, "w") as file:
        file.attrs["sim"], file.attrs["compress"] = False, compress
        file["action"] = np.arange(steps * 3, dtype=np.float32).reshape(steps, 3)
        file["observations/qpos"] = np.arange(steps * 3, dtype=np.float64).reshape(steps, 3) / 10
        file["observations/qvel"] = np.zeros((steps, 3))
        packed = [as_opencv_packs(frame) for frame in video(steps)]
        for camera in ("cam_high", "cam_low"):
            file[f"observations/images/{camera}"] = padded(packed) if compress else video(steps)
        if compress:
            file["compress_len"] = np.array([[len(data) for data in packed]] * 2, np.float32)
    return path
