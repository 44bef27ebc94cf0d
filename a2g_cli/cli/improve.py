"""``a2g improve`` as it is typed: parse, call one function, print."""

from typing import TYPE_CHECKING, Annotated

import typer

from a2g_cli.cli import options
from a2g_cli.cli.runner import finish, place

if TYPE_CHECKING:
    from a2g_cli.cli.commands.report import Report

_OF_A_RESUMED_RUN = {"resume", "rounds", "until", "max_minutes", "max_episodes", "workspace", "as_json"}


def improve(
    context: typer.Context,
    goals: Annotated[
        list[str] | None,
        typer.Argument(metavar="[GOAL...]", help="Goals to practise; else goals drawn from the scene."),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option("--rounds", min=1, help="Most rounds of practice and adaptation.  [default: 5]")
    ] = None,
    episodes: Annotated[
        int,
        typer.Option(
            "--episodes",
            min=1,
            max=options.MANY,
            help="Practice episodes a round. Trained weights are promoted by a lead of three, so fewer promote none.",
        ),
    ] = 20,
    iterations: Annotated[int | None, typer.Option("--iterations", min=1, help="Training steps a round.")] = None,
    calibrate: options.Calibrate = None,
    retain: options.Retain = None,
    mix: options.Mix = None,
    demonstrations: options.Demonstrations = None,
    reset: Annotated[
        str,
        typer.Option(
            "--reset",
            metavar="WAY",
            help="Between practice episodes: own (the simulator draws a start), cycle (none: things stay where they are, and "
            "the next goal is one that can be asked of them), home (as cycle, but the robot drives to its rest pose), "
            "prompt (a person puts the scene back).",
        ),
    ] = "own",
    goals_from: Annotated[
        str,
        typer.Option(
            "--goals-from",
            metavar="SOURCE",
            help="Where goals come from that nobody named: scene (drawn), recordings[:SESSION] (what was achieved at an "
            "episode's end, of this run's earlier rounds or of a session), imagined (the world model's plan's last frame).",
        ),
    ] = "scene",
    curriculum: Annotated[
        str,
        typer.Option(
            "--curriculum",
            metavar="HOW",
            help="Which of four goals an episode tries: none (the first), progress (now reached, now not, and neither near "
            "nor far, as the base's steps-to-go sees it).",
        ),
    ] = "none",
    until: Annotated[
        float | None,
        typer.Option(
            "--until",
            metavar="RATE",
            min=0.0,
            max=1.0,
            help="Stop when this share of a round's trials arrives, as the policy's own steps-to-go judges it.",
        ),
    ] = None,
    max_minutes: Annotated[
        float | None,
        typer.Option("--max-minutes", metavar="M", min=0.0, help="Begin no round after so long a practice."),
    ] = None,
    max_episodes: Annotated[
        int | None,
        typer.Option("--max-episodes", metavar="N", min=1, help="Begin no round that would pass so many episodes."),
    ] = None,
    explore: Annotated[
        int,
        typer.Option(
            "--explore",
            metavar="N",
            min=0,
            max=options.MANY,
            help="Most episodes that act on guesses of where the arm stands, where camera and arm were moved both.",
        ),
    ] = 64,
    rehearse: Annotated[
        int,
        typer.Option(
            "--rehearse",
            metavar="N",
            min=0,
            max=options.MANY,
            help="Episodes that repeat with closed eyes what the base remembers; learned from, whatever they achieve.",
        ),
    ] = 0,
    evaluation: Annotated[
        int,
        typer.Option(
            "--evaluation",
            min=1,
            max=options.MANY,
            help="Held-out starts and goals that before and after are judged on.",
        ),
    ] = 100,
    shift: options.Shift = None,
    scene: options.Scene = None,
    robot: options.Robot = None,
    camera: options.Camera = None,
    base: options.Base = None,
    steps: options.Steps = None,
    seed: options.Seed = 0,
    session: Annotated[str | None, typer.Option("--session", metavar="NAME", help="Name of the session.")] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            metavar="SESSION",
            help="Go on with a run that was killed or interrupted, or with higher limits; `latest` is the newest.",
        ),
    ] = None,
    safety: options.Safety = None,
    hold: options.Hold = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Practise: run and adapt, round after round, and say what it brought. Killed at any moment, --resume goes on."""

    def work() -> "Report":
        from a2g_cli.cli.commands import improve as command
        from a2g_cli.cli.commands.deployment import Deployment
        from a2g_cli.cli.commands.safety import limits_from
        from a2g_cli.core.errors import UsageError
        from a2g_cli.improvement.goal_sampling import check_source
        from a2g_cli.improvement.loop import ImproveSettings
        from a2g_cli.runtime.reset import check_way
        from a2g_cli.runtime.termination import RolloutSettings
        from a2g_cli.training.finetune import settings_from

        limits = {"rounds": rounds, "until": until, "minutes": max_minutes, "most_episodes": max_episodes}
        where = place(workspace)
        if resume is not None:
            if other := sorted(_typed(context) - _OF_A_RESUMED_RUN):
                told = ", ".join("GOAL" if name == "goals" else f"--{name.replace('_', '-')}" for name in other)
                raise UsageError(
                    f"{told}: a run that goes on keeps what it was begun with; only its limits can change."
                )
            return command.resume(where, resume, limits)
        deployment = Deployment.choose(where, robot, camera or [], scene=scene, shift=shift)
        check_source(goals_from, curriculum, goals or [])
        given = {name: value for name, value in limits.items() if value is not None}
        settings = ImproveSettings(
            episodes=episodes,
            seed=seed,
            explore=explore,
            rehearse=rehearse,
            reset=check_way(reset),
            goals_from=goals_from,
            curriculum=curriculum,
            rollout=RolloutSettings(limit=steps, safety=limits_from(deployment.safety, safety or [], hold)),
            adapt=settings_from(
                iterations=iterations, calibrate=calibrate, retain=retain, mix=mix, demonstrations=demonstrations
            ),
            **given,  # type: ignore[arg-type]
        )
        asked = command.ImproveRequest(deployment, tuple(goals or []), base, settings, evaluation)
        return command.improve(where, asked, session)

    finish(as_json, work)


def _typed(context: typer.Context) -> set[str]:
    """Return the names of the parameters that were typed."""
    typed: set[str] = set()
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            typed.add(name)
    return typed
