"""Tokens: how many Z-Image's text encoder makes of a caption, by the tokenizer that comes with ComfyUI."""

from __future__ import annotations

from functools import cached_property
from typing import Any


class TokenCounter:
    """Counts tokens; the tokenizer is read when first asked, since that takes a while."""

    def __call__(self, caption: str) -> int:
        """How many tokens a caption becomes, without those of the frame around every prompt."""
        chunks = self._tokenizer.tokenize_with_weights(caption, llama_template="{}")["qwen3_4b"]
        return sum(len(chunk) for chunk in chunks)

    @cached_property
    def _tokenizer(self) -> Any:
        from comfy.text_encoders.z_image import ZImageTokenizer

        return ZImageTokenizer()
