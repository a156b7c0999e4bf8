"""One step: the loss of a batch and the update it causes. Knows no files, no host."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..messages import UserError, name_some
from .config import TrainConfig
from .encode import EncodedPhoto
from .flow import add_noise, draw_sigma, named_generator, velocity_loss
from .session import Session
from .zimage import predict_velocity

if TYPE_CHECKING:
    from diffusers import ZImageTransformer2DModel

MAX_GRAD_NORM = 1.0


def train_step(session: Session, step: int) -> float:
    """One optimizer update; returns the loss. Raises UserError, the weights untouched, where a number is not finite."""
    photos = [session.photos[index] for index in session.order.batch_at(step)]
    loss = step_loss(session.transformer, photos, session.config, step, session.device)
    loss.backward()
    grad_norm = torch.nn.utils.clip_grad_norm_(session.lora.values(), MAX_GRAD_NORM)
    loss_value, norm_value = torch.stack([loss.detach(), grad_norm]).tolist()
    if not (math.isfinite(loss_value) and math.isfinite(norm_value)):
        session.optimizer.zero_grad(set_to_none=True)
        raise UserError("train.not_finite", step=step, names=name_some([photo.name for photo in photos]))
    session.optimizer.step()
    session.optimizer.zero_grad(set_to_none=True)
    return loss_value


def step_loss(
    transformer: ZImageTransformer2DModel,
    photos: list[EncodedPhoto],
    config: TrainConfig,
    step: int,
    device: torch.device,
) -> Tensor:
    """The loss of a batch of photos of one bucket, a scalar; noise and sigma depend on (seed, step, slot) alone."""
    latents_BCHW = torch.stack([photo.latents_CHW for photo in photos])
    noise, sigmas, weights = [], [], []
    for slot, photo in enumerate(photos):
        noise_generator = named_generator(config.seed, "noise", step, slot)
        noise.append(torch.randn(photo.latents_CHW.shape, generator=noise_generator))
        sigma, weight = draw_sigma(config.timestep_type, named_generator(config.seed, "sigma", step, slot))
        sigmas.append(sigma)
        weights.append(weight)
    noise_BCHW, sigma_B, weight_B = torch.stack(noise), torch.stack(sigmas), torch.stack(weights)
    noisy_BCHW = add_noise(latents_BCHW, noise_BCHW, sigma_B[:, None, None, None])
    # With bf16 the fp32 masters take part in bf16 arithmetic; with fp32 autocast does nothing.
    with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        predicted_BCHW = predict_velocity(
            transformer, noisy_BCHW.to(device), sigma_B.to(device), [photo.text.to(device) for photo in photos]
        )
    return velocity_loss(predicted_BCHW, latents_BCHW.to(device), noise_BCHW.to(device), weight_B.to(device))
