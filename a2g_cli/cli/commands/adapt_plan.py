"""What ``a2g adapt`` will learn from, and whether the gate can accept the result: known before anything is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from a2g_cli.adapters.files import Adapter
from a2g_cli.calibration import nominal
from a2g_cli.calibration.base_pose import BasePose
from a2g_cli.calibration.estimate import suspected_base_pose
from a2g_cli.cli.commands.following import to_record_more
from a2g_cli.cli.commands.learnable import not_learnable
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.reader import Recording
from a2g_cli.demo_replay import trajectory
from a2g_cli.demo_replay.labels import replay_labels
from a2g_cli.encoding.episodes import EncodedEpisode, ReplayLabels, encode_episode
from a2g_cli.encoding.resizing import resizing
from a2g_cli.improvement.judging import PhotoVerdicts
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.training.finetune import FinetuneSettings
from a2g_cli.training.finetune_plan import FinetunePlan, plan_finetuning
from a2g_cli.training.watcher import TrainingWatcher

FEWEST = 10
"""Recordings of one goal from which on its photo judges them; fewer are judged by the policy's estimate."""


@dataclass(frozen=True)
class Prepared:
    """An adaptation, ready to train."""

    model: Act2Goal
    """The base's networks; nothing else uses them."""
    plan: FinetunePlan
    demonstrations: list[EncodedEpisode]
    suspected: BasePose | None
    """See ``suspected_base_pose``."""
    bound: float
    """An episode reached its goal if its nearest frame has fewer steps-to-go than this [steps]."""


def prepare(
    base: Path,
    paths: Sequence[Path],
    shown: Sequence[Path],
    parent: Adapter | None,
    settings: FinetuneSettings,
    view: TrainingWatcher,
) -> Prepared:
    """Encode recordings, and decide what to learn from them. Nothing is trained or written.

    Args:
        base: the checkpoint.
        paths: the recordings of practice, at least one.
        shown: the recordings of demonstrations.
        parent: the adapter to continue from.
        settings: of the finetuning.
        view: shows the progress.

    Raises:
        CheckpointError, RecordingError: see their messages.
    """
    not_learnable([*paths, *shown], view, "Name only the others, or remove it: `a2g recordings rm`.")
    model = checkpoint.load(base)
    if told := resizing([*paths, *shown], model.config.size):
        view.note(f"{told}, the size of the base's training images")
    with Recording(paths[0]) as first:
        relabel = replay_labels(trajectory.trajectories_of_robot(base, first.spec.name))
    encoded = _encoded(model, [*paths, *shown], relabel, view)
    practised, demonstrations = encoded[: len(paths)], encoded[len(paths) :]
    photos = PhotoVerdicts(model)
    photos.fit(paths, FEWEST)
    practised = [photos.judged(episode) for episode in practised]
    bound = checkpoint.SLACK * checkpoint.arrived_below(base)
    plain, at_home = checkpoint.load(base), nominal.load_nominal(base)
    plan = plan_finetuning(plain, at_home, parent, practised, settings, bound, relabel=relabel, note=view.note)
    measuring = settings.calibrate != "off"
    suspected = suspected_base_pose(plain, at_home, practised, plan.calibration, view.note) if measuring else None
    return Prepared(model, plan, demonstrations, suspected, bound)


def _encoded(
    model: Act2Goal, paths: Sequence[Path], relabel: ReplayLabels, watcher: TrainingWatcher
) -> list[EncodedEpisode]:
    watcher.started("encoding frames", len(paths))
    encoded = []
    for i, path in enumerate(paths):
        encoded.append(encode_episode(model, path, relabel=relabel))
        watcher.advanced(i + 1, {})
    watcher.finished()
    return encoded


def learning_from(plan: FinetunePlan, settings: FinetuneSettings, total: int) -> str:
    """Return in words what will be learned from ``total`` episodes, and how the result will be tested."""
    kept = len(plan.kept)
    steps = sum(episode.segments.transitions for episode in plan.kept)
    counted = f"learning from {kept} of {total} episodes ({plan.how}), {steps} steps"
    if not plan.train:
        return f"{counted}; no training: the adapter only stores the measured domain transform."
    left_out = ""
    if kept < total and settings.keep == "reached":
        left_out = f"; the other {total - kept} are not judged to have reached their goal (--keep all uses them)"
    if held := plan.held_out(settings):
        return f"{counted}{left_out}; {held} of them {'tests' if held == 1 else 'test'} the result."
    return f"{counted}{left_out}."


def hopeless(
    workspace: Workspace, plan: FinetunePlan, settings: FinetuneSettings, paths: Sequence[Path], base: Path | None
) -> str | None:
    """Return why nothing can be learned, or why the gate cannot accept the result, and what to record; None if it can.

    Args:
        workspace: of the recordings.
        plan: what would be learned.
        settings: of the finetuning.
        paths: all recordings.
        base: of ``--base``.
    """
    more, total = f"Record more (`{to_record_more(workspace, paths, base)}`) and adapt to them", len(paths)
    if total > 1 and settings.keep != "all":
        more += ", or add --keep all"
    if not plan.kept:
        thinks = "the episode is" if total == 1 else f"none of the {total} episodes is"
        thinks += " not judged to have reached its goal" if total == 1 else " judged to have reached its goal"
        if settings.keep == "failed":
            thinks = "every episode is judged to have reached its goal, and --keep failed leaves those out"
        return f"{thinks}: there is nothing to learn from. {more}."
    if not plan.train or plan.held_out(settings):
        return None
    counted = "a single episode" if total == 1 else f"{len(plan.kept)} of {total} episodes"
    return (
        f"the gate cannot accept what is learned from {counted}: none is left to test it. {more}. "
        "--no-promote trains it all the same."
    )
