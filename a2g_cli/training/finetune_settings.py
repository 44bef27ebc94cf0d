"""How an adapter is made, checked as it was typed."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from a2g_cli.adapters.files import Method
from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.data.relabelling import parse_mixture
from a2g_cli.encoding.episodes import Keep

Placement = Literal["all", "expert", "world-model"]
Calibrate = Literal["apply", "teach", "off"]


@dataclass(frozen=True)
class FinetuneSettings:
    """How an adapter is made. The defaults are what measured best so far: docs/lab-notes.md."""

    keep: Keep = "arrived"
    """Which episodes are learned from, as the base's own steps-to-go head judges their ends; no reward, no label."""
    relabel: str = "final:0.5,future:0.5"
    iterations: int = 150
    batch: int = 64
    draws: int = 2
    method: Method = "lora"
    """``dora`` learns how long each row of a weight is apart from its direction (arXiv 2402.09353)."""
    rank: int = 16
    alpha_per_rank: float = 1.0
    """LoRA's scale is alpha / rank: tied to the rank, so that another rank is not another learning rate."""
    lr: float = 1e-3
    placement: Placement = "all"
    patience: float = 5.0
    """tau of the weight exp(min(0, predicted - taken) / tau) of each relabelled sample [steps]: a way that took longer than
    the steps-to-go head expected is imitated less. 0 weighs all alike, which is the naive rule."""
    calibrate: Calibrate = "apply"
    """What becomes of what practice measured: apply it while acting, teach it to the LoRA weights, or off."""
    held_out: float = 0.15
    """Share of the episodes kept back to hold the result against its parent."""
    retain: float = 0.0
    """Weight of the world model's drift from the base, beside the action loss: ``FeatureAlignment``. 0 lets it go."""
    mix: float = 0.0
    """Share of every batch that is of ``demonstrations``, below 1."""
    demonstrations: list[str] = field(default_factory=list)
    """Sessions or recordings, by name: whoever calls ``adapt`` reads them."""
    seed: int = 0


def settings_from(**given: Any) -> FinetuneSettings:
    """Return the defaults with everything that is not None replaced. Raises UsageError, UnknownNameError."""
    settings = FinetuneSettings(**{key: value for key, value in given.items() if value is not None})
    parse_mixture(settings.relabel)
    if settings.placement not in get_args(Placement):
        raise UnknownNameError("placement", settings.placement, get_args(Placement))
    if settings.method not in get_args(Method):
        raise UnknownNameError("kind of adapter", settings.method, get_args(Method))
    if settings.method == "full" and given.get("rank") is not None:
        raise UsageError("--rank is LoRA's and DoRA's: full fine-tuning has none.")
    if settings.keep not in get_args(Keep):
        raise UnknownNameError("choice of episodes", settings.keep, get_args(Keep))
    if settings.calibrate not in get_args(Calibrate):
        raise UnknownNameError("way to calibrate", settings.calibrate, get_args(Calibrate))
    if not 0 <= settings.retain < math.inf:
        raise UsageError(f"--retain is a weight, 0 or more, and not {settings.retain}.")
    if settings.retain and settings.placement == "expert":
        raise UsageError(
            "--retain holds the world model to the base, and --placement expert adapts none of it: drop one."
        )
    if not 0 <= settings.mix < 1:
        raise UsageError(f"--mix is a share of every batch, from 0 to below 1, and not {settings.mix}.")
    if bool(settings.mix) != bool(settings.demonstrations):
        raise UsageError("--mix says which share of a batch is of --demonstrations: give both, or neither.")
    return settings
