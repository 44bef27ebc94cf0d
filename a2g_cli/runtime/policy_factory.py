"""Makes policies by name: the base, the base with an adapter, or a baseline."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from a2g_cli.adapters import files as adapters
from a2g_cli.adapters.goals import read_goals
from a2g_cli.adapters.registry import BASE, AdapterRegistry
from a2g_cli.calibration import nominal
from a2g_cli.calibration.base_pose import BasePose
from a2g_cli.calibration.domain_switch import DomainDetector, DomainSwitchPolicy
from a2g_cli.calibration.goal_distance import GoalScorer
from a2g_cli.calibration.policy import TransformedPolicy
from a2g_cli.calibration.posterior_policy import PosteriorSamplingPolicy
from a2g_cli.calibration.transform import IDENTITY, DomainTransform
from a2g_cli.core.types import Goal
from a2g_cli.models import checkpoint
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.policies.act2goal import Act2GoalPolicy, encode_goal
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.policies.base import Policy
from a2g_cli.policies.baselines import RandomPolicy, StillPolicy
from a2g_cli.policies.goal_switch import GoalSwitchPolicy
from a2g_cli.policies.image_size import ResizingPolicy, in_words, resized_spec
from a2g_cli.robots.base import RobotSpec

BASELINES: dict[str, Callable[[RobotSpec], Policy]] = {"random": RandomPolicy, "still": StillPolicy}


class PolicyFactory:
    """Makes policies for one robot, from one base and a workspace's adapters."""

    def __init__(
        self, base: Path, registry: AdapterRegistry, spec: RobotSpec, settings: ActingSettings | None = None
    ) -> None:
        self.folder, self.registry, self.spec = base, registry, spec
        self.settings = settings or ActingSettings()

    def base_hash(self) -> str:
        """Return the base's hash. Raises CheckpointError."""
        return checkpoint.fingerprint(self.folder)

    def arrived_below(self, name: str) -> float:
        """Return the steps-to-go below which ``name`` considers a goal reached [steps]; 0 (never) for baselines."""
        return 0.0 if name in BASELINES else checkpoint.arrived_below(self.folder)

    def calibration(self, name: str) -> DomainTransform:
        """Return the domain transform of ``name``. Raises UnknownNameError or CheckpointError."""
        return IDENTITY if name == BASE or name in BASELINES else self.registry.get(name).calibration

    def goal_scorer(self, name: str) -> GoalScorer | None:
        """Return the scorer for episodes of ``name``: the base's heads, through its camera warp; None for baselines.

        Raises:
            UnknownNameError: no such adapter.
            CheckpointError: base or adapter is missing or damaged.
        """
        if name in BASELINES:
            return None
        model, calibration = checkpoint.load(self.folder), self.calibration(name)
        return GoalScorer(model, calibration, self._detector(model, calibration))

    def _detector(self, base: Act2Goal, calibration: DomainTransform) -> DomainDetector | None:
        """Return what distinguishes deployment and training domain in images; None if that is not needed or not visible."""
        domain = nominal.load_nominal(self.folder) if calibration else None
        detector = None if domain is None else DomainDetector(base, domain, calibration)
        return detector if detector is not None and detector.visible else None

    def guessing(self, name: str, calibration: DomainTransform, sampled_poses: Mapping[int, BasePose]) -> Policy:
        """Return ``name``'s weights behind another domain transform, with a base pose of its own for each episode.

        Raises:
            UnknownNameError, CheckpointError: as ``get`` does.
        """
        model = self._model(name)
        policy = PosteriorSamplingPolicy(Act2GoalPolicy(model, self.settings), calibration, self.spec, sampled_poses)
        return ResizingPolicy(policy, model.config.size) if self._resizes(model) else policy

    def note_resizing(self, note: Callable[[str], None], *names: str) -> None:
        """Call ``note`` if the robot's images are cropped or resized for any of ``names``. Raises CheckpointError."""
        if set(names) - set(BASELINES):
            config, _ = checkpoint.read_config(self.folder)
            if resizing := in_words(self.spec.cameras, config.size):
                note(f"{resizing}, the size that the base was trained at")

    def _resizes(self, model: Act2Goal) -> bool:
        return any(size != model.config.size for size in self.spec.cameras.values())

    def _model(self, name: str) -> Act2Goal:
        """Return the base with the weights of adapter ``name``; ``base``: the base alone."""
        model = checkpoint.load(self.folder)
        checkpoint.check_fits(model.config, resized_spec(self.spec, model.config.size))
        if name != BASE:
            adapters.apply(self.registry.get(name), model, self.base_hash())
        return model

    def get(self, name: str, settings: ActingSettings | None = None) -> Policy:
        """Return the policy ``name``: ``base``, ``random``, ``still``, or an adapter.

        Images of another size than the base's are cropped and resized.

        Args:
            name: of the policy.
            settings: of acting; None: the factory's.

        Raises:
            UnknownNameError: no such adapter.
            CheckpointError: base or adapter is missing, damaged, or does not fit.
            UsageError: the base cannot act with these settings.
        """
        if name in BASELINES:
            checkpoint.read_config(self.folder)  # a baseline needs no base, but a wrong --base must not go unnoticed
            return BASELINES[name](self.spec)
        model = self._model(name)
        policy = self._on_goals(model, name, name, settings or self.settings)
        return ResizingPolicy(policy, model.config.size) if self._resizes(model) else policy

    def note_goals(self, note: Callable[[str], None], names: Iterable[str], goals: Iterable[Goal] = ()) -> None:
        """Call ``note`` for each of ``names`` that acts on its own goals alone, unless all of ``goals`` are among them.

        Raises:
            UnknownNameError, CheckpointError: as ``get`` does.
        """
        for name in (name for name in names if name != BASE and name not in BASELINES):
            adapter = self.registry.get(name)
            known, model = read_goals(adapter), checkpoint.load(self.folder)
            others = [goal.name for goal in goals if known is not None and not known.include(encode_goal(model, goal))]
            if known is not None and (others or not goals):
                before = adapter.lineage.get("parent") or "the base policy"
                which = ", ".join(others[:3]) or "other goals"
                note(f"{name} practised {', '.join(known.latents)}; on {which} {before} acts")

    def _on_goals(self, model: Act2Goal, name: str, calibrated: str, settings: ActingSettings) -> Policy:
        """Return the weights of ``name`` as a policy, behind the domain transform of ``calibrated``.

        If they act on named goals alone, the weights that they began from act on the others; the base's, if that adapter was
        removed.
        """
        policy = self._calibrated(model, calibrated, settings)
        goals = None if name == BASE else read_goals(self.registry.get(name))
        if goals is None:
            return policy
        parent = self.registry.get(name).lineage.get("parent")
        before = parent if parent in self.registry.names() else BASE
        other = self._on_goals(self._model(before), before, calibrated, settings)
        return GoalSwitchPolicy(policy, other, lambda goal: goals.include(encode_goal(model, goal)))

    def _calibrated(self, model: Act2Goal, name: str, settings: ActingSettings) -> Policy:
        """Return ``model`` as a policy, behind the domain transform of ``name`` if it has one."""
        policy, calibration = Act2GoalPolicy(model, settings), self.calibration(name)
        if not calibration:
            return policy
        transformed = TransformedPolicy(policy, calibration, self.spec)
        base = checkpoint.load(self.folder)
        if (detector := self._detector(base, calibration)) is None:
            return transformed
        return DomainSwitchPolicy(transformed, Act2GoalPolicy(base, settings), detector)
