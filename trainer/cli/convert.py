"""The verb convert: LoRA files of any program in the format that every program reads, each beside its old one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..lora_files.convert import convert_file
from .screen import Screen


def run_convert(paths: Sequence[Path], screen: Screen) -> None:
    """Convert every file. Raises UserError for the first that is no LoRA of Z-Image; those before it stay converted."""
    for path in paths:
        _, said = convert_file(path, path.parent)
        for message in said:
            screen.say_message(message)
