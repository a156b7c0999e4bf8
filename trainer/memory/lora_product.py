"""How plain LoRA layers compute: frozen linears whose LoRA is added into their outputs. peft holds the numbers.

peft's own forward writes what a LoRA adds, scales it and adds it: three passes over every linear's output, and autocast
holds a copy of all masters until the forward pass ends. Here the second product adds into the frozen one's output, the
scale within it, and linears that have one input share the first product.

Legend: B photos, T tokens, I input width, O output width, N = B·T rows, R rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ADAPTER_NAME = "default"


def lora_forward(layer: Any, x: Tensor) -> Tensor:
    """Wx + scale·BAx of one of peft's LoRA layers: [..., I] to [..., O]."""
    return _with_lora([layer], x)[0]


def linears_of_one_input(layers: Sequence[nn.Module], x: Tensor) -> list[Tensor]:
    """`layer(x)` of each of some linears, plain or with an adapter, [..., I] to [..., O]."""
    if all(_is_plain_lora(layer) for layer in layers):
        return _with_lora(layers, x)
    return [layer(x) for layer in layers]


def _is_plain_lora(layer: nn.Module) -> bool:
    return getattr(layer.forward, "__func__", None) is lora_forward


def _with_lora(layers: Sequence[Any], x: Tensor) -> list[Tensor]:
    rows_NI = x.reshape(-1, x.shape[-1])  # a matrix all the way: adding into a view would copy its gradient
    results = [layer.base_layer(rows_NI) for layer in layers]
    if not layers[0].disable_adapters:
        downs = [layer.lora_A[ADAPTER_NAME].weight for layer in layers]
        ups = [layer.lora_B[ADAPTER_NAME].weight for layer in layers]
        dtype = results[0].dtype
        down_RI = (downs[0] if len(downs) == 1 else torch.cat(downs)).to(dtype)
        thin_NR = F.linear(rows_NI.to(dtype), down_RI)
        thin = thin_NR.split([len(down) for down in downs], dim=1)
        for layer, result_NO, part_NR, up_OR in zip(layers, results, thin, ups):
            result_NO.addmm_(part_NR, up_OR.to(dtype).t(), alpha=layer.scaling[ADAPTER_NAME])
    return [result_NO.view(*x.shape[:-1], -1) for result_NO in results]
