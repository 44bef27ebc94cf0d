"""Calibrating on practice: what its recordings say about how this deployment differs from the base's home.

Whatever was achieved: no reward, no label, no demonstration. A failed episode shows the table, the arm and what the motors
make of a command as well as a success does.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from a2g_cli.calibration.actuator_fit import fit_actuators
from a2g_cli.calibration.actuators import driven_columns
from a2g_cli.calibration.camera import CameraWarp
from a2g_cli.calibration.nominal import PLACES, NominalDomain
from a2g_cli.calibration.registration import Registered, register
from a2g_cli.calibration.tool_keypoint import ToolKeypoint
from a2g_cli.calibration.transform import (
    IDENTITY,
    MOVED,
    NOMINAL_POSE,
    RECOLOURED,
    SHIFTED,
    TURNED,
    BasePose,
    DomainTransform,
)
from a2g_cli.encoding.episodes import EncodedEpisode, sampled_frames
from a2g_cli.encoding.frames import encode_frames
from a2g_cli.encoding.segments import join
from a2g_cli.models.act2goal.model import Act2Goal

FEWEST_EPISODES = 3
"""Below which nothing is measured: in one episode a thing that was not moved is part of the scene."""
BETTER = 0.7
"""A measured part counts where it leaves at most this share of the error that there is without it: any picture can be bent
a little towards another."""
FRAMES = 400
"""That a camera's picture of the empty scene is made of."""
STILL = 13
"""Difference of a colour from its median below which a pixel stands still, 0 to 255."""
STANDS = 0.6
"""Share of pixels that stand still in most of a standing camera's pictures."""
TRIM = 0.5
"""Share of the readings that a mount is fitted to: those that it fits best. Much of the time the tool is out of sight."""


@torch.no_grad()
def estimate_transform(
    model: Act2Goal, home: NominalDomain | None, encoded: Sequence[EncodedEpisode], known: DomainTransform = IDENTITY
) -> DomainTransform:
    """Return what differs from ``home``; what cannot be measured stays as it is ``known``.

    Args:
        model: the base's networks.
        home: what the base knows of it.
        practised: episodes of one deployment, as they were recorded.
        known: what was measured before.
    """
    if home is None or len(encoded) < FEWEST_EPISODES:
        return known
    views = _views(model, home, encoded) if len(home.pictures) else known.views
    # A reader of the tool's place is trained on home's view; through a bent one, tall things lean.
    bent = any(map(_bent, views.values()))
    base_pose = known.base_pose if bent or home.reader is None else _base_pose(model, home.reader, encoded)
    unmeasured = DomainTransform(views, base_pose, known.actuators, home.actuators)
    if home.actuators is None:
        return unmeasured
    segments, config = join([one.whole for one in encoded]), model.config
    here = fit_actuators(segments, config.action_names, config.proprioception_names)
    if here is None or here.names != home.actuators.names:
        return unmeasured
    acting, _ = driven_columns(here.names, config.action_names, config.proprioception_names)
    without, other = (DomainTransform(views, base_pose, law, home.actuators) for law in (None, here))
    return other if other.differs(without, segments.actions[:, acting]) else without


def _views(model: Act2Goal, home: NominalDomain, encoded: Sequence[EncodedEpisode]) -> dict[str, CameraWarp]:
    """Return the views of the cameras that were moved or see other colours, held against the home that is most alike."""
    samples = torch.cat([one.sample for one in encoded])
    samples = samples[torch.linspace(0, len(samples) - 1, min(FRAMES, len(samples))).long()]
    here = samples.median(dim=0).values
    # A simulated robot says in which scene it is; of others the home that is most alike is held against.
    scene = encoded[0].robot.partition(":")[2]
    known = [picture for group, picture in zip(home.groups, home.pictures, strict=True) if group == scene]
    tried = [[register(picture[v], here[v]) for v in range(len(here))] for picture in known or home.pictures]
    best = min(tried, key=lambda found: sum(one.after for one in found))
    # A camera that rides on the arm has no picture in which nothing moves.
    stands = (
        ((samples.short() - here.short()).abs().amax(-1) < STILL).float().mean(dim=0).gt(0.5).flatten(1).float().mean(1)
    )
    found = {
        camera: _counting(one) if standing > STANDS else None
        for camera, one, standing in zip(model.config.cameras, best, stands, strict=True)
    }
    return {camera: view for camera, view in found.items() if view is not None}


def _bent(view: CameraWarp) -> bool:
    return view.moved(CameraWarp.same()) > 0


def _counting(found: Registered) -> CameraWarp | None:
    """Return the parts of a view that count as other than home's; None where none does."""
    same, view = CameraWarp.same(), found.view
    moved, recoloured = view.moved(same) > MOVED, view.recoloured(same) > RECOLOURED
    if found.after > BETTER * found.before or not (moved or recoloured):
        return None
    return CameraWarp(
        view.homography if moved else same.homography,
        view.gain if recoloured else same.gain,
        view.offset if recoloured else same.offset,
    )


def _base_pose(model: Act2Goal, reader: ToolKeypoint, encoded: Sequence[EncodedEpisode]) -> BasePose | None:
    """Return where the arm stands, where that is elsewhere than at home."""
    names = model.config.proprioception_names
    at = [names.index(name) for name in PLACES]
    measured = torch.cat([one.whole.proprioception[:, at] for one in encoded])
    seen = torch.cat([reader(one.whole.latents.float()) for one in encoded])
    base_pose, error = fit_base_pose(measured, seen)
    still = (seen - measured).norm(dim=1).median()
    angle, way = base_pose.apart(NOMINAL_POSE)
    return base_pose if error <= BETTER * float(still) and (angle > TURNED or way > SHIFTED) else None


@torch.no_grad()
def suspected_base_pose(
    model: Act2Goal, home: NominalDomain | None, encoded: Sequence[EncodedEpisode], found: DomainTransform
) -> BasePose | None:
    """Return where the arm seems to stand through a camera that was moved as well; None where it seems to stand as at home.

    How it is turned is read well enough; its place is off by some 2 cm, since what is tall leans in a bent picture. Nothing
    should act on it before that is found out (``sampled_poses.py``).

    Args:
        model: the base's networks.
        home: what the base knows of it.
        practised: episodes of one deployment, as they were recorded.
        found: what ``estimate_transform`` measured of them.
    """
    if home is None or home.reader is None or found.base_pose is not None or not any(map(_bent, found.views.values())):
        return None
    names = model.config.proprioception_names
    at = [names.index(name) for name in PLACES]
    measured = torch.cat(
        [one.whole.proprioception[sampled_frames(int(one.whole.length.sum()))][:, at] for one in encoded]
    )
    frames = {
        camera: found.frames(camera, torch.cat([one.sample[:, v] for one in encoded]))
        for v, camera in enumerate(model.config.cameras)
    }
    latents = torch.stack([encode_frames(model, frames[camera].numpy()) for camera in model.config.cameras], 1)
    seen = home.reader(latents.float())
    base_pose, error = fit_base_pose(measured, seen)
    still = (seen - measured).norm(dim=1).median()
    level = replace(base_pose, shift=(*base_pose.shift[:2], 0.0))
    return level if error <= BETTER * float(still) and base_pose.apart(NOMINAL_POSE)[0] > TURNED else None


def fit_base_pose(measured: Tensor, seen: Tensor) -> tuple[BasePose, float]:
    """Return the mount that takes ``measured`` (N, 3) to where they are ``seen`` (N, 3), and the median error [m].

    Least squares with a rotation about the vertical alone, trimmed. A reader that draws to the middle what it is not sure
    of shrinks what it reads; a rotation has no scale that would shrink along.
    """
    one, other = measured.double(), seen.double()
    kept = torch.ones(len(one), dtype=torch.bool)
    base_pose, error = NOMINAL_POSE, torch.zeros(1)
    for _ in range(15):
        ours, theirs = one[kept], other[kept]
        a, b = (ours - ours.mean(0))[:, :2], (theirs - theirs.mean(0))[:, :2]
        yaw = math.atan2(float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()), float((a * b).sum()))
        turn = BasePose(yaw, (0.0, 0.0, 0.0)).turn().double()
        shift = theirs.mean(0) - ours.mean(0) @ turn.T
        error = (one @ turn.T + shift - other).norm(dim=1)
        kept = error <= error.quantile(TRIM)
        x, y, z = one.mean(0).tolist()
        base_pose = BasePose(yaw, (float(shift[0]), float(shift[1]), float(shift[2])), (x, y, z))
    return base_pose, float(error.median())
