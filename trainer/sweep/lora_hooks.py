"""LoKr and DoRA files on diffusers' transformer, which cannot load them itself. Computes what ComfyUI's loader merges.

W' = W + strength · change, where change is w1 ⊗ w2 for LoKr, and ratio·(W + BA) − W for DoRA with
ratio = dora_scale / |row of W|. Done by forward hooks, so that taking the LoRA off leaves no trace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..lora_files.read import read_lora
from ..lora_files.standard import module_shape, standard_lora
from ..messages import UserError
from ..training.model.weights import read_header
from ..training.network.lora import FILE_PREFIX
from ..training.network.network_layers import squared_row_norms

if TYPE_CHECKING:
    from torch import nn

_KEY = re.compile(rf"{re.escape(FILE_PREFIX)}(?P<module>.+?)\.(?P<part>lora_[AB]\.weight|dora_scale|lokr_\w+)")


def needs_hooks(path: Path) -> bool:
    """Whether a LoRA file is of a kind that diffusers' own loader does not read."""
    return any(".lokr_" in name or name.endswith(".dora_scale") for name in read_header(path).shapes)


def check_fits(transformer: Any, path: Path) -> None:
    """Raise UserError for a LoRA file that is damaged or of another model, before diffusers takes half of it."""
    lora = standard_lora(read_lora(path))
    layers: dict[str, Any] = dict(transformer.named_modules())
    if strangers := [module for module in lora.modules if module not in layers]:
        raise UserError("sweep.lora_other_model", name=path.name, module=strangers[0], num=len(strangers))
    for module, parts in lora.modules.items():
        shape, layer = module_shape(parts), layers[module]
        if shape is not None and shape != (layer.out_features, layer.in_features):
            raise UserError(
                "apply.other_width",
                name=path.name,
                width=lora.width or "?",
                model_width=transformer.config["dim"],
                module=module,
                lora=f"{shape[1]} -> {shape[0]}",
                model=f"{layer.in_features} -> {layer.out_features}",
            )


class HookedLora:
    """A LoKr or DoRA file on a transformer until `remove` is called; `strength` may change between pictures."""

    def __init__(self, transformer: nn.Module, path: Path) -> None:
        """Raises UserError for a key that is no LoKr's or DoRA's, or a module that the transformer does not have."""
        from safetensors.torch import load_file

        self.strength = 1.0
        parts: dict[str, dict[str, Tensor]] = {}
        for key, tensor in load_file(path).items():
            match = _KEY.fullmatch(key)
            if match is None:
                raise UserError("sweep.lora_unknown_key", name=path.name, tensor=key)
            parts.setdefault(match["module"], {})[match["part"]] = tensor
        modules = dict(transformer.named_modules())
        if strangers := [name for name in parts if name not in modules]:
            raise UserError("sweep.lora_other_model", name=path.name, module=strangers[0], num=len(strangers))
        self._handles = [self._hook(modules[name], part) for name, part in parts.items()]

    def remove(self) -> None:
        """Take the LoRA off."""
        for handle in self._handles:
            handle.remove()

    def _hook(self, linear: nn.Module, parts: Mapping[str, Tensor]) -> Any:
        weight: Any = linear.weight
        parts = {name: tensor.to(weight.device, torch.float32) for name, tensor in parts.items()}
        ratio_O = parts["dora_scale"][:, 0] / squared_row_norms(linear).sqrt() if "dora_scale" in parts else None

        @torch.no_grad()
        def change(module: nn.Module, inputs: tuple[Tensor, ...], result_NO: Tensor) -> Tensor:
            x_NI = inputs[0].float()
            if ratio_O is None:
                change_NO = _kronecker(parts, x_NI)
            else:
                bias: Any = module.bias
                plain_NO = result_NO.float() - (bias.float() if bias is not None else 0)
                low_rank_NO = F.linear(F.linear(x_NI, parts["lora_A.weight"]), parts["lora_B.weight"])
                change_NO = (ratio_O - 1) * plain_NO + ratio_O * low_rank_NO
            return (result_NO + self.strength * change_NO).to(result_NO.dtype)

        return linear.register_forward_hook(change)


def _kronecker(parts: Mapping[str, Tensor], x_NI: Tensor) -> Tensor:
    """(w1 ⊗ w2) x: w2 on each of x's pieces, then w1 across them."""
    w1 = parts["lokr_w1"]
    w2 = parts["lokr_w2"] if "lokr_w2" in parts else parts["lokr_w2_a"] @ parts["lokr_w2_b"]
    pieces = F.linear(x_NI.unflatten(-1, (w1.shape[1], -1)), w2)
    return F.linear(pieces.transpose(-1, -2), w1).transpose(-1, -2).flatten(-2)
