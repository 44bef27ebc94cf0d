"""How far the photo judge can be trusted: its verdicts on a round of practice of one goal, beside the simulator's truth.

python benchmarks/photo_judge.py                       # the suites of docs/judges.md: new goals, 40 practice episodes each
python benchmarks/photo_judge.py --suite place/unseen:1.5 --goals 3 --seed 300                  # other goals of one suite

Episodes end as practice does: when the policy says that it has arrived, or at the limit. "Answered" is the same judge after a
person, here the truth, has answered for ten episodes; precision and recall are then those of the other episodes.
"""

import argparse
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from a2g_cli.calibration.photo_judge import PhotoJudge, PhotoVerdict, ask_for_answers, judge_recordings
from a2g_cli.core.types import Goal, Provenance
from a2g_cli.models import checkpoint
from a2g_cli.models.checkpoint import SLACK
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.policies.base import Policy
from a2g_cli.robots.base import Robot, Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.evaluation import instrumented, jobs_for, wilson
from a2g_cli.runtime.recorder import Recorder
from a2g_cli.runtime.rollout import roll_out
from a2g_cli.runtime.termination import RolloutSettings

Round = tuple[list[Path], list[bool], list[float | None]]
"""Recordings, whether each reached its goal, and the policy's last estimate of the steps left."""
SUITES = ("plug/unseen:1.5", "place/unseen:1.5", "write/unseen")
LANES = 10


@dataclass
class Count:
    """One judge's verdicts beside the truth."""

    said: list[bool | None] = field(default_factory=list)
    truth: list[bool] = field(default_factory=list)

    def row(self) -> dict[str, float]:
        """Return the table's numbers, with Wilson intervals of 95 %."""
        called = [true for one, true in zip(self.said, self.truth, strict=True) if one]
        reached, right = sum(self.truth), sum(called)
        precision, recall = wilson(right, len(called)), wilson(right, reached)
        return {
            "n": len(self.truth),
            "reached": reached,
            "said": len(called),
            "precision": right / len(called) if called else math.nan,
            "precision_low": precision[0],
            "recall": right / reached if reached else math.nan,
            "recall_low": recall[0],
            "unknown": sum(one is None for one in self.said) / max(1, len(self.said)),
        }


def practise(robots: list[Robot], policy: Policy, goal: Goal, seed: int, count: int, folder: Path) -> Round:
    """Record a round of practice of one goal, from starts of its own stream."""
    first = instrumented(robots[0])
    bound = checkpoint.arrived_below(checkpoint.SHIPPED)
    trials = [Trial("practice", seed, k, first.start_for(goal, seed, k), goal) for k in range(count)]
    paths = [folder / f"{goal.name}-{k}.hdf5" for k in range(count)]
    made = Provenance(robots[0].spec.name, "act2goal", seed=seed)
    jobs = jobs_for(trials, lambda trial, robot: Recorder(paths[trial.index], robot.spec, trial.goal, made))
    settings = RolloutSettings(arrived_below=bound)
    ended = dict(roll_out(robots, jobs, policy, settings))
    return paths, [bool(ended[k].success) for k in range(count)], [ended[k].steps_to_go for k in range(count)]


def answered(judge: PhotoJudge, verdicts: list[PhotoVerdict], truth: list[bool]) -> Count:
    """Return what the judge says of the episodes that nobody was asked about."""
    asked: set[int] = set()

    def ask(which: int) -> bool:
        asked.add(which)
        return truth[which]

    said = ask_for_answers(judge, verdicts, ask)[1]
    others = [i for i in range(len(truth)) if i not in asked]
    return Count([said[i] for i in others], [truth[i] for i in others])


def suite(name: str, goals: int, seed: int, count: int, temperature: float) -> dict[str, Count]:
    """Return judge -> its verdicts on all goals of a suite."""
    scene, shift = name.split("/")
    robots: list[Robot] = [SimRobot(scene, shift) for _ in range(LANES)]
    for robot in robots:
        robot.connect()
    model = checkpoint.load(checkpoint.SHIPPED)
    policy = Act2GoalPolicy(model, ActingSettings(temperature=temperature))
    bound = SLACK * checkpoint.arrived_below(checkpoint.SHIPPED)
    counts = {"photo": Count(), "photo, answered": Count(), "policy": Count()}
    try:
        for which in range(goals):
            goal = instrumented(robots[0]).trial("practice", seed, which).goal
            with TemporaryDirectory() as folder:
                paths, truth, left = practise(robots, policy, goal, seed + which + 1, count, Path(folder))
                judge, verdicts = judge_recordings(paths, model.config.cameras, model.config.size)
            more = answered(judge, verdicts, truth)
            near = [steps is not None and steps < bound for steps in left]
            for key, said, true in (
                ("photo", [one.success for one in verdicts], truth),
                ("photo, answered", more.said, more.truth),
                ("policy", near, truth),
            ):
                counts[key].said += said
                counts[key].truth += true
    finally:
        for robot in robots:
            robot.close()
    return counts


def main() -> None:
    """Print a table; write JSON where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", action="append", help=f"SCENE/SHIFT, repeatable; by default {', '.join(SUITES)}")
    parser.add_argument("--goals", type=int, default=8)
    parser.add_argument("--episodes", type=int, default=40)
    parser.add_argument("--seed", type=int, default=200)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    print("| suite | judge | n | reached | said so | precision | recall | unknown |\n|---|---|---|---|---|---|---|---|")
    rows = []
    for name in given.suite or SUITES:
        for judge, count in suite(name, given.goals, given.seed, given.episodes, given.temperature).items():
            row = count.row()
            shown = f"{row['n']} | {row['reached']} | {row['said']}"
            shown += f" | {row['precision']:.2f} (from {row['precision_low']:.2f})"
            shown += f" | {row['recall']:.2f} (from {row['recall_low']:.2f}) | {row['unknown']:.2f}"
            print(f"| `{name}` | {judge} | {shown} |", flush=True)
            rows.append({"suite": name, "judge": judge, **row})
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
