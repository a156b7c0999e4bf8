"""Flow matching: the shares of noise that are drawn, how noise is mixed in, and that nobody else's dice are touched."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainer.conftest import losses_of
from trainer.training.update.flow import (
    HUBER_DELTA,
    add_noise,
    draw_sigma,
    loss_weights,
    named_generator,
    shifted_sigmas,
    velocity_losses,
)

TABLE = torch.tensor([(1000 - index) / 1000 for index in range(1000)], dtype=torch.float64)
BIASES = ("content", "balanced", "style")
SPOT_WEIGHTS = {0: 0.9057, 50: 1.3748, 100: 1.5068, 500: 0.9254, 900: 0.7162}


def draws(timestep_type: str, num: int = 2000, **shape: Any) -> tuple[torch.Tensor, torch.Tensor]:
    pairs = [draw_sigma(timestep_type, named_generator(7, "sigma", step, 0), **shape) for step in range(num)]
    return torch.stack([sigma for sigma, _ in pairs]), torch.stack([weight for _, weight in pairs])


def test_sigmoid_is_the_sigmoid_of_a_normal_number_unweighted() -> None:
    sigmas, weights = draws("sigmoid")
    assert abs(sigmas.mean() - 0.5) < 0.015 and abs(sigmas.std() - 0.208) < 0.01
    normal = torch.logit(sigmas.double())
    assert abs(normal.mean()) < 0.07 and abs(normal.std() - 1) < 0.05
    assert weights.eq(1).all() and sigmas.dtype == torch.float32


@pytest.mark.parametrize("timestep_type", ["linear", "weighted"])
def test_linear_and_weighted_are_even_over_the_table_but_for_its_last_entry(timestep_type: str) -> None:
    sigmas, weights = draws(timestep_type)
    indices = torch.round((1 - sigmas.double()) * 1000).long()
    torch.testing.assert_close(sigmas.double(), TABLE[indices], rtol=0, atol=1e-6)
    assert indices.min() >= 0 and indices.max() <= 998
    per_tenth = torch.histc(indices.float(), 10, 0, 1000) / len(indices)
    assert (per_tenth - 0.1).abs().max() < 0.03
    expected = loss_weights()[indices] if timestep_type == "weighted" else torch.ones(len(indices))
    assert torch.equal(weights, expected)


def test_index_999_is_never_drawn_and_998_is() -> None:
    sigmas = draws("linear", 5000)[0]
    assert sigmas.min() == pytest.approx(0.002) and sigmas.max() == 1


def test_shift_table_goes_from_1_to_its_own_small_end() -> None:
    table = shifted_sigmas()
    assert len(table) == 1000 and table[0] == 1 and table[-1] == pytest.approx(0.00893, abs=5e-6)
    assert (table.diff() < 0).all() and table[500] == pytest.approx(0.75, abs=2e-3)
    sigmas, weights = draws("shift", 1000)
    assert torch.isin(sigmas, table[:999]).all() and weights.eq(1).all()


def test_logit_normal_has_its_mean_and_spread_and_is_sigmoid_by_default() -> None:
    assert torch.equal(draws("logit_normal", 50)[0], draws("sigmoid", 50)[0])
    sigmas, weights = draws("logit_normal", mean=0.8, std=0.5)
    normal = torch.logit(sigmas.double())
    assert normal.mean() == pytest.approx(0.8, abs=0.04) and normal.std() == pytest.approx(0.5, abs=0.03)
    assert weights.eq(1).all()


@pytest.mark.parametrize("timestep_type", ["linear", "weighted"])
def test_a_bias_takes_the_cube_of_an_even_number_from_its_end(timestep_type: str) -> None:
    """Content is the noisy end, style the clean one; the share below p of a cube is its third root."""
    for bias, from_end in (("content", lambda sigmas: 1 - sigmas), ("style", lambda sigmas: sigmas)):
        sigmas, weights = draws(timestep_type, bias=bias)
        for p in (0.05, 0.3, 0.7):
            assert (from_end(sigmas) < p).float().mean() == pytest.approx(p ** (1 / 3), abs=0.03), (bias, p)
        indices = torch.round((1 - sigmas.double()) * 1000).long()
        assert indices.max() <= 998 and sigmas.max() <= 1
        assert torch.equal(weights, loss_weights()[indices] if timestep_type == "weighted" else weights.new_ones(2000))


@pytest.mark.parametrize("timestep_type", ["sigmoid", "logit_normal", "shift"])
def test_a_bias_leans_the_way_of_its_name_and_stays_within_the_types_own_sigmas(timestep_type: str) -> None:
    (content, _), (balanced, _), (style, _) = (draws(timestep_type, 500, bias=bias) for bias in BIASES)
    assert content.mean() > balanced.mean() + 0.08 and style.mean() < balanced.mean() - 0.08
    for sigmas in (content, style):
        assert torch.isfinite(sigmas).all() and sigmas.min() >= 0 and sigmas.max() <= 1
        assert timestep_type != "shift" or torch.isin(sigmas, shifted_sigmas()[:999]).all()


def test_a_biased_sigmoid_is_sigmoids_own_quantile() -> None:
    """Sorting 1000 sigmas of `sigmoid` and taking the entry at a place, as the reference does, in the limit of many."""
    content = draws("sigmoid", bias="content")[0].double()
    place = torch.rand(100_000, generator=named_generator(1, "test"), dtype=torch.float64) ** 3
    table = torch.sort(draws("sigmoid", 5000)[0].double(), descending=True).values
    expected = table[(place * 5000).long().clamp(max=4999)]
    for share in (0.1, 0.5, 0.9):
        assert content.quantile(share) == pytest.approx(expected.quantile(share).item(), abs=0.025)


def test_loss_weights_follow_the_measured_curve() -> None:
    weights = loss_weights()
    assert len(weights) == 1000 and weights.double().mean() == pytest.approx(1, abs=1e-6)
    for index, weight in SPOT_WEIGHTS.items():
        assert weights[index] == pytest.approx(weight, rel=1e-3), index
    assert weights[998] == pytest.approx(0.4454, rel=0.023)  # between two points of the curve
    assert weights.min() == pytest.approx(0.4448, rel=0.023) and weights.max() == pytest.approx(1.5227, rel=0.023)


def test_sigma_0_gives_the_latents_and_sigma_1_the_noise_and_half_their_middle() -> None:
    latents, noise = torch.randn(2, 3, 16, 4, 6, generator=named_generator(0, "test"))
    sigma = torch.tensor([0.0, 1.0, 0.5])[:, None, None, None]
    noisy = add_noise(latents, noise, sigma)
    assert torch.equal(noisy[0], latents[0]) and torch.equal(noisy[1], noise[1])
    torch.testing.assert_close(noisy[2], (latents[2] + noise[2]) / 2)


def test_the_loss_is_zero_for_the_true_velocity_and_known_for_a_known_error() -> None:
    latents, noise = torch.randn(2, 2, 16, 4, 4, generator=named_generator(0, "test"))
    for loss_type, expected in (("mse", [0.25, 9.0]), ("huber", [0.25, 2 * HUBER_DELTA * 3 - HUBER_DELTA**2])):
        assert velocity_losses(noise - latents, latents, noise, loss_type).eq(0).all()
        off = noise - latents + torch.tensor([0.5, 3.0])[:, None, None, None]
        assert velocity_losses(off, latents, noise, loss_type).tolist() == pytest.approx(expected, rel=1e-5)


def test_huber_is_mse_for_usual_errors_and_pulls_no_harder_for_larger_ones() -> None:
    latents, noise = torch.zeros(2, 1, 16, 2, 2)
    error = torch.linspace(-4, 4, 64).reshape(1, 16, 2, 2).requires_grad_()
    (huber,) = torch.autograd.grad(velocity_losses(error, latents, noise, "huber").sum() * 64, error)
    (mse,) = torch.autograd.grad(velocity_losses(error, latents, noise, "mse").sum() * 64, error)
    usual = error.detach().abs() <= HUBER_DELTA
    assert torch.equal(huber[usual], mse[usual]) and usual.any() and not usual.all()
    assert huber[~usual].abs().sub(2 * HUBER_DELTA).abs().max() < 1e-5


def test_a_draw_depends_only_on_seed_name_step_and_slot() -> None:
    def numbers(*name: str | int) -> list[float]:
        return torch.randn(4, generator=named_generator(*name)).tolist()

    first = numbers(1, "noise", 5, 0)
    numbers(2, "noise", 9, 3)
    assert numbers(1, "noise", 5, 0) == first
    others = [(2, "noise", 5, 0), (1, "sigma", 5, 0), (1, "noise", 6, 0), (1, "noise", 5, 1), (1, "noise", 50)]
    assert len({tuple(numbers(*other)) for other in others} | {tuple(first)}) == len(others) + 1


@pytest.mark.parametrize("optimizer", ["adamw", "adam8bit"])
def test_a_whole_training_neither_reads_nor_moves_the_global_dice(
    make_job: Callable, run_through: Callable, optimizer: str
) -> None:
    losses = []
    for seed in (1, 2):
        torch.manual_seed(seed), random.seed(seed), np.random.seed(seed)  # noqa: NPY002
        before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
        job = make_job(run_name=f"run {seed}", total_steps=2, optimizer=optimizer)
        losses.append(losses_of(run_through(job)))
        after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
        assert torch.equal(before[0], after[0]) and before[1:] == after[1:]
    assert losses[0] == losses[1] and len(losses[0]) == 2


def test_training_leaves_torchs_global_settings_alone(make_job: Callable, run_through: Callable) -> None:
    def settings() -> tuple:
        return (
            torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision(),
            torch.is_autocast_enabled("cpu"), torch.get_default_device(),
        )  # fmt: skip

    before = settings()
    run_through(make_job(total_steps=1, precision="bf16"))
    assert settings() == before
