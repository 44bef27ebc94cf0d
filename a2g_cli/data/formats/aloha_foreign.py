"""Reads episodes in ALOHA's layout that other programs wrote: ACT, ALOHA, Mobile ALOHA and their successors."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from a2g_cli.core.types import Outcome, Provenance
from a2g_cli.data.formats import hdf5
from a2g_cli.data.formats.choosing import left_out_notes
from a2g_cli.data.formats.hdf5_observed import observe
from a2g_cli.data.formats.hdf5_videos import DEPTH_UNITS
from a2g_cli.data.formats.incoming import Incoming, last_frame_as_goal, numbered, spec_for
from a2g_cli.data.formats.reading import ReadOptions
from a2g_cli.data.recording import untrusted

RATE = 50.0
"""ALOHA's control rate [Hz]."""
ACTIONS = ("action", "actions")
_POSES = ("qpos", "state")
"""Proprioception, if the user does not choose: the first of these that exists."""
_IMAGES = "images/"


def foreign(file: Any, path: Path, options: ReadOptions) -> Incoming:
    """Return the episode in ``file``; its goal is its last frame.

    Raises:
        UsageError: ``options`` name a camera or column that does not exist.
        KeyError, TypeError, ValueError: it is damaged, or describes what no recording can hold.
    """
    key = next((name for name in ACTIONS if untrusted.holds(file, name)), ACTIONS[0])
    actions = hdf5.matrix(file, key)
    steps = len(actions)
    if steps < 2:
        raise ValueError(f"it has {steps} rows: two are needed, for an action and the observation after it")
    leaves = hdf5.leaves(hdf5.group(file, "observations"))
    found = {_short(name, leaves): dataset for name, dataset in leaves.items()}
    pose = next((name for name in _POSES if name in found), "")
    seen = observe(
        found,
        steps,
        options,
        lambda name, _: "" if name == pose else "--columns adds it",
        aloha_marks=untrusted.holds(file, "compress_len") or _is_set(file, "compress"),
    )
    hertz = RATE if options.rate is None else options.rate
    reached, unclear = hdf5.success(file)
    judge = "none" if reached is None else "truth" if _is_set(file, "sim") else "person"
    notes = [
        f"ALOHA has no times: they are counted at {hertz:g} Hz; --rate changes that",
        *seen.notes,
        *left_out_notes(
            dict.fromkeys(
                sorted(set(file) - {key, "observations", "compress_len"}), "neither the action nor an observation"
            )
        ),
        *unclear,
    ]
    if seen.rows == steps:
        notes.insert(1, "the last action of an episode is left out: the file has no observation after it")
        actions = actions[:-1]
    names = numbered("action", actions.shape[1]), seen.names
    spec = replace(spec_for("aloha", *names, seen.sizes, hertz), depth=tuple(seen.depths))
    imported: dict[str, Any] = {"format": "aloha", "episode": path.stem}
    if seen.depths:
        imported["depth_units"] = DEPTH_UNITS
    times = np.arange(seen.rows) / hertz
    return Incoming(
        spec,
        last_frame_as_goal(seen.at(seen.rows - 1), f"aloha:{path.name}"),
        Provenance("aloha", "imported", settings={"imported": imported}),
        Outcome(reached, judge, "imported"),
        actions,
        actions,
        seen.proprioception(),
        times,
        dict.fromkeys(seen.videos, times),
        seen.frames,
        notes=tuple(notes),
        depth=seen.measured if seen.depths else None,
    )


def _short(name: str, beside: dict[str, Any]) -> str:
    """Return ``images/top`` as ``top``, as ALOHA's configurations call it."""
    short = name.removeprefix(_IMAGES)
    return name if short in beside else short


def _is_set(file: Any, name: str) -> bool:
    """Whether the attribute ``name`` exists and is true."""
    if name not in file.attrs or file.attrs.get_id(name).shape != () or file.attrs.get_id(name).dtype.kind not in "biu":
        return False
    return bool(file.attrs[name])
