"""The parts of a policy that are plugins: encoder and planner. Each is found by its name, which a base's config keeps."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol, TypeVar

from a2g_cli.core import plugins
from a2g_cli.core.errors import PluginError
from a2g_cli.models.part_names import PartKind


class Part(Protocol):
    """What encoders and planners have in common."""

    @classmethod
    def settings(cls, source: str | None) -> Mapping[str, Any]:
        """Return what a base's config keeps of ``NAME:source``: numbers, truth values and short texts. Loads no weights.

        Raises:
            UsageError: this part is made of something else, or of nothing.
        """


T = TypeVar("T", bound=Part)


@cache
def _plugin(kind: PartKind, name: str) -> Any:
    return plugins.load(kind, name)


def chosen(kind: PartKind, text: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the settings of ``NAME`` or ``NAME:SOURCE``, as a base's config keeps them.

    Raises:
        UnknownNameError: no plugin of this kind has that name.
        UsageError: it cannot be made of SOURCE.
        PluginError: it, or a package that it needs, cannot be imported, or it fails.
    """
    name, source = plugins.split(text)
    plugin = _plugin(kind, name)
    with plugins.calling(f"{kind} {name!r}", "settings", plugins.is_built_in(plugin), PluginError):
        return name, dict(plugin.settings(source))


def made(kind: PartKind, name: str, base: type[T], *arguments: Any) -> T:
    """Return the part of a base's config, untrained: the plugin ``name``, a subclass of ``base``, made with ``arguments``.

    Raises:
        UnknownNameError: no plugin of this kind has that name.
        CheckpointError: it cannot have its settings.
        PluginError: it, or a package that it needs, cannot be imported, or it is no such part.
    """
    plugin = _plugin(kind, name)
    with plugins.calling(f"{kind} {name!r}", "its constructor", plugins.is_built_in(plugin), PluginError):
        part = plugin(*arguments)
    if not isinstance(part, base):
        raise PluginError(f"{kind} {name!r} is a {type(part).__name__}; expected a {base.__module__}.{base.__name__}.")
    return part
