"""Makes a round's candidate: estimate the domain transform, search the base pose or replay demonstrations, finetune."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from a2g_cli.adapters.files import Adapter
from a2g_cli.adapters.registry import BASE
from a2g_cli.calibration import nominal
from a2g_cli.calibration.estimate import estimate_transform, suspected_base_pose
from a2g_cli.calibration.transform import IDENTITY, DomainTransform
from a2g_cli.encoding.episodes import EncodedEpisode
from a2g_cli.improvement.aim_search import aimed_elsewhere
from a2g_cli.improvement.demo_replay import DemoReplay
from a2g_cli.improvement.pose_search import PoseSearch
from a2g_cli.improvement.practice import PracticeWatcher
from a2g_cli.improvement.scoring import EpisodeScorer
from a2g_cli.improvement.state import RoundState, RunState
from a2g_cli.models import checkpoint
from a2g_cli.runtime.policy_factory import PolicyFactory
from a2g_cli.training import retention_set
from a2g_cli.training.finetune import FinetuneSettings, finetune
from a2g_cli.training.finetune_plan import FinetunePlan, plan_finetuning
from a2g_cli.training.watcher import TrainingWatcher

FAR = 0.015
"""Where successes aimed elsewhere by this much on average, all in one direction [m] ..."""
FAR_FACTOR = 3.2
"""... an adapter needs so many times the usual iterations to learn the aim; elsewhere, more of them make it worse."""


class CandidateWatcher(TrainingWatcher, PracticeWatcher, Protocol):
    """Shows how a candidate is made."""


@dataclass(frozen=True)
class CandidateBuilder:
    """Makes the candidate adapter of each round."""

    factory: PolicyFactory
    progress: RunState
    scorer: EpisodeScorer
    pose_search: PoseSearch
    demo_replay: DemoReplay
    settings: FinetuneSettings
    seed: int
    demonstrations: Sequence[Path]
    """Recordings that are mixed into every batch (``settings.cotrain``)."""
    watcher: CandidateWatcher
    interrupted: Callable[[], bool]
    fresh: bool = False
    """Train each round's weights anew from the adapter that began the run, on all that was kept, instead of going on from the
    adapter that practised."""

    def candidate(
        self, number: int, state: RoundState, buffer: Sequence[EncodedEpisode], spare: int
    ) -> tuple[dict[str, float], float]:
        """Make the round's candidate, unless the registry has it already, and put its name into ``state``.

        Args:
            number: of the round, from 0.
            state: of the round; its ``candidate`` stays None if there is nothing to learn.
            buffer: the episodes to learn from.
            spare: number of episodes that pose search and demo replay may use.

        Returns:
            The losses (empty if nothing was trained), and the time that pose search and demo replay took [s].
        """
        registry = self.factory.registry
        if state.candidate in registry.names():
            return losses_of(registry.get(state.candidate)), 0.0
        parent = registry.get(state.acting) if state.acting != BASE else None
        refused = self._refused(number)
        transform, seconds = self._estimate(number, state, parent, buffer, refused, spare)
        if self.interrupted():
            return {}, seconds
        scorer, folder, settings = self.scorer, self.factory.folder, self.settings
        plan = plan_finetuning(
            scorer.model,
            nominal.load_nominal(folder),
            parent,
            buffer,
            settings,
            scorer.bound,
            refused,
            transform,
            scorer.relabel,
        )
        if plan.train:
            plan, settings, took = self._replay_demos(number, state, plan, spare - len(state.explored))
            seconds += took
            if self.interrupted():
                return {}, seconds
        if not plan.kept:
            return {}, seconds
        if plan.train and aimed_elsewhere([episode.path for episode in plan.kept if not episode.replayed]) >= FAR:
            settings = replace(settings, iterations=round(FAR_FACTOR * settings.iterations))
        origin = self._origin() if self.fresh and plan.train else parent
        self.watcher.phase(f"round {number + 1}: preparing the adaptation")
        with registry.creating() as adapter_folder:
            state.candidate = adapter_folder.name
            self.progress.save()
            finetune(
                checkpoint.load(folder),
                self.factory.base_hash(),
                origin,
                plan.kept,
                adapter_folder,
                replace(settings, seed=self.seed * 1000 + number),
                self.watcher,
                self.interrupted,
                plan.calibration,
                plan.train,
                retention_set.load_retention_set(folder),
                [self.scorer.read(path) for path in self.demonstrations],
            )
        return losses_of(registry.get(state.candidate)), seconds

    def _origin(self) -> Adapter | None:
        """Return the adapter that began the run; None for the base."""
        begun = self.progress.rounds[0].acting
        return None if begun == BASE else self.factory.registry.get(begun)

    def _estimate(
        self,
        number: int,
        state: RoundState,
        parent: Adapter | None,
        buffer: Sequence[EncodedEpisode],
        refused: DomainTransform,
        spare: int,
    ) -> tuple[DomainTransform, float]:
        """Return the domain transform that practice shows, and the time that pose search took for it [s]."""
        current = IDENTITY if parent is None else parent.calibration
        if self.settings.calibrate == "off":
            return current, 0.0
        model, nominal_domain = self.scorer.model, nominal.load_nominal(self.factory.folder)
        self.watcher.phase(f"round {number + 1}: measuring the camera, the arm and the motors")
        transform = estimate_transform(model, nominal_domain, buffer, current, self.watcher.note)
        suspected = suspected_base_pose(model, nominal_domain, buffer, transform, self.watcher.note)
        if suspected is None or refused.base_pose is not None:
            return transform, 0.0
        started = time.monotonic()
        return self.pose_search.search(number, state, transform, suspected, spare), time.monotonic() - started

    def _replay_demos(
        self, number: int, state: RoundState, plan: FinetunePlan, spare: int
    ) -> tuple[FinetunePlan, FinetuneSettings, float]:
        """Return the plan with the replayed episodes added, the settings for it, and the time that replaying took [s].

        The iterations grow with the number of episodes, so that each is drawn as often as in a round without replay.
        """
        started = time.monotonic()
        paths = self.demo_replay.replay(number, state, plan.calibration, spare)
        seconds = time.monotonic() - started
        replayed = [self.scorer.through(path, plan.calibration) for path in paths]
        plan = replace(plan, kept=[*plan.kept, *replayed])
        factor = max(1.0, len(plan.kept) / self.demo_replay.practice.count) if self.demo_replay.most else 1.0
        return plan, replace(self.settings, iterations=round(factor * self.settings.iterations)), seconds

    def _refused(self, number: int) -> DomainTransform:
        """Return the transform of the previous round's candidate if the gate refused it, else the identity.

        Practice would measure the same transform again, and the gate would refuse it again.
        """
        previous = self.progress.rounds[number - 1] if number else None
        if previous is None or previous.done is None or previous.done.promoted:
            return IDENTITY
        registry, name = self.factory.registry, previous.candidate
        return registry.get(name).calibration if name is not None and name in registry.names() else IDENTITY


def losses_of(adapter: Adapter) -> dict[str, float]:
    """Return a finetuning's losses from the adapter's lineage, where a run that goes on after a kill finds them as well."""
    return {str(name): float(value) for name, value in dict(adapter.lineage["losses"]).items()}
