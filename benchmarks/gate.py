"""The promotion gate's record: honest adaptations and sabotaged ones, each held against the same parent.

    python benchmarks/gate.py [--case SCENE/SHIFT/CALIBRATE ...] [--seeds 3] [--episodes 20] [--iterations 150]
        [--replay-demos 0] [--evaluation 100] [--work DIR]

A parent practises 20 episodes; from these, adapters are made as `a2g improve` makes them, and as nobody should: from failures
alone, at ten times the learning rate, with each episode's recorded actions turned round or shuffled. The gate sees what it
always sees. With --replay-demos, so many rehearsals are learned from as well, falsified alike. Beside its verdict stands the
truth, success on held-out starts and goals, which it never sees.
Every result is kept in --work as soon as it is there: the same command goes on where it was stopped.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.calibration import nominal
from a2g_cli.core.errors import SafetyStop
from a2g_cli.core.types import Provenance
from a2g_cli.core.workspace import Workspace
from a2g_cli.demo_replay import trajectory
from a2g_cli.demo_replay.policy import TrajectoryReplayPolicy
from a2g_cli.encoding.episodes import EncodedEpisode
from a2g_cli.improvement.comparison import COMPARED
from a2g_cli.improvement.gate import Decision, decide, refused_unseen, sprt_stop, veto_if_worse
from a2g_cli.improvement.loop import OF_POLICY
from a2g_cli.improvement.scoring import EpisodeScorer
from a2g_cli.models import checkpoint
from a2g_cli.robots.base import Robot, Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.evaluation import draw_trials, evaluate, jobs_for
from a2g_cli.runtime.policy_factory import PolicyFactory
from a2g_cli.runtime.recorder import Recorder
from a2g_cli.runtime.rollout import roll_out
from a2g_cli.runtime.termination import RolloutSettings, limit_for
from a2g_cli.training import retention_set
from a2g_cli.training.finetune import finetune, settings_from
from a2g_cli.training.finetune_plan import plan_finetuning
from a2g_cli.training.watcher import Unwatched

CASES = ("place/base-pose:0.8/apply", "plug/camera-bump:0.5/apply", "place/base-pose:0.5/off")
"""A shift that practice measures first, so that the parent is good, and one where the base itself is the parent."""
FIRST_SEED = 7
LANES = 8


@dataclass(frozen=True)
class Way:
    """How an adapter is made."""

    settings: dict[str, Any]
    spoil: Callable[[EncodedEpisode, torch.Generator], EncodedEpisode] = lambda one, _: one
    """Falsifies a recording before it is learned from."""


def turned_round(one: EncodedEpisode, _: torch.Generator) -> EncodedEpisode:
    """Return a recording whose every action is the opposite of what was done."""
    return replace(one, segments=replace(one.segments, actions=-one.segments.actions))


def shuffled(one: EncodedEpisode, chance: torch.Generator) -> EncodedEpisode:
    """Return a recording whose actions are another step's."""
    actions = one.segments.actions
    return replace(one, segments=replace(one.segments, actions=actions[torch.randperm(len(actions), generator=chance)]))


WAYS = {
    "as it is done": Way({}),
    "failures alone": Way({"keep": "failed"}),
    "learning rate x 10": Way({"lr": 1e-2}),
    "actions turned round": Way({"keep": "all"}, turned_round),
    "actions shuffled": Way({"keep": "all"}, shuffled),
}


class Bench:
    """One case and seed: robots, players, and the practice of one parent."""

    def __init__(self, case: str, seed: int, given: argparse.Namespace, folder: Path) -> None:
        self.scene, self.shift, self.calibrate = case.split("/")
        self.seed, self.given, self.workspace = seed, given, Workspace(folder)
        self.robots: list[Robot] = [SimRobot(self.scene, self.shift) for _ in range(LANES)]
        for robot in self.robots:
            robot.connect()
        self.registry = AdapterRegistry(self.workspace)
        self.factory = PolicyFactory(checkpoint.SHIPPED, self.registry, self.robots[0].spec)
        self.scorer = EpisodeScorer(self.factory)
        # As in `a2g improve`: what has not arrived by then arrives by detours.
        limit = limit_for(self.robots[0], RolloutSettings()) * 3 // 4
        self.rollout = RolloutSettings(limit=limit, arrived_below=self.factory.arrived_below("base"))

    def parent(self) -> str:
        """Return who is to be improved: what one round of calibration made, or the base."""
        if self.calibrate == "off":
            return "base"
        words = ["--scene", self.scene, "--shift", self.shift, "--rounds", 1, "--evaluation", 1, "--seed", self.seed]
        command = [
            sys.executable,
            "-m",
            "a2g_cli",
            "improve",
            *map(str, words),
            "--workspace",
            str(self.workspace.root),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self.registry.active()

    def practise(self, name: str, trials: Sequence[Trial], folder: Path) -> list[EncodedEpisode]:
        """Roll ``name`` out on ``trials`` and read back what was recorded, in their order."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = {trial.index: folder / f"episode-{trial.index:04d}.hdf5" for trial in trials}

        def sink(trial: Trial, robot: Robot) -> Recorder:
            provenance = Provenance(robot=robot.spec.name, policy=name, shift=self.shift)
            return Recorder(paths[trial.index], robot.spec, trial.goal, provenance)

        for _ in roll_out(self.robots, jobs_for(trials, sink, folder), self.factory.get(name), self.rollout):
            pass
        return [self.scorer.read(paths[trial.index]) for trial in trials]

    def rehearse(self) -> list[Path]:
        """Repeat what the base remembers, as `a2g improve --replay-demos` does; return the recordings."""
        count, spec = self.given.replay_demos, self.robots[0].spec
        known = trajectory.trajectories_of_robot(checkpoint.SHIPPED, spec.name)
        at_home = nominal.load_nominal(checkpoint.SHIPPED)
        which = {slot: slot * max(1, len(known) // max(1, count)) % len(known) for slot in range(count)}
        policy = TrajectoryReplayPolicy(known, at_home.actuators if at_home else None, spec, which)
        trials = draw_trials(self.robots[0], "practice", self.seed, count, first=2000) if count else []
        folder = self.workspace.sessions / "rehearsed"
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"episode-{slot:04d}.hdf5" for slot in range(count)]
        metadata: list[dict[str, Any]] = [{} for _ in range(count)]

        def sink(trial: Trial, robot: Robot) -> Recorder:
            slot = trial.index - 2000
            provenance = Provenance(robot.spec.name, policy.name, self.shift, settings=metadata[slot])
            return Recorder(paths[slot], robot.spec, trial.goal, provenance)

        jobs = jobs_for(trials, sink, folder)
        jobs = [replace(job, slot=slot, note=metadata[slot].update) for slot, job in enumerate(jobs)]
        for _ in roll_out(self.robots, jobs, policy, self.rollout):
            pass
        return paths

    def truth(self, name: str) -> float | None:
        """Return the rate of success on held-out starts and goals; None where a guard stops the robot."""
        trials = draw_trials(self.robots[0], "evaluation", self.seed, self.given.evaluation)
        judged = RolloutSettings(stop_on_truth=True)
        try:
            return evaluate(name, self.factory.get(name), self.robots, trials, judged).rate
        except SafetyStop:
            return None

    def record(self) -> list[dict[str, Any]]:
        """Return a row for every way to make an adapter."""
        parent = self.parent()
        trials = draw_trials(self.robots[0], "practice", self.seed, self.given.episodes, first=1000)
        before = self.practise(parent, trials, self.workspace.sessions / "gate-parent")
        was, made = self.truth(parent), self.rehearse()
        return [self.row(number, parent, trials, before, was, made) for number in range(len(WAYS))]

    def row(
        self,
        number: int,
        parent: str,
        trials: Sequence[Trial],
        before: list[EncodedEpisode],
        was: float | None,
        rehearsed: Sequence[Path],
    ) -> dict[str, Any]:
        """Make an adapter in one way, let the gate decide, and look at the truth."""
        name, way = list(WAYS.items())[number]
        chance = torch.Generator().manual_seed(self.seed)
        settings = settings_from(
            seed=self.seed, calibrate=self.calibrate, iterations=self.given.iterations, **way.settings
        )
        onward = None if parent == "base" else self.registry.get(parent)
        scorer, known = self.scorer, nominal.load_nominal(checkpoint.SHIPPED)
        finetune_plan = plan_finetuning(scorer.model, known, onward, before, settings, scorer.bound)
        seen = [scorer.through(path, finetune_plan.calibration) for path in rehearsed]
        kept = [way.spoil(one, chance) for one in (*finetune_plan.kept, *seen)]
        told: dict[str, Any] = {"way": name, "learned_from": len(kept), "before": was}
        if not kept:
            return told
        if rehearsed:  # more of them take more iterations
            more = max(1.0, len(kept) / self.given.episodes)
            settings = replace(settings, iterations=round(more * settings.iterations))
        adapter = f"way-{number}"
        made = finetune(
            checkpoint.load(checkpoint.SHIPPED),
            self.factory.base_hash(),
            onward,
            kept,
            self.registry.new_folder(adapter),
            settings,
            Unwatched(),
            calibration=finetune_plan.calibration,
            retention=retention_set.load_retention_set(checkpoint.SHIPPED),
        )
        decision, compared = self.decide(adapter, parent, trials, before, made.losses)
        print(f"{name}: {decision.reason}", file=sys.stderr, flush=True)
        return told | {
            "promoted": decision.promoted,
            "reason": decision.reason,
            "compared": compared,
            "losses": made.losses,
            "after": self.truth(adapter),
        }

    def decide(
        self, adapter: str, parent: str, trials: Sequence[Trial], before: list[EncodedEpisode], losses: dict[str, float]
    ) -> tuple[Decision, int]:
        """Return the gate's decision as `a2g improve` comes to it, and the number of trials that it took."""
        if (refused := refused_unseen(losses)) is not None:
            return refused, 0
        after: list[EncodedEpisode] = []
        scorer = self.scorer
        while len(after) < len(trials) and not sprt_stop(
            *scorer.sides(adapter, before[: len(after)], after), scorer.bound
        ):
            some = trials[len(after) : len(after) + COMPARED]
            try:
                after += self.practise(adapter, some, self.workspace.sessions / adapter)
            except SafetyStop as stop:
                # Of other guards than those of what a policy asks for, `a2g improve` ends: nothing is promoted either.
                ends = "" if stop.cause in OF_POLICY else ", and the run"
                return Decision(promoted=False, reason=f"a guard stopped it{ends}: {stop}", measured=losses), len(
                    after
                ) + 1
        before = before[: len(after)]
        decision = decide(*scorer.sides(adapter, before, after), losses, scorer.bound)
        if not scorer.same_views(adapter, parent):
            decision = veto_if_worse(decision, *scorer.sides("base", before, after), scorer.bound)
        return decision, len(after)


def measured(case: str, seed: int, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what is kept in --work, made first where it is missing; each in a process of its own."""
    base = checkpoint.fingerprint(checkpoint.SHIPPED)
    size = f"{given.episodes}-{given.iterations}-n{given.evaluation}"
    size += f"-rehearsed{given.replay_demos}" if given.replay_demos else ""
    name = f"{case.replace('/', '-').replace(':', '-')}-seed{seed}-{size}-{base}.json"
    path: Path = given.work / name
    if not path.exists():
        words = ["--one", "--case", case, "--seed", seed, "--episodes", given.episodes]
        words += [
            "--iterations",
            given.iterations,
            "--evaluation",
            given.evaluation,
            "--replay-demos",
            given.replay_demos,
        ]
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, __file__, *map(str, words)], check=True, stdout=subprocess.PIPE, text=True
        )
        print(f"{case}, seed {seed}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".tmp").write_text(done.stdout, encoding="utf-8")
        path.with_suffix(".tmp").replace(path)
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def verdict(row: dict[str, Any]) -> str:
    """Return a seed's cell: what the gate said after how many trials, and the truth."""
    if "promoted" not in row:
        return "nothing to learn from"
    said = "promoted" if row["promoted"] else "refused"
    if "guard" in row["reason"]:
        said = "stopped by a guard, refused"
    before, after = ("stopped" if rate is None else f"{rate:.2f}" for rate in (row["before"], row["after"]))
    return f"{said} after {row['compared']}: {before} -> {after}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", help=f"repeatable; otherwise {', '.join(CASES)}")
    parser.add_argument("--seeds", type=int, default=3, help=f"number of seeds, {FIRST_SEED} upwards")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help=argparse.SUPPRESS)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=150)
    parser.add_argument("--replay-demos", type=int, default=0)
    parser.add_argument("--evaluation", type=int, default=100)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("training/gate"))
    given = parser.parse_args()
    cases = given.case or list(CASES)
    if given.one:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(Bench(cases[0], given.seed, given, Path(folder)).record(), indent=1))
        return
    asked = [(case, FIRST_SEED + i) for case in cases for i in range(given.seeds)]
    with ThreadPoolExecutor(given.processes) as pool:
        done = dict(zip(asked, pool.map(lambda one: measured(one[0], one[1], given), asked), strict=True))
    seeds = range(FIRST_SEED, FIRST_SEED + given.seeds)
    print(f"n = {given.evaluation} held-out trials behind each pair of rates, parent -> candidate\n")
    print(f"| case | adapter made | {' | '.join(f'seed {seed}' for seed in seeds)} |\n|{'---|' * (2 + len(seeds))}")
    for case in cases:
        for number, name in enumerate(WAYS):
            cells = [verdict(done[case, seed][number]) for seed in seeds]
            print(f"| `{case}` | {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
