"""Residence: where encoded photos lie while a run trains, so that no step waits for a copy. Encodes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import torch
from torch import Tensor

from .encode import EncodedDataset, EncodedPhoto

MOST_BYTES = 256_000_000
"""On the device. 80 photos of 512 px with their captions take 60 MB, of 1024 px 130 MB; more lie in pinned memory."""
_TEXTS = ("text", "dropped_text", "class_text")


def resident_bytes(photos: Iterable[EncodedPhoto], device: torch.device, dtype: torch.dtype) -> int:
    """What `resident` puts onto a device: all of the photos, or none of them where they are too many."""
    if device.type == "cpu":
        return 0  # they are in system memory anyway
    seen = {id(tensor): _size(tensor, name, dtype) for photo in photos for name, tensor in _tensors(photo)}
    total = sum(seen.values())
    return total if total <= MOST_BYTES else 0


def resident(photos: EncodedDataset, device: torch.device, dtype: torch.dtype) -> EncodedDataset:
    """The photos with their texts in the transformer's number format, everything on the device.

    Too many for it lie in pinned system memory, from where copies need no wait either. What photos share stays shared.
    """
    fits = device.type == "cpu" or resident_bytes(photos, device, dtype) > 0
    made: dict[int, Tensor] = {}

    def placed(name: str, tensor: Tensor) -> Tensor:
        if id(tensor) not in made:
            wanted = tensor.to(dtype) if name in _TEXTS else tensor
            made[id(tensor)] = wanted.to(device) if fits else wanted.pin_memory()
        return made[id(tensor)]

    return tuple(
        dataclasses.replace(photo, **{name: placed(name, tensor) for name, tensor in _tensors(photo)})  # type: ignore[arg-type]
        for photo in photos
    )


def _tensors(photo: EncodedPhoto) -> list[tuple[str, Tensor]]:
    named = ((name, getattr(photo, name)) for name in ("latents_CHW", *_TEXTS, "mask_HW"))
    return [(name, tensor) for name, tensor in named if tensor is not None]


def _size(tensor: Tensor, name: str, dtype: torch.dtype) -> int:
    return tensor.numel() * (dtype.itemsize if name in _TEXTS else tensor.element_size())
