"""Convert and save, proved by ComfyUI's own loader before it counts as saved."""

from __future__ import annotations

from pathlib import Path

from ..trainer.lora_files.convert import convert_file
from ..trainer.messages import Message, UserError, name_some
from .core_lora import unmatched_in_core


def convert_and_prove(source: Path, loras_dir: Path, save_as: str) -> tuple[Path, list[Message]]:
    """Save a LoRA in the standard format in `loras_dir` and say what was saved.

    Raises UserError for a file that is no LoRA of Z-Image, and where core's own LoRA node would leave something of the
    new file out; then no new file is left.
    """
    path, said = convert_file(source, loras_dir, save_as)
    _, unmatched = unmatched_in_core(path)
    if unmatched:
        path.unlink()
        modules = name_some(list(unmatched))
        raise UserError("convert.not_loadable", name=source.name, num=len(unmatched), modules=modules)
    return path, said
