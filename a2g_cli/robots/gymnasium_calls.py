"""Calls into Gymnasium and its environments, with checks of what they return."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from a2g_cli.core.errors import A2GError, HardwareError
from a2g_cli.robots.gymnasium_values import is_so


def make(id: str, options: Mapping[str, Any]) -> Any:  # noqa: A002 - Gymnasium's own word for it
    """Return the environment, without Gymnasium's own limit of steps. Raises HardwareError."""
    try:
        import gymnasium
    except ImportError as error:
        raise HardwareError(f"robot 'gym:{id}' needs Gymnasium: pip install 'a2g[gym]' ({error}).") from error
    if sys.platform.startswith("linux"):
        # For environments on MuJoCo: EGL needs no display, unlike their default.
        os.environ.setdefault("MUJOCO_GL", "egl")
    with strangers_code(id, "make"):
        # a2g limits the length of episodes itself, and the checker would wrap what a2g inspects.
        return gymnasium.make(id, render_mode="rgb_array", disable_env_checker=True, max_episode_steps=-1, **options)


@contextmanager
def strangers_code(id: str, call: str) -> Iterator[None]:  # noqa: A002 - Gymnasium's own word for it
    """Turn any error of an environment into a HardwareError that names the environment and the call."""
    try:
        yield
    except A2GError:
        raise
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise HardwareError(f"Gymnasium environment {id!r}: {call} failed: {text}") from error


def begun(id: str, answer: Any) -> tuple[Any, Mapping[str, Any]]:  # noqa: A002 - Gymnasium's own word for it
    """Return observation and info from the result of ``reset``. Raises HardwareError for anything else."""
    if not (isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], Mapping)):
        raise HardwareError(f"Gymnasium's {id!r} returned {_shape(answer)} from reset: expected observation, info.")
    return answer


def stepped(id: str, answer: Any) -> tuple[Any, bool, Mapping[str, Any]]:  # noqa: A002 - Gymnasium's own word for it
    """Return observation, whether the episode has ended, and info from the result of ``step``; old Gym returns four values.

    Raises:
        HardwareError: it is anything else.
    """
    if not (isinstance(answer, tuple) and len(answer) in {4, 5} and isinstance(answer[-1], Mapping)):
        expected = "observation, reward, terminated, truncated, info"
        raise HardwareError(f"Gymnasium's {id!r} returned {_shape(answer)} from step: expected {expected}.")
    return answer[0], any(map(is_so, answer[2:-1])), answer[-1]


def _shape(answer: Any) -> str:
    return f"{len(answer)} values" if isinstance(answer, tuple) else type(answer).__name__
