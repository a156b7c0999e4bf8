"""Tokens: how many the base model's text encoder makes of a caption, outside ComfyUI. Fetches nothing."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any


class FolderTokens:
    """Counts with the tokenizer in a folder, which is read when first asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, caption: str) -> int:
        """How many tokens a caption becomes, without those of the frame around every prompt."""
        return len(self._tokenizer(caption).input_ids)

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self._folder, local_files_only=True)


def tokenizer_folder(source: str) -> Path | None:
    """Where the tokenizer of a diffusers folder or hub id lies on this machine; None where it does not."""
    folder = Path(source) / "tokenizer"
    if folder.is_dir():
        return folder
    if Path(source).exists():
        return None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        kept = try_to_load_from_cache(source, "tokenizer/tokenizer_config.json")
    except HFValidationError:  # no hub id; loading the model will say so
        return None
    return Path(kept).parent if isinstance(kept, str) else None
