"""What a base is made with: defaults, and the few things that a person may say otherwise."""

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
    """What a base is made with. Two runs with the same settings and recordings are the same run."""

    preset: str = "tiny"
    hashing: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the preset's TemporalHashing: the shape of a plan."""
    autoencoder_iterations: int = 2400
    autoencoder_frames: int = 40_000
    joint_iterations: int = 5_500
    action_iterations: int = 1_500
    batch: int = 64
    draws: int = 2
    """Noises and flow times per sample for the action loss."""
    video_share: float = 0.5
    """Of a batch in the joint stage: these samples carry the video loss."""
    action_weight: float = 1.0
    video_weight: float = 0.5
    """Of the two losses in the joint stage. Act2Goal gives 0.1 and 1."""
    relabel: str = "final:0.6,future:0.4"
    shares: Mapping[str, float] = field(default_factory=dict)
    """Relative share of a batch that a scene or session has; 1 for those that are not named."""
    copies: int = 0
    """Of each demonstration, in other colours, light and framing (augmentation.py); as often drawn as the original."""
    reader_iterations: int = 2_500
    """Of what finds the tool in a picture (calibration/nominal_fit.py), once the policy is trained."""
    matrix_lr: float = 0.02
    lr: float = 1e-3
    warm_up: int = 200
    clip: float = 1.0
    seed: int = 0
    size: tuple[int, int] | None = None
    """Height and width that images are cropped and resized to as they are read [px]; None: as they were recorded."""
    save_every: int = 500
    """Iterations between states on disk."""

    def config(self, spec: RobotSpec) -> Act2GoalConfig:
        """Return the shape of the policy for a robot.

        Raises:
            UnknownNameError: no such preset.
            UsageError: no plan has such a shape.
            CheckpointError: no policy of this shape can look at images of this size, or at sizes that differ.
        """
        made = preset(self.preset, spec if self.size is None else resized_spec(spec, self.size))
        if not self.hashing:
            return made
        try:
            return replace(made, hashing=TemporalHashing(**{**asdict(made.hashing), **self.hashing}))
        except ValueError as error:
            raise UsageError(f"there is no such plan: {error}") from error


def settings_for(
    preset_name: str,
    iterations: int | None = None,
    hashing: Mapping[str, Any] | None = None,
    **given: Any,
) -> PretrainSettings:
    """Return the defaults with everything that is not None replaced.

    Args:
        preset_name: size of the policy.
        iterations: of both stages together, shared out between them as the defaults are.
        hashing: fields of TemporalHashing that are to differ from the preset's; None for those that are not.
        given: fields of PretrainSettings.

    Raises:
        UnknownNameError: no such preset.
        UsageError: no plan has such a shape.
        CheckpointError: the preset takes no images of the ``size`` that is given.
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
    settings.config(_ANY_ROBOT)  # a plan that is wrong is wrong before anything is made
    return settings


_ANY_ROBOT = RobotSpec("any", ("a",), ("m",), (-1.0,), (1.0,), 10.0, ("p",), ("m",), {"front": (64, 64)})
