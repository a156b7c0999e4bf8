"""Optimizers that move a whole LoRA at once: its tensors lie one behind the other in a few large ones. Chooses no rate.

A LoRA of the full-size model is 480 tensors. Updated one by one they cost the host more time than the device, which
waits meanwhile; together they take a few calls. What each number becomes is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

BLOCK = 256
"""Every tensor begins at a multiple of it: so many numbers share a scale in 8-bit state."""
_LARGEST_SHARD = 8 << 20
"""Numbers. A shard's gradients are in memory twice while they are put together: 32 MB."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Some parameters one behind the other, with gaps of less than a block, and the state of all of them."""

    parameters: Sequence[torch.nn.Parameter]
    starts: Sequence[int]
    masters: torch.nn.Parameter
    """[numbers] in fp32; its `.grad` holds what was gathered."""
    moments: dict[str, Tensor] = field(default_factory=dict)
    """By the names that the state has in a file: [numbers], or [blocks] of scales."""

    def part(self, flat: Tensor, index: int) -> Tensor:
        """What a parameter has of one of the flat tensors: its shape, or of scales one for each block."""
        start, parameter = self.starts[index], self.parameters[index]
        if len(flat) < len(self.masters):
            return flat[start // BLOCK : start // BLOCK + num_blocks(parameter)]
        return flat[start : start + parameter.numel()].view(parameter.shape)

    def adopt(self) -> None:
        """Have the parameters be parts of the masters, with the values they have: whoever moved them made copies."""
        for index, parameter in enumerate(self.parameters):
            if parameter.data_ptr() != self.masters.data_ptr() + 4 * self.starts[index]:
                own = self.part(self.masters.detach(), index)
                own.copy_(parameter.detach())
                parameter.data = own

    def gather(self) -> None:
        """Move the parameters' gradients into the masters'; a parameter without one has zeros there."""
        if all(parameter.grad is None for parameter in self.parameters):
            return  # gathered already, or there are none
        pieces = []
        for parameter in self.parameters:
            grad = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
            pieces.append(grad.reshape(-1))
            if gap := -parameter.numel() % BLOCK:
                pieces.append(grad.new_zeros(gap))
        self.masters.grad = torch.cat(pieces)
        for parameter in self.parameters:
            parameter.grad = None


class ShardedOptimizer(torch.optim.Optimizer):
    """What the optimizers below share. `state` has every parameter's own part, under the names of the plain ones.

    The fp32 parameters must lie on the device they are trained on.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], defaults: dict[str, Any]) -> None:
        super().__init__(parameters, defaults)
        (group,) = self.param_groups
        self.shards = [self._shard(members) for members in parted(group["params"], self.belongs_apart)]

    def belongs_apart(self, parameter: Tensor) -> bool:
        """Whether a parameter's state is of another kind than that of most."""
        return False

    def make_state(self, shard: Shard) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """A shard's moments, and what all its parameters have in common."""
        raise NotImplementedError

    @torch.no_grad()
    def _shard(self, parameters: Sequence[torch.nn.Parameter]) -> Shard:
        starts = [0]
        for parameter in parameters:
            starts.append(starts[-1] + num_blocks(parameter) * BLOCK)
        masters = torch.nn.Parameter(torch.zeros(starts.pop(), device=parameters[0].device))
        shard = Shard(parameters=parameters, starts=starts, masters=masters)
        shard.adopt()
        moments, common = self.make_state(shard)
        shard.moments.update(moments)
        for index, parameter in enumerate(parameters):
            self.state[parameter] = {name: shard.part(flat, index) for name, flat in moments.items()} | common
        return shard

    @torch.no_grad()
    def gather(self) -> list[torch.nn.Parameter]:
        """Move all gradients into those of a few large tensors, which are returned; `step` learns from them."""
        for shard in self.shards:
            shard.gather()
        return [shard.masters for shard in self.shards]

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move all parameters by their gradients and forget these."""
        self.gather()
        for shard in self.shards:
            if shard.masters.grad is not None:
                shard.adopt()
        self.update()
        for shard in self.shards:
            shard.masters.grad = None

    def update(self) -> None:
        """Move all masters that have gradients by them."""
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        super().zero_grad(set_to_none)
        for shard in self.shards:
            shard.masters.grad = None


class ShardedAdamW(ShardedOptimizer):
    """PyTorch's fused AdamW."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], **settings: Any) -> None:
        super().__init__(parameters, settings)
        self._inner = torch.optim.AdamW([shard.masters for shard in self.shards], fused=True, **settings)
        for shard in self.shards:
            self._inner.state[shard.masters] = {**shard.moments, "step": self.state[shard.parameters[0]]["step"]}

    def make_state(self, shard: Shard) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """See ShardedOptimizer."""
        masters = shard.masters.detach()
        moments = {name: torch.zeros_like(masters) for name in ("exp_avg", "exp_avg_sq")}
        return moments, {"step": torch.zeros((), device=masters.device)}

    def update(self) -> None:
        """See ShardedOptimizer."""
        self._inner.param_groups[0]["lr"] = self.param_groups[0]["lr"]
        self._inner.step()


def num_blocks(parameter: Tensor) -> int:
    """How many blocks a parameter takes."""
    return -(-parameter.numel() // BLOCK)


def parted(
    parameters: Sequence[torch.nn.Parameter], belongs_apart: Callable[[Tensor], bool] = lambda parameter: False
) -> list[list[torch.nn.Parameter]]:
    """The parameters in order, cut into shards; those that belong apart are in shards of their own."""
    shards: list[list[torch.nn.Parameter]] = []
    for apart in (True, False):
        size = _LARGEST_SHARD
        for parameter in parameters:
            if belongs_apart(parameter) != apart:
                continue
            if size + parameter.numel() > _LARGEST_SHARD:
                shards.append([])
                size = 0
            shards[-1].append(parameter)
            size += parameter.numel()
    return shards
