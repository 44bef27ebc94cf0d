"""Intervals of what is estimated: the same estimate from other episodes, drawn with replacement (bootstrap, Efron 1979).

What an estimator finds in the training domain, where nothing was moved, is added: more episodes of the same kind do not show
it. An estimate whose interval is wider than what it would correct is worse than none.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from a2g_cli.calibration.accuracy import Accuracy
from a2g_cli.calibration.actuators import ActuatorModel, fit_actuators
from a2g_cli.calibration.base_pose import BasePose, fit_base_pose
from a2g_cli.calibration.camera import CameraWarp
from a2g_cli.calibration.registration import register
from a2g_cli.encoding.segments import Segments

DRAWS = 40
"""Drawn sets of episodes."""
REGISTRATIONS, FRAMES = 8, 100
"""The same for a camera, whose registration takes longer, and the frames of each."""
INSIDE = 0.95
"""Share of the estimates that lie inside an interval."""


def _draws(episodes: int, count: int) -> Iterator[list[int]]:
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        yield torch.randint(episodes, (episodes,), generator=generator).tolist()


def _half_width(distances: Sequence[float], bias: float) -> float:
    return float(torch.tensor(distances).quantile(INSIDE)) + bias


def camera_interval(
    background: Tensor, frames: Sequence[Tensor], warp: CameraWarp, accuracy: Accuracy | None
) -> tuple[float, float]:
    """Return the half widths of a camera warp: displacement [share of the width], and colour, 0 to 1.

    Args:
        background: of the training domain (H, W, 3) uint8.
        frames: each episode's (n, H, W, 3) uint8.
        warp: the estimate.
        accuracy: of the estimator.
    """
    displacements, colours = [], []
    for drawn in _draws(len(frames), REGISTRATIONS):
        some = torch.cat([frames[i] for i in drawn])
        some = some[torch.linspace(0, len(some) - 1, min(FRAMES, len(some))).long()]
        displacement, colour = register(background, some.median(dim=0).values, warp).warp.distance(warp)
        displacements.append(displacement)
        colours.append(colour)
    bias = accuracy.bias[0] if accuracy is not None and accuracy.bias else 0.0
    return _half_width(displacements, bias), _half_width(colours, 0.0)


def base_pose_interval(
    measured: Sequence[Tensor], seen: Sequence[Tensor], pose: BasePose, accuracy: Accuracy | None
) -> tuple[float, float]:
    """Return the half widths of a base pose: yaw [rad], and where it puts the tool, on average over ``measured`` [m].

    Args:
        measured: each episode's positions (N, 3).
        seen: where the tool was seen (N, 3).
        pose: the estimate.
        accuracy: of the estimator.
    """
    positions, yaws, distances = torch.cat(list(measured)), [], []
    for drawn in _draws(len(measured), DRAWS):
        other, _ = fit_base_pose(torch.cat([measured[i] for i in drawn]), torch.cat([seen[i] for i in drawn]))
        yaws.append(other.distance(pose)[0])
        distances.append(moved_by(other, pose, positions))
    yaw, distance = accuracy.bias if accuracy is not None and len(accuracy.bias) == 2 else (0.0, 0.0)
    return _half_width(yaws, yaw), _half_width(distances, distance)


def moved_by(pose: BasePose, other: BasePose, positions: Tensor) -> float:
    """Return how far apart two base poses put ``positions`` (N, 3), on average [m]."""
    return float((pose.to_nominal(positions) - other.to_nominal(positions)).norm(dim=1).mean())


def actuator_interval(
    segments: Segments,
    commands: Tensor,
    model: ActuatorModel,
    names: tuple[Sequence[str], Sequence[str]],
    accuracy: Accuracy | None,
) -> tuple[float, ...]:
    """Return the half width of an actuator model: the relative change of the displacements that ``commands`` (N, D) cause.

    Args:
        segments: the episodes that it was fitted to.
        commands: to compare on.
        model: the estimate.
        names: of the actions and of the measured values.
        accuracy: of the estimator.
    """
    fits = [fit_actuators(segments.subset(drawn), *names) for drawn in _draws(len(segments), DRAWS)]
    distances = [fit.distance(model, commands) for fit in fits if fit is not None]
    bias = accuracy.bias[0] if accuracy is not None and accuracy.bias else 0.0
    # Where half of the sets allow no model, nothing is certain.
    return (_half_width(distances, bias) if 2 * len(distances) > len(fits) else 1e3,)


def too_wide(half_width: float, correction: float) -> bool:
    """Whether an interval is wider than what its estimate would correct."""
    return 2 * half_width > correction
