"""What was measured on and with: card, driver, versions, commit; and how fast this machine multiplies matrices."""

from __future__ import annotations

import importlib.metadata
import platform
import statistics
import subprocess
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from .memory import nvidia_smi

_PACKAGES = ("torch", "diffusers", "peft", "bitsandbytes", "accelerate", "transformers")
_LEAST_S = 0.1
"""A round of multiplications lasts at least so long, so that the clock's own steps do not matter."""
_ROUNDS = 5


def device_of(name: str | None) -> torch.device:
    """The device of a name, by default a card if there is one; with its index, which some calls of torch ask for."""
    device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    return torch.device("cuda", torch.cuda.current_device()) if str(device) == "cuda" else device


def describe(device: torch.device) -> dict[str, object]:
    """The machine as plain values."""
    facts: dict[str, object] = {
        "device": _device_name(device),
        "driver": (nvidia_smi("driver_version") or [""])[0] if device.type == "cuda" else "",
        "cuda": torch.version.cuda or "",
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "commit": _commit(),
    }
    return facts | {name: _version(name) for name in _PACKAGES}


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        memory_gb = torch.cuda.get_device_properties(device).total_memory / 1e9
        return f"{torch.cuda.get_device_name(device)}, {memory_gb:.0f} GB"
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _commit() -> str:
    """The checkout's commit, with a + where files were changed since; empty without git."""
    try:
        command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
        here = Path(__file__).parent
        return subprocess.run(command, cwd=here, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def matmul_rate(dtype: torch.dtype, device: torch.device, rows: int, width: int, hidden: int) -> float:
    """Operations per second of [rows, width] x [width, hidden], the model's own largest product; a median of rounds."""
    generator = torch.Generator(device).manual_seed(0)
    left = torch.randn(rows, width, dtype=dtype, device=device, generator=generator)
    weight = torch.randn(hidden, width, dtype=dtype, device=device, generator=generator)
    num_times = 1
    while (round_s := _multiplying(left, weight, num_times)) < _LEAST_S:
        num_times = max(num_times + 1, min(64 * num_times, round(1.2 * num_times * _LEAST_S / max(round_s, 1e-6))))
    seconds = statistics.median(_multiplying(left, weight, num_times) for _ in range(_ROUNDS))
    return 2 * rows * width * hidden * num_times / seconds


def _multiplying(left: torch.Tensor, weight: torch.Tensor, num_times: int) -> float:
    synchronise(left.device)
    started_s = time.perf_counter()
    for _ in range(num_times):
        F.linear(left, weight)  # as a layer does it: some processors take far longer for a weight the other way round
    synchronise(left.device)
    return time.perf_counter() - started_s


def synchronise(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
