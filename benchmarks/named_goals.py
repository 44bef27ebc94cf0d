"""Success before and after practice of single goals: `a2g improve GOAL`, one goal after the other, as a user types it.

    python benchmarks/named_goals.py --world plug --shift unseen:1.5 [--base DIR] [--goals 8] [--first 100]
        [--between .05 .5] [-- --calibrate off]

Goals are those of `a2g capture-goal NAME --seed S` for S = 100, 101, ... of which the base solves between .05 and .5 of 40
held-out starts, unless --between says otherwise. A world is a scene, or a robot with a world of its own
(`metaworld:push-v3`), which needs --base. Arguments after `--` go to `a2g improve`. Results are kept in --work: an
interrupted suite goes on. The table has a row for each goal: success on its held-out starts, and on other goals in the
training domain, before and after.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commands import a2g, world

from a2g_cli.models import checkpoint

BETWEEN = (0.05, 0.5)
"""Success of the base on a goal of the suite: neither hopeless nor solved. ``--between 0 0``: goals that it never solves."""


def before(workspace: Path, seed: int, given: argparse.Namespace) -> float:
    """Return the base's success on goal ``seed``; the goal is in the workspace afterwards."""
    where = (*world(given.world), "--shift", given.shift, "--workspace", workspace)
    if not (workspace / "recordings" / "goals" / f"g{seed}").exists():
        a2g("capture-goal", f"g{seed}", "--seed", seed, *where)
    kept = workspace / f"g{seed}.json"
    if not kept.exists():
        limits = ("--base", given.base, "--episodes", given.evaluation, "--seed", given.seed)
        kept.write_text(json.dumps(a2g("evaluate", f"g{seed}", "--adapter", "base", *limits, *where)))
    return float(json.loads(kept.read_text())["results"][0]["rate"])


def practise(workspace: Path, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """Return the document of `a2g improve` for goal ``seed``, from the base."""
    folder = workspace / f"g{seed}-{given.seed}"
    kept = folder / "improve.json"
    if not kept.exists():
        goal = workspace / "recordings" / "goals" / f"g{seed}"
        place = folder / "recordings" / "goals" / goal.name
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.symlink_to(goal.resolve())
        where = (*world(given.world), "--shift", given.shift, "--base", given.base, "--workspace", folder)
        limits = ("--rounds", given.rounds, "--evaluation", given.evaluation, "--seed", given.seed)
        kept.write_text(json.dumps(a2g("improve", f"g{seed}", *where, *limits, *given.options)))
    document: dict[str, Any] = json.loads(kept.read_text())
    return document


def row(seed: int, document: dict[str, Any]) -> str:
    """Return a row of the table."""
    first, last = (next(iter(document["goals"].values()))[moment] for moment in ("before", "after"))
    home = document["in_distribution"]
    rounds = document["rounds"]
    episodes = sum(one["episodes"] + one["gate_episodes"] for one in rounds)
    seconds = sum(one["rollout_seconds"] + one["adapt_seconds"] for one in rounds)
    low, high = last["interval"]
    return (
        f"| {seed} | {first['rate']:.2f} | {last['rate']:.2f} [{low:.2f}, {high:.2f}] | {home['before']['rate']:.2f} "
        f"| {home['after']['rate']:.2f} | {episodes} | {seconds:.0f} |"
    )


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", "--scene", default="plug")
    parser.add_argument("--base", type=Path, default=checkpoint.SHIPPED)
    parser.add_argument("--shift", default="unseen:1.5")
    parser.add_argument("--goals", type=int, default=8)
    parser.add_argument("--first", type=int, default=100, help="seed of the first goal that is tried")
    parser.add_argument(
        "--between", type=float, nargs=2, default=BETWEEN, help="success of the base on the suite's goals"
    )
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--evaluation", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1, help="of practice and of the held-out starts")
    parser.add_argument("--work", type=Path, default=Path("training/named-goals"))
    parser.add_argument("options", nargs="*", help="options of a2g improve, after --")
    given = parser.parse_args(words)
    workspace = given.work / f"{given.world}-{given.shift}".replace(":", "-")
    workspace.mkdir(parents=True, exist_ok=True)
    print("| goal | before | after | other goals, before | after | episodes | seconds |", flush=True)
    print("|---|---|---|---|---|---|---|", flush=True)
    documents: list[dict[str, Any]] = []
    seed = given.first
    while len(documents) < given.goals:
        if given.between[0] <= before(workspace, seed, given) <= given.between[1]:
            documents.append(practise(workspace, seed, given))
            print(row(seed, documents[-1]), flush=True)
        seed += 1
    after = [next(iter(document["goals"].values()))["after"]["rate"] for document in documents]
    print(
        f"median after {statistics.median(after):.2f}; at .85 or more: {sum(rate >= 0.85 for rate in after)} of {len(after)}"
    )


if __name__ == "__main__":
    main()
