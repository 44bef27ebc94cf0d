"""What benchmarks/policy.py rolls out: players, blocks of trials, and a cache that an interrupted run goes on from."""

import ast
import hashlib
import json
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from nearest import Memory, NearestPolicy, NearestSettings

from a2g_cli.core.errors import SafetyStop
from a2g_cli.models import checkpoint
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.policies.base import Policy
from a2g_cli.policies.baselines import RandomPolicy, StillPolicy
from a2g_cli.robots.base import Purpose, Robot, RobotSpec
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.evaluation import draw_trials, jobs_for
from a2g_cli.runtime.rollout import Job, roll_out
from a2g_cli.runtime.sink import NullSink
from a2g_cli.runtime.termination import RolloutSettings
from a2g_cli.simulator.scenes import find_scene

LANES = 8
BLOCK = 25
"""Trials rolled out, and cached, at once."""
BASELINES: dict[str, Callable[[RobotSpec], Policy]] = {"random": RandomPolicy, "still": StillPolicy}


@dataclass(frozen=True)
class Player:
    """A policy, told in words that another process understands."""

    name: str
    """What the table calls it."""
    hash: str = ""
    """Of what it is made of."""
    folder: str = ""
    """Its checkpoint; for replay, the one whose autoencoder looks."""
    memory: str = ""
    """File of demonstrations to replay."""
    settings: tuple[tuple[str, Any], ...] = ()
    """Of replay."""

    def policy(self, robot: SimRobot) -> Policy:
        """Return it, ready to act. Raises CheckpointError when it does not fit."""
        if self.name in BASELINES:
            return BASELINES[self.name](robot.spec)
        model = checkpoint.load(Path(self.folder))
        checkpoint.check_fits(model.config, robot.spec)
        if self.memory:
            return NearestPolicy(model, Memory.load(Path(self.memory)), NearestSettings(**dict(self.settings)))
        return Act2GoalPolicy(model, ActingSettings())

    def identity(self) -> dict[str, Any]:
        """Return what its results depend on."""
        if self.name in BASELINES:
            return {"floor": self.name}
        acting = dict(self.settings) if self.memory else asdict(ActingSettings())
        return {"hash": self.hash, "acting": acting}


def of_checkpoint(name: str, folder: Path) -> Player:
    """Return the player that a checkpoint is. Raises CheckpointError."""
    return Player(name, checkpoint.fingerprint(folder), str(folder.resolve()))


@dataclass(frozen=True)
class Block:
    """Some trials of one player in one deployment."""

    player: Player
    scene: str
    shift: str
    purpose: Purpose
    seed: int
    first: int
    count: int

    def identity(self) -> dict[str, Any]:
        """Return everything that the outcome depends on, but for the code that acts: see ``acting_code``."""
        rest = {name: value for name, value in vars(self).items() if name != "player"}
        rollout = {**asdict(rollout_settings(self.scene)), "held": None}  # a hand on a key: no setting
        return {**rest, **self.player.identity(), "rollout": rollout, "version": scene_version(self.scene)}


def blocks(player: Player, scene: str, shift: str, purpose: Purpose, seed: int, episodes: int) -> list[Block]:
    """Return trials 0 .. ``episodes`` - 1 in blocks: more episodes later only add to them."""
    return [
        Block(player, scene, shift, purpose, seed, first, min(BLOCK, episodes - first))
        for first in range(0, episodes, BLOCK)
    ]


def rollout_settings(scene: str) -> RolloutSettings:
    """Return when an episode of a scene ends: at the truth, or at the scene's own limit."""
    return RolloutSettings(limit=find_scene(scene).limit, stop_on_truth=True)


@cache
def scene_version(scene: str) -> str:
    """Return a hash of the code that makes a scene what it is: its module and every one of the simulator's that it needs.

    Docstrings, comments and layout do not count, nor do other scenes.
    """
    waiting = [find_scene(scene).__module__, "a2g_cli.robots.sim"]
    seen: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        found = find_spec(name)
        tree = ast.parse(Path(found.origin if found and found.origin else "").read_text(encoding="utf-8"))
        seen[name] = code(tree)
        for target in imported(tree):
            if target.startswith("a2g_cli.simulator.") and target != "a2g_cli.simulator.scenes":
                waiting.append(target)
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:16]


@cache
def acting_code() -> str:
    """Return a hash of the code of networks and policies. Results keep it; other code asks for a word, not for a new run."""
    package = Path(find_spec("a2g_cli").origin).parent  # type: ignore[union-attr, arg-type]
    networks = [package / "models" / f"{name}.py" for name in ("autoencoder", "flow")]
    policies = [package / "policies" / f"{name}.py" for name in ("acting", "act2goal")]
    nearest = Path(__file__).with_name("nearest.py")
    files = [*sorted((package / "models" / "act2goal").glob("*.py")), *networks, *policies, nearest]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    return hashlib.sha256("".join(map(code, trees)).encode()).hexdigest()[:16]


def imported(tree: ast.AST) -> set[str]:
    """Return the modules that a module names in its imports."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {name for name in below if name.startswith("a2g_cli") and name[-1].islower() and _is_module(name)}
            found |= modules or {node.module}
    return found


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def code(tree: ast.AST) -> str:
    """Return a module without its strings that stand alone: what it does, not what it says."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                line for line in body if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
            ]
    return ast.dump(tree)


class Cache:
    """Results by what they depend on, in one JSON file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stale = 0
        """Blocks used whose policies acted by other code than today's."""
        self._known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def __contains__(self, identity: dict[str, Any]) -> bool:
        return self._key(identity) in self._known

    def __getitem__(self, identity: dict[str, Any]) -> Any:
        return self._known[self._key(identity)]["result"]

    def __setitem__(self, identity: dict[str, Any], result: Any) -> None:
        self._known[self._key(identity)] = {"of": identity, "result": result}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".tmp")
        partial.write_text(json.dumps(self._known, indent=1) + "\n", encoding="utf-8")
        partial.replace(self.path)

    @staticmethod
    def _key(identity: dict[str, Any]) -> str:
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]


@dataclass
class _Worker:
    """What a process keeps between blocks: robots are slow to connect, policies slow to load."""

    robots: dict[tuple[str, str], list[SimRobot]] = field(default_factory=dict)
    policies: dict[tuple[Player, str], Policy] = field(default_factory=dict)

    def lanes(self, scene: str, shift: str) -> list[SimRobot]:
        if (scene, shift) not in self.robots:
            for robot in (robot for lanes in self.robots.values() for robot in lanes):
                robot.close()
            self.robots = {(scene, shift): [SimRobot(scene=scene, shift=shift) for _ in range(LANES)]}
            for robot in self.robots[scene, shift]:
                robot.connect()
        return self.robots[scene, shift]

    def policy(self, player: Player, robot: SimRobot) -> Policy:
        key = (player, robot.spec.name)
        if key not in self.policies:
            self.policies = {key: player.policy(robot)}  # the one before is not needed again
        return self.policies[key]


_worker = _Worker()


def _successes(robots: Sequence[Robot], jobs: Sequence[Job], policy: Policy, settings: RolloutSettings) -> list[bool]:
    good = [False] * len(jobs)
    for index, outcome in roll_out(robots, jobs, policy, settings):
        good[index] = bool(outcome.success)
    return good


def _arrives(robot: Robot, job: Job, policy: Policy, settings: RolloutSettings) -> bool:
    """Whether one trial succeeds; one that a guard stops does not."""
    try:
        return _successes([robot], [job], policy, settings)[0]
    except SafetyStop:
        return False


def roll(block: Block) -> dict[str, Any]:
    """Return successes and groups of a block's trials, in order.

    Raises:
        AssertionError: a start satisfies its goal already: such a trial would flatter everybody.
    """
    robots = _worker.lanes(block.scene, block.shift)
    policy = _worker.policy(block.player, robots[0])
    trials = draw_trials(robots[0], block.purpose, block.seed, block.count, block.first)
    for trial in trials:
        robots[0].begin(trial.start)
        assert not robots[0].succeeded(trial.goal), f"{trial.goal.name} is solved before it begins"
    group = getattr(robots[0].task, "group", lambda _truth: "")
    jobs = jobs_for(trials, lambda _trial, _robot: NullSink())
    settings = rollout_settings(block.scene)
    try:
        good = _successes(robots, jobs, policy, settings)
    except SafetyStop:  # it ends all lanes: one by one, so that only the trial that a guard stopped is lost
        good = [_arrives(robots[0], job, policy, settings) for job in jobs]
    groups = [str(group(trial.goal.truth)) for trial in trials]
    return {"success": good, "groups": groups, "code": acting_code()}


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    torch.set_num_threads(1)


def roll_all(wanted: Iterable[Block], known: Cache, processes: int) -> None:
    """Roll out every block that is not known, ``processes`` side by side, and keep each as soon as it is done."""
    missing = list({json.dumps(b.identity(), sort_keys=True): b for b in wanted if b.identity() not in known}.values())
    if not missing:
        return
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin)
    try:
        futures = {pool.submit(roll, block): block for block in missing}
        for done, future in enumerate(as_completed(futures), 1):
            block, result = futures[future], future.result()
            known[block.identity()] = result
            told = f"{block.player.name} {block.scene} {block.shift}: {sum(result['success'])} of {block.count}"
            print(f"[{done}/{len(missing)}] {told}", file=sys.stderr, flush=True)
    finally:
        pool.shutdown(cancel_futures=True)


def outcomes(wanted: Sequence[Block], known: Cache) -> tuple[list[bool], list[str]]:
    """Return successes and groups of all trials of some known blocks, in order."""
    found = [known[block.identity()] for block in wanted]
    known.stale += sum(one["code"] != acting_code() for one in found)
    return [x for one in found for x in one["success"]], [x for one in found for x in one["groups"]]


def tuned(factory: Sequence[Player], scenes: Sequence[str], known: Cache, episodes: int, processes: int) -> Player:
    """Return the player with most successes at practice trials, which are none of those that judge."""
    tried = {p: [b for scene in scenes for b in blocks(p, scene, "none", "practice", 0, episodes)] for p in factory}
    roll_all((block for some in tried.values() for block in some), known, processes)
    return max(factory, key=lambda player: sum(outcomes(tried[player], known)[0]))


def with_settings(player: Player, settings: NearestSettings) -> Player:
    """Return a replaying player that looks for its neighbours otherwise."""
    return replace(player, settings=tuple(asdict(settings).items()))


def by_name(given: Iterable[str], option: str) -> Iterator[tuple[str, Path]]:
    """Yield name and folder of arguments ``NAME=DIR``."""
    for text in given:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise SystemExit(f"{option} {text}: write {option} NAME=DIR.")
        yield name, Path(folder)
