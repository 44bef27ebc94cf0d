"""When a stage of a training ends, and its learning rate until then: by iterations, or by time.

A stage that ends by time goes through the same schedule as one that ends by iterations, against the clock: the learning rate
has come down when the time is over, however fast the machine was. Time is training time, which the state on disk keeps; so
a training that was stopped goes on where it was.
"""

import math
from dataclasses import dataclass

from a2g_cli.training.pretrain_settings import PretrainSettings

AUTOENCODER_SHARE = 0.25
"""Most of the time that the autoencoder may take ..."""
REFERENCE_SHARE = 0.1
"""... and the share that is left for the reference data at the end."""
MINUTE = 60.0


@dataclass(frozen=True)
class Budget:
    """When one stage ends, and what its learning rate is until then."""

    iterations: int | None
    """Most iterations; None: no limit."""
    begins: float = 0.0
    """Training time at which the stage begins [s]."""
    ends: float | None = None
    """Training time at which it ends [s]; None: no limit."""

    def progress(self, iteration: int, seconds: float) -> float:
        """Return how far the stage is, 0 to 1, after ``iteration`` iterations and ``seconds`` of training time."""
        shares = [0.0]
        if self.iterations is not None:
            shares.append(iteration / max(1, self.iterations))
        if self.ends is not None:
            shares.append((seconds - self.begins) / max(1e-9, self.ends - self.begins))
        return min(1.0, max(shares))

    def over(self, iteration: int, seconds: float) -> bool:
        """Whether the stage has ended. One that is limited by time alone has at least one iteration."""
        return self.progress(iteration, seconds) >= 1.0 and (self.iterations is not None or iteration > 0)

    def learning_rate(self, iteration: int, seconds: float, warm_up: int) -> float:
        """Return the factor of the learning rate: linear warm-up, then cosine decay to 2 %.

        Args:
            iteration: that is about to run, from 0.
            seconds: training time [s].
            warm_up: iterations of the warm-up; a tenth of the stage at most.
        """
        progress = self.progress(iteration, seconds)
        if self.ends is None and self.iterations is not None:
            rise = min(1.0, (iteration + 1) / max(1, min(warm_up, self.iterations // 10)))
            decay = math.cos(math.pi * iteration / self.iterations)  # in this order: rounding keeps old results
        else:
            rise = min(1.0, max((iteration + 1) / max(1, warm_up), 10 * progress))
            decay = math.cos(math.pi * progress)
        return rise * (0.02 + 0.98 * 0.5 * (1 + decay))


def autoencoder_budget(settings: PretrainSettings) -> Budget:
    """Return the budget of the autoencoder: its iterations; with a limit of time, also a share of that."""
    if settings.minutes is None:
        return Budget(settings.autoencoder_iterations)
    return Budget(settings.autoencoder_iterations, 0.0, AUTOENCODER_SHARE * settings.minutes * MINUTE)


def policy_budget(settings: PretrainSettings, seconds: float) -> Budget:
    """Return the budget of the policy, which begins after ``seconds`` of training time.

    With a limit of time it has all that is left, apart from the share for the reference data; at least a third of the whole.
    """
    if settings.minutes is None:
        return Budget(settings.joint_iterations + settings.action_iterations)
    limit = settings.minutes * MINUTE
    return Budget(None, seconds, max((1 - REFERENCE_SHARE) * limit, seconds + limit / 3))


def reference_iterations(settings: PretrainSettings, each: float) -> int:
    """Return the iterations of the tool keypoint network; with a limit of time, as many as fit into its share.

    Args:
        settings: of the training.
        each: time of one of these iterations [s].
    """
    if settings.minutes is None:
        return settings.reader_iterations
    fits = int(REFERENCE_SHARE * settings.minutes * MINUTE / max(each, 1e-6))
    return max(1, min(settings.reader_iterations, fits))


GROWING = {"joint_iterations", "action_iterations", "reader_iterations", "minutes", "recordings", "groups"}
"""What may change where a training is grown: it is trained longer, or on more data."""
