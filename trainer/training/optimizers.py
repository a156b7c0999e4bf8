"""Optimizers: made by name, and their state as plain tensors and numbers that a file can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..messages import UserError

if TYPE_CHECKING:
    from .config import TrainConfig

_BETAS, _EPS = (0.9, 0.999), 1e-6

OptimizerState = tuple[dict[str, Tensor], dict[str, float]]
"""Tensors and plain numbers, both by `<parameter name>|<state name>`."""


def make_optimizer(config: TrainConfig, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """AdamW with the reference's betas and eps, its state in 8 or in 32 bits. Raises UserError without bitsandbytes."""
    settings: dict[str, Any] = dict(lr=config.learning_rate, betas=_BETAS, eps=_EPS, weight_decay=config.weight_decay)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, **settings)
    try:
        from bitsandbytes.optim import AdamW8bit
    except Exception as error:  # a missing package, or one whose native library does not load on this machine
        raise UserError("train.no_bitsandbytes", reason=error) from error
    return AdamW8bit(parameters, **settings)


def optimizer_state(optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor]) -> OptimizerState:
    """A copy of the state of every parameter, on the CPU."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, float] = {}
    for name, parameter in parameters.items():
        for key, value in optimizer.state[parameter].items():
            if isinstance(value, Tensor):
                # Copied, because bitsandbytes shares one quantisation table between all parameters.
                tensors[f"{name}|{key}"] = value.detach().to("cpu", copy=True).contiguous()
            else:
                numbers[f"{name}|{key}"] = value
    return tensors, numbers


def restore_optimizer(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor], state: OptimizerState
) -> None:
    """Give every parameter its state back, on the parameter's device; AdamW's own step counter stays on the CPU."""
    tensors, numbers = state
    for key, tensor in tensors.items():
        name, state_name = key.split("|")
        device = parameters[name].device if tensor.ndim else "cpu"
        optimizer.state[parameters[name]][state_name] = tensor.to(device)
    for key, number in numbers.items():
        name, state_name = key.split("|")
        optimizer.state[parameters[name]][state_name] = number
