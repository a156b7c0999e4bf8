"""LoRA files on ComfyUI's models: brought into the standard form, matched by core's own loader, merged or beside.

Modules whose weights are quantised get the LoRA beside them (core_bypass.py), the others have it merged as core's own
LoRA node does, when the model is loaded.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.lora
import comfy.lora_convert
import comfy.utils
import torch
from torch import Tensor

from ..trainer.lora_files.names import STANDARD_PREFIX
from ..trainer.lora_files.parts import WHOLE, PartStrengths, check_strength
from ..trainer.lora_files.read import read_lora
from ..trainer.lora_files.standard import StandardLora, module_shape, standard_lora
from ..trainer.messages import Message, UserError, name_some
from .core_bypass import BypassPart, add_bypass, can_bypass, is_quantised

# What formats that ComfyUI reads append to a module's name.
_SUFFIX = re.compile(
    r"\.(lora_[ABCabc_].*|lora[._](up|down|mid).*|alpha|dora_scale|diff|diff_b|set_weight|w_norm|b_norm"
    r"|lokr_.*|hada_.*|oft_.*|[ab][12m]\.weight|rescale|reshape_weight)$"
)


@dataclass(frozen=True, kw_only=True)
class Match:
    """What became of a LoRA file on a model."""

    name: str
    num_modules: int
    """The modules the file has something for."""
    unmatched: tuple[str, ...]
    """Those of them that the model does not have."""
    num_beside: int
    """The modules it is applied beside, because their weights are quantised."""
    num_rounded: int
    """The quantised modules it had to be merged into and was rounded in, because its kind cannot be applied beside."""
    left_out: tuple[str, ...]
    """Tensors of the file that belong to nothing in Z-Image."""
    text_encoder: tuple[str, ...]
    """Tensors of the file that are for a text encoder."""
    too_deep: tuple[int, int] | None
    """How many layers the LoRA's model has and how many this one, where the LoRA's has more."""
    metadata: Mapping[str, str]

    def messages(self) -> list[Message]:
        """What to tell the user."""
        num, num_unmatched = self.num_modules, len(self.unmatched)
        values: dict[str, object] = {"name": self.name, "matched": num - num_unmatched, "num": num}
        said = [Message("apply.all_match", values)]
        if num_unmatched:
            said = [Message("apply.some_match", {**values, "examples": name_some(list(self.unmatched))})]
        if self.too_deep:
            said.append(Message("apply.other_depth", {"layers": self.too_deep[0], "model_layers": self.too_deep[1]}))
        if self.left_out:
            left_out = {"num": len(self.left_out), "examples": name_some(list(self.left_out))}
            said.append(Message("apply.left_out", left_out))
        if self.text_encoder:
            said.append(Message("apply.text_encoder_left_out", {"num": len(self.text_encoder)}))
        if self.num_beside:
            said.append(Message("apply.beside", {"num": self.num_beside}))
        if self.num_rounded:
            said.append(Message("apply.rounded", {"num": self.num_rounded}))
        return said


@dataclass(frozen=True, kw_only=True)
class _Target:
    """A weight of the model, or rows of one, as core's map of names has it."""

    weight: str
    key: Any
    rows: slice
    num_outputs: int
    num_inputs: int
    is_quantised: bool


def apply_lora(model: Any, path: Path, strength: float, parts: PartStrengths = WHOLE) -> tuple[Any, Match]:
    """A clone of a MODEL with the LoRA of a file at that strength, and what of it fits.

    At strength 0 the clone is the model itself. Raises UserError for a file that is no LoRA of Z-Image or of one with
    other widths, and where no module matches.
    """
    check_strength(strength)
    lora = standard_lora(read_lora(path))
    targets, num_layers = _targets(model, lora)
    patched = model.clone()
    num_beside, num_rounded, not_taken = _put_on(patched, lora, targets, strength, parts, num_layers)
    patched.set_attachments("lora_metadata", dict(lora.metadata))
    return patched, Match(
        name=lora.name,
        num_modules=len(lora.modules),
        unmatched=tuple(module for module in lora.modules if module not in targets),
        num_beside=num_beside,
        num_rounded=num_rounded,
        left_out=(*lora.left_out, *not_taken),
        text_encoder=lora.text_encoder,
        too_deep=(lora.num_layers, num_layers) if lora.num_layers > num_layers else None,
        metadata=lora.metadata,
    )


def _targets(model: Any, lora: StandardLora) -> tuple[dict[str, _Target], int]:
    """The weights that a LoRA's modules mean in a model, and how many main layers that has."""
    key_map = comfy.lora.model_lora_keys_unet(model.model, {})
    num_layers = 0
    while f"{STANDARD_PREFIX}layers.{num_layers}.feed_forward.w1" in key_map:
        num_layers += 1
    targets = {}
    for module in lora.modules:
        if (key := key_map.get(STANDARD_PREFIX + module)) is not None:
            targets[module] = _target(model, key)
    if not targets:
        kind = type(model.model).__name__
        raise UserError("apply.nothing_matches", name=lora.name, num=len(lora.modules), kind=kind)
    _check_widths(model, lora, targets)
    return targets, num_layers


def _target(model: Any, key: Any) -> _Target:
    name = key if isinstance(key, str) else key[0]
    weight = comfy.utils.get_attr(model.model, name)
    layer = comfy.utils.get_attr(model.model, name.rpartition(".")[0])
    # A weight packed into fewer bits has another shape than the layer.
    num_outputs = getattr(layer, "out_features", weight.shape[0])
    num_inputs = getattr(layer, "in_features", weight.shape[-1])
    start, num = (0, num_outputs) if isinstance(key, str) else key[1][1:]
    return _Target(
        weight=name,
        key=key,
        rows=slice(start, start + num),
        num_outputs=num,
        num_inputs=num_inputs,
        is_quantised=is_quantised(weight),
    )


def _check_widths(model: Any, lora: StandardLora, targets: Mapping[str, _Target]) -> None:
    for module, target in targets.items():
        shape = module_shape(lora.modules[module])
        if shape is not None and shape != (target.num_outputs, target.num_inputs):
            raise UserError(
                "apply.other_width",
                name=lora.name,
                width=lora.width or "?",
                model_width=model.model.model_config.unet_config.get("dim", "?"),
                module=module,
                lora=f"{shape[1]} -> {shape[0]}",
                model=f"{target.num_inputs} -> {target.num_outputs}",
            )


def _put_on(
    patched: Any,
    lora: StandardLora,
    targets: Mapping[str, _Target],
    strength: float,
    parts: PartStrengths,
    num_layers: int,
) -> tuple[int, int, list[str]]:
    """Returns how many modules are applied beside their weights, how many quantised ones had to be merged, and weights
    that the file has something for but the model has not, such as biases."""
    merged: dict[float, dict[Any, Any]] = defaultdict(dict)
    beside: list[BypassPart] = []
    num_rounded = 0
    for module, target in targets.items():
        factor = strength * parts.factor_of(module, num_layers)
        if factor == 0:
            continue  # nothing, to the bit, also where merging would round the weight anew
        for key, patch in _patches(lora, module, target).items():
            if target.is_quantised and key == target.key and can_bypass(patch, target.num_outputs):
                part = BypassPart(weight=target.weight, rows=target.rows, adapter=patch, strength=factor)
                beside.append(part)
            else:
                merged[factor][key] = patch
                num_rounded += target.is_quantised
    not_taken = []
    for factor, patches in merged.items():
        taken = set(patched.add_patches(patches, factor))
        not_taken += [str(key) for key in patches if key not in taken]
    if beside:
        add_bypass(patched, f"zimage_lora {_digest(lora)} {strength} {parts}", beside)
    return len(beside), num_rounded, not_taken


def _patches(lora: StandardLora, module: str, target: _Target) -> dict[Any, Any]:
    """What core's own loader makes of one module's tensors, by the weight it belongs to."""
    name = STANDARD_PREFIX + module
    tensors = {f"{name}.{part}": tensor for part, tensor in lora.modules[module].items()}
    return comfy.lora.load_lora(tensors, {name: target.key}, log_missing=False)


def _digest(lora: StandardLora) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(lora.tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


# Files of ours


def check_trained_file(path: Path) -> None:
    """Raise UserError unless core's loader finds every key of a LoRA file that we wrote; needs no model in memory."""
    modules, unmatched = unmatched_in_core(path)
    if not modules or unmatched:
        raise UserError(
            "host.lora_not_loadable", path=path, num=len(unmatched), modules=name_some(list(unmatched)) or "-"
        )


def unmatched_in_core(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The modules of a file in the standard form, and those that core's own LoRA node would leave out on a Z-Image."""
    tensors: dict[str, Tensor] = comfy.utils.load_torch_file(str(path), safe_load=True)
    key_map = _zimage_key_map(standard_lora(read_lora(path)).num_layers)
    patches = comfy.lora.load_lora(comfy.lora_convert.convert_lora(tensors), key_map, log_missing=False)
    modules = tuple(sorted({_SUFFIX.sub("", name) for name in tensors}))
    return modules, tuple(name for name in modules if key_map.get(name) not in patches)


def _zimage_key_map(num_layers: int) -> dict[str, Any]:
    """Core's key map of a Z-Image of that depth: diffusers' names, and its own where one weight is three."""
    # The width only says where to_q, to_k and to_v lie in their common weight, which finding them does not need.
    keys = comfy.utils.z_image_to_diffusers({"n_layers": num_layers, "dim": 1}, output_prefix=STANDARD_PREFIX)
    weights = {name: to for name, to in keys.items() if name.endswith(".weight")}
    fused = {to[0].removeprefix(STANDARD_PREFIX): to[0] for to in weights.values() if isinstance(to, tuple)}
    return {STANDARD_PREFIX + name.removesuffix(".weight"): to for name, to in {**weights, **fused}.items()}
