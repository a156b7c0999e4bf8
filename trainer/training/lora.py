"""The LoRA: where it sits, how it starts, and the file it becomes. Knows Z-Image's module names, no training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..files import write_whole
from ..messages import UserError

if TYPE_CHECKING:
    from diffusers import ZImageTransformer2DModel

TARGET_MODULES = r"layers\.\d+\.(attention\.(to_q|to_k|to_v|to_out\.0)|feed_forward\.(w1|w2|w3)|adaLN_modulation\.0)"
"""The reference set: every linear of the main layers, 8 in each of 30; the refiners and embedders are left alone."""

FILE_PREFIX = "diffusion_model."
_PEFT_NAME = "default"


def add_lora(
    transformer: ZImageTransformer2DModel, rank: int, generator: torch.Generator
) -> dict[str, torch.nn.Parameter]:
    """Put a LoRA that changes nothing yet on the target modules; returns its fp32 masters by name, in module order.

    Names end in `.lora_A.weight` [rank, in] and `.lora_B.weight` [out, rank]. A is uniform in ±1/sqrt(in), B is zero,
    alpha equals rank (so the scale is 1). peft does the forward pass.
    """
    from peft import LoraConfig

    with torch.random.fork_rng(devices=[]):  # peft draws from the global generator; what it drew is replaced below
        transformer.add_adapter(
            LoraConfig(r=rank, lora_alpha=rank, target_modules=TARGET_MODULES), adapter_name=_PEFT_NAME
        )
    masters: dict[str, torch.nn.Parameter] = {}
    for peft_name, parameter in transformer.named_parameters():
        if ".lora_" not in peft_name:
            continue
        start = torch.zeros(parameter.shape)
        if ".lora_A." in peft_name:
            bound = 1 / math.sqrt(parameter.shape[1])
            start.uniform_(-bound, bound, generator=generator)
        parameter.data = start.to(parameter.device)
        parameter.requires_grad_(True)
        masters[peft_name.replace(f".{_PEFT_NAME}.", ".")] = parameter
    return masters


def save_lora(path: Path, lora: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a LoRA as the file every program loads: AI Toolkit's keys, bf16, no alpha; then read it back and check it.

    Nothing is left under `path` unless the whole file was written. Raises UserError for a full disk or a bad file.
    """
    from safetensors.torch import save_file

    tensors = {FILE_PREFIX + name: tensor.detach().to("cpu", torch.bfloat16) for name, tensor in lora.items()}
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}

    def write(temporary: Path) -> None:
        save_file(tensors, temporary, metadata={"format": "pt", **metadata})
        check_lora_file(temporary, tensors)

    write_whole(path, write)


def check_lora_file(path: Path, expected: Mapping[str, Any]) -> None:
    """Prove a LoRA file good: its keys are exactly the expected ones, every number is finite, and lora_B is not zero.

    Raises UserError naming what is wrong.
    """
    from safetensors import safe_open

    with safe_open(path, framework="pt") as tensors:
        names = set(tensors.keys())
        if names != set(expected):
            raise UserError("train.lora_keys", missing=len(set(expected) - names), extra=len(names - set(expected)))
        learned = False
        for name in names:
            tensor = tensors.get_tensor(name)
            if not torch.isfinite(tensor).all():
                raise UserError("train.lora_not_finite", name=name)
            learned = learned or (".lora_B." in name and bool(tensor.any()))
    if not learned:
        raise UserError("train.lora_empty")
