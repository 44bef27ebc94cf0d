"""The names in a recording's file, and its JSON attributes. ``recordings/README.md`` describes the schema."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from a2g_cli.core.errors import RecordingError
from a2g_cli.core.types import Goal, Image, Outcome, Provenance, State, is_judge_name
from a2g_cli.robots.base import RobotSpec
from a2g_cli.simulator.shifts import current_name

FORMAT = 1
"""The version that this code writes, and the newest that it reads."""

MARK = "a2g_recording"
"""Root attribute that holds ``FORMAT``. A file without it is not a recording."""

ATTRIBUTES = {"spec", "goal", "provenance", "outcome", "created_at", "written_by"}
"""Root attributes that are strings."""

DEMO = "data/demo_0"
"""The group of the episode, where robomimic looks for it."""

TIMING = ("acted_at", "due_at", "planning")
"""Datasets of ``StepTiming`` under ``timing/``. Optional: demonstrations and older recordings do not have them."""

SUFFIX = ".hdf5"
PARTIAL_SUFFIX = ".partial"

MAX_STEPS = 1_000_000
"""Most actions in one episode [steps]: nine hours at 30 Hz."""
MAX_SIDE = 8192
"""Largest height or width of a frame [px]."""
MAX_NAMES = 4096
"""Most actions, proprioception values or cameras of a robot."""
MAX_JSON = 16 * 2**20
"""Longest JSON attribute [characters]."""


def image_key(camera: str) -> str:
    """Return the key under which robomimic finds ``camera``'s frames in ``obs`` and ``next_obs``."""
    return f"{camera}_image"


def depth_key(camera: str) -> str:
    """Return the key of ``camera``'s depth in ``obs`` and ``next_obs``."""
    return f"{camera}_depth"


def view_targets(spec: RobotSpec) -> dict[str, str]:
    """Return key in ``obs`` and ``next_obs`` -> the dataset that it is a view of."""
    targets = {image_key(camera): f"frames/{camera}" for camera in spec.cameras}
    targets |= {depth_key(camera): f"depth/{camera}" for camera in spec.depth}
    return targets | ({"proprioception": "proprioception"} if spec.proprioception_names else {})


def partial_path(path: Path) -> Path:
    """Return the path of the recording ``path`` while it is being written."""
    return path.with_name(path.name + PARTIAL_SUFFIX)


def to_json(what: str, value: object) -> str:
    """Return ``value`` as strict JSON with sorted keys: equal content gives equal text.

    Raises:
        RecordingError: JSON has no such value (NaN, infinity, an object of some class).
    """
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RecordingError(f"the {what} cannot be stored as JSON: {error}") from error


def from_json(text: str) -> dict[str, Any]:
    """Return the JSON object in ``text``. Raises ValueError for anything else."""
    if len(text) > MAX_JSON:
        raise ValueError(f"a JSON attribute of {len(text)} characters")
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError("a JSON attribute that is not an object")
    return value


def _bound(value: float) -> float | None:
    """Return ``value``, or None for one that is not finite: JSON has no infinity."""
    return float(value) if math.isfinite(value) else None


def spec_to_json(spec: RobotSpec) -> str:
    """Return a robot's spec as JSON."""
    actions = zip(spec.action_names, spec.action_units, spec.action_low, spec.action_high, strict=True)
    proprioception = zip(spec.proprioception_names, spec.proprioception_units, strict=True)
    value = {
        "name": spec.name,
        "actions": [{"name": n, "unit": u, "low": _bound(lo), "high": _bound(hi)} for n, u, lo, hi in actions],
        "rate_hz": float(spec.rate),
        "proprioception": [{"name": n, "unit": u} for n, u in proprioception],
        # A list, not an object: the order of cameras is part of the spec.
        "cameras": [
            {"name": n, "height": int(h), "width": int(w)} | ({"depth": True} if n in spec.depth else {})
            for n, (h, w) in spec.cameras.items()
        ],
    }
    return to_json("robot's spec", value)


def spec_from_json(text: str) -> RobotSpec:
    """Return the spec in ``text``. Raises KeyError, TypeError or ValueError if it is not one."""
    value = from_json(text)
    actions, proprioception, cameras = value["actions"], value["proprioception"], value["cameras"]
    if max(len(actions), len(proprioception), len(cameras)) > MAX_NAMES or not actions:
        raise ValueError(f"{len(actions)} actions, {len(proprioception)} proprioception values, {len(cameras)} cameras")
    sizes = {_text(camera["name"]): (int(camera["height"]), int(camera["width"])) for camera in cameras}
    if any(not 1 <= side <= MAX_SIDE for size in sizes.values() for side in size):
        raise ValueError(f"frames of {sizes} px")
    return RobotSpec(
        name=_text(value["name"]),
        action_names=tuple(_text(action["name"]) for action in actions),
        action_units=tuple(_text(action["unit"]) for action in actions),
        action_low=tuple(-math.inf if action["low"] is None else float(action["low"]) for action in actions),
        action_high=tuple(math.inf if action["high"] is None else float(action["high"]) for action in actions),
        rate=float(value["rate_hz"]),
        proprioception_names=tuple(_text(item["name"]) for item in proprioception),
        proprioception_units=tuple(_text(item["unit"]) for item in proprioception),
        cameras=sizes,
        depth=tuple(_text(camera["name"]) for camera in cameras if camera.get("depth") is True),
    )


def goal_to_json(goal: Goal) -> str:
    """Return a goal as JSON, with a fingerprint in place of its pixels."""
    value = {
        "name": goal.name,
        "source": goal.source,
        "truth": None if goal.truth is None else {key: list(map(float, row)) for key, row in goal.truth.items()},
        "fingerprint": goal.fingerprint,
    }
    return to_json("goal", value)


def goal_from_json(text: str, images: Mapping[str, Image]) -> Goal:
    """Return the goal in ``text`` with its pixels. Raises KeyError, TypeError or ValueError if it is not one."""
    value = from_json(text)
    return Goal(_text(value["name"]), images, _text(value["source"]), truth_from_json(value["truth"]))


def truth_from_json(value: object) -> State | None:
    """Return a true state that was read from JSON. Raises TypeError or ValueError if it is not one."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise TypeError("a truth that is not an object")
    return {_text(key): [float(number) for number in row] for key, row in value.items()}


def provenance_to_json(provenance: Provenance) -> str:
    """Return a provenance as JSON."""
    value = {
        "robot": provenance.robot,
        "policy": provenance.policy,
        "shift": provenance.shift,
        "base": provenance.base,
        "adapter": provenance.adapter,
        "adapter_name": provenance.adapter_name,
        "seed": provenance.seed,
        "settings": dict(provenance.settings),
    }
    return to_json("provenance", value)


_OLD_ADAPTERS = {"none": "base"}
"""Version 0.1's word for the base policy, where it acted without an adapter -> today's."""


def provenance_from_json(text: str) -> Provenance:
    """Return the provenance in ``text``. Raises KeyError, TypeError or ValueError if it is not one."""
    return provenance_from(from_json(text))


def provenance_from(value: Mapping[str, Any]) -> Provenance:
    """Return the provenance in a JSON object. Raises KeyError, TypeError or ValueError if it is not one."""
    settings = value["settings"]
    if not isinstance(settings, dict):
        raise TypeError("settings that are not an object")
    return Provenance(
        robot=_text(value["robot"]),
        policy=_text(value["policy"]),
        shift=current_name(_text(value["shift"])),
        base=None if value["base"] is None else _text(value["base"]),
        adapter=None if value["adapter"] is None else _text(value["adapter"]),
        adapter_name=None
        if value["adapter_name"] is None
        else _OLD_ADAPTERS.get(name := _text(value["adapter_name"]), name),
        seed=None if value["seed"] is None else int(value["seed"]),
        settings=settings,
    )


def outcome_to_json(outcome: Outcome) -> str:
    """Return an outcome as JSON. An estimate that is not finite is stored as null."""
    value: dict[str, Any] = {
        "success": None if outcome.success is None else bool(outcome.success),
        "judge": outcome.judge,
        "stopped_by": outcome.stopped_by,
        "steps_to_go": None if outcome.steps_to_go is None else _bound(outcome.steps_to_go),
        "distance": None if outcome.distance is None else _bound(outcome.distance),
    }
    if outcome.estimates:
        value["estimates"] = [[int(step), float(left)] for step, left in outcome.estimates]
    return to_json("outcome", value)


def outcome_from_json(text: str) -> Outcome:
    """Return the outcome in ``text``. Raises KeyError, TypeError or ValueError if it is not one."""
    return outcome_from(from_json(text))


def outcome_from(value: Mapping[str, Any]) -> Outcome:
    """Return the outcome in a JSON object. Raises KeyError, TypeError or ValueError if it is not one."""
    success, judge, steps = value["success"], value["judge"], value["steps_to_go"]
    if not (success is None or isinstance(success, bool)) or not is_judge_name(judge):
        raise ValueError(f"success {success!r} judged by {judge!r}")
    distance = value.get("distance")  # missing in old recordings
    estimates = tuple((int(step), float(left)) for step, left in value.get("estimates", []))
    if not all(math.isfinite(left) and step >= 0 for step, left in estimates):
        raise ValueError("estimates that are not finite")
    return Outcome(
        success,
        judge,
        _text(value["stopped_by"]),
        None if steps is None else float(steps),
        None if distance is None else float(distance),
        estimates,
    )


def env_args(robot: str, shift: str, rate: float | None) -> str:
    """Return robomimic's description of the environment. Its type is null: robomimic cannot build a2g's robots."""
    return to_json("environment", {"env_name": robot, "type": None, "env_kwargs": {"shift": shift, "rate_hz": rate}})


def check_keys(what: str, names: Sequence[str]) -> None:
    """Raise RecordingError unless every name can be a key in the file: not empty, no ``/`` or ``%``, not ``.`` or ``..``.

    HDF5 replaces ``%`` in the name of a virtual dataset's source by a number, and would fail at the end of the episode.
    """
    for name in names:
        if not name or set(name) & set("/%\0") or name in {".", ".."} or len(name) > 200:
            raise RecordingError(
                f"{name!r} cannot name a {what} in a recording: no '/' or '%', not empty, at most 200 letters."
            )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} instead of a string")
    return value
