"""Draws one image in a process of its own, as a driver that crashes must not take its caller along.

``python -m a2g_cli.simulator.gl_check`` prints ``{"backend", "renderer", "mujoco", "milliseconds"}``, or
``{"error"}``.
"""

import importlib
import json
import os
import time
from typing import Any

from a2g_cli.core.errors import A2GError
from a2g_cli.core.standard_output import kept_for_data, printing_aside


def _draw() -> dict[str, Any]:
    from a2g_cli.robots.sim import SimRobot

    robot = SimRobot()
    try:
        robot.connect()
        image = robot.observe().images["front"]
        begun = time.perf_counter()
        robot.observe()
        taken = time.perf_counter() - begun
        if image.std() == 0:
            return {"error": "the image is empty: the OpenGL driver draws nothing."}
        return {"milliseconds": round(1000 * taken, 2), "renderer": _renderer(), **_versions()}
    finally:
        robot.close()


def _versions() -> dict[str, str]:
    import mujoco

    return {"backend": os.environ.get("MUJOCO_GL", "glfw"), "mujoco": str(mujoco.__version__)}


def _renderer() -> str:
    """Return what OpenGL calls the device that draws; empty where it cannot be asked."""
    try:
        opengl = importlib.import_module("OpenGL.GL")
        return str(opengl.glGetString(opengl.GL_RENDERER).decode())
    except Exception:  # each backend fails in its own way, and the name is no more than a nicety
        return ""


def main() -> None:
    """Print what was found as JSON."""
    with kept_for_data(), printing_aside() as data:
        try:
            found = _draw()
        except A2GError as error:
            found = {"error": str(error)}
        data.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
