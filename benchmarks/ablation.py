"""What to relabel, keep and mix, where LoRA sits, how it is trained: one practice set, many adapters, the same trials.

    python benchmarks/ablation.py [--scene place] [--shift base-pose:0.5] [--seeds 3] [--episodes 40] [--evaluation 100]
        [--only NAME ...] [--work DIR]

For each seed the base practises under the shift (`a2g improve` with one iteration, so that its gate's episodes are the base's
as well), and `a2g adapt --calibrate off` makes an adapter from the same recordings for every row: the defaults, and one thing
changed. Calibration is off because it would hide what is asked here. A row is success under the shift and at home, all seeds.
Every result is kept in --work as soon as it is there: the same command goes on where it was stopped.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from commands import a2g
from improvement import FIRST_SEED, pooled

from a2g_cli.data.recording.sessions import Session
from a2g_cli.models import checkpoint
from a2g_cli.training.demonstrations import record_demonstrations

PRACTICE, EXPERT = "practice", "expert"
DEMONSTRATIONS = 40

ROWS: dict[str, list[object]] = {
    "as shipped": [],
    "final alone": ["--relabel", "final"],
    "future alone": ["--relabel", "future"],
    "successor alone (the paper's algorithm)": ["--relabel", "successor"],
    "a third each": ["--relabel", "final,future,successor"],
    "every episode": ["--keep", "all"],
    "every episode, unweighted (naive)": ["--keep", "all", "--slowness-tau", 0],
    "failures alone": ["--keep", "failed"],
    "unweighted": ["--slowness-tau", 0],
    "50 iterations": ["--iterations", 50],
    "400 iterations": ["--iterations", 400],
    "learning rate 3e-4": ["--lr", 3e-4],
    "learning rate 3e-3": ["--lr", 3e-3],
    "rank 4": ["--rank", 4],
    "rank 64": ["--rank", 64],
    "LoRA on the expert alone": ["--placement", "expert"],
    "LoRA on the world model alone": ["--placement", "world-model"],
    "DoRA": ["--method", "dora"],
    "full fine-tuning, learning rate 1e-4": ["--method", "full", "--lr", 1e-4],
    "full fine-tuning, learning rate 3e-4": ["--method", "full", "--lr", 3e-4],
    "features held, weight 1": ["--feature-alignment", 1],
    "features held, weight 10": ["--feature-alignment", 10],
    "a quarter demonstrations": ["--cotrain", 0.25, "--demonstrations", EXPERT],
    "half demonstrations": ["--cotrain", 0.5, "--demonstrations", EXPERT],
    "four fifths demonstrations": ["--cotrain", 0.8, "--demonstrations", EXPERT],
}


class Bench:
    """One seed's workspace: its practice is recorded once."""

    def __init__(self, seed: int, given: argparse.Namespace) -> None:
        base = checkpoint.fingerprint(checkpoint.SHIPPED)
        shift = given.shift.replace(":", "-")
        self.seed, self.given = seed, given
        self.folder: Path = given.work / f"{given.scene}-{shift}-{given.episodes}-n{given.evaluation}-seed{seed}-{base}"
        self.where = ["--workspace", self.folder]

    def prepare(self) -> None:
        """Record practice, and demonstrations of the world as it was, unless they are there."""
        if self._kept("before").exists():
            return
        given = self.given
        words = ["--scene", given.scene, "--shift", given.shift, "--seed", self.seed, "--episodes", given.episodes]
        words += ["--rounds", 1, "--iterations", 1, "--evaluation", given.evaluation, "--calibrate", "off"]
        run = a2g("improve", *words, "--session", PRACTICE, *self.where)
        session = Session(self.folder / "recordings" / "sessions" / EXPERT)
        record_demonstrations(session, given.scene, 2000 + self.seed, DEMONSTRATIONS, 0.0, processes=1)
        self._keep("before", {"there": run["before"], "home": run["in_distribution"]["before"]})

    def row(self, name: str) -> dict[str, Any]:
        """Return success under the shift and at home of one row's adapter; empty where nothing could be learned."""
        path = self._kept(name)
        if not path.exists():
            adapter = path.stem
            words = [PRACTICE, "--name", adapter, "--parent", "base", "--calibrate", "off", "--no-promote"]
            made = a2g("adapt", *words, "--seed", self.seed, *ROWS[name], *self.where)
            judged = ["--adapter", adapter, "--scene", self.given.scene, "--seed", self.seed, *self.where]
            judged += ["--episodes", self.given.evaluation]
            there = a2g("evaluate", *judged, "--shift", self.given.shift)["results"][0]
            home = a2g("evaluate", *judged)["results"][0]
            self._keep(name, {"there": there, "home": home, "kept": made["kept"], "seconds": made["seconds"]})
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return read

    def _kept(self, name: str) -> Path:
        plain = "".join(letter if letter.isalnum() else "-" for letter in name.lower()).strip("-")
        return self.folder / f"{plain}.json"

    def _keep(self, name: str, document: dict[str, Any]) -> None:
        path = self._kept(name)
        path.with_suffix(".tmp").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        path.with_suffix(".tmp").replace(path)
        print(f"seed {self.seed}: {name}", file=sys.stderr, flush=True)


def line(name: str, rows: Sequence[dict[str, Any]]) -> str:
    """Return a row of the table."""
    learned = "/".join(str(row["kept"]) for row in rows) if "kept" in rows[0] else "-"
    took = f"{sum(row['seconds'] for row in rows) / len(rows):.0f} s" if "seconds" in rows[0] else "-"
    cells = [pooled([row["there"] for row in rows]), pooled([row["home"] for row in rows]), learned, took]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", default="place")
    parser.add_argument("--shift", default="base-pose:0.5")
    parser.add_argument("--seeds", type=int, default=3, help=f"number of seeds, {FIRST_SEED} upwards")
    parser.add_argument("--episodes", type=int, default=40, help="the gate records as many again")
    parser.add_argument("--evaluation", type=int, default=100)
    parser.add_argument("--only", action="append", help="repeatable: rows by name; all otherwise")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("training/ablation"))
    given = parser.parse_args()
    names = given.only or list(ROWS)
    benches = [Bench(FIRST_SEED + i, given) for i in range(given.seeds)]

    def all_of(bench: Bench) -> dict[str, dict[str, Any]]:
        bench.prepare()
        return {name: bench.row(name) for name in names} | {"before": bench.row("before")}

    with ThreadPoolExecutor(given.processes) as pool:
        done = list(pool.map(all_of, benches))
    seeds = ", ".join(str(bench.seed) for bench in benches)
    print(
        f"`{given.scene}/{given.shift}`, n = {given.evaluation} a seed, seeds {seeds}, 95 % intervals, each in brackets\n"
    )
    print("| | under the shift | at home | episodes learned from | time |\n|---|---|---|---|---|")
    print(line("before", [one["before"] for one in done]))
    for name in names:
        print(line(name, [one[name] for one in done]))


if __name__ == "__main__":
    main()
