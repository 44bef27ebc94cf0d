"""How far each estimator of the domain transform can be trusted: its error on demonstrations that nothing was fitted to.

Where the training domain is shown, the truth is known: nothing was moved. A base keeps these errors among its facts
(``held_out.py`` measures them). An estimator whose error is not clearly smaller than that of guessing the mean has learned
nothing, and abstains (``estimate.py``).
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from a2g_cli.core.errors import CheckpointError

ESTIMATORS = "estimators"
"""Key of the errors among a base's facts."""
CLEARLY = 0.5
"""An estimator is used if its error is at most this share of the error of guessing the mean."""
BASE_POSE, ACTUATORS = "base pose", "actuators"


def camera_key(camera: str) -> str:
    """Return the name of a camera's estimator."""
    return f"camera {camera}"


@dataclass(frozen=True)
class Accuracy:
    """The error of one estimator on held-out demonstrations of the training domain."""

    error: float
    """Median."""
    guess: float
    """The same of guessing the mean; for a camera, of guessing that it was not moved."""
    unit: str
    n: int
    """Values that were compared."""
    bias: tuple[float, ...] = ()
    """What the estimator finds although nothing was moved: for a camera its displacement [share of the width]; for the base
    pose yaw [rad] and displacement [m]; for the actuators the relative change."""

    @property
    def trusted(self) -> bool:
        """Whether the estimator is clearly better than guessing."""
        return self.error <= CLEARLY * self.guess

    def __str__(self) -> str:
        return f"error {self.error:.3g} {self.unit}, guessing the mean {self.guess:.3g} {self.unit}, n = {self.n}"

    def to_json(self) -> dict[str, Any]:
        """Return what ``from_json`` reads."""
        data = {name: round(value, 6) if isinstance(value, float) else value for name, value in asdict(self).items()}
        return {**data, "bias": [round(value, 6) for value in self.bias], "trusted": self.trusted}

    @classmethod
    def from_json(cls, data: Any) -> "Accuracy":
        """Read what ``to_json`` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        error, guess = float(data["error"]), float(data["guess"])
        bias = tuple(float(value) for value in data["bias"])
        if not all(math.isfinite(value) and value >= 0 for value in (error, guess, *map(abs, bias))):
            raise ValueError("an error of an estimator is not a number from 0 on")
        return cls(error, guess, str(data["unit"]), int(data["n"]), bias)


def accuracies_of(facts: Mapping[str, Any], where: object) -> dict[str, Accuracy]:
    """Return estimator -> its accuracy, from a base's facts; empty: it was not measured. Raises CheckpointError."""
    try:
        return {str(name): Accuracy.from_json(data) for name, data in dict(facts.get(ESTIMATORS) or {}).items()}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{where} has damaged errors of estimators ({ESTIMATORS}): {error}.") from error


def abstention(name: str, accuracy: Accuracy | None) -> str | None:
    """Return in a line why an estimator is not used because of its held-out error; None: it is used, or was not measured."""
    if accuracy is None or accuracy.trusted:
        return None
    return f"not calibrated: the {name} (on held-out demonstrations its estimator hardly beats a guess: {accuracy})"
