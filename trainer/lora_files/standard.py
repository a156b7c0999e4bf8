"""The standard form of a LoRA: every tensor under the name that AI Toolkit, ComfyUI and diffusers share.

Numbers stay what they are. One LoRA over all three of to_q, to_k and to_v is split by rows, which is exact. alpha stays
a tensor of its own; where a program states it beside the tensors (stated_alpha.py), it becomes one. Without any, the
scale is 1, as ComfyUI has it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..messages import UserError, name_some
from .names import DOWN, QKV, SPLIT_QKV, UP, Place, find_place, is_for_text_encoder
from .other_models import seems_to_be
from .read import RawLora
from .stated_alpha import stated_alphas

if TYPE_CHECKING:
    from torch import Tensor

Parts = Mapping[str, "Tensor"]
"""The tensors of one module's LoRA, by what they are."""

_LAYER = re.compile(r"layers\.(\d+)\.")
_BY_ROWS = {UP, "hada_w1_a", "hada_w2_a", "dora_scale", "diff", "diff_b", "set_weight", "lokr_w1", "lokr_w1_a"}
"""Parts whose rows are the module's outputs, in order, or blocks of them; LoKr's w1 says where its blocks go."""
_SHARED = {DOWN, "alpha", "hada_w1_b", "hada_w2_b", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b"}
"""Parts that all of a module's outputs have in common."""


@dataclass(frozen=True, kw_only=True)
class StandardLora:
    """A LoRA of Z-Image in the standard form."""

    name: str
    """Of its file."""
    modules: Mapping[str, Parts]
    """Every module's tensors; `layers.0.attention.to_q` -> `lora_A.weight` -> tensor."""
    left_out: tuple[str, ...]
    """Tensors of the file that belong to nothing in Z-Image."""
    text_encoder: tuple[str, ...]
    """Tensors of the file that are for a text encoder."""
    metadata: Mapping[str, str]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All tensors by their standard names."""
        return {
            Place(module=module, part=part).key: tensor
            for module, parts in self.modules.items()
            for part, tensor in parts.items()
        }

    @property
    def num_layers(self) -> int:
        """How many main layers the model has at least."""
        return 1 + max((int(found[1]) for found in map(_LAYER.match, self.modules) if found), default=-1)

    @property
    def width(self) -> int | None:
        """The width of the model it was made for, where an attention or feed forward module tells."""
        for module, parts in self.modules.items():
            shape = module_shape(parts)
            if shape and module.endswith(("to_q", "to_k", "to_v", "to_out.0", "feed_forward.w2")):
                return shape[0]
            if shape and module.endswith((QKV, "feed_forward.w1", "feed_forward.w3")):
                return shape[1]
        return None


def standard_lora(raw: RawLora) -> StandardLora:
    """Bring a file's tensors into the standard form.

    Raises UserError for a LoRA of another model, naming it where its tensors tell, and for one with parts missing.
    """
    modules: dict[str, dict[str, Tensor]] = defaultdict(dict)
    left_out, text_encoder = [], []
    for name, tensor in raw.tensors.items():
        place = find_place(name)
        if is_for_text_encoder(name):
            text_encoder.append(name)
        elif place is None:
            left_out.append(name)
        elif place.part in modules[place.module]:
            raise UserError("lora.twice", name=raw.path.name, module=place.module)
        else:
            modules[place.module][place.part] = tensor
    if not any(modules.values()):
        _refuse(raw)
    _check_parts(raw.path.name, modules)
    for module, alpha in stated_alphas(raw, modules).items():
        modules[module]["alpha"] = alpha
    return StandardLora(
        name=raw.path.name,
        modules=dict(_split(modules)),
        left_out=tuple(left_out),
        text_encoder=tuple(text_encoder),
        metadata=raw.metadata,
    )


def _refuse(raw: RawLora) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in raw.tensors.items()}
    values = {"name": raw.path.name, "num": len(shapes), "example": next(iter(shapes))}
    if model := seems_to_be(shapes):
        raise UserError("lora.other_model", **values, model=model)
    raise UserError("lora.unknown_names", **values)


def _check_parts(name: str, modules: Mapping[str, Parts]) -> None:
    for module, parts in modules.items():
        if "lora_magnitude_vector" in parts:
            raise UserError("lora.peft_dora", name=name, module=module)
        if (DOWN in parts) != (UP in parts):
            raise UserError("lora.half", name=name, module=module, there=DOWN if DOWN in parts else UP)
        if DOWN in parts:
            down, up = (list(parts[part].shape) for part in (DOWN, UP))
            if len(down) != 2 or len(up) != 2 or down[0] != up[1]:
                raise UserError("lora.bad_pair", name=name, module=module, down=down, up=up)
    if not any(set(parts) - {"alpha"} for parts in modules.values()):
        raise UserError("lora.only_alphas", name=name, modules=name_some(list(modules)))


def _split(modules: Mapping[str, Parts]) -> dict[str, Parts]:
    """The modules with every LoRA over q, k and v as three, as far as its kind can be split."""
    split: dict[str, Parts] = {}
    for module, parts in modules.items():
        names = [module.replace(QKV, part) for part in SPLIT_QKV]
        if not module.endswith(QKV) or not _can_be_split(parts) or any(name in modules for name in names):
            split[module] = parts
            continue
        for index, name in enumerate(names):
            split[name] = {
                part: tensor.chunk(3)[index].contiguous() if part in _BY_ROWS else tensor.clone()
                for part, tensor in parts.items()
            }
    return split


def _can_be_split(parts: Parts) -> bool:
    return all(
        part in _SHARED or (part in _BY_ROWS and tensor.ndim > 0 and tensor.shape[0] % 3 == 0)
        for part, tensor in parts.items()
    )


def module_shape(parts: Parts) -> tuple[int, int] | None:
    """The outputs and inputs of the linear layer that a module's LoRA is for, or None where its kind does not tell."""
    if UP in parts:
        return parts[UP].shape[0], parts[DOWN].shape[1]
    if "hada_w1_a" in parts and "hada_w1_b" in parts:
        return parts["hada_w1_a"].shape[0], parts["hada_w1_b"].shape[1]
    if "diff" in parts and parts["diff"].ndim == 2:
        return parts["diff"].shape[0], parts["diff"].shape[1]
    first, second = _lokr_shape(parts, "lokr_w1"), _lokr_shape(parts, "lokr_w2")
    return (first[0] * second[0], first[1] * second[1]) if first and second else None


def _lokr_shape(parts: Parts, factor: str) -> tuple[int, int] | None:
    if factor in parts:
        return parts[factor].shape[0], parts[factor].shape[1]
    if f"{factor}_a" in parts and f"{factor}_b" in parts:
        return parts[f"{factor}_a"].shape[0], parts[f"{factor}_b"].shape[1]
    return None
