"""``a2g capture-goal``: take or import a photo of the goal."""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from a2g_cli.cameras.choice import CameraChoice, identity
from a2g_cli.cli.commands.deployment import Deployment
from a2g_cli.cli.commands.following import on_robot
from a2g_cli.cli.commands.live_capture import Sight, take, through_cameras, through_robot
from a2g_cli.cli.commands.prompts import to_type
from a2g_cli.cli.commands.report import Report, reported
from a2g_cli.core.errors import GoalError, UsageError
from a2g_cli.core.types import Description, Goal, Image, State
from a2g_cli.core.workspace import Workspace, checked_name, expanded
from a2g_cli.data import goals as goal_store
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import find_recording
from a2g_cli.display.console import draws_images, stderr_console
from a2g_cli.display.images import image_row
from a2g_cli.display.lines import printable, say
from a2g_cli.robots.base import InstrumentedRobot, RobotSpec
from a2g_cli.runtime.reset import without_state
from a2g_cli.simulator.shifts import current_name

_COLUMNS = 32


@dataclass(frozen=True)
class GoalImageSource:
    """The source of a goal, as typed. Without any, the robot's cameras show it, or the simulator draws it."""

    state: Sequence[str] = field(default_factory=list)
    """KEY=V,V each."""
    images: Sequence[str] = field(default_factory=list)
    """FILE or CAMERA=FILE each."""
    recording: str | None = None
    frame: int | None = None
    """Frame of the recording; None: the last."""
    seed: int | None = None
    """Seed of a drawn goal; None: a random one."""
    asked: Sequence[str] = field(default_factory=list)
    """NAME=DRIVER:ADDRESS each."""
    cameras: Mapping[str, CameraChoice] = field(default_factory=dict)
    """Cameras that are used instead of the robot's: those of ``asked``, and of ``a2g.toml``."""
    over: str | None = None
    """Name of the goal that is blended into the preview; None: the goal that is replaced."""
    force: bool = False
    """Accept blurred and badly exposed images."""
    quiet: bool = False
    """Take the images without a preview."""

    def check(self) -> None:
        """Raise UsageError for two sources, or an option that belongs to another source."""
        named = {
            "--state": self.state,
            "--from-image": self.images,
            "--from-recording": self.recording,
            "--camera": self.asked,
        }
        given = [option for option, value in named.items() if value]
        if len(given) > 1:
            raise UsageError(f"a goal has only one source: give {' or '.join(given)}.")
        if self.frame is not None and self.recording is None:
            raise UsageError("--frame belongs to --from-recording RECORDING.")
        if self.seed is not None and given:
            raise UsageError(
                f"--seed draws a goal from the scene, so it cannot be combined with {given[0]}: leave one of them out."
            )
        if self.over is not None and given not in ([], ["--camera"]):
            raise UsageError(f"--over is for the live preview, and {given[0]} has none: leave one of them out.")

    @property
    def looks(self) -> bool:
        """Return whether the goal is taken live, from cameras of ``--camera`` or ``a2g.toml``."""
        return bool(self.cameras) and not (self.state or self.images or self.recording or self.seed is not None)


def capture_goal(
    workspace: Workspace, deployment: Deployment, name: str, source: GoalImageSource, overwrite: bool = False
) -> Report:
    """Take the goal ``name`` from ``source``, check it against the robot's cameras, and save it.

    Raises:
        UsageError: two sources, a state out of reach, or a name that exists.
        GoalError: an image that cannot be read, or does not fit the robot.
        RecordingError: the recording cannot be read.
        HardwareError: the robot or its cameras do not answer.
    """
    source.check()
    checked_name("goal", name)
    if name in goal_store.list_goals(workspace) and not overwrite:
        raise UsageError(f"the goal {name!r} already exists: choose another name, or add --overwrite.")
    if not source.looks:
        deployment = replace(deployment, cameras={})  # drawn and imported goals have only the robot's own cameras
    robot = deployment.make()
    options = list(deployment.typed)
    notes: list[str] = []
    # The goal is saved before cameras are closed, so that an error while closing loses nothing.
    with reported() as finished, ExitStack() as opened:
        if source.images:
            goal = goal_store.goal_from_images(name, photos(source.images, robot.spec), robot.spec)
        elif source.recording is not None:
            path = find_recording(workspace, source.recording)
            with Recording(path) as recording:
                options = options or on_robot(workspace, recording.spec.name, recording.provenance.shift)
            goal = goal_store.goal_from_recording(path, -1 if source.frame is None else source.frame, name)
        else:
            goal, notes = _seen(workspace, deployment, name, source, opened)
        warnings = goal_store.check_goal(goal, robot.spec)
        if without_state(robot, goal):
            warnings.append(
                f"{robot.spec.name} does not know the state in this image: `a2g run` works, from random starts, but "
                "`a2g improve` does not. For both, leave --from-image and --from-recording out, or use --state or --seed."
            )
        folder = goal_store.save_goal(workspace, goal, overwrite, [*notes, *warnings])
        _show(goal, warnings)
        finished.report = _report(workspace, goal, folder, notes, warnings, options)
    return finished.report


def photos(given: Sequence[str], spec: RobotSpec) -> dict[str, Path]:
    """Return camera -> file for ``FILE`` and ``CAMERA=FILE``; one camera may be left without its name.

    Raises:
        UsageError: a camera with two files, or a file that could be for several cameras.
    """
    paths: dict[str, Path] = {}
    nameless: list[str] = []
    for text in given:
        camera, equals, file = text.partition("=")
        # The name of a file can contain an equals sign.
        if not equals or (camera not in spec.cameras and expanded(text).exists()):
            nameless.append(text)
        elif camera in paths:
            raise UsageError(f"camera {camera!r} has two images: give one per camera.")
        else:
            paths[camera] = expanded(file)
    left = [camera for camera in spec.cameras if camera not in paths]
    if nameless and (len(nameless) > 1 or len(left) != 1):
        raise UsageError(
            f"which camera is {nameless[0]!r}? Write CAMERA={nameless[0]}; {spec.name} has {', '.join(spec.cameras)}."
        )
    paths.update(zip(left, (expanded(text) for text in nameless), strict=False))
    return paths


def state_words(given: Sequence[str]) -> dict[str, list[float] | str]:
    """Return KEY -> numbers for ``KEY=V,V...``, and KEY -> word for any other value. Raises UsageError."""
    values: dict[str, list[float] | str] = {}
    for text in given:
        key, equals, numbers = text.partition("=")
        if not equals or not key or not numbers:
            raise UsageError(
                f"--state {text!r}: expected KEY=VALUE, as in --state block=0.05,-0.08 or --state word=HI."
            )
        row: list[float] | str
        try:
            row = [float(number) for number in numbers.split(",")]
        except ValueError:
            row = numbers
        if key in values:
            raise UsageError(f"--state {key}=… is given twice: leave one out.")
        values[key] = row
    return values


def _seen(
    workspace: Workspace, deployment: Deployment, name: str, source: GoalImageSource, opened: ExitStack
) -> tuple[Goal, list[str]]:
    """Return the goal from cameras or from the simulator, and notes on how it was taken.

    Robots and cameras stay open as long as ``opened``.
    """
    if source.looks:
        sight = opened.enter_context(through_cameras(source.cameras, deployment.make().spec))
        return _taken(workspace, sight, name, ", ".join(map(identity, source.cameras.values())), source)
    wanted = state_words(source.state)
    (robot,) = opened.enter_context(deployment.connected())
    if isinstance(robot, InstrumentedRobot):
        if source.over is not None:
            raise UsageError(
                f"--over is for the live preview, and {robot.spec.name} draws the image without one: leave it out, or give "
                "a real robot or --camera."
            )
        return _photographed(robot, robot.spec.name, deployment, name, wanted, source.seed)
    if wanted or source.seed is not None:
        option = "--state" if wanted else "--seed"
        raise UsageError(
            f"{robot.spec.name} cannot set up its scene, so {option} does not work: arrange the scene by hand, then leave "
            "the option out."
        )
    return _taken(workspace, through_robot(robot), name, robot.spec.name, source)


def _photographed(
    robot: InstrumentedRobot,
    robot_name: str,
    deployment: Deployment,
    name: str,
    wanted: Description,
    seed: int | None,
) -> tuple[Goal, list[str]]:
    shift = current_name(str(deployment.settings.get("shift", "none")))
    notes = [] if shift == "none" else [f"taken with the shift {shift}"]
    if wanted:
        truth: State = robot.state_from(wanted)
        return Goal(name, robot.photograph(truth), robot_name, truth, shift=shift), ["state as given", *notes]
    seed = secrets.randbelow(2**31) if seed is None else seed
    drawn = replace(robot.trial("practice", seed, 0).goal, name=name, shift=shift)
    return drawn, [f"drawn from seed {seed}", *notes]


def _taken(
    workspace: Workspace, sight: Sight, name: str, taken_by: str, source: GoalImageSource
) -> tuple[Goal, list[str]]:
    """Return the goal from live images, with their cameras' metadata, and notes on how it was taken."""
    over: Mapping[str, Image] = {}
    if source.over is not None:
        over = goal_store.load_goal(workspace, source.over).images
    elif name in goal_store.list_goals(workspace):
        with suppress(GoalError):  # a damaged goal can be replaced, but not shown
            over = goal_store.load_goal(workspace, name).images
    images = take(stderr_console(), sight, over, source.force, source.quiet)
    views = {camera: view.to_json() for camera, view in sight.views.items() if camera in images}
    return Goal(name, images, taken_by, views=views), ["taken from the cameras", *sight.warnings]


def _show(goal: Goal, warnings: Sequence[str]) -> None:
    console = stderr_console()
    if draws_images(console):
        console.print(image_row(list(goal.images.values()), _COLUMNS, list(goal.images)))
    for warning in warnings:
        say(console, f"note: {warning}", "yellow")


_POSE = 7
"""Most numbers in the pose of an object; longer rows are drawings."""


def where(truth: State | None, source: str) -> str:
    """Return what a true state says of objects, in words; empty if the state is unknown.

    Only the simulator's states (``source``: who took the photo) have positions first; of others, only sizes are known.
    """
    if not source.startswith("sim"):
        return ", ".join(f"{key} ({len(row)} numbers)" for key, row in (truth or {}).items())
    things = {key: row for key, row in (truth or {}).items() if key != "tool" and len(row) >= 2}
    return ", ".join(
        f"{key} at x {row[0]:.3f} m, y {row[1]:.3f} m" if len(row) <= _POSE else f"{key} of {len(row) // 2} dots"
        for key, row in things.items()
    )


def _report(
    workspace: Workspace,
    goal: Goal,
    folder: Path,
    notes: Sequence[str],
    warnings: Sequence[str],
    options: Sequence[str],
) -> Report:
    following = to_type(workspace, "run", goal.name, *options)
    document: dict[str, Any] = {
        "goal": goal.name,
        "path": str(folder),
        "source": goal.source,
        "cameras": {camera: list(image.shape[:2]) for camera, image in goal.images.items()},
        "truth": goal.truth,
        "views": {camera: dict(view) for camera, view in goal.views.items()},
        "fingerprint": goal.fingerprint,
        "notes": list(notes),
        "warnings": list(warnings),
        "next": following,
    }
    how = ", ".join(filter(None, [where(goal.truth, goal.source), *notes]))
    sizes = ", ".join(f"{camera} {image.shape[1]}x{image.shape[0]}" for camera, image in goal.images.items())
    lines = [
        printable(f"goal {goal.name}: {how or goal.source}"),
        printable(f"saved in {folder} ({sizes})"),
        f"next: {following}",
    ]
    return Report(document, lines)
