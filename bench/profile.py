"""What a step is made of, operation by operation, in one command:

    python -m bench.profile                          the pocket model in bf16 and int8, beside the plain loop
    python -m bench.profile --size full --lanes bf16,int8-lean,nf4-offload      on a CUDA card

Every operation that torch's profiler sees counts once, under what it is for, by its own time: on a card that of its
kernels, else processor time. What makes the host wait for a card is counted beside it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from .lanes import LANES, lane_names
from .machine import describe, device_of
from .memory import used_before_cuda
from .models import SIZES, model_of
from .sides import Cell, Settings, open_product, open_reference, product_step

KINDS: Mapping[str, tuple[str, ...]] = {
    "update": ("fused_adam", "optimizer_update", "quantize_blockwise", "_foreach_"),
    "quantise": ("4bit", "aten::round", "aten::linalg_vector_norm"),
    "attention": ("scaled_dot_product", "flash_attention", "efficient_attention", "cudnn_attention"),
    "products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "_int_mm", "_scaled_mm", "mkldnn"),
    "copies": ("aten::copy_", "aten::_to_copy", "aten::cat", "aten::clone", "aten::contiguous", "aten::stack"),
    "making": ("aten::empty", "aten::zeros", "aten::fill_", "aten::zero_", "aten::resize_"),
    "random": ("aten::normal_", "aten::randn", "aten::uniform_"),
    "elementwise": (
        "aten::mul", "aten::add", "aten::sub", "aten::div", "aten::neg", "aten::silu", "aten::tanh", "aten::rsqrt",
        "aten::pow", "aten::mean", "aten::sum", "aten::sigmoid", "aten::clamp", "aten::sqrt", "aten::sin", "aten::cos",
        "rms_norm", "aten::mse", "aten::where", "aten::exp", "aten::square", "aten::complex", "aten::reciprocal",
    ),
}  # fmt: skip
"""Parts of operators' names, the first that fits decides. Everything else is bookkeeping: views, autograd's own."""
WAITS = ("aten::_local_scalar_dense", "cudaStreamSynchronize", "cudaDeviceSynchronize")
_WARM_UP_STEPS, _STEPS = 3, 5


@dataclass(frozen=True, kw_only=True)
class Part:
    """What the operations of one kind come to in a step."""

    kind: str
    num: float
    seconds: float


def kind_of(name: str) -> str:
    """What an operator is for."""
    return next((kind for kind, marks in KINDS.items() if any(mark in name for mark in marks)), "bookkeeping")


def parts_of(step: Callable[[], object], device: torch.device, num_steps: int = _STEPS) -> tuple[list[Part], float]:
    """A step's operations by kind, the longest first, and how often a step waits for the device."""
    for _ in range(_WARM_UP_STEPS):
        step()
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
    with profile(activities=activities) as found:
        for _ in range(num_steps):
            step()
    events = [e for e in found.key_averages() if e.device_type == DeviceType.CPU]  # kernels count under their operators
    is_cuda = device.type == "cuda"
    spent = [(e.key, e.count, e.self_device_time_total if is_cuda else e.self_cpu_time_total) for e in events]
    num_waits = sum(count for name, count, _ in spent if name in WAITS)
    return by_kind(((name, count, us) for name, count, us in spent if name not in WAITS), num_steps), (
        num_waits / num_steps
    )


def by_kind(operations: Iterable[tuple[str, int, float]], num_steps: int) -> list[Part]:
    """(name, how often, microseconds) of all operations of some steps, added up by kind for one of them."""
    sums: dict[str, tuple[float, float]] = {}
    for name, count, us in operations:
        num, seconds = sums.get(kind_of(name), (0.0, 0.0))
        sums[kind_of(name)] = num + count / num_steps, seconds + us / 1e6 / num_steps
    parts = [Part(kind=kind, num=num, seconds=seconds) for kind, (num, seconds) in sums.items()]
    return sorted(parts, key=lambda part: part.seconds, reverse=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table for the plain loop and for each lane."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=(__doc__ or "").split(",")[0])
    parser.add_argument("--size", choices=SIZES, default="pocket", help="of the model")
    parser.add_argument("--lanes", type=lane_names, default=["bf16", "int8-lean"], help=f"some of {','.join(LANES)}")
    parser.add_argument("--resolution", type=int, default=128, help="pixels of a side (default: 128)")
    parser.add_argument("--batch", type=int, default=1, help="photos per step (default: 1)")
    parser.add_argument("--rank", type=int, default=64, help="the LoRA's rank (default: 64)")
    parser.add_argument("--device", help="cuda or cpu (default: cuda if there is one)")
    chosen = parser.parse_args(arguments)
    device = device_of(chosen.device)
    settings = Settings(
        model=model_of(chosen.size, device), device=device, rank=chosen.rank, num_text_tokens=96, num_rounds=1,
        steps_per_round=1, used_before=used_before_cuda(),
    )  # fmt: skip
    print(", ".join(f"{name} {value}" for name, value in describe(device).items() if value != ""))
    for lane in ("the plain loop", *chosen.lanes):
        cell = Cell(
            lane=lane, lane_settings=dict(LANES.get(lane, {})), resolution_px=chosen.resolution, batch_size=chosen.batch
        )  # fmt: skip
        step = product_step(open_product(cell, settings)) if lane in LANES else open_reference(cell, settings).step
        parts, num_waits = parts_of(step, device)
        total_s = sum(part.seconds for part in parts)
        print(
            f"\n{lane}: {1e3 * total_s:.1f} ms, {sum(part.num for part in parts):.0f} operations, {num_waits:g} waits"
        )
        print("| kind | operations | ms | share |\n|---|---|---|---|")
        for part in parts:
            print(f"| {part.kind} | {part.num:.0f} | {1e3 * part.seconds:.2f} | {part.seconds / total_s:.1%} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
