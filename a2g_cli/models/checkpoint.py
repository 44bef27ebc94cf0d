"""The checkpoint of a base on disk: ``model.safetensors``, ``config.json`` and a model card. Nothing is unpickled."""

import hashlib
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from a2g_cli.core.errors import A2GError, CheckpointError
from a2g_cli.core.files import replacing
from a2g_cli.core.workspace import read_text
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.part_names import OWN
from a2g_cli.models.presets import Act2GoalConfig
from a2g_cli.robots.base import RobotSpec

FORMAT = 1
SHIPPED = Path(__file__).parents[1] / "checkpoints" / "base"
_MAX_CONFIG_BYTES = 1_000_000


def fingerprint(folder: Path) -> str:
    """Return the hash of a checkpoint: SHA-256 over its config and weights, 16 hexadecimal digits.

    The facts beside them (time, machine, command) are not part of it: equal networks are the same base.

    Raises:
        CheckpointError: a file is missing.
    """
    config, _ = read_config(folder)
    digest = hashlib.sha256(json.dumps(config.to_json(), sort_keys=True).encode())
    path = folder / "model.safetensors"
    if not path.is_file():
        raise CheckpointError(f"{folder} holds no checkpoint: {path.name} is missing.")
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


def of_run(folder: Path) -> Path:
    """Return the checkpoint inside ``folder`` if it is a run of ``a2g pretrain``, else ``folder`` itself."""
    inside = folder / "checkpoint"
    return inside if inside.is_dir() else folder


def save(model: Act2Goal, folder: Path, card: str, facts: dict[str, Any]) -> str:
    """Write a checkpoint and return its hash. Its files take their places together, after all of them were written.

    Args:
        model: saved in half precision: measured success stays the same, and the package is half as large.
        folder: created if it is missing.
        card: the model card, Markdown.
        facts: data, time, machine, command; stored as JSON beside the config.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}
    config = {"a2g_checkpoint": FORMAT, "policy": model.config.to_json(), "facts": facts}
    try:
        # Left in the opposite order: the weights take their place first.
        with (
            replacing(folder / "README.md") as card_file,
            replacing(folder / "config.json") as config_file,
            replacing(folder / "model.safetensors") as weights_file,
        ):
            save_file(weights, weights_file)
            config_file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
            card_file.write_text(card, encoding="utf-8")
    except SafetensorError as error:
        raise A2GError(f"the checkpoint {folder} cannot be written: {error}") from error
    return fingerprint(folder)


def add_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Add to the facts of a checkpoint, which are not part of its hash.

    Raises:
        CheckpointError: the checkpoint is missing or damaged.
        OSError: the disk refuses.
    """
    config, before = read_config(folder)
    data = {"a2g_checkpoint": FORMAT, "policy": config.to_json(), "facts": {**before, **facts}}
    with replacing(folder / "config.json") as file:
        file.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def read_config(folder: Path) -> tuple[Act2GoalConfig, dict[str, Any]]:
    """Return a checkpoint's config and its facts.

    Raises:
        CheckpointError: it is missing, damaged, or of an unknown format.
    """
    path = folder / "config.json"
    try:
        if path.stat().st_size > _MAX_CONFIG_BYTES:
            raise CheckpointError(f"{path} is too large to be a checkpoint's config.")
        data = json.loads(read_text(path))
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} holds no checkpoint: config.json is missing.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict) or data.get("a2g_checkpoint") != FORMAT:
        raise CheckpointError(f"{path} is no a2g checkpoint of format {FORMAT}.")
    facts = data.get("facts") or {}
    if not isinstance(data.get("policy"), dict) or not isinstance(facts, dict):
        raise CheckpointError(f"{path} does not contain the policy's config.")
    return Act2GoalConfig.from_json(data["policy"]), facts


SLACK = 2.0
"""The policy's estimate is that an episode reached its goal if fewer than this times ``arrived_below`` steps are left. An arm
whose base was moved stops a little beside the goal photo: the bound for stopping would be too strict."""


def arrived_below(folder: Path) -> float:
    """Return the steps-to-go below which this base considers a goal reached [steps], as measured in pretraining.

    Raises:
        CheckpointError: the checkpoint has no such value; without it no episode can stop early or be judged.
    """
    _, facts = read_config(folder)
    value = facts.get("arrived_below")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e6:
        raise CheckpointError(
            f"{folder / 'config.json'} does not say below how many steps-to-go a goal is reached: expected a number "
            "above 0 as 'arrived_below' among its facts."
        )
    return float(value)


class _SizesOnly(TorchFunctionMode):
    """Creates networks on the meta device without arithmetic: for that, torch imports a compiler, which takes a second."""

    def __torch_function__(
        self, func: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.randn:
            func = torch.empty
        elif func is torch.linspace:
            func, args = torch.empty, args[2:3]
        elif func in (torch.exp, Tensor.mul):
            return args[0]
        return func(*args, **(kwargs or {}))


def load(folder: Path = SHIPPED) -> Act2Goal:
    """Return the policy's networks, frozen.

    Raises:
        CheckpointError: a file is missing or damaged, or the weights do not fit the config.
    """
    config, _ = read_config(folder)
    path = folder / "model.safetensors"
    try:
        weights = load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} holds no checkpoint: model.safetensors is missing.") from error
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    with torch.device("meta"), _SizesOnly() if config.encoder == OWN["encoder"] else nullcontext():
        model = Act2Goal(config)
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        name = wrong[0]
        raise CheckpointError(
            f"{path} does not fit its config ({len(wrong)} of {len(expected)} tensors differ): {name} is "
            f"{found.get(name, 'missing')}, expected {expected.get(name, 'none')}."
        )
    model = Act2Goal(config)
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    return model.requires_grad_(requires_grad=False).eval()


def check_fits(config: Act2GoalConfig, spec: RobotSpec) -> None:
    """Check that a policy fits a robot.

    Raises:
        CheckpointError: cameras, image sizes, actions, proprioception or rate differ; names the first difference.
    """
    size = (config.height, config.width)
    pairs: list[tuple[str, Any, Any]] = [
        ("cameras", config.cameras, tuple(spec.cameras)),
        *((f"size of camera {name}", size, found) for name, found in spec.cameras.items()),
        ("actions", config.action_names, spec.action_names),
        ("proprioception", config.proprioception_names, spec.proprioception_names),
        ("control rate", config.rate, spec.rate),
    ]
    for what, wanted, found in pairs:
        if wanted != found:
            raise CheckpointError(f"the base was trained with {what} {wanted}, but {spec.name} has {found}.")
