"""How an adapter is made, checked as it was typed. The fields with a help text are options of ``a2g adapt`` and ``improve``.

Nothing heavy is imported: the command line reads these fields before it knows whether anything is to be trained.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from a2g_cli.core import plugins
from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.settings import setting

if TYPE_CHECKING:
    from a2g_cli.encoding.episodes import Keep

Placement = Literal["all", "expert", "world-model"]
Calibrate = Literal["apply", "off"]

HELD_OUT_SAMPLES = 512
"""On which a loss on held-out episodes is measured, before and after."""


ACTS_ON = ("practised", "all")


@dataclass(frozen=True)
class FinetuneSettings:
    """How an adapter is trained. The defaults are the values that measured best: docs/lab-notes.

    Stored settings of version 0.1 are understood: ``keep="arrived"`` becomes ``"reached"``, and ``calibrate="teach"``,
    which no longer exists, raises UsageError.
    """

    keep: "Keep" = setting(
        "reached",
        "Episodes to learn from: reached (judged to have reached their goal; the simulator may disagree), failed (judged "
        "not to), or all.",
        metavar="WHICH",
        panel="Learning",
    )
    relabel: str = setting(
        "final:0.5,future:0.5",
        "Which achieved frame becomes the goal: final (the last), future (a later one), successor (the next). Each rule can "
        "have a sampling weight, 1 by default; only their ratio counts.",
        metavar="RULE[:WEIGHT],...",
        panel="Learning",
    )
    iterations: int = setting(150, "Training steps.", metavar="N", low=1, panel="Learning")
    batch: int = 64
    draws: int = 2
    method: str = setting(
        "lora",
        "Kind of adapter: lora, dora (also trains the magnitudes of the weights), or full (all weights).",
        metavar="KIND",
        panel="Experiments",
    )
    """A plugin of the group ``a2g.finetuning``. DoRA: arXiv 2402.09353."""
    rank: int = setting(16, "LoRA rank.", metavar="N", low=1, high=512, panel="Learning")
    alpha_per_rank: float = 1.0
    """LoRA's scale is alpha / rank. Alpha grows with the rank, so that the rank does not change the learning rate."""
    lr: float = setting(1e-3, "Learning rate.", low=0.0, panel="Learning")
    placement: Placement = setting(
        "all", "Layers with LoRA: all, expert (the action expert), or world-model.", metavar="WHERE", panel="Learning"
    )
    slowness_tau: float = setting(
        5.0,
        "Down-weight slow trajectories: weight exp(-d/STEPS), where d is how many steps more they take than the policy "
        "predicted; 0: off.",
        metavar="STEPS",
        low=0.0,
        panel="Learning",
    )
    """tau of the weight exp(min(0, predicted - taken) / tau) of each relabelled sample [steps]."""
    calibrate: Calibrate = setting(
        "apply",
        "Compensate the measured change of camera, lighting, base pose and actuators: apply or off.",
        metavar="HOW",
        panel="Learning",
    )
    held_out: float = 0.15
    """Share of the episodes that are not trained on: the result is compared with its parent on them."""
    held_out_always: bool = False
    """Hold out at least one of several episodes: nothing but held-out episodes will test the result."""
    feature_alignment: float = setting(
        0.0,
        "Weight of a loss that keeps the world model's features close to the base's; 0: off.",
        metavar="WEIGHT",
        low=0.0,
        panel="Experiments",
    )
    cotrain: float = setting(
        0.0, "Share of each batch that comes from --demonstrations, below 1.", metavar="SHARE", panel="Learning"
    )
    retention: float = setting(
        0.0,
        "Share of each batch that comes from the segments of demonstrations that the base keeps, below 1: the adapter then "
        "forgets less of the training domain. `a2g improve GOAL` uses 0.25.",
        metavar="SHARE",
        panel="Learning",
    )
    acts_on: str = setting(
        "practised",
        "Goals on which the adapter acts: practised (the goals that it learned from, if their photos or a person judged "
        "them; on other goals the weights act that it began from), or all.",
        metavar="GOALS",
        panel="Learning",
    )
    demonstrations: list[str] = setting(
        list,
        "Session or recording of demonstrations for --cotrain; repeatable.",
        metavar="SESSION",
        panel="Learning",
    )
    """By name: whoever calls ``adapt`` reads them."""
    seed: int = setting(0, "Random seed.", metavar="N", low=0, panel="Experiments")

    def __post_init__(self) -> None:
        if self.calibrate not in get_args(Calibrate):
            raise _unknown_calibration(self.calibrate)
        if str(self.keep) == "arrived":  # as version 0.1 stored it
            object.__setattr__(self, "keep", "reached")


def _unknown_calibration(value: str) -> UsageError:
    if value == "teach":
        return UsageError(
            "--calibrate teach was removed: measured in the lab notes, it lost the training domain; use apply or off."
        )
    return UnknownNameError("way to calibrate", value, get_args(Calibrate))


OLD_NAMES = {"patience": "slowness_tau", "retain": "feature_alignment", "mix": "cotrain"}
"""Fields as version 0.1 wrote them to disk -> today's."""


def finetune_settings_from_json(written: Mapping[str, Any]) -> FinetuneSettings:
    """Return the settings that a session remembers, of version 0.1 too. Raises TypeError."""
    return FinetuneSettings(**{OLD_NAMES.get(name, name): value for name, value in written.items()})


def settings_from(**given: Any) -> FinetuneSettings:
    """Return the defaults with everything that is not None replaced. Raises UsageError, UnknownNameError."""
    from a2g_cli.data.relabelling import parse_mixture
    from a2g_cli.encoding.episodes import Keep

    if given.get("keep") == "arrived":
        raise UsageError("--keep arrived is now called --keep reached.")
    settings = FinetuneSettings(**{key: value for key, value in given.items() if value is not None})
    parse_mixture(settings.relabel)
    if settings.placement not in get_args(Placement):
        raise UnknownNameError("placement", settings.placement, get_args(Placement))
    plugins.load("finetuning method", settings.method)
    if settings.method == "full" and given.get("rank") is not None:
        raise UsageError("--rank belongs to lora and dora: --method full has no rank. Leave --rank out.")
    if settings.acts_on not in ACTS_ON:
        raise UnknownNameError("choice of goals", settings.acts_on, ACTS_ON)
    if settings.keep not in get_args(Keep):
        raise UnknownNameError("choice of episodes", settings.keep, get_args(Keep))
    if not 0 <= settings.feature_alignment < math.inf:
        raise UsageError(f"--feature-alignment {settings.feature_alignment}: expected a weight, 0 or more.")
    if settings.feature_alignment and settings.placement == "expert":
        raise UsageError(
            "--feature-alignment is about the world model, and --placement expert does not adapt the world model: "
            "leave one of them out."
        )
    _check_mixing(settings)
    return settings


def _check_mixing(settings: FinetuneSettings) -> None:
    if not 0 <= settings.cotrain < 1:
        raise UsageError(f"--cotrain {settings.cotrain}: expected a share of each batch, from 0 to below 1.")
    if not 0 <= settings.retention < 1:
        raise UsageError(f"--retention {settings.retention}: expected a share of each batch, from 0 to below 1.")
    if settings.retention and settings.cotrain:
        raise UsageError("--retention and --cotrain both mix demonstrations into each batch: give one of them.")
    if bool(settings.cotrain) != bool(settings.demonstrations):
        raise UsageError(
            "--cotrain is the share of each batch that comes from --demonstrations: give both, or neither."
        )
