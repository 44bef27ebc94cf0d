"""A round's candidate: what practice measured and, where that is not enough, tried; then what is learned, as an adapter."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from a2g_cli.adapters.files import Adapter
from a2g_cli.calibration import nominal
from a2g_cli.calibration.estimate import estimate_transform, suspected_base_pose
from a2g_cli.calibration.transform import IDENTITY, DomainTransform
from a2g_cli.encoding.episodes import EncodedEpisode
from a2g_cli.improvement.demo_replay import DemoReplay
from a2g_cli.improvement.pose_search import PoseSearch
from a2g_cli.improvement.scoring import EpisodeScorer
from a2g_cli.improvement.state import RoundState, RunState
from a2g_cli.models import checkpoint
from a2g_cli.runtime.policy_factory import PolicyFactory
from a2g_cli.training import retention_set
from a2g_cli.training.finetune import FinetuneSettings, finetune
from a2g_cli.training.finetune_plan import FinetunePlan, plan_finetuning
from a2g_cli.training.watcher import TrainingWatcher


@dataclass(frozen=True)
class CandidateBuilder:
    """Makes candidates."""

    factory: PolicyFactory
    progress: RunState
    scorer: EpisodeScorer
    explorer: PoseSearch
    rehearser: DemoReplay
    settings: FinetuneSettings
    seed: int
    shown: Sequence[Path]
    """Demonstrations to mix in."""
    watcher: TrainingWatcher
    interrupted: Callable[[], bool]

    def candidate(
        self, number: int, working: RoundState, buffer: Sequence[EncodedEpisode], room: int
    ) -> tuple[dict[str, float], float]:
        """Make the round's candidate, unless it is made already; ``working`` names it then.

        Args:
            number: of the round.
            working: its files; ``candidate`` stays None where there is nothing to learn.
            buffer: what was practised.
            room: episodes that may be tried beside it.

        Returns:
            Its losses, none where nothing was trained; and how long episodes were tried and rehearsed [s].
        """
        registry = self.factory.registry
        if working.candidate in registry.names():
            return losses_of(registry.get(working.candidate)), 0.0
        parent = registry.get(working.acting) if working.acting != "none" else None
        refused = self._refused(number)
        measured, seconds = self._measured(number, working, parent, buffer, refused, room)
        if self.interrupted():
            return {}, seconds
        model, folder, settings = self.scorer.model, self.factory.folder, self.settings
        known = nominal.load_nominal(folder)
        told = (refused, measured, self.scorer.relabel)
        finetune_plan = plan_finetuning(model, known, parent, buffer, settings, self.scorer.bound, *told)
        if finetune_plan.train:
            finetune_plan, settings, took = self._rehearsed(
                number, working, finetune_plan, room - len(working.explored)
            )
            seconds += took
            if self.interrupted():
                return {}, seconds
        if not finetune_plan.kept:
            return {}, seconds
        with registry.creating() as made:
            working.candidate = made.name
            self.progress.save()
            finetune(
                checkpoint.load(folder),
                self.factory.base_hash(),
                parent,
                finetune_plan.kept,
                made,
                replace(settings, seed=self.seed * 1000 + number),
                self.watcher,
                self.interrupted,
                finetune_plan.calibration,
                finetune_plan.train,
                retention_set.load_retention_set(folder),
                [self.scorer.read(path) for path in self.shown],
            )
        return losses_of(registry.get(working.candidate)), seconds

    def _measured(
        self,
        number: int,
        working: RoundState,
        parent: Adapter | None,
        buffer: Sequence[EncodedEpisode],
        refused: DomainTransform,
        room: int,
    ) -> tuple[DomainTransform, float]:
        """Return what practice says of this deployment, and how long episodes were tried for it [s]."""
        known = IDENTITY if parent is None else parent.calibration
        if self.settings.calibrate == "off":
            return known, 0.0
        model, at_home = self.scorer.model, nominal.load_nominal(self.factory.folder)
        found = estimate_transform(model, at_home, buffer, known)
        suspected = suspected_base_pose(model, at_home, buffer, found)
        if suspected is None or refused.base_pose is not None:
            return found, 0.0
        begun = time.monotonic()
        return self.explorer.found(number, working, found, suspected, room), time.monotonic() - begun

    def _rehearsed(
        self, number: int, working: RoundState, finetune_plan: FinetunePlan, room: int
    ) -> tuple[FinetunePlan, FinetuneSettings, float]:
        """Return a study of what was rehearsed as well, how it is learned, and how long rehearsing took [s].

        Each recording is learned from as often as one of practice would be: more of them take more iterations.
        """
        begun = time.monotonic()
        made = self.rehearser.rehearse(number, working, finetune_plan.calibration, room)
        took = time.monotonic() - begun
        seen = [self.scorer.through(path, finetune_plan.calibration) for path in made]
        finetune_plan = replace(finetune_plan, kept=[*finetune_plan.kept, *seen])
        times = max(1.0, len(finetune_plan.kept) / self.rehearser.practice.count) if self.rehearser.most else 1.0
        return finetune_plan, replace(self.settings, iterations=round(times * self.settings.iterations)), took

    def _refused(self, number: int) -> DomainTransform:
        """Return the calibration of the round before, where the gate refused its adapter.

        What practice measures it measures again, and the same would be refused again: in between, practice is imitated.
        """
        before = self.progress.rounds[number - 1] if number else None
        if before is None or before.done is None or before.done.promoted:
            return IDENTITY
        registry, name = self.factory.registry, before.candidate
        return registry.get(name).calibration if name is not None and name in registry.names() else IDENTITY


def losses_of(adapter: Adapter) -> dict[str, float]:
    """Return an adaptation's losses from its lineage: the same whether it ended just now or before the run was killed."""
    return {str(name): float(value) for name, value in dict(adapter.lineage["losses"]).items()}
