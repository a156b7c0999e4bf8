"""The device: what it has free and how fast it is, measured in a blink before a plan is made. Plans nothing."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from functools import partial

import torch

from .constants import read_constants
from .costs import Rates
from .planner import Machine
from .quantised import EIGHT_BIT, has_native_product

_MATMUL = {"cuda": (2048, 3840, 3840), "cpu": (128, 512, 512)}  # rows, inner, columns
_COPY_BYTES = {"cuda": 64 << 20, "cpu": 4 << 20}
_NUM_TRIES = 3


def read_machine(device: torch.device, dtype: torch.dtype) -> Machine:
    """What a device has and does, in the base model's number format. Takes some 50 ms.

    Raises UserError where the planner's constants cannot be read.
    """
    import psutil

    is_cuda = device.type == "cuda"
    host_free = psutil.virtual_memory().available
    rows, inner, columns = _MATMUL["cuda" if is_cuda else "cpu"]
    left = torch.full((rows, inner), 0.5, dtype=dtype, device=device)
    right = torch.full((columns, inner), 0.5, dtype=dtype, device=device)
    seconds = _fastest(partial(torch.matmul, left, right.t()), device)
    num_bytes = _COPY_BYTES["cuda" if is_cuda else "cpu"]
    here = torch.zeros(num_bytes, dtype=torch.uint8, device=device)
    there = torch.zeros(num_bytes, dtype=torch.uint8, pin_memory=is_cuda)
    copy_s = _fastest(partial(here.copy_, there, non_blocking=True), device)
    memory_s = _fastest(here.clone, device)
    del left, right, here, there
    if is_cuda:
        torch.cuda.empty_cache()
        free, total = torch.cuda.mem_get_info(device)
    else:
        free, total = host_free, psutil.virtual_memory().total
    return Machine(
        is_cuda=is_cuda,
        total_bytes=total,
        free_bytes=free,
        host_free_bytes=host_free,
        rates=Rates(
            matmul_rate=2 * rows * inner * columns / seconds,
            memory_rate=2 * num_bytes / memory_s,
            copy_rate=num_bytes / copy_s,
            native=tuple(precision for precision in EIGHT_BIT if has_native_product(precision, device)),
        ),
        constants=read_constants().constants,
        has_bitsandbytes=importlib.util.find_spec("bitsandbytes") is not None,
    )


def _fastest(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the fastest of a few tries, after one that warms up."""
    found = []
    for _ in range(1 + _NUM_TRIES):
        _wait(device)
        started_s = time.perf_counter()
        work()
        _wait(device)
        found.append(time.perf_counter() - started_s)
    return max(min(found[1:]), 1e-9)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measured_now(device: torch.device, context_bytes: int) -> int | None:
    """What the process holds of the device, its context of so many bytes included; None where nothing tells."""
    if device.type != "cuda":
        return None
    return torch.cuda.memory_reserved(device) + context_bytes


def measured_peak(device: torch.device, context_bytes: int) -> int | None:
    """The process's peak on the device so far as the driver sees it, context included; None where nothing tells."""
    if device.type != "cuda":
        return None
    return torch.cuda.max_memory_reserved(device) + context_bytes
