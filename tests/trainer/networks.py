"""The kinds of LoRA for tests: settings of each, and one with numbers in it on a transformer."""

from __future__ import annotations

from typing import Any

import torch

from trainer.training.config import TrainConfig
from trainer.training.network.lora import add_lora
from trainer.training.update.flow import named_generator

KINDS: dict[str, dict[str, Any]] = {
    "lora": dict(network_type="lora", linear_rank=4, linear_alpha=3),
    "lokr": dict(network_type="lokr", lokr_factor=4),
    "lokr_low_rank": dict(network_type="lokr", lokr_factor=2, lokr_full_rank=False, linear_rank=2, linear_alpha=3),
    "dora": dict(network_type="dora", linear_rank=4, linear_alpha=3),
}
TARGETS = ("all", "attention", "attention+mlp", r"^noise_refiner.*to_[qv]|layers\.1\.(adaLN|feed)")
_SPREAD = {"lokr_w1": 0.4, "lokr_w2_a": 0.4, "lokr_w2_b": 0.2}


def filled(transformer: torch.nn.Module, config: TrainConfig) -> dict[str, torch.nn.Parameter]:
    """A LoRA put on a transformer, with random numbers in it as if it had learned much."""
    lora = add_lora(transformer, config, named_generator(0, "lora"))  # type: ignore[arg-type]
    fill(lora)
    return lora


def fill(lora: dict[str, torch.nn.Parameter]) -> None:
    """Random numbers for a LoRA; a DoRA's magnitudes change by a tenth."""
    generator = named_generator(0, "values")
    with torch.no_grad():
        for name, parameter in lora.items():
            drawn = torch.randn(parameter.shape, generator=generator)
            if "magnitude" in name:
                parameter.mul_(1 + 0.1 * drawn)
            else:
                parameter.copy_(drawn * _SPREAD.get(name.rpartition(".")[2], 0.06))


def outputs(transformer: torch.nn.Module, num: int = 2) -> torch.Tensor:
    """What a transformer makes of fixed latents and texts, in fp32."""
    generator = torch.Generator().manual_seed(0)
    latents = [torch.randn(16, 1, 8, 8, generator=generator).to(transformer.dtype) for _ in range(num)]
    texts = [torch.randn(9 + i, 128, generator=generator).to(transformer.dtype) for i in range(num)]
    with torch.no_grad():
        made = transformer(latents, torch.linspace(0.2, 0.8, num), texts, return_dict=False)[0]
    return torch.stack(list(made)).float()


def relative(difference: torch.Tensor, to: torch.Tensor) -> float:
    return (difference.norm() / to.norm()).item()
