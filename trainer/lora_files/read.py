"""Reading: the tensors and the metadata of a LoRA file, or a sentence about what is wrong with it.

Only safetensors is read: a pickle can run code on the reader's computer. The file is read into memory and closed, so
that it can be replaced while a model still has its LoRA.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..messages import UserError
from .names import split_name

if TYPE_CHECKING:
    from torch import Tensor

_LENGTH_BYTES = 8
_LONGEST_HEADER_BYTES = 100_000_000  # safetensors' own limit
_STARTS_OF_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_PICKLE_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".pkl")


@dataclass(frozen=True, kw_only=True)
class RawLora:
    """A LoRA file as its program wrote it."""

    path: Path
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]


def read_lora(path: Path) -> RawLora:
    """Read a LoRA file, every number finite. Raises UserError for what is none, naming what it is instead."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    metadata = _check_header(path)
    try:
        tensors = load(path.read_bytes())
    except (SafetensorError, ValueError, TypeError) as error:
        raise UserError("lora.not_safetensors", name=path.name, folder=path.parent, reason=error) from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor.float()).all():
            raise UserError("lora.not_finite", name=path.name, tensor=name)
    return RawLora(path=path, tensors=tensors, metadata=metadata)


def read_metadata(path: Path) -> dict[str, str]:
    """What a LoRA file says about itself, without reading its tensors. Raises UserError as `read_lora` does."""
    return _check_header(path)


def _check_header(path: Path) -> dict[str, str]:
    where = {"name": path.name, "folder": path.parent}
    if not path.is_file():
        raise UserError("lora.gone", **where)
    num_bytes = path.stat().st_size
    if num_bytes == 0:
        raise UserError("lora.empty", **where)
    with open(path, "rb") as file:
        start = file.read(_LENGTH_BYTES)
        length = int.from_bytes(start, "little")
        # A header of 0x0280 bytes begins like a pickle too, but its length has zeros behind.
        looks_pickled = start.startswith(_STARTS_OF_PICKLES) and length > _LONGEST_HEADER_BYTES
        if looks_pickled or path.suffix.lower() in _PICKLE_SUFFIXES:
            raise UserError("lora.pickle", **where)
        if len(start) < _LENGTH_BYTES or length > _LONGEST_HEADER_BYTES:
            raise UserError("lora.not_safetensors", **where, reason=f"header of {length} bytes")
        text = file.read(length)
    if len(text) < length:
        raise UserError("lora.truncated", **where, got=num_bytes, wanted=_LENGTH_BYTES + length)
    header, end = _parse_header(text, where)
    if num_bytes < _LENGTH_BYTES + length + end:
        raise UserError("lora.truncated", **where, got=num_bytes, wanted=_LENGTH_BYTES + length + end)
    metadata = header.pop("__metadata__", None) or {}
    if not any(split_name(name) for name in header):  # before gigabytes of a whole model are read
        raise UserError("lora.none_inside", **where, num=len(header), example=next(iter(header), "-"))
    return {str(name): str(value) for name, value in metadata.items()}


def _parse_header(text: bytes, where: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """The header, and the last byte that its tensors need, counted from its end."""
    try:
        header = json.loads(text)
        ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
        return header, max(ends, default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise UserError("lora.not_safetensors", **where, reason=type(error).__name__) from error
