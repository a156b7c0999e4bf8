"""How plain LoRA layers compute: frozen linears whose LoRA is added into their outputs. peft holds the numbers.

peft's own forward writes what a LoRA adds, scales it and adds it: three passes over every linear's output, and autocast
holds a copy of all masters until the backward pass. Here the second product adds into the frozen one's output, the
scale within it, linears that have one input share the first product, and the masters are rounded anew going back.

Legend: N rows (tokens of all photos), I input width, O output width, R rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
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
        scales = [layer.scaling[ADAPTER_NAME] for layer in layers]
        if torch.compiler.is_compiling():  # torch makes a backward pass of its own then
            _add(rows_NI, results, downs, ups, scales)
        else:
            results = _Added.apply(rows_NI, scales, *results, *downs, *ups)
    return [result_NO.view(*x.shape[:-1], -1) for result_NO in results]


def _add(
    rows_NI: Tensor, results: Sequence[Tensor], downs: Sequence[Tensor], ups: Sequence[Tensor], scales: Sequence[float]
) -> Tensor:
    """Add scale·BAx into each result [N, O]; returns what the first product gave for all of them, [N, all R]."""
    dtype = results[0].dtype
    thin_NR = rows_NI.to(dtype) @ _joined(downs, dtype).t()
    for result_NO, part_NR, up_OR, scale in zip(results, _parts(thin_NR, downs), ups, scales):
        result_NO.addmm_(part_NR, up_OR.to(dtype).t(), alpha=scale)
    return thin_NR


def _joined(downs: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """The A of linears with one input, one below the other [all R, I]."""
    return (downs[0] if len(downs) == 1 else torch.cat(list(downs))).to(dtype)


def _parts(thin_NR: Tensor, downs: Sequence[Tensor]) -> Sequence[Tensor]:
    return thin_NR.split([len(down) for down in downs], dim=1)


class _Added(torch.autograd.Function):
    """Results that their LoRAs are added into; keeps the input, the first product and the fp32 masters themselves."""

    @staticmethod
    def forward(ctx: Any, rows_NI: Tensor, scales: Sequence[float], *tensors: Tensor) -> tuple[Tensor, ...]:
        results, downs, ups = _thirds(tensors)
        thin_NR = _add(rows_NI, results, downs, ups, scales)
        ctx.mark_dirty(*results)
        ctx.scales = scales
        ctx.save_for_backward(rows_NI, thin_NR, *downs, *ups)
        return tuple(results)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows_NI, thin_NR, *masters = ctx.saved_tensors
        downs, ups = masters[: len(gradients)], masters[len(gradients) :]
        dtype = thin_NR.dtype
        to_ups, to_thin = [], []
        for grad_NO, part_NR, up_OR, scale in zip(gradients, _parts(thin_NR, downs), ups, ctx.scales):
            to_ups.append(_times(grad_NO.t() @ part_NR, scale).to(up_OR.dtype))
            to_thin.append(_times(grad_NO @ up_OR.to(dtype), scale))
        to_thin_NR = to_thin[0] if len(to_thin) == 1 else torch.cat(to_thin, dim=1)
        to_downs = (to_thin_NR.t() @ rows_NI.to(dtype)).to(downs[0].dtype).split([len(down) for down in downs])
        to_rows_NI = None
        if ctx.needs_input_grad[0]:
            to_rows_NI = (to_thin_NR @ _joined(downs, dtype)).to(rows_NI.dtype)
        return to_rows_NI, None, *gradients, *to_downs, *to_ups


def _thirds(tensors: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]]:
    third = len(tensors) // 3
    return tensors[:third], tensors[third : 2 * third], tensors[2 * third :]


def _times(product: Tensor, scale: float) -> Tensor:
    return product if scale == 1 else product * scale
