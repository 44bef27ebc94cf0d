"""Images of the tabletop: one OpenGL context, cameras by name.

Imported before anything else imports MuJoCo, because MuJoCo chooses its OpenGL backend while it is imported.
"""

import os
import sys
import warnings
from typing import Any

from a2g_cli.core.errors import HardwareError
from a2g_cli.core.types import Image

if sys.platform.startswith("linux"):
    # EGL needs no display, and works as well where there is one.
    os.environ.setdefault("MUJOCO_GL", "egl")
    # Mesa's software renderer: at 64 px its worker threads cost more than they bring, and they steal cores from others.
    os.environ.setdefault("LP_NUM_THREADS", "0")


def _no_gl(error: Exception) -> HardwareError:
    backend = os.environ.get("MUJOCO_GL", "")
    return HardwareError(
        f"the simulator cannot draw: OpenGL does not start (MUJOCO_GL={backend}); "
        f"install libegl1, or libosmesa6 and set MUJOCO_GL=osmesa ({type(error).__name__})"
    )


try:
    import mujoco
except (AttributeError, RuntimeError, OSError) as error:  # what PyOpenGL and MuJoCo raise without a GL library
    raise _no_gl(error) from error

FINE_FROM = 256
"""Images of this many pixels and more are meant for people: smooth edges, rounder shapes, shadows [px]."""


class Renderer:
    """Draws one model, ``size`` x ``size`` pixels. Not to be shared between threads."""

    def __init__(self, model: Any, size: int) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # GLFW warns at length before it fails
                self._renderer = mujoco.Renderer(model, size, size, max_geom=200)
        except Exception as error:
            # Each backend fails in its own way (ImportError, AttributeError, its own classes): the remedy is one.
            raise _no_gl(error) from error
        flags = self._renderer.scene.flags
        for flag in (
            mujoco.mjtRndFlag.mjRND_REFLECTION,
            mujoco.mjtRndFlag.mjRND_SKYBOX,
            mujoco.mjtRndFlag.mjRND_HAZE,
            mujoco.mjtRndFlag.mjRND_FOG,
        ):
            flags[flag] = 0
        flags[mujoco.mjtRndFlag.mjRND_SHADOW] = int(size >= FINE_FROM)

    def draw(self, data: Any, camera: str) -> Image:
        """Return what ``camera`` sees of ``data`` as a new array."""
        self._renderer.update_scene(data, camera)
        image: Image = self._renderer.render()
        return image

    def refresh(self, texture: int) -> None:
        """Send a texture whose pixels changed in the model to the graphics memory."""
        # mujoco.Renderer has no public way to its context, and a texture that changes is cheaper than any other ink.
        context = self._renderer._mjr_context
        self._renderer._gl_context.make_current()
        mujoco.mjr_uploadTexture(self._renderer.model, context, texture)

    def close(self) -> None:
        """Free the OpenGL context."""
        self._renderer.close()


def quality_xml(size: int) -> str:
    """Return the MJCF ``visual`` element for images of ``size`` pixels."""
    fine = size >= FINE_FROM
    samples, shadow, slices = (8, 4096, 48) if fine else (4, 0, 16)
    return (
        f'<visual><global offwidth="{size}" offheight="{size}"/>'
        f'<quality offsamples="{samples}" shadowsize="{shadow}" numslices="{slices}" numstacks="{slices // 2}"'
        ' numquads="1"/>'
        '<headlight ambient=".42 .42 .43" diffuse=".18 .18 .18" specular="0 0 0"/>'
        '<map znear=".05" zfar="20" shadowscale=".7" shadowclip=".6"/></visual>'
    )
