"""How far the two automatic judges can be trusted: their verdicts beside the simulator's truth, scene by scene.

python benchmarks/judges.py                                  # every scene that the base was trained on, n = 100 each
python benchmarks/judges.py --scene place --shift base-pose:0.8 --episodes 40                    # the base alone, elsewhere
python benchmarks/judges.py --scene place --shift base-pose:0.8 --workspace W --adapter adapter-002   # who practised there

Episodes end as those of `a2g run` do: when the policy says that it has arrived, or at the limit. The distance's bound is
fitted on other trials (the practice stream) and printed; the verdicts are on the evaluation stream.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.core.types import Outcome
from a2g_cli.core.workspace import Workspace
from a2g_cli.models import checkpoint
from a2g_cli.robots.base import Purpose, Robot
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.evaluation import draw_trials, jobs_for
from a2g_cli.runtime.policy_factory import PolicyFactory
from a2g_cli.runtime.rollout import roll_out
from a2g_cli.runtime.sink import NullSink
from a2g_cli.runtime.success import NEAR, make_judge
from a2g_cli.runtime.termination import RolloutSettings

LANES = 8


@dataclass(frozen=True)
class Agreement:
    """One judge beside the truth."""

    judge: str
    n: int
    reached: int
    said: int
    both: int

    @property
    def precision(self) -> float:
        """Share of its successes that are."""
        return self.both / self.said if self.said else float("nan")

    @property
    def recall(self) -> float:
        """Share of the successes that it sees."""
        return self.both / self.reached if self.reached else float("nan")


def agreement(judge: str, said: list[bool], truth: list[bool]) -> Agreement:
    """Return how often a judge's verdicts are the truth's."""
    return Agreement(judge, len(truth), sum(truth), sum(said), sum(a and b for a, b in zip(said, truth, strict=True)))


def episodes(
    factory: PolicyFactory, adapter: str, robots: list[Robot], purpose: Purpose, seed: int, count: int
) -> list[Outcome]:
    """Return how the adapter's episodes ended, with the truth and both judges' numbers."""
    policy = factory.get(adapter)
    bound = factory.arrived_below(adapter)
    settings = RolloutSettings(arrived_below=bound, verdict=make_judge("auto", factory.goal_scorer(adapter), bound))
    jobs = jobs_for(draw_trials(robots[0], purpose, seed, count), lambda _trial, _robot: NullSink())
    return [outcome for _, outcome in roll_out(robots, jobs, policy, settings)]


def fitted(outcomes: list[Outcome]) -> float | None:
    """Return the bound on the distance that is right about the most successes and failures, each weighed as a whole.

    None where all episodes ended alike: one kind alone fits nothing.
    """
    distances = np.array([outcome.distance for outcome in outcomes])
    truth = np.array([bool(outcome.success) for outcome in outcomes])
    bounds = np.concatenate([[0.0], np.sort(distances) + 1e-6])
    if truth.all() or not truth.any():
        return None
    scores = [np.mean(distances[truth] < bound) + np.mean(distances[~truth] >= bound) for bound in bounds]
    return float(bounds[np.argmax(scores)])


def scene(
    name: str, shift: str, registry: AdapterRegistry, adapter: str, seed: int, count: int
) -> list[dict[str, object]]:
    """Return a row for each judge."""
    robots: list[Robot] = [SimRobot(name, shift) for _ in range(LANES)]
    for robot in robots:
        robot.connect()
    try:
        factory = PolicyFactory(checkpoint.SHIPPED, registry, robots[0].spec)
        bound = checkpoint.SLACK * factory.arrived_below(adapter)
        best = fitted(episodes(factory, adapter, robots, "practice", seed, count))
        ended = episodes(factory, adapter, robots, "evaluation", seed, count)
    finally:
        for robot in robots:
            robot.close()
    truth = [bool(outcome.success) for outcome in ended]
    left = [outcome.steps_to_go or 0.0 for outcome in ended]
    away = [outcome.distance or 0.0 for outcome in ended]
    judges = {
        f"policy, below {bound:.1f} steps": [value < bound for value in left],
        f"distance, below {NEAR:g} (as shipped)": [value < NEAR for value in away],
    }
    if best is not None:
        judges[f"distance, below {best:.2f} (fitted)"] = [value < best for value in away]
    rows = []
    where = name if shift == "none" else f"{name}/{shift}"
    for judge, said in judges.items():
        found = agreement(judge, said, truth)
        rows.append(
            {"scene": where, "adapter": adapter, **vars(found), "precision": found.precision, "recall": found.recall}
        )
    return rows


def main() -> None:
    """Print a table; write JSON where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", action="append")
    parser.add_argument("--shift", default="none")
    parser.add_argument("--adapter", default="base")
    parser.add_argument("--workspace", type=Path, default=Path(), help="where the adapter is")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    registry = AdapterRegistry(Workspace(given.workspace))
    print("| scene | judge | n | reached | said so | precision | recall |\n|---|---|---|---|---|---|---|")
    rows = []
    for name in given.scene or ["place", "plug", "write"]:
        for row in scene(name, given.shift, registry, given.adapter, given.seed, given.episodes):
            counts = f"{row['n']} | {row['reached']} | {row['said']}"
            print(
                f"| `{row['scene']}` | {row['judge']} | {counts} | {row['precision']:.2f} | {row['recall']:.2f} |",
                flush=True,
            )
            rows.append(row)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
