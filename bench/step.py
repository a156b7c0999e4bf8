"""How fast the product trains and how much memory that takes, beside a plain loop, in one command:

    python -m bench.step                       the pocket model, on any machine
    python -m bench.step --size full --lanes all --resolutions 512,768,1024 --json out.json     on a CUDA card

The step measured is the product's own (`open_session`, `train_step`) on photos of noise.
"""

from __future__ import annotations

import argparse
import itertools
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from . import report
from .contests import measure, measure_reference
from .lanes import LANES, lane_names, numbers
from .machine import describe, device_of, matmul_rate
from .memory import Peak, used_before_cuda
from .models import SIZES, model_of
from .sides import Cell, Settings

_RESOLUTIONS = {"tiny": [64], "pocket": [128], "full": [512, 768, 1024]}
MATMUL_ROWS = {"cuda": 8192, "cpu": 1024}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every combination, print the table row by row, and write JSON if asked to."""
    chosen = _parser().parse_args(arguments)
    used_before = used_before_cuda()
    device = device_of(chosen.device)
    model = model_of(chosen.size, device)
    settings = Settings(
        model=model,
        device=device,
        rank=chosen.rank,
        num_text_tokens=chosen.text_tokens,
        num_rounds=chosen.rounds,
        steps_per_round=chosen.steps,
        used_before=used_before,
    )
    dim = model.config["dim"]
    rate = matmul_rate(torch.bfloat16, device, MATMUL_ROWS[device.type], dim, int(dim / 3 * 8))
    head = {
        "command": shlex.join(["python", "-m", "bench.step", *(sys.argv[1:] if arguments is None else arguments)]),
        "machine": describe(device),
        "settings": {name: value for name, value in vars(chosen).items() if name != "json"},
        "matmul_tflops": rate / 1e12,
        "used_before_gb": used_before / 1e9,
    }
    _print_head(head)
    references: dict[tuple[int, int], Peak | None] = {}
    results = []
    for batch_size, resolution_px, lane in itertools.product(
        chosen.batches, chosen.resolutions or _RESOLUTIONS[chosen.size], chosen.lanes
    ):
        cell = Cell(
            lane=lane, lane_settings=dict(LANES[lane]), resolution_px=resolution_px, batch_size=batch_size
        )  # fmt: skip
        size = resolution_px, batch_size
        if size not in references:
            references[size] = measure_reference(cell, settings) if chosen.reference else None
        results.append(measure(cell, settings, rate, references[size]))
        print(report.line(results[-1]), flush=True)
        if chosen.json:  # after every row: a run that is cut short leaves what it has
            report.write_json(chosen.json, head, results)
    return 0


def _print_head(head: dict[str, object]) -> None:
    machine = head["machine"]
    assert isinstance(machine, dict)
    print(head["command"])
    print(", ".join(f"{name} {value}" for name, value in machine.items() if value != ""))
    print(f"matrix products: {head['matmul_tflops']:.3g} TFLOP/s in bf16, measured now\n")
    print(report.header(), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.step", description=(__doc__ or "").split(":")[0])
    parser.add_argument(
        "--size", choices=SIZES, default="pocket", help="the pocket model, Z-Image's real shapes, or tiny ones"
    )
    parser.add_argument("--lanes", type=lane_names, default=list(LANES), help=f"all, or some of {','.join(LANES)}")
    parser.add_argument(
        "--resolutions", type=numbers, help="pixels of a side (default: 128 for pocket, 512,768,1024 for full)"
    )
    parser.add_argument("--batches", type=numbers, default=[1], help="photos per step (default: 1)")
    parser.add_argument("--rank", type=int, default=64, help="the LoRA's rank (default: 64)")
    parser.add_argument("--text-tokens", type=int, default=96, help="tokens of the caption (default: 96)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds in which both take turns (default: 7)")
    parser.add_argument("--steps", type=int, default=4, help="steps in a round (default: 4)")
    parser.add_argument("--device", help="cuda or cpu (default: cuda if there is one)")
    parser.add_argument("--no-reference", dest="reference", action="store_false", help="leave the plain loop out")
    parser.add_argument("--json", type=Path, help="the file for all numbers")
    return parser


if __name__ == "__main__":
    sys.exit(main())
