"""How a base's config names its encoder and its planner. Imports no torch, so that a config can be read without it."""

import re
from collections.abc import Mapping
from typing import Literal

PartKind = Literal["encoder", "planner"]
"""A part of a policy that is a plugin."""
OWN: Mapping[PartKind, str] = {"encoder": "autoencoder", "planner": "flow"}
"""Part -> the one that a base has if its config names none: all bases of before."""
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
"""What a part may be called in a base's config, which may come from elsewhere."""


def faults(kind: PartKind, name: object, settings: object) -> list[str]:
    """Return which of the two no config may have: it may come from elsewhere."""
    invalid = [] if isinstance(name, str) and NAME.fullmatch(name) else [f"{kind}"]
    plain = isinstance(settings, Mapping) and len(settings) <= 64 and all(map(_plain, settings.items()))
    return invalid if plain else [*invalid, f"{kind}_settings"]


def _plain(setting: tuple[object, object]) -> bool:
    key, value = setting
    texts = [text for text in setting if isinstance(text, str)]
    known = isinstance(key, str) and (value is None or isinstance(value, (bool, int, float, str)))
    return known and all(len(text) <= 100 for text in texts)
