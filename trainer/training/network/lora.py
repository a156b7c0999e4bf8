"""The LoRA: where it sits, how it starts, and the file it becomes. Knows Z-Image's module names, no training.

Three kinds, all made by peft: plain LoRA (W + scale·BA), LoKr (W + scale·w1 ⊗ w2) and DoRA (LoRA whose rows also
learn their length). Scale is alpha / rank.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...files import write_whole
from ...messages import UserError
from ..config import TrainConfig
from ..keeping.checksums import with_checksums
from .network_layers import ADAPTER_NAME, changed_row_norms, squared_row_norms, use_small_forwards
from .targets import target_names

if TYPE_CHECKING:
    from diffusers import ZImageTransformer2DModel

FILE_PREFIX = "diffusion_model."
_PART = re.compile(r"(?P<module>.+)\.(?P<part>lora_A\.weight|lora_B\.weight|lora_magnitude_vector\.weight|lokr_\w+)")
_START_AT_ZERO = ("lora_B.weight", "lokr_w2", "lokr_w2_b")
"""What is zero in a new LoRA, so that it changes nothing yet, and is not once it has learned."""
_CARRIES_SCALE = ("lora_B.weight", "lokr_w1")
"""Where the file holds alpha / rank, so that it needs no alpha."""
_FULL_RANK = 1 << 30


def add_lora(
    transformer: ZImageTransformer2DModel,
    config: TrainConfig,
    generator: torch.Generator,
    untouched_norms: Mapping[str, Tensor] | None = None,
) -> dict[str, torch.nn.Parameter]:
    """Put a LoRA that changes nothing yet on the target modules; returns its fp32 masters by name, in module order.

    Names end in `.lora_A.weight` [rank, in], `.lora_B.weight` [out, rank], with DoRA `.lora_magnitude_vector.weight`
    [out]; with LoKr `.lokr_w1`, `.lokr_w2` or `.lokr_w2_a`, `.lokr_w2_b`. A is uniform in ±1/sqrt(in) and B is zero,
    w1 is uniform and w2 zero (as LyCORIS has it), a magnitude is its row's length. `untouched_norms` are
    `row_norms` of the base model before a training adapter was fused into it, None where none was.
    Raises UserError where the target modules are not in this model.
    """
    linears = [name for name, module in transformer.named_modules() if isinstance(module, torch.nn.Linear)]
    names = target_names(config.target_modules, linears)
    with torch.random.fork_rng(devices=[]):  # peft draws from the global generator; what it drew is replaced below
        transformer.add_adapter(_peft_config(config, names), adapter_name=ADAPTER_NAME)
    layers = _layers(transformer)
    if config.network_type == "dora":
        for name, layer in layers.items():
            layer.register_buffer("base_squared_norm_O", squared_row_norms(layer.base_layer), persistent=False)
            untouched_O = untouched_norms[name] if untouched_norms else layer.base_squared_norm_O.sqrt()
            layer.register_buffer("untouched_norm_O", untouched_O, persistent=False)
    use_small_forwards(layers.values(), config.network_type)
    masters: dict[str, torch.nn.Parameter] = {}
    for peft_name, parameter in transformer.named_parameters():
        name = peft_name.replace(f".{ADAPTER_NAME}", "")
        match = _PART.fullmatch(name)
        if match is None or match["module"] not in layers:
            continue
        start = torch.zeros(parameter.shape)
        if match["part"] == "lora_magnitude_vector.weight":
            start = layers[match["module"]].base_squared_norm_O.sqrt()
        elif match["part"] not in _START_AT_ZERO:
            bound = 1 / math.sqrt(parameter.shape[1])
            start.uniform_(-bound, bound, generator=generator)
        parameter.data = start.to(parameter.device)
        parameter.requires_grad_(True)
        masters[name] = parameter
    return masters


def _peft_config(config: TrainConfig, names: Iterable[str]) -> Any:
    from peft import LoKrConfig, LoraConfig

    targets = "|".join(map(re.escape, names))
    rank, alpha = config.linear_rank, config.linear_alpha or config.linear_rank
    if config.network_type == "lokr":
        if config.lokr_full_rank:
            rank = alpha = _FULL_RANK
        factor = config.lokr_factor or -1
        return LoKrConfig(r=rank, alpha=alpha, decompose_factor=factor, target_modules=targets)
    return LoraConfig(
        r=rank, lora_alpha=alpha, use_dora=config.network_type == "dora", target_modules=targets, lora_dropout=0.0
    )


def _layers(transformer: torch.nn.Module) -> dict[str, Any]:
    """peft's layers by the name of the module they sit on."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    return {name: module for name, module in transformer.named_modules() if isinstance(module, BaseTunerLayer)}


def row_norms(transformer: torch.nn.Module, config: TrainConfig) -> dict[str, Tensor]:
    """The length of every row [out] of the modules that a DoRA will sit on; nothing for the other kinds.

    Asked for before a training adapter is fused, since a DoRA file is made for the model without it.
    """
    if config.network_type != "dora":
        return {}
    linears = {name: module for name, module in transformer.named_modules() if isinstance(module, torch.nn.Linear)}
    return {name: squared_row_norms(linears[name]).sqrt() for name in target_names(config.target_modules, linears)}


def num_modules(lora: Mapping[str, Tensor]) -> int:
    """How many modules a LoRA sits on, from the names of its parameters."""
    return len({match["module"] for match in map(_PART.fullmatch, lora) if match})


def save_lora(
    path: Path, lora: Mapping[str, Tensor], metadata: Mapping[str, str], transformer: ZImageTransformer2DModel
) -> None:
    """Write a LoRA as the file every program loads, then read it back and check it.

    `lora` holds the masters or other values for them (an average); `transformer` is what `add_lora` put them on.
    Nothing is left under `path` unless the whole file was written. Raises UserError for a full disk or a bad file.
    """
    from safetensors.torch import save

    tensors = file_tensors(lora, transformer)
    stated = {"format": "pt", **metadata}

    def write(temporary: Path) -> None:
        sealed = with_checksums(save(tensors, metadata=stated), stated)
        temporary.write_bytes(save(tensors, metadata=sealed))
        check_lora_file(temporary, tensors)

    write_whole(path, write)


@torch.no_grad()
def file_tensors(lora: Mapping[str, Tensor], transformer: ZImageTransformer2DModel) -> dict[str, Tensor]:
    """A LoRA's tensors under the keys of its file, on the CPU, in bf16, the scale folded in.

    Plain LoRA: AI Toolkit's keys. LoKr and DoRA: the keys of ComfyUI's own loader. `dora_scale` [out, 1] is fp32,
    because it multiplies whole rows, and is what that loader wants: it divides by the length of the *unchanged* row
    of the model at hand (comfy/weight_adapter/base.py), so ratio · that length is written, not the magnitude.
    """
    layers = _layers(transformer)
    tensors: dict[str, Tensor] = {}
    for name, value in lora.items():
        match = _PART.fullmatch(name)
        assert match, name
        layer = layers[match["module"]]
        if match["part"] in _CARRIES_SCALE and layer.scaling[ADAPTER_NAME] != 1:
            value = value.float() * layer.scaling[ADAPTER_NAME]
        if match["part"] != "lora_magnitude_vector.weight":
            tensors[FILE_PREFIX + name] = value.detach().to("cpu", torch.bfloat16).contiguous()
    for name, value in lora.items():  # once A and B are rounded as the file has them
        module = name.removesuffix(".lora_magnitude_vector.weight")
        if module != name:
            down, up = (tensors[f"{FILE_PREFIX}{module}.lora_{side}.weight"] for side in "AB")
            tensors[f"{FILE_PREFIX}{module}.dora_scale"] = _dora_scale(
                layers[module], value, down, up, dtype=transformer.dtype
            )
    return tensors


def _dora_scale(layer: Any, magnitude_O: Tensor, down_RI: Tensor, up_OR: Tensor, dtype: torch.dtype) -> Tensor:
    device = layer.base_squared_norm_O.device
    norm_O = changed_row_norms(layer, down_RI.to(device), up_OR.to(device), dtype)
    untouched_O = layer.untouched_norm_O.to(device)
    scale_O1 = (magnitude_O.detach().to(device) / norm_O * untouched_O)[:, None]
    return scale_O1.to("cpu", torch.float32).contiguous()


def check_lora_file(path: Path, expected: Mapping[str, Any]) -> None:
    """Prove a LoRA file good: its keys are exactly the expected ones, every number is finite, and it has learned.

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
            learned = learned or (name.endswith(_START_AT_ZERO) and bool(tensor.any()))
    if not learned:
        raise UserError("train.lora_empty")
