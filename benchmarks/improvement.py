"""Improvement under shifts, seed by seed, beside its control: LoRA on expert demonstrations of the same shifted world.

    python benchmarks/improvement.py [--case WORLD/SHIFT ...] [--base DIR] [--seeds 3] [--calibrate apply ...] [--rounds 2]
        [--episodes 20] [--iterations 100] [--replay-demos 0] [--evaluation 100] [--control N] [--processes 1]
        [--work training/improvement]

Success on held-out starts and goals that no practice sees, before, after each round, and at the end; success in distribution
with the adapter (motors that are weak cannot be seen: act with `--adapter base` at home); random and still as floors. The
control gets as many demonstrations as practice may have episodes, as many iterations, and no calibration. A world is a
scene, or a robot with a world of its own (`metaworld:push-v3`), which needs --base and `--control 0`.
What was measured is kept in --work by case, seed and settings: the same command goes on where it was stopped.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from commands import a2g, world

from a2g_cli.data.recording.sessions import Session
from a2g_cli.models import checkpoint
from a2g_cli.runtime.evaluation import wilson
from a2g_cli.training.demonstrations import record_demonstrations

CASES = (
    "place/base-pose:0.8",
    "place/camera-bump:1.7",
    "place/actuator-gain",
    "plug/base-pose:0.5",
    "plug/camera-bump:1",
    "plug/actuator-gain",
    "write/base-pose:0.25",
    "write/camera-bump:1",
    "place/combined:1.5",
    "plug/combined:1",
)
FIRST_SEED = 7
CONTROL = "control"


def control(scene: str, shift: str, seed: int, given: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Adapt to expert demonstrations under the shift and evaluate on the same held-out trials, the floors as well."""
    session = Session(place / "recordings" / "sessions" / "expert")
    count = 2 * given.rounds * given.episodes
    record_demonstrations(session, scene, 1000 + seed, count, disturbance=0.0, shift=shift, processes=1)
    words = ["--name", "control", "--parent", "base", "--keep", "all", "--no-promote", "--calibrate", "off"]
    a2g("adapt", "expert", *words, "--iterations", given.rounds * given.iterations, "--workspace", place)
    words = ["--adapter", "control", "--adapter", "random", "--adapter", "still", "--scene", scene, "--shift", shift]
    return a2g("evaluate", *words, "--episodes", given.evaluation, "--seed", seed, "--workspace", place)


def curve(run: dict[str, Any], where: Sequence[object], given: argparse.Namespace) -> list[dict[str, Any]]:
    """Return success before practice and after each round, with the episodes and the time that it took until then."""
    known = {run["before"]["adapter"]: run["before"], run["after"]["adapter"]: run["after"]}
    acting, episodes, seconds = str(run["before"]["adapter"]), 0, 0.0
    points = [{**run["before"], "episodes": 0, "seconds": 0.0}]
    for done in run["rounds"]:
        acting = done["adapter"] if done["promoted"] else acting
        if acting not in known:
            words = ["--adapter", acting, "--episodes", given.evaluation, *where]
            known[acting] = a2g("evaluate", *words)["results"][0]
        episodes += done["episodes"] + done["explored"] + done["rehearsed"] + done["gate_episodes"]
        seconds += done["rollout_seconds"] + done["adapt_seconds"]
        points.append({**known[acting], "episodes": episodes, "seconds": round(seconds, 1)})
    return points


def one(case: str, seed: int, how: str, given: argparse.Namespace) -> dict[str, Any]:
    """Return one improvement run, calibrated as ``how`` says, or its control; in a workspace of its own."""
    scene, shift = case.rsplit("/", 1)
    with tempfile.TemporaryDirectory() as folder:
        if how == CONTROL:
            return control(scene, shift, seed, given, Path(folder))
        where = [*world(scene), "--base", given.base, "--shift", shift, "--seed", seed, "--workspace", folder]
        words = ["--rounds", given.rounds, "--episodes", given.episodes, "--iterations", given.iterations]
        words += ["--evaluation", given.evaluation, "--replay-demos", given.replay_demos, "--calibrate", how]
        run = a2g("improve", *words, *where)
        run["curve"] = curve(run, where, given)
        return run


def measured(case: str, seed: int, how: str, given: argparse.Namespace) -> dict[str, Any]:
    """Return what is kept in --work, made first where it is missing."""
    base = checkpoint.fingerprint(given.base)
    settings = f"{given.rounds}x{given.episodes}-{given.iterations}-n{given.evaluation}-{base}"
    way = how if how == CONTROL or not given.replay_demos else f"{how}-rehearsed{given.replay_demos}"
    name = f"{case.replace('/', '-').replace(':', '-')}-seed{seed}-{way}-{settings}.json"
    path: Path = given.work / name
    if not path.exists():
        print(f"{case}, seed {seed}, {how}", file=sys.stderr, flush=True)
        document = one(case, seed, how, given)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".tmp").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        path.with_suffix(".tmp").replace(path)
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def show(result: dict[str, Any]) -> str:
    """Return a rate and its interval."""
    return f"{result['rate']:.2f} [{result['interval'][0]:.2f}, {result['interval'][1]:.2f}]"


def pooled(results: Sequence[dict[str, Any]]) -> str:
    """Return the rate over all seeds, its interval, and each seed's rate."""
    n, good = sum(one["n"] for one in results), sum(one["successes"] for one in results)
    low, high = wilson(good, n)
    each = ", ".join(f"{one['rate']:.2f}" for one in results)
    return f"{good / n:.2f} [{low:.2f}, {high:.2f}] ({each})"


def row(case: str, calibrate: str, runs: Sequence[dict[str, Any]], controls: Sequence[dict[str, Any]]) -> list[str]:
    """Return a case's cells."""
    before, after = ([run[name] for run in runs] for name in ("before", "after"))
    wrong = [sum(one["n"] - one["successes"] for one in results) for results in (before, after)]
    against = [one["results"] for one in controls]
    episodes = {run["curve"][-1]["episodes"] for run in runs}
    spent = [run["curve"][-1]["seconds"] for run in runs]
    climb = [pooled(list(points)).split(" ")[0] for points in zip(*(run["curve"] for run in runs), strict=True)]
    return [
        f"`{case}`",
        calibrate,
        pooled(before),
        pooled(after),
        " ".join(climb),
        f"{wrong[0] / wrong[1]:.1f}" if wrong[1] else "all",
        pooled([results[0] for results in against]) if against else "-",
        " / ".join(pooled([results[i] for results in against]).split(" [")[0] for i in (1, 2)) if against else "-",
        pooled([run["in_distribution"]["after"] for run in runs]),
        " to ".join(map(str, sorted({min(episodes), max(episodes)}))),
        f"{min(spent):.0f} to {max(spent):.0f} s",
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", help=f"repeatable; otherwise {', '.join(CASES)}")
    parser.add_argument("--base", type=Path, default=checkpoint.SHIPPED)
    parser.add_argument("--seeds", type=int, default=3, help=f"number of seeds, {FIRST_SEED} upwards")
    parser.add_argument("--calibrate", action="append", help="apply or off; repeatable; apply otherwise")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--evaluation", type=int, default=100)
    parser.add_argument(
        "--replay-demos", type=int, default=0, help="movements that `a2g improve` repeats with closed eyes"
    )
    parser.add_argument("--control", type=int, metavar="N", help="of so many seeds; of all, if not given")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("training/improvement"))
    given = parser.parse_args()
    given.calibrate = given.calibrate or ["apply"]
    cases, seeds = given.case or list(CASES), range(FIRST_SEED, FIRST_SEED + given.seeds)
    compared = seeds[: given.control]
    asked = [(case, seed, how) for how in given.calibrate for case in cases for seed in seeds]
    asked += [(case, seed, CONTROL) for case in cases for seed in compared]
    with ThreadPoolExecutor(given.processes) as pool:
        done = dict(zip(asked, pool.map(lambda one: measured(one[0], one[1], one[2], given), asked), strict=True))
    header = [
        "shift",
        "calibration",
        "before",
        "after",
        "round by round",
        "error divided by",
        "control",
        "random / still",
        "home, after",
    ]
    header += ["episodes", "practice"]
    print(
        f"n = {given.evaluation} a seed, seeds {', '.join(map(str, seeds))}, 95 % Wilson intervals, each seed in brackets"
    )
    print(f"\n| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for how in given.calibrate:
        for case in cases:
            runs = [done[case, seed, how] for seed in seeds]
            print(f"| {' | '.join(row(case, how, runs, [done[case, seed, CONTROL] for seed in compared]))} |")


if __name__ == "__main__":
    main()
