"""Batches: several photos at once, or one after the other, learn the same; nothing of one reaches another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import CPU, losses_of
from trainer.training.config import TrainConfig
from trainer.training.data.encode import EncodedPhoto
from trainer.training.keeping.states import find_state
from trainer.training.model.zimage import find_base_model, load_transformer, predict_velocity
from trainer.training.network.lora import add_lora
from trainer.training.step import step_losses
from trainer.training.update.flow import named_generator

CAPTION_LENGTHS = (3, 31, 40, 100)
"""Z-Image pads captions to multiples of 32, so these take 32, 32, 64 and 128 places."""
CONFIG = TrainConfig(precision="fp32", linear_rank=4, batch_size=4, timestep_type="weighted")
STEP = 3
Model = tuple[torch.nn.Module, dict[str, torch.nn.Parameter]]


@pytest.fixture(scope="module")
def model(tiny_dir: Path) -> Model:
    """The tiny transformer with a LoRA whose B is not zero."""
    transformer = load_transformer(find_base_model(tiny_dir), torch.float32, CPU)
    lora = add_lora(transformer, CONFIG, named_generator(0, "lora"))
    generator = named_generator(1, "start")
    with torch.no_grad():
        for parameter in lora.values():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return transformer, lora


@pytest.fixture(scope="module")
def photos(tiny_dir: Path) -> list[EncodedPhoto]:
    """Four photos of one bucket with captions of four lengths."""
    generator = named_generator(2, "photos")
    return [
        EncodedPhoto(
            name=f"{length}.jpg",
            bucket=(64, 48),
            latents_CHW=torch.randn(16, 6, 8, generator=generator),
            text=torch.randn(length, 128, generator=generator),
        )
        for length in CAPTION_LENGTHS
    ]


def loss_and_gradients(
    model: Model, photos: list[EncodedPhoto], slots: Sequence[int]
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    transformer, lora = model
    loss = step_losses(transformer, photos, CONFIG, STEP, CPU, slots).mean()  # type: ignore[arg-type]
    return loss.detach(), dict(zip(lora, torch.autograd.grad(loss, list(lora.values())), strict=True))


def test_a_batch_of_four_caption_lengths_is_the_mean_of_four_single_steps(
    model: Model, photos: list[EncodedPhoto]
) -> None:
    loss, gradients = loss_and_gradients(model, photos, range(4))
    singles = [loss_and_gradients(model, [photo], [slot]) for slot, photo in enumerate(photos)]
    assert len({single.item() for single, _ in singles}) == 4
    assert (loss - torch.stack([single for single, _ in singles]).mean()).abs() <= 1e-5 * loss
    for name, gradient in gradients.items():
        mean = torch.stack([single[name] for _, single in singles]).mean(dim=0)
        assert mean.norm() > 0 and (gradient - mean).norm() <= 1e-5 * mean.norm(), name


def test_two_and_two_is_four(model: Model, photos: list[EncodedPhoto]) -> None:
    whole = step_losses(model[0], photos, CONFIG, STEP, CPU, range(4))  # type: ignore[arg-type]
    halves = [step_losses(model[0], photos[i : i + 2], CONFIG, STEP, CPU, range(i, i + 2)) for i in (0, 2)]  # type: ignore[arg-type]
    torch.testing.assert_close(torch.cat(halves), whole, rtol=1e-5, atol=0)
    elsewhere = step_losses(model[0], photos[:2], CONFIG, STEP, CPU, range(2, 4))  # type: ignore[arg-type]
    assert not torch.isclose(elsewhere, whole[:2]).any(), "a slot has dice of its own"


def test_no_number_of_a_photo_reaches_another_of_its_batch(model: Model, photos: list[EncodedPhoto]) -> None:
    """The gradient of each photo's result to the others' captions and latents is nothing, not merely little."""
    texts = [photo.text.clone().requires_grad_() for photo in photos]
    latents_BCHW = torch.stack([photo.latents_CHW for photo in photos]).requires_grad_()
    sigma_B = torch.tensor([0.2, 0.5, 0.7, 0.9])
    velocity_BCHW = predict_velocity(model[0], latents_BCHW, sigma_B, texts)  # type: ignore[arg-type]
    for index in range(4):
        cost = velocity_BCHW[index].square().sum()
        to_latents, *to_texts = torch.autograd.grad(cost, [latents_BCHW, *texts], retain_graph=True)
        for other in range(4):
            felt = to_texts[other].abs().sum() + to_latents[other].abs().sum()
            assert (felt > 0) == (other == index), (index, other)
        assert (to_texts[index].abs().sum(dim=1) > 0).all(), "every token of its own caption counts"


def test_what_stands_in_the_places_that_pad_changes_nothing(model: Model, photos: list[EncodedPhoto]) -> None:
    """The short caption's neighbours may be as long and as wild as they like."""
    noisy_BCHW = torch.stack([photo.latents_CHW for photo in photos[:2]])
    short, other = photos[0].text, photos[1].text
    results = [
        predict_velocity(model[0], noisy_BCHW, torch.tensor([0.4, 0.6]), [short, neighbour])[0]  # type: ignore[arg-type]
        for neighbour in (other, other.repeat(8, 1) * 1e3, -other.repeat(20, 1))
    ]
    alone = predict_velocity(model[0], noisy_BCHW[:1], torch.tensor([0.4]), [short])[0]  # type: ignore[arg-type]
    for result in results:
        assert (result - alone).norm() <= 1e-5 * alone.norm()


def test_accumulation_equals_the_large_batch_and_may_be_changed_within_a_run(
    make_job: Callable, run_through: Callable
) -> None:
    """4 x 1, 1 x 4 and 2 x 2 photos per step, on two buckets and captions of four lengths; then 4 x 1 that goes on."""
    shapes = dict(large=(4, 1), small=(1, 4), middle=(2, 2))
    losses, weights = {}, {}
    for name, (batch_size, accumulation) in shapes.items():
        size = dict(batch_size=batch_size, gradient_accumulation=accumulation)
        job = make_job(run_name=name, total_steps=4, save_every=4, learning_rate=1e-3, **size)
        losses[name] = losses_of(run_through(job))
        weights[name] = lora_of(job)
    stopped = dict(run_name="changed", total_steps=4, save_every=4, learning_rate=1e-3)
    losses["changed"] = losses_of(run_through(make_job(**stopped, batch_size=4), stop_after=2))
    job = make_job(**stopped, batch_size=1, gradient_accumulation=4)
    losses["changed"] |= losses_of(run_through(job))
    weights["changed"] = lora_of(job)
    for name in ("small", "middle", "changed"):
        assert losses[name] == pytest.approx(losses["large"], rel=1e-5), name
        for key, tensor in weights["large"].items():
            if ".lora_B." in key:  # zero at the start, so this is the whole way that was gone
                assert (weights[name][key] - tensor).norm() <= 1e-3 * tensor.norm(), (name, key)


def lora_of(job) -> dict[str, torch.Tensor]:  # type: ignore[no-untyped-def]
    state = find_state(job.runs_dir / job.run_name / "state")[0]
    assert state and state.step == 4
    return dict(state.lora)


def test_a_larger_batch_is_another_run(make_job: Callable, run_through: Callable) -> None:
    from trainer.messages import UserError
    from trainer.training.keeping.runs import finished_run

    run_through(make_job(batch_size=2), stop_after=1)
    with pytest.raises(UserError, match="photos_per_step: 2 -> 4"):
        finished_run(make_job(batch_size=2, gradient_accumulation=2))
