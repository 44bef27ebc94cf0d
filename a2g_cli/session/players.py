"""Who acts: the base, the base with an adapter, or one of the floors, by name."""

from collections.abc import Callable
from pathlib import Path

from a2g_cli.policy import adapter as adapters
from a2g_cli.policy import checkpoint, home
from a2g_cli.policy.act2goal import Act2Goal
from a2g_cli.policy.acting import Act2GoalPolicy, ActingSettings
from a2g_cli.policy.calibrated import CalibratedPolicy
from a2g_cli.policy.floors import RandomPolicy, StillPolicy
from a2g_cli.policy.policy import Policy
from a2g_cli.policy.shelf import Shelf
from a2g_cli.policy.whereabouts import HereOrHome, Whereabouts
from a2g_cli.robots.robot import RobotSpec

FLOORS: dict[str, Callable[[RobotSpec], Policy]] = {"random": RandomPolicy, "still": StillPolicy}


class Players:
    """Policies for one robot, from one base and one workspace's adapters."""

    def __init__(self, base: Path, shelf: Shelf, spec: RobotSpec, settings: ActingSettings | None = None) -> None:
        self.folder, self.shelf, self.spec = base, shelf, spec
        self.settings = settings or ActingSettings()

    def base_hash(self) -> str:
        """Return the base's hash. Raises CheckpointError."""
        return checkpoint.fingerprint(self.folder)

    def arrived_below(self, name: str) -> float:
        """Return the steps-to-go below which ``name`` counts as arrived [steps]; 0, never, for the floors."""
        return 0.0 if name in FLOORS else checkpoint.arrived_below(self.folder)

    def judge(self, name: str) -> Act2Goal | None:
        """Return the base, whose heads judge the episodes of ``name`` whatever it wraps; None for the floors.

        Raises:
            CheckpointError: the base is missing or damaged.
        """
        return None if name in FLOORS else checkpoint.load(self.folder)

    def get(self, name: str) -> Policy:
        """Return the policy called ``name``: ``none``, ``random``, ``still``, or an adapter.

        Raises:
            UnknownNameError: no such adapter.
            CheckpointError: base or adapter is missing, damaged, or does not fit.
            UsageError: the base cannot act with these settings.
        """
        if name in FLOORS:
            return FLOORS[name](self.spec)
        adapter = None if name == "none" else self.shelf.get(name)
        model = checkpoint.load(self.folder)
        checkpoint.check_fits(model.config, self.spec)
        if adapter is not None:
            adapters.apply(adapter, model, self.base_hash())
        policy = Act2GoalPolicy(model, self.settings)
        if adapter is None or not (calibration := adapter.calibration):
            return policy
        here = CalibratedPolicy(policy, calibration, self.spec)
        at_home, plain = home.of_base(self.folder), checkpoint.load(self.folder)
        if at_home is None or not (whereabouts := Whereabouts(plain, at_home, calibration)).visible:
            return here
        return HereOrHome(here, Act2GoalPolicy(plain, self.settings), whereabouts)
