"""One goal, practised: success on held-out starts of this goal after each round, by hindsight and LoRA alone.

    python benchmarks/single_goal.py [--scene plug] [--shift unseen:1.5] [--goal-seed 905]
        [--keep photo|oracle|judge|best|all] [--cut photo|head|none] [--rounds 4] [--episodes 40]
        [--iterations 100] [--per-step 0] [--temperature 1] [--lasting 0] [--fading 1]
        [--last-temperature T] [--lr 1e-3]
        [--relabel final:0.5,future:0.5] [--slack 1] [--best 0.25] [--going-on] [--decay tenth|cosine|none] [--ema 0]
        [--cotrain 0] [--rest 0] [--rank 16] [--tau 5] [--balance] [--photo] [--aim 0] [--anew] [--evaluation 100] [--seed 0]
        [--work DIR]

The goal is the one of `a2g capture-goal --seed GOAL_SEED`. Every start is drawn for it; practice, its rounds and evaluation
have streams of their own, the same for every setting. The truth of the simulator is asked for evaluation, and by
`--keep oracle`, which imitates the episodes that succeeded and so separates the recipe from its judge. `judge`: those whose
nearest frame has fewer than SLACK times the base's `arrived_below` steps left, by the base's head; `best`: the share of all
episodes with the fewest; `photo`: those that `calibration/photo_judge.py` calls successes, each round judged by itself.
It is imitated up to the frame nearest to the goal by the base's head (`--cut head`), to the one at which the photo was
matched best (`photo`; the arm is then still at work, where the photo shows it at rest), or to its end. With `--rest` that
share of a batch is of the episodes that are not kept, whole, towards what they reached. `--lasting`:
noise that an episode keeps (`ActingSettings.persistent_noise`).
What the base reaches on a goal is kept in --work.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from single_goal_learner import DECAYS, Learner

from a2g_cli.calibration.photo_judge import PhotoVerdict, judge_recordings
from a2g_cli.core.types import Goal, Provenance
from a2g_cli.encoding.episodes import EncodedEpisode, encode_episode
from a2g_cli.encoding.segments import Segments, balance, join
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.robots.base import Robot, Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.evaluation import instrumented, jobs_for, wilson
from a2g_cli.runtime.recorder import Recorder
from a2g_cli.runtime.rollout import roll_out
from a2g_cli.runtime.sink import NullSink
from a2g_cli.runtime.termination import RolloutSettings, limit_for
from a2g_cli.training.batch_sources import HindsightBC
from a2g_cli.training.retention_set import load_retention_set

LANES = 10
EVALUATION, PRACTICE = 777, 5000
"""Seeds of the held-out starts, and of the first round's."""


@dataclass(eq=False)
class Practised:
    """An episode of practice."""

    episode: EncodedEpisode
    success: bool
    """By the truth: for ``--keep oracle`` and to count, never for the judge."""
    start: int
    """Number of its start."""
    photo: PhotoVerdict
    """What the photo judge says of it."""

    def segments(self, cut: str) -> Segments:
        """Return what is imitated of it, up to where ``cut`` says."""
        if cut == "head":
            return self.episode.segments
        whole = self.episode.whole
        return whole if cut == "none" else replace(whole, length=torch.tensor([max(1, self.photo.frame)]))


class World:
    """One goal in one deployment, and what happens there."""

    def __init__(self, robots: Sequence[Robot], goal: Goal, bound: float) -> None:
        self.robots, self.goal = robots, goal
        limit = limit_for(robots[0], RolloutSettings())
        self._practice = RolloutSettings(limit=limit, arrived_below=bound)
        self.evaluation = RolloutSettings(limit=limit, stop_on_truth=True)

    def trials(self, seed: int, numbers: Sequence[int], repeat: int = 0) -> list[Trial]:
        """Return a trial for each start number of ``seed``'s stream; ``repeat`` changes the noise of the policy alone."""
        robot = instrumented(self.robots[0])
        index = repeat * 10_000
        return [Trial("practice", seed, index + k, robot.start_for(self.goal, seed, k), self.goal) for k in numbers]

    def evaluate(self, model: Act2Goal, n: int, temperature: float) -> list[int]:
        """Return which of the ``n`` held-out starts were solved."""
        policy = Act2GoalPolicy(model, ActingSettings(temperature=temperature))
        jobs = jobs_for(self.trials(EVALUATION, range(n)), lambda _trial, _robot: NullSink())
        outcomes = roll_out(self.robots, jobs, policy, self.evaluation)
        return sorted(i for i, outcome in outcomes if outcome.success)

    def practise(
        self, model: Act2Goal, base: Act2Goal, trials: Sequence[Trial], temperature: float, lasting: float = 0.0
    ) -> list[Practised]:
        """Roll ``model`` out with its noise and return what was recorded, encoded by ``base``."""
        policy = Act2GoalPolicy(model, ActingSettings(temperature=temperature, persistent_noise=lasting))
        with tempfile.TemporaryDirectory() as folder:
            paths = {trial.index: Path(folder) / f"episode-{trial.index:06d}.hdf5" for trial in trials}

            def sink(trial: Trial, robot: Robot) -> Recorder:
                made_by = Provenance(robot=robot.spec.name, policy=policy.name, seed=trial.seed)
                return Recorder(paths[trial.index], robot.spec, trial.goal, made_by)

            success = {}
            for i, outcome in roll_out(self.robots, jobs_for(trials, sink), policy, self._practice):
                success[i] = bool(outcome.success)
            recorded = [paths[trial.index] for trial in trials]
            _, verdicts = judge_recordings(recorded, base.config.cameras, base.config.size)
            return [
                Practised(encode_episode(base, paths[trial.index]), success[i], trial.index % 10_000, verdict)
                for i, (trial, verdict) in enumerate(zip(trials, verdicts, strict=True))
            ]


def chosen(practised: Sequence[Practised], given: argparse.Namespace, bound: float) -> list[Practised]:
    """Return what is imitated."""
    if given.keep == "photo":
        return [one for one in practised if one.photo.success]
    if given.keep == "oracle":
        return [one for one in practised if one.success]
    if given.keep == "judge":
        return [one for one in practised if one.episode.steps_left < given.slack * bound]
    if given.keep == "best":
        ranked = sorted(practised, key=lambda one: one.episode.steps_left)
        return ranked[: max(1, round(given.best * len(ranked)))]
    return list(practised)


def source(
    kept: Sequence[Practised], rest: Sequence[Practised], model: Act2Goal, given: argparse.Namespace
) -> HindsightBC:
    """Return the batches.

    With ``--balance`` each episode is as likely as any other, however long it is. With ``--photo`` the goal photo stands in
    the place of the last frame: who succeeded has reached what the photo shows, and the photo is what the policy is given.
    """
    segments = join([one.segments(given.cut) for one in kept])
    if given.photo:
        latents = segments.latents.clone()
        latents[segments.first + segments.length] = torch.stack([one.episode.goal for one in kept]).to(latents.dtype)
        segments = replace(segments, latents=latents)
    if given.balance:
        segments = replace(segments, sampling_weights=1.0 / segments.length.double())
    if given.rest and rest:
        whole = [one.episode.whole for one in rest]
        groups = ["kept"] * len(kept) + ["rest"] * len(rest)
        segments = balance(join([segments, *whole]), groups, {"kept": 1 - given.rest, "rest": given.rest})
    return HindsightBC(segments, model, given.tau)


def practice_trials(
    world: World, given: argparse.Namespace, number: int, before: Sequence[Practised], bound: float
) -> list[Trial]:
    """Return a round's trials: drawn starts, and, with ``--aim``, that share of starts that failed the round before."""
    seed = PRACTICE + 100 * given.seed
    kept = chosen(before, given, bound)
    failed = [one.start for one in before if one not in kept]
    again = failed[: round(given.aim * given.episodes)]
    fresh = [number * given.episodes + k for k in range(given.episodes - len(again))]
    return world.trials(seed, fresh) + world.trials(seed, again, repeat=number)


def before(world: World, base: Act2Goal, given: argparse.Namespace) -> list[int]:
    """Return the starts that the base solves, from --work where they are known."""
    what = (given.scene, given.shift.replace(":", "-"), given.goal_seed, f"n{given.evaluation}", given.test_temperature)
    path: Path = given.work / f"{'-'.join(map(str, what))}-{checkpoint.fingerprint(checkpoint.SHIPPED)}-solved.json"
    if not path.exists():
        solved = world.evaluate(base, given.evaluation, given.test_temperature)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(solved) + "\n", encoding="utf-8")
    known: list[int] = json.loads(path.read_text(encoding="utf-8"))
    return known


def run(world: World, given: argparse.Namespace) -> None:
    """Practise, and print a line for each round."""
    base, bound = checkpoint.load(checkpoint.SHIPPED), checkpoint.arrived_below(checkpoint.SHIPPED)
    home = load_retention_set(checkpoint.SHIPPED) if given.cotrain else None
    home = None if home is None else home.of(world.robots[0].spec.name)
    print(f"{vars(given)}")
    at_first = before(world, base, given)
    print(f"before: {rate(len(at_first), given.evaluation)}", flush=True)
    acting, learner = base, Learner(given.rank, given.seed, given.placement)
    practised: list[Practised] = []
    spent, last = 0.0, given.temperature if given.last_temperature is None else given.last_temperature
    for number in range(given.rounds):
        begun = time.monotonic()
        temperature = given.temperature + (last - given.temperature) * number / max(1, given.rounds - 1)
        trials = practice_trials(world, given, number, practised[-given.episodes :], bound)
        new = world.practise(acting, base, trials, temperature, given.lasting * given.fading**number)
        practised = new if given.anew else practised + new
        kept = chosen(practised, given, bound)
        rolled, loss, iterations = time.monotonic() - begun, float("nan"), 0
        if kept:
            steps = sum(one.episode.segments.transitions for one in kept)
            iterations = given.iterations + round(given.per_step * steps)
            seed = given.seed * 1000 + number
            if not given.going_on:
                learner = Learner(given.rank, seed, given.placement)
            rest = [one for one in practised if one not in kept]
            loss = learner.train(source(kept, rest, base, given), home, given, iterations, seed)
            acting = learner.merged()
        seconds = time.monotonic() - begun
        spent += seconds
        solved = world.evaluate(acting, given.evaluation, given.test_temperature)
        lost = len(set(at_first) - set(solved))
        true = sum(one.success for one in kept)
        print(
            f"round {number}: practice {sum(one.success for one in new)}/{len(new)} at {temperature:.2f}, kept {len(kept)}"
            f" (true {true} of {sum(one.success for one in practised)}), {iterations} iterations, loss {loss:.2f};"
            f" held-out {rate(len(solved), given.evaluation)}, lost {lost} of the base's {len(at_first)};"
            f" rollout {rolled:.0f} s, training {seconds - rolled:.0f} s,"
            f" so far {spent:.0f} s",
            flush=True,
        )


def rate(successes: int, n: int) -> str:
    """Return a rate and its interval."""
    low, high = wilson(successes, n)
    return f"{successes / n:.2f} [{low:.2f}, {high:.2f}] (n = {n})"


def options() -> argparse.ArgumentParser:
    """Return the parser of the settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", default="plug")
    parser.add_argument("--shift", default="unseen:1.5")
    parser.add_argument("--goal-seed", type=int, default=905)
    parser.add_argument("--keep", choices=("photo", "oracle", "judge", "best", "all"), default="photo")
    parser.add_argument("--cut", choices=("photo", "head", "none"), default="head", help="where an episode ends")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--episodes", type=int, default=40, help="a round")
    parser.add_argument("--iterations", type=int, default=100, help="of a round's training")
    parser.add_argument(
        "--per-step", type=float, default=0.0, help="further iterations for each transition that is kept"
    )
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--temperature", type=float, default=1.0, help="while practising")
    parser.add_argument(
        "--lasting", type=float, default=0.0, help="noise that is the same throughout an episode of practice"
    )
    parser.add_argument("--fading", type=float, default=1.0, help="factor of it from round to round")
    parser.add_argument("--last-temperature", type=float, help="in the last round; linear between")
    parser.add_argument("--test-temperature", type=float, default=0.3)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--decay", choices=tuple(DECAYS), default="tenth")
    parser.add_argument("--ema", type=float, default=0.0, help="decay of the average of the adapter's weights; 0: none")
    parser.add_argument("--relabel", default="final:0.5,future:0.5")
    parser.add_argument("--slack", type=float, default=1.0, help="bound of the judge in units of the base's own")
    parser.add_argument("--best", type=float, default=0.25, help="share that --keep best keeps")
    parser.add_argument(
        "--going-on", action="store_true", help="train the same adapter further; else a new one a round"
    )
    parser.add_argument(
        "--anew", action="store_true", help="learn from the round's own episodes alone, as the paper does"
    )
    parser.add_argument("--cotrain", type=float, default=0.0, help="share of the base's own demonstrations in a batch")
    parser.add_argument("--rest", type=float, default=0.0, help="share of a batch of what is not kept, in hindsight")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--placement", choices=("all", "expert", "world-model"), default="all")
    parser.add_argument(
        "--tau", type=float, default=5.0, help="of the weights that slow ways get [steps]; 0: all weigh 1"
    )
    parser.add_argument("--balance", action="store_true", help="every episode is as likely, however long")
    parser.add_argument("--photo", action="store_true", help="the goal photo in the place of each episode's last frame")
    parser.add_argument("--aim", type=float, default=0.0, help="share of starts that failed the round before")
    parser.add_argument("--evaluation", type=int, default=100, help="held-out starts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("training/single-goal"))
    return parser


def main() -> None:
    """Read the settings, practise and print."""
    given = options().parse_args()
    torch.set_num_threads(1)
    robots: list[Robot] = [SimRobot(given.scene, given.shift) for _ in range(LANES)]
    with ExitStack() as stack:
        for robot in robots:
            stack.callback(robot.close)
            robot.connect()
        goal = instrumented(robots[0]).trial("practice", given.goal_seed, 0).goal
        run(World(robots, goal, checkpoint.arrived_below(checkpoint.SHIPPED)), given)


if __name__ == "__main__":
    main()
