"""Success against the number of demonstrations, and what practice of a named goal adds to a base of few.

    python benchmarks/few_demonstrations.py --scene plug [--counts 25 50 100 400] [--iterations 1500] [--goals 2]
        [--practise 50 100] [--copies 0] [--rounds 2]

Each base is trained by `a2g pretrain` on that many demonstrations of the simulator's expert, with the shipped autoencoder,
all for the same number of steps, and measured on 100 held-out starts and goals. Then each of --practise practises single
goals (`a2g capture-goal gS --seed S`, S = 100, 101, ...) by `a2g improve gS`; the other bases are measured on the same goals
and starts. Results are kept in --work: an interrupted run goes on.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commands import a2g

from a2g_cli.models import checkpoint


def kept(file: Path, workspace: Path, *words: object) -> dict[str, Any]:
    """Return the document of a command, which is run once and kept in ``file`` with its ``wall_seconds``."""
    if not file.exists():
        began = time.monotonic()
        document = a2g(*words, "--workspace", workspace)
        file.write_text(json.dumps({**document, "wall_seconds": time.monotonic() - began}))
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def pretrained(given: argparse.Namespace, count: int) -> tuple[Path, dict[str, Any]]:
    """Return the base of ``count`` demonstrations, and how it does on drawn goals."""
    folder = given.work / f"{given.scene}-{count}-{given.iterations}-{given.copies}"
    folder.mkdir(parents=True, exist_ok=True)
    training = ("--iterations", given.iterations, "--copies", given.copies, "--held-out", 0, "--seed", given.seed)
    demonstrations = ("--scene", given.scene, "--demonstrations", count, "--autoencoder", checkpoint.SHIPPED)
    kept(folder / "pretrain.json", folder, "pretrain", "--out", folder / "base", *demonstrations, *training)
    base = folder / "base" / "checkpoint"
    words = ("evaluate", "--base", base, "--scene", given.scene, "--episodes", given.evaluation, "--seed", 7)
    return base, kept(folder / "evaluate.json", folder, *words, "--no-report")


def rate(result: dict[str, Any]) -> str:
    """Return a rate with its interval."""
    low, high = result["interval"]
    return f"{result['rate']:.2f} [{low:.2f}, {high:.2f}]"


def main(words: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", default="plug")
    parser.add_argument("--counts", type=int, nargs="+", default=[25, 50, 100, 400])
    parser.add_argument("--practise", type=int, nargs="*", default=[50, 100])
    parser.add_argument("--iterations", type=int, default=1500)
    parser.add_argument("--copies", type=int, default=0)
    parser.add_argument("--evaluation", type=int, default=100)
    parser.add_argument("--goals", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of demonstrations and training")
    parser.add_argument("--work", type=Path, default=Path("training/few-demonstrations"))
    given = parser.parse_args(words)
    print("| demonstrations | training [s] | success on drawn goals |\n|---|---|---|", flush=True)
    bases: dict[int, Path] = {}
    for count in given.counts:
        bases[count], measured = pretrained(given, count)
        seconds = json.loads((bases[count].parents[1] / "pretrain.json").read_text())["wall_seconds"]
        print(f"| {count} | {seconds:.0f} | {rate(measured['results'][0])} |", flush=True)
    print(
        "\n| demonstrations | goal | before | after | episodes | practice [s] |\n|---|---|---|---|---|---|", flush=True
    )
    for count, base in bases.items():
        after = []
        for seed in range(100, 100 + given.goals):
            folder = base.parents[1] / f"g{seed}"
            folder.mkdir(exist_ok=True)
            robot = ("--scene", given.scene)
            if not (folder / "recordings" / "goals" / f"g{seed}").exists():
                a2g("capture-goal", f"g{seed}", "--seed", seed, *robot, "--workspace", folder)
            trials = ("--base", base, "--seed", 1, "--no-report", *robot)
            if count not in given.practise:
                asked = ("evaluate", f"g{seed}", "--adapter", "base", "--episodes", 40, *trials)
                result = kept(folder / "evaluate.json", folder, *asked)["results"][0]
                print(f"| {count} | {seed} | {rate(result)} | | | |", flush=True)
                continue
            limits = ("--rounds", given.rounds, "--evaluation", 40, "--calibrate", "off")
            document = kept(folder / "improve.json", folder, "improve", f"g{seed}", *limits, *trials)
            goal = next(iter(document["goals"].values()))
            episodes = sum(one["episodes"] + one["gate_episodes"] for one in document["rounds"])
            spent = sum(one["rollout_seconds"] + one["adapt_seconds"] for one in document["rounds"])
            after.append(goal["after"]["rate"])
            rates = f"{rate(goal['before'])} | {rate(goal['after'])}"
            print(f"| {count} | {seed} | {rates} | {episodes} | {spent:.0f} |", flush=True)
        if after:
            print(f"| {count} | mean | | {statistics.mean(after):.2f} | | |", flush=True)


if __name__ == "__main__":
    main()
