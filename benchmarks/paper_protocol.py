"""Act2Goal's protocol of online improvement, on the simulator: one scenario, one start, one goal, and no gate.

    python benchmarks/paper_protocol.py --scene plug --shift unseen:1.5 [--instances 8] [--first 100]
        [--keep all --keep successes --keep failures] [--rounds 3] [--episodes 20] [--iterations 100] [--rank 64]
        [--temperature 1] [--relabel chunk] [--evaluation 40] [--work DIR]

Each round rolls 20 episodes out from the same start, trains LoRA of rank 64 for 100 iterations on what they achieved, and
empties the buffer; the adapter goes on (arXiv 2512.23541, algorithm 1). `--relabel chunk`: the goal is the frame after the
executed actions; so the algorithm's "next observation" reads for a policy that executes chunks. Anything else is a mixture of
the package's rules. `--keep`: which episodes are learned from, as in the paper's ablation; the simulator's truth tells them
apart. Success is that of `--evaluation` attempts from the same start, with noise that practice did not have. An instance is a
goal of `a2g capture-goal --seed S`, S = 100, 101, ..., at which the base succeeds on .1 to .5 of the attempts. Not known from
the paper, and chosen here: learning rate, batch, placement, and the noise of practice. Results are kept in --work.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from single_goal import LANES, PRACTICE, Practised, World
from single_goal_learner import Learner
from torch import Tensor

from a2g_cli.encoding.segments import join
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.acting import N_ACTION_STEPS, ActingSettings
from a2g_cli.robots.base import Robot, Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.evaluation import instrumented, jobs_for
from a2g_cli.runtime.rollout import roll_out
from a2g_cli.runtime.sink import NullSink
from a2g_cli.training.batch_sources import HindsightBC, hindsight_weights

LOW, HIGH = 0.1, 0.5
START = 0
"""Number of the one start."""
TESTED = 1_000_000
"""Number of the first attempt by which success is measured; practice has smaller ones."""
KEEP = ("all", "successes", "failures")
PAPER: dict[str, dict[str, tuple[float, ...]]] = {
    "all": {
        "can": (0.20, 0.66, 0.84, 0.88),
        "cup": (0.52, 0.79, 0.81),
        "bottles": (0.33, 0.40, 0.57),
        "shoe": (0.12, 0.64, 0.96),
    },
    "successes": {"can": (0.20, 0.54, 0.80, 0.82)},
    "failures": {"can": (0.20, 0.50, 0.66, 0.26)},
}
"""What is kept -> task -> success before and after each round, read from the paper's figure (RoboTwin, hard)."""


class ChunkBC(HindsightBC):
    """Behaviour cloning towards the frame after the executed actions, or the last frame if that comes first."""

    def batch(self, size: int, mixture: Mapping[str, float], generator: torch.Generator) -> dict[str, Tensor]:
        """Draw relabelled segments with their weights; ``mixture`` is ``{"final": 1}``."""
        episode, step, last = self.segments.draw(size, mixture, generator)
        goal = torch.minimum(step + N_ACTION_STEPS, last)
        batch = self.segments.gather(episode, step, goal, self.yardstick.config.hashing)
        if self.patience > 0:
            batch["weight"] = hindsight_weights(self.yardstick, batch, self.patience)
        return batch


def attempts(world: World, given: argparse.Namespace, first: int, n: int) -> list[Trial]:
    """Return ``n`` attempts from the one start; ``first`` numbers them, and so their noise."""
    return [world.trials(PRACTICE + 100 * given.seed, [START], repeat=first + i)[0] for i in range(n)]


def success(world: World, model: Act2Goal, given: argparse.Namespace) -> float:
    """Return the success rate of attempts from the one start, with noise that practice does not have."""
    n, trials = given.evaluation, attempts(world, given, TESTED, given.evaluation)
    policy = Act2GoalPolicy(model, ActingSettings())
    jobs = jobs_for(trials, lambda _trial, _robot: NullSink())
    return sum(bool(one.success) for _, one in roll_out(world.robots, jobs, policy, world.evaluation)) / n


def learned_from(practised: Sequence[Practised], keep: str) -> list[Practised]:
    """Return the episodes that are learned from."""
    return [one for one in practised if keep == "all" or one.success is (keep == "successes")]


def curve(world: World, base: Act2Goal, keep: str, given: argparse.Namespace) -> list[float]:
    """Return the success after each round."""
    learner, acting, rates = Learner(given.rank, given.seed, given.placement), base, []
    for number in range(given.rounds):
        trials = attempts(world, given, number * given.episodes, given.episodes)
        kept = learned_from(world.practise(acting, base, trials, given.temperature), keep)
        if kept:
            kind = ChunkBC if given.relabel == "chunk" else HindsightBC
            source = kind(join([one.episode.whole for one in kept]), base, given.tau)
            chosen = argparse.Namespace(**{**vars(given), "relabel": "final"}) if kind is ChunkBC else given
            learner.train(source, None, chosen, given.iterations, given.seed * 1000 + number)
            acting = learner.merged()
        rates.append(success(world, acting, given))
        print(f"  {keep}, round {number + 1}: {len(kept)} episodes, success {rates[-1]:.2f}", flush=True)
    return rates


def instance(seed: int, robots: Sequence[Robot], base: Act2Goal, given: argparse.Namespace) -> dict[str, list[float]]:
    """Return keep -> success before and after each round, from --work where known; empty for a goal that is no instance."""
    path: Path = given.work / f"{given.scene}-{given.shift.replace(':', '-')}-{seed}-{given.relabel}.json"
    known: dict[str, list[float]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    goal = instrumented(robots[0]).trial("practice", seed, 0).goal
    world = World(robots, goal, checkpoint.arrived_below(checkpoint.SHIPPED))
    known.setdefault("before", [])
    if not known["before"]:
        known["before"] = [success(world, base, given)]
    for keep in given.keep or KEEP:
        if LOW <= known["before"][0] <= HIGH and keep not in known:
            print(f"goal {seed}: before {known['before'][0]:.2f}", flush=True)
            known[keep] = known["before"] + curve(world, base, keep, given)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known) + "\n", encoding="utf-8")
    return {keep: known[keep] for keep in given.keep or KEEP if keep in known}


def line(name: str, rates: Sequence[float]) -> str:
    """Return a row of the table."""
    return f"| {name} | " + " | ".join(f"{rate:.2f}" for rate in rates) + " |"


def main() -> None:
    """Run the protocol and print the table beside the paper's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", default="plug")
    parser.add_argument("--shift", default="unseen:1.5")
    parser.add_argument("--instances", type=int, default=8)
    parser.add_argument("--first", type=int, default=100)
    parser.add_argument("--keep", action="append", choices=KEEP)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--temperature", type=float, default=1.0, help="while practising")
    parser.add_argument("--relabel", default="chunk")
    parser.add_argument("--evaluation", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("training/paper-protocol"))
    parser.set_defaults(lr=1e-3, batch=32, placement="all", decay="tenth", ema=0.0, cotrain=0.0, tau=5.0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    robots: list[Robot] = [SimRobot(given.scene, given.shift) for _ in range(LANES)]
    base, seed = checkpoint.load(checkpoint.SHIPPED), given.first
    found: list[dict[str, list[float]]] = []
    with ExitStack() as stack:
        for robot in robots:
            stack.callback(robot.close)
            robot.connect()
        while len(found) < given.instances:
            if curves := instance(seed, robots, base, given):
                found.append(curves)
            seed += 1
    print(
        f"| {given.scene}, {given.shift} | before | " + " | ".join(f"round {i + 1}" for i in range(given.rounds)) + " |"
    )
    print("|---" * (given.rounds + 2) + "|")
    for keep in given.keep or KEEP:
        means = [sum(rates) / len(rates) for rates in zip(*(curves[keep] for curves in found), strict=True)]
        print(line(f"{keep}, mean of {len(found)}", means))
        for task, rates in PAPER[keep].items():
            print(line(f"the paper's {task}, {keep}", rates))


if __name__ == "__main__":
    main()
