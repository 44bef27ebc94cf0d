"""Improvement: run and adapt, round after round, each new adapter held against its parent before it may act.

The one place where rollout and learning meet, and even here they meet on disk: rollouts write recordings, adaptation reads
them and writes an adapter, the next rollouts load it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from a2g_cli.episode import Goal, Outcome, Provenance
from a2g_cli.learning.adapt import AdaptSettings, adapt
from a2g_cli.learning.practised import SLACK, Practised, read
from a2g_cli.learning.promotion import Decision, decide, record_decision, settled
from a2g_cli.learning.study import prepare
from a2g_cli.learning.watcher import TrainingWatcher
from a2g_cli.policy import checkpoint, home
from a2g_cli.policy.adapter import Adapter
from a2g_cli.recording.reader import Recording
from a2g_cli.robots.robot import Robot, Trial, shift_of
from a2g_cli.session.endings import RolloutSettings
from a2g_cli.session.evaluate import draw_trials, instrumented, jobs_of
from a2g_cli.session.players import Players
from a2g_cli.session.progress import Progress, Round, Working
from a2g_cli.session.recorder import Recorder
from a2g_cli.session.rollout import roll_out

COMPARED = 8
"""Trials that a candidate is rolled out on before it is asked again whether it is told apart from its parent."""


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
    until: float | None = None
    """Stop after a round in which this share of its trials arrived, as the steps-to-go head sees it."""
    minutes: float | None = None
    """Begin no round after so many minutes of rollouts and adaptation [min]."""
    most_episodes: int | None = None
    """Begin no round that would pass this number of episodes, the gate's among them."""
    rollout: RolloutSettings = field(default_factory=RolloutSettings)
    adapt: AdaptSettings = field(default_factory=AdaptSettings)


class Improvement:
    """Rounds of practice with one base on one kind of robot."""

    def __init__(
        self,
        players: Players,
        robots: Sequence[Robot],
        progress: Progress,
        settings: ImproveSettings,
        goals: Sequence[Goal],
        watcher: ImproveWatcher,
        interrupted: Callable[[], bool],
        active: str = "none",
    ) -> None:
        """Begin, or go on from ``progress``; ``active`` is the adapter that practises first."""
        self.players, self.robots, self.progress, self.settings = players, robots, progress, settings
        self.goals, self.watcher, self.interrupted = goals, watcher, interrupted
        self.active = active
        self._base = players.base_hash()
        self._encoder = checkpoint.load(players.folder)
        self._home = home.of_base(players.folder)
        self._buffer: list[list[Practised]] = []
        for working in progress.rounds:
            self.active = working.acting
            if working.done is not None:
                self.active = working.done.adapter if working.done.promoted else working.acting
                self._buffer.append([self._read(name) for name in working.recordings()])

    def run(self) -> Iterator[Round]:
        """Yield each round as it ends, until ``stopped_by`` says why no other begins, or it is interrupted."""
        while self.stopped_by() is None:
            rounds = self.progress.rounds
            if not rounds or rounds[-1].done is not None:
                rounds.append(Working(self.active))
            working = rounds[-1]
            working.done = self._round(len(rounds) - 1, working)
            if working.done is None:
                return
            self.progress.save()
            done = working.done
            verdict = "promoted" if done.promoted else "kept the parent"
            line = (
                f"{verdict}: {done.reason}; rollouts {done.rollout_seconds:.0f} s, adapting {done.adapt_seconds:.0f} s"
            )
            self.watcher.round_over(len(rounds), self.settings.rounds, line)
            yield done

    def stopped_by(self) -> str | None:
        """Return which limit ends the run: ``until``, ``minutes``, ``episodes``, ``rounds``; None while none does."""
        settings, done = self.settings, self.progress.done
        if done and settings.until is not None and done[-1].arrived >= settings.until:
            return "until"
        if settings.minutes is not None and self.progress.seconds >= 60 * settings.minutes:
            return "minutes"
        # A round costs twice its episodes, the gate's among them.
        if settings.most_episodes is not None and (
            self.progress.episodes + 2 * settings.episodes > settings.most_episodes
        ):
            return "episodes"
        return "rounds" if len(done) >= settings.rounds else None

    def _read(self, name: str) -> Practised:
        return read(self._encoder, self.progress.session.folder / name)

    def _round(self, number: int, working: Working) -> Round | None:
        trials = self._trials(number)
        begun = time.monotonic()
        successes = self._practise(working.acting, trials, working.practice, f"round {number + 1}: practice")
        rolled = time.monotonic() - begun
        if self.interrupted():
            return None
        before = [self._read(name) for name in working.practice]
        self._buffer[number:] = [before]
        begun = time.monotonic()
        try:
            losses = self._adapt(number, working)
        except KeyboardInterrupt:
            if self.interrupted():
                return None
            raise
        adapting = time.monotonic() - begun
        if self.interrupted():
            return None
        bound = SLACK * self.players.arrived_below("none")
        if working.candidate is None:
            reason = "no episode arrived, so there is nothing to imitate"
            decision, after = Decision(promoted=False, reason=reason, measured={}), []
        else:
            begun = time.monotonic()
            after = self._compare(number, working, working.candidate, trials, before)
            rolled += time.monotonic() - begun
            if self.interrupted():
                return None
            decision = self._decide(working.candidate, working.acting, before[: len(after)], after, losses)
            # The candidate's episodes are practice as well: the next round learns from them too.
            self._buffer[number] = before + after
        ends = [one.steps_left for one in (after if decision.promoted else before)]
        return Round(
            len(before),
            len(after),
            rolled,
            adapting,
            decision.promoted,
            working.candidate or working.acting,
            decision.reason,
            successes,
            sum(left < bound for left in ends) / len(ends),
        )

    def _compare(
        self, number: int, working: Working, candidate: str, trials: Sequence[Trial], before: Sequence[Practised]
    ) -> list[Practised]:
        """Roll the candidate out on its parent's trials, a few at a time, until the two are told apart."""
        what = f"round {number + 1}: {candidate} on the same trials"
        bound = SLACK * self.players.arrived_below("none")
        after: list[Practised] = []
        while len(after) < len(trials) and not self.interrupted():
            reached = min(len(after) + COMPARED, len(trials))
            self._practise(candidate, trials[:reached], working.compared, what, len(trials))
            if self.interrupted():
                break
            after += [self._read(name) for name in working.compared[len(after) : reached]]
            if settled([one.steps_left for one in before[:reached]], [one.steps_left for one in after], bound):
                break
        return after

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

    def _practise(
        self, name: str, trials: Sequence[Trial], names: list[str], what: str, most: int | None = None
    ) -> int:
        """Roll ``name`` out on those ``trials`` that have no recording among ``names`` yet; return all successes.

        ``most`` is how many episodes a person is told to expect, where there may be more than these.
        """
        policy = self.players.get(name)
        hashed = self.players.shelf.get(name).fingerprint if name != "none" else None
        places = self.progress.place(names, len(trials))
        paths = {trial.index: path for trial, (path, _) in zip(trials, places, strict=True)}
        missing = [trial for trial, (_, complete) in zip(trials, places, strict=True) if not complete]
        outcomes = [_outcome(path) for path, complete in places if complete]

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
            return Recorder(paths[trial.index], robot.spec, trial.goal, provenance)

        for _, outcome in roll_out(
            self.robots,
            jobs_of(missing, sink, self.progress.session.folder),
            policy,
            self.settings.rollout,
            None,
            self.interrupted,
        ):
            outcomes.append(outcome)
            self.watcher.rolled(what, len(outcomes), most or len(trials), _successes(outcomes))
        return _successes(outcomes)

    def _adapt(self, number: int, working: Working) -> dict[str, float]:
        """Make the round's candidate from what is kept of the buffer, unless it is made already; return its losses."""
        shelf = self.players.shelf
        if working.candidate in shelf.names():
            return _losses(shelf.get(working.candidate))
        buffer = [one for practised in self._buffer[-self.settings.keep_rounds :] for one in practised]
        parent = shelf.get(working.acting) if working.acting != "none" else None
        bound = SLACK * self.players.arrived_below("none")
        study = prepare(self._encoder, self._home, parent, buffer, self.settings.adapt, bound)
        if not study.kept:
            return {}
        with shelf.making() as folder:
            working.candidate = folder.name
            self.progress.save()
            adapt(
                checkpoint.load(self.players.folder),
                self._base,
                parent,
                study.kept,
                folder,
                replace(self.settings.adapt, seed=self.settings.seed * 1000 + number),
                self.watcher,
                self.interrupted,
                study.correction,
                study.calibration,
                study.train,
            )
        return _losses(shelf.get(working.candidate))

    def _decide(
        self, name: str, acting: str, before: list[Practised], after: list[Practised], losses: dict[str, float]
    ) -> Decision:
        decision = decide(
            [one.steps_left for one in before],
            [one.steps_left for one in after],
            losses,
            SLACK * self.players.arrived_below("none"),
        )
        adapter = self.players.shelf.get(name)
        if adapter.calibration:
            decision = replace(decision, reason=f"{decision.reason}; {adapter.calibration}")
        record_decision(adapter, decision)
        if decision.promoted:
            self.active = name
            active = self.players.shelf.promote(name, instead_of=acting)
            if active != name:  # whoever promoted it meant it: practice goes on with its own, beside it
                decision = replace(
                    decision, reason=f"{decision.reason}; another program made {active} active, which stays"
                )
        return decision


def _losses(adapter: Adapter) -> dict[str, float]:
    """Return an adaptation's losses from its lineage: the same whether it ended just now or before the run was killed."""
    return {str(name): float(value) for name, value in dict(adapter.lineage["losses"]).items()}


def _successes(outcomes: Sequence[Outcome]) -> int:
    return sum(bool(outcome.success) for outcome in outcomes)


def _outcome(path: Path) -> Outcome:
    with Recording(path) as recording:
        return recording.outcome
