"""The commands that messages suggest next, with all options that they need."""

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
ENOUGH = 20
"""Number of episodes that is recommended to someone who has too few."""


def with_base(base: Path | None) -> Words:
    """Return the option that repeats ``base``; nothing for the shipped base."""
    return [] if base is None else [f"--base={base}"]


def on_robot(workspace: Workspace, robot: str, shift: str | None = None) -> Words:
    """Return the options for a robot, by its name in recordings and goals; none for the workspace's default robot.

    Args:
        workspace: its ``a2g.toml`` has the default robot.
        robot: ``DRIVER:WHAT``; for the simulator, WHAT is the scene.
        shift: of the simulator, ``none`` for no shift; None if it does not matter.
    """
    usual = Deployment.choose(workspace, None)
    (driver, what), (usual_driver, usual_what) = plugins.split(robot), plugins.split(usual.robot)
    if driver not in plugins.known("robot"):
        return []  # the driver gives its robot another name: it must be the workspace's default
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
    """Return whether the robot of that name can measure success and act with ``base``. Nothing is connected.

    False for drivers that give their robot another name: nothing is known about them.
    """
    from a2g_cli.models import checkpoint
    from a2g_cli.policies.image_size import resized_spec

    try:
        spec = Deployment.choose(workspace, robot).measurable_spec()
        if spec is None:
            return False
        config, _ = checkpoint.read_config(base or checkpoint.SHIPPED)
        checkpoint.check_fits(config, resized_spec(spec, config.size))
    except (HardwareError, UsageError):
        return False
    return True


def running(workspace: Workspace, goal: Goal) -> str:
    """Return the command that runs for ``goal``, on the robot and with the shift that it was taken with, where known."""
    taken_by = goal.source if plugins.split(goal.source)[0] in plugins.known("robot") else None
    where = [] if taken_by is None else on_robot(workspace, taken_by, goal.shift)
    return to_type(workspace, "run", goal.name, *where)


def to_record(workspace: Workspace) -> str:
    """Return the command that leads to a recording: a run for a goal if there is one, else taking a goal."""
    for name in goal_store.list_goals(workspace):
        try:
            return running(workspace, goal_store.load_goal(workspace, name))
        except UsageError:
            continue  # damaged: try the next one
    return to_type(workspace, "capture-goal", "NAME")


def to_record_more(workspace: Workspace, paths: Sequence[Path], base: Path | None) -> str:
    """Return the command that records more for a goal of ``paths`` that the workspace has, else ``to_record``'s."""
    known = set(goal_store.list_goals(workspace))
    goal, words = None, with_base(base)
    for path in reversed(paths):
        with Recording(path) as recording:
            if recording.goal.name in known:
                goal = recording.goal.name
                words = [*on_robot(workspace, recording.spec.name, recording.provenance.shift), *words]
                break
    if goal is None:
        return to_record(workspace)
    return to_type(workspace, "run", goal, "--episodes", str(ENOUGH), *words)


def to_adapt(workspace: Workspace, session: Session) -> str:
    """Return the command that learns from ``session``, the default session, with the shipped base.

    If it has one episode, nothing would be left to test the result on: then it is the command that records more.
    If no episode reached its goal by the policy's estimate, it has ``--keep all``.
    """
    from a2g_cli.models import checkpoint
    from a2g_cli.models.checkpoint import SLACK  # takes a second to import

    if len(session.recordings()) == 1:
        return to_record_more(workspace, session.recordings(), None)
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
    """Return the command that shows the effect of ``adapter``: an evaluation, or a run if success cannot be measured.

    Args:
        workspace: of the adapter.
        parent: of the adapter.
        adapter: its name.
        robot: that practised, by its name in recordings.
        shift: of the practice, by its name in recordings.
        goals: of the practice; a run uses the first that the workspace still has.
        base: of ``--base``.

    Returns:
        The command; None if no goal is left for a run.
    """
    where = [*on_robot(workspace, robot, shift), *with_base(base)]
    if can_be_evaluated(workspace, robot, base):
        return to_type(workspace, "evaluate", "--adapter", parent, "--adapter", adapter, *where)
    known = set(goal_store.list_goals(workspace))
    goal = next((name for name in goals if name in known), None)
    return None if goal is None else to_type(workspace, "run", goal, "--adapter", adapter, *where)
