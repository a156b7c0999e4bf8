"""Flow matching: which shares of noise are practised, how noise is mixed in, what the model learns. Knows no model.

Legend for shapes: B batch, C latent channels, H and W latent height and width, 1 a broadcast axis.
Every draw is a pure function of (seed, what it is for, step, slot), so resuming needs no generator state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import huber_loss

NUM_TIMESTEPS = 1000

HUBER_DELTA = 1.0
"""Errors up to this count by their square, as in mse; larger ones by 2·delta·|error| - delta², so in proportion.

Latents and noise both spread by about 1: an error beyond 1 is as large as what is to be told apart, which is rather a
watermark or a damaged patch than something to learn. The usual errors of Z-Image (mse 0.2 to 0.5) are half of that, so
the loss and the learning rate keep their meaning. Twice the textbook's Huber loss, whose square has a factor of 1/2.
"""

# Ostris' AI Toolkit weighs the loss of `weighted` by 1000 measured constants; these points of its curve give it back
# to 0.09 % on average through a not-a-knot cubic spline.
_WEIGHT_INDICES = (0, 5, 10, 20, 30, 50, *range(100, 951, 50), 980, 990, 999)
_WEIGHT_VALUES = (
    0.9057, 0.9622, 1.0429, 1.1761, 1.2562, 1.3748, 1.5068, 1.5069, 1.4413, 1.3549, 1.2636, 1.1720, 1.0826, 1.0004,
    0.9254, 0.8596, 0.8049, 0.7618, 0.7312, 0.7152, 0.7161, 0.7285, 0.7162, 0.5822, 0.4755, 0.4521, 0.4473,
)  # fmt: skip


def named_generator(seed: int, *name: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own for each thing that is drawn, e.g. `(seed, "noise", step, slot)`.

    The same on every machine; on another kind of device it gives other numbers.
    """
    digest = hashlib.sha256(repr((seed, *name)).encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def draw_sigma(
    timestep_type: str, generator: torch.Generator, *, bias: str = "balanced", mean: float = 0.0, std: float = 1.0
) -> tuple[Tensor, Tensor]:
    """One sigma (0 clean, 1 noise) and the weight of its loss, two fp32 scalars on the generator's device, which
    nobody waits for.

    `sigmoid`: sigmoid of a normal number; `logit_normal`: of one with the given mean and standard deviation. `linear`,
    `weighted`: even over 1, 0.999, ... 0.002. `shift`: that, shifted by 3 towards noise. The last of the 1000 entries
    is never drawn, as in the reference. `bias` goes with any of them: `content` takes the entries at the cube of an
    even number from the noisy end, where composition is decided, `style` as far from the clean end.
    """
    device = generator.device
    weight = torch.ones((), device=device)
    place = None if bias == "balanced" else _biased_place(bias, generator)
    if timestep_type in ("sigmoid", "logit_normal"):
        if place is None:
            normal = torch.randn((), generator=generator, device=device)
        else:
            normal = -torch.special.ndtri(place).float()
        return torch.sigmoid(normal if timestep_type == "sigmoid" else mean + std * normal), weight
    last = NUM_TIMESTEPS - 2
    if place is None:
        index = torch.randint(0, last + 1, (), generator=generator, device=device)
    else:
        index = (place * NUM_TIMESTEPS).long().clamp(max=last)
    if timestep_type == "shift":
        return torch.take(_on(device, shifted_sigmas), index), weight
    sigma = torch.take(_on(device, _even_sigmas), index)
    return sigma, torch.take(_on(device, loss_weights), index) if timestep_type == "weighted" else weight


def _biased_place(bias: str, generator: torch.Generator) -> Tensor:
    """A place among all sigmas from the noisiest (0) to the cleanest (1), fp64."""
    cube = torch.rand((), generator=generator, dtype=torch.float64, device=generator.device) ** 3
    return cube if bias == "content" else 1 - cube


@lru_cache
def _on(device: torch.device, table: Callable[[], Tensor]) -> Tensor:
    """A table of 1000 numbers on a device."""
    return table().to(device)


@lru_cache(maxsize=1)
def _even_sigmas() -> Tensor:
    return torch.linspace(1000, 1, NUM_TIMESTEPS) / 1000


@lru_cache(maxsize=1)
def shifted_sigmas() -> Tensor:
    """The 1000 sigmas of `shift`: s' = 3s / (1 + 2s) over a line that ends at the scheduler's own smallest sigma."""
    line = torch.linspace(1.0, 0.002994, NUM_TIMESTEPS)
    return 3 * line / (1 + 2 * line)


@lru_cache(maxsize=1)
def loss_weights() -> Tensor:
    """The 1000 loss weights of `weighted`, mean 1, by index; index 0 is pure noise."""
    import numpy as np
    from scipy.interpolate import CubicSpline

    curve = CubicSpline(_WEIGHT_INDICES, _WEIGHT_VALUES)(np.arange(NUM_TIMESTEPS))
    return torch.from_numpy(curve / curve.mean()).float()


def add_noise(latents_BCHW: Tensor, noise_BCHW: Tensor, sigma_B111: Tensor) -> Tensor:
    """The straight line from latents (sigma 0) to noise (sigma 1)."""
    return (1 - sigma_B111) * latents_BCHW + sigma_B111 * noise_BCHW


def velocity_losses(
    predicted_BCHW: Tensor,
    latents_BCHW: Tensor,
    noise_BCHW: Tensor,
    loss_type: str = "mse",
    mask_B1HW: Tensor | None = None,
) -> Tensor:
    """Each photo's error to the velocity `noise - latents`, [B]: `mse`, or `huber`, which outliers move less.

    `mask_B1HW` says how much each place counts, 1 on average.
    """
    velocity_BCHW = noise_BCHW - latents_BCHW
    if loss_type == "huber":
        cost_BCHW = 2 * huber_loss(predicted_BCHW.float(), velocity_BCHW, reduction="none", delta=HUBER_DELTA)
    else:
        cost_BCHW = (predicted_BCHW.float() - velocity_BCHW).square()
    if mask_B1HW is not None:
        cost_BCHW = cost_BCHW * mask_B1HW
    return cost_BCHW.mean(dim=(1, 2, 3))
