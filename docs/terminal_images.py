"""Make the pictures of the terminal: `a2g run`, `a2g improve` and `a2g replay` at 40, 80 and 120 columns.

    python docs/terminal_images.py        # docs/images/terminal-40.png, terminal-80.png, terminal-120.png

The views are the program's own, with an episode of the simulator in them; only the clock is made up. Images are drawn by half
blocks, as in a terminal that has no protocol for them. Needs `a2g[plots]`, whose font has all the characters.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import MONOKAI as THEME

from a2g_cli.core.types import Goal, Observation, Outcome
from a2g_cli.display.episode_video import Dream
from a2g_cli.display.player import Stage
from a2g_cli.display.practice_view import LivePracticeView
from a2g_cli.display.rollout_view import LiveRolloutView
from a2g_cli.models import checkpoint
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.policies.base import Plan, PlanRequest
from a2g_cli.robots.sim import SimRobot
from a2g_cli.runtime.evaluation import draw_trials

IMAGES = Path(__file__).parent / "images"
SEED = 7
SIZES = {40: 24, 80: 24, 120: 34}
"""Columns -> lines."""
CELL = (7, 14)
"""Width and height of a cell [px]."""
STEP, LIMIT = 16, 60
COLOURS = 64
"""Of a picture, so that it is small."""


@dataclass(frozen=True)
class Moment:
    """What the views show."""

    goal: Goal
    seen: Observation
    plan: Plan
    left: float


def moment() -> Moment:
    """Roll an episode out, and return its step ``STEP``."""
    robot = SimRobot()
    robot.connect()
    trial = draw_trials(robot, "evaluation", SEED, 5)[4]
    robot.begin(trial.start)
    policy = Act2GoalPolicy(checkpoint.load(), ActingSettings(imagine_steps=8))
    step, seen = 0, robot.observe()
    while step < STEP:
        for action in policy.plan([PlanRequest(seen, trial.goal, 0, step)])[0].chunk:
            robot.act(action)
            robot.clock.sleep_until(robot.clock.now() + 1 / robot.spec.rate)
            step += 1
        seen = robot.observe()
    robot.close()
    plan = policy.plan([PlanRequest(seen, trial.goal, 0, step)])[0]
    return Moment(Goal("cup-on-plate", trial.goal.images, "sim"), seen, plan, plan.steps_to_go)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time [s]."""
        return self.now


def views(console: Console, now: Moment) -> Iterator[tuple[str, RenderableType]]:
    """Yield (command, what it shows)."""
    clock = Clock()
    running = LiveRolloutView(console, None, clock)
    running.episode_started(0, 5, now.goal, LIMIT)
    running.planned(now.seen, now.plan.imagined, now.left, 0.03)
    running.episode_ended(0, Outcome(True, "truth", "arrived", 1.0), 44, None)
    clock.now = 5.0
    running.episode_started(1, 5, now.goal, LIMIT)
    clock.now = 7.0
    running.planned(now.seen, now.plan.imagined, now.left + 20, 0.03)
    running.planned(now.seen, now.plan.imagined, now.left, 0.03)
    running.stepped(STEP, now.seen, now.left)
    yield "a2g run cup-on-plate --episodes 5", running.render()
    practising = LivePracticeView(console, None, clock)
    practising.run(1, 5, "round 1: Promoted. New adapter 8/8, old 0/8 on the same trials (photo judge)")
    clock.now = 60.0
    practising.began(now.goal, LIMIT)
    practising.started("round 2: practice", 20)
    practising.advanced(7, {})
    clock.now = 72.0
    practising.stepped(STEP, now.seen, now.left)
    yield "a2g improve cup-on-plate", practising.render()
    camera, frames = next(iter(now.plan.imagined.items()))
    labels = [f"step {STEP + 4}", f"step {STEP + 8}", f"about step {STEP + 19}", f"about step {STEP + 26}"]
    words = f"imagined at step {STEP}, for steps 20, 24, about 35 and about 42"
    stage = Stage(console, now.goal, [Dream(STEP, words, labels, frames)], None)
    caption = f"17/61  1x  monday/episode-0001  step {STEP}/{LIMIT}  {now.left:.1f} to go"
    yield "a2g replay monday/episode-0001", stage.moment(STEP, {camera: now.seen.images[camera]}, caption)


def picture(console: Console, title: str, shown: RenderableType) -> Image.Image:
    """Return a terminal's lines as a picture, with the command above them."""
    lines = console.render_lines(shown, console.options.update(width=console.size.width), pad=True)
    font = ImageFont.truetype(str(Path(get_data_path()) / "fonts/ttf/DejaVuSansMono.ttf"), 11)
    page = Image.new("RGB", (console.size.width * CELL[0], (len(lines) + 2) * CELL[1]), THEME.background_color)
    pen = ImageDraw.Draw(page)
    command = [Segment("$ ", Style(dim=True)), Segment(title[: console.size.width - 2], Style(bold=True))]
    for row, line in enumerate([command, *lines]):
        column = 0
        for segment in line:
            if segment.control:
                continue
            for letter in segment.text:
                _cell(pen, column, row, letter, segment.style or Style(), font)
                column += 1
    return page


def _cell(
    pen: ImageDraw.ImageDraw, column: int, row: int, letter: str, style: Style, font: ImageFont.FreeTypeFont
) -> None:
    left, top = column * CELL[0], row * CELL[1]
    ink = style.color.get_truecolor(THEME) if style.color else THEME.foreground_color
    paper = style.bgcolor.get_truecolor(THEME, foreground=False) if style.bgcolor else THEME.background_color
    if style.reverse:
        ink, paper = paper, ink
    if style.dim:
        ink = tuple((2 * a + b) // 3 for a, b in zip(ink, paper, strict=True))  # type: ignore[assignment]
    pen.rectangle((left, top, left + CELL[0] - 1, top + CELL[1] - 1), fill=tuple(paper))
    if letter == "▄":
        pen.rectangle((left, top + CELL[1] // 2, left + CELL[0] - 1, top + CELL[1] - 1), fill=tuple(ink))
    elif letter == "▀":
        pen.rectangle((left, top, left + CELL[0] - 1, top + CELL[1] // 2 - 1), fill=tuple(ink))
    elif letter != " ":
        pen.text((left, top), letter, fill=tuple(ink), font=font)


def main() -> None:
    """Make the pictures."""
    now = moment()
    for columns, lines in SIZES.items():
        console = Console(
            file=StringIO(),
            force_terminal=True,
            color_system="truecolor",
            width=columns,
            height=lines,
            highlight=False,
            _environ={"TERM": "xterm-256color"},
        )
        made = [picture(console, title, shown) for title, shown in views(console, now)]
        page = Image.new("RGB", (made[0].width, sum(one.height for one in made)), THEME.background_color)
        top = 0
        for one in made:
            page.paste(one, (0, top))
            top += one.height
        page.quantize(COLOURS).save(IMAGES / f"terminal-{columns}.png", optimize=True)


if __name__ == "__main__":
    main()
