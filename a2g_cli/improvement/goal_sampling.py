"""Which goal practice tries: the scene's own draw, what was achieved before, or what the world model imagines; and how hard.

Achieved goals are hindsight's, tried on purpose; imagined ones are RIG's idea (arXiv 1807.04742) with a plan's last frame
in the place of an autoencoder's sample. No truth goes into a choice: the base's own steps-to-go head, which adapting never
changes, says what holds already and how far away a goal is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from a2g_cli.core.errors import UnknownNameError, UsageError
from a2g_cli.core.types import Goal, Image, Observation, State
from a2g_cli.core.workspace import checked_name
from a2g_cli.data.goals import goal_from_recording
from a2g_cli.data.recording.reader import Recording
from a2g_cli.data.recording.sessions import Session
from a2g_cli.improvement.state import RunState
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import to_tensor
from a2g_cli.policies.act2goal import Act2GoalPolicy
from a2g_cli.policies.acting import ActingSettings
from a2g_cli.policies.base import PlanRequest
from a2g_cli.policies.image_size import ResizingPolicy, resized
from a2g_cli.robots.base import InstrumentedRobot, Robot

SOURCES = ("scene", "recordings", "imagined")
CURRICULA = ("none", "progress")
CANDIDATES = 4
"""Goals that a curriculum draws for each episode, of which one is tried."""
APART = 1_000_000
"""Between the indices of one episode's candidates: their chance is their own."""
NEIGHBOURS = 5
"""Earlier episodes that say how likely a goal is to be reached."""
IMAGINE_STEPS = 4
"""Euler steps over an imagined goal's frames."""


@dataclass(frozen=True)
class Candidate:
    """A goal that may be tried, and where from."""

    goal: Goal
    start: State | None
    """None: from where things are."""
    seen: Callable[[], Mapping[str, Image]]
    """Returns what the robot's cameras see at the start: camera -> picture."""


class GoalSource(Protocol):
    """Puts another goal in the place of one that the scene drew."""

    def __call__(self, drawn: Candidate, number: int, seed: Sequence[int]) -> Candidate:
        """Return what to try in round ``number`` instead of ``drawn``; ``drawn`` itself where the source has nothing."""


def from_scene(drawn: Candidate, number: int, seed: Sequence[int]) -> Candidate:  # noqa: ARG001
    """Leave the goal as the scene drew it."""
    return drawn


@dataclass(frozen=True)
class FromRecordings:
    """What the robot saw at the end of an earlier episode, whatever it had tried. No truth says whether it is reached."""

    robot: Robot
    pool: Callable[[int], Sequence[Path]]
    """Round -> recordings."""
    satisfied: Callable[[Mapping[str, Image], Goal], bool]

    def __call__(self, drawn: Candidate, number: int, seed: Sequence[int]) -> Candidate:
        """Return an achieved frame, from a start on the table that it was achieved on; one that holds already is none."""
        paths = self.pool(number)
        for at in np.random.default_rng(list(seed)).permutation(len(paths)):
            goal = goal_from_recording(paths[at], name=f"achieved-{paths[at].stem}")
            found = (
                replace(drawn, goal=goal) if drawn.start is None else self._on_its_table(drawn, goal, paths[at], seed)
            )
            if found is not None and not self.satisfied(found.seen(), goal):
                return found
        return drawn

    def _on_its_table(self, drawn: Candidate, goal: Goal, path: Path, seed: Sequence[int]) -> Candidate | None:
        """Return ``goal`` with a start on the table that it was achieved on; None where nobody knows which that was."""
        robot = self.robot
        if not isinstance(robot, InstrumentedRobot):
            return replace(drawn, goal=goal)
        with Recording(path) as recording:
            asked = recording.goal
        if asked.truth is None:
            return None
        start = robot.start_for(asked, *seed[-2:])
        return Candidate(goal, start, lambda: robot.photograph(start))


@dataclass(frozen=True)
class Imagined:
    """The last frame of the plan from the start to the drawn goal: what the world model takes to be within its reach."""

    model: Act2Goal
    satisfied: Callable[[Mapping[str, Image], Goal], bool]

    def __call__(self, drawn: Candidate, number: int, seed: Sequence[int]) -> Candidate:  # noqa: ARG002
        """Return the imagined goal, or the drawn one where that holds already."""
        seen, config = drawn.seen(), self.model.config
        nowhere = np.zeros(len(config.proprioception_names), np.float32)
        request = PlanRequest(Observation(seen, nowhere, {}, 0.0), drawn.goal, seed[-2], seed[-1])
        plain = Act2GoalPolicy(self.model, ActingSettings(imagine_steps=IMAGINE_STEPS))
        policy = ResizingPolicy(plain, config.size)
        frames = policy.plan([request])[0].imagined
        goal = Goal(f"imagined-{drawn.goal.name}", {camera: film[-1] for camera, film in frames.items()}, "imagined")
        return drawn if self.satisfied(seen, goal) else replace(drawn, goal=goal)


@dataclass(frozen=True)
class Experience:
    """How an episode ended, in latents."""

    start: Tensor
    """(V, C, h, w)."""
    goal: Tensor
    """(V, C, h, w)."""
    arrived: bool


@dataclass(frozen=True)
class Curriculum:
    """Goals by learning progress: those that are now reached, now not, and neither near nor far, teach most."""

    model: Act2Goal
    experiences: Callable[[int], Sequence[Experience]]
    """Round -> how the episodes of earlier rounds ended."""

    @torch.no_grad()
    def weigh(self, candidates: Sequence[Candidate], number: int) -> np.ndarray:
        """Return how likely each candidate is to be tried (n,), summing to 1.

        p (1 - p), with p the share of the nearest earlier episodes that arrived, smoothed; times how near to the middle of
        the candidates' distances its own is, in steps-to-go.
        """
        starts = self._encode([candidate.seen() for candidate in candidates])
        goals = self._encode([candidate.goal.images for candidate in candidates])
        steps = self.model.steps_to_go.steps(starts, goals)
        rate = success_rate_nearby(starts, goals, self.experiences(number))
        rank = steps.argsort().argsort().double()
        middle = (len(candidates) - 1) / 2
        weights = (rate * (1 - rate) * (1 - (rank - middle).abs() / (middle + 1))).numpy()
        return np.asarray(weights / weights.sum())

    def _encode(self, pictures: Sequence[Mapping[str, Image]]) -> Tensor:
        config = self.model.config
        views = np.stack(
            [np.stack([resized(one[camera], config.size) for camera in config.cameras]) for one in pictures]
        )
        return self.model.encode(to_tensor(torch.from_numpy(views))).float()


def success_rate_nearby(starts: Tensor, goals: Tensor, experiences: Sequence[Experience]) -> Tensor:
    """Return for each start and goal (n, V, C, h, w) how often it was reached from about there (n,); untried, one half."""
    if not experiences:
        return torch.full((len(starts),), 0.5, dtype=torch.double)
    known = torch.stack([torch.stack([one.start, one.goal]) for one in experiences]).flatten(1).double()
    arrived = torch.tensor([one.arrived for one in experiences], dtype=torch.double)
    asked = torch.stack([starts, goals], dim=1).flatten(1).double()
    nearest = torch.cdist(asked, known).topk(min(NEIGHBOURS, len(known)), largest=False).indices
    return (arrived[nearest].sum(1) + 1) / (nearest.shape[1] + 2)


@dataclass(frozen=True)
class GoalSampler:
    """Chooses each episode's goal. Without source and curriculum it is the scene's own draw."""

    source: GoalSource = from_scene
    curriculum: Curriculum | None = None
    satisfied: Callable[[Mapping[str, Image], Goal], bool] = lambda _, __: False

    def __call__(self, draw: Callable[[int], Candidate | None], number: int, seed: int, index: int) -> Candidate | None:
        """Return what to try in round ``number``; None where ``draw``, index -> a candidate, has nothing to ask for."""
        count = 1 if self.curriculum is None else CANDIDATES
        drawn = [(index + k * APART, draw(index + k * APART)) for k in range(count)]
        found = [self.source(one, number, (seed, at)) for at, one in drawn if one is not None]
        if self.curriculum is None or not found:
            return found[0] if found else None
        asking = [one for one in found if not self.satisfied(one.seen(), one.goal)] or found[:1]
        weights = self.curriculum.weigh(asking, number)
        return asking[int(np.random.default_rng((seed, index)).choice(len(asking), p=weights))]


def goal_source(
    told: str,
    robot: Robot,
    model: Act2Goal,
    satisfied: Callable[[Mapping[str, Image], Goal], bool],
    run: RunState,
) -> GoalSource:
    """Return the source ``told``, see ``check_source``; without a session's name, ``run``'s earlier recordings are meant."""

    def achieved(number: int) -> list[Path]:
        if name:
            return Session(run.session.folder.with_name(checked_name("session", name))).recordings()
        return [run.session.folder / one for working in run.rounds[:number] for one in working.recordings()]

    kind, _, name = told.partition(":")
    match kind:
        case "recordings":
            return FromRecordings(robot, achieved, satisfied)
        case "imagined":
            return Imagined(model, satisfied)
    return from_scene


def check_source(source: str, curriculum: str, goals: Sequence[object]) -> None:
    """Raise UnknownNameError where there is no such source or curriculum, UsageError where goals were named as well."""
    kind, colon, name = source.partition(":")
    if kind not in SOURCES:
        raise UnknownNameError("source of goals", kind, SOURCES)
    if colon and (kind != "recordings" or not name):
        raise UsageError(f"goals from {source!r}: only recordings are of a session, as recordings:SESSION.")
    if curriculum not in CURRICULA:
        raise UnknownNameError("curriculum", curriculum, CURRICULA)
    if goals and (kind != "scene" or curriculum != "none"):
        raise UsageError("goals were named, so there is none to choose: leave out --goals-from and --curriculum.")
