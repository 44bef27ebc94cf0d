"""What a training step costs: its arithmetic as a share of what the machine's matrix multiplication reaches, side by side.

    python benchmarks/training.py [--preset tiny] [--batch 64] [--seconds 10] [--threads N] [--precision bf16] [--compile]

The matrix rate is the best of square products in fp32, with as many threads, whatever the step is computed in. The step's
arithmetic is counted by torch (matrix products and attention, forward and backward); norms, activations, the optimiser and
drawing the batch cost time and count as none.
"""

import argparse
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from a2g_cli.data.relabelling import parse_mixture
from a2g_cli.encoding.segments import Segments
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.presets import preset
from a2g_cli.robots.sim import SimRobot
from a2g_cli.training.device import choose_device
from a2g_cli.training.optimiser import muon_adamw
from a2g_cli.training.state import Average

EPISODES, LENGTH = 200, 60


def rate(work: Callable[[], object], seconds: float) -> float:
    """Return how often ``work`` is done a second."""
    work()
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        work()
        count += 1
    return count / (time.perf_counter() - begun)


def matrix_rate(seconds: float) -> float:
    """Return the best of square fp32 products [FLOP/s]."""
    best = 0.0
    for size in (512, 1024, 2048):
        one, other = torch.randn(size, size), torch.randn(size, size)
        best = max(best, 2 * size**3 * rate(lambda a=one, b=other: a @ b, seconds / 3))  # type: ignore[misc]
    return best


def made_up(model: Act2Goal) -> Segments:
    """Return episodes of noise, as large as real ones."""
    frames = EPISODES * (LENGTH + 1)
    return Segments(
        torch.randn(frames, *model.frame_shape).half(),
        torch.randn(frames, len(model.config.proprioception_names)),
        torch.randn(frames, len(model.config.action_names)),
        torch.arange(EPISODES) * (LENGTH + 1),
        torch.full((EPISODES,), LENGTH),
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--compile", action="store_true")
    given = parser.parse_args()
    on = choose_device("cpu", given.precision, compiled=given.compile)
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    model = Act2Goal(preset(given.preset, SimRobot().spec))
    segments, mixture = made_up(model), parse_mixture("final:0.6,future:0.4")
    model.set_scales(segments.actions, segments.proprioception)
    trained = nn.ModuleDict({"world_model": model.world_model, "expert": model.expert, "steps": model.steps_to_go})
    optimiser, average = muon_adamw(trained.named_parameters(), 0.02, 1e-3), Average(model.state_dict())

    def batch() -> dict[str, torch.Tensor]:
        return segments.batch(given.batch, mixture, model.config.hashing, torch.default_generator)

    def minimised(of: dict[str, torch.Tensor], _: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        losses = model.losses(of, model.sample_noise(given.batch, 0.5, 2))
        with torch.autocast("cpu", enabled=False):
            steps = model.steps_to_go.loss(of["now"], of["goal"], of["steps_to_go"])
        return {"total": losses["action"] + 0.5 * losses["video"] + steps}

    def gradients(of: dict[str, torch.Tensor]) -> None:
        on.backward(of, minimised, list(trained.parameters()))

    def update() -> None:
        optimiser.step(1e-6)
        average.update(model.state_dict())

    drawn = batch()
    counter = FlopCounterMode(display=False)
    with counter:
        gradients(drawn)
    flops = counter.get_total_flops()
    matrices = matrix_rate(given.seconds)
    on.prepare(model.world_model, model.expert)
    begun = time.perf_counter()
    gradients(drawn)
    compiling = f", compiled in {time.perf_counter() - begun:.0f} s" if given.compile else ""
    parts = {
        "drawing the batch": 1 / rate(batch, given.seconds / 3),
        "losses and gradients": 1 / rate(lambda: gradients(drawn), given.seconds),
    }
    gradients(drawn)
    kept = [(p, p.grad) for p in trained.parameters()]

    def step() -> None:
        for parameter, gradient in kept:  # the optimiser lets go of them
            parameter.grad = None if gradient is None else gradient.clone()
        update()

    parts["optimiser and average"] = 1 / rate(step, given.seconds / 3)
    total = sum(parts.values())
    print(f"preset {given.preset}, batch {given.batch}, {given.threads} threads, {given.precision}{compiling}")
    print(f"matrix products {matrices / 1e9:.0f} GFLOP/s; a step counts {flops / 1e9:.1f} GFLOP")
    print("| part of a step | ms | share |\n|---|---|---|")
    for name, seconds in parts.items():
        print(f"| {name} | {1000 * seconds:.0f} | {seconds / total:.0%} |")
    print(
        f"\n{1 / total:.2f} steps a second; {flops / total / matrices:.0%} of the matrix rate, "
        f"losses and gradients alone {flops / parts['losses and gradients'] / matrices:.0%}"
    )


if __name__ == "__main__":
    main()
