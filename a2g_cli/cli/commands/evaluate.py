"""``a2g evaluate``: compare adapters on the same held-out starts and goals."""

from collections.abc import Sequence
from pathlib import Path

from a2g_cli.adapters.registry import BASE, AdapterRegistry
from a2g_cli.cli.commands.deployment import Deployment
from a2g_cli.cli.commands.report import Report, reported
from a2g_cli.core.safety_limits import SafetyLimits
from a2g_cli.core.workspace import Workspace
from a2g_cli.display.console import stderr_console
from a2g_cli.display.tables import results_table
from a2g_cli.display.training_view import training_view
from a2g_cli.models import checkpoint
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.robots.base import shift_of
from a2g_cli.runtime.evaluation import Result, draw_trials, evaluate
from a2g_cli.runtime.policy_factory import PolicyFactory
from a2g_cli.runtime.termination import RolloutSettings

LANES = 8
"""Episodes that are rolled out at a time and planned in one batch; more gain little on two cores."""


def evaluate_adapters(
    workspace: Workspace,
    deployment: Deployment,
    adapters: Sequence[str],
    base: Path | None,
    episodes: int,
    steps: int | None,
    seed: int,
    acting: ActingSettings,
    limits: SafetyLimits | None = None,
) -> Report:
    """Roll out each adapter on the same trials; without names, the active one.

    Raises:
        UsageError, CheckpointError, HardwareError, SafetyStop: see their messages.
    """
    registry = AdapterRegistry(workspace)
    names = list(dict.fromkeys(adapters)) or [registry.active()]
    settings = RolloutSettings(limit=steps, stop_on_truth=True, safety=limits or SafetyLimits())
    results: list[Result] = []
    with (
        reported() as finished,
        training_view(stderr_console()) as view,
        deployment.connected(lanes=min(LANES, episodes)) as robots,
    ):
        factory = PolicyFactory(base or checkpoint.SHIPPED, registry, robots[0].spec, acting)
        policies = [(name, factory.get(name)) for name in names]  # wrong names are refused before anything runs
        factory.note_resizing(view.note, *names)
        trials = draw_trials(robots[0], "evaluation", seed, episodes)
        for name, policy in policies:
            view.started(f"evaluating {'the base policy' if name == BASE else name}", episodes)
            results.append(
                evaluate(
                    name, policy, robots, trials, settings, lambda done, good: view.advanced(done, {"successes": good})
                )
            )
            view.finished()
        rows = [result.to_json() for result in results]
        document = {"robot": robots[0].spec.name, "shift": shift_of(robots[0]), "seed": seed}
        finished.report = Report({**document, "results": rows}, [results_table(rows)])
    return finished.report
