"""One step: the losses of a global batch, their gradients, and the update they cause. Knows no files, no host."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..messages import UserError, name_some
from .config import TrainConfig
from .data.encode import EncodedPhoto
from .data.texts import is_caption_dropped
from .model.zimage import predict_velocity
from .session import Session
from .update.flow import add_noise, draw_sigma, named_generator, velocity_losses
from .update.optimizers import gathered, set_learning_rate
from .update.schedules import learning_rate_at

if TYPE_CHECKING:
    from diffusers import ZImageTransformer2DModel

MAX_GRAD_NORM = 1.0


@dataclass(frozen=True, kw_only=True)
class SlotNumbers:
    """What one slot of the global batch learned: which photo, at which share of noise, and its (weighted) loss."""

    photo_index: int
    sigma: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class StepNumbers:
    """What a step came to before its update: every slot's numbers, and the gradients' norm before it was clipped."""

    slots: tuple[SlotNumbers, ...]
    grad_norm: float

    @property
    def loss(self) -> float:
        """The mean over the global batch."""
        return statistics.fmean(slot.loss for slot in self.slots)

    @property
    def is_finite(self) -> bool:
        """Whether the update may be made."""
        return math.isfinite(self.grad_norm) and all(math.isfinite(slot.loss) for slot in self.slots)


def train_step(session: Session, step: int) -> StepNumbers:
    """One optimizer update. Raises UserError, the weights untouched, where a number is not finite."""
    forget = partial(session.optimizer.zero_grad, set_to_none=True)
    with session.attention.in_force():
        numbers = session.compiler.run(partial(gradients, session, step), forget)
    if not numbers.is_finite:
        forget()
        raise UserError("train.not_finite", step=step, names=name_some(suspects(session, numbers)))
    update(session, step)
    return numbers


def suspects(session: Session, numbers: StepNumbers) -> list[str]:
    """The photos whose own loss is not finite; all of the batch where only the gradients are not."""
    found = [slot for slot in numbers.slots if not math.isfinite(slot.loss)] or numbers.slots
    return list(dict.fromkeys(session.photos[slot.photo_index].name for slot in found))


def gradients(session: Session, step: int) -> StepNumbers:
    """The mean gradient of the global batch, clipped, left where the optimizer will look; nothing is updated.

    Each rank walks through its share of the batch in micro-batches of `batch_size`, so memory holds the activations of
    one of them; after that all ranks hold the same gradients.
    """
    config, batch = session.config, session.order.batch_at(step)
    losses, mine = [], session.ranks.share(range(len(batch)))
    for start in range(0, len(mine), config.batch_size):
        slots = mine[start : start + config.batch_size]
        places = [(step - 1) * len(batch) + slot for slot in slots]
        photos = [as_shown(session.photos[batch[slot]], config, place) for slot, place in zip(slots, places)]
        parts = []
        for part_B in loss_parts(session.transformer, photos, config, step, session.device, slots):
            (part_B.sum() / len(mine)).backward()
            parts.append(part_B.detach())
        losses.append(torch.stack(parts).sum(dim=0))
    trained = gathered(session.optimizer, session.lora)
    session.ranks.mean_([tensor.grad for tensor in trained if tensor.grad is not None])
    grad_norm = torch.nn.utils.clip_grad_norm_(trained, MAX_GRAD_NORM)
    sigmas = [slot_sigma(config, step, slot, session.device)[0].reshape(1) for slot in range(len(batch))]
    *values, norm_value = torch.cat([*sigmas, *losses, grad_norm.reshape(1)]).tolist()  # the only wait for the device
    loss_values = session.ranks.joined(values[len(batch) :])
    return StepNumbers(
        slots=tuple(
            SlotNumbers(photo_index=photo_index, sigma=sigma, loss=loss)
            for photo_index, sigma, loss in zip(batch, values, loss_values)
        ),
        grad_norm=norm_value,
    )


def update(session: Session, step: int) -> None:
    """Move the LoRA by the gradients it holds, at the step's learning rate, and its average after it."""
    set_learning_rate(session.optimizer, learning_rate_at(session.config, step))
    session.optimizer.step()
    session.optimizer.zero_grad(set_to_none=True)
    if session.ema:
        session.ema.update(session.lora, step)


def slot_sigma(config: TrainConfig, step: int, slot: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Sigma and the weight of the loss for a slot of a step's global batch, on the device."""
    return draw_sigma(
        config.timestep_type,
        named_generator(config.seed, "sigma", step, slot, device=device),
        bias=config.noise_bias,
        mean=config.logit_mean,
        std=config.logit_std,
    )


def as_shown(photo: EncodedPhoto, config: TrainConfig, place: int) -> EncodedPhoto:
    """The photo with its caption, or without it where this place of the run drops it."""
    if photo.dropped_text is None or not is_caption_dropped(config.caption_dropout, config.seed, place):
        return photo
    return dataclasses.replace(photo, text=photo.dropped_text)


def loss_parts(
    transformer: ZImageTransformer2DModel,
    photos: Sequence[EncodedPhoto],
    config: TrainConfig,
    step: int,
    device: torch.device,
    slots: Sequence[int],
) -> Iterator[Tensor]:
    """The terms of a micro-batch's losses, [B] each: what is learned, and what is preserved where that is asked for.

    Go backward from each before asking for the next, so that the graphs of two are never in memory together.
    """
    yield step_losses(transformer, photos, config, step, device, slots)
    if any(photo.class_text is not None for photo in photos):
        yield preservation_losses(transformer, photos, config, step, device, slots)


def step_losses(
    transformer: ZImageTransformer2DModel,
    photos: Sequence[EncodedPhoto],
    config: TrainConfig,
    step: int,
    device: torch.device,
    slots: Sequence[int],
) -> Tensor:
    """The loss of each photo of a micro-batch of one bucket, [B]; chance depends on (seed, step, slot) alone.

    `slots` says which places of the global batch these photos have.
    """
    batch = noisy_batch(photos, config, step, slots, device)
    predicted_BCHW = _predict(transformer, batch, [photo.text for photo in photos], config)
    losses_B = velocity_losses(
        predicted_BCHW, batch.latents_BCHW, batch.noise_BCHW, config.loss_type, mask_B1HW=stacked_masks(photos, device)
    )
    return losses_B * batch.weight_B


def preservation_losses(
    transformer: ZImageTransformer2DModel,
    photos: Sequence[EncodedPhoto],
    config: TrainConfig,
    step: int,
    device: torch.device,
    slots: Sequence[int],
) -> Tensor:
    """How far the LoRA moves what the model sees for the class word's captions, [B], times `preservation_weight`.

    The same noisy latents, once without and once with the LoRA. All of a photo is to be kept, at every share of noise
    alike: no mask and no weight of sigma. Photos without a class caption have 0; one at least must have one.
    """
    texts = {index: photo.class_text for index, photo in enumerate(photos) if photo.class_text is not None}
    batch = noisy_batch([photos[i] for i in texts], config, step, [slots[i] for i in texts], device)
    transformer.disable_adapters()
    try:
        with torch.no_grad():
            prior_BCHW = _predict(transformer, batch, list(texts.values()), config)
    finally:
        transformer.enable_adapters()
    seen_BCHW = _predict(transformer, batch, list(texts.values()), config)
    moved_B = (seen_BCHW - prior_BCHW).square().mean(dim=(1, 2, 3))
    by_place = dict(zip(texts, moved_B.unbind()))
    nothing = moved_B.new_zeros(())
    return torch.stack([by_place.get(i, nothing) for i in range(len(photos))]) * config.preservation_weight


@dataclass(frozen=True, kw_only=True)
class NoisyBatch:
    """A micro-batch with its noise, on the device it is trained on."""

    latents_BCHW: Tensor
    noise_BCHW: Tensor
    noisy_BCHW: Tensor
    sigma_B: Tensor
    weight_B: Tensor
    """How much each photo's loss counts at its sigma."""


def noisy_batch(
    photos: Sequence[EncodedPhoto], config: TrainConfig, step: int, slots: Sequence[int], device: torch.device
) -> NoisyBatch:
    """Photos of one bucket with the noise that their slots of a step draw, made on the device."""
    latents_BCHW = torch.stack([photo.latents_CHW.to(device, non_blocking=True) for photo in photos])
    noise, sigmas, weights = [], [], []
    for slot, latents_CHW in zip(slots, latents_BCHW, strict=True):
        noise_generator = named_generator(config.seed, "noise", step, slot, device=device)
        noise.append(torch.randn(latents_CHW.shape, generator=noise_generator, device=device))
        sigma, weight = slot_sigma(config, step, slot, device)
        sigmas.append(sigma)
        weights.append(weight)
    noise_BCHW, sigma_B, weight_B = torch.stack(noise), torch.stack(sigmas), torch.stack(weights)
    return NoisyBatch(
        latents_BCHW=latents_BCHW,
        noise_BCHW=noise_BCHW,
        noisy_BCHW=add_noise(latents_BCHW, noise_BCHW, sigma_B[:, None, None, None]),
        sigma_B=sigma_B,
        weight_B=weight_B,
    )


def _predict(
    transformer: ZImageTransformer2DModel, batch: NoisyBatch, texts: Sequence[Tensor], config: TrainConfig
) -> Tensor:
    """The velocity that the transformer sees in a batch. With bf16 the fp32 masters take part in bf16 arithmetic; with
    fp32 autocast does nothing."""
    device = batch.noisy_BCHW.device
    texts = [text.to(device, non_blocking=True) for text in texts]
    with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        return predict_velocity(transformer, batch.noisy_BCHW, batch.sigma_B, texts)


def stacked_masks(photos: Sequence[EncodedPhoto], device: torch.device) -> Tensor | None:
    """How much each place counts, [B, 1, H, W]; None where every photo is learnt whole."""
    if all(photo.mask_HW is None for photo in photos):
        return None
    whole_HW = torch.ones(photos[0].latents_CHW.shape[1:], device=device)
    masks = [whole_HW if photo.mask_HW is None else photo.mask_HW.to(device, non_blocking=True) for photo in photos]
    return torch.stack(masks).unsqueeze(1)
