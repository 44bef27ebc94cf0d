"""Estimates the domain transform from recordings of practice in the deployment.

Successful or not: no reward, no label, no demonstration. A failed episode shows the scene, the arm and the response of the
actuators as well as a success does.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from a2g_cli.calibration.accuracy import ACTUATORS, BASE_POSE, abstention, camera_key
from a2g_cli.calibration.actuators import ActuatorModel, driven_columns, fit_actuators
from a2g_cli.calibration.base_pose import MIN_YAW, POSITION, BasePose, fit_base_pose
from a2g_cli.calibration.camera import MIN_COLOUR_CHANGE, MIN_DISPLACEMENT, CameraWarp
from a2g_cli.calibration.intervals import (
    actuator_interval,
    base_pose_interval,
    camera_interval,
    moved_by,
    too_wide,
)
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


Note = Callable[[str], None]
"""Told in a line what is not calibrated, although it seems to differ."""


def _silent(_text: str) -> None:
    pass


@torch.no_grad()
def estimate_transform(
    model: Act2Goal,
    nominal: NominalDomain | None,
    encoded: Sequence[EncodedEpisode],
    previous: DomainTransform = IDENTITY,
    note: Note = _silent,
) -> DomainTransform:
    """Return how a deployment differs from the training domain, each part with its interval.

    An estimator abstains, with a note, where its error on held-out demonstrations is not clearly smaller than that of a
    guess, or where its interval is wider than what it would correct: its part stays as it was.

    Args:
        model: the base's networks.
        nominal: reference data of the training domain; None: nothing can be estimated.
        encoded: episodes of one deployment, encoded without a transform.
        previous: an earlier estimate, whose parts are kept where they cannot be estimated now.
        note: told why an estimator abstains.
    """
    if nominal is None or len(encoded) < MIN_EPISODES:
        return previous
    estimate = _Estimate(model, nominal, encoded, previous, note)
    return estimate.transform()


class _Estimate:
    """The estimate of one domain transform, part by part."""

    def __init__(
        self,
        model: Act2Goal,
        nominal: NominalDomain,
        encoded: Sequence[EncodedEpisode],
        previous: DomainTransform,
        note: Note,
    ) -> None:
        self._model, self._nominal, self._encoded = model, nominal, encoded
        self._previous, self._note = previous, note
        self._intervals = dict(previous.intervals)

    def transform(self) -> DomainTransform:
        """Return it."""
        nominal, previous = self._nominal, self._previous
        warps = self._warps() if len(nominal.backgrounds) else previous.camera_warps
        # The keypoint network is trained on the training domain's view; in a warped view, tall things lean.
        base_pose = previous.base_pose
        if nominal.tool_keypoint is not None and not any(map(_moved, warps.values())):
            base_pose = self._base_pose(nominal.tool_keypoint)
        actuators = self._actuators(nominal.actuators) if nominal.actuators is not None else previous.actuators
        found = DomainTransform(warps, base_pose, actuators, nominal.actuators)
        names = [*map(camera_key, warps), *([BASE_POSE] if base_pose else []), *([ACTUATORS] if actuators else [])]
        return replace(found, intervals={name: self._intervals[name] for name in names if name in self._intervals})

    def _certain(self, name: str, interval: tuple[float, ...], half_width: float, correction: float, what: str) -> bool:
        """Return whether an estimate is used, and keep its interval if so; say it if not."""
        reason = abstention(name, self._nominal.accuracy.get(name))
        if reason is None and too_wide(half_width, correction):
            unit = "cm" if name == BASE_POSE else "%"
            reason = f"not calibrated: the {name} ({what} is not certain: ±{100 * half_width:.1f} {unit})"
        if reason is not None:
            self._note(reason)
            return False
        self._intervals[name] = interval
        return True

    def _warps(self) -> dict[str, CameraWarp]:
        """Return the warps of the cameras that differ, relative to the most similar background of the training domain."""
        encoded, nominal, warps = self._encoded, self._nominal, {}
        frames = torch.cat([episode.sample for episode in encoded])
        frames = frames[torch.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).long()]
        observed = frames.median(dim=0).values
        # A simulated robot is named after its scene; for other robots, every background is tried.
        scene = encoded[0].robot.partition(":")[2]
        of_scene = [image for group, image in zip(nominal.groups, nominal.backgrounds, strict=True) if group == scene]
        tried = of_scene or list(nominal.backgrounds)
        registrations = [[register(background[v], observed[v]) for v in range(len(observed))] for background in tried]
        sums = [sum(registration.after for registration in cameras) for cameras in registrations]
        best = sums.index(min(sums))
        # A camera on the arm has no background.
        still = (frames.short() - observed.short()).abs().amax(-1) < STILL
        still_share = still.float().mean(dim=0).gt(0.5).flatten(1).float().mean(1)
        for v, camera in enumerate(self._model.config.cameras):
            warp = _significant(registrations[best][v]) if still_share[v] > MIN_STILL_SHARE else None
            if warp is not None and not self._certain_warp(camera, v, tried[best][v], warp):
                warp = self._previous.camera_warps.get(camera)
            if warp is not None:
                warps[camera] = warp
        return warps

    def _certain_warp(self, camera: str, view: int, background: Tensor, warp: CameraWarp) -> bool:
        name = camera_key(camera)
        frames = [episode.sample[:, view] for episode in self._encoded]
        interval = camera_interval(background, frames, warp, self._nominal.accuracy.get(name))
        displacement, colour = warp.distance(CameraWarp.identity())
        if displacement > 0:
            return self._certain(name, interval, interval[0], displacement, f"a move by {100 * displacement:.1f} %")
        return self._certain(name, interval, interval[1], colour, f"a change of its colours by {100 * colour:.0f} %")

    def _base_pose(self, tool_keypoint: ToolKeypoint) -> BasePose | None:
        """Return the base pose; None where it does not differ from that of the training domain."""
        columns = _position_columns(self._model)
        measured = [episode.whole.proprioception[:, columns] for episode in self._encoded]
        seen = [tool_keypoint(episode.whole.latents.float()) for episode in self._encoded]
        positions, places = torch.cat(measured), torch.cat(seen)
        pose, error = fit_base_pose(positions, places)
        error_without = float((places - positions).norm(dim=1).median())
        if error > MAX_ERROR_SHARE * error_without or not pose.differs(BasePose.identity()):
            return None
        interval = base_pose_interval(measured, seen, pose, self._nominal.accuracy.get(BASE_POSE))
        correction = moved_by(pose, BasePose.identity(), positions)
        turn = f"a turn by {math.degrees(pose.yaw):.0f} degrees that moves the tool by {100 * correction:.1f} cm"
        return pose if self._certain(BASE_POSE, interval, interval[1], correction, turn) else self._previous.base_pose

    def _actuators(self, nominal: ActuatorModel) -> ActuatorModel | None:
        """Return the actuator model; None where it does not differ from that of the training domain."""
        segments, config = join([episode.whole for episode in self._encoded]), self._model.config
        names = config.action_names, config.proprioception_names
        observed = fit_actuators(segments, *names)
        if observed is None or observed.names != nominal.names:
            return self._previous.actuators
        columns, _ = driven_columns(observed.names, *names)
        commands = segments.actions[:, columns]
        if not observed.differs(nominal, commands):
            return None
        interval = actuator_interval(segments, commands, observed, names, self._nominal.accuracy.get(ACTUATORS))
        change = observed.distance(nominal, commands)
        certain = self._certain(ACTUATORS, interval, interval[0], change, f"a change by {100 * change:.0f} %")
        return observed if certain else self._previous.actuators


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


@torch.no_grad()
def suspected_base_pose(
    model: Act2Goal,
    nominal: NominalDomain | None,
    encoded: Sequence[EncodedEpisode],
    transform: DomainTransform,
    note: Note = _silent,
) -> BasePose | None:
    """Return a rough base pose where a camera was moved as well; None where the arm does not seem to have been turned.

    The yaw is accurate enough; the position is off by some 2 cm, because tall things lean in a warped image. It is a start
    for ``improvement/pose_search.py``, and not accurate enough to act on.

    Args:
        model: the base's networks.
        nominal: reference data of the training domain.
        encoded: episodes of one deployment, encoded without a transform.
        transform: what ``estimate_transform`` returned for them.
        note: told why nothing is suspected, if the estimator cannot be trusted.
    """
    if nominal is None or nominal.tool_keypoint is None or transform.base_pose is not None:
        return None
    if not any(map(_moved, transform.camera_warps.values())):
        return None
    if reason := abstention(BASE_POSE, nominal.accuracy.get(BASE_POSE)):
        note(reason)
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
