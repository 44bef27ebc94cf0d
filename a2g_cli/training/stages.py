"""The two stages of a pretraining: the batches and the losses of autoencoder and policy.

A batch is drawn whole, with all its random numbers, from torch's global generator, and the losses depend on nothing else. So
a batch can be cut into slices whose parts of the losses add up to the losses of the whole.
"""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from a2g_cli.data.relabelling import parse_mixture
from a2g_cli.encoding.augmentation import augment
from a2g_cli.encoding.frames import encode_frames
from a2g_cli.encoding.segments import Segments
from a2g_cli.models.act2goal.model import Act2Goal
from a2g_cli.models.autoencoder import to_tensor
from a2g_cli.training.autoencoder import decoding_loss, reconstruction_loss, salience
from a2g_cli.training.device import Batch
from a2g_cli.training.optimiser import Optimiser, adamw, muon_adamw
from a2g_cli.training.pretrain_settings import PretrainSettings
from a2g_cli.training.state import Average, TrainingState

DECODED = 1024
"""Most frames that a frozen encoder's decoder learns from."""


class Stage(Protocol):
    """One stage, as the training loop uses it."""

    name: str
    trained: nn.Module
    optimiser: Optimiser

    @property
    def average(self) -> Average | None:
        """The averaged weights that are evaluated and saved; None: the weights themselves."""

    def draw(self, progress: float) -> Batch:
        """Return the whole batch of an iteration, on the CPU; ``progress``: how far the stage is, 0 to 1."""

    def losses(self, part: Batch, whole: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the part of each loss of ``whole`` that comes from its slice ``part``; ``"total"`` is minimised."""


class AutoencoderStage:
    """Trains the autoencoder: reconstruct frames, half of them augmented (colours, light, framing)."""

    name = "autoencoder"
    average: Average | None = None

    def __init__(self, model: Act2Goal, frames: Tensor, settings: PretrainSettings) -> None:
        self.coder, self.frames, self.batch = model.autoencoder, frames, settings.batch
        self.latent = model.frame_shape[1:]
        self.trained: nn.Module = self.coder
        self.optimiser = adamw(self.coder.parameters(), lr=2e-3)

    def draw(self, progress: float) -> Batch:  # noqa: ARG002 - all iterations are alike
        """Return images, the weights of their pixels, and noise for their latents."""
        images = to_tensor(self.frames[torch.randint(self.frames.shape[0], (self.batch,))])
        half = self.batch // 2
        images = torch.cat([augment(images[:half], torch.default_generator), images[half:]])
        return {"images": images, "salience": salience(images), "noise": torch.randn(self.batch, *self.latent)}

    def losses(self, part: Batch, whole: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the reconstruction error."""
        share = len(part["images"]) / len(whole["images"])
        return {"total": share * reconstruction_loss(self.coder, part["images"], part["salience"], part["noise"])}


class DecoderStage:
    """Trains the decoder of a frozen encoder, so that people can see what is imagined. Every frame is encoded once."""

    name = "autoencoder"
    average: Average | None = None

    def __init__(self, model: Act2Goal, frames: Tensor, settings: PretrainSettings) -> None:
        self.coder, self.batch = model.autoencoder, settings.batch
        self.frames = frames[:: max(1, -(-len(frames) // DECODED))]
        self.latents = encode_frames(model, self.frames.numpy())
        self.trained: nn.Module = self.coder.decoder
        self.optimiser = adamw(self.trained.parameters(), lr=2e-3)

    def draw(self, progress: float) -> Batch:  # noqa: ARG002 - all iterations are alike
        """Return images with their latents, the weights of their pixels, and noise for the latents."""
        rows = torch.randint(len(self.frames), (self.batch,))
        images, latents = to_tensor(self.frames[rows]), self.latents[rows].float()
        return {
            "images": images,
            "latents": latents,
            "salience": salience(images),
            "noise": torch.randn(latents.shape),
        }

    def losses(self, part: Batch, whole: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the error of what is decoded."""
        share = len(part["images"]) / len(whole["images"])
        loss = decoding_loss(self.coder, part["latents"], part["images"], part["salience"], part["noise"])
        return {"total": share * loss}


def first_stage(model: Act2Goal, frames: Tensor, settings: PretrainSettings) -> Stage:
    """Return the stage that trains the encoder with its decoder, or a frozen encoder's decoder alone."""
    made = DecoderStage if model.autoencoder.frozen else AutoencoderStage
    return made(model, frames, settings)


class PolicyStage:
    """Trains world model, action expert and steps-to-go head: first jointly on video and actions, then on actions end to end.

    joint    w_action * L_action + w_video * L_video
    action   L_action, whose gradients also train the world model       (Act2Goal, offline training)

    The steps-to-go head has weights and a loss of its own.
    """

    name = "policy"

    def __init__(self, model: Act2Goal, segments: Segments, settings: PretrainSettings) -> None:
        self.model, self.segments, self.settings = model, segments, settings
        self.mixture = parse_mixture(settings.relabel)
        self.trained: nn.Module = nn.ModuleDict(
            {"world_model": model.world_model, "expert": model.expert, "steps": model.steps_to_go}
        )
        self.optimiser = muon_adamw(self.trained.named_parameters(), settings.matrix_lr, settings.lr)
        self.average = Average(model.state_dict())

    def draw(self, progress: float) -> Batch:
        """Return segments with their noises and flow times; ``shown`` marks those that have the video loss."""
        settings = self.settings
        batch = self.segments.batch(settings.batch, self.mixture, self.model.config.hashing, torch.default_generator)
        joint = progress < settings.joint_share
        noise = self.model.sample_noise(settings.batch, settings.video_share if joint else 0.0, settings.draws)
        return {**batch, **noise, "joint": torch.full((settings.batch,), joint)}

    def losses(self, part: Batch, whole: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of the joint or the action phase, whichever the batch was drawn for."""
        settings, joint = self.settings, bool(whole["joint"][0])
        share = len(part["now"]) / len(whole["now"])
        losses = self.model.losses(part, part)
        action = share * losses["action"]
        with torch.autocast(
            part["now"].device.type, enabled=False
        ):  # the steps-to-go head is trained in full precision
            steps = share * self.model.steps_to_go.loss(part["now"], part["goal"], part["steps_to_go"])
        if not joint:
            return {"total": action + steps, "action": action, "steps": steps}
        # The mean is over the samples with the video loss, and slices may have different numbers of them.
        video = losses["video"] * (part["shown"].sum() / whole["shown"].sum().clamp(min=1).item())
        total = settings.action_weight * action + settings.video_weight * video + steps
        return {"total": total, "action": action, "steps": steps, "video": video}


def resumed(stage: Stage, model: Act2Goal, state: TrainingState | None) -> int:
    """Put the saved state of a stage into it; return its iteration, 0 where there is none."""
    if state is None or state.stage != stage.name:
        return 0
    model.load_state_dict(state.part("model"))
    stage.optimiser.load(state.part("optimiser"))
    torch.set_rng_state(state.tensors["rng"])
    if stage.average is not None:
        stage.average.load(state.part("ema"), state.iteration)
    return state.iteration


def averaged(stage: Stage, model: Act2Goal) -> Act2Goal:
    """Return the averaged model that is evaluated and saved: on the CPU, and not compiled, as it acts with other shapes."""
    mean = Act2Goal(model.config)
    mean.load_state_dict(model.state_dict() if stage.average is None else stage.average.weights)
    return mean.requires_grad_(requires_grad=False).eval()


@torch.no_grad()
def arrived_below(model: Act2Goal, near: Tensor, end: Tensor) -> float:
    """Return the 90 % quantile of the steps-to-go estimated two steps before the end of demonstrations [steps]."""
    return float(model.steps_to_go.steps(near, end).quantile(0.9))
