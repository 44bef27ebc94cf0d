"""Reference data of the training domain: each camera's background, a tool keypoint network, the actuator model.

``home.safetensors`` beside a base's weights; ``nominal_fit.py`` makes it. A base without it acts and adapts, but its
deployments cannot be compared with the training domain.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from a2g_cli.calibration.accuracy import Accuracy, accuracies_of
from a2g_cli.calibration.actuators import ActuatorModel
from a2g_cli.calibration.tool_keypoint import ToolKeypoint
from a2g_cli.core.errors import CheckpointError
from a2g_cli.models import checkpoint
from a2g_cli.models.base_parts import check_part, load_part, parsing, save_part

NOMINAL, GROUPS = "home.safetensors", "a2g_groups"


@dataclass(frozen=True)
class NominalDomain:
    """What is measured on demonstrations, so that practice can be compared with them."""

    backgrounds: Tensor
    """(G, V, H, W, 3) uint8: each camera's median image in each group of demonstrations."""
    tool_keypoint: ToolKeypoint | None = None
    """None where the robot does not measure x, y and z."""
    groups: tuple[str, ...] = ()
    """G names: the scene or session of each background."""
    actuators: ActuatorModel | None = None
    """None where no action drives a measured value, or no single model fits."""
    accuracy: Mapping[str, Accuracy] = field(default_factory=dict)
    """Estimator -> its error on held-out demonstrations; empty if it was not measured."""

    def save(self, folder: Path) -> None:
        """Write backgrounds and network beside a checkpoint, whose facts hold the rest. Raises A2GError."""
        # The keys ``pictures`` and ``reader`` are those of version 0.1.
        tensors = {"pictures": self.backgrounds}
        if self.tool_keypoint is not None:
            tensors |= {f"reader.{name}": value.half() for name, value in self.tool_keypoint.state_dict().items()}
        save_part(folder / NOMINAL, tensors, GROUPS, self.groups)


def load_nominal(folder: Path) -> NominalDomain | None:
    """Return the reference data of the base in ``folder``; None where it has none.

    Raises:
        CheckpointError: the base is missing, or its reference data is damaged.
    """
    config, facts = checkpoint.read_config(folder)
    data, path = facts.get("motion_law"), folder / NOMINAL
    try:
        actuators = None if data is None else ActuatorModel.from_json(data)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{folder / 'config.json'} has a damaged actuator model (motion_law): {error}."
        ) from error
    accuracy = accuracies_of(facts, folder / "config.json")
    views, size = len(config.cameras), (config.height, config.width)
    part = load_part(path, GROUPS)
    if part is None:
        if actuators is None:
            return None
        return NominalDomain(torch.zeros(0, views, *size, 3, dtype=torch.uint8), actuators=actuators, accuracy=accuracy)
    tensors, groups = part
    check_part(path, tensors, {"pictures": ((len(groups), views, *size, 3), torch.uint8)})
    backgrounds, tool_keypoint = tensors.pop("pictures"), None
    if tensors:
        with parsing(path):
            tool_keypoint = ToolKeypoint(config.latent_channels, views)
            weights = {name.removeprefix("reader."): value.float() for name, value in tensors.items()}
            tool_keypoint.load_state_dict(weights)
            tool_keypoint.requires_grad_(requires_grad=False).eval()
    return NominalDomain(backgrounds, tool_keypoint, groups, actuators, accuracy)
