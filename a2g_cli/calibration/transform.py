"""The domain transform: maps a deployment to the training domain and back.

    observation  image -> as the camera of the training domain would take it      (``CameraWarp``, one per camera)
                 measured tool position -> in the frame of the training domain    (``BasePose``)
    action       action of the base -> the displacement that it causes in the training domain -> rotated by the base pose
                 -> the action that causes this displacement in the deployment    (``ActuatorModel``)

So the base acts as in the training domain, and recordings of the deployment train it as if they were made there.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from a2g_cli.calibration.accuracy import BASE_POSE, camera_key
from a2g_cli.calibration.actuators import ActuatorModel, driven_columns, driven_names
from a2g_cli.calibration.base_pose import POSITION, BasePose
from a2g_cli.calibration.camera import MIN_COLOUR_CHANGE, MIN_DISPLACEMENT, CameraWarp
from a2g_cli.core.errors import CheckpointError
from a2g_cli.core.types import Image


@dataclass(frozen=True)
class DomainTransform:
    """How a deployment differs from the training domain; a part that is missing does not differ."""

    camera_warps: Mapping[str, CameraWarp] = field(default_factory=dict)
    """Camera name -> its warp, for the cameras that were moved or see other colours."""
    base_pose: BasePose | None = None
    actuators: ActuatorModel | None = None
    nominal_actuators: ActuatorModel | None = None
    """The actuator model of the training domain; None: one unit of command moves by one unit."""
    intervals: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Estimator (``accuracy.py``) -> half widths of its 95 % interval: of a camera the displacement [share of the width] and
    the colour; of the base pose yaw [rad] and displacement [m]; of the actuators the relative change. Empty for adapters made
    before there were any."""

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.camera_warps) or self.base_pose is not None or self.actuators is not None

    def frames(self, camera: str, pixels: Tensor) -> Tensor:
        """Return uint8 images (B, H, W, 3) of a camera as they would look in the training domain."""
        warp = self.camera_warps.get(camera)
        return pixels if warp is None else warp.pixels_to_nominal(pixels)

    def images(self, images: Mapping[str, Image]) -> dict[str, Image]:
        """Return camera -> image (H, W, 3) uint8, as they would look in the training domain."""
        return {
            camera: self.frames(camera, torch.from_numpy(np.ascontiguousarray(image))[None])[0].numpy()
            for camera, image in images.items()
        }

    def proprioception(self, names: Sequence[str], measured: Tensor) -> Tensor:
        """Return measured values (..., P) as they would be measured in the training domain."""
        if self.base_pose is None:
            return measured
        columns = [list(names).index(name) for name in POSITION]
        out = measured.clone()
        out[..., columns] = self.base_pose.to_nominal(measured[..., columns])
        return out

    def to_nominal(self, actions: Tensor, action_names: Sequence[str], names: Sequence[str]) -> Tensor:
        """Return the actions (..., A) that have in the training domain the effect that ``actions`` have here."""
        return self._map_actions(actions, action_names, names, to_nominal=True)

    def from_nominal(self, actions: Tensor, action_names: Sequence[str], names: Sequence[str]) -> Tensor:
        """Return the actions (..., A) that have here the effect that ``actions`` have in the training domain.

        They may exceed the robot's limits.
        """
        return self._map_actions(actions, action_names, names, to_nominal=False)

    def _map_actions(
        self, actions: Tensor, action_names: Sequence[str], names: Sequence[str], to_nominal: bool
    ) -> Tensor:
        driven = driven_names(action_names, names)
        if (self.base_pose is None and self.actuators is None) or not driven:
            return actions
        columns, _ = driven_columns(driven, action_names, names)
        nominal = self.nominal_actuators or ActuatorModel.identity(driven)
        observed = self.actuators or nominal
        rotation = torch.eye(len(driven))
        if self.base_pose is not None:
            axes = torch.tensor([driven.index(name) for name in POSITION if name in driven])
            rotation[axes[:, None], axes] = self.base_pose.rotation()[: len(axes), : len(axes)]
        out = actions.clone()
        if to_nominal:
            out[..., columns] = nominal.inverse(observed.displacement(actions[..., columns]) @ rotation.T)
        else:
            out[..., columns] = observed.inverse(nominal.displacement(actions[..., columns]) @ rotation)
        return out

    def differs(self, other: "DomainTransform", commands: Tensor | None = None) -> bool:
        """Whether any part differs from that of ``other`` by more than its threshold.

        Args:
            other: the transform to compare with.
            commands: (N, D) driven actions to compare actuator models on; None: models are not compared.
        """
        identity = CameraWarp.identity()
        for camera in {*self.camera_warps, *other.camera_warps}:
            warp = self.camera_warps.get(camera, identity)
            if warp.differs(other.camera_warps.get(camera, identity)):
                return True
        if (self.base_pose or BasePose.identity()).differs(other.base_pose or BasePose.identity()):
            return True
        mine = self.actuators or self.nominal_actuators
        reference = other.actuators or other.nominal_actuators or self.nominal_actuators
        if mine is None or reference is None or mine.names != reference.names:
            return (self.actuators is None) != (other.actuators is None)
        return commands is not None and mine.differs(reference, commands)

    def __str__(self) -> str:
        """Return the differences in words."""
        parts = []
        for camera, warp in self.camera_warps.items():
            displacement, colour = warp.distance(CameraWarp.identity())
            if displacement > MIN_DISPLACEMENT:
                within = self._within(camera_key(camera), 0, 100, 1)
                parts.append(f"camera {camera} moved by {100 * displacement:.0f}{within} % of its image")
            if colour > MIN_COLOUR_CHANGE:
                parts.append(f"camera {camera} sees other light")
        if self.base_pose is not None:
            angle, distance = self.base_pose.distance(BasePose.identity())
            parts.append(
                f"the arm is turned by {math.degrees(angle):.0f}{self._within(BASE_POSE, 0, math.degrees(1), 1)} degrees and "
                f"its tool is {100 * distance:.0f}{self._within(BASE_POSE, 1, 100, 1)} cm from where it was in training"
            )
        if self.actuators is not None:
            parts.append("the actuators respond differently")
        return ", ".join(parts) or "no difference from the training domain"

    def _within(self, estimator: str, which: int, scale: float, digits: int) -> str:
        """Return the half width of an interval as people read it, ``(±1.2)``; empty if it has none."""
        interval = self.intervals.get(estimator)
        return "" if interval is None else f" (±{scale * interval[which]:.{digits}f})"

    def to_json(self) -> dict[str, Any]:
        """Return what ``from_json`` reads."""
        # The keys are those of version 0.1: an adapter's fingerprint covers this JSON, so other keys would change it.
        return {
            "views": {camera: warp.to_json() for camera, warp in self.camera_warps.items()},
            "mount": None if self.base_pose is None else self.base_pose.to_json(),
            "motors": None if self.actuators is None else self.actuators.to_json(),
            "home": None if self.nominal_actuators is None else self.nominal_actuators.to_json(),
            **({"intervals": {name: list(row) for name, row in self.intervals.items()}} if self.intervals else {}),
        }

    @classmethod
    def from_json(cls, data: Any) -> "DomainTransform":
        """Read what ``to_json`` wrote. Raises CheckpointError for an invalid transform."""
        try:
            warps = {str(camera): CameraWarp.from_json(warp) for camera, warp in dict(data["views"]).items()}
            base_pose = None if data["mount"] is None else BasePose.from_json(data["mount"])
            actuators, nominal = (
                None if data[name] is None else ActuatorModel.from_json(data[name]) for name in ("motors", "home")
            )
            if actuators is not None and nominal is not None and actuators.names != nominal.names:
                raise ValueError("its actuators are not those of the training domain")
            rows = dict(data.get("intervals") or {}).items()
            intervals = {str(name): tuple(float(value) for value in row) for name, row in rows}
            if not all(
                len(row) in {1, 2} and all(0 <= value < math.inf for value in row) for row in intervals.values()
            ):
                raise ValueError("its intervals are not one or two numbers from 0 on for each estimator")
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"a damaged domain transform: {error}.") from error
        return cls(warps, base_pose, actuators, nominal, intervals)


IDENTITY = DomainTransform()
"""No difference from the training domain."""
