"""HDF5 data sets as other programs' own tools write them, small: what each tool calls its data, and how it packs it.

A frame's red says which moment it is, its blue is always strong: colours in the wrong order cannot be overlooked.
"""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import PIL.Image

BLUE = 200
"""Of every frame; red grows from 0 by 10 a moment."""
UPRIGHT = (12, 16)


def tinted(index: int, size: tuple[int, int] = UPRIGHT) -> np.ndarray:
    """An RGB frame (H, W, 3) that says which it is."""
    return np.broadcast_to(np.array([10 * index, 60, BLUE], np.uint8), (*size, 3)).copy()


def video(rows: int, size: tuple[int, int] = UPRIGHT, begin: int = 0) -> np.ndarray:
    """(rows, H, W, 3)."""
    return np.stack([tinted(begin + index, size) for index in range(rows)])


def as_opencv_packs(frame: np.ndarray, form: str = "JPEG") -> bytes:
    """What ``cv2.imencode`` makes of an RGB frame: it takes the first channel for blue."""
    return _packed(frame[..., ::-1], form)


def as_the_standard_says(frame: np.ndarray, form: str = "JPEG") -> bytes:
    """What an image viewer shows in its true colours."""
    return _packed(frame, form)


def with_the_mark_of_robotwin(frame: np.ndarray) -> bytes:
    """RoboTwin's newer files: as the standard says, and a comment behind the JFIF header says so."""
    data, mark = _packed(frame, "JPEG"), b"XPL-RGB1"
    end = 4 + int.from_bytes(data[4:6], "big")
    return data[:end] + b"\xff\xfe" + (len(mark) + 2).to_bytes(2, "big") + mark + data[end:]


def _packed(frame: np.ndarray, form: str) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(frame)).save(
        buffer, format=form, **({"quality": 95} if form == "JPEG" else {})
    )
    return buffer.getvalue()


def padded(packed: Sequence[bytes]) -> np.ndarray:
    """(T, longest) uint8, zeros behind the shorter: ALOHA."""
    longest = max(map(len, packed))
    return np.stack([np.frombuffer(data.ljust(longest, b"\0"), np.uint8) for data in packed])


def texts(packed: Sequence[bytes]) -> np.ndarray:
    """(T,) strings of one fixed length: RoboTwin, RDT."""
    return np.array(list(packed), dtype=f"S{max(map(len, packed))}")


def opaque(packed: Sequence[bytes]) -> np.ndarray:
    """(T,) raw bytes of one fixed length."""
    return np.array(list(packed), dtype=f"V{max(map(len, packed))}")


def write_vlen(group: Any, name: str, packed: Sequence[bytes], **how: Any) -> None:
    """(T,) rows of bytes, each as long as it is."""
    made = group.create_dataset(name, (len(packed),), dtype=h5py.vlen_dtype(np.uint8), **how)
    for index, data in enumerate(packed):
        made[index] = np.frombuffer(data, np.uint8)


# -- ALOHA ----------------------------------------------------------------------------------------------------------


def aloha(path: Path, steps: int = 6, change: Callable[[Any], None] | None = None, *, images: bool = True) -> Path:
    """As ACT's ``record_sim_episodes`` writes it; ``change`` makes another tool's file of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["sim"] = True
        file["action"] = np.arange(steps * 3, dtype=np.float32).reshape(steps, 3)
        file["observations/qpos"] = np.arange(steps * 3, dtype=np.float64).reshape(steps, 3) / 10
        file["observations/qvel"] = np.zeros((steps, 3))
        group = file.create_group("observations/images")
        if images:
            group.create_dataset("top", data=video(steps), chunks=(1, *UPRIGHT, 3))
        if change is not None:
            change(file)
    return path


def real_aloha(path: Path, steps: int = 6, pack: Callable[[np.ndarray], bytes] = as_opencv_packs) -> Path:
    """As ALOHA's ``record_episodes`` writes it with COMPRESS: the RGB of its cameras handed to ``cv2.imencode``."""

    def change(file: Any) -> None:
        packed = [pack(frame) for frame in video(steps)]
        rows = padded(packed)
        file.attrs["sim"], file.attrs["compress"] = False, True
        file["observations/images"].create_dataset("cam_high", data=rows, chunks=(1, rows.shape[1]))
        file["observations/effort"] = np.zeros((steps, 3), np.float32)
        file["base_action"] = np.zeros((steps, 2), np.float32)
        file["compress_len"] = np.array([[len(data) for data in packed]], np.float32)

    return aloha(path, steps, change, images=False)


def growing(
    path: Path,
    maxshape: Callable[[tuple[int, ...]], tuple[int | None, ...]],
    chunk: int = 2,
    libver: Any = None,
    **how: Any,
) -> Path:
    """An episode of datasets that may grow to ``maxshape`` of their shape, in chunks of ``chunk`` rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"action": np.arange(18, dtype=np.float32).reshape(6, 3), "observations/qpos": np.zeros((6, 3))}
    with h5py.File(path, "w", libver=libver) as file:
        for name, data in (arrays | {"observations/images/top": video(6)}).items():
            shape = data.shape
            file.create_dataset(name, data=data, maxshape=maxshape(shape), chunks=(chunk, *shape[1:]), **how)
    return path


def bounded(shape: tuple[int, ...]) -> tuple[int | None, ...]:
    """Ten more rows, and no more."""
    return (shape[0] + 10, *shape[1:])


def unlimited(shape: tuple[int, ...]) -> tuple[int | None, ...]:
    """Anything."""
    return (None,) * len(shape)


def distances(rows: int, size: tuple[int, int] = UPRIGHT) -> np.ndarray:
    """(rows, H, W) uint16: moment i is 500 + i mm away, but for one corner, where nothing was measured."""
    made = np.full((rows, *size), 500, np.uint16) + np.arange(rows, dtype=np.uint16)[:, None, None]
    made[:, 0, 0] = 0
    return made


def png_of_depth(depth: np.ndarray) -> bytes:
    """16 bits, as ``cv2.imencode(".png", depth)`` makes it."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(depth).save(buffer, format="PNG")
    return buffer.getvalue()


# -- robomimic and what is laid out like it ---------------------------------------------------------------------------


def demos(
    path: Path, fill: Callable[[Any, int], None], count: int = 2, steps: int = 6, env: dict[str, Any] | None = None
) -> Path:
    """A file of ``data/demo_i``; ``fill`` writes what is in each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        if env is not None:
            data.attrs["env_args"] = json.dumps(env)
        data.attrs["total"] = count * steps
        for number in range(count):
            demo = data.create_group(f"demo_{number}")
            demo.attrs["num_samples"] = steps
            demo["actions"] = np.arange(steps * 2, dtype=np.float32).reshape(steps, 2)
            fill(demo, steps)
    return path


def isaac_lab(path: Path, success: Any = True) -> Path:
    """As Isaac Lab's recorder and Mimic write it: groups within ``obs``, states in groups, ``success`` on the demo."""

    def fill(demo: Any, steps: int) -> None:
        demo.attrs["success"], demo.attrs["seed"] = np.bool_(success) if isinstance(success, bool) else success, 3
        arrays = {
            "processed_actions": np.zeros((steps, 2), np.float32),
            "obs/actions": np.zeros((steps, 2), np.float32),
            "obs/joint_pos": np.arange(steps * 4, dtype=np.float32).reshape(steps, 4),
            "obs/object": np.zeros((steps, 13), np.float32),
            "obs/table_cam": video(steps),
            "obs/datagen_info/eef_pose/franka": np.zeros((steps, 4, 4), np.float32),
            "obs/datagen_info/object_pose/cube_1": np.zeros((steps, 4, 4), np.float32),
            "obs/datagen_info/subtask_term_signals/grasp_1": np.zeros(steps, bool),
            "states/articulation/robot/joint_position": np.zeros((steps, 4), np.float32),
            "initial_state/articulation/robot/joint_position": np.zeros((1, 4), np.float32),
        }
        for name, array in arrays.items():
            demo.create_dataset(name, data=array, compression="gzip")

    sim = {"dt": 0.01, "decimation": 5, "render_interval": 5, "num_envs": 1}
    return demos(path, fill, env={"env_name": "Isaac-Stack-Cube-Franka-IK-Rel-Mimic-v0", "type": 2, "sim_args": sim})


def libero(path: Path, depth: bool = False) -> Path:
    """As LIBERO's ``create_dataset`` writes it: frames from the bottom row up, cameras that end in ``_rgb``."""

    def fill(demo: Any, steps: int) -> None:
        for key, width in {"gripper_states": 2, "joint_states": 7, "ee_states": 6, "ee_pos": 3, "ee_ori": 3}.items():
            demo[f"obs/{key}"] = np.arange(steps * width, dtype=np.float64).reshape(steps, width)
        for camera in ("agentview", "eye_in_hand"):
            demo[f"obs/{camera}_rgb"] = video(steps)
            if depth:
                demo[f"obs/{camera}_depth"] = np.full((steps, *UPRIGHT, 1), 0.98, np.float32)
        demo["states"], demo["robot_states"] = np.zeros((steps, 20)), np.zeros((steps, 9))
        demo["rewards"] = demo["dones"] = np.eye(steps, dtype=np.uint8)[-1]
        demo.attrs["model_file"], demo.attrs["init_state"] = "<mujoco/>", np.zeros(20)

    kwargs = {"control_freq": 20, "camera_names": ["robot0_eye_in_hand", "agentview"]}
    demos(path, fill, env={"type": 1, "env_name": "Libero_Tabletop_Manipulation", "env_kwargs": kwargs})
    with h5py.File(path, "r+") as file:
        file["data"].attrs["macros_image_convention"] = "opengl"
        file["data"].attrs["bddl_file_name"] = "libero/bddl_files/libero_spatial/pick_up.bddl"
        file["data"].attrs["problem_info"] = json.dumps({"language_instruction": "pick up the black bowl"})
    return path


def robosuite(
    path: Path, *, next_obs: bool = True, depth: bool = True, extra: Callable[[Any, int], None] | None = None
) -> Path:
    """As robomimic's ``dataset_states_to_obs`` leaves it: depth in metres, (T, H, W, 1) float."""

    def fill(demo: Any, steps: int) -> None:
        for group, begin in (("obs", 0), ("next_obs", 1)) if next_obs else (("obs", 0),):
            demo[f"{group}/agentview_image"] = video(steps, begin=begin)
            if depth:
                metres = distances(steps + 1)[begin : begin + steps, ..., None].astype(np.float32) / 1000
                demo[f"{group}/agentview_depth"] = metres
            demo[f"{group}/robot0_eef_pos"] = np.arange(steps * 3, dtype=np.float64).reshape(steps, 3)
            demo[f"{group}/object"] = np.zeros((steps, 10))
        demo["states"] = np.zeros((steps, 9))
        demo["rewards"], demo["dones"] = np.eye(steps)[-1], np.eye(steps, dtype=np.int64)[-1]
        if extra is not None:
            extra(demo, steps)

    return demos(path, fill, env={"env_name": "Lift", "type": 1, "env_kwargs": {"control_freq": 20}})


def robocasa(path: Path) -> Path:
    """robocasa's: several cameras, ``action_dict``, ``actions_abs``, the scene in attributes."""

    def extra(demo: Any, steps: int) -> None:
        demo["obs/robot0_eye_in_hand_image"] = video(steps)
        demo["actions_abs"] = np.zeros((steps, 2))
        demo["action_dict/rel_pos"] = np.zeros((steps, 3))
        demo.attrs["ep_meta"] = json.dumps({"lang": "open the drawer"})

    return robosuite(path, next_obs=False, depth=False, extra=extra)


def mimicgen(path: Path) -> Path:
    """MimicGen's: what it was made of beside ``obs``."""

    def extra(demo: Any, steps: int) -> None:
        demo["datagen_info/eef_pose"] = np.zeros((steps, 4, 4))
        demo["datagen_info/subtask_term_signals/grasp"] = np.zeros(steps, np.int64)
        demo["src_demo_inds"] = np.zeros(3, np.int64)

    return robosuite(path, next_obs=False, depth=False, extra=extra)
