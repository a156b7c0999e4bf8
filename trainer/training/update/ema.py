"""EMA: the moving average of the trained weights, and how other weights than those are looked at. Knows no model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor


class Ema:
    """An exponential moving average of weights, in fp32 beside them."""

    def __init__(self, decay: float, weights: Mapping[str, Tensor]) -> None:
        self.decay = decay
        self.average = {name: weight.detach().clone() for name, weight in weights.items()}

    @torch.no_grad()
    def update(self, weights: Mapping[str, Tensor], step: int) -> None:
        """Take in the weights after a step: average += (1 - decay) * (weights - average).

        Early on the decay is (1 + step) / (10 + step), as in diffusers' EMAModel: a LoRA starts at nothing, and with
        the full decay the first checkpoints would still be mostly that nothing.
        """
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.average.values()), [weights[name] for name in self.average], 1 - decay)

    @torch.no_grad()
    def restore(self, average: Mapping[str, Tensor]) -> None:
        """Go on from a saved average."""
        for name, tensor in self.average.items():
            tensor.copy_(average[name])


@contextlib.contextmanager
def showing(parameters: Mapping[str, torch.nn.Parameter], shown: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside, the parameters hold other weights (a session's shown ones); afterwards their own again, bit for bit."""
    trained = {name: parameter.data for name, parameter in parameters.items()}
    try:
        for name, parameter in parameters.items():
            parameter.data = shown[name].detach().to(parameter.device, parameter.dtype)
        yield
    finally:
        for name, parameter in parameters.items():
            parameter.data = trained[name]
