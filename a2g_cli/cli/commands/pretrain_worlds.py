"""The worlds in which a pretraining can measure success: scenes of the simulator, or the workspace's simulated robot."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial

from a2g_cli.cli.commands.checkpoint_eval import AskedWorld, CheckpointEvaluation
from a2g_cli.cli.commands.deployment import Deployment
from a2g_cli.cli.commands.pretrain_data import Demonstrations
from a2g_cli.core import config, plugins
from a2g_cli.core.errors import A2GError, UsageError
from a2g_cli.core.workspace import Workspace
from a2g_cli.robots.base import Robot, RobotSpec
from a2g_cli.robots.sim import SimRobot
from a2g_cli.training.pretrain_settings import PretrainSettings
from a2g_cli.training.watcher import TrainingWatcher

FIRST = 10**9
"""Index of the first trial in a world of the user's: nobody demonstrates so many."""


@contextmanager
def _scene(scene: str, lanes: int) -> Iterator[Sequence[Robot]]:
    with ExitStack() as stack:
        robots = [SimRobot(scene=scene) for _ in range(lanes)]
        for robot in robots:
            stack.callback(robot.close)
            robot.connect()
        yield robots


def scenes_to_ask(scenes: Mapping[str, int]) -> list[AskedWorld]:
    """Return the simulator's scenes; scene -> number of its demonstrations, after which trials are drawn."""
    return [AskedWorld(scene, partial(_scene, scene), count) for scene, count in scenes.items()]


def robot_to_ask(
    workspace: Workspace,
    robot: str | None,
    spec: RobotSpec,
    stack: ExitStack,
    note: Callable[[str], None],
    *,
    asked: bool,
) -> list[AskedWorld]:
    """Return the workspace's robot, or the one called ``robot``, if it knows success and is that of the demonstrations.

    Its robots stay connected until ``stack`` is closed: many a world takes seconds to be made.

    Args:
        workspace: its ``a2g.toml`` names the robot.
        robot: ``DRIVER:WHAT``, as it was typed; None: the workspace's.
        spec: of the demonstrations.
        stack: closes the robots.
        note: told why the workspace's robot is not asked.
        asked: whether measurements were asked for. If not, a2g's own simulator is left out: ``--scene`` measures in it.

    Raises:
        UsageError, HardwareError: the robot that was typed knows no success, does not fit, or cannot be made.
    """
    usual = config.read(workspace).robot
    if robot is None and (usual is None or (plugins.split(usual)[0] == "sim" and not asked)):
        return []
    deployment = Deployment.choose(workspace, robot)
    try:
        name = _fitting(deployment, spec)
    except A2GError as error:
        if robot is not None:
            raise
        note(f"success is not measured: {error}")
        return []
    opened: list[Robot] = []

    def connected(lanes: int) -> AbstractContextManager[Sequence[Robot]]:
        if not opened:
            opened.extend(stack.enter_context(deployment.connected(lanes)))
        return nullcontext(opened)

    return [AskedWorld(name, connected, FIRST)]


def _fitting(deployment: Deployment, spec: RobotSpec) -> str:
    """Return the name of a deployment's robot. Raises A2GError unless it knows success and is that of ``spec``."""
    mine = deployment.measurable_spec()
    if mine is None:
        raise UsageError(f"the robot {deployment.robot} does not know success (docs/worlds.md).")
    for what, wanted, found in (
        ("cameras", tuple(spec.cameras), tuple(mine.cameras)),
        ("actions", spec.action_names, mine.action_names),
        ("measured values", spec.proprioception_names, mine.proprioception_names),
        ("control rate", spec.rate, mine.rate),
    ):
        if wanted != found:
            raise UsageError(
                f"the robot {deployment.robot} is not that of the demonstrations: it has {what} {found}, they have {wanted}."
            )
    return mine.name


def evaluation_in(
    worlds: Sequence[AskedWorld],
    settings: PretrainSettings,
    trials: int,
    data: Demonstrations,
    view: TrainingWatcher,
) -> CheckpointEvaluation | None:
    """Return what measures a base in ``worlds`` and on the demonstrations that are held out; None if there are neither."""
    if not worlds and not data.held_out:
        return None
    return CheckpointEvaluation(
        worlds, settings.seed, trials, view, data.held_out, data.held_out_groups, settings.relabel
    )
