"""How long and how ``a2g improve`` practises: its options. Nothing heavy is imported."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.settings import setting
from a2g_cli.training.finetune_settings import FinetuneSettings, finetune_settings_from_json

if TYPE_CHECKING:
    from a2g_cli.runtime.termination import RolloutSettings


def _rollout(**given: Any) -> "RolloutSettings":
    from a2g_cli.runtime.termination import RolloutSettings

    return RolloutSettings(**given)


@dataclass(frozen=True)
class ImproveSettings:
    """How long and how a run practises."""

    rounds: int = setting(5, "Maximum number of rounds; each practises, then adapts.", metavar="N", low=1)
    episodes: int = setting(
        20,
        "Practice episodes per round; 40 for a GOAL judged by its photo. The gate promotes trained weights only if they "
        "succeed on at least three trials more than the current adapter.",
        metavar="N",
        low=1,
        high=1_000_000,
    )
    """The gate rolls out at most as many again."""
    until: float | None = setting(
        None,
        "Stop when the judge's success rate of a round is at least RATE, from 0 to 1.  [default: off]",
        kind=float,
        metavar="RATE",
        low=0.0,
        high=1.0,
    )
    minutes: float | None = setting(
        None,
        "Start no round after this many minutes of practice and adaptation.  [default: no limit]",
        kind=float,
        option="--max-minutes",
        metavar="M",
        low=0.0,
        panel="Practice",
    )
    most_episodes: int | None = setting(
        None,
        "Maximum number of practice and gate episodes: no round starts that could exceed it, and a round can need twice "
        "--episodes. Held-out trials are not counted.  [default: no limit]",
        kind=int,
        option="--max-episodes",
        metavar="N",
        low=1,
        panel="Practice",
    )
    reset: str = setting(
        "own",
        "Between episodes: own (the driver's reset; a simulator draws a new start), prompt (a person puts the scene back), "
        "cycle (no reset: go on to a goal that is possible from here), rest-pose (as cycle, and the arm drives to its rest "
        "pose first).",
        metavar="WAY",
        panel="Practice",
    )
    replay_demos: int = setting(
        0,
        "Episodes that replay expert trajectories open loop; the policy learns from what they achieve.",
        metavar="N",
        low=0,
        high=1_000_000,
        panel="Practice",
    )
    pose_search: int = setting(
        64,
        "Maximum number of episodes that search the arm's base pose; used only if camera and arm were both moved.",
        metavar="N",
        low=0,
        high=1_000_000,
        panel="Practice",
    )
    judge: str = setting(
        "auto",
        "Who decides which practice episodes reached a named GOAL: photo (compares them with the goal photo), person (asked "
        "for a key after each of the first ten episodes, which teaches the photo judge), policy (its steps-to-go); auto: "
        "photo. Goals that are drawn are judged by the policy. truth asks the simulator, for experiments; so does auto, if a "
        "simulator finds more than half of the judge's successes wrong.",
        metavar="WHO",
        panel="Practice",
    )
    practice_temperature: float | None = setting(
        None,
        "Noise of the actions while practising, from 0 (none) to 2.  [default: 1, then 0.5, for a GOAL judged by its photo; "
        "else 0.3]",
        kind=float,
        metavar="X",
        low=0.0,
        high=2.0,
        panel="Practice",
    )
    goals_from: str = setting(
        "scene",
        "Source of goals, where no GOAL is named: scene (drawn), recordings (final frames of this run's earlier rounds), "
        "recordings:SESSION (of another session), imagined (last frame of the world model's plan).",
        metavar="SOURCE",
        panel="Experiments",
    )
    curriculum: str = setting(
        "none",
        "Draw four candidate goals per episode; none: use the first, progress: use one of medium predicted difficulty.",
        metavar="HOW",
        panel="Experiments",
    )
    seed: int = 0
    """Of starts, goals and noise."""
    keep_rounds: int = 100
    """Rounds whose recordings are learned from; 1 empties the buffer after each, as the paper does."""
    rollout: "RolloutSettings" = field(default_factory=_rollout)
    adapt: FinetuneSettings = field(default_factory=FinetuneSettings)

    @property
    def round_episodes(self) -> int:
        """Greatest number of episodes in a round without pose search and demo replay: of practice, and of the gate."""
        return 2 * self.episodes


JUDGES = ("auto", "photo", "person", "policy", "truth")
"""Who can judge practice."""


def check_judge_of_practice(judge: str, named: bool) -> None:
    """Raise UnknownNameError for an unknown judge, UsageError for the photo judge without a named goal."""
    if judge not in JUDGES:
        raise UnknownNameError("judge of practice", judge, JUDGES)
    if judge in ("photo", "person") and not named:
        raise UsageError(f"--judge {judge} judges many episodes of one goal: name a GOAL.")


GOAL_EPISODES = 40
"""Practice episodes per round of named goals, unless another number is asked for."""


def goal_learning(base: Path | None) -> dict[str, Any]:
    """Return the settings of finetuning, by name, that differ where named goals are practised (docs/lab-notes).

    Args:
        base: of ``--base``; only a base with a retention set can replay it.
    """
    from a2g_cli.models.checkpoint import SHIPPED
    from a2g_cli.training.retention_set import RETENTION

    replayed = {"retention": 0.25} if ((base or SHIPPED) / RETENTION).exists() else {}
    return {"batch": 32, "iterations": 250, **replayed}


def check_limits(settings: ImproveSettings) -> None:
    """Raise UsageError if a new run could not start its first round within ``--max-episodes`` or ``--max-minutes``."""
    needed = settings.round_episodes
    if settings.most_episodes is not None and settings.most_episodes < needed:
        fewer = f", or --episodes {settings.most_episodes // 2} or less" if settings.most_episodes >= 2 else ""
        raise UsageError(
            f"--max-episodes {settings.most_episodes} allows no round: a round needs up to {needed} episodes, "
            f"{settings.episodes} of practice and as many to test the new adapter. Give --max-episodes {needed} or "
            f"more{fewer}."
        )
    if settings.minutes == 0:
        raise UsageError("--max-minutes 0 allows no round: give more than 0.")


OLD_NAMES = {"explore": "pose_search", "rehearse": "replay_demos"}
"""Fields as version 0.1 wrote them to disk -> today's."""


def improve_settings_from_json(written: Mapping[str, Any]) -> ImproveSettings:
    """Return the settings that a session remembers, of version 0.1 too. Raises KeyError, TypeError, ValueError."""
    settings = {OLD_NAMES.get(name, name): value for name, value in written.items()}
    if settings["reset"] == "home":
        settings["reset"] = "rest-pose"
    if "judge" not in settings:  # of a run that began without a photo judge
        settings["judge"] = "policy"
    rollout = dict(settings["rollout"])
    rollout["safety"] = SafetyLimits(**rollout.get("safety", {}))
    adapt = finetune_settings_from_json(settings["adapt"])
    return ImproveSettings(**{**settings, "rollout": _rollout(**rollout), "adapt": adapt})
