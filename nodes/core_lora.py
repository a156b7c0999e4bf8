"""LoRA files as ComfyUI's own loader sees them: which of their modules it finds, and a MODEL with one applied."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.lora
import comfy.lora_convert
import comfy.utils
from torch import Tensor

from ..trainer.messages import Message, UserError

# What formats that ComfyUI reads append to a module's name.
_SUFFIX = re.compile(
    r"\.(lora_[ABCabc_].*|lora[._](up|down|mid).*|alpha|dora_scale|diff|diff_b|set_weight|w_norm|b_norm"
    r"|lokr_.*|hada_.*|oft_.*|rescale|reshape_weight)$"
)
_LAYER = re.compile(r"diffusion_model\.layers\.(\d+)\.")


@dataclass(frozen=True, kw_only=True)
class Match:
    """How much of a LoRA file ComfyUI's loader finds in a model."""

    patches: Mapping[Any, Any]
    """What the loader made of the file, by the weight it belongs to."""
    modules: tuple[str, ...]
    """The modules the file has something for."""
    unmatched: tuple[str, ...]
    """Those of them that the model does not have."""
    metadata: Mapping[str, str]

    def message(self, name: str) -> Message:
        """What to tell the user about the file of that name."""
        num, num_unmatched = len(self.modules), len(self.unmatched)
        values = {"name": name, "matched": num - num_unmatched, "num": num, "examples": ", ".join(self.unmatched[:3])}
        return Message("apply.some_match" if num_unmatched else "apply.all_match", values)


def match_lora(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None, key_map: dict[str, Any]) -> Match:
    """Match a LoRA with core's loader; `key_map` is core's, from modules as files name them to weights of a model."""
    tensors = comfy.lora_convert.convert_lora(tensors)
    patches = comfy.lora.load_lora(tensors, key_map, log_missing=False)
    modules = tuple(sorted({_SUFFIX.sub("", name) for name in tensors}))
    unmatched = tuple(name for name in modules if key_map.get(name) not in patches)
    return Match(patches=patches, modules=modules, unmatched=unmatched, metadata=metadata or {})


def apply_lora(model: Any, path: Path, strength: float) -> tuple[Any, Match]:
    """A clone of a MODEL with the LoRA at that strength. Raises UserError where no module matches."""
    tensors, metadata = comfy.utils.load_torch_file(str(path), safe_load=True, return_metadata=True)
    match = match_lora(tensors, metadata, comfy.lora.model_lora_keys_unet(model.model, {}))
    if len(match.unmatched) == len(match.modules):
        example = match.modules[0] if match.modules else "-"
        raise UserError("apply.nothing_matches", name=path.name, num=len(match.modules), example=example)
    patched = model.clone()
    patched.add_patches(match.patches, strength)
    patched.set_attachments("lora_metadata", match.metadata)
    return patched, match


def check_trained_file(path: Path) -> None:
    """Raise UserError unless core's loader finds every key of a LoRA file that we wrote; needs no model in memory."""
    tensors: dict[str, Tensor] = comfy.utils.load_torch_file(str(path), safe_load=True)
    match = match_lora(tensors, None, _zimage_key_map(tensors))
    if not match.modules or match.unmatched:
        unmatched = ", ".join(match.unmatched[:3]) or "-"
        raise UserError("host.lora_not_loadable", path=path, num=len(match.unmatched), modules=unmatched)


def _zimage_key_map(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Core's key map of the Z-Image that a LoRA file of ours belongs to, its depth read from the file."""
    num_layers = 1 + max((int(found[1]) for found in map(_LAYER.match, tensors) if found), default=-1)
    # The width only says where to_q, to_k and to_v lie in their common weight, which finding them does not need.
    keys = comfy.utils.z_image_to_diffusers({"n_layers": num_layers, "dim": 1}, output_prefix="diffusion_model.")
    return {f"diffusion_model.{name[: -len('.weight')]}": to for name, to in keys.items() if name.endswith(".weight")}
