"""The settings of a pretraining."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.models.act2goal.temporal_hashing import TemporalHashing
from a2g_cli.models.presets import PRESETS, Act2GoalConfig, preset
from a2g_cli.policies.image_size import resized_spec
from a2g_cli.robots.base import RobotSpec


@dataclass(frozen=True)
class PretrainSettings:
    """How a base is trained. The same settings and recordings give the same base."""

    preset: str = "tiny"
    hashing: Mapping[str, Any] = field(default_factory=dict)
    """Fields of TemporalHashing (the shape of a plan) that differ from the preset's."""
    autoencoder_iterations: int = 2400
    autoencoder_frames: int = 40_000
    joint_iterations: int = 5_500
    action_iterations: int = 1_500
    batch: int = 64
    draws: int = 2
    """Noises and flow times per sample for the action loss."""
    video_share: float = 0.5
    """Share of a batch in the joint stage that has the video loss."""
    action_weight: float = 1.0
    video_weight: float = 0.5
    """Weights of the two losses in the joint stage. The Act2Goal paper uses 0.1 and 1."""
    relabel: str = "final:0.6,future:0.4"
    shares: Mapping[str, float] = field(default_factory=dict)
    """Relative share of a scene or session in a batch; 1 for those not named."""
    copies: int = 0
    """Augmented copies of each demonstration (encoding/augmentation.py), drawn as often as the original."""
    reader_iterations: int = 2_500
    """Iterations for the tool keypoint detector (calibration/nominal_fit.py), trained after the policy."""
    matrix_lr: float = 0.02
    lr: float = 1e-3
    warm_up: int = 200
    clip: float = 1.0
    seed: int = 0
    size: tuple[int, int] | None = None
    """Height and width to which images are cropped and resized [px]; None: the recorded size."""
    save_every: int = 500
    """Iterations between two saved states."""

    def config(self, spec: RobotSpec) -> Act2GoalConfig:
        """Return the policy's architecture for a robot.

        Raises:
            UnknownNameError: no such preset.
            UsageError: the plan's shape is not valid.
            CheckpointError: the preset does not fit images of this size, or of several sizes.
        """
        config = preset(self.preset, spec if self.size is None else resized_spec(spec, self.size))
        if not self.hashing:
            return config
        try:
            return replace(config, hashing=TemporalHashing(**{**asdict(config.hashing), **self.hashing}))
        except ValueError as error:
            raise UsageError(f"the plan has no valid shape: {error}") from error


def settings_for(
    preset_name: str,
    iterations: int | None = None,
    hashing: Mapping[str, Any] | None = None,
    **given: Any,
) -> PretrainSettings:
    """Return the defaults, with every given value that is not None in place of its default.

    Args:
        preset_name: the size of the policy.
        iterations: of both stages together, divided in the ratio of the defaults.
        hashing: fields of TemporalHashing; None: as in the preset.
        given: other fields of PretrainSettings.

    Raises:
        UnknownNameError: no such preset.
        UsageError: the plan's shape is not valid.
        CheckpointError: the preset does not fit images of the given ``size``.
    """
    settings = PretrainSettings(preset=preset_name)
    if preset_name not in PRESETS:
        raise UnknownNameError("preset", preset_name, PRESETS)
    if iterations is not None:
        total = settings.joint_iterations + settings.action_iterations
        joint = round(iterations * settings.joint_iterations / total)
        settings = replace(settings, joint_iterations=joint, action_iterations=iterations - joint)
        settings = replace(settings, reader_iterations=min(settings.reader_iterations, iterations))
    changed = {name: value for name, value in (hashing or {}).items() if value is not None}
    settings = replace(settings, hashing=changed, **{k: v for k, v in given.items() if v is not None})
    settings.config(_ANY_ROBOT)  # reports a wrong plan before anything is made
    return settings


_ANY_ROBOT = RobotSpec("any", ("a",), ("m",), (-1.0,), (1.0,), 10.0, ("p",), ("m",), {"front": (64, 64)})
