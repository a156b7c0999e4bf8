"""The table of the README, in one command, on whatever CUDA card is there:

    python -m bench.table

Every lane at 512, 768 and 1024 px, with 1 and 4 photos a step: seconds per step, share of the floor, and the whole
run's peak, beside the plain loop of the same run. Lanes that are promised to fit a smaller card run under that card's
memory. Rows that are in the file already are not measured again, so a run that was cut short goes on.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from .contests import Cell, Result, Settings, measure, measure_reference
from .lanes import LANES
from .machine import describe, matmul_rate
from .memory import Peak, used_before_cuda
from .models import SIZES, model_of
from .report import whole_run
from .step import MATMUL_ROWS

CAPS_GB: Mapping[tuple[str, int], float] = {
    ("bf16", 512): 18.0,
    ("bf16-lean", 512): 14.5,
    ("float8-lean", 512): 9.0,
    ("int8-lean", 512): 9.0,
    ("int8-offload", 512): 8.0,
    ("nf4-offload", 512): 4.5,
    ("nf4-offload", 1024): 8.0,
}
"""What is promised for one photo a step and rank 64, by lane and resolution; the process gets no more than that."""
_RESOLUTIONS, _BATCHES = (512, 768, 1024), (1, 4)
_CONTEXT_GB = 0.5
_SAME_MACHINE = ("device", "driver", "cuda", "commit", "torch", "bitsandbytes")
_HEADINGS = (
    "lane", "px", "photos", "s/step", "of the floor", "plain loop s/step", "times as fast", "peak GB: torch",
    "peak GB: driver", "under", "planned GB",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the file lacks, row by row, and print the table."""
    chosen = _parser().parse_args(arguments)
    used_before = used_before_cuda()
    device = torch.device(chosen.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if device.type == "cpu" and chosen.size == "full":
        print("The full-size model needs a CUDA card. To try the table out here: python -m bench.table --size pocket")
        return 1
    machine = describe(device)
    model = model_of(chosen.size, device)
    dim = model.config["dim"]
    rate = matmul_rate(torch.bfloat16, device, MATMUL_ROWS[device.type], dim, int(dim / 3 * 8))
    settings = Settings(
        model=model, device=device, rank=chosen.rank, num_text_tokens=chosen.text_tokens, num_rounds=chosen.rounds,
        steps_per_round=chosen.steps, used_before=used_before,
    )  # fmt: skip
    known = kept_rows(chosen.json, machine, chosen.size)
    for resolution_px in chosen.resolutions:
        for batch_size in chosen.batches:
            for row in _rows_of(settings, resolution_px, batch_size, chosen.lanes, known, rate):
                known.append(row | {"size": chosen.size})
                head = {"machine": machine, "date": datetime.date.today().isoformat(), "matmul_tflops": rate / 1e12}
                chosen.json.write_text(json.dumps({**head, "rows": known}, indent=1), encoding="utf-8")
    print(in_markdown(json.loads(chosen.json.read_text(encoding="utf-8"))))
    return 0


def kept_rows(path: Path, machine: Mapping[str, object], size: str) -> list[dict[str, Any]]:
    """The rows of a file, if they come from this machine, these versions and a model of this size."""
    if not path.is_file():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    if any(found["machine"].get(name) != machine[name] for name in _SAME_MACHINE):
        return []
    return [row for row in found["rows"] if row["size"] == size]


def _rows_of(
    settings: Settings,
    resolution_px: int,
    batch_size: int,
    lanes: Sequence[str],
    known: Sequence[Mapping[str, Any]],
    rate: float,
) -> Iterator[dict[str, Any]]:
    """The rows of one size that are not known yet. Under a cap the product is alone: the plain loop would need more."""
    reference: Peak | None = None
    done = {(row["cell"]["lane"], row["cell"]["resolution_px"], row["cell"]["batch_size"]) for row in known}
    for lane in lanes:
        if (lane, resolution_px, batch_size) in done:
            continue
        cell = Cell(
            lane=lane, lane_settings=dict(LANES[lane]), resolution_px=resolution_px, batch_size=batch_size
        )  # fmt: skip
        cap_gb = CAPS_GB.get((lane, resolution_px)) if batch_size == 1 and settings.device.type == "cuda" else None
        if cap_gb:
            with capped(settings.device, cap_gb):
                result = measure(cell, settings, rate, None)
        else:
            reference = reference or measure_reference(cell, settings)
            result = measure(cell, settings, rate, reference)
        print(f"{lane}, {resolution_px} px, {batch_size}: {result.problem or 'measured'}", flush=True)
        yield _as_row(result, cap_gb)


@contextlib.contextmanager
def capped(device: torch.device, cap_gb: float) -> Iterator[None]:
    """Within it torch's allocator gets no more of a CUDA card than a smaller card would have left for it."""
    _, total = torch.cuda.mem_get_info(device)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(1.0, (cap_gb - _CONTEXT_GB) * 1e9 / total), device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


def _as_row(result: Result, cap_gb: float | None) -> dict[str, Any]:
    peak = whole_run(result)
    return {
        **dataclasses.asdict(result),
        "cap_gb": cap_gb,
        "whole_run_peak": dataclasses.asdict(peak) if peak else None,
    }  # fmt: skip


def in_markdown(found: Mapping[str, Any]) -> str:
    """The table with the card, versions and date that it was measured on; what was not measured stays empty."""
    machine = found["machine"]
    names = ("device", "driver", "cuda", "torch", "diffusers", "peft", "bitsandbytes", "commit")
    versions = ", ".join(f"{name} {machine[name]}" for name in names if machine.get(name))
    rows = found["rows"]
    plain = {
        (row["cell"]["resolution_px"], row["cell"]["batch_size"]): row["reference_seconds"]["median"]
        for row in rows
        if row["reference_seconds"]
    }
    lines = [f"Measured on {found['date']}: {versions}; {found['matmul_tflops']:.0f} TFLOP/s in bf16.", ""]
    lines += [f"| {' | '.join(_HEADINGS)} |", f"|{'---|' * len(_HEADINGS)}"]
    return "\n".join([*lines, *(_line(row, plain) for row in rows)])


def _line(row: Mapping[str, Any], plain: Mapping[tuple[int, int], float]) -> str:
    cell, peak = row["cell"], row["whole_run_peak"]
    start = [cell["lane"], str(cell["resolution_px"]), str(cell["batch_size"])]
    under = f"{row['cap_gb']:g} GB" if row["cap_gb"] else ""
    if row["problem"] or not row["seconds"]:
        return f"| {' | '.join([*start, row['problem'], *[''] * 5, under, ''])} |"
    seconds = row["seconds"]["median"]
    reference = plain.get((cell["resolution_px"], cell["batch_size"]))
    values = [
        *start,
        f"{seconds:.3g}",
        f"{row['floor_s'] / seconds:.0%}",
        f"{reference:.3g}" if reference else "",
        f"{reference / seconds:.2f}" if reference else "",
        f"{peak['allocated'] / 1e9:.3g}",
        f"{peak['system'] / 1e9:.3g}",
        under,
        f"{row['predicted_bytes'] / 1e9:.3g}",
    ]
    return f"| {' | '.join(values)} |"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.table", description=(__doc__ or "").split(":")[0])
    numbers = _numbers
    parser.add_argument("--size", choices=SIZES, default="full", help="Z-Image's real shapes, or smaller ones")
    parser.add_argument("--lanes", type=lambda text: text.split(","), default=list(LANES), help=", ".join(LANES))
    parser.add_argument("--resolutions", type=numbers, default=_RESOLUTIONS, help="pixels of a side")
    parser.add_argument("--batches", type=numbers, default=_BATCHES, help="photos per step")
    parser.add_argument("--rank", type=int, default=64, help="the LoRA's rank (default: 64)")
    parser.add_argument("--text-tokens", type=int, default=96, help="tokens of the caption (default: 96)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds in which both take turns (default: 5)")
    parser.add_argument("--steps", type=int, default=4, help="steps in a round (default: 4)")
    parser.add_argument("--device", help="cuda or cpu (default: cuda if there is one)")
    parser.add_argument("--json", type=Path, default=Path("bench_table.json"), help="the file of all numbers")
    return parser


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
