"""The improvement loop: each round practises, finetunes a candidate and tests it against its parent before it may act.

Rollout and training meet only in this package, and only through files: rollouts write recordings, finetuning reads them
and writes an adapter, the next rollouts load it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from a2g_cli.adapters.registry import BASE
from a2g_cli.core.clock import goes_on
from a2g_cli.core.errors import SafetyStop
from a2g_cli.core.types import Goal
from a2g_cli.encoding.episodes import EncodedEpisode
from a2g_cli.improvement.aim_search import AimSearch
from a2g_cli.improvement.candidate import CandidateBuilder
from a2g_cli.improvement.comparison import Comparison
from a2g_cli.improvement.demo_replay import DemoReplay
from a2g_cli.improvement.estimates import distrust, false_successes, practice_rates
from a2g_cli.improvement.exploration import Exploration, exploration
from a2g_cli.improvement.gate import Decision, record_decision, refused_unseen
from a2g_cli.improvement.goal_sampling import Curriculum, Experience, GoalSampler, goal_source
from a2g_cli.improvement.judge_check import judging_of
from a2g_cli.improvement.pose_search import PoseSearch
from a2g_cli.improvement.practice import Practice, PracticeWatcher, drives_home, set_ups
from a2g_cli.improvement.prompted import PromptedSampler
from a2g_cli.improvement.reset_free import CycleObserver, ResetFreeSampler
from a2g_cli.improvement.scoring import EpisodeScorer
from a2g_cli.improvement.settings import ImproveSettings
from a2g_cli.improvement.state import Round, RoundState, RunState
from a2g_cli.improvement.trials import ResetSampler, TrialSampler
from a2g_cli.policies.exploring import can_aim
from a2g_cli.robots.base import Robot
from a2g_cli.runtime.policy_factory import PolicyFactory
from a2g_cli.training.watcher import TrainingWatcher

__all__ = ["ImproveSettings", "Improvement"]

OF_POLICY = ("action-not-finite", "action-range", "action-jump")
"""Guards that stop a policy's actions. A candidate that they stop is not promoted."""


class ImproveWatcher(TrainingWatcher, PracticeWatcher, Protocol):
    """Shows the progress of an improvement run."""

    def round_over(self, number: int, total: int, line: str) -> None:
        """Show the result of a round in one line."""


class Improvement:
    """A run: rounds of practice with one base on one kind of robot."""

    def __init__(
        self,
        factory: PolicyFactory,
        robots: Sequence[Robot],
        progress: RunState,
        settings: ImproveSettings,
        goals: Sequence[Goal],
        watcher: ImproveWatcher,
        interrupted: Callable[[], bool],
        active: str = BASE,
        demonstrations: Sequence[Path] = (),
        ask: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Start a run, or go on from ``progress``.

        Args:
            factory: makes the policies.
            robots: one for each episode that is rolled out at a time.
            progress: the run's state.
            settings: of the run.
            goals: the goals to practise; without any, goals are drawn.
            watcher: shows the progress.
            interrupted: whether the user asked to stop.
            active: the adapter that practises first.
            demonstrations: recordings that are mixed into every batch.
            ask: asks a person to reset the scene for the goal of that name; returns whether to go on.

        Raises:
            UsageError: this robot, scene or these goals cannot be reset as asked.
        """
        self.factory, self.robots, self.progress, self.settings = factory, robots, progress, settings
        self.goals, self.watcher, self.interrupted = goals, watcher, interrupted
        self.active = active
        self._scorer = EpisodeScorer(factory)
        self._judge = judging_of(settings.judge, bool(goals), self._scorer, watcher.note)
        self._ask = ask
        self._stopped: SafetyStop | None = None
        self._practice = Practice(
            factory,
            progress,
            self._sampler(),
            settings.rollout,
            settings.seed,
            settings.episodes,
            watcher,
            interrupted,
            self._exploration,
        )
        self._aim_search = AimSearch(self._practice, self._judge, settings.seed, interrupted)
        self._comparison = Comparison(self._practice, self._judge, self._scorer, interrupted)
        most = settings.pose_search
        pose_search = PoseSearch(self._practice, self._scorer, progress, most, settings.seed, interrupted)
        demo_replay = DemoReplay(self._practice, settings.replay_demos, interrupted)
        self._builder = CandidateBuilder(
            factory,
            progress,
            self._scorer,
            pose_search,
            demo_replay,
            settings.adapt,
            settings.seed,
            demonstrations,
            watcher,
            interrupted,
            fresh=self._one_by_one,
        )
        self._buffer: list[list[EncodedEpisode]] = []
        for state in progress.rounds:
            self.active = state.acting
            if state.done is not None:
                self._judge.fit([self._path(name) for name in state.practice])
                self.active = state.done.adapter if state.done.promoted else state.acting
                self._buffer.append([self._read(name) for name in state.recordings()])

    def run(self) -> Iterator[Round]:
        """Yield the result of each round, until a limit ends the run (``stopped_by``) or it is interrupted.

        Raises:
            SafetyStop: a guard stopped a real robot; a person has to look at it before it moves again.
        """
        while self.stopped_by() is None:
            rounds = self.progress.rounds
            if not rounds or rounds[-1].done is not None:
                rounds.append(RoundState(self.active))
            state = rounds[-1]
            state.done = self._round(len(rounds) - 1, state)
            if state.done is None:
                return
            self.progress.save()
            result = state.done
            self.watcher.round_over(len(rounds), self.settings.rounds, _line(result))
            yield result
            if self._stopped is not None and goes_on(self.robots[0].clock):
                raise self._stopped
            self._stopped = None

    def stopped_by(self) -> str | None:
        """Return the limit that ends the run: ``until``, ``minutes``, ``episodes`` or ``rounds``; None if none does yet."""
        settings, done = self.settings, self.progress.done
        if done and settings.until is not None and done[-1].arrived >= settings.until:
            return "until"
        if settings.minutes is not None and self.progress.seconds >= 60 * settings.minutes:
            return "minutes"
        # The gate may roll out as many episodes as practice.
        if settings.most_episodes is not None and (
            self.progress.episodes + 2 * settings.episodes > settings.most_episodes
        ):
            return "episodes"
        return "rounds" if len(done) >= settings.rounds else None

    def goal_rates(self) -> dict[str, dict[str, Any]]:
        """Return how often each named goal was reached in practice (policy's estimate); see ``estimates.py``."""
        return practice_rates(
            self.progress, self.goals, lambda path: self._reached(self._judge.read(path)), self._judge.name
        )

    @property
    def judge(self) -> str:
        """Who judges practice: ``policy``, ``photo``, ``truth``; see ``judging.py``."""
        return self._judge.name

    @property
    def _one_by_one(self) -> bool:
        """Whether named goals are practised until they work, by a judge that sees them."""
        return bool(self.goals) and self._judge.name != "policy"

    def _exploration(self) -> Exploration:
        """Return how practice explores now."""
        aims = can_aim(self.factory.spec.proprioception_names)
        return exploration(self._one_by_one, aims, self.settings.practice_temperature, self.progress.done)

    def _path(self, name: str) -> Path:
        return self.progress.session.folder / name

    def _read(self, name: str) -> EncodedEpisode:
        return self._judge.read(self._path(name))

    def _reached(self, episode: EncodedEpisode) -> bool:
        return self._judge.reached(episode, self.active)

    def _sampler(self) -> TrialSampler:
        """Return the sampler of trials. Raises UsageError if robot, scene or goals do not allow the chosen reset."""
        settings, robot, model = self.settings, self.robots[0], self._scorer.model
        satisfied = self._scorer.satisfied(lambda: self.active)
        source = goal_source(settings.goals_from, robot, model, satisfied, self.progress)
        curriculum = Curriculum(model, self._experiences) if settings.curriculum == "progress" else None
        choose = GoalSampler(source, curriculum, satisfied)
        seed, count, streams = settings.seed, settings.episodes, self.progress.seed_streams
        if settings.reset == "own":
            apart = self._exploration().explores
            return ResetSampler(self.robots, seed, count, self.goals, choose, streams=streams, apart=apart)
        if settings.reset == "prompt":
            return PromptedSampler(robot, count, self.goals, self._ask, streams=streams)
        observer = CycleObserver(lambda path: self._scorer.arrived(path, self.active), satisfied)
        drive_home = drives_home(robot, self.progress, settings.rollout, self.interrupted)
        return ResetFreeSampler(
            robot,
            settings.reset,
            seed,
            count,
            self.goals,
            observer,
            drive_home,
            self.watcher.note,
            choose,
            streams=streams,
        )

    def _experiences(self, number: int) -> list[Experience]:
        return [
            Experience(
                episode.segments.latents[0].float(), episode.goal, self._scorer.arrived(episode.path, self.active)
            )
            for episodes in self._buffer[:number]
            for episode in episodes
        ]

    def _round(self, number: int, state: RoundState) -> Round | None:
        """Play one round, or what is left of it; return its result, None if it was interrupted."""
        started = time.monotonic()
        title = f"round {number + 1}: practice"
        successes = self._aim_search.roll(number, state, title)
        rollout_seconds = time.monotonic() - started
        if self.interrupted():
            return None
        self.watcher.phase(f"round {number + 1}: judging the episodes")
        self._judge.fit([self._path(name) for name in state.practice])
        before = [self._read(name) for name in state.practice]
        self._buffer[number:] = [before]
        started = time.monotonic()
        try:
            buffer = [episode for episodes in self._buffer[-self.settings.keep_rounds :] for episode in episodes]
            losses, search_seconds = self._builder.candidate(number, state, buffer, self._spare_episodes())
        except KeyboardInterrupt:
            if self.interrupted():
                return None
            raise
        rollout_seconds += search_seconds
        adapt_seconds = time.monotonic() - started - search_seconds
        if self.interrupted():
            return None
        rivals: Sequence[EncodedEpisode] = before
        after: list[EncodedEpisode] = []
        if state.candidate is None:
            decision = Decision(promoted=False, reason=self._judge.nothing_reached(), measured={})
        else:
            started = time.monotonic()
            refused = refused_unseen(losses)
            try:
                if refused is None:
                    rivals, after = self._comparison.run(number, state, state.candidate, before)
            except SafetyStop as stop:
                if stop.cause not in OF_POLICY:
                    raise
                reason = f"A safety guard stopped it: {str(stop).rstrip('.')}"
                refused, self._stopped = Decision(False, reason, losses), stop
                del state.compared[:], state.parent[:]  # its recordings stay on the disk, but nothing learns from them
            rollout_seconds += time.monotonic() - started
            if self.interrupted():
                return None
            decision = refused or self._comparison.decide(
                state.candidate, state.acting, rivals[: len(after)], after, losses
            )
            decision = self._settle(state.candidate, state.acting, decision)
            # The next round learns from the candidate's episodes as well.
            self._buffer[number] = [self._read(name) for name in state.recordings()]
        ends = after if decision.promoted else rivals
        set_up, lost = set_ups([self._path(name) for name in state.recordings()])
        return Round(
            len(before),
            len(after) + len(state.parent),
            rollout_seconds,
            adapt_seconds,
            decision.promoted,
            state.candidate or state.acting,
            decision.reason,
            successes,
            sum(self._reached(episode) for episode in ends) / len(ends),
            set_up,
            lost,
            len(state.explored),
            len(state.rehearsed),
            self._check_judge(state, self._buffer[number]),
        )

    def _check_judge(self, state: RoundState, episodes: Sequence[EncodedEpisode]) -> int | None:
        """Keep what the judge said in ``state``; return how many of its successes are false, where a simulator knows.

        Warns if they are many.
        """
        said = [(episode.path, self._reached(episode)) for episode in episodes if not episode.replayed]
        state.judge, state.judged = self._judge.words, {path.name: reached for path, reached in said}
        false = false_successes(said)
        if warning := distrust(self._judge.words, sum(reached for _, reached in said), false):
            self.watcher.note(warning)
        return false

    def _spare_episodes(self) -> int:
        """Return how many episodes pose search and demo replay may use."""
        settings = self.settings
        if settings.most_episodes is None:
            return settings.pose_search + settings.replay_demos
        return max(0, settings.most_episodes - self.progress.episodes - 2 * settings.episodes)

    def _settle(self, name: str, acting: str, decision: Decision) -> Decision:
        """Write the decision into the lineage, and make a promoted adapter active; return the decision to report."""
        adapter = self.factory.registry.get(name)
        if adapter.calibration:
            decision = replace(decision, reason=f"{decision.reason}; {adapter.calibration}")
        record_decision(adapter, decision)
        if decision.promoted:
            self.active = name
            active = self.factory.registry.promote(name, instead_of=acting)
            if active != name:  # another program's choice is kept; this run practises with its own adapter
                reason = f"{decision.reason}; another program made {active} active, and it stays active"
                decision = replace(decision, reason=reason)
        return decision


def _line(result: Round) -> str:
    """Return a round's result in one line."""
    verdict = "Promoted" if result.promoted else "Not promoted"
    times = f"Rollouts {result.rollout_seconds:.0f} s, adaptation {result.adapt_seconds:.0f} s"
    return f"{verdict}. {result.reason}. {times}."
