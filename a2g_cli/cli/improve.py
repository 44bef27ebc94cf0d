"""``a2g improve`` as it is typed: parse, call one function, print."""

from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import options
from a2g_cli.cli.from_settings import Given, with_settings
from a2g_cli.cli.runner import finish, place, typed_command
from a2g_cli.improvement.settings import GOAL_EPISODES, ImproveSettings, check_judge_of_practice, goal_learning
from a2g_cli.report.settings import ReportSettings, report_settings_from
from a2g_cli.tracking.settings import LogSettings, log_settings_from
from a2g_cli.training.finetune_settings import FinetuneSettings

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report

LIMITS = ("rounds", "until", "minutes", "most_episodes")
"""Settings that a run which goes on may change."""
_WITH_RESUME = {*LIMITS, "resume", "report", "log", "workspace", "as_json"}


@with_settings("learning", FinetuneSettings, without=("seed",))
@with_settings("practice", ImproveSettings)
@with_settings("reporting", ReportSettings)
@with_settings("logging", LogSettings)
def improve(
    *,
    context: typer.Context,
    goals: Annotated[
        list[str] | None,
        typer.Argument(metavar="[GOAL...]", help="Goals to practise.  [default: goals drawn from the scene]"),
    ] = None,
    practice: Given,
    robot: options.Robot = None,
    scene: options.Scene = None,
    shift: options.Shift = None,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            metavar="SESSION",
            help="Go on with a run that was interrupted, or practise longer; latest: the newest session.",
            rich_help_panel=options.PRACTICE,
        ),
    ] = None,
    session: options.Session = None,
    steps: options.Steps = None,
    evaluation: Annotated[
        int,
        typer.Option(
            "--evaluation",
            metavar="N",
            min=1,
            max=options.MANY,
            help="Held-out trials of each GOAL that measure success before and after; without a GOAL, in all.",
            rich_help_panel=options.PRACTICE,
        ),
    ] = 100,
    learning: Given,
    seed: options.NewSeed = None,
    base: options.Base = None,
    safety: options.Safety = None,
    deadman_key: options.DeadmanKey = None,
    camera: options.Camera = None,
    reporting: Given,
    logging: Given,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Practise: run and adapt, round after round, and measure success before and after.

    With GOALs, those are practised, and success is measured on held-out starts of each. A run that was stopped at any moment
    goes on with --resume.
    """

    def work() -> "Report":
        from a2g_cli.cli.commands import improve as command
        from a2g_cli.cli.commands.deployment import Deployment
        from a2g_cli.cli.commands.report_page import Reporting
        from a2g_cli.cli.commands.safety import limits_from
        from a2g_cli.core.errors import UsageError
        from a2g_cli.data.recording.seeds import unused_seed
        from a2g_cli.improvement.goal_sampling import check_source
        from a2g_cli.runtime.reset import check_way
        from a2g_cli.runtime.termination import RolloutSettings
        from a2g_cli.training.finetune_settings import settings_from

        where = place(workspace)
        ending = Reporting(report_settings_from(reporting), typed_command())
        tracker = log_settings_from(logging).log
        if resume is not None:
            if fixed := _typed(context, _WITH_RESUME):
                raise UsageError(
                    f"{', '.join(fixed)}: a resumed run keeps its settings. Only its limits can change: "
                    "--rounds, --until, --max-minutes, --max-episodes."
                )
            return command.resume(where, resume, {name: practice[name] for name in LIMITS}, ending, tracker)
        deployment = Deployment.choose(where, robot, camera or [], scene=scene, shift=shift)
        given = {name: value for name, value in practice.items() if value is not None}
        one_by_one = bool(goals) and given.get("judge") != "policy"
        if one_by_one:
            given = {"episodes": GOAL_EPISODES, **given}
        typed = {name: value for name, value in learning.items() if value is not None}
        settings = ImproveSettings(
            **given,
            seed=unused_seed(where) if seed is None else seed,
            rollout=RolloutSettings(limit=steps, safety=limits_from(deployment.safety, safety or [], deadman_key)),
            adapt=settings_from(**(goal_learning(base) if one_by_one else {}) | typed),
        )
        check_way(settings.reset)
        check_source(settings.goals_from, settings.curriculum, goals or [])
        check_judge_of_practice(settings.judge, bool(goals))
        request = command.ImproveRequest(deployment, tuple(goals or []), base, settings, evaluation, seed or 0)
        return command.improve(where, request, session, ending, tracker)

    finish(as_json, work)


def _typed(context: typer.Context, allowed: set[str]) -> list[str]:
    """Return the options and arguments that were typed, without those ``allowed``, in the help's order."""
    typed = []
    for parameter in context.command.params:
        source = context.get_parameter_source(str(parameter.name))
        if source is not None and source.name == "COMMANDLINE" and parameter.name not in allowed:
            typed.append(parameter.opts[0] if parameter.opts[0].startswith("-") else "GOAL")
    return typed
