"""Memory while something runs: its highest value as torch counts it and as the system sees it. Runs nothing itself.

On CUDA torch's two counters (allocated, and reserved from the driver) and what the driver has given out, the process's
own context counted. On the CPU the highest running sum of allocations that torch's profiler records, and the growth of
the process.
"""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

_LOOK_EVERY_S = 0.02


@dataclass(kw_only=True)
class Peak:
    """Bytes at the highest point. `reserved` is torch's own pool on CUDA; the CPU has none."""

    allocated: int = 0
    reserved: int | None = None
    system: int = 0
    """As the driver sees it on CUDA; the process's growth on the CPU."""


def used_before_cuda() -> int:
    """Bytes that are in use on the first visible card before this process touches it; 0 where nothing can tell.

    To be called before anything of CUDA is: from then on this process's own context counts too.
    """
    lines = nvidia_smi("memory.used")
    return int(float(lines[0])) << 20 if lines else 0


def nvidia_smi(query: str) -> list[str]:
    """What NVIDIA's tool says of the first visible card, one line; none without the tool or a card."""
    card = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    command = ["nvidia-smi", "-i", card, f"--query-gpu={query}", "--format=csv,noheader,nounits"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return []


@contextlib.contextmanager
def watched(device: torch.device, used_before: int) -> Iterator[Peak]:
    """Within it memory is watched; afterwards the Peak holds the highest values."""
    gc.collect()
    peak = Peak()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        with _highest(lambda: _driver_used(device) - used_before, peak):
            yield peak
            torch.cuda.synchronize(device)
        peak.allocated = torch.cuda.max_memory_allocated(device)
        peak.reserved = torch.cuda.max_memory_reserved(device)
        return
    import psutil

    process = psutil.Process()
    size_before = process.memory_info().rss
    profile = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True)
    with _highest(lambda: process.memory_info().rss - size_before, peak), profile:
        yield peak
    peak.allocated = highest_sum(_allocations(profile))


def own_context(device: torch.device, used_before: int) -> int:
    """Bytes that the driver holds on a CUDA card for this process beside torch's pool, as things are now."""
    return max(0, _driver_used(device) - used_before - torch.cuda.memory_reserved(device))


def _driver_used(device: torch.device) -> int:
    free, total = torch.cuda.mem_get_info(device)
    return total - free


@contextlib.contextmanager
def _highest(look: Callable[[], int], peak: Peak) -> Iterator[None]:
    """Within it `look` is asked again and again; its highest answer goes into the peak."""
    ended = threading.Event()

    def keep_looking() -> None:
        while not ended.is_set():
            peak.system = max(peak.system, look())
            ended.wait(_LOOK_EVERY_S)

    thread = threading.Thread(target=keep_looking, daemon=True)
    thread.start()
    try:
        yield
    finally:
        peak.system = max(peak.system, look())
        ended.set()
        thread.join()


def _allocations(profile: torch.profiler.profile) -> list[int]:
    """Every change of the CPU's memory in order: positive for an allocation, negative for a release."""
    assert profile.profiler is not None and profile.profiler.kineto_results is not None
    events: list[Any] = profile.profiler.kineto_results.events()
    changes = [event for event in events if event.name() == "[memory]"]
    return [event.nbytes() for event in sorted(changes, key=lambda event: event.start_ns())]


def highest_sum(changes: Iterable[int]) -> int:
    """The highest value that the running sum of changes reaches."""
    highest = total = 0
    for change in changes:
        total += change
        highest = max(highest, total)
    return highest
