"""Cards of episodes: what a recording shows, and who says what of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from a2g_cli.core.errors import A2GError
from a2g_cli.core.types import Goal, Outcome
from a2g_cli.data.recording.reader import Recording
from a2g_cli.report.charts import curve
from a2g_cli.report.contents import Card, Claim
from a2g_cli.report.imagined import Comparison, chosen, comparison
from a2g_cli.report.media import PageImage, VideoBudget, joined, page_image

JUDGES = {
    "truth": "simulator",
    "environment": "environment",
    "person": "person",
    "photo": "photo judge",
    "policy": "policy's estimate",
    "distance": "distance to the goal",
}
"""Judges in recordings -> words."""
POLICY = "policy"
"""Who says that the goal was reached when the policy ends an episode by itself; too little for a verdict."""
ENDINGS = {
    "success": "ended at success",
    "arrived": "the policy judged the goal as reached",
    "steps": "step limit",
    "person": "ended by a person",
    "interrupted": "interrupted",
    "salvaged": "the recording was cut off",
    "imported": "imported",
}
"""How an episode ended that neither a guard nor a failure stopped."""


@dataclass(frozen=True)
class Known:
    """What is known of an episode beside its recording."""

    stage: str = ""
    """What it was for, e.g. ``practice``."""
    round: int | None = None
    judge: str = ""
    """Who judged practice, in words."""
    judged: bool | None = None
    """What that judge says; None: nothing."""
    policy_ends: bool = True
    """Whether the policy's own estimate could end the episode; not on held-out trials."""


@dataclass
class Gallery:
    """Makes cards, and keeps each goal photo once."""

    budget: VideoBudget = field(default_factory=VideoBudget)
    goals: dict[str, PageImage] = field(default_factory=dict)

    def card(self, path: Path, known: Known = Known()) -> Card:
        """Return the card of a recording. Raises RecordingError if it is damaged."""
        with Recording(path) as recording:
            goal, outcome, provenance = recording.goal, recording.outcome, recording.provenance
            images = {camera: recording.frame(camera, -1) for camera in recording.cameras}
            claims = claims_of(outcome, known)
            times = recording.times
            lasted = float(times[-1] - times[0])
            made, why = self._video(recording) if images else (None, "No camera was recorded.")
            return Card(
                path.name.removesuffix(".hdf5"),
                goal.name,
                self.key(goal),
                known.stage,
                known.round,
                provenance.adapter_name or provenance.policy,
                recording.length,
                lasted if math.isfinite(lasted) else None,
                next((claim.says for claim in claims if claim.says is not None and claim.who != POLICY), None),
                claims,
                ending(outcome),
                page_image(joined(images), f"Last frame of {path.stem}") if images else PageImage("", 1, 1, ""),
                made,
                why,
                curve(outcome.estimates, recording.length),
                self._imagined(recording),
            )

    def key(self, goal: Goal) -> str:
        """Return the key of a goal's photo, which is kept."""
        key = f"goal-{goal.fingerprint[:12]}"
        if key not in self.goals and goal.images:
            self.goals[key] = page_image(joined(goal.images), f"Goal photo of {goal.name}")
        return key if key in self.goals else ""

    def _imagined(self, recording: Recording) -> list[Comparison]:
        plans, found = recording.imagined, []
        for number in chosen(plans):
            one, size = comparison(plans[number], recording)
            if self.budget.take(size):
                found.append(one)
        return found

    def _video(self, recording: Recording) -> tuple[str | None, str]:
        try:
            made = self.budget.video(recording)
        except A2GError as error:
            return None, f"No video: {error}"
        return made, "" if made else "It was left out to keep the file small."


def claims_of(outcome: Outcome, known: Known) -> list[Claim]:
    """Return who says what of an episode, the most trusted first."""
    claims = []
    own = Claim(JUDGES.get(outcome.judge, outcome.judge), outcome.success)
    if outcome.judge in {"truth", "environment", "person"}:
        claims.append(own)
    if known.judge and known.judge != own.who and known.judged is not None:
        claims.append(Claim(known.judge, known.judged))
    if outcome.judge not in {"truth", "environment", "person", "none"}:
        claims.append(own)
    if all(claim.who != JUDGES["policy"] for claim in claims):
        left, ended = outcome.steps_to_go, known.policy_ends and outcome.stopped_by == "arrived"
        if left is not None:
            # At the step limit the policy had not ended the episode; that is no claim that it failed.
            claims.append(Claim(POLICY, True if ended else None, f"{left:.1f} steps to go at the end"))
    return claims


def ending(outcome: Outcome) -> str:
    """Return how an episode ended, in words."""
    if outcome.stopped_by == "hardware":
        return "hardware failure"
    return ENDINGS.get(outcome.stopped_by) or f"stopped by the guard {outcome.stopped_by}"


def stopped(outcome: Mapping[str, object]) -> bool:
    """Whether a guard or a failure stopped the episode of this outcome, which is JSON."""
    return str(outcome["stopped_by"]) not in ENDINGS
