"""Who acts: the base, the base with an adapter, or one of the floors, by name."""

from pathlib import Path

from a2g_cli.policy import adapter as adapters
from a2g_cli.policy import checkpoint
from a2g_cli.policy.acting import Act2GoalPolicy, ActingSettings
from a2g_cli.policy.floors import RandomPolicy, StillPolicy
from a2g_cli.policy.policy import Policy
from a2g_cli.policy.shelf import Shelf
from a2g_cli.robots.robot import RobotSpec


class Players:
    """Policies for one robot, from one base and one workspace's adapters."""

    def __init__(self, base: Path, shelf: Shelf, spec: RobotSpec, settings: ActingSettings | None = None) -> None:
        self.folder, self.shelf, self.spec = base, shelf, spec
        self.settings = settings or ActingSettings()

    def base_hash(self) -> str:
        """Return the base's hash. Raises CheckpointError."""
        return checkpoint.fingerprint(self.folder)

    def get(self, name: str) -> Policy:
        """Return the policy called ``name``: ``none``, ``random``, ``still``, or an adapter.

        Raises:
            UnknownNameError: no such adapter.
            CheckpointError: base or adapter is missing, damaged, or does not fit.
        """
        if name == "random":
            return RandomPolicy(self.spec)
        if name == "still":
            return StillPolicy(self.spec)
        adapter = None if name == "none" else self.shelf.get(name)
        model = checkpoint.load(self.folder)
        checkpoint.check_fits(model.config, self.spec)
        if adapter is not None:
            adapters.apply(adapter, model, self.base_hash())
        return Act2GoalPolicy(model, self.settings)
