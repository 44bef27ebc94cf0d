"""The seam of planners: what imagines the way to the goal, with hidden states that the action expert reads."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

if TYPE_CHECKING:
    from a2g_cli.models.presets import Act2GoalConfig


class Planner(nn.Module):
    """A network over the latents of now and goal, and of the frames between: a plugin in ``a2g.planners``.

    A subclass is made with ``(config, latent_size)``.

    Shapes: now, goal (B, V, C, h, w); frames (B, F, V, C, h, w), ``config.frames`` of each of V cameras. Hidden states are
    ``config.blocks`` tensors (B, N, ``config.model_width``). Adapters change the linear layers inside ``blocks``.
    """

    config: "Act2GoalConfig"
    latent_size: tuple[int, int]

    @classmethod
    def settings(cls, source: str | None) -> Mapping[str, Any]:
        """Return what a base's config keeps of ``NAME:source``. Raises UsageError: it is not made of that."""
        raise NotImplementedError

    def fit(self, latents: Tensor) -> None:
        """Fit what depends on the demonstrations' latents (N, V, C, h, w), once, before training. Nothing by default."""

    def forward(self, now: Tensor, goal: Tensor, frames: Tensor, time: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return a prediction about ``frames``, and the hidden states.

        ``time`` (B,) says how much is known of the frames: nothing at 0, where ``frames`` is standard normal noise, as when
        the policy acts; all at 1.
        """
        raise NotImplementedError

    def cost(
        self, now: Tensor, goal: Tensor, frames: Tensor, noise: Tensor, time: Tensor, shown: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the loss of imagining ``frames``, a scalar, and the hidden states. Deterministic, given its arguments.

        Args:
            now: latents.
            goal: latents.
            frames: of the demonstration.
            noise: standard normal, shaped as ``frames``.
            time: (B,), 0 to 1; 0 where not ``shown``.
            shown: (B,), bool: the samples over which the loss is averaged; it is 0 if there are none.
        """
        raise NotImplementedError

    def imagine(self, now: Tensor, goal: Tensor, noise: Tensor, steps: int) -> Tensor:
        """Return imagined frames, in ``steps`` passes. Deterministic, given ``noise``, which is shaped as they are."""
        raise NotImplementedError
