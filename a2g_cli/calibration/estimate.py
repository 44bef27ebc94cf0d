"""Estimates the domain transform from recordings of practice in the deployment.

Successful or not: no reward, no label, no demonstration. A failed episode shows the scene, the arm and the response of the
actuators as well as a success does.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch

from a2g_cli.calibration.actuators import driven_columns, fit_actuators
from a2g_cli.calibration.base_pose import MIN_YAW, POSITION, BasePose, fit_base_pose
from a2g_cli.calibration.camera import MIN_COLOUR_CHANGE, MIN_DISPLACEMENT, CameraWarp
from a2g_cli.calibration.nominal import NominalDomain
from a2g_cli.calibration.registration import Registration, register
from a2g_cli.calibration.tool_keypoint import ToolKeypoint
from a2g_cli.calibration.transform import IDENTITY, DomainTransform
from a2g_cli.encoding.episodes import EncodedEpisode, sampled_frames
from a2g_cli.encoding.frames import encode_frames
from a2g_cli.encoding.segments import join
from a2g_cli.models.act2goal.model import Act2Goal

MIN_EPISODES = 3
"""Number of episodes that an estimate needs: in a single one, an object that was not moved is part of the background."""
MAX_ERROR_SHARE = 0.7
"""A fitted part is used if it leaves at most this share of the error without it: a fit always reduces the error a little."""
FRAMES = 400
"""Number of frames whose median is a camera's background."""
STILL = 13
"""A pixel is still when its colour differs from the background's by less than this, 0 to 255."""
MIN_STILL_SHARE = 0.6
"""A camera is fixed when more than this share of its pixels is still in most frames."""


@torch.no_grad()
def estimate_transform(
    model: Act2Goal,
    nominal: NominalDomain | None,
    encoded: Sequence[EncodedEpisode],
    previous: DomainTransform = IDENTITY,
) -> DomainTransform:
    """Return how a deployment differs from the training domain.

    Args:
        model: the base's networks.
        nominal: reference data of the training domain; None: nothing can be estimated.
        encoded: episodes of one deployment, encoded without a transform.
        previous: an earlier estimate, whose parts are kept where they cannot be estimated now.
    """
    if nominal is None or len(encoded) < MIN_EPISODES:
        return previous
    warps = _estimate_warps(model, nominal, encoded) if len(nominal.backgrounds) else previous.camera_warps
    # The keypoint network is trained on the training domain's view; in a warped view, tall things lean.
    readable = nominal.tool_keypoint is not None and not any(map(_moved, warps.values()))
    base_pose = previous.base_pose
    if readable and nominal.tool_keypoint is not None:
        base_pose = _estimate_base_pose(model, nominal.tool_keypoint, encoded)
    unmeasured = DomainTransform(warps, base_pose, previous.actuators, nominal.actuators)
    if nominal.actuators is None:
        return unmeasured
    segments, config = join([episode.whole for episode in encoded]), model.config
    observed = fit_actuators(segments, config.action_names, config.proprioception_names)
    if observed is None or observed.names != nominal.actuators.names:
        return unmeasured
    columns, _ = driven_columns(observed.names, config.action_names, config.proprioception_names)
    without = DomainTransform(warps, base_pose, None, nominal.actuators)
    fitted = replace(without, actuators=observed)
    return fitted if fitted.differs(without, segments.actions[:, columns]) else without


def _estimate_warps(
    model: Act2Goal, nominal: NominalDomain, encoded: Sequence[EncodedEpisode]
) -> dict[str, CameraWarp]:
    """Return the warps of the cameras that differ, relative to the most similar background of the training domain."""
    frames = torch.cat([episode.sample for episode in encoded])
    frames = frames[torch.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).long()]
    observed = frames.median(dim=0).values
    # A simulated robot is named after its scene; for other robots, every background is tried.
    scene = encoded[0].robot.partition(":")[2]
    of_scene = [image for group, image in zip(nominal.groups, nominal.backgrounds, strict=True) if group == scene]
    registrations = [
        [register(background[v], observed[v]) for v in range(len(observed))]
        for background in of_scene or nominal.backgrounds
    ]
    best = min(registrations, key=lambda cameras: sum(registration.after for registration in cameras))
    # A camera on the arm has no background.
    still = (frames.short() - observed.short()).abs().amax(-1) < STILL
    still_share = still.float().mean(dim=0).gt(0.5).flatten(1).float().mean(1)
    warps = {
        camera: _significant(registration) if share > MIN_STILL_SHARE else None
        for camera, registration, share in zip(model.config.cameras, best, still_share, strict=True)
    }
    return {camera: warp for camera, warp in warps.items() if warp is not None}


def _moved(warp: CameraWarp) -> bool:
    displacement, _ = warp.distance(CameraWarp.identity())
    return displacement > 0


def _significant(registration: Registration) -> CameraWarp | None:
    """Return the parts of a warp that differ from the identity; None if there are none."""
    identity, warp = CameraWarp.identity(), registration.warp
    displacement, colour = warp.distance(identity)
    moved, recoloured = displacement > MIN_DISPLACEMENT, colour > MIN_COLOUR_CHANGE
    if registration.after > MAX_ERROR_SHARE * registration.before or not (moved or recoloured):
        return None
    return CameraWarp(
        warp.homography if moved else identity.homography,
        warp.gain if recoloured else identity.gain,
        warp.offset if recoloured else identity.offset,
    )


def _position_columns(model: Act2Goal) -> list[int]:
    return [model.config.proprioception_names.index(name) for name in POSITION]


def _estimate_base_pose(
    model: Act2Goal, tool_keypoint: ToolKeypoint, encoded: Sequence[EncodedEpisode]
) -> BasePose | None:
    """Return the base pose; None where it does not differ from that of the training domain."""
    columns = _position_columns(model)
    measured = torch.cat([episode.whole.proprioception[:, columns] for episode in encoded])
    seen = torch.cat([tool_keypoint(episode.whole.latents.float()) for episode in encoded])
    base_pose, error = fit_base_pose(measured, seen)
    error_without = float((seen - measured).norm(dim=1).median())
    return base_pose if error <= MAX_ERROR_SHARE * error_without and base_pose.differs(BasePose.identity()) else None


@torch.no_grad()
def suspected_base_pose(
    model: Act2Goal, nominal: NominalDomain | None, encoded: Sequence[EncodedEpisode], transform: DomainTransform
) -> BasePose | None:
    """Return a rough base pose where a camera was moved as well; None where the arm does not seem to have been turned.

    The yaw is accurate enough; the position is off by some 2 cm, because tall things lean in a warped image. It is a start
    for ``improvement/pose_search.py``, and not accurate enough to act on.

    Args:
        model: the base's networks.
        nominal: reference data of the training domain.
        encoded: episodes of one deployment, encoded without a transform.
        transform: what ``estimate_transform`` returned for them.
    """
    if nominal is None or nominal.tool_keypoint is None or transform.base_pose is not None:
        return None
    if not any(map(_moved, transform.camera_warps.values())):
        return None
    columns = _position_columns(model)
    measured = torch.cat(
        [
            episode.whole.proprioception[sampled_frames(int(episode.whole.length.sum()))][:, columns]
            for episode in encoded
        ]
    )
    frames = {
        camera: transform.frames(camera, torch.cat([episode.sample[:, v] for episode in encoded]))
        for v, camera in enumerate(model.config.cameras)
    }
    latents = torch.stack([encode_frames(model, frames[camera].numpy()) for camera in model.config.cameras], 1)
    seen = nominal.tool_keypoint(latents.float())
    base_pose, error = fit_base_pose(measured, seen)
    error_without = float((seen - measured).norm(dim=1).median())
    angle, _ = base_pose.distance(BasePose.identity())
    significant = error <= MAX_ERROR_SHARE * error_without and angle > MIN_YAW
    return replace(base_pose, shift=(*base_pose.shift[:2], 0.0)) if significant else None
