"""How LoKr and DoRA layers compute. peft makes the layers and holds their numbers; no full-size weight is built here.

peft's own forward builds every LoKr layer's whole weight (12 GB in all at full size) and draws from the global random
generator; its DoRA multiplies an identity matrix through every layer. Both are replaced by equal sums that are small.

Legend: N tokens, I input width, O output width, R rank.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MethodType
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...memory.lora_product import ADAPTER_NAME, lora_forward

if TYPE_CHECKING:
    from torch import nn

_CHUNK_ROWS = 1024


def squared_row_norms(linear: nn.Module) -> Tensor:
    """The sum of squares of every row of a linear layer's weight [O], in fp32; quantised weights are dequantised."""
    from peft.utils.integrations import dequantize_module_weight

    weight_OI = dequantize_module_weight(linear).detach()
    return torch.cat([rows.float().square().sum(dim=1) for rows in weight_OI.split(_CHUNK_ROWS)])


def use_small_forwards(layers: Iterable[Any], network_type: str) -> None:
    """Have peft's layers of a kind compute as described above, plain LoRA as `lora_product` has it."""
    forward = {"lora": lora_forward, "lokr": _lokr_forward, "dora": _dora_forward}[network_type]
    for layer in layers:
        layer.forward = MethodType(forward, layer)


def _lokr_forward(layer: Any, x_NI: Tensor) -> Tensor:
    """Wx + scale·(w1 ⊗ w2)x, where the Kronecker product acts as w2 on each of x's pieces, then w1 across them."""
    result_NO = layer.base_layer(x_NI)
    if layer.disable_adapters:
        return result_NO
    dtype = result_NO.dtype
    w1 = layer.lokr_w1[ADAPTER_NAME].to(dtype)
    if ADAPTER_NAME in layer.lokr_w2:
        seconds = [layer.lokr_w2[ADAPTER_NAME]]
    else:
        seconds = [layer.lokr_w2_b[ADAPTER_NAME], layer.lokr_w2_a[ADAPTER_NAME]]
    pieces = x_NI.to(dtype).unflatten(-1, (w1.shape[1], -1))
    for weight in seconds:
        pieces = F.linear(pieces, weight.to(dtype))
    change_NO = F.linear(pieces.transpose(-1, -2), w1).transpose(-1, -2).flatten(-2)
    return result_NO + layer.scaling[ADAPTER_NAME] * change_NO


def _dora_forward(layer: Any, x_NI: Tensor) -> Tensor:
    """ratio·(W + scale·BA)x + bias, where ratio is magnitude over the norm of each row of W + scale·BA.

    The norm takes no part in the gradient, as in the paper (arXiv 2402.09353, section 4.3).
    """
    result_NO = layer.base_layer(x_NI)
    if layer.disable_adapters:
        return result_NO
    dtype, scale = result_NO.dtype, layer.scaling[ADAPTER_NAME]
    down_RI, up_OR = layer.lora_A[ADAPTER_NAME].weight, layer.lora_B[ADAPTER_NAME].weight
    norm_O = changed_row_norms(layer, down_RI, scale * up_OR, x_NI.dtype)
    ratio_O = layer.lora_magnitude_vector[ADAPTER_NAME].weight / norm_O
    bias = layer.base_layer.bias
    plain_NO = result_NO if bias is None else result_NO - bias
    change_NO = scale * F.linear(F.linear(x_NI.to(dtype), down_RI.to(dtype)), up_OR.to(dtype))
    more_O = (ratio_O - 1).to(dtype)  # rounded after the subtraction: what is left of 1 is small
    return result_NO + more_O * plain_NO + ratio_O.to(dtype) * change_NO


@torch.no_grad()
def changed_row_norms(layer: Any, down_RI: Tensor, up_OR: Tensor, dtype: torch.dtype) -> Tensor:
    """The norms of the rows of W + BA [O], in fp32, A and B given (the scale within B).

    |w + bA|² = |w|² + 2·b·(Aw) + b·(AAᵀ)·b, and Aw is A sent through the layer, whatever its weight is stored as.
    `dtype` is that of the layer's input.
    """
    down_RI, up_OR = down_RI.detach().float(), up_OR.detach().float()
    through_RO = layer.base_layer(down_RI.to(dtype))
    if layer.base_layer.bias is not None:
        through_RO = through_RO - layer.base_layer.bias
    with torch.autocast(down_RI.device.type, enabled=False):
        gram_RR = down_RI @ down_RI.T
        crossed_O = (up_OR * through_RO.float().T).sum(dim=1)
        added_O = ((up_OR @ gram_RR) * up_OR).sum(dim=1)
        squared_O = layer.base_squared_norm_O + 2 * crossed_O + added_O
    return squared_O.clamp_min(torch.finfo(torch.float32).tiny).sqrt()
