"""The training adapter: a LoRA that undoes Turbo's distillation while we train. Fused before training, never saved."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..messages import UserError
from .weights import Header, read_header

if TYPE_CHECKING:
    from torch import nn

V2_NAME = "zimage_turbo_training_adapter_v2.safetensors"
V2_REPOSITORY = "ostris/zimage_turbo_training_adapter"
_ADDRESS = f"huggingface.co/{V2_REPOSITORY}"
_V2_RANK = 64
_KEY = re.compile(r"diffusion_model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")


def find_adapter(choice: str, lora_files: Sequence[Path], loras_dir: Path = Path("models/loras")) -> Path | None:
    """The adapter file that `training_adapter` means: `auto` looks for V2 among the LoRA files, `none` is None.

    `loras_dir` is where the user is told to put a file that is missing. V2 is known by its name, its
    keys and its rank of 64: a character LoRA of that rank has the same keys. Raises UserError, naming the file, its
    address and the folder, where V2 is not there; or for a missing file.
    """
    if choice == "none":
        return None
    if choice != "auto":
        path = next((file for file in lora_files if choice in (file.name, file.as_posix(), str(file))), Path(choice))
        if not path.is_file():
            raise UserError("adapter.missing", name=choice, address=_ADDRESS, folder=loras_dir)
        _check(read_header(path), path)
        return path
    for path in lora_files:
        if "training_adapter" in path.name.lower() and _rank(read_header(path)) == _V2_RANK:
            return path
    raise UserError("adapter.missing", name=V2_NAME, address=_ADDRESS, folder=loras_dir)


def _rank(header: Header) -> int | None:
    """The rank of the first lora_A that sits on a main layer, None where there is none."""
    for name, shape in header.shapes.items():
        match = _KEY.fullmatch(name)
        if match and match["side"] == "A" and match["module"].startswith("layers."):
            return shape[0]
    return None


def _check(header: Header, path: Path) -> None:
    if _rank(header) is None:
        raise UserError("adapter.not_zimage", path=path, found=next(iter(header.shapes), "no tensor"))


def fuse_adapter(transformer: nn.Module, path: Path) -> int:
    """Add the adapter to the weights once, at strength +1, each sum rounded once; returns how many modules it changed.

    W' = W + B·A in fp32, then W's own number format. An alpha in the file is not used, as in the reference.
    Raises UserError where a module of the adapter is not in the transformer or has another width.
    """
    import torch
    from safetensors.torch import load_file

    header = read_header(path)
    _check(header, path)
    tensors = load_file(path)
    modules = {match["module"] for match in map(_KEY.fullmatch, tensors) if match}
    ours = dict(transformer.named_modules())
    with torch.no_grad():
        for module in sorted(modules):
            down = tensors.get(f"diffusion_model.{module}.lora_A.weight")
            up = tensors.get(f"diffusion_model.{module}.lora_B.weight")
            weight = getattr(ours.get(module), "weight", None)
            if down is None or up is None or weight is None or weight.shape != (up.shape[0], down.shape[1]):
                raise UserError("adapter.other_width", path=path, module=module)
            delta = up.to(weight.device, torch.float32) @ down.to(weight.device, torch.float32)
            weight.copy_(weight.float() + delta)
    return len(modules)
