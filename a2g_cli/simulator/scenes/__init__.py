"""The scenes: what stands on the table, what is asked, when it is done, and how an expert would do it. One task a file."""

from a2g_cli.core.errors import UnknownNameError
from a2g_cli.simulator.scenes.place import Place
from a2g_cli.simulator.scenes.plug import Plug
from a2g_cli.simulator.scenes.scene import Scene
from a2g_cli.simulator.scenes.write import Write
from a2g_cli.simulator.shifts import Shift

SCENES: dict[str, type[Scene]] = {"place": Place, "plug": Plug, "write": Write}


def scene(name: str, shift: Shift) -> Scene:
    """Return the scene called ``name`` under ``shift``. Raises UnknownNameError."""
    if name not in SCENES:
        raise UnknownNameError("scene", name, SCENES)
    return SCENES[name](shift)
