"""``a2g demo``: the whole loop in the simulator, in a folder of its own."""

import os
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Any, NamedTuple

from a2g_cli.adapters.registry import BASE, AdapterRegistry
from a2g_cli.cli.commands.deployment import Deployment
from a2g_cli.cli.commands.improve import ImproveRequest, improve
from a2g_cli.cli.commands.prompts import to_type
from a2g_cli.cli.commands.report import Report
from a2g_cli.cli.commands.report_page import Reporting, session_report, with_report
from a2g_cli.cli.commands.run import run
from a2g_cli.core.workspace import Workspace
from a2g_cli.data import goals as goal_store
from a2g_cli.display.console import stderr_console
from a2g_cli.display.images import image_row
from a2g_cli.improvement.settings import ImproveSettings, goal_learning
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.report.settings import ReportSettings
from a2g_cli.runtime.evaluation import draw_trials
from a2g_cli.training.finetune_settings import settings_from

GOAL = "demo-goal"
START = 10_000
"""Seed of the start of the first and the last try; no run without a seed of its own practises it."""
EPISODES = 20
"""Practice episodes of a round."""


class Length(NamedTuple):
    """How much a demo does."""

    rounds: int
    evaluation: int
    """Held-out trials before and after."""


FULL, QUICK = Length(2, 100), Length(1, 20)


def demo(
    folder: Path | None,
    shift: str,
    rounds: int | None = None,
    evaluation: int | None = None,
    seed: int = 7,
    reporting: Reporting | None = None,
    *,
    quick: bool = False,
) -> Report:
    """Take a photo of a goal, try it once, practise it, measure success, and try the same start again.

    It always starts from the base policy.

    Args:
        folder: the workspace; None: that of the environment, else ``demo``.
        shift: how the scene differs from training.
        rounds: of practice; None: as ``FULL`` or ``QUICK`` has it.
        evaluation: held-out trials before and after; None: likewise.
        seed: of practice and of the held-out trials.
        reporting: whether it ends by writing an HTML file; None: it does not.
        quick: measure nothing in the training domain, and as ``QUICK`` says.

    Raises:
        HardwareError: OpenGL does not work. CheckpointError: there is no shipped base. UsageError: unknown shift.
    """
    usual = QUICK if quick else FULL
    rounds, evaluation = rounds or usual.rounds, evaluation or usual.evaluation
    workspace = Workspace.find(folder or (None if os.environ.get("A2G_WORKSPACE") else Path("demo")))
    console = stderr_console()
    deployment = Deployment("sim", {"shift": shift})
    registry = AdapterRegistry(workspace)
    if registry.active() != BASE:
        registry.promote(BASE)  # the demo shows what practice improves over the base
    console.rule(f"1 · a photo of the goal, with the shift {shift}")
    with deployment.connected() as (robot,):
        goal = draw_trials(robot, "practice", 0, 1, first=10_000)[0].goal
    goal = replace(goal, name=GOAL)
    goal_store.save_goal(workspace, goal, overwrite=True)
    for image in goal.images.values():
        console.print(image_row([image], 32))
    console.rule("2 · one try with the base policy")
    first = _tried(workspace, deployment, BASE)
    if first.exit_code == 130:
        return first
    console.rule(f"3 · practice of this goal: {rounds} round{'s' if rounds > 1 else ''}")
    settings = ImproveSettings(rounds=rounds, episodes=EPISODES, seed=seed, adapt=settings_from(**goal_learning(None)))
    # The report is written at the end, with both tries.
    later = None if reporting is None else replace(reporting, settings=ReportSettings(report=False))
    request = ImproveRequest(deployment, (GOAL,), None, settings, evaluation, seed, nominal=not quick)
    brought = improve(workspace, request, reporting=later)
    if brought.exit_code:
        return brought
    active = str(brought.document["active"])
    console.rule("4 · the same goal and the same start again")
    again = _tried(workspace, deployment, active)
    if again.exit_code == 130:
        return again
    console.rule("5 · success before and after")
    lines: list[Any] = [
        f"the first try, with the base policy: {_outcome(first)}.",
        f"the same start after practice, with {'the base policy' if active == BASE else active}: {_outcome(again)}.",
        *brought.lines,
        "",
        "Next, type:",
        *_next(workspace, shift, active),
    ]
    shown = Report({"first_try": first.document, "last_try": again.document, **brought.document}, lines)
    tries = [(_path(first), _path(again))]
    return with_report(shown, reporting, lambda: session_report(workspace, brought.document["session"], tries))


def _path(tried: Report) -> Path:
    return Path(tried.document["recordings"][0]["path"])


def _tried(workspace: Workspace, deployment: Deployment, adapter: str) -> Report:
    """Let ``adapter`` try the goal once, always from the same start."""
    return run(
        workspace, deployment, [GOAL], 1, adapter, None, None, START, None, imagine=True, acting=ActingSettings()
    )


def _outcome(tried: Report) -> str:
    (episode,) = tried.document["recordings"]
    return f"{'success' if episode['success'] else 'no success'} in {episode['steps']} steps (simulator)"


def _next(workspace: Workspace, shift: str, adapter: str) -> list[str]:
    taken = set(goal_store.list_goals(workspace))
    mine = next(name for name in chain(["mine"], (f"mine-{number}" for number in count(2))) if name not in taken)
    compared = [word for name in dict.fromkeys((BASE, adapter, "random")) for word in ("--adapter", name)]
    commands = [
        ("capture-goal", mine, "--shift", shift),
        ("run", mine, "--episodes", "3", "--shift", shift),
        ("replay", "latest"),
        ("evaluate", *compared, "--shift", shift),
    ]
    return [f"  {to_type(workspace, *words)}" for words in commands]
