"""Success before any practice: in distribution and under each shift, beside a random and a do-nothing policy.

    python benchmarks/shifts.py [--episodes 100] [--seed 7] [--base DIR] [--scene NAME] [--shift NAME ...] [--json]

Held-out starts and goals, the same in every row; starts that already satisfy their goal do not occur.
"""

import argparse
import json
import subprocess
import sys

SHIFTS = ("none", "camera-bump", "base-pose", "new-object", "lighting", "actuator-gain", "combined", "unseen")


def evaluate(shift: str, given: argparse.Namespace) -> list[dict[str, object]]:
    """Return the results of none, random and still under ``shift``."""
    words = [
        "evaluate",
        "--scene",
        given.scene,
        "--shift",
        shift,
        "--episodes",
        str(given.episodes),
        "--seed",
        str(given.seed),
        "--json",
    ]
    for name in ("base", "random", "still"):
        words += ["--adapter", name]
    if given.base:
        words += ["--base", given.base]
    done = subprocess.run([sys.executable, "-m", "a2g_cli", *words], stdout=subprocess.PIPE, text=True, check=True)
    results: list[dict[str, object]] = json.loads(done.stdout)["results"]
    return results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--base")
    parser.add_argument("--scene", default="place")
    parser.add_argument("--shift", action="append", help="repeatable; every shift otherwise")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    table = {shift: evaluate(shift, given) for shift in given.shift or SHIFTS}
    if given.json:
        print(json.dumps(table, indent=2))
        return
    print(
        f"| shift | base | random | still |   (n = {given.episodes}, seed {given.seed}, 95 % intervals)\n|---|---|---|---|"
    )
    for shift, rows in table.items():
        cells = [f"{row['rate']:.2f} [{row['interval'][0]:.2f}, {row['interval'][1]:.2f}]" for row in rows]  # type: ignore[index]
        print(f"| {shift} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
