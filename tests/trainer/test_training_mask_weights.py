"""What a mask does to the loss: the masked-out part counts its weight, the photo as much as ever."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import CPU
from trainer.training.config import TrainConfig
from trainer.training.data.encode import EncodedPhoto, mask_weights
from trainer.training.model.zimage import find_base_model, load_transformer, predict_velocity
from trainer.training.network.lora import add_lora
from trainer.training.step import noisy_batch, step_losses
from trainer.training.update.flow import named_generator, velocity_losses

CONFIG = TrainConfig(training_resolution=64, precision="fp32", linear_rank=4, training_adapter="none")


def config_with(**settings: object) -> TrainConfig:
    return dataclasses.replace(CONFIG, **settings)


@pytest.mark.parametrize("min_weight", [0.0, 0.1, 0.5, 1.0])
def test_what_is_masked_out_counts_exactly_the_min_weight_and_a_photo_as_much_as_ever(min_weight: float) -> None:
    mask_HW = torch.zeros(6, 8)
    mask_HW[:, :3] = 1
    weight_HW = mask_weights(mask_HW, min_weight)
    assert weight_HW.mean() == pytest.approx(1, abs=1e-6)
    predicted = torch.zeros(1, 16, 6, 8, requires_grad=True)
    latents, noise = torch.zeros(1, 16, 6, 8), torch.ones(1, 16, 6, 8)
    loss_B = velocity_losses(predicted, latents, noise, mask_B1HW=weight_HW[None, None])
    assert loss_B.item() == pytest.approx(1, abs=1e-6), "the same error everywhere costs what it costs without a mask"
    (gradient,) = torch.autograd.grad(loss_B.sum(), predicted)
    inside, outside = gradient[..., :3], gradient[..., 3:]
    torch.testing.assert_close(outside / inside[0, 0, 0, 0], torch.full_like(outside, min_weight), rtol=1e-6, atol=0)
    assert min_weight > 0 or outside.eq(0).all()


@pytest.fixture(scope="module")
def model(tiny_dir: Path) -> torch.nn.Module:
    transformer = load_transformer(find_base_model(tiny_dir), torch.float32, CPU)
    add_lora(transformer, CONFIG, named_generator(0, "lora"))
    return transformer


@pytest.mark.parametrize("loss_type", ["mse", "huber"])
def test_the_loss_of_a_step_is_the_weighted_error_of_each_latent(model: torch.nn.Module, loss_type: str) -> None:
    generator = named_generator(1, "photos")
    mask_HW = torch.rand(6, 8, generator=generator)
    plain = [
        EncodedPhoto(
            name="x", bucket=(64, 48), latents_CHW=torch.randn(16, 6, 8, generator=generator),
            text=torch.randn(9, 128, generator=generator),
        )
        for _ in range(2)
    ]  # fmt: skip
    masked = [dataclasses.replace(plain[0], mask_HW=mask_weights(mask_HW, 0.1)), plain[1]]
    config, step, slots = config_with(loss_type=loss_type), 5, (0, 1)
    with torch.no_grad():
        batch = noisy_batch(plain, config, step, slots, CPU)
        predicted = predict_velocity(model, batch.noisy_BCHW, batch.sigma_B, [photo.text for photo in plain])  # type: ignore[arg-type]
        error = (predicted - (batch.noise_BCHW - batch.latents_BCHW)).abs()
        cost = error**2 if loss_type == "mse" else torch.where(error < 1, error**2, 2 * error - 1)
        weight = (0.1 + 0.9 * mask_HW) / (0.1 + 0.9 * mask_HW).mean()
        losses_B = step_losses(model, masked, config, step, CPU, slots)  # type: ignore[arg-type]
        unmasked_B = step_losses(model, plain, config, step, CPU, slots)  # type: ignore[arg-type]
    assert losses_B[0].item() == pytest.approx((cost[0] * weight).mean().item(), rel=1e-5)
    assert losses_B[1] == unmasked_B[1], "a photo beside it is learnt as ever"
    assert losses_B[0] != unmasked_B[0]
