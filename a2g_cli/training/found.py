"""What a pretraining finds in its demonstrations, said before it begins.

What a command means is read from the numbers, not from its name: whether it follows the measured value itself (absolute) or
its change in one step (a displacement).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2g_cli.calibration.names import in_words
from a2g_cli.data.recording.reader import Recording

LOOKED_AT = 100
"""Demonstrations from which the meaning of actions is read, spread over all."""
FOLLOWS, MOVES = 0.8, 0.5
"""Least correlation of a command with a measured value, and with its change."""
PULLS = 0.3
"""An absolute command's share of the change goes with the value's own, of the other sign: least ratio of the two."""


@dataclass(frozen=True)
class FoundAction:
    """One action."""

    name: str
    unit: str
    low: float
    high: float
    kind: str
    """``absolute``, ``displacement``, ``constant`` (it never changes), or ``unclear``."""
    of: str = ""
    """The measured value that it follows or moves."""

    @property
    def normalised(self) -> bool:
        """Whether it has no unit and goes from -1 to 1."""
        return (self.unit, self.low, self.high) == ("1", -1.0, 1.0)

    def __str__(self) -> str:
        unit = "normalised" if self.normalised else self.unit
        kind = {"absolute": f"follows {self.of}", "displacement": f"moves {self.of}"}.get(self.kind, self.kind)
        return f"{self.name} [{unit}] {kind}"


@dataclass(frozen=True)
class Found:
    """The demonstrations of a pretraining."""

    episodes: int
    held_out: int
    steps: int
    shortest: int
    longest: int
    """Actions of an episode."""
    rate: float
    """Control rate [Hz]."""
    cameras: Mapping[str, tuple[int, int]]
    """Camera -> (height, width) as recorded [px]."""
    actions: tuple[FoundAction, ...]
    measured: Mapping[str, str]
    """Measured value -> its unit."""
    success: Mapping[str, int]
    """``succeeded``, ``failed`` or ``unknown``, with who says so -> episodes."""
    goals_with_state: int
    """Episodes whose goal has a true state; the goal of the others is a photo alone."""
    goals_last_frame: int
    """Episodes whose goal is their own last frame, because the source had none."""
    seeded: int
    """Episodes whose start can be drawn again."""
    calibration: str
    """What the names allow to calibrate ..."""
    no_calibration: str
    """... and what not, and why."""

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the document."""
        data = asdict(self)
        data["cameras"] = {name: list(size) for name, size in self.cameras.items()}
        data["actions"] = [{**asdict(one), "normalised": one.normalised} for one in self.actions]
        return data

    def lines(self) -> list[str]:
        """Return it in words."""
        total = self.episodes + self.held_out
        held = f"; {self.held_out} of them are not trained on, they measure the result" if self.held_out else ""
        cameras = ", ".join(f"{name} {width}x{height}" for name, (height, width) in self.cameras.items())
        measured = ", ".join(f"{name} [{unit}]" for name, unit in self.measured.items()) or "nothing"
        success = ", ".join(f"{count} {name}" for name, count in self.success.items())
        goals = [
            f"{self.goals_with_state} with a true state" if self.goals_with_state else "",
            f"{self.goals_last_frame} are the last frame" if self.goals_last_frame else "",
        ]
        without = f"; not {self.no_calibration}" if self.no_calibration else ""
        return [
            f"found {total} demonstrations, {self.steps} steps to train on ({self.shortest} to {self.longest} each), "
            f"{self.rate:g} a second{held}",
            f"cameras: {cameras}",
            f"actions: {', '.join(map(str, self.actions))}",
            f"measured values: {measured}",
            f"success: {success}; goals: {', '.join(filter(None, goals)) or 'photos without a state'}; "
            f"starts that can be drawn again: {self.seeded}",
            f"the names allow to calibrate: {self.calibration}{without} (docs/worlds.md, Names)",
        ]


def survey_demonstrations(paths: Sequence[Path], held_out: int) -> Found:
    """Return what ``paths``, at least one recording of one kind of robot, hold. ``held_out`` more are not trained on.

    Raises:
        RecordingError: a recording cannot be read.
    """
    lengths: list[int] = []
    success: Counter[str] = Counter()
    with_state = last_frame = seeded = 0
    close = {round(i) for i in np.linspace(0, len(paths) - 1, min(LOOKED_AT, len(paths)))}
    commands, before, after = [], [], []
    with Recording(paths[0]) as first:
        spec = first.spec
    for i, path in enumerate(paths):
        with Recording(path) as recording:
            outcome = recording.outcome
            lengths.append(recording.length)
            word = {True: "succeeded", False: "failed", None: "unknown"}[outcome.success]
            success[word if outcome.success is None else f"{word} ({outcome.judge})"] += 1
            with_state += recording.goal.truth is not None
            last_frame += outcome.stopped_by == "imported"
            seeded += recording.provenance.seed is not None
            if i in close and recording.spec == spec:
                measured = np.asarray(recording.proprioception, float)
                commands.append(np.asarray(recording.actions, float))
                before.append(measured[:-1])
                after.append(measured[1:])
    seen = [np.concatenate(rows) for rows in (commands, before, after)]
    kinds = action_kinds(seen[0], seen[1], seen[2], spec.proprioception_names)
    can, cannot = in_words(spec.action_names, spec.proprioception_names)
    limits = zip(spec.action_names, spec.action_units, spec.action_low, spec.action_high, kinds, strict=True)
    return Found(
        len(paths),
        held_out,
        sum(lengths),
        min(lengths),
        max(lengths),
        spec.rate,
        dict(spec.cameras),
        tuple(FoundAction(name, unit, low, high, *kind) for name, unit, low, high, kind in limits),
        dict(zip(spec.proprioception_names, spec.proprioception_units, strict=True)),
        dict(success),
        with_state,
        last_frame,
        seeded,
        can,
        cannot,
    )


def action_kinds(
    commands: NDArray[np.float64],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    names: Sequence[str],
) -> list[tuple[str, str]]:
    """Return the kind of each action, and the measured value that it follows or moves (empty if it is neither).

    Args:
        commands: (N, A).
        before: (N, P) what was measured when each command was given.
        after: (N, P) what was measured one step later.
        names: P names.
    """
    kinds: list[tuple[str, str]] = []
    for column in commands.T:
        values, changes = _correlation(column, after), _correlation(column, after - before)
        if column.std() < 1e-9:
            kinds.append(("constant", ""))
        elif (
            values.size
            and values.max() >= max(FOLLOWS, changes.max())
            and _pulls_back(column, before[:, values.argmax()], after[:, values.argmax()])
        ):
            kinds.append(("absolute", names[int(values.argmax())]))
        elif changes.size and changes.max() >= MOVES:
            kinds.append(("displacement", names[int(changes.argmax())]))
        else:
            kinds.append(("unclear", ""))
    return kinds


def _pulls_back(command: NDArray[np.float64], before: NDArray[np.float64], after: NDArray[np.float64]) -> bool:
    """Whether a value (N,) changes by command minus value, as an absolute command makes it, and not by the command alone.

    An expert's displacement depends on where the robot is, so it may correlate with a value that it only moves.
    """
    spread = np.array([command.std(), before.std()])
    if (spread < 1e-12).any():
        return True
    terms = np.stack([command - command.mean(), before - before.mean()], axis=1) / spread
    change = after - before
    (by_command, by_value), *_ = np.linalg.lstsq(terms, change - change.mean(), rcond=None)
    return bool(-by_value * np.sign(by_command) >= PULLS * abs(by_command))


def _correlation(column: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the size of the correlation of ``column`` (N,) with each of ``others`` (N, P): (P,), 0 for what is constant."""
    a, b = column - column.mean(), others - others.mean(axis=0)
    scale = np.sqrt((a**2).sum() * (b**2).sum(axis=0))
    return np.abs(np.divide(a @ b, scale, out=np.zeros(b.shape[1]), where=scale > 1e-12))
