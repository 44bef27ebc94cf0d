"""The scenes: the objects on the table, the task, when it is done, and a scripted expert. One task a file.

Scenes are plugins: subclasses of ``Scene`` in the entry-point group ``a2g.scenes``.
"""

from a2g_cli.core import plugins
from a2g_cli.core.errors import PluginError
from a2g_cli.simulator.scenes.scene import Scene
from a2g_cli.simulator.shifts import Shift


def find_scene(name: str) -> type[Scene]:
    """Return the class of the scene called ``name``. Raises UnknownNameError, PluginError."""
    kind: type[Scene] = plugins.load("scene", name)
    return kind


def scene(name: str, shift: Shift) -> Scene:
    """Return the scene called ``name`` under ``shift``. Raises UnknownNameError, PluginError."""
    kind = find_scene(name)
    with plugins.calling(f"scene {name!r}", "its constructor", plugins.is_built_in(kind), PluginError):
        return kind(shift)
