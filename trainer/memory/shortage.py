"""Shortage: telling that memory ran out, and handing back what nobody holds. Decides nothing."""

from __future__ import annotations

import gc

import torch

_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")


def is_memory_error(error: BaseException) -> bool:
    """Whether the device's or the machine's memory ran out; CPUs and some libraries say so only in words."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _MEMORY_WORDS)


def give_back(device: torch.device) -> None:
    """Hand memory that nobody holds any more back to the device."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
