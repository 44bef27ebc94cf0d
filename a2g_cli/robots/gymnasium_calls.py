"""Calls of Gymnasium's code and of the environments', which are strangers', and the pictures in what they return."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from a2g_cli.episode import Image
from a2g_cli.errors import A2GError, HardwareError

CAMERA = "front"
"""What the picture is called where the environment has no name for it."""


def make(id: str, options: Mapping[str, Any]) -> Any:  # noqa: A002 - Gymnasium's own word for it
    """Return the environment, without Gymnasium's own limit of steps. Raises HardwareError."""
    try:
        import gymnasium
    except ImportError as error:
        raise HardwareError(f"robot 'gym:{id}' needs Gymnasium: pip install 'a2g[gym]' ({error}).") from error
    if sys.platform.startswith("linux"):
        # For environments on MuJoCo: EGL needs no display, and what they take if nothing is said does.
        os.environ.setdefault("MUJOCO_GL", "egl")
    with strangers_code(id, "make"):
        # How long an episode may take is a2g's to say, and the checker wraps what a2g has to see as it is.
        return gymnasium.make(id, render_mode="rgb_array", disable_env_checker=True, max_episode_steps=-1, **options)


@contextmanager
def strangers_code(id: str, call: str) -> Iterator[None]:  # noqa: A002 - Gymnasium's own word for it
    """Say of an environment's own errors, which may be any, whose they are and in which call. Raises HardwareError."""
    try:
        yield
    except A2GError:
        raise
    except Exception as error:
        told = " ".join(str(error).split()) or type(error).__name__
        raise HardwareError(f"Gymnasium's {id!r} failed in {call}: {told}") from error


def pictures(seen: Any) -> dict[str, Image]:
    """Return camera -> picture of an observation, alone or among others; no camera's name holds a slash."""
    if is_picture(seen):
        return {CAMERA: np.asarray(seen)}
    entries = seen.items() if isinstance(seen, dict) else ()
    return {str(name).replace("/", "."): np.asarray(value) for name, value in entries if is_picture(value)}


def goal_in(info: Mapping[str, Any]) -> dict[str, Image]:
    """Return camera -> goal picture of a reset's ``info``: the goal observation, else the goal that was drawn."""
    return pictures(info.get("goal")) or pictures(info.get("goal_rendered"))


def is_picture(value: Any) -> bool:
    """Whether a value is one camera's picture: HxWx3 bytes."""
    return isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3 and value.shape[2] == 3
