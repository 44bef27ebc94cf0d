"""How the networks are used while acting: options of ``a2g run`` and ``a2g evaluate``. Nothing heavy is imported."""

from dataclasses import dataclass
from typing import Any

from a2g_cli.core.settings import setting

N_ACTION_STEPS = 4
"""Actions executed before the next plan, unless the user says otherwise."""


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
    """None for ``N_ACTION_STEPS``, or the whole of a dense plan that is shorter."""
    replan_lead: float = setting(
        0.5,
        "Request the next plan this many control periods before it is needed; at 0 the robot waits for it.",
        metavar="PERIODS",
        low=0.0,
        panel="Experiments",
    )
    """Within the last period a plan is made from an observation that is nearly the chunk's end, and executed from its first
    action. With a longer lead its first actions are skipped, since the current chunk covers them: that hides slow planning,
    and costs accuracy."""
    denoising_steps: int = setting(
        5, "Denoising (Euler) steps for the actions of a plan.", metavar="N", low=1, high=1_000_000, panel="Experiments"
    )
    temperature: float = 0.3
    """Scale of the actions' starting noise: 0 for the most likely chunk, 1 for samples; a little keeps practice diverse."""
    threads: int = 1
    """Of the CPU: networks this small gain nothing from a second core, and lose much when somebody else needs it."""
    imagine_steps: int = 0
    """Euler steps over the plan's frames, for people to look at; 0 imagines nothing and costs nothing."""


def acting_from(**given: Any) -> ActingSettings:
    """Return the settings with what was given; None is not given."""
    return ActingSettings(**{name: value for name, value in given.items() if value is not None})
