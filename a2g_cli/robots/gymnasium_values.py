"""What Gymnasium environments return, made plain: named entries of nested observations, and arrays of whatever they hold."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = "observation"
"""Name of an observation that is no dictionary: an array alone, or a tuple, whose elements follow by their number."""

Entries = dict[str, NDArray[Any]]
"""Name -> array, of an observation."""


def entries(value: Any, name: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield name and array of every entry of an observation; a slash leads into a dictionary or a tuple.

    ``{"pixels": {"top": image}, "joints": (a, b)}`` has the entries ``pixels/top``, ``joints/0`` and ``joints/1``.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from entries(inner, f"{name}/{key}" if name else str(key))
    elif isinstance(value, tuple | list) and not all(np.isscalar(inner) for inner in value):
        for index, inner in enumerate(value):
            yield from entries(inner, f"{name or ROOT}/{index}")
    else:
        yield name or ROOT, plain(value)


def spaces(space: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield name and space of every entry that an observation space describes, named as ``entries`` does."""
    inner = getattr(space, "spaces", None)
    if isinstance(inner, Mapping):
        for key, one in inner.items():
            yield from spaces(one, f"{name}/{key}" if name else str(key))
    elif isinstance(inner, tuple | list):
        for index, one in enumerate(inner):
            yield from spaces(one, f"{name or ROOT}/{index}")
    else:
        yield name or ROOT, space


def beneath(name: str, wanted: str) -> bool:
    """Whether the entry ``name`` is ``wanted`` or lies within it."""
    return name == wanted or name.startswith(f"{wanted}/")


def numbered(entry: str, size: int) -> list[str]:
    """Return the names of an entry's numbers: its own, with an index where there are several."""
    return [entry] if size == 1 else [f"{entry}.{i}" for i in range(size)]


def plain(value: Any) -> NDArray[Any]:
    """Return a value as an array: also PyTorch's tensors, on whatever device they are."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        return np.asarray(value)
    except ValueError:  # rows of several lengths
        return np.asarray(value, dtype=object)


def is_numeric(array: NDArray[Any]) -> bool:
    """Whether an array holds numbers, or truths, which count as 0 and 1."""
    return array.dtype.kind in "biuf"


def is_so(value: Any) -> bool:
    """Whether an environment's word is true: a bool, or an array, a tensor or a dictionary of several, all of them true."""
    if isinstance(value, Mapping):
        return bool(value) and all(map(is_so, value.values()))
    values = plain(value).ravel().tolist()
    return bool(values) and all(map(bool, values))
