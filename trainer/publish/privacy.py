"""Privacy: text without folders of its author's computer. What a path ends with stays, where it came from goes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_WHOLE_PATH = re.compile(r"\s*(?:[A-Za-z]:[\\/]|\\\\|~?/)[^\n]*")
_SPACED_PATH = re.compile(
    r"(?<![\w:/.\\~])(?:[A-Za-z]:[\\/]|\\\\|/(?=(?:home|Users|Volumes|media|mnt)/))"
    r"(?:[^\\/:*?\"<>|\n]*[^\\/:*?\"<>|\s~][\\/]+)*([^\\/\s\"'<>|,;]*)"
)
"""A path that can be told from its beginning, so that names in it may have spaces."""
_PATH = re.compile(r"(?<![\w:/.\\~])(?:~/|/)(?:[^\\/\s\"'<>|,;]+[\\/]+)+([^\\/\s\"'<>|,;]*)")
_PRIVATE_SETTINGS = {"mask_folder", "photo_repeats"}
"""Settings of ours that name folders and photos."""
_OF_OUR_CONFIG = "zimage_lora.config"


def public_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """A LoRA file's metadata without any folder, whichever program wrote it."""
    public = {name: without_folders(value) for name, value in metadata.items()}
    try:
        config = json.loads(public.get(_OF_OUR_CONFIG, ""))
    except ValueError:
        return public
    if isinstance(config, dict):
        kept = {name: value for name, value in config.items() if name not in _PRIVATE_SETTINGS}
        public[_OF_OUR_CONFIG] = json.dumps(kept, ensure_ascii=False)
    return public


def without_folders(text: str) -> str:
    """The text with only the last part of every absolute path in it, also inside JSON."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.dumps(_cleaned(json.loads(text)), ensure_ascii=False)
        except (ValueError, RecursionError):
            pass
    return _cleaned_text(text)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return without_folders(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {_cleaned_text(str(name)): _cleaned(item) for name, item in value.items()}
    return value


def _cleaned_text(text: str) -> str:
    if _WHOLE_PATH.fullmatch(text) and re.search(r"[\\/][^\\/]*[\\/]", text):  # names in it may have spaces
        return re.split(r"[\\/]", text.strip().rstrip("\\/"))[-1]
    return _PATH.sub(r"\1", _SPACED_PATH.sub(r"\1", text))
