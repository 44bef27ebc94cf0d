"""What can be typed next: commands with every option that they need to do what is promised, and never be refused."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from a2g_cli.cli.commands.deployment import Deployment
from a2g_cli.cli.commands.prompts import to_type
from a2g_cli.core import plugins
from a2g_cli.core.errors import HardwareError, RecordingError, UsageError
from a2g_cli.core.types import Goal
from a2g_cli.core.workspace import Workspace
from a2g_cli.data import goals as goal_store
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import Session
from a2g_cli.simulator.shifts import current_name

Words = list[str]


def with_base(base: Path | None) -> Words:
    """Return the option that gives ``base`` again; nothing for the base that ships."""
    return [] if base is None else [f"--base={base}"]


def on_robot(workspace: Workspace, robot: str, shift: str | None = None) -> Words:
    """Return the options that give a robot as recordings and goals name it, where it is not the workspace's usual one.

    Args:
        workspace: whose ``a2g.toml`` says what is usual.
        robot: ``DRIVER:WHAT``; of the simulator, WHAT is the scene.
        shift: of the simulator, ``none`` for none; None where it does not matter.
    """
    usual = Deployment.choose(workspace, None)
    (driver, what), (usual_driver, usual_what) = plugins.split(robot), plugins.split(usual.robot)
    if driver not in plugins.known("robot"):
        return []  # a driver that calls its robot something else: only the workspace's usual one can be meant
    if driver != "sim":
        return [] if driver == usual_driver and usual_what in {None, what} else [f"--robot={robot}"]
    settings = usual.settings if usual_driver == "sim" else {}
    scene = (usual_what if usual_driver == "sim" else None) or settings.get("scene", "place")
    return [
        *([] if usual_driver == "sim" else ["--robot=sim"]),
        *([] if what in {None, scene} else [f"--scene={what}"]),
        *([] if shift in {None, current_name(str(settings.get("shift", "none")))} else [f"--shift={shift}"]),
    ]


def can_be_evaluated(workspace: Workspace, robot: str, base: Path | None = None) -> bool:
    """Whether the robot that recordings call so knows what is true, and can act with ``base``, as far as can be told.

    Nothing is connected. Of drivers that call their robot something else nothing can be told.
    """
    from a2g_cli.models import checkpoint

    try:
        if not hasattr(plugins.load("robot", plugins.split(robot)[0]), "trial"):
            return False
        spec = Deployment.choose(workspace, robot).make().spec
        checkpoint.check_fits(checkpoint.read_config(base or checkpoint.SHIPPED)[0], spec)
    except (HardwareError, UsageError):
        return False
    return True


def running(workspace: Workspace, goal: Goal) -> str:
    """Return the command that goes for ``goal`` on the robot that it was taken by, as far as the goal says that."""
    taken_by = goal.source if plugins.split(goal.source)[0] in plugins.known("robot") else None
    return to_type(workspace, "run", goal.name, *([] if taken_by is None else on_robot(workspace, taken_by)))


def to_record(workspace: Workspace) -> str:
    """Return the command that leads to a recording: a run for a goal that is there, else the taking of one."""
    for name in goal_store.list_goals(workspace):
        try:
            return running(workspace, goal_store.load_goal(workspace, name))
        except UsageError:
            continue  # damaged: another one
    return to_type(workspace, "capture-goal", "NAME")


def to_adapt(workspace: Workspace, session: Session) -> str:
    """Return the command that learns from ``session``, the one that is taken where none is named, with the shipped base.

    An adaptation learns from episodes that arrived, as the policy sees it, and is refused where none did.
    """
    from a2g_cli.encoding.episodes import SLACK  # takes a second to import
    from a2g_cli.models import checkpoint

    bound = SLACK * checkpoint.arrived_below(checkpoint.SHIPPED)
    for path in session.recordings():
        with suppress(RecordingError), Recording(path) as recording:
            left = recording.outcome.steps_to_go
            if left is not None and left < bound:
                return to_type(workspace, "adapt")
    return to_type(workspace, "adapt", "--keep", "all")


def to_compare(
    workspace: Workspace, parent: str, adapter: str, robot: str, shift: str, goals: Sequence[str], base: Path | None
) -> str | None:
    """Return the command that shows what ``adapter`` brought: an evaluation, or a run on a robot that knows no truth.

    Args:
        workspace: where they are.
        parent: what it was adapted from.
        adapter: its name.
        robot: what practised, as recordings name it.
        shift: what it practised under, as recordings name it.
        goals: what it practised for; the first that the workspace still has is run for.
        base: the base that was typed.

    Returns:
        The command; None where nothing can be run, as no goal is left.
    """
    where = [*on_robot(workspace, robot, shift), *with_base(base)]
    if can_be_evaluated(workspace, robot, base):
        return to_type(workspace, "evaluate", "--adapter", parent, "--adapter", adapter, *where)
    known = set(goal_store.list_goals(workspace))
    goal = next((name for name in goals if name in known), None)
    return None if goal is None else to_type(workspace, "run", goal, "--adapter", adapter, *where)
