"""Validation: the loss on held-out photos, under noise and at sigmas that never change. Draws no conclusions.

Legend for shapes: B batch, C latent channels, H and W latent height and width, 1 a broadcast axis.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from ..config import TrainConfig
from ..data.buckets import Bucket
from ..data.encode import EncodedDataset, EncodedPhoto
from ..model.zimage import predict_velocity
from ..session import Session, shown_weights
from ..step import stacked_masks
from ..update.ema import showing
from ..update.flow import add_noise, named_generator, velocity_losses
from .holdout import Split
from .verdict import Validation

SIGMAS = tuple((2 * place + 1) / 12 for place in range(6))
"""The middles of six equal parts of 0..1: every share of noise counts alike."""
_MAX_COST = 0.02
"""Validation may take about this share of the time that training takes, saving every 250 steps. Who saves more often
pays for each save: fewer looks would make every comparison weaker."""
_USUAL_SAVE_EVERY = 250
_FORWARD_SHARE = 0.35
"""What a forward pass costs of a step's photo: a step has one, its recomputation, and a backward pass to the inputs."""


@dataclass(frozen=True, kw_only=True)
class _Look:
    """One held-out photo at one sigma."""

    photo_index: int
    sigma: float


def sigmas_per_photo(num_photos: int, config: TrainConfig) -> int:
    """How many of the six sigmas each held-out photo is looked at with: 6, or 3 or 2 where 6 would cost too much time.

    All six are looked at in any case, because the photos take turns. Decided once for a run and kept in its record, so
    that its validations can be compared.
    """
    photos_trained = _USUAL_SAVE_EVERY * config.global_batch
    affordable = _MAX_COST * photos_trained / (_FORWARD_SHARE * num_photos)
    return next(num for num in (6, 3, 2) if num <= affordable or num == 2)


def sigmas_of(photo_index: int, num_sigmas: int) -> tuple[float, ...]:
    """The sigmas of a held-out photo, evenly spread over 0..1: with 2, photos 0, 3, 6 have the first and the fourth."""
    stride = len(SIGMAS) // num_sigmas
    return SIGMAS[photo_index % stride :: stride]


def divide(photos: EncodedDataset, split: Split) -> tuple[EncodedDataset, EncodedDataset]:
    """What is learned from, and the held-out photos: each of these once, upright and at `training_resolution`.

    The photos are those of `split.used`, in the order of a plan, which begins with every photo in that form.
    """
    num_learned, num_used = len(split.training.photos), len(split.used.photos)
    first_of = {photo.photo_index: photo for photo in reversed(photos)}
    learned = tuple(photo for photo in photos if photo.photo_index < num_learned)
    return learned, tuple(first_of[index] for index in range(num_learned, num_used))


def validate(session: Session, num_sigmas: int, step: int) -> Validation:
    """The losses of the weights that a checkpoint of this step holds, on every held-out photo.

    The LoRA is on; no caption is dropped, nothing is mirrored, every sigma counts alike. A mask counts as it does in
    training, because what it hides is not to be learned. Nothing of the session changes.
    """
    looks: dict[Bucket, list[_Look]] = defaultdict(list)
    for photo_index, photo in enumerate(session.held_out):
        looks[photo.bucket] += [
            _Look(photo_index=photo_index, sigma=sigma) for sigma in sigmas_of(photo_index, num_sigmas)
        ]
    losses: dict[int, list[float]] = defaultdict(list)
    size = session.config.batch_size  # without gradients, what fits into memory in training fits here
    shown = showing(session.lora, shown_weights(session))
    with torch.no_grad(), shown, _evaluating(session.transformer), session.attention.in_force():
        for of_bucket in looks.values():
            for start in range(0, len(of_bucket), size):
                batch = of_bucket[start : start + size]
                for look, loss in zip(batch, _look_losses(session, batch).tolist(), strict=True):
                    losses[look.photo_index].append(loss)
    return Validation(step=step, losses=tuple(tuple(losses[index]) for index in range(len(session.held_out))))


def _look_losses(session: Session, looks: list[_Look]) -> Tensor:
    """The loss of each look of a batch of one bucket, [B]."""
    config, device = session.config, session.device
    photos: list[EncodedPhoto] = [session.held_out[look.photo_index] for look in looks]
    latents_BCHW = torch.stack([photo.latents_CHW for photo in photos])
    noise_BCHW = torch.stack([_noise(photo, look, config.seed) for photo, look in zip(photos, looks, strict=True)])
    sigma_B = torch.tensor([look.sigma for look in looks])
    noisy_BCHW = add_noise(latents_BCHW, noise_BCHW, sigma_B[:, None, None, None])
    with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        predicted_BCHW = predict_velocity(
            session.transformer, noisy_BCHW.to(device), sigma_B.to(device), [photo.text.to(device) for photo in photos]
        )
    return velocity_losses(
        predicted_BCHW,
        latents_BCHW.to(device),
        noise_BCHW.to(device),
        config.loss_type,
        mask_B1HW=stacked_masks(photos, device),
    )


def _noise(photo: EncodedPhoto, look: _Look, seed: int) -> Tensor:
    generator = named_generator(seed, "validation", look.photo_index, SIGMAS.index(look.sigma))
    return torch.randn(photo.latents_CHW.shape, generator=generator)


@contextmanager
def _evaluating(module: torch.nn.Module) -> Iterator[None]:
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
