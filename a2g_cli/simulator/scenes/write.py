"""The scene ``write``: a pen writes on a whiteboard what the photo shows, stroke after stroke."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.types import Description, State
from a2g_cli.simulator.scenes import write_expert
from a2g_cli.simulator.scenes.ink import BOARD, PIXELS, Ink, covered, dots, paint, texture_pixels
from a2g_cli.simulator.scenes.letters import dots_along, draw_word, group_of, lines_of, spell
from a2g_cli.simulator.scenes.scene import Scene, counted, rest_tool, rgba
from a2g_cli.simulator.scenes.write_expert import LIFT, OPENING
from a2g_cli.simulator.shifts import Colour, Shift, blend_colours

INK_FLOWS = 0.030
"""The pen writes while the tool is no higher than this [m]; its tip is 22 mm below the tool."""
RANGE = np.array([0.105, 0.130])
"""Where one can write: within these of the workspace's centre, x and y [m]."""
JITTER = 0.010
"""Words are written up to this far from the board's middle, x and y [m]."""

NEAR = 0.008
"""A dot of the goal counts as written with ink within this distance [m] ..."""
STRAY = 0.010
"""... ink counts as stray without a dot of the goal within this distance [m] ..."""
SHARE = 0.9
"""... and this share of the goal must be written, and of the ink not be stray."""

WHITE: Colour = (0.97, 0.97, 0.96)
STRANGE_BOARD: Colour = (0.75, 0.86, 0.80)
BLUE: Colour = (0.05, 0.08, 0.40)
STRANGE_INK: Colour = (0.70, 0.08, 0.12)


class Write(Scene):
    """A whiteboard and a pen in the gripper. A state's ``ink`` is ``[x, y, x, y, ...]``, dots in the order of writing."""

    name = "write"
    limit = 300
    demonstration_limit = 400
    disturbance = 0.3
    knocks = False  # the pen is clamped

    def __init__(self, shift: Shift) -> None:
        super().__init__(shift)
        self._ink = Ink()
        self._painted: list[float] | None = None  # what the texture shows
        self._board = blend_colours(WHITE, STRANGE_BOARD, shift.novelty)
        self._pen = blend_colours(BLUE, STRANGE_INK, shift.novelty)

    def assets_xml(self) -> str:
        """Return the board's texture, which the ink is painted into."""
        return (
            f'<texture name="board" type="2d" builtin="flat" width="{PIXELS}" height="{PIXELS}" rgb1="1 1 1"/>'
            '<material name="board" texture="board" texuniform="false" specular="0" shininess="0"/>'
        )

    def surface_xml(self) -> str:
        """Return the whiteboard, in the mat's place."""
        x, y = BOARD
        return (
            f'<geom name="mat" type="box" size="{x} {y} .01" pos="0 0 -.0105" rgba=".55 .57 .60 1"'
            ' contype="2" conaffinity="1"/>'
            f'<geom name="board" class="look" type="plane" size="{x} {y} 1" pos="0 0 0" material="board"/>'
        )

    def bodies_xml(self) -> str:
        """Return nothing: the board is bare."""
        return ""

    def on_hand_xml(self) -> str:
        """Return the pen between the fingers."""
        return (
            '<geom class="look" type="cylinder" fromto="0 0 -.110 0 0 -.170" size=".008" rgba=".92 .93 .95 1"/>'
            f'<geom class="look" type="capsule" fromto="0 0 -.170 0 0 -.178" size=".004"'
            f' rgba="{rgba(self._pen)}"/>'
        )

    def begin(self, state: State) -> None:
        """Start from the ink that stands in ``state``."""
        self._ink.begin(state["ink"])

    def moved(self, tool: NDArray[np.float64]) -> None:
        """Leave ink where the pen goes over the board."""
        on_board = bool((np.abs(tool[:2]) <= BOARD).all())
        self._ink.move(tool[:2], down=on_board and float(tool[2]) <= INK_FLOWS)

    def marks(self) -> State:
        """Return the ink."""
        return {"ink": self._ink.flat()}

    def dress(self, model: Any, state: State) -> Sequence[int]:
        """Paint the ink into the board's texture."""
        if state["ink"] == self._painted:
            return ()
        self._painted = list(state["ink"])
        texture = int(model.texture("board").id)
        paint(texture_pixels(model, texture), state["ink"], self._board, self._pen)
        return (texture,)

    def draw_goal(self, random: np.random.Generator) -> State:
        """Draw a word and where it stands."""
        word = draw_word(random, self.shift.unseen)
        offset = random.uniform(-JITTER, JITTER, size=2)
        return _written([line + offset for line in lines_of(word)])

    def draw_start(self, goal: State, random: np.random.Generator) -> State:  # noqa: ARG002 - any goal begins bare
        """Return a bare board, the arm near rest."""
        return {"ink": [], "tool": [*rest_tool(random)[:3], OPENING]}

    def default_state(self) -> State:
        """Return a bare board, arm at rest."""
        return _written([])

    def fits(self, state: State) -> bool:
        """Whether ``state`` has a tool and ink of any length."""
        return super().fits({**state, "ink": []}) and "ink" in state and len(state["ink"]) % 2 == 0

    def goal_state(self, values: Description) -> State:
        """Return the goal state with ``values["word"]`` written, its letters or, between commas, figures by name.

        Or with lines drawn, each named ``line...``: its corners x, y, x, y, ... [m], in that order.
        """
        lines: list[NDArray[np.float64]] = []
        for key, numbers in values.items():
            if key == "word":
                lines += lines_of(spell(numbers if isinstance(numbers, str) else counted(numbers)))
                continue
            if not key.startswith("line"):
                raise UnknownNameError("key", key, ["word", "line"], "These are the keys of the scene write.")
            if isinstance(numbers, str) or len(numbers) < 4 or len(numbers) % 2:
                raise UsageError(f"{key} is X,Y,X,Y,... in metres, two corners at least, not {counted(numbers)}.")
            corners = dots(numbers)
            if (np.abs(corners) > RANGE).any():
                raise UsageError(
                    f"{key} leaves the board's writable part: x is {-RANGE[0]:g} to {RANGE[0]:g} m, "
                    f"y {-RANGE[1]:g} to {RANGE[1]:g} m."
                )
            lines.append(corners)
        if not lines:
            raise UsageError(
                "say what shall be written: word=HI, or line=X,Y,X,Y,... in metres, line2=... for another line."
            )
        return _written(lines)

    def group(self, goal: State) -> str:
        """Return the length of what is written, in straight strokes."""
        return group_of(count_strokes(goal))

    def reached(self, state: State, goal: State) -> bool:
        """Whether the goal is written, and little else."""
        return is_written(state, goal)

    def law(self, state: State, goal: State) -> tuple[NDArray[np.float64], float]:
        """Return the expert's wanted displacement and opening."""
        return write_expert.law(state, goal)

    def done(self, state: State, goal: State) -> bool:
        """Whether all is written and the arm back at rest."""
        return write_expert.is_home(state, goal)

    def diverse_start(self, start: State, goal: State, random: np.random.Generator) -> State:
        """Return ``start`` with the pen anywhere above the board, one time in two over a word begun, perhaps with a gap."""
        place = random.uniform([-0.16, -0.15, 0.04], [0.12, 0.15, 0.18])
        tool = [*(float(value) for value in place), OPENING]
        if random.random() < 0.5:
            return {**start, "tool": tool}
        begun = dots(goal["ink"])
        begun = begun[: random.integers(1, len(begun) + 1)]
        gap, length = random.integers(len(begun)), random.integers(5, 16)
        if random.random() < 0.5:
            begun = np.delete(begun, slice(gap, gap + length), axis=0)
        return {**start, "ink": [float(value) for value in begun.ravel()], "tool": tool}


def is_written(state: State, goal: State) -> bool:
    """Whether enough of the goal has ink nearby, and enough of the ink has goal nearby."""
    wanted, ink = dots(goal["ink"]), dots(state["ink"])
    if not len(ink) or not len(wanted):
        return not len(ink) and not len(wanted)
    return bool(covered(wanted, ink, NEAR).mean() >= SHARE and covered(ink, wanted, STRAY).mean() >= SHARE)


def count_strokes(goal: State) -> int:
    """Return the number of straight strokes in a goal's ink: it turns, or is lifted, once more for each."""
    wanted = dots(goal["ink"])
    if len(wanted) < 2:
        return 0
    steps = np.diff(wanted, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    count, heading = 0, math.nan
    for (x, y), length in zip(steps, lengths, strict=True):
        if length > LIFT:
            heading = math.nan
            continue
        turned = math.atan2(y, x)
        turn = abs((turned - heading + math.pi) % (2 * math.pi) - math.pi)
        if not turn < 0.1:  # also at the first step of a stroke, where there is no heading yet
            count += 1
        heading = turned
    return count


def _written(lines: Sequence[NDArray[np.float64]]) -> State:
    ink = [float(value) for line in lines for value in dots_along(line).ravel()]
    return {"ink": ink, "tool": [*rest_tool()[:3], OPENING]}
