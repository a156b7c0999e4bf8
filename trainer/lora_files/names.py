"""Names: which module of Z-Image a tensor of a LoRA file belongs to, however the program that wrote it calls it.

The rules are tables. Public layouts they were made from: AI Toolkit and diffusers (`diffusion_model.`, `transformer.`),
ComfyUI's own (`attention.qkv`, `attention.out`), kohya and musubi-tuner (`lora_unet_` and underscores), OneTrainer
(`lora_transformer_`), LyCORIS and SimpleTuner (`lycoris_`), DiffSynth (no prefix, `.default`), raw peft
(`base_model.model.`). Knows names only, loads no torch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

STANDARD_PREFIX = "diffusion_model."
QKV = "attention.qkv"
"""ComfyUI's own name of to_q, to_k and to_v in one weight, in that order."""
SPLIT_QKV = ("attention.to_q", "attention.to_k", "attention.to_v")

DOWN, UP = "lora_A.weight", "lora_B.weight"

_PREFIXES = (
    "base_model.model.", "model.diffusion_model.", "diffusion_model.", "pipe.dit.", "dit.", "transformer.", "unet.",
    "lora_unet__", "lora_unet_", "lora_transformer_", "lora_dit_", "lycoris_",
)  # fmt: skip
_TEXT_ENCODER = re.compile(r"(base_model\.model\.)?(lora_te\d?_|lora_qwen\d?_|text_encoders?\b|te\d?\.|clip_[lg]\.)")

_PARTS = {
    ".lora_A.weight": DOWN, ".lora_down.weight": DOWN, ".lora.down.weight": DOWN, "_lora.down.weight": DOWN,
    ".lora_linear_layer.down.weight": DOWN, ".lora_A": DOWN, ".lora_down": DOWN,
    ".lora_B.weight": UP, ".lora_up.weight": UP, ".lora.up.weight": UP, "_lora.up.weight": UP,
    ".lora_linear_layer.up.weight": UP, ".lora_B": UP, ".lora_up": UP,
    ".lora_magnitude_vector.weight": "lora_magnitude_vector", ".lora_magnitude_vector": "lora_magnitude_vector",
    ".a1.weight": "a1.weight", ".a2.weight": "a2.weight", ".b1.weight": "b1.weight", ".b2.weight": "b2.weight",
    ".bm.weight": "bm.weight",
    **{f".{part}": part for part in (
        "alpha", "dora_scale", "diff", "diff_b", "set_weight", "w_norm", "b_norm", "rescale", "oft_blocks",
        "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b",
        "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b",
    )},
}  # fmt: skip
"""What stands behind a module's name, and what ComfyUI's loader and this package call it."""
_ADAPTER_NAME = re.compile(r"\.default(_\d+)?(?=\.|$)")
_ENDINGS = tuple(sorted(_PARTS, key=len, reverse=True))

_BLOCK = re.compile(r"(layers|noise_refiner|context_refiner)_(\d+)_(.+)")
_IN_BLOCK = {
    "attention_to_q": "attention.to_q", "attention_to_k": "attention.to_k", "attention_to_v": "attention.to_v",
    "attention_qkv": QKV,
    "attention_to_out_0": "attention.to_out.0", "attention_to_out": "attention.to_out.0",
    "attention_out": "attention.to_out.0",
    "attention_norm_q": "attention.norm_q", "attention_q_norm": "attention.norm_q",
    "attention_norm_k": "attention.norm_k", "attention_k_norm": "attention.norm_k",
    "feed_forward_w1": "feed_forward.w1", "feed_forward_w2": "feed_forward.w2", "feed_forward_w3": "feed_forward.w3",
    "adaLN_modulation_0": "adaLN_modulation.0", "adaLN_modulation": "adaLN_modulation.0",
    "attention_norm1": "attention_norm1", "attention_norm2": "attention_norm2",
    "ffn_norm1": "ffn_norm1", "ffn_norm2": "ffn_norm2",
}  # fmt: skip
_OUTSIDE_BLOCKS = {
    "all_x_embedder_2_1": "all_x_embedder.2-1", "x_embedder": "all_x_embedder.2-1",
    "all_final_layer_2_1_linear": "all_final_layer.2-1.linear", "final_layer_linear": "all_final_layer.2-1.linear",
    "all_final_layer_2_1_adaLN_modulation_1": "all_final_layer.2-1.adaLN_modulation.1",
    "final_layer_adaLN_modulation_1": "all_final_layer.2-1.adaLN_modulation.1",
    "cap_embedder_0": "cap_embedder.0", "cap_embedder_1": "cap_embedder.1",
    "t_embedder_mlp_0": "t_embedder.mlp.0", "t_embedder_mlp_2": "t_embedder.mlp.2",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a tensor of a LoRA file belongs."""

    module: str
    """As diffusers calls it, e.g. `layers.3.attention.to_q`; `attention.qkv` where three are in one."""
    part: str
    """What of the module's LoRA it is, e.g. `lora_A.weight` or `alpha`."""

    @property
    def key(self) -> str:
        """The standard name of the tensor."""
        return f"{STANDARD_PREFIX}{self.module}.{self.part}"


def split_name(name: str) -> tuple[str, str] | None:
    """A tensor's name as the module's, however written, and the part; None where it is no part of any LoRA."""
    name = _ADAPTER_NAME.sub("", name)
    for ending in _ENDINGS:
        if name.endswith(ending):
            return name[: -len(ending)], _PARTS[ending]
    return None


def find_place(name: str) -> Place | None:
    """Where the tensor of that name belongs in Z-Image, or None where it does not."""
    halves = split_name(name)
    module = _module(halves[0]) if halves else None
    return Place(module=module, part=halves[1]) if halves and module else None


def is_for_text_encoder(name: str) -> bool:
    """Whether a tensor belongs to a text encoder instead of the model that draws."""
    return _TEXT_ENCODER.match(name) is not None


def _module(written: str) -> str | None:
    while prefix := next((prefix for prefix in _PREFIXES if written.startswith(prefix)), None):
        written = written[len(prefix) :]
    flat = written.replace(".", "_").replace("-", "_")
    if block := _BLOCK.fullmatch(flat):
        module = _IN_BLOCK.get(block[3])
        return f"{block[1]}.{int(block[2])}.{module}" if module else None
    return _OUTSIDE_BLOCKS.get(flat)
