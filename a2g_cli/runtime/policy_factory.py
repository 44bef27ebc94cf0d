"""Who acts: the base, the base with an adapter, or one of the floors, by name."""

from collections.abc import Callable, Mapping
from pathlib import Path

from a2g_cli.adapters import files as adapters
from a2g_cli.adapters.registry import AdapterRegistry
from a2g_cli.calibration import nominal
from a2g_cli.calibration.base_pose import BasePose
from a2g_cli.calibration.domain_switch import DomainDetector, DomainSwitchPolicy
from a2g_cli.calibration.goal_distance import GoalScorer
from a2g_cli.calibration.policy import TransformedPolicy
from a2g_cli.calibration.posterior_policy import PosteriorSamplingPolicy
from a2g_cli.calibration.transform import IDENTITY, DomainTransform
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.policies.base import Policy
from a2g_cli.policies.baselines import RandomPolicy, StillPolicy
from a2g_cli.policies.image_size import ResizingPolicy, in_words, resized_spec
from a2g_cli.robots.base import RobotSpec

BASELINES: dict[str, Callable[[RobotSpec], Policy]] = {"random": RandomPolicy, "still": StillPolicy}


class PolicyFactory:
    """Policies for one robot, from one base and one workspace's adapters."""

    def __init__(
        self, base: Path, registry: AdapterRegistry, spec: RobotSpec, settings: ActingSettings | None = None
    ) -> None:
        self.folder, self.registry, self.spec = base, registry, spec
        self.settings = settings or ActingSettings()

    def base_hash(self) -> str:
        """Return the base's hash. Raises CheckpointError."""
        return checkpoint.fingerprint(self.folder)

    def arrived_below(self, name: str) -> float:
        """Return the steps-to-go below which ``name`` counts as arrived [steps]; 0, never, for the floors."""
        return 0.0 if name in BASELINES else checkpoint.arrived_below(self.folder)

    def calibration(self, name: str) -> DomainTransform:
        """Return the calibration that ``name`` acts through. Raises UnknownNameError or CheckpointError."""
        return IDENTITY if name == "none" or name in BASELINES else self.registry.get(name).calibration

    def goal_scorer(self, name: str) -> GoalScorer | None:
        """Return who judges the episodes of ``name``: the base's heads, through its views; None for the floors.

        Raises:
            UnknownNameError: no such adapter.
            CheckpointError: base or adapter is missing or damaged.
        """
        if name in BASELINES:
            return None
        model, calibration = checkpoint.load(self.folder), self.calibration(name)
        return GoalScorer(model, calibration, self._detector(model, calibration))

    def _detector(self, plain: Act2Goal, calibration: DomainTransform) -> DomainDetector | None:
        """Return who tells here from home, by what the base ``plain`` sees; None where nobody can, or need."""
        at_home = nominal.load_nominal(self.folder) if calibration else None
        detector = None if at_home is None else DomainDetector(plain, at_home, calibration)
        return detector if detector is not None and detector.visible else None

    def guessing(self, name: str, calibration: DomainTransform, sampled_poses: Mapping[int, BasePose]) -> Policy:
        """Return ``name``'s weights behind another calibration, whose mount is each attempt's own guess.

        Raises:
            UnknownNameError, CheckpointError: as ``get`` does.
        """
        model = self._model(name)
        policy = PosteriorSamplingPolicy(Act2GoalPolicy(model, self.settings), calibration, self.spec, sampled_poses)
        return ResizingPolicy(policy, model.config.size) if self._resizes(model) else policy

    def note_resizing(self, note: Callable[[str], None], *names: str) -> None:
        """Say by ``note`` what is done to the robot's images before any of ``names`` sees them. Raises CheckpointError."""
        if set(names) - set(BASELINES):
            config, _ = checkpoint.read_config(self.folder)
            if told := in_words(self.spec.cameras, config.size):
                note(f"{told}, the size that the base was trained at")

    def _resizes(self, model: Act2Goal) -> bool:
        return any(size != model.config.size for size in self.spec.cameras.values())

    def _model(self, name: str) -> Act2Goal:
        """Return the base with the weights of adapter ``name``, or alone for ``none``."""
        model = checkpoint.load(self.folder)
        checkpoint.check_fits(model.config, resized_spec(self.spec, model.config.size))
        if name != "none":
            adapters.apply(self.registry.get(name), model, self.base_hash())
        return model

    def get(self, name: str) -> Policy:
        """Return the policy called ``name``: ``none``, ``random``, ``still``, or an adapter.

        Images of another size than the base was trained at are cropped and resized to it.

        Raises:
            UnknownNameError: no such adapter.
            CheckpointError: base or adapter is missing, damaged, or does not fit.
            UsageError: the base cannot act with these settings.
        """
        if name in BASELINES:
            return BASELINES[name](self.spec)
        model = self._model(name)
        policy = self._calibrated(model, name)
        return ResizingPolicy(policy, model.config.size) if self._resizes(model) else policy

    def _calibrated(self, model: Act2Goal, name: str) -> Policy:
        """Return ``model`` acting through the calibration of ``name``, where it has one."""
        policy, calibration = Act2GoalPolicy(model, self.settings), self.calibration(name)
        if not calibration:
            return policy
        here = TransformedPolicy(policy, calibration, self.spec)
        plain = checkpoint.load(self.folder)
        if (detector := self._detector(plain, calibration)) is None:
            return here
        return DomainSwitchPolicy(here, Act2GoalPolicy(plain, self.settings), detector)
