"""What the policy is worth: success beside its peers, the plan's shape, the plans themselves, and what planning costs.

    python benchmarks/policy.py --policy act2goal=DIR --policy flat=DIR --policy cloning=DIR --nearest DEMONSTRATIONS ...
        [--ablation NAME=DIR ...] [--only success ...] [--scene NAME ...] [--shift none ...] [--episodes 100] [--seed 7]
        [--processes 2] [--work training/benchmark] [--json FILE]

Held-out starts and goals, the same for every policy; a start that satisfies its goal would stop the run. The same name given
several times is several seeds of training. Replay (`--nearest`, folders of recordings) looks through the first act2goal's
autoencoder; its metric is chosen on demonstrations left out and on practice trials, never on those that judge. What was
rolled out is kept in --work, by everything that it depends on: the same command goes on where it was stopped. Demonstrations
that score the plans are recorded there too, from a seed that no base is trained on. What training costs is printed by
`benchmarks/training.py`.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import policy_tables as tables
import torch
from nearest import Memory, NearestSettings
from nearest_choice import choose
from plan_scores import score_plans
from policy_runs import (
    BASELINES,
    Cache,
    Player,
    acting_code,
    blocks,
    by_name,
    of_checkpoint,
    outcomes,
    roll_all,
    scene_version,
    tuned,
    with_settings,
)

from a2g_cli.core import plugins
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import Session
from a2g_cli.encoding.frames import encode_recording, encode_recordings, recordings_hash
from a2g_cli.models import checkpoint
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.policies.base import PlanRequest, Policy
from a2g_cli.robots.sim import SimRobot
from a2g_cli.training.demonstrations import record_demonstrations

SECTIONS = ("success", "ablation", "plans", "time")
PLANS_SEED = 20_007
"""Of the demonstrations that score plans."""
FINALISTS = 8
"""Metrics of replay that are tried on practice trials, of all that are tried on demonstrations."""
STEPS = (1, 2, 3, 5, 10)
"""Denoising steps that are timed."""


def named(shift: str) -> str:
    """Return what the tables call a shift."""
    return {"none": "ID", "unseen": "OOD"}.get(shift, shift)


def deployments(given: argparse.Namespace) -> list[tuple[str, str]]:
    """Return all (scene, shift)."""
    return [(scene, shift) for scene in given.scene for shift in given.shift]


def replaying(looks: Player, given: argparse.Namespace, known: Cache) -> Player:
    """Return the player that replays demonstrations, its memory made and its metric chosen."""
    paths = [path for folder in given.nearest for path in Session(folder).recordings()]
    if not paths:
        raise SystemExit(f"--nearest: no recordings in {', '.join(map(str, given.nearest))}.")
    print(f"reading {len(paths)} demonstrations", file=sys.stderr)
    key = f"{looks.hash}-{recordings_hash(paths)}"
    file = given.work / f"memory-{key}.safetensors"
    model = checkpoint.load(Path(looks.folder))
    if not file.exists():
        given.work.mkdir(parents=True, exist_ok=True)
        sample = encode_recordings(model, paths[:: max(1, len(paths) // 150)])
        Memory.of((encode_recording(model, path) for path in paths), sample).save(file)
    player = Player("nearest", key, looks.folder, str(file.resolve()))
    asked = {"choose": key, "settings": asdict(NearestSettings())}
    if asked not in known:
        memory = Memory.load(file)
        left_out = range(0, len(memory.length), max(12, len(memory.length) // 400))
        ranked = choose(memory, left_out)[:FINALISTS]
        known[asked] = [{**asdict(settings), "error": round(error, 4)} for settings, error in ranked]
    finalists = [{k: v for k, v in one.items() if k != "error"} for one in known[asked]]
    factory = [with_settings(player, NearestSettings(**one)) for one in finalists]
    return tuned(factory, given.scene, known, given.tuning, given.processes)


def success(factory: Mapping[str, Sequence[Player]], given: argparse.Namespace, known: Cache) -> dict[str, Any]:
    """Return policy -> deployment -> pooled result."""

    def trials(player: Player, scene: str, shift: str) -> list[Any]:
        return blocks(player, scene, shift, "evaluation", given.seed, given.episodes)

    everybody = [p for seeds in factory.values() for p in seeds]
    roll_all((b for where in deployments(given) for p in everybody for b in trials(p, *where)), known, given.processes)
    return {
        name: {
            f"{scene} {named(shift)}": tables.pooled([outcomes(trials(p, scene, shift), known)[0] for p in seeds])
            for scene, shift in deployments(given)
        }
        for name, seeds in factory.items()
    }


def ablation(plans: Mapping[str, Sequence[Player]], given: argparse.Namespace, known: Cache) -> dict[str, Any]:
    """Return plan -> deployment -> group of trials -> pooled result."""
    scene = given.ablation_scene

    def trials(player: Player, shift: str) -> list[Any]:
        return blocks(player, scene, shift, "evaluation", given.seed, given.ablation_episodes)

    everybody = [p for seeds in plans.values() for p in seeds]
    roll_all((b for shift in given.shift for p in everybody for b in trials(p, shift)), known, given.processes)
    found: dict[str, Any] = {}
    for name, seeds in plans.items():
        for shift in given.shift:
            rolled = [outcomes(trials(player, shift), known) for player in seeds]
            scores = tables.grouped(rolled[0][1], [good for good, _ in rolled])
            found.setdefault(name, {})[f"{scene} {named(shift)}"] = scores
    return found


def plans(player: Player, given: argparse.Namespace, known: Cache) -> dict[str, Any]:
    """Return deployment -> plan scores of the first act2goal, over held-out demonstrations."""
    model, found = checkpoint.load(Path(player.folder)), {}
    for scene, shift in deployments(given):
        asked: dict[str, Any] = {"plans": player.hash, "scene": scene, "shift": shift, "version": scene_version(scene)}
        asked |= {"seed": PLANS_SEED, "count": given.plans, "steps": given.imagine_steps, "samples": given.samples}
        if asked not in known:
            print(f"scoring plans of {scene} {shift}", file=sys.stderr, flush=True)
            session = Session(given.work / f"plans-{scene}-{shift}-{scene_version(scene)}")
            record_demonstrations(session, scene, PLANS_SEED, given.plans, processes=given.processes, shift=shift)
            segments, images = held_out(model, session.recordings()[: given.plans])
            scores = score_plans(model, segments, images, given.imagine_steps, given.samples)
            known[asked] = scores.to_json()
        found[f"{scene} {named(shift)}"] = known[asked]
    return found


def held_out(model: Any, paths: Sequence[Path]) -> tuple[Any, torch.Tensor]:
    """Return recordings as segments and as images (N, V, H, W, 3)."""
    images = []
    for path in paths:
        with Recording(path) as recording:
            views = [torch.from_numpy(recording.frames(camera)) for camera in model.config.cameras]
            images.append(torch.stack(views, 1))
    return encode_recordings(model, paths), torch.cat(images)


def seconds(factory: Mapping[str, Sequence[Player]], given: argparse.Namespace) -> dict[str, Any]:
    """Return policy -> denoising steps -> times of a plan [ms]."""
    robot = SimRobot(scene=given.scene[0])
    robot.connect()
    trial = robot.trial("practice", 0, 0)
    robot.begin(trial.start)
    requests = [PlanRequest(robot.observe(), trial.goal, 0, i) for i in range(50)]
    found: dict[str, Any] = {}
    for name, seeds in factory.items():
        if name in BASELINES:
            continue
        if seeds[0].memory:
            found[name] = {"1": timed(seeds[0].policy(robot), requests)}
            continue
        model = checkpoint.load(Path(seeds[0].folder))
        steps = STEPS if model.config.generative else (1,)
        found[name] = {str(n): timed(Act2GoalPolicy(model, ActingSettings(denoising_steps=n)), requests) for n in steps}
    robot.close()
    return found


def timed(policy: Policy, requests: Sequence[PlanRequest]) -> dict[str, float]:
    """Return median and 95th percentile of planning one by one, the first ten left out [ms]."""
    times = []
    for request in requests:
        begun = time.perf_counter()
        policy.plan([request])
        times.append(1000 * (time.perf_counter() - begun))
    times = sorted(times[10:])
    return {"median_ms": round(statistics.median(times), 3), "p95_ms": round(times[int(0.95 * len(times))], 3)}


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", action="append", default=[], metavar="NAME=DIR", help="the shipped base otherwise")
    parser.add_argument("--nearest", nargs="+", type=Path, default=[], metavar="FOLDER")
    parser.add_argument("--ablation", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--ablation-scene", default="write")
    parser.add_argument("--ablation-episodes", type=int, default=300)
    parser.add_argument("--only", action="append", choices=SECTIONS)
    parser.add_argument("--scene", action="append", choices=plugins.known("scene"))
    parser.add_argument("--shift", action="append")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--tuning", type=int, default=50, help="practice trials a scene that choose replay's metric")
    parser.add_argument("--plans", type=int, default=100, help="held-out demonstrations that score the plans")
    parser.add_argument("--imagine-steps", type=int, default=10)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("training/benchmark"))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    given.scene = given.scene or plugins.known("scene")
    given.shift = given.shift or ["none", "unseen"]
    return given


def grouped(given: Sequence[str], option: str) -> dict[str, list[Player]]:
    """Return name -> players of ``NAME=DIR``, those of one name in the order given."""
    found: dict[str, list[Player]] = {}
    for name, folder in by_name(given, option):
        found.setdefault(name, []).append(of_checkpoint(name, folder))
    return found


def main() -> None:
    """Measure and print."""
    given = arguments()
    torch.set_num_threads(1)
    known = Cache(given.work / "results.json")
    bases = grouped(given.policy, "--policy")
    if "act2goal" not in bases:
        bases = {"act2goal": [of_checkpoint("act2goal", checkpoint.SHIPPED)], **bases}
    factory = dict(bases)
    sections = given.only or SECTIONS
    if given.nearest and {"success", "time"} & set(sections):
        factory["nearest"] = [replaying(bases["act2goal"][0], given, known)]
    factory |= {name: [Player(name)] for name in BASELINES}
    shapes = grouped(given.ablation, "--ablation")
    setting = "held-out starts and goals, seed {}, n = {} a seed of training, 95 % Wilson intervals"
    document: dict[str, Any] = {
        "episodes": given.episodes,
        "seed": given.seed,
        "players": {name: [p.identity() for p in seeds] for name, seeds in {**factory, **shapes}.items()},
        "scenes": {scene: scene_version(scene) for scene in given.scene},
    }
    made: dict[str, Callable[[], tuple[Any, Callable[[Any], str]]]] = {
        "success": lambda: (
            success(factory, given, known),
            lambda found: tables.success_table(found, setting.format(given.seed, given.episodes)),
        ),
        "ablation": lambda: (
            ablation(shapes, given, known),
            lambda found: tables.ablation_table(found, setting.format(given.seed, given.ablation_episodes)),
        ),
        "plans": lambda: (plans(bases["act2goal"][0], given, known), tables.plans_table),
        "time": lambda: (seconds(factory, given), tables.time_table),
    }
    for name in sections:
        if name == "ablation" and not shapes:
            continue
        document[name], show = made[name]()
        print(show(document[name]) + "\n", flush=True)
        if given.json:
            given.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if known.stale:
        print(f"{known.stale} blocks were rolled out by other code than {acting_code()} acts by.", file=sys.stderr)


if __name__ == "__main__":
    main()
