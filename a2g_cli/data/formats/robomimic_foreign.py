"""Reads demos in robomimic's layout that other programs wrote: robomimic, MimicGen, robocasa, LIBERO, Isaac Lab."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from a2g_cli.core.types import Depth, Outcome, Provenance
from a2g_cli.data.formats import hdf5
from a2g_cli.data.formats.choosing import left_out_notes
from a2g_cli.data.formats.hdf5_observed import after, observe
from a2g_cli.data.formats.hdf5_videos import DEPTH_UNITS
from a2g_cli.data.formats.incoming import Frames, Incoming, last_frame_as_goal, numbered, spec_for
from a2g_cli.data.formats.reading import ReadOptions
from a2g_cli.data.recording import untrusted

RATE = 20.0
"""The rate of robomimic's simulators, if the file does not say it [Hz]."""
_TRUTH = {"object", "object-state", "env_state", "states"}
"""Observations that only a simulator knows: not proprioception."""
_READ = {"actions", "obs", "next_obs", "rewards", "dones"}
"""Members of a demo that are read, or that add nothing to the others."""


def foreign(demo: Any, name: str, data: Any, environment: Mapping[str, Any], options: ReadOptions) -> Incoming:
    """Return the demo ``demo`` of the group ``data``; its goal is its last frame.

    Raises:
        UsageError: ``options`` name a camera or column that does not exist.
        KeyError, TypeError, ValueError: it is damaged, or describes what no recording can hold.
    """
    notes = ["robomimic has no times: they are counted from the control rate"]
    hertz = _rate(environment, options.rate, notes)
    actions = hdf5.matrix(demo, "actions")
    steps = len(actions)
    if not steps:
        raise ValueError("it has no action")
    seen = observe(_observations(demo), steps, options, _by_default, no_depth=_no_depth(data, environment))
    notes += seen.notes
    notes += left_out_notes(dict.fromkeys(sorted(set(demo) - _READ), "neither the action nor an observation"))
    last: Frames = {}
    last_depth: Mapping[str, Depth] = {}
    joints = seen.proprioception()
    if seen.rows == steps and untrusted.holds(demo, "next_obs"):
        then = after(seen, hdf5.leaves(hdf5.group(demo, "next_obs")))
        last = then.at(steps - 1)
        last_depth = {camera: video.at(steps - 1) for camera, video in then.depths.items()}
        joints = np.concatenate([joints, then.proprioception()[-1:]])
    elif seen.rows == steps:
        notes.append("the last action of an episode is left out: there is no next_obs, and so no observation after it")
        actions = actions[:-1]
    reached, unclear = _reached(demo, steps)
    notes += unclear
    spec = spec_for(
        f"robomimic:{str(environment.get('env_name') or 'unknown')[:100]}",
        numbered("action", actions.shape[1]),
        seen.names,
        seen.sizes,
        hertz,
    )

    def frames() -> Iterator[Frames]:
        yield from seen.frames()
        if last:
            yield last

    def depths() -> Iterator[Mapping[str, Depth]]:
        yield from seen.measured()
        if last:
            yield last_depth

    imported: dict[str, Any] = {"format": "robomimic", "episode": name.partition("#")[2]}
    if seen.depths:
        imported["depth_units"] = DEPTH_UNITS
    times = np.arange(len(joints)) / hertz
    return Incoming(
        replace(spec, depth=tuple(seen.depths)),
        last_frame_as_goal(last or seen.at(seen.rows - 1), f"robomimic:{name}"),
        Provenance(spec.name, "imported", settings={"imported": imported}),
        Outcome(reached, "none" if reached is None else "truth", "imported"),
        actions,
        actions,
        joints,
        times,
        dict.fromkeys(seen.videos, times),
        frames,
        notes=tuple(notes),
        depth=depths if seen.depths else None,
        flip_remedy=_UPSIDE_DOWN if _is_upside_down(data) else "",
    )


def _observations(demo: Any) -> dict[str, Any]:
    if not untrusted.holds(demo, "obs"):
        raise KeyError(
            "it has no observations, `obs`: robomimic's dataset_states_to_obs makes them from a simulator's states"
        )
    return hdf5.leaves(hdf5.group(demo, "obs"))


def _no_depth(data: Any, environment: Mapping[str, Any]) -> str:
    """Return why depth cannot be read, empty if it can."""
    libero = "bddl_file_name" in data.attrs or "bddl_file" in environment
    return "LIBERO stores the renderer's depth buffer, not distances" if libero else ""


def _by_default(path: str, dataset: Any) -> str:
    if path in _TRUTH:
        return "only a simulator knows it; --columns adds it"
    if "/" in path:
        return "it is in a group; --columns adds it"
    return "" if dataset.dtype.kind == "f" else "not a measured number; --columns adds it"


def _rate(environment: Mapping[str, Any], given: float | None, notes: list[str]) -> float:
    """Return the control rate [Hz]: ``given``, or the one of robosuite or Isaac Lab, or robomimic's usual one."""
    if given is not None:
        return given
    kwargs, sim = environment.get("env_kwargs"), environment.get("sim_args")
    if isinstance(kwargs, dict) and kwargs.get("control_freq") is not None:
        return float(kwargs["control_freq"])
    if isinstance(sim, dict) and {"dt", "decimation"} <= sim.keys():
        period = float(sim["dt"]) * float(sim["decimation"])
        if not period > 0:
            raise ValueError(f"a control period of {period} s")
        return 1 / period
    notes.append(f"the file does not say its control rate: {RATE:g} Hz is assumed; --rate changes that")
    return RATE


def _reached(demo: Any, steps: int) -> tuple[bool | None, tuple[str, ...]]:
    """Return whether the goal was reached, by the attribute ``success``, else by the last reward."""
    said, unclear = hdf5.success(demo)
    if said is not None or not untrusted.holds(demo, "rewards"):
        return said, unclear
    return bool(hdf5.numbers(demo, "rewards", steps).flat[-1] > 0), unclear


_UPSIDE_DOWN = (
    "the file's frames are upside down (macros_image_convention): `a2g recordings import --flip rows` turns them"
)


def _is_upside_down(data: Any) -> bool:
    """Whether the file says that its rows run from the bottom up, as OpenGL's and LIBERO's do."""
    if "macros_image_convention" not in data.attrs:
        return False
    return untrusted.text_attribute(data, "macros_image_convention") == "opengl"
