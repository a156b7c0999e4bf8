"""Other models: which one a LoRA file seems to be for, from its names and shapes, so that an error can name it."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SIGNS = (
    ("Qwen-Image", r"transformer_blocks[._]\d+[._](img_mlp|img_mod|txt_mlp|txt_mod)"),
    ("Flux", r"(single_transformer_blocks|double_blocks|single_blocks)[._]\d+"),
    ("SDXL", r"(lora_te2_|conditioner\.|(input|output)_blocks[._][4578][._]1[._]transformer_blocks[._]\d"
             r"|(down_blocks[._]2|up_blocks[._]0)[._]attentions[._]\d[._]transformer_blocks[._][1-9])"),
    ("Stable Diffusion 1 / 2", r"(down_blocks|up_blocks|mid_block|input_blocks|output_blocks|middle_block)[._]"),
    ("Stable Diffusion 3", r"(joint_blocks|transformer_blocks)[._]\d+[._].*(context_block|add_[qkv]_proj|ff_context)"),
    ("Wan", r"blocks[._]\d+[._](cross_attn|self_attn)[._]"),
    ("LTX-Video", r"transformer_blocks[._]\d+[._]attn2[._]"),
    ("a text encoder", r"^(base_model\.model\.)?(lora_te|text_encoder|te\d?\.)"),
)  # fmt: skip
"""The first whose pattern is in one of the names; those that share names with others stand behind them."""


def seems_to_be(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """The model that a LoRA with these tensors seems to be for, or None where nothing tells."""
    for model, sign in _SIGNS:
        pattern = re.compile(sign)
        if any(pattern.search(name) for name in shapes):
            return model
    return None
