"""Chooses the goals of practice: drawn by the scene, achieved before, or imagined by the world model; and a curriculum.

Imagined goals follow RIG (arXiv 1807.04742), with the last frame of a plan in place of an autoencoder's sample. No ground
truth is used: the base's steps-to-go head, which finetuning never changes, says what is reached already and how far a goal
is.
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
"""Number of goals that a curriculum draws for each episode; one of them is tried."""
APART = 1_000_000
"""Distance between the indices of one episode's candidates, so that each draws its own random numbers."""
NEIGHBOURS = 5
"""Number of earlier episodes from which the success rate of a goal is estimated."""
IMAGINE_STEPS = 4
"""Euler steps over an imagined goal's frames."""


@dataclass(frozen=True)
class Candidate:
    """A goal that may be tried, and its start."""

    goal: Goal
    start: State | None
    """None: the current state."""
    seen: Callable[[], Mapping[str, Image]]
    """Returns the images at the start, camera -> image."""


class GoalSource(Protocol):
    """Replaces a goal that the scene drew by another one."""

    def __call__(self, drawn: Candidate, number: int, seed: Sequence[int]) -> Candidate:
        """Return the candidate for round ``number``: a new one, or ``drawn``. ``seed``: (seed, index)."""


def from_scene(drawn: Candidate, number: int, seed: Sequence[int]) -> Candidate:  # noqa: ARG001
    """Return the goal that the scene drew."""
    return drawn


@dataclass(frozen=True)
class FromRecordings:
    """The last frame of an earlier episode becomes the goal. Such a goal has no ground truth."""

    robot: Robot
    pool: Callable[[int], Sequence[Path]]
    """Round -> recordings to choose from."""
    satisfied: Callable[[Mapping[str, Image], Goal], bool]

    def __call__(self, drawn: Candidate, number: int, seed: Sequence[int]) -> Candidate:
        """Return an achieved frame that the start does not satisfy already, with a start in the scene it was achieved in."""
        paths = self.pool(number)
        for i in np.random.default_rng(list(seed)).permutation(len(paths)):
            goal = goal_from_recording(paths[i], name=f"achieved-{paths[i].stem}")
            if drawn.start is None:
                candidate: Candidate | None = replace(drawn, goal=goal)
            else:
                candidate = self._with_start(drawn, goal, paths[i], seed)
            if candidate is not None and not self.satisfied(candidate.seen(), goal):
                return candidate
        return drawn

    def _with_start(self, drawn: Candidate, goal: Goal, path: Path, seed: Sequence[int]) -> Candidate | None:
        """Return ``goal`` with a start in the scene that it was achieved in; None if that scene is not known."""
        robot = self.robot
        if not isinstance(robot, InstrumentedRobot):
            return replace(drawn, goal=goal)
        with Recording(path) as recording:
            original = recording.goal
        if original.truth is None:
            return None
        start = robot.start_for(original, *seed[-2:])
        return Candidate(goal, start, lambda: robot.photograph(start))


@dataclass(frozen=True)
class Imagined:
    """The last frame that the world model imagines between the start and the drawn goal becomes the goal."""

    model: Act2Goal
    satisfied: Callable[[Mapping[str, Image], Goal], bool]

    def __call__(self, drawn: Candidate, number: int, seed: Sequence[int]) -> Candidate:  # noqa: ARG002
        """Return the imagined goal, or the drawn one if the start satisfies the imagined one already."""
        images, config = drawn.seen(), self.model.config
        no_proprioception = np.zeros(len(config.proprioception_names), np.float32)
        request = PlanRequest(Observation(images, no_proprioception, {}, 0.0), drawn.goal, seed[-2], seed[-1])
        base_policy = Act2GoalPolicy(self.model, ActingSettings(imagine_steps=IMAGINE_STEPS))
        frames = ResizingPolicy(base_policy, config.size).plan([request])[0].imagined
        goal = Goal(f"imagined-{drawn.goal.name}", {camera: video[-1] for camera, video in frames.items()}, "imagined")
        return drawn if self.satisfied(images, goal) else replace(drawn, goal=goal)


@dataclass(frozen=True)
class Experience:
    """Start, goal and result of an earlier episode, as latents."""

    start: Tensor
    """(V, C, h, w)."""
    goal: Tensor
    """(V, C, h, w)."""
    reached: bool
    """Policy's estimate."""


@dataclass(frozen=True)
class Curriculum:
    """Prefers goals of medium difficulty: reached about every second time, and neither near nor far."""

    model: Act2Goal
    experiences: Callable[[int], Sequence[Experience]]
    """Round -> the episodes of earlier rounds."""

    @torch.no_grad()
    def weigh(self, candidates: Sequence[Candidate], number: int) -> np.ndarray:
        """Return the probability of each candidate (n,).

        It is proportional to p (1 - p), with p the smoothed success rate of the nearest earlier episodes, times how near
        the candidate's rank in steps-to-go is to the middle rank.
        """
        starts = self._encode([candidate.seen() for candidate in candidates])
        goals = self._encode([candidate.goal.images for candidate in candidates])
        steps = self.model.steps_to_go.steps(starts, goals)
        rate = success_rate_nearby(starts, goals, self.experiences(number))
        rank = steps.argsort().argsort().double()
        middle = (len(candidates) - 1) / 2
        weights = (rate * (1 - rate) * (1 - (rank - middle).abs() / (middle + 1))).numpy()
        return np.asarray(weights / weights.sum())

    def _encode(self, images: Sequence[Mapping[str, Image]]) -> Tensor:
        config = self.model.config
        stacked = np.stack(
            [np.stack([resized(views[camera], config.size) for camera in config.cameras]) for views in images]
        )
        return self.model.encode(to_tensor(torch.from_numpy(stacked))).float()


def success_rate_nearby(starts: Tensor, goals: Tensor, experiences: Sequence[Experience]) -> Tensor:
    """Return the smoothed success rate (n,) of similar earlier episodes for starts and goals (n, V, C, h, w); 0.5 if none."""
    if not experiences:
        return torch.full((len(starts),), 0.5, dtype=torch.double)
    earlier = torch.stack([torch.stack([each.start, each.goal]) for each in experiences]).flatten(1).double()
    reached = torch.tensor([each.reached for each in experiences], dtype=torch.double)
    queries = torch.stack([starts, goals], dim=1).flatten(1).double()
    nearest = torch.cdist(queries, earlier).topk(min(NEIGHBOURS, len(earlier)), largest=False).indices
    return (reached[nearest].sum(1) + 1) / (nearest.shape[1] + 2)


@dataclass(frozen=True)
class GoalSampler:
    """Chooses each episode's goal. Without source and curriculum, it is the goal that the scene draws."""

    source: GoalSource = from_scene
    curriculum: Curriculum | None = None
    satisfied: Callable[[Mapping[str, Image], Goal], bool] = lambda _, __: False

    def __call__(self, draw: Callable[[int], Candidate | None], number: int, seed: int, index: int) -> Candidate | None:
        """Return the candidate to try in round ``number``; None if ``draw`` (index -> candidate) finds no goal."""
        count = 1 if self.curriculum is None else CANDIDATES
        drawn = [(index + k * APART, draw(index + k * APART)) for k in range(count)]
        candidates = [self.source(each, number, (seed, i)) for i, each in drawn if each is not None]
        if self.curriculum is None or not candidates:
            return candidates[0] if candidates else None
        open_goals = [each for each in candidates if not self.satisfied(each.seen(), each.goal)] or candidates[:1]
        weights = self.curriculum.weigh(open_goals, number)
        return open_goals[int(np.random.default_rng((seed, index)).choice(len(open_goals), p=weights))]


def goal_source(
    source: str,
    robot: Robot,
    model: Act2Goal,
    satisfied: Callable[[Mapping[str, Image], Goal], bool],
    run: RunState,
) -> GoalSource:
    """Return the goal source with the name ``source``; ``recordings`` without a session means ``run``'s earlier rounds."""

    def achieved(number: int) -> list[Path]:
        if session:
            return Session(run.session.folder.with_name(checked_name("session", session))).recordings()
        return [run.session.folder / name for state in run.rounds[:number] for name in state.recordings()]

    kind, _, session = source.partition(":")
    match kind:
        case "recordings":
            return FromRecordings(robot, achieved, satisfied)
        case "imagined":
            return Imagined(model, satisfied)
    return from_scene


def check_source(source: str, curriculum: str, goals: Sequence[object]) -> None:
    """Check the names of goal source and curriculum.

    Raises:
        UnknownNameError: no such source or curriculum.
        UsageError: goals were named as well, or a session was given for a source that has none.
    """
    kind, colon, name = source.partition(":")
    if kind not in SOURCES:
        raise UnknownNameError("goal source", kind, SOURCES)
    if colon and (kind != "recordings" or not name):
        raise UsageError(f"--goals-from {source}: only recordings takes a session, as recordings:SESSION.")
    if curriculum not in CURRICULA:
        raise UnknownNameError("curriculum", curriculum, CURRICULA)
    if goals and (kind != "scene" or curriculum != "none"):
        given = [
            option
            for option, used in (("--goals-from", kind != "scene"), ("--curriculum", curriculum != "none"))
            if used
        ]
        raise UsageError(f"{' and '.join(given)} cannot be used with a GOAL: leave out one of them.")
