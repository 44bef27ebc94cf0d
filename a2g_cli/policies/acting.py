"""How the networks are used while acting: options of ``a2g run`` and ``a2g evaluate``. Nothing heavy is imported."""

from dataclasses import dataclass
from typing import Any

from a2g_cli.core.settings import setting

N_ACTION_STEPS = 4
"""Default number of actions executed before the next plan."""


@dataclass(frozen=True)
class ActingSettings:
    """How the networks are used while acting."""

    n_action_steps: int | None = setting(
        None,
        f"Actions executed before the next plan.  [default: {N_ACTION_STEPS}]",
        kind=int,
        metavar="N",
        low=1,
        panel="Experiments",
    )
    """None: ``N_ACTION_STEPS``, or all dense actions where a plan has fewer."""
    replan_lead: float = setting(
        0.5,
        "Request the next plan this many control periods early; 0: the robot waits for each plan.",
        metavar="PERIODS",
        low=0.0,
        panel="Experiments",
    )
    """Below 1, the new plan is executed from its first action. From 1 on, its first actions are skipped, because the present
    chunk covers them: that hides slow planning, but the plan is made from an older observation."""
    denoising_steps: int = setting(
        5, "Denoising (Euler) steps for the actions of a plan.", metavar="N", low=1, high=1_000_000, panel="Experiments"
    )
    temperature: float = 0.3
    """Scale of the initial noise of the actions: 0: the most likely chunk, 1: samples; a little keeps practice diverse."""
    persistent_noise: float = 0.0
    """Scale of a part of that noise which is the same for all actions of a chunk and for all plans of an episode. It moves
    where the policy aims; independent noise averages out within a chunk, and the next plan aims again."""
    threads: int = 1
    """CPU threads. Networks this small gain nothing from a second core, and slow down when another process uses it."""
    imagine_steps: int = 0
    """Euler steps that denoise the plan's frames, for people to look at; 0: no frames, at no cost."""
    keep_imagined: int = setting(
        4,
        "Keep in the recording what every N-th plan imagined, for people to look at; 0: nothing. Later in a long episode "
        "fewer plans are kept.",
        metavar="N",
        low=0,
        high=1_000_000,
        panel="Experiments",
    )


KEPT_STEPS = 4
"""Euler steps that denoise the frames that are kept."""
_EVENLY = 16
"""So many plans are kept evenly; then the distance between them doubles whenever the episode's length does."""


def is_kept(index: int, every: int) -> bool:
    """Whether the frames of plan ``index`` of an episode are kept: of 60 plans 15, of 1000 plans 48, for ``every`` = 4."""
    if not every:
        return False
    while index >= _EVENLY * every:
        every *= 2
    return index % every == 0


def acting_from(**given: Any) -> ActingSettings:
    """Return settings with the values given; None keeps the default."""
    return ActingSettings(**{name: value for name, value in given.items() if value is not None})
