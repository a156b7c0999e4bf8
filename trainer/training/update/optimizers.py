"""Optimizers: made by name, and their state as plain tensors and numbers that a file can hold."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...messages import Message, UserError
from .eight_bit import EightBitOptimizer
from .sharded import ShardedAdamW, ShardedOptimizer

if TYPE_CHECKING:
    from ..config import TrainConfig

_BETAS, _EPS = (0.9, 0.999), 1e-6

# Beyond these a rate was most likely meant for another optimizer.
_SENSIBLE_RATES = {
    "adam8bit": (1e-6, 1e-2),
    "adamw": (1e-6, 1e-2),
    "adafactor": (1e-6, 1e-2),
    "lion8bit": (1e-7, 1e-4),
    "prodigy": (0.1, 1.0),
    "schedule-free": (1e-5, 1e-2),
}

# What Prodigy and schedule-free learn about the run as a whole lies beside the settings of their parameter group.
_GROUP_STATE = ("k", "d", "d_max", "d_numerator", "d_denom", "d_hat", "weight_sum", "lr_max")

OptimizerState = tuple[dict[str, Tensor], dict[str, float]]
"""Tensors and plain numbers, by `<parameter name>|<state name>`; those of a whole group by `group <index>|<name>`."""


def check_optimizer(config: TrainConfig) -> tuple[Message, ...]:
    """Raise UserError where the optimizer's package is missing; returns warnings about settings that do not fit it."""
    _optimizer_class(config.optimizer)
    warnings = []
    low, high = _SENSIBLE_RATES[config.optimizer]
    if not low <= config.learning_rate <= high:
        values = dict(optimizer=config.optimizer, rate=f"{config.learning_rate:g}", low=f"{low:g}", high=f"{high:g}")
        key = "train.rate_for_prodigy" if config.optimizer == "prodigy" else "train.rate_unusual"
        warnings.append(Message(key, values))
    if config.optimizer == "schedule-free" and config.lr_schedule != "constant":
        warnings.append(Message("train.schedule_twice", dict(schedule=config.lr_schedule)))
    return tuple(warnings)


def make_optimizer(config: TrainConfig, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """The chosen optimizer, ready to train. Raises UserError where its package is missing.

    The two AdamW have the reference's betas and eps. Adafactor runs without its own schedule and scaling, so that
    `learning_rate` means what it means for AdamW. Prodigy has the settings its authors advise for diffusion models.
    """
    make = _optimizer_class(config.optimizer)
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "lion8bit":
        return make(parameters, kind="lion", lr=rate, betas=(0.9, 0.99), weight_decay=decay)
    if config.optimizer == "adam8bit":
        return make(parameters, kind="adam", lr=rate, betas=_BETAS, eps=_EPS, weight_decay=decay)
    if config.optimizer == "adafactor":
        return make(parameters, lr=rate, weight_decay=decay, scale_parameter=False, relative_step=False)
    if config.optimizer == "prodigy":
        optimizer = make(parameters, lr=rate, betas=_BETAS, use_bias_correction=True, safeguard_warmup=True)
        for group in optimizer.param_groups:
            group["weight_decay"] = decay  # as an argument it would be announced on the console
        return optimizer
    optimizer = make(parameters, lr=rate, betas=_BETAS, eps=_EPS, weight_decay=decay)
    if config.optimizer == "schedule-free":
        optimizer.train()
    return optimizer


def _optimizer_class(name: str) -> Callable[..., Any]:
    """The library's class of an optimizer. Raises UserError naming the package to install."""
    package = {"prodigy": "prodigyopt", "schedule-free": "schedulefree", "adafactor": "transformers"}
    try:
        if name in ("adam8bit", "lion8bit"):
            import bitsandbytes.functional  # noqa: F401

            return EightBitOptimizer
        if name == "prodigy":
            from prodigyopt import Prodigy

            return Prodigy
        if name == "schedule-free":
            from schedulefree import AdamWScheduleFree

            return AdamWScheduleFree
        if name == "adafactor":
            from transformers.optimization import Adafactor

            return Adafactor
    except Exception as error:  # a missing package, or one whose native library does not load on this machine
        if name in package:
            values = dict(optimizer=name, package=package[name], python=sys.executable, reason=error)
            raise UserError("train.no_optimizer_package", **values) from error
        raise UserError("train.no_bitsandbytes", optimizer=name, reason=error) from error
    return ShardedAdamW


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """The rate of the next update; Prodigy multiplies its own by it."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


def learning_rate_of(optimizer: torch.optim.Optimizer) -> float:
    """The rate of the last update, with the factor that Prodigy has found."""
    group = optimizer.param_groups[0]
    return float(group["lr"]) * float(group.get("d", 1.0))


def gathered(optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor]) -> list[Tensor]:
    """The tensors whose `.grad` an update will learn from, all gradients in them: the fewer the better."""
    trained = optimizer.gather() if isinstance(optimizer, ShardedOptimizer) else parameters.values()
    return [tensor for tensor in trained if tensor.grad is not None]


@torch.no_grad()
def evaluation_weights(optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights to be judged and saved: schedule-free's average, for every other optimizer the trained ones.

    Schedule-free can turn the parameters into their average and back only to within rounding; here they are put back
    bit for bit, so that looking does not change the run.
    """
    if not hasattr(optimizer, "eval") or not hasattr(optimizer, "train"):
        return dict(parameters)
    trained = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    optimizer.eval()
    averaged = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    optimizer.train()
    for name, parameter in parameters.items():
        parameter.copy_(trained[name])
    return averaged


def optimizer_state(optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor]) -> OptimizerState:
    """A copy of the state of every parameter and of every group, on the CPU."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, float] = {}
    for name, parameter in parameters.items():
        for key, value in optimizer.state[parameter].items():
            if isinstance(value, Tensor):
                # Copied, because bitsandbytes shares one quantisation table between all parameters.
                tensors[f"{name}|{key}"] = value.detach().to("cpu", copy=True).contiguous()
            else:
                numbers[f"{name}|{key}"] = value
    for index, group in enumerate(optimizer.param_groups):
        numbers |= {f"group {index}|{key}": group[key] for key in _GROUP_STATE if key in group}
    return tensors, numbers


def restore_optimizer(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor], state: OptimizerState
) -> None:
    """Give every parameter and group its state back, on the parameter's device."""
    tensors, numbers = state
    for key, tensor in tensors.items():
        name, state_name = key.split("|")
        owned = optimizer.state[parameters[name]]
        if state_name in owned:  # it may be a part of a larger tensor
            owned[state_name].copy_(tensor)
        else:
            owned[state_name] = tensor.to(parameters[name].device)
    groups = {f"group {index}": group for index, group in enumerate(optimizer.param_groups)}
    for key, number in numbers.items():
        name, state_name = key.split("|")
        owner = groups[name] if name in groups else optimizer.state[parameters[name]]
        owner[state_name] = number
