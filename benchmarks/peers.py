"""Peers of an a2g base: trained on the same demonstrations for the same time, judged on the same held-out starts and goals.

    python benchmarks/peers.py SESSION --robot metaworld:reach-v3 [--workspace DIR] [--base a2g=DIR ...] [--minutes 20]
        [--peers cloning act diffusion] [--settings act=1 ...] [--threads 1] [--episodes 50] [--seed 7] [--json FILE]
    python benchmarks/peers.py SESSION --scene plug ...

`cloning` is `a2g pretrain --preset cloning`: goal-conditioned behaviour cloning. `act` and `diffusion` are LeRobot's ACT and
diffusion policy, in sizes for a CPU (benchmarks/peers_lerobot.py says which): pip install 'lerobot>=0.4.4,<0.5'
'transformers>=4.57,<5'. Bases that exist are given by --base. All train on the demonstrations that `a2g pretrain` trains on,
which leaves out those that it measures itself by. --minutes is wall clock time; the processor's time stands beside it, which
shows whether the machine was busy with something else. Cloning's times hold what `a2g pretrain` does before and after
training. Recordings are read from SESSION, a folder or a session's name in --workspace; the base that is trained is kept in
--work.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peers_lerobot as lerobot
import torch

from a2g_cli.adapters.registry import BASE, AdapterRegistry
from a2g_cli.cli.commands.deployment import Deployment
from a2g_cli.cli.commands.pretrain_plan import split_off
from a2g_cli.core.errors import A2GError, UsageError
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.sessions import Session
from a2g_cli.policies.base import Policy
from a2g_cli.robots.base import Robot, Trial
from a2g_cli.runtime.evaluation import draw_trials, evaluate
from a2g_cli.runtime.policy_factory import PolicyFactory
from a2g_cli.runtime.termination import RolloutSettings
from a2g_cli.training.pretrain_settings import PretrainSettings

CLONING = "cloning"
LANES = 8
"""Episodes that an a2g policy plans in one batch; LeRobot's remember one episode."""


@dataclass(frozen=True)
class Contestant:
    """Who is judged."""

    name: str
    policy: Policy
    lanes: int
    about: dict[str, Any]
    """What its training took, for the table and --json."""


def session_of(workspace: Workspace, name: str) -> Session:
    """Return the session called ``name``, or the one that is the folder ``name``. Raises UsageError."""
    folder = Path(name) if Path(name).is_dir() else workspace.sessions / name
    if not folder.is_dir():
        raise UsageError(f"there is no session {name!r}: expected a folder, or one of {workspace.sessions}.")
    return Session(folder)


def trained_on(session: Session) -> list[Path]:
    """Return the recordings that ``a2g pretrain`` would train on."""
    paths = session.recordings()
    held = split_off(paths, [session.name] * len(paths), PretrainSettings().held_out)
    return [path for path, out in zip(paths, held, strict=True) if not out]


def clone(session: Session, given: argparse.Namespace) -> tuple[Path, dict[str, Any]]:
    """Return the base that ``a2g pretrain --preset cloning`` makes, and what it took. Raises UsageError if it fails."""
    out = given.work / f"{session.name}-{CLONING}-{given.minutes:g}"
    words = ["pretrain", session.folder, "--preset", CLONING, "--minutes", given.minutes, "--out", out, "--seed", 0]
    if out.exists():
        raise UsageError(
            f"{out} exists: a training that was done before says nothing of its time; choose another --work."
        )
    line = [sys.executable, "-m", "a2g_cli", *map(str, words), "--json"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    threads = {"OMP_NUM_THREADS": str(given.threads)}
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=False, env={**os.environ, **threads})
    if done.returncode:
        raise UsageError(
            f"`a2g pretrain --preset {CLONING}` failed: {json.loads(done.stdout or '{}').get('error', '?')}"
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return out / "checkpoint", {"wall_seconds": time.monotonic() - began, "cpu_seconds": cpu}


def of_base(name: str, folder: Path, robot: Robot, work: Path, about: dict[str, Any]) -> Contestant:
    """Return the contestant that a base is. Raises CheckpointError where it does not fit the robot."""
    policy = PolicyFactory(folder, AdapterRegistry(Workspace(work)), robot.spec).get(BASE)
    return Contestant(name, policy, LANES, about)


def of_lerobot(kind: str, session: Session, robot: Robot, given: argparse.Namespace) -> Contestant:
    """Train one of LeRobot's policies. Raises UsageError where LeRobot is missing, or the robot is another one."""
    data = lerobot.Demonstrations.read(trained_on(session))
    if (data.spec.action_names, data.spec.cameras) != (robot.spec.action_names, robot.spec.cameras):
        raise UsageError(f"{session.name} holds demonstrations of {data.spec.name}, not of {robot.spec.name}.")
    setting, began = given.settings.get(kind, 0), time.monotonic()
    done = lerobot.train(kind, setting, data, given.minutes, 0, lambda text: print(text, file=sys.stderr, flush=True))
    about = {
        "setting": setting,
        "steps": done.steps,
        "parameters": done.parameters,
        "losses": [round(one, 5) for one in done.losses],
        "wall_seconds": time.monotonic() - began,
        "cpu_seconds": done.cpu_seconds,
    }
    return Contestant(kind, done.policy, 1, about)


def judged(contestant: Contestant, robots: Sequence[Robot], trials: Sequence[Trial]) -> dict[str, Any]:
    """Roll a contestant out on the trials; return its row."""
    settings = RolloutSettings(stop_on_truth=True)
    result = evaluate(contestant.name, contestant.policy, robots[: contestant.lanes], trials, settings)
    row = {key: value for key, value in result.to_json().items() if key != "adapter"}
    return {"policy": contestant.name, **row, "training": contestant.about}


def line(row: dict[str, Any]) -> str:
    """Return a row of the table."""
    about, (low, high) = row["training"], row["interval"]
    times = [f"{about[key]:.0f}" if key in about else "-" for key in ("wall_seconds", "cpu_seconds", "steps")]
    name = f"{row['policy']} {about['setting']}" if "setting" in about else row["policy"]
    return f"| {name} | {row['successes']} of {row['n']} | {row['rate']:.2f} [{low:.2f}, {high:.2f}] | {' | '.join(times)} |"


def compare(given: argparse.Namespace) -> dict[str, Any]:
    """Train and judge everybody, one after the other; print the table as it grows. Return all that was measured."""
    torch.set_num_threads(given.threads)
    workspace = Workspace(given.workspace)
    session = session_of(workspace, given.session)
    deployment = Deployment.choose(workspace, given.robot, scene=given.scene, shift=given.shift)
    if any(kind in lerobot.SETTINGS for kind in given.peers):  # a missing LeRobot is said before anything is trained
        with closing(deployment.make()) as robot:
            lerobot.configured("act", 0, robot.spec)
    rows = []
    with deployment.connected(lanes=min(LANES, given.episodes)) as robots:
        trials = draw_trials(robots[0], "evaluation", given.seed, given.episodes)
        print(f"{robots[0].spec.name}, {len(trained_on(session))} demonstrations, {given.minutes:g} minutes each\n")
        print("| policy | success | rate | wall [s] | processor [s] | steps |\n|---|---|---|---|---|---|", flush=True)
        for name, folder in given.base:
            rows.append(judged(of_base(name, folder, robots[0], given.work, {}), robots, trials))
            print(line(rows[-1]), flush=True)
        for kind in given.peers:
            if kind == CLONING:
                base, about = clone(session, given)
                contestant = of_base(kind, base, robots[0], given.work, about)
            else:
                contestant = of_lerobot(kind, session, robots[0], given)
            rows.append(judged(contestant, robots, trials))
            print(line(rows[-1]), flush=True)
        about = {"robot": robots[0].spec.name, "session": session.name, "seed": given.seed, "minutes": given.minutes}
    return {**about, "threads": given.threads, "results": rows}


def pair(text: str) -> tuple[str, str]:
    """Return both sides of ``NAME=VALUE``."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=VALUE")
    return name, value


def parsed(words: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("session", help="demonstrations: a folder, or a session's name")
    parser.add_argument("--robot", help="a robot with a world; without it, the simulator")
    parser.add_argument("--scene", help="of the simulator")
    parser.add_argument("--shift", help="how the robot differs from the demonstrations'")
    parser.add_argument("--workspace", type=Path, default=Path())
    parser.add_argument("--base", type=pair, action="append", default=[], metavar="NAME=DIR")
    kinds = (CLONING, *lerobot.SETTINGS)
    parser.add_argument("--peers", nargs="*", choices=kinds, default=list(kinds))
    parser.add_argument("--settings", type=pair, nargs="*", default=[], metavar="PEER=N")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--episodes", type=int, default=50)
    parser.add_argument("--seed", type=int, default=7, help="of the held-out trials")
    parser.add_argument("--work", type=Path, default=Path("training/peers"))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(words)
    if given.minutes <= 0 or given.threads < 1 or given.episodes < 1:
        parser.error("--minutes, --threads and --episodes: expected more than 0")
    for kind, number in given.settings:
        if number not in ("0", "1") or kind not in lerobot.SETTINGS:
            parser.error(f"--settings {kind}={number}: expected {' or '.join(lerobot.SETTINGS)}, and 0 or 1")
    given.base = [(name, Path(folder)) for name, folder in given.base]
    given.settings = {kind: int(number) for kind, number in given.settings}
    return given


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    given = parsed(words)
    try:
        found = compare(given)
    except A2GError as error:
        raise SystemExit(str(error)) from error
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
