"""Calibration: how a deployment differs from the base's home, measured, and undone on the way in and on the way out.

    in   picture -> as the home camera would have taken it        (``CameraWarp``, for each camera)
         where the tool is measured -> where it would be at home  (``BasePose``)
    out  the base's action -> the displacement it brought at home, turned back by the mount -> the action that brings it here

So the base acts as if it were at home, and what is recorded here can be learned from as if it had happened there.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from a2g_cli.calibration.actuators import ActuatorModel, driven_columns, driven_names
from a2g_cli.calibration.camera import CameraWarp
from a2g_cli.core.errors import CheckpointError
from a2g_cli.core.types import Image

MOVED = 0.012
"""Share of a picture's width that pixels must have moved, on average, for its camera to count as moved."""
RECOLOURED = 0.06
"""The same for colours, 0 to 1."""
TURNED = math.radians(4)
"""The same for a mount: how far it is turned [rad] ..."""
SHIFTED = 0.02
"""... or shifted, at the middle of where the tool has been [m]."""
OTHER_MOTORS = 0.15
"""The same for motors: how far displacements are from those at home, relative to their size."""


@dataclass(frozen=True)
class BasePose:
    """Where the arm stands, seen from where it stood: turned about the vertical, then shifted."""

    yaw: float
    """[rad]"""
    shift: tuple[float, float, float]
    """[m]"""
    middle: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Where the tool has been, on average, in the arm's own frame: how far a mount is off is judged there [m]."""

    def turn(self) -> Tensor:
        """Return the rotation (3, 3) that takes this arm's frame to the home arm's."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        return torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])

    def to_nominal(self, places: Tensor) -> Tensor:
        """Return where tool places (..., 3) of this arm's frame lie in the home arm's [m]."""
        return places @ self.turn().T + torch.tensor(self.shift)

    def apart(self, other: "BasePose") -> tuple[float, float]:
        """Return the angle [rad] and the distance [m] between two mounts, at the middle of where the tool was."""
        middle = torch.tensor(self.middle)
        angle = math.remainder(self.yaw - other.yaw, math.tau)
        return abs(angle), float((self.to_nominal(middle) - other.to_nominal(middle)).norm())


NOMINAL_POSE = BasePose(0.0, (0.0, 0.0, 0.0))


@dataclass(frozen=True)
class DomainTransform:
    """What differs from home; what is not named is as it was there."""

    views: Mapping[str, CameraWarp] = field(default_factory=dict)
    """Camera name -> its view, for those that were moved or see other colours."""
    base_pose: BasePose | None = None
    actuators: ActuatorModel | None = None
    home: ActuatorModel | None = None
    """How motors moved at home."""

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.views) or self.base_pose is not None or self.actuators is not None

    def frames(self, camera: str, pixels: Tensor) -> Tensor:
        """Return uint8 pictures (B, H, W, 3) of a camera as they would have been at home."""
        view = self.views.get(camera)
        return pixels if view is None else view.pixels_to_nominal(pixels)

    def pictures(self, images: Mapping[str, Image]) -> dict[str, Image]:
        """Return one picture a camera, (H, W, 3) uint8, as they would have been at home."""
        return {
            camera: self.frames(camera, torch.from_numpy(np.ascontiguousarray(image))[None])[0].numpy()
            for camera, image in images.items()
        }

    def measured(self, names: Sequence[str], proprioception: Tensor) -> Tensor:
        """Return proprioception (..., P) as it would have been at home."""
        if self.base_pose is None:
            return proprioception
        at = [list(names).index(name) for name in ("x", "y", "z")]
        out = proprioception.clone()
        out[..., at] = self.base_pose.to_nominal(proprioception[..., at])
        return out

    def to_nominal(self, actions: Tensor, action_names: Sequence[str], names: Sequence[str]) -> Tensor:
        """Return the actions (..., A) that would have brought at home what ``actions`` brought here."""
        return self._through(actions, action_names, names, homeward=True)

    def from_nominal(self, actions: Tensor, action_names: Sequence[str], names: Sequence[str]) -> Tensor:
        """Return the actions (..., A) that bring here what ``actions`` bring at home; limits are for the caller to keep."""
        return self._through(actions, action_names, names, homeward=False)

    def _through(self, actions: Tensor, action_names: Sequence[str], names: Sequence[str], homeward: bool) -> Tensor:
        moving = driven_names(action_names, names)
        if (self.base_pose is None and self.actuators is None) or not moving:
            return actions
        acting, _ = driven_columns(moving, action_names, names)
        count = len(moving)
        home = self.home or ActuatorModel(moving, torch.eye(count + 1, count))
        here = self.actuators or home
        turn = torch.eye(count)
        if self.base_pose is not None:
            at = [moving.index(name) for name in ("x", "y", "z") if name in moving]
            turn[torch.tensor(at)[:, None], torch.tensor(at)] = self.base_pose.turn()[: len(at), : len(at)]
        out = actions.clone()
        if homeward:
            out[..., acting] = home.command(here.displacement(actions[..., acting]) @ turn.T)
        else:
            out[..., acting] = here.command(home.displacement(actions[..., acting]) @ turn)
        return out

    def differs(self, other: "DomainTransform", commands: Tensor | None = None) -> bool:
        """Whether this says something else than ``other``: beyond what counts as moved, in any part.

        Args:
            other: to be held against.
            commands: (N, D) driven actions on which motion laws are compared; without them any two laws are alike.
        """
        same = CameraWarp.same()
        for camera in {*self.views, *other.views}:
            one, two = self.views.get(camera, same), other.views.get(camera, same)
            if one.moved(two) > MOVED or one.recoloured(two) > RECOLOURED:
                return True
        angle, way = (self.base_pose or NOMINAL_POSE).apart(other.base_pose or NOMINAL_POSE)
        if angle > TURNED or way > SHIFTED:
            return True
        one_law, other_law = self.actuators or self.home, other.actuators or other.home or self.home
        if one_law is None or other_law is None or one_law.names != other_law.names:
            return (self.actuators is None) != (other.actuators is None)
        return commands is not None and one_law.apart(other_law, commands) > OTHER_MOTORS

    def __str__(self) -> str:
        """Return what differs, in words."""
        found = []
        for camera, view in self.views.items():
            moved = view.moved(CameraWarp.same())
            if moved > MOVED:
                found.append(f"camera {camera} moved by {100 * moved:.0f} % of its picture")
            if view.recoloured(CameraWarp.same()) > RECOLOURED:
                found.append(f"camera {camera} sees other light")
        if self.base_pose is not None:
            angle, way = self.base_pose.apart(NOMINAL_POSE)
            found.append(f"the arm stands turned by {math.degrees(angle):.0f} degrees, its tool {100 * way:.0f} cm off")
        if self.actuators is not None:
            found.append("the motors move otherwise")
        return ", ".join(found) or "all is as at home"

    def to_json(self) -> dict[str, Any]:
        """Return what ``from_json`` reads."""
        return {
            "views": {camera: view.to_json() for camera, view in self.views.items()},
            "mount": None if self.base_pose is None else dict(vars(self.base_pose)),
            "motors": None if self.actuators is None else self.actuators.to_json(),
            "home": None if self.home is None else self.home.to_json(),
        }

    @classmethod
    def from_json(cls, told: Any) -> "DomainTransform":
        """Read what ``to_json`` wrote. Raises CheckpointError for what cannot be one."""
        try:
            views = {str(camera): CameraWarp.from_json(view) for camera, view in dict(told["views"]).items()}
            base_pose = None if told["mount"] is None else _base_pose(told["mount"])
            actuators, home = (
                None if told[name] is None else ActuatorModel.from_json(told[name]) for name in ("motors", "home")
            )
            if actuators is not None and home is not None and actuators.names != home.names:
                raise ValueError("its motors are not those at home")
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"a damaged calibration: {error}.") from error
        return cls(views, base_pose, actuators, home)


IDENTITY = DomainTransform()
"""Nothing differs."""


def _base_pose(told: Any) -> BasePose:
    yaw, shift, middle = (
        float(told["yaw"]),
        *(tuple(float(value) for value in told[name]) for name in ("shift", "middle")),
    )
    if not all(map(math.isfinite, (yaw, *shift, *middle))) or len(shift) != 3 or len(middle) != 3:
        raise ValueError("its mount is nowhere")
    return BasePose(yaw, shift, middle)
