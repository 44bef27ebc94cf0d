"""The settings of a pretraining. Nothing heavy is imported."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.settings import setting
from a2g_cli.models.part_names import OWN

if TYPE_CHECKING:
    from a2g_cli.models.presets import Act2GoalConfig
    from a2g_cli.robots.base import RobotSpec


@dataclass(frozen=True)
class PretrainSettings:
    """How a base is trained. The same settings and recordings give the same base."""

    preset: str = setting(
        "tiny",
        "Size of the policy: tiny, small (for a GPU), micro (for tests); or a baseline: flat (goal-conditioned flow "
        "matching, no world model), cloning (goal-conditioned behaviour cloning: regression, no world model), regressing "
        "(world model, regression instead of flow matching).",
        metavar="NAME",
    )
    encoder: str = setting(
        OWN["encoder"],
        "What turns images into latents: autoencoder (trained on the demonstrations), dino:DIR or dino:OWNER/NAME (DINOv2 or "
        "DINOv3 from a folder or the Hugging Face hub, frozen), or a plugin's.",
        metavar="NAME",
        panel="Learning",
    )
    planner: str = setting(
        OWN["planner"],
        "What imagines the way to the goal: flow (flow matching on latents), masked or masked:CODES (masked decoding of "
        "quantised latents), or a plugin's.",
        metavar="NAME",
        panel="Learning",
    )
    hashing: Mapping[str, Any] = field(default_factory=dict)
    """Fields of TemporalHashing (the shape of a plan) that differ from the preset's."""
    autoencoder_iterations: int = setting(
        2400, "Training steps of the autoencoder.", metavar="N", low=1, panel="Learning"
    )
    autoencoder_frames: int = 40_000
    joint_iterations: int = 5_500
    action_iterations: int = 1_500
    minutes: float | None = setting(
        None,
        "Train for so many minutes instead of a number of steps; evaluations, and what is imported or recorded before, do "
        "not count. The learning rate has come down when the time is over.",
        kind=float,
        metavar="N",
        low=0.01,
    )
    batch: int = setting(64, "Segments per training step.", metavar="N", low=2, panel="Learning")
    draws: int = 2
    """Noises and flow times per sample for the action loss."""
    video_share: float = 0.5
    """Share of a batch in the joint stage that has the video loss."""
    action_weight: float = setting(
        1.0,
        "Weight of the action loss in the first stage (the Act2Goal paper: 0.1).",
        option="--stage1-action-weight",
        low=0.0,
        panel="Experiments",
    )
    video_weight: float = setting(
        0.5,
        "Weight of the video loss in the first stage (the Act2Goal paper: 1).",
        option="--stage1-video-weight",
        low=0.0,
        panel="Experiments",
    )
    relabel: str = "final:0.6,future:0.4"
    shares: Mapping[str, float] = field(default_factory=dict)
    """Relative share of a scene or session in a batch; 1 for those not named."""
    copies: int = setting(
        0,
        "Augmented copies of each demonstration, with random colour, brightness and crop.",
        metavar="N",
        low=0,
        panel="Learning",
    )
    """Each is drawn as often as the original (encoding/augmentation.py)."""
    held_out: float = setting(
        0.1,
        "Share of the demonstrations that is not trained on but measures the result: at most 20 of a session or scene, "
        "none of fewer than 10.",
        metavar="SHARE",
        low=0.0,
        high=0.5,
        panel="Learning",
    )
    patience: int = setting(
        0,
        "End early where the last N measurements (--evaluate-every) were not better than the best before them; 0: never.",
        metavar="N",
        low=0,
        panel="Learning",
    )
    reader_iterations: int = 2_500
    """Iterations for the tool keypoint detector (calibration/nominal_fit.py), trained after the policy."""
    matrix_lr: float = 0.02
    lr: float = 1e-3
    warm_up: int = 200
    clip: float = 1.0
    seed: int = setting(0, "Random seed of demonstrations and training.", metavar="N", low=0, panel="Learning")
    size: tuple[int, int] | None = None
    """Height and width to which images are cropped and resized [px]; None: the recorded size."""
    save_every: int = 500
    """Iterations between two saved states."""

    @property
    def joint_share(self) -> float:
        """The share of the policy's training that also learns frames."""
        return self.joint_iterations / max(1, self.joint_iterations + self.action_iterations)

    def config(self, spec: "RobotSpec") -> "Act2GoalConfig":
        """Return the policy's architecture for a robot.

        Raises:
            UnknownNameError: no such preset.
            UsageError: the plan's shape is not valid, or encoder or planner cannot be made of what was named.
            CheckpointError: the preset does not fit images of this size, or of several sizes.
        """
        from a2g_cli.models.act2goal.temporal_hashing import TemporalHashing
        from a2g_cli.models.presets import preset
        from a2g_cli.policies.image_size import resized_spec

        config = preset(self.preset, spec if self.size is None else resized_spec(spec, self.size))
        if (self.encoder, self.planner) != (OWN["encoder"], OWN["planner"]):
            from a2g_cli.models.parts import chosen

            encoder, planner = chosen("encoder", self.encoder), chosen("planner", self.planner)
            config = replace(config, encoder=encoder[0], encoder_settings=encoder[1])
            config = replace(config, planner=planner[0], planner_settings=planner[1])
        if not self.hashing:
            return config
        try:
            return replace(config, hashing=TemporalHashing(**{**asdict(config.hashing), **self.hashing}))
        except ValueError as error:
            raise UsageError(f"the plan has no valid shape: {error}") from error


def settings_for(
    preset: str | None = None,
    iterations: int | None = None,
    hashing: Mapping[str, Any] | None = None,
    **given: Any,
) -> PretrainSettings:
    """Return the defaults, with every given value that is not None in place of its default.

    Args:
        preset: the size of the policy; None: the default.
        iterations: of both stages together, divided in the ratio of the defaults.
        hashing: fields of TemporalHashing; None: as in the preset.
        given: other fields of PretrainSettings.

    Raises:
        UnknownNameError: no such preset.
        UsageError: the plan's shape is not valid, or both iterations and minutes are given.
        CheckpointError: the preset does not fit images of the given ``size``.
    """
    from a2g_cli.models.presets import PRESETS
    from a2g_cli.robots.base import RobotSpec

    settings = PretrainSettings() if preset is None else PretrainSettings(preset=preset)
    if settings.preset not in PRESETS:
        raise UnknownNameError("preset", settings.preset, PRESETS)
    if iterations is not None and given.get("minutes") is not None:
        raise UsageError("--iterations and --minutes each say when the training ends: give one of them.")
    if iterations is not None:
        total = settings.joint_iterations + settings.action_iterations
        joint = round(iterations * settings.joint_iterations / total)
        settings = replace(settings, joint_iterations=joint, action_iterations=iterations - joint)
        settings = replace(settings, reader_iterations=min(settings.reader_iterations, iterations))
    changed = {name: value for name, value in (hashing or {}).items() if value is not None}
    settings = replace(settings, hashing=changed, **{k: v for k, v in given.items() if v is not None})
    # A wrong plan is reported before anything is made, whatever the robot is.
    settings.config(RobotSpec("any", ("a",), ("m",), (-1.0,), (1.0,), 10.0, ("p",), ("m",), {"front": (64, 64)}))
    return settings
