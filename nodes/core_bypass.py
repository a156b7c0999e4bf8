"""Bypass: a LoRA beside a model's weights instead of in them, for weights that are quantised and would round it away.

out = base(x) + strength · lora(x), added by forward hooks while the model is loaded. Where a LoRA has to_q, to_k and
to_v but the model one common weight, each is added to its own rows of that weight's outputs, which is exact for every
kind of LoRA. ComfyUI's own bypass drops those modules and lets a second LoRA replace the first.

Legend: N tokens, I inputs, O outputs of a module or of the rows a LoRA is for.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import comfy.ops
import comfy.utils
import torch
from comfy.patcher_extension import PatcherInjection
from comfy.quant_ops import QuantizedTensor
from comfy.weight_adapter.loha import LoHaAdapter
from comfy.weight_adapter.lokr import LoKrAdapter
from comfy.weight_adapter.lora import LoRAAdapter
from torch import Tensor, nn

_FULL_FORMATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
_DORA_PLACE = {LoRAAdapter: 4, LoHaAdapter: 7, LoKrAdapter: 8}
"""Where in an adapter's weights its dora_scale is."""
_MORE_THAN_LINEAR = {LoRAAdapter: (3, 5), LoHaAdapter: (5, 6), LoKrAdapter: (7,)}
"""Where an adapter holds what only convolutions and reshaped layers have."""


@dataclass(frozen=True, kw_only=True)
class BypassPart:
    """One module's LoRA."""

    weight: str
    """The weight it belongs to, e.g. `diffusion_model.layers.0.attention.qkv.weight`."""
    rows: slice
    """Which of the weight's outputs it changes."""
    adapter: Any
    """ComfyUI's own object for it."""
    strength: float


def is_quantised(weight: Any) -> bool:
    """Whether a weight is held in fewer bits than the model computes with, so that a merged LoRA would be rounded."""
    return isinstance(weight, QuantizedTensor) or weight.dtype not in _FULL_FORMATS


def can_bypass(patch: Any, num_outputs: int) -> bool:
    """Whether a patch of ComfyUI's loader can be computed beside a linear layer: LoRA, LoHa, LoKr, and DoRA by rows."""
    if type(patch) not in _DORA_PLACE or any(patch.weights[i] is not None for i in _MORE_THAN_LINEAR[type(patch)]):
        return False
    dora_scale = patch.weights[_DORA_PLACE[type(patch)]]
    return dora_scale is None or dora_scale.shape[0] == num_outputs


def add_bypass(patcher: Any, name: str, parts: Sequence[BypassPart]) -> int:
    """Have a MODEL compute these parts beside its weights; returns how many modules get a hook.

    `name` tells this LoRA and its strengths apart from others: ComfyUI reloads a model when the names on it change. The
    same LoRA twice gets a second name.
    """
    taken, number = name, 2
    while taken in patcher.injections:
        taken, number = f"{name} #{number}", number + 1
    by_module: dict[str, list[BypassPart]] = {}
    for part in parts:
        by_module.setdefault(part.weight.removesuffix(".weight"), []).append(part)
    hooks = _Hooks(by_module)
    patcher.set_injections(taken, [PatcherInjection(inject=hooks.put_on, eject=hooks.take_off)])
    return len(by_module)


class _Hooks:
    """The hooks of one LoRA: on a model while it is loaded, and off it when it is unloaded or nobody holds it."""

    def __init__(self, by_module: Mapping[str, Sequence[BypassPart]]) -> None:
        self._by_module = by_module
        self._on: weakref.WeakKeyDictionary[nn.Module, Any] = weakref.WeakKeyDictionary()

    def put_on(self, patcher: Any) -> None:
        self.take_off(patcher)
        handles = [
            comfy.utils.get_attr(patcher.model, module).register_forward_hook(_Beside(parts))
            for module, parts in self._by_module.items()
        ]
        # A patcher that is thrown away while loaded is never asked to eject.
        self._on[patcher.model] = weakref.finalize(patcher, _remove, handles)
        self._on[patcher.model].atexit = False

    def take_off(self, patcher: Any) -> None:
        if remove := self._on.pop(patcher.model, None):
            remove()


def _remove(handles: list[Any]) -> None:
    for handle in handles:
        handle.remove()


class _Beside:
    """A forward hook of one module: adds what its LoRA parts compute. Holds their numbers where the module computes."""

    def __init__(self, parts: Sequence[BypassPart]) -> None:
        self._parts = parts
        self._ready: dict[tuple[torch.device, torch.dtype], list[Any]] = {}
        self._ratios: dict[int, Tensor] = {}

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output_NO: Tensor) -> Tensor:
        x_NI = inputs[0].dequantize() if isinstance(inputs[0], QuantizedTensor) else inputs[0]
        adapters = self._adapters(x_NI)
        changed_NO = output_NO.clone()
        for index, (part, adapter) in enumerate(zip(self._parts, adapters)):
            own_NO = output_NO[..., part.rows]
            added_NO = adapter.h(x_NI, own_NO)
            if adapter.weights[_DORA_PLACE[type(adapter)]] is not None:
                ratio_O = self._ratio(index, module, adapter, x_NI)
                bias_O = 0 if module.bias is None else module.bias[part.rows].to(own_NO)
                added_NO = ratio_O * added_NO + (ratio_O - 1) * (own_NO - bias_O)
            changed_NO[..., part.rows] += part.strength * added_NO
        return changed_NO

    def _adapters(self, x_NI: Tensor) -> list[Any]:
        place = (x_NI.device, x_NI.dtype)
        if place not in self._ready:
            self._ready = {place: [_moved(part.adapter, x_NI) for part in self._parts]}
            self._ratios = {}
        return self._ready[place]

    def _ratio(self, index: int, module: nn.Module, adapter: Any, x_NI: Tensor) -> Tensor:
        """What a DoRA multiplies each output by [O]: its dora_scale over the length of the unchanged row."""
        if index not in self._ratios:
            weight_OI, bias, offload = comfy.ops.cast_bias_weight(module, x_NI, offloadable=True)
            rows_OI = weight_OI.dequantize() if isinstance(weight_OI, QuantizedTensor) else weight_OI
            norm_O = rows_OI[self._parts[index].rows].float().norm(dim=1)
            comfy.ops.uncast_bias_weight(module, weight_OI, bias, offload)
            dora_scale_O = adapter.weights[_DORA_PLACE[type(adapter)]].float().reshape(-1)
            self._ratios[index] = (dora_scale_O / (norm_O + torch.finfo(torch.float32).eps)).to(x_NI.dtype)
        return self._ratios[index]


def _moved(adapter: Any, x_NI: Tensor) -> Any:
    """A copy of ComfyUI's adapter with its numbers where the input is."""
    dora_place = _DORA_PLACE[type(adapter)]
    weights = tuple(
        weight.to(x_NI.device, weight.dtype if place == dora_place else x_NI.dtype)
        if isinstance(weight, Tensor)
        else weight
        for place, weight in enumerate(adapter.weights)
    )
    return type(adapter)(adapter.loaded_keys, weights)
