"""Improvement: run and adapt, round after round, each new adapter held against its parent before it may act.

Here alone, and in what a round is made of (``making.py``, ``exploring.py``, ``scorer.py``), rollout and learning meet, and
even here they meet on disk: rollouts write recordings, adaptation reads them and writes an adapter, the
next rollouts load it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from a2g_cli.core.clock import goes_on
from a2g_cli.core.errors import SafetyStop
from a2g_cli.core.types import Goal
from a2g_cli.encoding.episodes import EncodedEpisode
from a2g_cli.improvement.candidate import CandidateBuilder
from a2g_cli.improvement.demo_replay import DemoReplay
from a2g_cli.improvement.gate import Decision, decide, record_decision, refused_unseen, sprt_stop, veto_if_worse
from a2g_cli.improvement.goal_sampling import Curriculum, Experience, GoalSampler, goal_source
from a2g_cli.improvement.pose_search import PoseSearch
from a2g_cli.improvement.practice import Practice, PracticeWatcher, drives_home, set_ups
from a2g_cli.improvement.prompted import PromptedSampler
from a2g_cli.improvement.scoring import EpisodeScorer
from a2g_cli.improvement.settings import ImproveSettings
from a2g_cli.improvement.state import Round, RoundState, RunState
from a2g_cli.improvement.trials import CycleObserver, ResetFreeSampler, ResetSampler, Stage, TrialSampler
from a2g_cli.robots.base import Robot
from a2g_cli.runtime.policy_factory import PolicyFactory
from a2g_cli.training.watcher import TrainingWatcher

OF_POLICY = ("action-not-finite", "action-range", "action-jump")
"""Guards that stop what a policy asks for: a candidate that they stop is refused by the gate."""
COMPARED = 8
"""Trials that a candidate is rolled out on before it is asked again whether it is told apart from its parent."""


class ImproveWatcher(TrainingWatcher, PracticeWatcher, Protocol):
    """Whoever shows an improvement run."""

    def round_over(self, number: int, total: int, line: str) -> None:
        """A round ended; ``line`` says how."""


class Improvement:
    """Rounds of practice with one base on one kind of robot."""

    def __init__(
        self,
        factory: PolicyFactory,
        robots: Sequence[Robot],
        progress: RunState,
        settings: ImproveSettings,
        goals: Sequence[Goal],
        watcher: ImproveWatcher,
        interrupted: Callable[[], bool],
        active: str = "none",
        shown: Sequence[Path] = (),
        ask: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Begin, or go on from ``progress``.

        ``active`` practises first, ``shown`` are demonstrations to mix in, ``ask`` asks a person to put the scene back.
        """
        self.factory, self.robots, self.progress, self.settings = factory, robots, progress, settings
        self.goals, self.watcher, self.interrupted = goals, watcher, interrupted
        self.active = active
        self._scorer = EpisodeScorer(factory)
        self._ask = ask
        self._stopped: SafetyStop | None = None
        self._practice = Practice(
            factory,
            progress,
            self._attempts(),
            settings.rollout,
            settings.seed,
            settings.episodes,
            watcher,
            interrupted,
        )
        explorer = PoseSearch(self._practice, self._scorer, progress, settings.pose_search, settings.seed, interrupted)
        rehearser = DemoReplay(self._practice, settings.replay_demos, interrupted)
        self._builder = CandidateBuilder(
            factory,
            progress,
            self._scorer,
            explorer,
            rehearser,
            settings.adapt,
            settings.seed,
            shown,
            watcher,
            interrupted,
        )
        self._buffer: list[list[EncodedEpisode]] = []
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
                rounds.append(RoundState(self.active))
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
            if self._stopped is not None and goes_on(self.robots[0].clock):
                raise self._stopped  # a robot that was stopped stays so until a person has looked
            self._stopped = None

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

    def _path(self, name: str) -> Path:
        return self.progress.session.folder / name

    def _read(self, name: str) -> EncodedEpisode:
        return self._scorer.read(self._path(name))

    def _attempts(self) -> TrialSampler:
        """Return what practice tries. Raises UsageError for a reset that this robot, scene or these goals cannot do."""
        settings, robot, model = self.settings, self.robots[0], self._scorer.model
        satisfied = self._scorer.satisfied(lambda: self.active)
        source = goal_source(settings.goals_from, robot, model, satisfied, self.progress)
        curriculum = Curriculum(model, self._experiences) if settings.curriculum == "progress" else None
        choose = GoalSampler(source, curriculum, satisfied)
        seed, count, streams = settings.seed, settings.episodes, self.progress.seed_streams
        if settings.reset == "own":
            return ResetSampler(self.robots, seed, count, self.goals, choose, streams=streams)
        if settings.reset == "prompt":
            return PromptedSampler(robot, count, self.goals, self._ask, streams=streams)
        eyes = CycleObserver(lambda path: self._scorer.arrived(path, self.active), satisfied)
        home = drives_home(robot, self.progress, settings.rollout, self.interrupted)
        return ResetFreeSampler(
            robot, settings.reset, seed, count, self.goals, eyes, home, self.watcher.note, choose, streams=streams
        )

    def _experiences(self, number: int) -> list[Experience]:
        return [
            Experience(one.segments.latents[0].float(), one.goal, self._scorer.arrived(one.path, self.active))
            for encoded in self._buffer[:number]
            for one in encoded
        ]

    def _round(self, number: int, working: RoundState) -> Round | None:
        begun = time.monotonic()
        what = f"round {number + 1}: practice"
        successes = self._practice.roll(working.acting, number, Stage.PRACTICE, working.practice, what)
        rolled = time.monotonic() - begun
        if self.interrupted():
            return None
        before = [self._read(name) for name in working.practice]
        self._buffer[number:] = [before]
        begun = time.monotonic()
        try:
            buffer = [one for encoded in self._buffer[-self.settings.keep_rounds :] for one in encoded]
            losses, tried = self._builder.candidate(number, working, buffer, self._room())
        except KeyboardInterrupt:
            if self.interrupted():
                return None
            raise
        rolled, adapting = rolled + tried, time.monotonic() - begun - tried
        if self.interrupted():
            return None
        if working.candidate is None:
            reason = "no episode arrived, so there is nothing to imitate"
            decision, after = Decision(promoted=False, reason=reason, measured={}), []
        else:
            begun = time.monotonic()
            refused = refused_unseen(losses)
            try:
                after = [] if refused else self._compare(number, working, working.candidate, before)
            except SafetyStop as stop:
                if stop.cause not in OF_POLICY:
                    raise
                refused, after, self._stopped = Decision(False, f"a guard stopped it: {stop}", losses), [], stop
                del working.compared[:]  # what it did until then stays on the disk, and is no practice
            rolled += time.monotonic() - begun
            if self.interrupted():
                return None
            decision = refused or self._decide(working.candidate, working.acting, before[: len(after)], after, losses)
            decision = self._settle(working.candidate, working.acting, decision)
            # The candidate's episodes are practice as well: the next round learns from them too.
            self._buffer[number] = [self._read(name) for name in working.recordings()]
        ends = after if decision.promoted else before
        anew, lost = set_ups([self._path(name) for name in working.recordings()])
        return Round(
            len(before),
            len(after),
            rolled,
            adapting,
            decision.promoted,
            working.candidate or working.acting,
            decision.reason,
            successes,
            sum(self._scorer.arrived(one.path, self.active) for one in ends) / len(ends),
            anew,
            lost,
            len(working.explored),
            len(working.rehearsed),
        )

    def _compare(
        self, number: int, working: RoundState, candidate: str, before: Sequence[EncodedEpisode]
    ) -> list[EncodedEpisode]:
        """Roll the candidate out as often as its parent, a few times at once, until the two are told apart."""
        same = "on the same trials" if self._practice.attempts.paired else "in its turn"
        what = f"round {number + 1}: {candidate} {same}"
        after: list[EncodedEpisode] = []
        while len(after) < len(before):
            reached = min(len(after) + COMPARED, len(before))
            self._practice.roll(candidate, number, Stage.GATE, working.compared, what, reached)
            if self.interrupted():
                break
            after += [self._read(name) for name in working.compared[len(after) : reached]]
            if sprt_stop(*self._scorer.sides(candidate, before[:reached], after), self._scorer.bound):
                break
        return after

    def _room(self) -> int:
        """Return how many episodes may be tried beside practice and the gate's."""
        settings = self.settings
        if settings.most_episodes is None:
            return settings.pose_search + settings.replay_demos
        return max(0, settings.most_episodes - self.progress.episodes - 2 * settings.episodes)

    def _decide(
        self,
        name: str,
        acting: str,
        before: list[EncodedEpisode],
        after: list[EncodedEpisode],
        losses: dict[str, float],
    ) -> Decision:
        """Hold both sides against each other through the candidate's view, and as they are where that view is new."""
        scorer, paired = self._scorer, self._practice.attempts.paired
        decision = decide(*scorer.sides(name, before, after), losses, scorer.bound, paired)
        if scorer.same_views(name, acting):
            return decision
        return veto_if_worse(decision, *scorer.sides("none", before, after), scorer.bound)

    def _settle(self, name: str, acting: str, decision: Decision) -> Decision:
        """Write the decision into the adapter's lineage and make it active where it was promoted; return what to say."""
        adapter = self.factory.registry.get(name)
        if adapter.calibration:
            decision = replace(decision, reason=f"{decision.reason}; {adapter.calibration}")
        record_decision(adapter, decision)
        if decision.promoted:
            self.active = name
            active = self.factory.registry.promote(name, instead_of=acting)
            if active != name:  # whoever promoted it meant it: practice goes on with its own, beside it
                decision = replace(
                    decision, reason=f"{decision.reason}; another program made {active} active, which stays"
                )
        return decision
