"""What a base knows of where it was demonstrated: how each camera saw the empty scene, where the tool was, how motors moved.

``home.safetensors`` beside a base's weights; ``calibration/nominal_fit.py`` makes it. A base without it acts and adapts, but
cannot say what has changed since.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from a2g_cli.calibration.actuators import ActuatorModel
from a2g_cli.calibration.tool_keypoint import ToolKeypoint
from a2g_cli.core.errors import A2GError, CheckpointError
from a2g_cli.models import checkpoint

HOME, GROUPS = "home.safetensors", "a2g_groups"
PLACES = ("x", "y", "z")
"""The measured values that a mount moves: where the tool is, in the arm's own frame."""


@dataclass(frozen=True)
class NominalDomain:
    """What is measured on demonstrations, so that practice can be held against it."""

    pictures: Tensor
    """(G, V, H, W, 3) uint8: the median picture of each group of demonstrations, in which nothing moves."""
    reader: ToolKeypoint | None = None
    """None where no x, y, z is measured."""
    groups: tuple[str, ...] = ()
    """G names: of which scene or session each picture is."""
    actuators: ActuatorModel | None = None
    """None where no action drives a measured value by one law."""

    def save(self, folder: Path) -> None:
        """Write pictures and reader beside a checkpoint; the motion law is among its facts. Raises A2GError."""
        tensors = {"pictures": self.pictures.contiguous()}
        if self.reader is not None:
            tensors |= {f"reader.{name}": value.half().contiguous() for name, value in self.reader.state_dict().items()}
        temporary = folder / f"{HOME}.tmp"
        try:
            save_file(tensors, temporary, metadata={GROUPS: json.dumps(self.groups)})
            temporary.replace(folder / HOME)
        except (OSError, SafetensorError) as error:
            raise A2GError(f"{folder / HOME} cannot be written: {error}") from error


def load_nominal(folder: Path) -> NominalDomain | None:
    """Return what the base in ``folder`` knows of its home; None where it says nothing.

    Raises:
        CheckpointError: the base is missing, or what it says is damaged.
    """
    config, facts = checkpoint.read_config(folder)
    told, path = facts.get("motion_law"), folder / HOME
    try:
        actuators = None if told is None else ActuatorModel.from_json(told)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / 'config.json'} has a damaged motion law: {error}.") from error
    views, size = len(config.cameras), (config.height, config.width)
    if not path.exists():
        return (
            None
            if actuators is None
            else NominalDomain(torch.zeros(0, views, *size, 3, dtype=torch.uint8), actuators=actuators)
        )
    try:
        tensors = load_file(path)
        with safe_open(path, "pt") as file:
            groups = tuple(str(name) for name in json.loads((file.metadata() or {}).get(GROUPS, "null")))
        pictures = tensors.pop("pictures")
        reader = None
        if tensors:
            reader = ToolKeypoint(config.latent_channels, views)
            reader.load_state_dict({name.removeprefix("reader."): value.float() for name, value in tensors.items()})
            reader.requires_grad_(requires_grad=False).eval()
    except (OSError, SafetensorError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if pictures.dtype != torch.uint8 or pictures.shape != (len(groups), views, *size, 3):
        raise CheckpointError(f"{path} holds pictures of {tuple(pictures.shape)}, which its base does not see.")
    return NominalDomain(pictures, reader, groups, actuators)
