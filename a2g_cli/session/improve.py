"""Improvement: run and adapt, round after round, each new adapter held against its parent before it may act.

The one place where rollout and learning meet, and even here they meet on disk: rollouts write recordings, adaptation reads
them and writes an adapter, the next rollouts load it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from a2g_cli.episode import Goal, Outcome, Provenance
from a2g_cli.learning.adapt import AdaptSettings, adapt
from a2g_cli.learning.practised import SLACK, Practised, read, select
from a2g_cli.learning.promotion import Decision, decide, record_decision
from a2g_cli.learning.watcher import TrainingWatcher
from a2g_cli.policy import checkpoint
from a2g_cli.recording.sessions import Session
from a2g_cli.robots.robot import Robot, Trial, shift_of
from a2g_cli.session.evaluate import draw_trials, instrumented, jobs_of
from a2g_cli.session.players import Players
from a2g_cli.session.recorder import Recorder
from a2g_cli.session.rollout import RolloutSettings, roll_out


class ImproveWatcher(TrainingWatcher, Protocol):
    """Whoever shows an improvement run."""

    def rolled(self, what: str, done: int, total: int, successes: int) -> None:
        """``done`` of ``total`` episodes are over; successes as the truth sees them, for people only."""

    def round_over(self, number: int, total: int, line: str) -> None:
        """A round ended; ``line`` says how."""


@dataclass(frozen=True)
class ImproveSettings:
    """How long and how much."""

    rounds: int = 5
    episodes: int = 20
    """Practice episodes a round; the gate's comparison rolls out as many again."""
    seed: int = 0
    keep_rounds: int = 100
    """Rounds whose recordings are learned from; 1 empties the buffer after each, as the paper does."""
    rollout: RolloutSettings = field(default_factory=RolloutSettings)
    adapt: AdaptSettings = field(default_factory=AdaptSettings)


@dataclass
class Round:
    """What happened in one round."""

    episodes: int
    """Practice episodes."""
    gate_episodes: int
    """The candidate's, on the same starts and goals; learned from in later rounds like any other."""
    rollout_seconds: float
    adapt_seconds: float
    promoted: bool
    adapter: str
    """The adapter that was made; whether it acts from now on, ``promoted`` says."""
    reason: str
    practice_successes: int

    def to_json(self) -> dict[str, Any]:
        """Return the documented round object."""
        return {
            "episodes": self.episodes,
            "gate_episodes": self.gate_episodes,
            "rollout_seconds": round(self.rollout_seconds, 2),
            "adapt_seconds": round(self.adapt_seconds, 2),
            "promoted": self.promoted,
            "adapter": self.adapter,
            "reason": self.reason,
            "practice_successes": self.practice_successes,
        }


class Improvement:
    """Rounds of practice with one base on one kind of robot."""

    def __init__(
        self,
        players: Players,
        robots: Sequence[Robot],
        session: Session,
        settings: ImproveSettings,
        goals: Sequence[Goal],
        watcher: ImproveWatcher,
        interrupted: Callable[[], bool],
        active: str = "none",
    ) -> None:
        self.players, self.robots, self.session, self.settings = players, robots, session, settings
        self.goals, self.watcher, self.interrupted = goals, watcher, interrupted
        self.active = active
        self._base = players.base_hash()
        self._encoder = checkpoint.load(players.folder)
        self._buffer: list[list[Practised]] = []

    def run(self) -> Iterator[Round]:
        """Yield each round as it ends; all of them, or fewer when interrupted."""
        for number in range(self.settings.rounds):
            done = self._round(number)
            if done is None:
                return
            verdict = "promoted" if done.promoted else "kept the parent"
            line = (
                f"{verdict}: {done.reason}; rollouts {done.rollout_seconds:.0f} s, adapting {done.adapt_seconds:.0f} s"
            )
            self.watcher.round_over(number + 1, self.settings.rounds, line)
            yield done

    def _round(self, number: int) -> Round | None:
        trials = self._trials(number)
        begun = time.monotonic()
        paths, successes = self._practise(self.active, trials, f"round {number + 1}: practice")
        rolled = time.monotonic() - begun
        if self.interrupted():
            return None
        before = [read(self._encoder, path) for path in paths]
        self._buffer.append(before)
        begun = time.monotonic()
        try:
            name, losses = self._adapt(number)
        except KeyboardInterrupt:
            if self.interrupted():
                return None
            raise
        adapting = time.monotonic() - begun
        if self.interrupted():
            return None
        if name is None:
            reason = "no episode arrived, so there is nothing to imitate"
            return Round(
                len(before),
                0,
                rolled,
                adapting,
                promoted=False,
                adapter=self.active,
                reason=reason,
                practice_successes=successes,
            )
        begun = time.monotonic()
        compared, _ = self._practise(name, trials, f"round {number + 1}: {name} on the same trials")
        rolled += time.monotonic() - begun
        if self.interrupted():
            return None
        after = [read(self._encoder, path) for path in compared]
        decision = self._decide(name, before, after, losses)
        # The candidate's episodes are practice as well: the next round learns from them too.
        self._buffer[-1] = before + after
        return Round(len(before), len(after), rolled, adapting, decision.promoted, name, decision.reason, successes)

    def _trials(self, number: int) -> list[Trial]:
        count = self.settings.episodes
        trials = draw_trials(self.robots[0], "practice", self.settings.seed, count, first=number * count)
        if not self.goals:
            return trials
        return [self._with(self.goals[i % len(self.goals)], trial) for i, trial in enumerate(trials)]

    def _with(self, goal: Goal, trial: Trial) -> Trial:
        """Return ``trial`` with a goal that the user named, and a start for it."""
        if goal.truth is None:
            return replace(trial, goal=goal)
        start = instrumented(self.robots[0]).start_for(goal, trial.seed, trial.index)
        return replace(trial, goal=goal, start=start)

    def _practise(self, name: str, trials: Sequence[Trial], what: str) -> tuple[list[Path], int]:
        """Roll ``name`` out on ``trials``, recording each; return the recordings in the trials' order, and successes."""
        policy = self.players.get(name)
        hashed = self.players.shelf.get(name).fingerprint if name != "none" else None
        numbers = {trial.index: i for i, trial in enumerate(trials)}
        first = len(self.session.recordings()) + len(self.session.unfinished())
        paths = [self.session.folder / f"episode-{first + i:04d}.hdf5" for i in range(len(trials))]

        def sink(trial: Trial, robot: Robot) -> Recorder:
            provenance = Provenance(
                robot=robot.spec.name,
                policy=policy.name,
                shift=shift_of(robot),
                base=self._base,
                adapter=hashed,
                adapter_name=name,
                seed=trial.seed,
                settings={"purpose": trial.purpose, "index": trial.index},
            )
            return Recorder(paths[numbers[trial.index]], robot.spec, trial.goal, provenance)

        outcomes: dict[int, Outcome] = {}
        for i, outcome in roll_out(
            self.robots, jobs_of(trials, sink), policy, self.settings.rollout, None, self.interrupted
        ):
            outcomes[i] = outcome
            successes = sum(bool(outcome.success) for outcome in outcomes.values())
            self.watcher.rolled(what, len(outcomes), len(trials), successes)
        return paths, sum(bool(outcome.success) for outcome in outcomes.values())

    def _adapt(self, number: int) -> tuple[str | None, dict[str, float]]:
        """Make a candidate from what is kept of the buffer; None when nothing is."""
        buffer = [one for practised in self._buffer[-self.settings.keep_rounds :] for one in practised]
        kept = select(buffer, self.settings.adapt.keep, SLACK * self.players.arrived_below("none"))
        if not kept:
            return None, {}
        shelf = self.players.shelf
        name = shelf.fresh_name()
        done = adapt(
            checkpoint.load(self.players.folder),
            self._base,
            shelf.get(self.active) if self.active != "none" else None,
            kept,
            shelf.new_folder(name),
            replace(self.settings.adapt, seed=self.settings.seed * 1000 + number),
            self.watcher,
            self.interrupted,
        )
        return name, done.losses

    def _decide(self, name: str, before: list[Practised], after: list[Practised], losses: dict[str, float]) -> Decision:
        decision = decide(
            [one.steps_left for one in before],
            [one.steps_left for one in after],
            losses,
            SLACK * self.players.arrived_below("none"),
        )
        record_decision(self.players.shelf.get(name), decision)
        if decision.promoted:
            self.active = name
            self.players.shelf.promote(name)
        return decision
