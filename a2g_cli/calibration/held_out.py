"""Measures the error of each estimator of the domain transform on held-out demonstrations of the training domain."""

import math
from collections import Counter
from collections.abc import Sequence

import torch

from a2g_cli.calibration.accuracy import ACTUATORS, BASE_POSE, Accuracy, camera_key
from a2g_cli.calibration.actuators import ActuatorModel, displacements
from a2g_cli.calibration.base_pose import POSITION, BasePose, fit_base_pose
from a2g_cli.calibration.camera import CameraWarp
from a2g_cli.calibration.nominal import NominalDomain
from a2g_cli.calibration.registration import register
from a2g_cli.calibration.tool_keypoint import ToolKeypoint
from a2g_cli.encoding.episodes import EncodedEpisode
from a2g_cli.encoding.segments import join
from a2g_cli.models.act2goal.model import Act2Goal

WARPS = 4
"""Known warps with which a camera's registration is tried."""


@torch.no_grad()
def measure_accuracy(
    model: Act2Goal, nominal: NominalDomain, held_out: Sequence[EncodedEpisode], groups: Sequence[str]
) -> dict[str, Accuracy]:
    """Return estimator -> its accuracy. An estimator that the base does not have is missing.

    Args:
        model: the base's networks.
        nominal: its reference data.
        held_out: demonstrations of the training domain that nothing was fitted to, at least one.
        groups: the session or scene of each.
    """
    found = {camera_key(name): one for name, one in _cameras(model, nominal, held_out, groups).items()}
    if nominal.tool_keypoint is not None:
        found[BASE_POSE] = _base_pose(model, nominal.tool_keypoint, held_out)
    if nominal.actuators is not None:
        found[ACTUATORS] = _actuators(model, nominal.actuators, held_out)
    return found


def _cameras(
    model: Act2Goal, nominal: NominalDomain, held_out: Sequence[EncodedEpisode], groups: Sequence[str]
) -> dict[str, Accuracy]:
    """Register the median of held-out frames, as it is and moved by known warps, to the background of the training domain."""
    group = Counter(groups).most_common(1)[0][0]
    frames = torch.cat([one.sample for one, name in zip(held_out, groups, strict=True) if name == group])
    background = nominal.backgrounds[nominal.groups.index(group)] if group in nominal.groups else None
    if background is None:
        return {}
    seen, warps, found = frames.median(dim=0).values, _known_warps(), {}
    identity = CameraWarp.identity()
    for view, camera in enumerate(model.config.cameras):
        errors = []
        for truth in warps:
            back = CameraWarp(torch.linalg.inv(truth.homography), truth.gain, truth.offset)
            moved = back.pixels_to_nominal(seen[view][None])[0]
            errors.append(register(background[view], moved).warp.distance(truth)[0])
        guesses = [truth.distance(identity)[0] for truth in warps]
        bias = register(background[view], seen[view]).warp.distance(identity)[0]
        error, guess = (float(torch.tensor(values).median()) for values in (errors, guesses))
        found[camera] = Accuracy(error, guess, "of the width", len(warps), (bias,))
    return found


def _known_warps() -> list[CameraWarp]:
    """Return warps that turn by up to 8 degrees, scale by up to a tenth and shift by up to a tenth, always the same ones."""
    generator = torch.Generator().manual_seed(0)
    warps = []
    for turn, scale, right, down in (2 * torch.rand(WARPS, 4, generator=generator) - 1).tolist():
        angle, size = math.radians(8 * turn), 1 + 0.1 * scale
        cos, sin = size * math.cos(angle), size * math.sin(angle)
        rows = [[cos, -sin, 0.1 * right], [sin, cos, 0.1 * down], [0.0, 0.0, 1.0]]
        warps.append(CameraWarp(torch.tensor(rows), torch.ones(3), torch.zeros(3)))
    return warps


def _base_pose(model: Act2Goal, tool_keypoint: ToolKeypoint, held_out: Sequence[EncodedEpisode]) -> Accuracy:
    columns = [model.config.proprioception_names.index(name) for name in POSITION]
    measured = torch.cat([one.whole.proprioception[:, columns] for one in held_out])
    seen = torch.cat([tool_keypoint(one.whole.latents.float()) for one in held_out])
    error, guess = ((one - measured).norm(dim=1).median() for one in (seen, tool_keypoint.mean))
    pose, _ = fit_base_pose(measured, seen)
    return Accuracy(float(error), float(guess), "m", len(measured), pose.distance(BasePose.identity()))


def _actuators(model: Act2Goal, actuators: ActuatorModel, held_out: Sequence[EncodedEpisode]) -> Accuracy:
    segments = join([one.whole for one in held_out])
    command, moved = displacements(
        segments, actuators.names, model.config.action_names, model.config.proprioception_names
    )
    predicted = actuators.displacement(command)
    error, guess = ((one - moved).norm(dim=1).median() for one in (predicted, moved.mean(0)))
    scale = float(moved.norm(dim=1).median())
    bias = float((predicted - moved).mean(0).norm()) / max(scale, 1e-9)
    return Accuracy(float(error), float(guess), "a step", len(moved), (bias,))
