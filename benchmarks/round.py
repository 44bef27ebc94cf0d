"""A round's time: 20 practice episodes and 100 LoRA iterations, beside the same work as a plain PEFT training loop.

    python benchmarks/round.py [--shift base-pose:0.8] [--episodes 20] [--iterations 100] [--threads N]

The plain loop is what a user of PEFT would write: one robot, episode after episode; a data set that reads the frames of a
sample from its recording, the autoencoder in the loop, torch's AdamW, batches of the same size. Both learn from the same
recordings, all of them, and plan the same chunks. Beside that: rollouts in a process of their own while another adapts, half
of the threads each, as if practice went on during adaptation. The last line holds a LoRA step's arithmetic against the
matrix rate.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import Event
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode
from training import matrix_rate

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.core.types import Provenance
from a2g_cli.core.workspace import Workspace
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.relabelling import parse_mixture, relabel
from a2g_cli.encoding.episodes import encode_episode
from a2g_cli.encoding.segments import join
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import to_tensor
from a2g_cli.robots.base import Robot, Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.evaluation import draw_trials, jobs_for
from a2g_cli.runtime.policy_factory import PolicyFactory
from a2g_cli.runtime.recorder import Recorder
from a2g_cli.runtime.rollout import roll_out
from a2g_cli.runtime.termination import RolloutSettings
from a2g_cli.training.batch_sources import HindsightBC
from a2g_cli.training.finetune import FinetuneSettings, Finetuning, target_modules
from a2g_cli.training.watcher import Unwatched

LANES = 8
SETTINGS = FinetuneSettings(keep="all", slowness_tau=0.0, held_out=0.0)


def connected(shift: str) -> list[Robot]:
    """Return robots for all lanes."""
    robots: list[Robot] = [SimRobot("place", shift) for _ in range(LANES)]
    for robot in robots:
        robot.connect()
    return robots


def seconds(work: Callable[[], object]) -> float:
    """Return how long ``work`` takes [s]."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def practise(robots: Sequence[Robot], trials: Sequence[Trial], folder: Path) -> list[Path]:
    """Record the base's episodes on ``trials``, in as many lanes as there are robots."""
    folder.mkdir()
    factory = PolicyFactory(checkpoint.SHIPPED, AdapterRegistry(Workspace(folder)), robots[0].spec)
    paths = {trial.index: folder / f"episode-{trial.index:04d}.hdf5" for trial in trials}

    def sink(trial: Trial, robot: Robot) -> Recorder:
        return Recorder(paths[trial.index], robot.spec, trial.goal, Provenance(robot=robot.spec.name, policy="none"))

    limit = RolloutSettings(limit=60, arrived_below=factory.arrived_below("base"))
    for _ in roll_out(robots, jobs_for(trials, sink, folder), factory.get("base"), limit):
        pass
    return list(paths.values())


class Samples(Dataset[dict[str, torch.Tensor]]):
    """Relabelled samples as images, read from their recordings one by one."""

    def __init__(self, paths: Sequence[Path], size: int) -> None:
        self._recordings = [Recording(path) for path in paths]
        self._size, self._chance = size, torch.Generator().manual_seed(0)
        self._hashing = checkpoint.load(checkpoint.SHIPPED).config.hashing
        self._mixture = parse_mixture(SETTINGS.relabel)
        self._lengths = torch.tensor([len(recording) for recording in self._recordings])

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, _: int) -> dict[str, torch.Tensor]:
        """Return one sample: a step as likely as any other, its goal by the relabelling rule."""
        number = int(torch.multinomial(self._lengths.double(), 1, generator=self._chance))
        recording, length = self._recordings[number], self._lengths[number : number + 1]
        step = torch.randint(int(length), (1,), generator=self._chance)
        goal = relabel(self._mixture, length, step, self._chance)
        offsets, mask = self._hashing.action_offsets(goal - step)
        shown = [int(step), int(goal), *(step + self._hashing.frame_offsets(goal - step)[0]).tolist()]
        cameras = recording.cameras
        frames = [torch.stack([torch.from_numpy(recording.frame(name, i)) for name in cameras]) for i in shown]
        return {
            "frames": torch.stack(frames),
            "actions": torch.from_numpy(recording.actions)[step + offsets[0] - 1],
            "mask": mask[0],
            "proprioception": torch.from_numpy(recording.proprioception)[int(step)],
            "steps_to_go": (goal - step)[0],
        }


def plain(paths: Sequence[Path], iterations: int) -> None:
    """Fine-tune with PEFT as its own examples do."""
    model = checkpoint.load(checkpoint.SHIPPED)
    rank = SETTINGS.rank
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=target_modules(model, SETTINGS.placement))
    tuned = get_peft_model(model, config)
    optimiser = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=SETTINGS.lr, weight_decay=0.0)
    for read_in in DataLoader(Samples(paths, iterations * SETTINGS.batch), batch_size=SETTINGS.batch):
        images = read_in.pop("frames")
        with torch.no_grad():
            latents = model.autoencoder.encode(to_tensor(images.flatten(0, 2)))
        latents = latents.view(*images.shape[:3], *latents.shape[1:])
        batch = {**read_in, "now": latents[:, 0], "goal": latents[:, 1], "frames": latents[:, 2:]}
        optimiser.zero_grad()
        loss = model.losses(batch, model.sample_noise(SETTINGS.batch, 0.0, SETTINGS.draws))["action"]
        loss.backward()
        optimiser.step()


def ours(paths: Sequence[Path], iterations: int) -> None:
    """Read the recordings and adapt, as ``a2g adapt`` does."""
    model = checkpoint.load(checkpoint.SHIPPED)
    encoded = [encode_episode(model, path) for path in paths]
    settings = FinetuneSettings(**{**vars(SETTINGS), "iterations": iterations})
    work = Finetuning(model, "base", None, settings)
    batch_source = HindsightBC(join([one.segments for one in encoded]), work.model, settings.slowness_tau)
    work.train(batch_source, [one.name for one in encoded], Unwatched())


def practise_apart(shift: str, episodes: int, folder: Path, threads: int, ready: Event, begin: Event) -> None:
    """Practise in a process of its own: say when everything is loaded, and begin when it is time."""
    torch.set_num_threads(threads)
    robots = connected(shift)
    trials = draw_trials(robots[0], "practice", 7, episodes)
    checkpoint.load(checkpoint.SHIPPED)
    ready.set()
    begin.wait()
    practise(robots, trials, folder)


def at_once(shift: str, episodes: int, folder: Path, paths: Sequence[Path], iterations: int, threads: int) -> float:
    """Return how long rollouts and adaptation take beside each other, half of the threads each [s]."""
    apart = multiprocessing.get_context("spawn")
    ready, begin = apart.Event(), apart.Event()
    half = max(1, threads // 2)
    process = apart.Process(target=practise_apart, args=(shift, episodes, folder, half, ready, begin))
    process.start()
    ready.wait()
    torch.set_num_threads(half)
    begun = time.perf_counter()
    begin.set()
    ours(paths, iterations)
    process.join()
    took = time.perf_counter() - begun
    torch.set_num_threads(threads)
    if process.exitcode:
        raise SystemExit("the rollouts failed")
    return took


def lora_step(paths: Sequence[Path]) -> tuple[float, float, float]:
    """Return how long a LoRA step takes [s], also with PEFT's own layers [s], both alternating, and its arithmetic [FLOP]."""
    models = [Finetuning(checkpoint.load(checkpoint.SHIPPED), "base", None, SETTINGS).model for _ in range(2)]
    for module in models[1].modules():
        module.__dict__.pop("forward", None)  # what fuse() put before PEFT's
    encoded = [encode_episode(checkpoint.load(checkpoint.SHIPPED), path).segments for path in paths]
    mixture, generator = parse_mixture(SETTINGS.relabel), torch.Generator().manual_seed(0)
    batch = HindsightBC(join(encoded), models[0], 0.0).batch(SETTINGS.batch, mixture, generator)

    def step(model: Act2Goal) -> None:
        model.losses(batch, model.sample_noise(SETTINGS.batch, 0.0, SETTINGS.draws))["action"].backward()

    counter = FlopCounterMode(display=False)
    with counter:
        step(models[0])
    step(models[1])
    fused, plain_peft = (min(times) for times in zip(*[_both(step, models) for _ in range(10)], strict=True))
    return fused, plain_peft, counter.get_total_flops()


def _both(step: Callable[[Act2Goal], None], models: Sequence[Act2Goal]) -> list[float]:
    return [seconds(lambda model=model: step(model)) for model in models]  # type: ignore[misc]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shift", default="base-pose:0.8")
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    robots = connected(given.shift)
    trials = draw_trials(robots[0], "practice", 7, given.episodes)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alone = seconds(lambda: practise(robots[:1], trials, folder / "alone"))
        lanes = seconds(lambda: practise(robots, trials, folder / "lanes"))
        paths = sorted((folder / "lanes").glob("*.hdf5"))
        tuned = seconds(lambda: plain(paths, given.iterations))
        begun = time.perf_counter()
        ours(paths, given.iterations)
        adapted = time.perf_counter() - begun
        both = at_once(given.shift, given.episodes, folder / "apart", paths, given.iterations, given.threads)
        fused, plain_peft, arithmetic = lora_step(paths)
        matrices = matrix_rate(6.0)
    for robot in robots:
        robot.close()
    print(
        f"{given.episodes} episodes, {given.iterations} iterations of batch {SETTINGS.batch}, {given.threads} threads\n"
    )
    print("| part of a round [s] | a2g | plain | ratio |\n|---|---|---|---|")
    rows = {"rollouts": (lanes, alone), "adaptation": (adapted, tuned), "round": (lanes + adapted, alone + tuned)}
    for what, (mine, other) in rows.items():
        print(f"| {what} | {mine:.1f} | {other:.1f} | {other / mine:.1f} |")
    print(f"| rollouts while another adapts | {both:.1f} | - | - |")
    print(f"| LoRA step, beside PEFT's own layers | {fused:.3f} | {plain_peft:.3f} | {plain_peft / fused:.2f} |")
    print(f"\na LoRA step reaches {arithmetic / fused / matrices:.0%} of the matrix rate, {matrices / 1e9:.0f} GFLOP/s")


if __name__ == "__main__":
    main()
