"""AdamW and Lion with 8-bit state over a whole LoRA at once, by bitsandbytes' kernels.

bitsandbytes' own optimizers go through the tensors one by one and wait for the card after each of them: 480 waits a
step for a LoRA of the full-size model. Nobody waits here, and every number is what those would have made of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from .sharded import BLOCK, Shard, ShardedOptimizer

_SMALLEST_IN_8_BITS = 4096
"""bitsandbytes keeps the state of smaller tensors in fp32; so that its train states can be read, so does this."""
_AT_ONCE_ON_A_CPU = 1 << 16
"""Numbers. The CPU unpacks the state into fp32, 24 bytes a number: 1.5 MB, which also stays in its cache."""


class EightBitOptimizer(ShardedOptimizer):
    """AdamW (`adam`) or Lion (`lion`) with the moments in 8 bits; their state has bitsandbytes' names and shapes."""

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        *,
        kind: str,
        lr: float,
        betas: tuple[float, float],
        eps: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        from bitsandbytes.functional import create_dynamic_map

        self._kind = kind
        self._maps = {"qmap1": create_dynamic_map(signed=True)}
        if kind == "adam":
            self._maps["qmap2"] = create_dynamic_map(signed=False)
        parameters = list(parameters)
        self._maps = {name: table.to(parameters[0].device) for name, table in self._maps.items()}
        super().__init__(parameters, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    def belongs_apart(self, parameter: Tensor) -> bool:
        """See ShardedOptimizer."""
        return parameter.numel() < _SMALLEST_IN_8_BITS

    def make_state(self, shard: Shard) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """See ShardedOptimizer."""
        masters = shard.masters.detach()
        numbers = [name[-1] for name in self._maps]
        if self.belongs_apart(shard.parameters[0]):
            return {f"state{number}": torch.zeros_like(masters) for number in numbers}, {"step": 0}
        moments: dict[str, Tensor] = {}
        for number in numbers:
            moments[f"state{number}"] = torch.zeros_like(masters, dtype=torch.uint8)
            moments[f"absmax{number}"] = masters.new_zeros(len(masters) // BLOCK)
        return moments, {"step": 0, **self._maps}

    def update(self) -> None:
        """See ShardedOptimizer."""
        for shard in self.shards:
            if shard.masters.grad is not None:
                self._update(shard)

    def _update(self, shard: Shard) -> None:
        from bitsandbytes.functional import optimizer_update_8bit_blockwise, optimizer_update_32bit

        (group,), masters, moments = self.param_groups, shard.masters.detach(), shard.moments
        (beta1, beta2), rate, eps, decay = group["betas"], group["lr"], group["eps"], group["weight_decay"]
        for parameter in shard.parameters:
            self.state[parameter]["step"] += 1
        step = self.state[shard.parameters[0]]["step"]
        first, second, gradients = moments["state1"], moments.get("state2"), shard.masters.grad
        assert gradients is not None
        if first.dtype == torch.float32:
            optimizer_update_32bit(
                self._kind, gradients, masters, first, beta1, eps, step, rate, second, beta2, 0.0, 0.0, decay
            )
            return
        size = _AT_ONCE_ON_A_CPU if masters.device.type == "cpu" else len(masters)
        for start in range(0, len(masters), size):
            numbers, blocks = slice(start, start + size), slice(start // BLOCK, (start + size) // BLOCK)
            optimizer_update_8bit_blockwise(
                self._kind, gradients[numbers], masters[numbers], first[numbers],
                None if second is None else second[numbers], beta1, beta2, 0.0, 0.0, eps, step, rate,
                self._maps["qmap1"], self._maps.get("qmap2"), moments["absmax1"][blocks],
                None if second is None else moments["absmax2"][blocks], decay,
            )  # fmt: skip
