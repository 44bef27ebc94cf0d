"""Make docs/images/loop.png: the robot, a goal, an episode towards it, and what the policy imagined at its start.

python docs/make_picture.py
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from a2g_cli.core.types import Episode, Observation, Outcome, StepTiming, Vector
from a2g_cli.models import checkpoint
from a2g_cli.policies.act2goal import Act2GoalPolicy, ActingSettings
from a2g_cli.policies.base import PlanRequest
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.evaluation import draw_trials, jobs_for
from a2g_cli.runtime.rollout import roll_out
from a2g_cli.runtime.termination import RolloutSettings

SCALE = 2
INDEX = 4


class Memory:
    """A sink that keeps the episode."""

    def __init__(self, episode: Episode) -> None:
        self.episode = episode

    def begin(self, first: Observation) -> None:
        """Keep the first observation."""
        self.episode.observations.append(first)

    def append(self, requested: Vector, sent: Vector, observation: Observation, timing: StepTiming) -> None:  # noqa: ARG002
        """Keep a step."""
        self.episode.append(requested, sent, observation)

    def finish(self, outcome: Outcome) -> None:
        """Keep the outcome."""
        self.episode.outcome = outcome

    def abandon(self) -> None:
        """Keep what there is."""


def large(image: np.ndarray) -> Image.Image:
    """Return an image enlarged for the page."""
    return Image.fromarray(image).resize((64 * SCALE, 64 * SCALE), Image.Resampling.NEAREST)


def main() -> None:
    """Roll one held-out episode out and draw it."""
    model = checkpoint.load()
    robot = SimRobot()
    robot.connect()
    trial = draw_trials(robot, "evaluation", 7, INDEX + 1)[INDEX]
    episode = Episode(trial.goal, None, [])  # type: ignore[arg-type]
    policy = Act2GoalPolicy(model)
    list(roll_out([robot], jobs_for([trial], lambda *_: Memory(episode)), policy, RolloutSettings(limit=60)))
    middle = 12
    dreamer = Act2GoalPolicy(model, ActingSettings(imagine_steps=8))
    plan = dreamer.plan([PlanRequest(episode.observations[middle], trial.goal, 0, 0)])[0]
    robot.close()
    close_up = SimRobot(size=480)
    close_up.connect()
    close_up.begin({**trial.start, "tool": [trial.start["block"][0] - 0.02, trial.start["block"][1], 0.11, 1.0]})
    portrait = Image.fromarray(close_up.observe().images["front"])
    close_up.close()

    side, gap, line = 64 * SCALE, 6, 18
    shown = np.linspace(0, len(episode), 6).astype(int)
    rows = [
        ("the goal", [trial.goal.images["front"]]),
        (f"one episode: steps {', '.join(map(str, shown))}", [episode.observations[i].images["front"] for i in shown]),
        (f"imagined at step {middle}: two near frames, two far ones", plan.imagined["front"]),
    ]
    left = 3 * (side + line + gap)
    width = left + gap + 6 * (side + gap)
    page = Image.new("RGB", (width, left), "white")
    page.paste(portrait.resize((left - gap, left - gap)), (0, 0))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for number, (title, images) in enumerate(rows):
        top = number * (side + line + gap)
        pen.text((left + gap, top + 1), title, fill="#333", font=font)
        for column, image in enumerate(images):
            page.paste(large(np.asarray(image)), (left + gap + column * (side + gap), top + line))
    page.save(Path(__file__).parent / "images" / "loop.png", optimize=True)


if __name__ == "__main__":
    main()
