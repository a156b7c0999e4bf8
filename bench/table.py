"""The table of the README, in one command, on whatever CUDA card is there:

    python -m bench.table

Every lane at 512, 768 and 1024 px, with 1 and 4 photos a step: seconds per step, share of the floor, and the whole
run's peak, beside the plain loop of the same run. Lanes that are promised to fit a smaller card run under that card's
memory; one that does not fit is measured once more without. Rows that are in the file already are not measured again,
so a run that was cut short goes on. Last it says what the table tells of the planner's constants; `python -m
bench.constants` writes them.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import gc
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from trainer.messages import from_plain, sentence

from .constants import of_compiling, told_by
from .contests import Result, measure, measure_reference
from .lanes import LANES, lane_names, numbers
from .machine import describe, device_of, matmul_rate
from .memory import Peak, own_context, used_before_cuda
from .models import SIZES, model_of
from .report import whole_run
from .sides import Cell, Settings
from .step import MATMUL_ROWS

CAPS_GB: Mapping[tuple[str, int], float] = {
    ("bf16", 512): 18.0,
    ("bf16-offload", 512): 14.5,
    ("float8-lean", 512): 9.0,
    ("int8-lean", 512): 9.0,
    ("int8-offload", 512): 8.0,
    ("nf4-offload", 512): 4.5,
    ("nf4-offload", 1024): 8.0,
}
"""What is promised for one photo a step and rank 64, by lane and resolution; the process gets no more than that."""
_RESOLUTIONS, _BATCHES = (512, 768, 1024), (1, 4)
_SAME_MACHINE = ("device", "driver", "cuda", "commit", "torch", "bitsandbytes")
_HEADINGS = (
    "lane", "px", "photos", "s/step", "of the floor", "plain loop s/step", "times as fast", "peak GB: torch",
    "in steps", "driver", "under", "planned GB",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the file lacks, row by row, and print the table."""
    chosen = _parser().parse_args(arguments)
    used_before = used_before_cuda()
    device = device_of(chosen.device)
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
    found = json.loads(chosen.json.read_text(encoding="utf-8"))
    print(f"\n{in_markdown(found)}\n\n{told_by(found)}{of_compiling(found)}")
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
    references: list[Peak | None] = []
    done = {(row["cell"]["lane"], row["cell"]["resolution_px"], row["cell"]["batch_size"]) for row in known}
    for lane in lanes:
        if (lane, resolution_px, batch_size) in done:
            continue
        cell = Cell(
            lane=lane, lane_settings=dict(LANES[lane]), resolution_px=resolution_px, batch_size=batch_size
        )  # fmt: skip
        cap_gb = CAPS_GB.get((lane, resolution_px)) if batch_size == 1 and settings.device.type == "cuda" else None
        result = None
        if cap_gb:
            with capped(settings.device, cap_gb, own_context(settings.device, settings.used_before)):
                result = measure(cell, settings, rate, None)
        is_held = result is not None and not result.problem
        if not is_held:
            if not references:
                references.append(measure_reference(cell, settings))
            result = measure(cell, settings, rate, references[0])
        print(f"{lane}, {resolution_px} px, {batch_size}: {result.problem or 'measured'}", flush=True)
        for plain in result.told:
            print(f"    {sentence(from_plain(plain), 'en')}", flush=True)
        yield _as_row(result, cap_gb, is_held)


@contextlib.contextmanager
def capped(device: torch.device, cap_gb: float, context_bytes: int) -> Iterator[None]:
    """Within it torch's allocator gets no more of a CUDA card, told by its index, than a smaller card would have left
    for it beside the process's context."""
    gc.collect()
    torch.cuda.empty_cache()
    _, total = torch.cuda.mem_get_info(device)
    torch.cuda.set_per_process_memory_fraction(min(1.0, (cap_gb * 1e9 - context_bytes) / total), device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


def _as_row(result: Result, cap_gb: float | None, is_held: bool) -> dict[str, Any]:
    peak = whole_run(result)
    return {
        **dataclasses.asdict(result),
        "cap_gb": cap_gb,
        "cap_held": cap_gb is not None and is_held and peak is not None and peak.system <= cap_gb * 1e9,
        "whole_run_peak": dataclasses.asdict(peak) if peak else None,
    }  # fmt: skip


def in_markdown(found: Mapping[str, Any]) -> str:
    """The table with the card, versions and date that it was measured on; what was not measured stays empty."""
    machine = found["machine"]
    names = ("device", "driver", "cuda", "torch", "diffusers", "peft", "bitsandbytes", "commit")
    versions = ", ".join(f"{name} {machine[name]}" for name in names if machine.get(name))
    rows = found["rows"]
    plain = {  # all of a size measured the same loop: any of them will do
        (row["cell"]["resolution_px"], row["cell"]["batch_size"]): row["reference_seconds"]["median"]
        for row in rows
        if row["reference_seconds"]
    }
    lines = [f"Measured on {found['date']}: {versions}; {found['matmul_tflops']:.3g} TFLOP/s in bf16.", ""]
    lines += [f"| {' | '.join(_HEADINGS)} |", f"|{'---|' * len(_HEADINGS)}"]
    return "\n".join([*lines, *(_line(row, plain) for row in rows)])


def _line(row: Mapping[str, Any], plain: Mapping[tuple[int, int], float]) -> str:
    cell, peak = row["cell"], row["whole_run_peak"]
    start = [cell["lane"], str(cell["resolution_px"]), str(cell["batch_size"])]
    under = f"{row['cap_gb']:g} GB: {'held' if row['cap_held'] else 'not held'}" if row["cap_gb"] else ""
    if row["problem"] or not row["seconds"]:
        return f"| {' | '.join([*start, row['problem'], *[''] * 6, under, ''])} |"
    seconds = row["seconds"]["median"]
    # Beside its own reference, measured in turns with it; under a cap there was none, so another row's stands for it.
    own = row["reference_seconds"]
    reference = own["median"] if own else plain.get((cell["resolution_px"], cell["batch_size"]))
    times = row["speed_up"]["median"] if own else reference / seconds if reference else None
    values = [
        *start,
        f"{seconds:.3g}",
        f"{row['floor_s'] / seconds:.0%}",
        f"{reference:.3g}" if reference else "",
        f"{times:.2f}" if times else "",
        f"{peak['allocated'] / 1e9:.3g}",
        f"{row['step_peak']['allocated'] / 1e9:.3g}",
        f"{peak['system'] / 1e9:.3g}" if peak["reserved"] is not None else "",  # a CPU has no driver to ask
        under,
        f"{row['predicted_bytes'] / 1e9:.3g}",
    ]
    return f"| {' | '.join(values)} |"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.table", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--size", choices=SIZES, default="full", help="Z-Image's real shapes, or smaller ones")
    parser.add_argument("--lanes", type=lane_names, default=list(LANES), help=f"all, or some of {','.join(LANES)}")
    parser.add_argument("--resolutions", type=numbers, default=_RESOLUTIONS, help="pixels of a side")
    parser.add_argument("--batches", type=numbers, default=_BATCHES, help="photos per step")
    parser.add_argument("--rank", type=int, default=64, help="the LoRA's rank (default: 64)")
    parser.add_argument("--text-tokens", type=int, default=96, help="tokens of the caption (default: 96)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds in which both take turns (default: 5)")
    parser.add_argument("--steps", type=int, default=4, help="steps in a round (default: 4)")
    parser.add_argument("--device", help="cuda or cpu (default: cuda if there is one)")
    parser.add_argument("--json", type=Path, default=Path("bench_table.json"), help="the file of all numbers")
    return parser


if __name__ == "__main__":
    sys.exit(main())
