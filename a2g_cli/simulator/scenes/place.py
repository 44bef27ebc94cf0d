"""The scene ``place``: put one of several things on the plate, where the photo shows it; leave the others alone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.types import Description, State
from a2g_cli.simulator.arm import FINGER_STROKE
from a2g_cli.simulator.scenes import place_expert
from a2g_cli.simulator.scenes.place_expert import HEIGHT
from a2g_cli.simulator.scenes.scene import Scene, counted, let_go, rest_tool, rgba
from a2g_cli.simulator.shifts import Colour, Shift, blend, blend_colours

RANGE = np.array([0.105, 0.130])
"""Things' centres lie within these of the workspace's centre, x and y [m]: wholly in the image, within reach."""
PLATE_RANGE = np.array([0.085, 0.110])
"""The same for the plate [m]."""
MAX_YAW = 0.1
"""Things are turned by no more than this [rad]."""
PLATE_RADIUS = 0.048
"""[m]."""
ON_PLATE = 0.018
"""A goal shows its thing within this of the plate's centre [m]."""
CLEAR = 0.078
"""Things are at least this far apart [m]: open fingers pass between them."""
CLEAR_OF_PLATE = 0.085
"""Nothing else lies nearer to the plate's centre [m]."""

BEYOND = 0.02
"""How far out of RANGE a thing may have been pushed, and still be fetched [m]."""

REACHED = 0.025
"""A thing counts as placed within this distance of where the photo shows it, horizontally [m]."""
RESTING = 0.010
"""... and within this of its height on the table [m], let go of (scene.py)."""

_TRIES = 400
_ONE_ON_PLATE = "the goal of the scene 'place' shows exactly one thing on the plate."


@dataclass(frozen=True)
class Thing:
    """What lies on the table."""

    shape: str
    """``"box"`` or ``"cylinder"``."""
    half_width: float
    """[m]."""
    half_height: float
    """[m]."""
    colour: Colour


KNOWN: Mapping[str, Thing] = {
    "block": Thing("box", 0.023, HEIGHT, (0.87, 0.13, 0.11)),
    "can": Thing("cylinder", 0.022, HEIGHT, (0.10, 0.60, 0.22)),
    "brick": Thing("box", 0.019, HEIGHT, (0.12, 0.28, 0.85)),
}
"""The things of the demonstrations."""
STRANGE: Mapping[str, Thing] = {
    "block": Thing("cylinder", 0.020, 0.032, (0.55, 0.15, 0.75)),
    "can": Thing("box", 0.018, 0.030, (0.95, 0.85, 0.20)),
    "brick": Thing("cylinder", 0.023, 0.018, (0.15, 0.75, 0.85)),
}
"""What novelty 1 makes of them."""
PLATE: Colour = (0.98, 0.98, 0.98)
RIM: Colour = (0.25, 0.27, 0.32)
STRANGE_PLATE: Colour = (0.80, 0.45, 0.30)


def things_under(shift: Shift) -> dict[str, Thing]:
    """Return the things as ``shift`` has them, on their way from known to strange."""
    if not shift.novelty:
        return dict(KNOWN)
    return {
        name: Thing(
            STRANGE[name].shape,
            blend(known.half_width, STRANGE[name].half_width, shift.novelty),
            blend(known.half_height, STRANGE[name].half_height, shift.novelty),
            blend_colours(known.colour, STRANGE[name].colour, shift.novelty),
        )
        for name, known in KNOWN.items()
    }


class Place(Scene):
    """A block, a can, a brick and a plate."""

    name = "place"
    limit = 80
    demonstration_limit = 140
    undone_by = ("cycle", "rest-pose")

    def __init__(self, shift: Shift) -> None:
        super().__init__(shift)
        self.kinds = things_under(shift)
        self._grips = {name: kind.half_width / FINGER_STROKE for name, kind in self.kinds.items()}

    @property
    def things(self) -> Mapping[str, float]:
        """Block, can and brick."""
        return {name: kind.half_height - HEIGHT for name, kind in self.kinds.items()}

    @property
    def fixtures(self) -> Sequence[str]:
        """The plate."""
        return ("plate",)

    def bodies_xml(self) -> str:
        """Return the MJCF of the things and of the plate, which is as thin as paper and only seen."""
        plate = blend_colours(PLATE, STRANGE_PLATE, self.shift.novelty)
        things = "".join(_thing_xml(name, kind) for name, kind in self.kinds.items())
        return f"""
    <body name="plate" mocap="true">
      <inertial pos="0 0 0" mass="1" diaginertia=".01 .01 .01"/>
      <geom class="look" type="cylinder" size="{PLATE_RADIUS} .0006" pos="0 0 .0008" rgba="{rgba(RIM)}"/>
      <geom class="look" type="cylinder" size="{PLATE_RADIUS - 0.006} .0006" pos="0 0 .0018" rgba="{rgba(plate)}"/>
    </body>{things}"""

    def is_held(self, state: State) -> bool:
        """Whether a thing stands between the fingers and they are closed on it or nearly so."""
        tool = state["tool"]
        return tool[3] < 0.68 and any(
            math.dist(state[name][:2], tool[:2]) < 0.02 and abs(state[name][2] - tool[2]) < 0.035 for name in self.kinds
        )

    def draw_goal(self, random: np.random.Generator) -> State:
        """Draw the plate, one thing on it and the others beside it."""
        while True:
            plate = random.uniform(-PLATE_RANGE, PLATE_RANGE)
            first, *others = random.permutation(list(self.kinds))
            on = _on_plate_at(plate, random)
            state: State = {"plate": plate.tolist(), str(first): _pose(on, random), "tool": rest_tool()}
            if self._add(state, [str(name) for name in others], random):
                return self._in_order(state)

    def draw_start(self, goal: State, random: np.random.Generator) -> State:
        """Take the thing that the goal shows on the plate, and put it elsewhere."""
        on_plate = self._on_plate(goal)
        if len(on_plate) != 1:
            raise UsageError(_ONE_ON_PLATE)
        chosen = on_plate[0]
        start: State = {name: values for name, values in goal.items() if name != chosen}
        start["tool"] = rest_tool(random)
        if not self._add(start, [chosen], random):
            raise UsageError(f"beside the plate there is no room for the {chosen}: move the others away.")
        return self._in_order(start)

    def out_of_reach(self, state: State) -> list[str]:
        """Return the things that lie beyond the mat: a can rolls far."""
        return [name for name in self.kinds if not (np.abs(state[name][:2]) < RANGE + BEYOND).all()]

    def draw_next(self, state: State, random: np.random.Generator) -> State | None:
        """Ask for a thing on the plate where it is clear, else for what lies there, or is in the way, beside it."""
        gone = self.out_of_reach(state)
        held = [name for name in self.kinds if name not in gone and state[name][2] > HEIGHT + RESTING]
        near = [name for name in self.kinds if math.dist(state[name][:2], state["plate"]) < CLEAR_OF_PLATE]
        lifted = held[:1]  # whatever is asked for, it has to be put down
        fixed = [name for name in near if name not in lifted]
        for chosen in lifted or [str(name) for name in random.permutation(fixed or list(self.kinds))]:
            if chosen in gone:
                continue
            goal: State = {name: list(values) for name, values in state.items() if name != chosen}
            goal["tool"] = rest_tool()
            if fixed:
                placed = self._add(goal, [chosen], random)
            else:
                goal[chosen], placed = _pose(_on_plate_at(np.array(state["plate"]), random), random), True
            if placed and not self.reached(state, self._in_order(goal)):
                return self._in_order(goal)
        return None

    def default_state(self) -> State:
        """Return the things in a row, the plate behind them, arm at rest."""
        places = {"block": (0.05, -0.09), "can": (0.05, 0.0), "brick": (0.05, 0.09)}
        state: State = {name: block_pose(np.array(place), 0.0) for name, place in places.items()}
        return {**state, "plate": [-0.06, 0.0], "tool": rest_tool()}

    def goal_state(self, values: Description) -> State:
        """Return the goal state in which things lie at ``values[name]``: x, y [m], and perhaps yaw [rad]; arm at rest.

        The plate lies under the first of them unless ``values["plate"]`` says where; what is not named lies beside it.
        """
        for key in values:
            if key not in {*self.kinds, "plate"}:
                raise UnknownNameError(
                    "object", key, [*self.kinds, "plate"], "These are the objects of the scene place."
                )
        named = [name for name in values if name != "plate"]
        if not named:
            raise UsageError(f"say where a thing shall lie: {', '.join(f'{name}=X,Y' for name in self.kinds)}.")
        state: State = {name: block_pose(*_described(name, values[name])) for name in named}
        state["plate"] = _described("plate", values["plate"], PLATE_RANGE)[0].tolist() if "plate" in values else []
        if not state["plate"]:
            state["plate"] = np.clip(state[named[0]][:2], -PLATE_RANGE, PLATE_RANGE).tolist()
        state["tool"] = rest_tool()
        for one in named:
            for other in named:
                if one < other and math.dist(state[one][:2], state[other][:2]) < CLEAR:
                    raise UsageError(
                        f"{one} and {other} would be closer than {CLEAR:g} m: no room for the fingers between them."
                    )
        if len(self._on_plate(state)) != 1:
            raise UsageError(_ONE_ON_PLATE)
        if not self._add(state, [name for name in self.kinds if name not in named], np.random.default_rng(0)):
            raise UsageError("there is no room for the things that are not named; name them too, or move the plate.")
        return self._in_order(state)

    def reached(self, state: State, goal: State) -> bool:
        """Whether every thing rests where the goal shows it, let go of; what had rolled away before is not asked for."""
        gone = self.out_of_reach(goal)
        return all(name in gone or is_placed(name, state, goal) for name in self.kinds)

    def law(self, state: State, goal: State) -> tuple[NDArray[np.float64], float]:
        """Return the expert's wanted displacement and opening."""
        return place_expert.law(state, goal, self._grips)

    def done(self, state: State, goal: State) -> bool:
        """Whether all things are where they should be and the arm is back at rest."""
        return place_expert.is_home(state, goal, self._grips)

    def diverse_start(self, start: State, goal: State, random: np.random.Generator) -> State:  # noqa: ARG002
        """Return ``start`` with the tool anywhere, open or closed, or, one time in three, holding the thing to be moved."""
        state: State = {name: list(values) for name, values in start.items()}
        nearest = min(self.kinds, key=lambda name: math.dist(state[name][:2], state["plate"]))
        if random.random() < 1 / 3:
            # A start has nothing on the plate: any thing may be the one that is asked for, and a wrong one is put back.
            chosen = str(random.choice([name for name in self.kinds if name != nearest]))
            place = random.uniform([-0.12, -0.14], [0.12, 0.14])
            height = HEIGHT + random.uniform(0.035, 0.08)
            # Held things sit straight between the fingers.
            state[chosen] = [*place.tolist(), height, 1.0, 0.0, 0.0, 0.0]
            state["tool"] = [*place.tolist(), height, self._grips[chosen]]
            return state
        tool = [*random.uniform([-0.18, -0.16, 0.02], [0.14, 0.16, 0.22]), float(random.random() < 0.5)]
        # Fingers beside or above the things, never inside them.
        if any(math.dist(tool[:2], state[name][:2]) < 0.11 for name in self.kinds):
            tool[2] = max(tool[2], 0.08)
        state["tool"] = [float(value) for value in tool]
        return state

    def _on_plate(self, state: State) -> list[str]:
        return [
            name
            for name in self.kinds
            if name in state and math.dist(state[name][:2], state["plate"]) < PLATE_RADIUS - 0.01
        ]

    def _add(self, state: State, names: Sequence[str], random: np.random.Generator) -> bool:
        """Put things beside the plate and clear of one another into ``state``; return whether there was room."""
        for name in names:
            for _ in range(_TRIES):
                place = random.uniform(-RANGE, RANGE)
                clear = all(math.dist(place, state[other][:2]) >= CLEAR for other in self.kinds if other in state)
                if clear and math.dist(place, state["plate"]) >= CLEAR_OF_PLATE:
                    state[name] = _pose(place, random)
                    break
            else:
                return False
        return True

    def _in_order(self, state: State) -> State:
        return {name: state[name] for name in (*self.kinds, "plate", "tool")}


def block_pose(xy: NDArray[np.float64], yaw: float) -> list[float]:
    """Return the pose [x, y, z, qw, qx, qy, qz] of a thing standing at ``xy`` (2,) [m], turned by ``yaw`` [rad]."""
    return [float(xy[0]), float(xy[1]), HEIGHT, math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)]


def is_placed(name: str, state: State, goal: State) -> bool:
    """Whether the thing called ``name`` rests on the table where ``goal`` has it, let go of."""
    thing, target, tool = state[name], goal[name], state["tool"]
    near = math.dist(thing[:2], target[:2]) <= REACHED
    resting = abs(thing[2] - target[2]) <= RESTING
    return near and resting and let_go(thing, tool)


def _on_plate_at(plate: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Draw where a thing (2,) lies on the ``plate`` (2,) [m]."""
    angle, away = random.uniform(0.0, 2 * math.pi), ON_PLATE * math.sqrt(random.uniform())
    return np.asarray(plate + away * np.array([math.cos(angle), math.sin(angle)]), np.float64)


def _pose(xy: NDArray[np.float64], random: np.random.Generator) -> list[float]:
    return block_pose(xy, float(random.uniform(-MAX_YAW, MAX_YAW)))


def _described(
    name: str, values: Sequence[float] | str, most: NDArray[np.float64] = RANGE
) -> tuple[NDArray[np.float64], float]:
    """Return place (2,) and yaw that a person gave. Raises UsageError."""
    if isinstance(values, str) or len(values) not in {2, 3}:
        raise UsageError(f"the {name}'s place is X,Y in metres, or X,Y,YAW with radians, not {counted(values)}.")
    numbers = list(values)
    limits = [*((axis, float(limit), "m") for axis, limit in zip("xy", most, strict=True)), ("yaw", MAX_YAW, "rad")]
    for number, (axis, limit, unit) in zip(numbers, limits, strict=False):
        if not -limit <= number <= limit:
            raise UsageError(
                f"{name} {axis} = {number:g} {unit} is out of range: use {-limit:g} to {limit:g} {unit}, which is within "
                "reach and in the image."
            )
    return np.array(numbers[:2], dtype=np.float64), float(numbers[2]) if len(numbers) == 3 else 0.0


def _thing_xml(name: str, kind: Thing) -> str:
    half, height = f"{kind.half_width:.6g}", f"{kind.half_height:.6g}"
    size = f"{half} {half} {height}" if kind.shape == "box" else f"{half} {height}"
    return f"""
    <body name="{name}" pos="0 0 {height}">
      <freejoint name="{name}"/>
      <geom name="{name}" type="{kind.shape}" size="{size}" mass=".06" rgba="{rgba(kind.colour)}"
        condim="4" friction="1.2 .02 .001" contype="3" conaffinity="3"/>
    </body>"""
