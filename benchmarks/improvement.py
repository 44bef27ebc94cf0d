"""Improvement under a shift, seed by seed, beside the control: the same LoRA on expert demonstrations of the same shift.

    python benchmarks/improvement.py [--shift remounted ...] [--seeds 1] [--rounds 5] [--episodes 20] [--json]

Success on held-out starts and goals that no practice sees, before and after; success in distribution with the adapter (where
a shift moves the robot or the camera, the same picture asks for other actions, so there a loss is expected: act with
`--adapter none` at home). The control gets as many demonstrations as practice had episodes, and as many iterations.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def a2g(*words: object) -> dict[str, Any]:
    """Run a2g with --json and return its document."""
    command = [sys.executable, "-m", "a2g_cli", *map(str, words), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def control(shift: str, seed: int, given: argparse.Namespace, place: list[str], base: list[str]) -> dict[str, Any]:
    """Adapt to expert demonstrations under the shift and evaluate on the same held-out trials."""
    from a2g_cli.recording.sessions import Session
    from a2g_cli.session.demonstrate import record_demonstrations

    session = Session(Path(place[1]) / "recordings" / "sessions" / "expert")
    count = 2 * given.rounds * given.episodes
    record_demonstrations(session, "place", 1000 + seed, count, disturbance=0.0, shift=shift)
    iterations = given.rounds * given.iterations
    words = ["--name", "control", "--parent", "none", "--keep", "all", "--no-promote", "--iterations", iterations]
    a2g("adapt", "expert", *words, *place, *base)
    words = ["--adapter", "control", "--shift", shift, "--episodes", given.evaluation, "--seed", seed]
    result: dict[str, Any] = a2g("evaluate", *words, *place, *base)["results"][0]
    return result


def one(shift: str, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """Return one improvement run and its control, in a workspace of their own."""
    base = ["--base", given.base] if given.base else []
    with tempfile.TemporaryDirectory() as folder:
        place = ["--workspace", folder]
        words = ["--shift", shift, "--rounds", given.rounds, "--episodes", given.episodes, "--seed", seed]
        words += ["--iterations", given.iterations, "--evaluation", given.evaluation]
        run = a2g("improve", *words, *place, *base)
        return {"seed": seed, **run, "control": control(shift, seed, given, place, base)}


def show(result: dict[str, Any]) -> str:
    """Return a rate and its interval."""
    return f"{result['rate']:.2f} [{result['interval'][0]:.2f}, {result['interval'][1]:.2f}]"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shift", action="append", help="repeatable; remounted otherwise")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds, 7 upwards")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--evaluation", type=int, default=100)
    parser.add_argument("--base")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    shifts = given.shift or ["remounted"]
    table = {shift: [one(shift, 7 + i, given) for i in range(given.seeds)] for shift in shifts}
    if given.json:
        print(json.dumps(table, indent=2))
        return
    print("| shift | seed | before | after | control | home before | home after | episodes | rollouts | adapting |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for shift, runs in table.items():
        for run in runs:
            home = run["in_distribution"]
            cells = [
                show(result) for result in (run["before"], run["after"], run["control"], home["before"], home["after"])
            ]
            episodes = sum(done["episodes"] + done["gate_episodes"] for done in run["rounds"])
            spent = [sum(done[key] for done in run["rounds"]) for key in ("rollout_seconds", "adapt_seconds")]
            cells += [str(episodes), *(f"{seconds:.0f} s" for seconds in spent)]
            print(f"| {shift} | {run['seed']} | {' | '.join(cells)} |")
            verdicts = ", ".join("promoted" if done["promoted"] else "refused" for done in run["rounds"])
            practice = ", ".join(f"{done['practice_successes']}/{given.episodes}" for done in run["rounds"])
            print(f"  rounds: {verdicts}; success in practice: {practice}")


if __name__ == "__main__":
    main()
