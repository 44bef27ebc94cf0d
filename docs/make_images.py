"""Make the images of the pages.

    python docs/make_images.py                     # docs/images/loop.png: a goal, an episode, imagined frames
    python docs/make_images.py --workspace demo    # docs/images/before-after.gif: the same trial before and after practice

The second needs a workspace with an adapter:

    a2g improve --shift remounted:0.8 --rounds 1 --seed 7 --workspace demo
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.core.types import Episode, Observation, Outcome, State, StepTiming, Vector
from a2g_cli.core.workspace import Workspace
from a2g_cli.models import checkpoint
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.policies.base import Imagination, PlanRequest, Policy
from a2g_cli.robots.base import Trial
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.evaluation import draw_trials, jobs_for
from a2g_cli.runtime.policy_factory import PolicyFactory
from a2g_cli.runtime.rollout import roll_out
from a2g_cli.runtime.termination import RolloutSettings

IMAGES = Path(__file__).parent / "images"
SEED = 7
"""Of the held-out trials; `a2g evaluate --seed 7` draws the same ones."""
TRIALS = 20
"""Most trials that are tried until the base fails in one and the adapter succeeds."""
BACKGROUND, INK = "#181818", "#ebebeb"


class Memory:
    """A sink that keeps the episode and the true state after every step."""

    def __init__(self, robot: SimRobot, episode: Episode) -> None:
        self.robot, self.episode = robot, episode
        self.states: list[State] = []

    def begin(self, first: Observation) -> None:
        """Keep the first observation."""
        self.episode.observations.append(first)
        self.states.append(self.robot.state())

    def append(self, requested: Vector, sent: Vector, observation: Observation, timing: StepTiming) -> None:  # noqa: ARG002
        """Keep a step."""
        self.episode.append(requested, sent, observation)
        self.states.append(self.robot.state())

    def imagine(self, step: int, imagination: Imagination) -> None:
        """Keep nothing of it."""

    def finish(self, outcome: Outcome) -> None:
        """Keep the outcome."""
        self.episode.outcome = outcome

    def abandon(self) -> None:
        """Keep what there is."""

    @property
    def success(self) -> bool:
        """Whether the goal was reached, by the simulator's test."""
        return self.episode.outcome is not None and bool(self.episode.outcome.success)


def rolled_out(robot: SimRobot, trial: Trial, policy: Policy, settings: RolloutSettings) -> Memory:
    """Return what happened when ``policy`` acted on ``trial``."""
    memory = Memory(robot, Episode(trial.goal, None, []))  # type: ignore[arg-type]
    list(roll_out([robot], jobs_for([trial], lambda *_: memory), policy, settings))
    return memory


def loop_image() -> None:
    """Draw the robot, a goal, an episode towards it, and what the policy imagined in the middle of it."""
    robot = SimRobot()
    robot.connect()
    trial = draw_trials(robot, "evaluation", SEED, 5)[4]
    model = checkpoint.load()
    episode = rolled_out(robot, trial, Act2GoalPolicy(model), RolloutSettings(limit=60)).episode
    middle, scale = 12, 2
    dreamer = Act2GoalPolicy(model, ActingSettings(imagine_steps=8))
    plan = dreamer.plan([PlanRequest(episode.observations[middle], trial.goal, 0, 0)])[0]
    robot.close()
    close_up = SimRobot(size=480)
    close_up.connect()
    close_up.begin({**trial.start, "tool": [trial.start["block"][0] - 0.02, trial.start["block"][1], 0.11, 1.0]})
    portrait = Image.fromarray(close_up.observe().images["front"])
    close_up.close()

    side, gap, line = 64 * scale, 6, 18
    shown = np.linspace(0, len(episode), 6).astype(int)
    rows = [
        ("the goal", [trial.goal.images["front"]]),
        (f"one episode: steps {', '.join(map(str, shown))}", [episode.observations[i].images["front"] for i in shown]),
        (f"imagined at step {middle}: two near frames, two far ones", plan.imagined["front"]),
    ]
    left = 3 * (side + line + gap)
    page = Image.new("RGB", (left + gap + 6 * (side + gap), left), "white")
    page.paste(portrait.resize((left - gap, left - gap)), (0, 0))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for number, (title, images) in enumerate(rows):
        top = number * (side + line + gap)
        pen.text((left + gap, top + 1), title, fill="#333", font=font)
        for column, image in enumerate(images):
            enlarged = Image.fromarray(np.asarray(image)).resize((side, side), Image.Resampling.NEAREST)
            page.paste(enlarged, (left + gap + column * (side + gap), top + line))
    page.save(IMAGES / "loop.png", optimize=True)


def before_after(workspace: Path, adapter: str, shift: str, size: int) -> None:
    """Animate the first held-out trial in which the base fails and ``adapter`` succeeds."""
    robot = SimRobot(shift=shift)
    robot.connect()
    factory = PolicyFactory(checkpoint.SHIPPED, AdapterRegistry(Workspace(workspace)), robot.spec)
    before, after = factory.get("none"), factory.get(adapter)
    settings = RolloutSettings(stop_on_truth=True)
    for trial in draw_trials(robot, "evaluation", SEED, TRIALS):
        failed, reached = (rolled_out(robot, trial, policy, settings) for policy in (before, after))
        if reached.success and not failed.success:
            break
    else:
        raise SystemExit(f"none of {TRIALS} trials has the base fail and {adapter} succeed")
    robot.close()
    camera = SimRobot(shift=shift, size=2 * size)
    camera.connect()
    frames = list(_frames(camera, trial, failed, reached, size))
    camera.close()
    print(f"trial {trial.index}: {len(failed.states) - 1} steps before, {len(reached.states) - 1} after")  # noqa: T201
    colours = frames[-1].quantize(128)
    indexed = [frame.quantize(palette=colours, dither=Image.Dither.NONE) for frame in frames]
    durations = [*[200] * (len(frames) - 1), 2500]
    IMAGES.mkdir(exist_ok=True)
    indexed[0].save(
        IMAGES / "before-after.gif", save_all=True, append_images=indexed[1:], duration=durations, loop=0, optimize=True
    )


def _frames(camera: SimRobot, trial: Trial, failed: Memory, reached: Memory, size: int) -> Iterator[Image.Image]:
    """Yield goal, base and adapter side by side, every second step; an episode that has ended stays as it ended."""

    def drawn(state: State) -> Image.Image:
        return Image.fromarray(camera.photograph(state)["front"]).resize((size, size), Image.Resampling.LANCZOS)

    goal = drawn(trial.goal.truth or {})
    font, bar, gap = ImageFont.load_default(15), 26, 6
    last = max(len(failed.states), len(reached.states)) - 1
    for step in [*range(0, last, 2), last]:
        page = Image.new("RGB", (3 * size + 2 * gap, size + 2 * bar), BACKGROUND)
        pen = ImageDraw.Draw(page)
        columns = [("photo of the goal", goal, "")]
        for title, episode, end in (
            ("before practice", failed, "failed"),
            ("after one round of practice", reached, "success"),
        ):
            steps = len(episode.states) - 1
            words = f"step {min(step, steps)}" + (f": {end}" if step >= steps else "")
            columns.append((title, drawn(episode.states[min(step, steps)]), words))
        for column, (title, image, words) in enumerate(columns):
            left = column * (size + gap)
            page.paste(image, (left, bar))
            colour = {"failed": "#ff7b6b", "success": "#7bdc7b"}.get(words.split(": ")[-1], INK)
            pen.text((left + 6, 4), title, fill=INK, font=font)
            pen.text((left + 6, bar + size + 4), words, fill=colour, font=font)
        yield page


def main() -> None:
    """Make the image that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, help="make the moving image, with an adapter of this workspace")
    parser.add_argument("--adapter", default="adapter-001")
    parser.add_argument("--shift", default="remounted:0.8")
    parser.add_argument("--size", type=int, default=224, help="height and width of each of the three images [px]")
    asked = parser.parse_args()
    if asked.workspace is None:
        loop_image()
    else:
        before_after(asked.workspace, asked.adapter, asked.shift, asked.size)


if __name__ == "__main__":
    main()
