"""Convert and save: a LoRA of any format as the file that every program loads: bf16, alpha folded into its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import file_hash, safe_name, write_whole
from ..messages import Message, UserError, name_some
from ..training.keeping.checksums import CONTENT_KEY, HEADER_KEY, with_checksums
from .names import DOWN, UP, Place
from .read import read_lora, read_metadata
from .standard import Parts, StandardLora, standard_lora
from .stated_alpha import DIFFUSERS_KEY

if TYPE_CHECKING:
    from torch import Tensor

SOURCE_KEY = "zimage_lora.converted_from"
"""Our key for the SHA-256 of the file that was converted."""
_NO_LONGER_TRUE = {DIFFUSERS_KEY, CONTENT_KEY, HEADER_KEY, "sshs_model_hash", "sshs_legacy_hash"}
"""What a file says about its numbers or its scale: both have changed."""
_FULL_PRECISION = {"dora_scale", "alpha"}
"""Parts that stay fp32: they multiply whole rows, or everything."""


def convert_file(source: Path, folder: Path, save_as: str = "") -> tuple[Path, list[Message]]:
    """Convert a file into `folder` and say what was saved; the same file is converted only once.

    The new name is `save_as`, or the old one with _zimage behind it; a number is added where another file has it.
    Raises UserError for a file that is no LoRA of Z-Image.
    """
    lora = standard_lora(read_lora(source))
    name = safe_name(save_as.strip().removesuffix(".safetensors") or f"{source.stem}_zimage")
    source_hash = file_hash(source)
    path, is_there = _place_for(folder, name, source_hash)
    if is_there:
        return path, [Message("convert.already", {"name": path.name, "folder": path.parent})]
    convert_lora(lora, path, source_hash)
    said = [Message("convert.saved", {"name": path.name, "folder": path.parent, "num": len(lora.modules)})]
    if left_out := [*lora.left_out, *lora.text_encoder]:
        said.append(Message("convert.left_out", {"num": len(left_out), "examples": name_some(left_out)}))
    return path, said


def _place_for(folder: Path, name: str, source_hash: str) -> tuple[Path, bool]:
    """The first free file of that name, with a number where it is taken; or the one made of the same source before."""
    path, number = folder / f"{name}.safetensors", 2
    while path.exists():
        if _source_of(path) == source_hash:
            return path, True
        path, number = folder / f"{name}_{number}.safetensors", number + 1
    return path, False


def _source_of(path: Path) -> str | None:
    try:
        return read_metadata(path).get(SOURCE_KEY)
    except UserError:
        return None


def convert_lora(lora: StandardLora, path: Path, source_hash: str) -> None:
    """Write a LoRA in the standard form, whole or not at all, and read it back. `source_hash` is its old file's.

    Kinds whose scale cannot be folded keep their alpha, which ComfyUI's loader reads. Raises UserError for a full disk.
    """
    save_standard(path, folded_tensors(lora), {**_completed(lora.metadata, title=path.stem), SOURCE_KEY: source_hash})


def save_standard(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors under their standard names, whole or not at all, and read them back. Raises UserError for a full
    disk. What the metadata says of an older file's bytes is left out."""
    from safetensors.torch import save

    stated = {**{name: value for name, value in metadata.items() if name not in _NO_LONGER_TRUE}, "format": "pt"}

    def write(temporary: Path) -> None:
        sealed = with_checksums(save(dict(tensors), metadata=stated), stated)
        temporary.write_bytes(save(dict(tensors), metadata=sealed))
        _check_same(standard_lora(read_lora(temporary)), tensors)

    write_whole(path, write)


def _check_same(written: StandardLora, tensors: Mapping[str, Tensor]) -> None:
    found = written.tensors
    if found.keys() != tensors.keys() or not all(found[name].equal(tensor) for name, tensor in tensors.items()):
        raise UserError("lora.not_as_written")


def folded_tensors(lora: StandardLora) -> dict[str, Tensor]:
    """All tensors by their standard names, on the CPU in bf16, alpha / rank multiplied into one of each module's."""
    return {
        Place(module=module, part=part).key: _rounded(part, tensor)
        for module, parts in lora.modules.items()
        for part, tensor in _folded(parts).items()
    }


def _folded(parts: Parts) -> dict[str, Tensor]:
    carrier, rank = _scale_of(parts)
    if "alpha" not in parts or carrier is None:
        return dict(parts)
    scale = float(parts["alpha"].float()) / rank if rank else 1.0  # a LoKr of full matrices ignores its alpha
    folded = {part: tensor for part, tensor in parts.items() if part != "alpha"}
    return {**folded, carrier: folded[carrier].float() * scale}


def _scale_of(parts: Parts) -> tuple[str | None, int]:
    """The part to multiply alpha / rank into, and the rank as ComfyUI's loader counts it; 0 where it counts none."""
    if UP in parts:
        return UP, parts[DOWN].shape[0]
    if "hada_w1_a" in parts:
        return "hada_w1_a", parts["hada_w1_b"].shape[0]
    if "lokr_w1" in parts or "lokr_w1_a" in parts:
        ranks = [parts[name].shape[0] for name in ("lokr_w2_b", "lokr_w1_b") if name in parts]
        return "lokr_w1" if "lokr_w1" in parts else "lokr_w1_a", ranks[0] if ranks else 0
    return None, 0


def _rounded(part: str, tensor: Tensor) -> Tensor:
    import torch

    if not tensor.is_floating_point():
        return tensor.to("cpu").contiguous()
    return tensor.to("cpu", torch.float32 if part in _FULL_PRECISION else torch.bfloat16).contiguous()


def _completed(metadata: Mapping[str, str], title: str) -> dict[str, str]:
    """The metadata of a converted file: what the old one said as far as it still holds, and what readers look for."""
    return {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "z-image-turbo/lora",
        "modelspec.title": title,
        **metadata,
    }
