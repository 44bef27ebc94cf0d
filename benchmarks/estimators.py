"""The errors of what calibrates, on demonstrations that a base was never trained on: for bases of the simulator's scenes.

    python benchmarks/estimators.py [--base DIR] [--scene place --scene plug --scene write] [--episodes 20] [--seed 1]
        [--work training/estimators] [--write]

`a2g pretrain` measures the same on demonstrations that it holds out. Here new ones are recorded, with a seed that no training
used; so it works for a base that was made before there was such a measurement. --write puts the result among the base's facts
(`config.json`), from which `a2g improve` and `a2g adapt` take what to trust; its weights and its hash stay as they are.
"""

import argparse
from pathlib import Path

from a2g_cli.calibration.accuracy import ESTIMATORS
from a2g_cli.calibration.held_out import measure_accuracy
from a2g_cli.calibration.nominal import load_nominal
from a2g_cli.data.recording.sessions import Session
from a2g_cli.encoding.episodes import encode_episode
from a2g_cli.models import checkpoint
from a2g_cli.training.demonstrations import record_demonstrations


def main() -> None:
    """Measure, print, and store if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, default=checkpoint.SHIPPED)
    parser.add_argument("--scene", action="append", help="repeatable; otherwise all three")
    parser.add_argument("--episodes", type=int, default=20, help="demonstrations of each scene")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("training/estimators"))
    parser.add_argument("--write", action="store_true", help="store the errors in the base")
    given = parser.parse_args()
    model, nominal = checkpoint.load(given.base), load_nominal(given.base)
    if nominal is None:
        raise SystemExit(f"{given.base} has no reference data of its training domain: there is nothing to measure.")
    episodes, groups = [], []
    for scene in given.scene or ["place", "plug", "write"]:
        session = Session(given.work / f"{scene}-{given.seed}")
        record_demonstrations(session, scene, given.seed, given.episodes, processes=1)
        episodes += [encode_episode(model, path) for path in session.recordings()]
        groups += [scene] * len(session.recordings())
    found = measure_accuracy(model, nominal, episodes, groups)
    print(f"{len(episodes)} demonstrations, seed {given.seed}, base {checkpoint.fingerprint(given.base)}\n")
    print(
        "| estimator | error | guessing | what it finds where nothing was moved | n | used |\n|---|---|---|---|---|---|"
    )
    for name, one in found.items():
        bias = ", ".join(f"{value:.3g}" for value in one.bias)
        cells = (name, f"{one.error:.3g} {one.unit}", f"{one.guess:.3g} {one.unit}", bias, one.n)
        print(f"| {' | '.join(map(str, cells))} | {'yes' if one.trusted else 'no'} |")
    if given.write:
        checkpoint.add_facts(given.base, {ESTIMATORS: {name: one.to_json() for name, one in found.items()}})


if __name__ == "__main__":
    main()
