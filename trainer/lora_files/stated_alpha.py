"""Stated alpha: what diffusers and peft write about a LoRA's scale beside its tensors instead of among them.

diffusers has a JSON text in the file's metadata, peft a file `adapter_config.json` in the same folder. ComfyUI's own
loader knows neither, and would apply such a LoRA at a scale of 1.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .names import DOWN
from .read import RawLora

if TYPE_CHECKING:
    from torch import Tensor

DIFFUSERS_KEY = "lora_adapter_metadata"
_COMPONENT = "transformer."
_PEFT_FILE, _PEFT_PREFIX = "adapter_config.json", "base_model.model."


def stated_alphas(raw: RawLora, modules: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """An alpha for every plain LoRA module without one, from what its program states; nothing where it states none.

    With rslora the scale is alpha / sqrt(rank), so that alpha · sqrt(rank) is what a scale of alpha / rank needs.
    """
    import torch

    config = _from_diffusers(raw.metadata) or _from_peft(raw)
    if not config or any("alpha" in parts for parts in modules.values()):
        return {}
    alphas = {}
    for module, parts in modules.items():
        alpha = _alpha_of(module, config)
        if DOWN in parts and alpha is not None:
            rank = parts[DOWN].shape[0]
            alphas[module] = torch.tensor(alpha * math.sqrt(rank) if config.get("use_rslora") else alpha)
    return alphas


def _from_diffusers(metadata: Mapping[str, str]) -> dict[str, Any]:
    stated = _parsed(metadata.get(DIFFUSERS_KEY, ""))
    return {name.removeprefix(_COMPONENT): value for name, value in stated.items() if name.startswith(_COMPONENT)}


def _from_peft(raw: RawLora) -> dict[str, Any]:
    """Only for a file with peft's own names: in a folder of many LoRAs the config may be another one's."""
    path = raw.path.with_name(_PEFT_FILE)
    if not path.is_file() or not all(name.startswith(_PEFT_PREFIX) for name in raw.tensors):
        return {}
    return _parsed(path.read_text(encoding="utf-8", errors="replace"))


def _alpha_of(module: str, config: Mapping[str, Any]) -> float | None:
    patterns = config.get("alpha_pattern")
    for pattern, alpha in (patterns if isinstance(patterns, dict) else {}).items():
        ends = module == pattern or module.endswith(f".{pattern}")
        if isinstance(alpha, int | float) and (ends or _matches(pattern, module)):
            return float(alpha)
    alpha = config.get("lora_alpha")
    return float(alpha) if isinstance(alpha, int | float) and math.isfinite(alpha) else None


def _matches(pattern: str, module: str) -> bool:
    try:
        return re.fullmatch(rf"(.*\.)?({pattern})", module) is not None
    except re.error:
        return False


def _parsed(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
