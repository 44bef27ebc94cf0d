"""Sizes of the policy, as functions: one dataclass, a few named fillings."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from a2g_cli.core.errors import CheckpointError, UnknownNameError
from a2g_cli.models.act2goal.temporal_hashing import TemporalHashing
from a2g_cli.robots.base import RobotSpec

SIZE = (64, 64)
"""Height and width of the images that every preset is made for [px]; a base may be trained at another size."""


@dataclass(frozen=True)
class Act2GoalConfig:
    """Everything that fixes the shape of a policy's weights, and what it may be used on."""

    cameras: tuple[str, ...]
    height: int
    width: int
    action_names: tuple[str, ...]
    proprioception_names: tuple[str, ...]
    rate: float
    """Control rate of the demonstrations [Hz]."""
    hashing: TemporalHashing = field(default_factory=TemporalHashing)
    latent_channels: int = 16
    autoencoder_width: int = 96
    context_patch: int = 2
    """Latent cells a token of now and goal covers, along each side."""
    plan_patch: int = 4
    """The same for imagined frames: fewer, fatter tokens."""
    model_width: int = 128
    model_heads: int = 4
    expert_width: int = 96
    expert_heads: int = 4
    blocks: int = 4
    imagines: bool = True
    """Whether the policy imagines frames; without them it is a flat goal-conditioned policy, the peer to compare with."""
    generative: bool = True
    """Whether actions are denoised by flow matching; otherwise they are regressed: goal-conditioned behaviour cloning."""
    steps_width: int = 128
    """Hidden width of the steps-to-go head."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images that it was trained at [px]."""
        return self.height, self.width

    @property
    def frames(self) -> int:
        """Number of frames in a plan."""
        return self.hashing.frames if self.imagines else 0

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dict that ``from_json`` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Act2GoalConfig":
        """Read what ``to_json`` wrote.

        Raises:
            CheckpointError: a key is missing, unknown or of the wrong kind.
        """
        try:
            data = dict(data)
            data["hashing"] = TemporalHashing(**data["hashing"])
            for key in ("cameras", "action_names", "proprioception_names"):
                data[key] = tuple(str(name) for name in data[key])
            config = cls(**data)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"the checkpoint's config does not fit this version of a2g: {error}") from error
        if absurd := _absurd(config):
            raise CheckpointError(f"the checkpoint's config holds absurd sizes: {', '.join(absurd)}.")
        return config


def _absurd(config: Act2GoalConfig) -> list[str]:
    """Return what no network can be made of: a config may come from anywhere, and its weights are read after it."""
    found = {part.name: getattr(of, part.name) for of in (config, config.hashing) for part in fields(of)}
    counts = {part.name for of in (config, config.hashing) for part in fields(of) if part.type is int}
    limits = {"blocks": 256}
    least = {"distal": 0}
    absurd = [
        name
        for name in counts
        if type(found[name]) is not int or not least.get(name, 1) <= found[name] <= limits.get(name, 8192)
    ]
    absurd += [name for name in ("imagines", "generative", "distal_actions") if type(found[name]) is not bool]
    absurd += [name for name in ("cameras", "action_names", "proprioception_names") if not found[name]]
    if not isinstance(config.rate, (int, float)) or not 0 < config.rate < 1e6:
        absurd.append("rate")
    if not absurd:
        patches = {8 * config.context_patch, 8 * config.plan_patch}  # [px]; a latent cell covers 8 px
        absurd += [side for side in ("height", "width") for patch in patches if found[side] % patch]
        absurd += ["autoencoder_width"] if config.autoencoder_width % 4 else []
        absurd += [f"{part}_heads" for part in ("model", "expert") if found[f"{part}_width"] % found[f"{part}_heads"]]
    return [f"{name} = {found[name]!r}" for name in sorted(set(absurd))]


def _of(spec: RobotSpec, **sizes: Any) -> Act2GoalConfig:
    shapes = set(spec.cameras.values())
    if len(shapes) != 1:
        raise CheckpointError(f"all cameras must give images of one size; {spec.name} has {dict(spec.cameras)}.")
    height, width = shapes.pop()
    return Act2GoalConfig(
        cameras=tuple(spec.cameras),
        height=height,
        width=width,
        action_names=spec.action_names,
        proprioception_names=spec.proprioception_names,
        rate=spec.rate,
        **sizes,
    )


def tiny(spec: RobotSpec) -> Act2GoalConfig:
    """The shipped size: small enough that a laptop acts with it and adapts it in minutes."""
    return _of(spec)


def micro(spec: RobotSpec) -> Act2GoalConfig:
    """As small as it can be and still have every part: for tests, not for robots."""
    return _of(
        spec,
        latent_channels=4,
        autoencoder_width=16,
        model_width=32,
        model_heads=2,
        expert_width=32,
        expert_heads=2,
        blocks=2,
        steps_width=16,
    )


def small(spec: RobotSpec) -> Act2GoalConfig:
    """As large as fits the package in half precision: for a GPU, or for patience."""
    return _of(spec, autoencoder_width=128, model_width=256, model_heads=8, expert_width=160, blocks=6)


def flat(spec: RobotSpec) -> Act2GoalConfig:
    """The peer without a world model: goal-conditioned flow matching on actions alone, with as many parameters as tiny."""
    return _of(spec, imagines=False, hashing=TemporalHashing(distal=0), model_width=136, expert_width=100)


def cloning(spec: RobotSpec) -> Act2GoalConfig:
    """The peer without flow matching either: goal-conditioned behaviour cloning by regression."""
    return replace(flat(spec), generative=False)


def regressing(spec: RobotSpec) -> Act2GoalConfig:
    """The world model of tiny, and actions by regression: tells what flow matching is worth from what imagining is."""
    return replace(tiny(spec), generative=False)


PRESETS: dict[str, Callable[[RobotSpec], Act2GoalConfig]] = {
    "tiny": tiny,
    "small": small,
    "micro": micro,
    "flat": flat,
    "cloning": cloning,
    "regressing": regressing,
}


def preset(name: str, spec: RobotSpec) -> Act2GoalConfig:
    """Return the preset called ``name`` for a robot.

    Raises:
        UnknownNameError: there is none.
        CheckpointError: no policy of it can look through the robot's cameras: their sizes differ, or fit no patches.
    """
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    config = PRESETS[name](spec)
    patch = 8 * math.lcm(config.context_patch, config.plan_patch)  # [px]; a latent cell covers 8 px
    if config.height % patch or config.width % patch:
        height, width = (max(patch, side // patch * patch) for side in (config.height, config.width))
        raise CheckpointError(
            f"images of {config.width}x{config.height} px do not fit preset {name!r}: width and height must be multiples "
            f"of {patch} px, such as {width}x{height}."
        )
    return config
