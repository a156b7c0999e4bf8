"""Ways in which a LoRA file of ours can be spoilt, by the key of the message that says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def _cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _rewritten(change: Callable[[str, torch.Tensor], tuple[str, torch.Tensor]]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        save_file(dict(change(name, one) for name, one in load_file(path).items()), path)

    return write


DAMAGES: Mapping[str, Callable[[Path], None]] = {
    "lora.gone": Path.unlink,
    "lora.truncated": _cut_off,
    "lora.not_finite": _rewritten(lambda name, one: (name, one * float("nan"))),
    "lora.other_model": _rewritten(
        lambda name, one: (f"lora_unet_input_blocks_1_1_{name.replace('.', '_')}.lora_down.weight", one)
    ),
    "apply.other_width": _rewritten(lambda name, one: (name, torch.cat([one, one], dim=int("lora_A" in name)))),
}
