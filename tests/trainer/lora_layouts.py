"""The same LoRA as the files of different programs: names, suffixes, alphas, metadata as each of them writes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tests.comfyui.server import REPOSITORY
from trainer.training.network.targets import target_names

TRANSFORMER = REPOSITORY / "pocket/model/transformer/diffusion_pytorch_model.safetensors"
RANK, ALPHA = 4, 6.0
"""alpha / rank is neither 1 nor a power of two."""
Pairs = dict[str, tuple[Tensor, Tensor]]
"""A module's down [rank, in] and up [out, rank]."""


@dataclass
class Layout:
    """A LoRA file as one program writes it."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str] = field(default_factory=dict)
    beside: dict[str, str] = field(default_factory=dict)
    """Other files of the folder."""

    def write(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(self.tensors, path, self.metadata)
        for name, text in self.beside.items():
            path.with_name(name).write_text(text, encoding="utf-8")
        return path


def pairs(pattern: str = "all", num_layers: int | None = None, width_times: int = 1) -> Pairs:
    """A LoRA with random numbers for the pocket model, small enough that its pictures stay pictures."""
    generator = torch.Generator().manual_seed(3)
    made = {}
    with safe_open(TRANSFORMER, "pt") as file:
        weights = [name for name in file.keys() if name.endswith(".weight")]  # noqa: SIM118 (it is no mapping)
        names = [name.removesuffix(".weight") for name in weights if len(file.get_slice(name).get_shape()) == 2]
        for module in sorted(target_names(pattern, names)):
            if num_layers is not None and int(module.split(".")[1]) >= num_layers:
                continue
            outputs, inputs = (width_times * side for side in file.get_slice(f"{module}.weight").get_shape())
            down = torch.randn(RANK, inputs, generator=generator) * 0.05
            made[module] = (down, torch.randn(outputs, RANK, generator=generator) * 0.05)
    return made


def standard(lora: Pairs) -> Layout:
    """AI Toolkit's names, alpha folded: what the trainer writes, in fp32."""
    tensors = {}
    for module, (down, up) in lora.items():
        tensors[f"diffusion_model.{module}.lora_A.weight"] = down
        tensors[f"diffusion_model.{module}.lora_B.weight"] = up * (ALPHA / RANK)
    return Layout(tensors)


def fused(lora: Pairs) -> Pairs:
    """The same with to_q, to_k and to_v as one module, and ComfyUI's name of the output: three times the rank."""
    joined = {}
    for module, pair in lora.items():
        if module.endswith("to_q"):
            trio = [lora[module.replace("to_q", part)] for part in ("to_q", "to_k", "to_v")]
            down = torch.cat([one for one, _ in trio])
            joined[module.replace("to_q", "qkv")] = (down, torch.block_diag(*[up for _, up in trio]))
        elif not module.endswith(("to_k", "to_v")):
            joined[module.replace("to_out.0", "out")] = pair
    return joined


def _flat(prefix: str, lora: Pairs) -> Layout:
    tensors = {}
    for module, (down, up) in lora.items():
        name = prefix + module.replace(".", "_").replace("-", "_")
        tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
        tensors[f"{name}.alpha"] = torch.tensor(ALPHA * down.shape[0] / RANK)
    return Layout(tensors)


def _dotted(prefix: str, lora: Pairs, down_part: str, up_part: str, *, alpha: bool, folded: bool = False) -> Layout:
    tensors = {}
    for module, (down, up) in lora.items():
        tensors[f"{prefix}{module}{down_part}"] = down
        tensors[f"{prefix}{module}{up_part}"] = up * (ALPHA / RANK) if folded else up
        if alpha:
            tensors[f"{prefix}{module}.alpha"] = torch.tensor(ALPHA * down.shape[0] / RANK)
    return Layout(tensors)


def _with_short_out(lora: Pairs) -> Pairs:
    return {module.removesuffix(".0") if "to_out" in module else module: pair for module, pair in lora.items()}


def _diffusers(lora: Pairs) -> Layout:
    layout = _dotted("transformer.", lora, ".lora_A.weight", ".lora_B.weight", alpha=False)
    stated = {"transformer.r": RANK, "transformer.lora_alpha": ALPHA, "transformer.use_rslora": False}
    layout.metadata = {"format": "pt", "lora_adapter_metadata": json.dumps(stated)}
    return layout


def _raw_peft(lora: Pairs) -> Layout:
    layout = _dotted("base_model.model.", lora, ".lora_A.weight", ".lora_B.weight", alpha=False)
    layout.beside = {"adapter_config.json": json.dumps({"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA})}
    return layout


A, B = ".lora_A.weight", ".lora_B.weight"
LAYOUTS: dict[str, Callable[[Pairs], Layout]] = {
    "ai-toolkit": standard,
    "kohya and musubi": lambda lora: _flat("lora_unet_", lora),
    "kohya with an empty prefix": lambda lora: _flat("lora_unet__", lora),
    "musubi converted": lambda lora: _flat("lora_unet_", fused(lora)),
    "onetrainer": lambda lora: _flat("lora_transformer_", lora),
    "simpletuner lycoris": lambda lora: _flat("lycoris_", lora),
    "diffusers": _diffusers,
    "diffusers folded": lambda lora: _dotted("transformer.", lora, A, B, alpha=False, folded=True),
    "raw peft with its config": _raw_peft,
    "raw peft folded": lambda lora: _dotted("base_model.model.", lora, A, B, alpha=False, folded=True),
    "diffsynth": lambda lora: _dotted(
        "", lora, ".lora_A.default.weight", ".lora_B.default.weight", alpha=False, folded=True
    ),
    "named adapter": lambda lora: _dotted(
        "diffusion_model.", lora, ".lora_A.default.weight", ".lora_B.default.weight", alpha=True
    ),
    "unet": lambda lora: _dotted("unet.", lora, ".lora.down.weight", ".lora.up.weight", alpha=True),
    "transformer with qkv": lambda lora: _dotted("transformer.", fused(lora), A, B, alpha=True),
    "comfyui": lambda lora: _dotted(
        "diffusion_model.", fused(lora), ".lora_down.weight", ".lora_up.weight", alpha=True
    ),
    "to_out without .0": lambda lora: _dotted("diffusion_model.", _with_short_out(lora), A, B, alpha=True),
}  # fmt: skip


def kinds(lora: Pairs) -> dict[str, Layout]:
    """LoRAs of other kinds, under names that ComfyUI's own loader does not know, and under the standard ones."""
    generator = torch.Generator().manual_seed(4)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * 0.1

    made: dict[str, dict[str, dict[str, Tensor]]] = {"lokr": {}, "loha": {}, "dora": {}, "diff": {}}
    for module, (down, up) in lora.items():
        outputs, inputs = up.shape[0], down.shape[1]
        made["lokr"][module] = {
            "lokr_w1": drawn(4, 4), "lokr_w2_a": drawn(outputs // 4, 2), "lokr_w2_b": drawn(2, inputs // 4),
            "alpha": torch.tensor(3.0),
        }  # fmt: skip
        made["loha"][module] = {
            "hada_w1_a": drawn(outputs, 2), "hada_w1_b": drawn(2, inputs), "hada_w2_a": drawn(outputs, 2),
            "hada_w2_b": drawn(2, inputs), "alpha": torch.tensor(3.0),
        }  # fmt: skip
        made["dora"][module] = {
            "lora_down.weight": down, "lora_up.weight": up, "alpha": torch.tensor(ALPHA),
            "dora_scale": 1 + drawn(outputs, 1),
        }  # fmt: skip
        made["diff"][module] = {"diff": drawn(outputs, inputs) * 0.1}
    layouts = {}
    for kind, modules in made.items():
        for name, prefix, flat in (("onetrainer", "lora_transformer_", True), ("standard", "diffusion_model.", False)):
            layouts[f"{kind} {name}"] = Layout({
                f"{prefix}{module.replace('.', '_') if flat else module}.{part}": tensor.clone()
                for module, parts in modules.items()
                for part, tensor in parts.items()
            })  # fmt: skip
    return layouts
