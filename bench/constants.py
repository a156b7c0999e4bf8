"""The planner's constants from a measured table, in one command:

    python -m bench.table                          measures, on a CUDA card, and writes bench_table.json
    python -m bench.constants bench_table.json     puts what the table tells into trainer/memory/constants.json

A step's predicted seconds are a sum in which most constants stand once each, so least squares over the rows' seconds
give these; shares and the driver's part are medians. Each row counts by its relative error. What a table cannot tell
stays as it is, and a table that cannot tell the first of them is refused with the reason.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainer.memory.constants import CONSTANTS_PATH, Constants, Shipped, read_constants, write_constants
from trainer.memory.costs import ModelShape, Rates, Workload, copied_bytes, peak_parts, step_seconds
from trainer.memory.lanes import Lane

_ALWAYS = ("dense_factor", "step_overhead_s")
_OF_KIND: Mapping[str, tuple[str, ...]] = {
    "dense": (),
    "native": ("native_factor", "native_bytes"),
    "unpacked": ("unpacked_bytes",),
    "nf4": ("nf4_bytes",),
}
"""The constants of a step's seconds, by the kind of its products."""
_LEAST_ROWS, _LEAST_SIZES = 4, 2
_WAITS = 1.1
"""A step that lasts so many times its computing waits for copies."""
_DIGITS = 4
_COMPILED, _CELL = "-compiled", ("lane", "resolution_px", "batch_size")
_MACHINE = ("device", "driver", "cuda", "torch", "bitsandbytes", "commit")


class Refused(ValueError):
    """Why a table cannot tell the constants."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured cell: what was trained, on what, and what it came to."""

    name: str
    shape: ModelShape
    work: Workload
    lane: Lane
    rates: Rates
    seconds: float
    allocated: int
    """Peak bytes of tensors."""
    reserved: int
    """Peak bytes of torch's pool."""
    system: int
    """Peak bytes as the driver sees it, the context included."""

    @property
    def kind(self) -> str:
        """How it multiplies: dense, native, unpacked or nf4."""
        if self.lane.precision in self.rates.native:
            return "native"
        return {"float8": "unpacked", "int8": "unpacked", "nf4": "nf4"}.get(self.lane.precision, "dense")

    def seconds_by(self, constants: Constants) -> float:
        """What the planner would have said of a step."""
        return step_seconds(self.shape, self.work, self.lane, self.rates, constants)

    def peak_by(self, constants: Constants) -> int:
        """What it would have said of the peak that the driver sees."""
        return peak_parts(self.shape, self.work, self.lane, constants, is_cuda=True).total

    def tensors_by(self, constants: Constants) -> int:
        """What it would have said of the peak of the tensors alone."""
        packed = dataclasses.replace(constants, idle_share=0.0)
        return self.peak_by(packed) - constants.context_bytes


def rows_of(found: Mapping[str, Any]) -> list[Row]:
    """The rows of a table's JSON that tell something. Raises Refused for a table of a CPU or of a small model."""
    measured = [row for row in found["rows"] if row["seconds"] and row["rates"]]
    if any(row["step_peak"]["reserved"] is None for row in measured):
        raise Refused("the table was measured on a CPU; the planner's constants are those of CUDA cards")
    if small := sorted({row["size"] for row in measured if row["size"] != "full"}):
        raise Refused(f"the table was measured on a small model ({', '.join(small)}); only --size full tells them")
    return [_row(row) for row in measured if row["cell"]["lane_settings"].get("compile", "off") == "off"]


def _row(row: Mapping[str, Any]) -> Row:
    cell, peak = row["cell"], row["step_peak"]
    return Row(
        name=f"{cell['lane']}, {cell['resolution_px']} px, {cell['batch_size']}",
        shape=ModelShape(**row["shape"]),
        work=Workload(**row["work"]),
        lane=Lane(**row["lane"]),
        rates=Rates(**{**row["rates"], "native": tuple(row["rates"]["native"])}),
        seconds=row["seconds"]["median"],
        allocated=peak["allocated"],
        reserved=peak["reserved"],
        system=peak["system"],
    )


def derive(rows: Sequence[Row], known: Constants) -> dict[str, float]:
    """The constants that the rows tell, by name, those of `known` taken for all others.

    Raises Refused where the rows are too few, or tell what no card can give.
    """
    found = _of_seconds([row for row in rows if not row.lane.num_blocks_offloaded], known)
    now = _replaced(known, found)
    if shares := [share for row in rows if (share := _copy_share(row, now))]:
        found["copy_share"] = statistics.median(shares)
    found["idle_share"] = statistics.median(max(0.0, row.reserved / row.allocated - 1) for row in rows)
    found["context_bytes"] = int(statistics.median(row.system - row.reserved for row in rows))
    found = {name: value if isinstance(value, int) else float(f"{value:.{_DIGITS}g}") for name, value in found.items()}
    _replaced(known, found)
    return found


def _of_seconds(rows: Sequence[Row], known: Constants) -> dict[str, float]:
    """Those that stand in the seconds of steps which wait for no copies, by weighted least squares, none below 0."""
    sizes: dict[str, set[int]] = {kind: set() for kind in _OF_KIND}
    for row in rows:
        sizes[row.kind].add(row.work.num_tokens)
    num_dense = sum(row.kind == "dense" for row in rows)
    if num_dense < _LEAST_ROWS or len(sizes["dense"]) < _LEAST_SIZES:
        raise Refused(
            f"the table has {num_dense} measured rows of {len(sizes['dense'])} sizes in bf16 without offload; "
            f"{_LEAST_ROWS} rows of {_LEAST_SIZES} sizes are the least"
        )
    kinds = [kind for kind in _OF_KIND if len(sizes[kind]) >= _LEAST_SIZES]
    rows = [row for row in rows if row.kind in kinds]
    names = [*_ALWAYS, *(name for kind in kinds for name in _OF_KIND[kind])]
    shares = np.array([[_seconds_each(row, name, known) / row.seconds for name in names] for row in rows])
    free = list(range(len(names)))
    values = np.zeros(len(names))
    while free:
        values[free] = np.linalg.lstsq(shares[:, free], np.ones(len(rows)), rcond=None)[0]
        if all(values[index] >= 0 for index in free):
            break
        worst = min(free, key=lambda index: values[index])
        free.remove(worst)
        values[worst] = 0.0
    return dict(zip(names, values.tolist()))


def _seconds_each(row: Row, name: str, known: Constants) -> float:
    """How many seconds one unit of a constant adds to a step: the seconds are linear in each of them."""
    step = 0.125
    more = dataclasses.replace(known, **{name: getattr(known, name) + step})
    return (row.seconds_by(more) - row.seconds_by(known)) / step


def _copy_share(row: Row, constants: Constants) -> float | None:
    """The share of the copying rate that a step reached which waited for copies; None for one that did not."""
    copied = row.work.num_passes * copied_bytes(row.shape, row.lane)
    at_once = dataclasses.replace(row.rates, copy_rate=float("inf"))
    computing_s = step_seconds(row.shape, row.work, row.lane, at_once, constants)
    return copied / (row.rates.copy_rate * row.seconds) if copied and row.seconds > _WAITS * computing_s else None


def _replaced(known: Constants, found: Mapping[str, float]) -> Constants:
    try:
        return dataclasses.replace(known, **found)  # type: ignore[arg-type]
    except ValueError as error:
        raise Refused(f"the table tells what no card can give: {error}") from error


def report(rows: Sequence[Row], before: Constants, found: Mapping[str, float]) -> str:
    """The constants before and after, and how far each row's prediction lies from what was measured, by both."""
    after = _replaced(before, found)
    lines = ["| constant | before | after |", "|---|---|---|"]
    for name, old in dataclasses.asdict(before).items():
        lines.append(f"| {name} | {old:g} | {f'{found[name]:g}' if name in found else 'not told by this table'} |")
    lines += ["", "| row | s/step | before | after | peak GB: driver | before | after | peak GB: tensors | counted |"]
    lines.append(f"|{'---|' * 9}")
    for row in rows:
        seconds = [_off(row.seconds_by(constants), row.seconds) for constants in (before, after)]
        peaks = [_off(row.peak_by(constants), row.system) for constants in (before, after)]
        cells = [row.name, f"{row.seconds:.3g}", *seconds, f"{row.system / 1e9:.3g}", *peaks]
        cells += [f"{row.allocated / 1e9:.3g}", _off(row.tensors_by(before), row.allocated)]
        lines.append(f"| {' | '.join(cells)} |")
    judged: dict[str, tuple[Callable[[Row], float], Callable[[Row], float]]] = {
        "seconds before": (lambda row: row.seconds_by(before), lambda row: row.seconds),
        "seconds after": (lambda row: row.seconds_by(after), lambda row: row.seconds),
        "driver's peak before": (lambda row: row.peak_by(before), lambda row: row.system),
        "driver's peak after": (lambda row: row.peak_by(after), lambda row: row.system),
        "tensors as counted": (lambda row: row.tensors_by(before), lambda row: row.allocated),
    }
    lines.append("")
    for name, (predicted, measured) in judged.items():
        errors = sorted((abs(predicted(row) / measured(row) - 1), row.name) for row in rows)
        middle = statistics.median(error for error, _ in errors)
        lines.append(f"{name}: off by {middle:.1%} in the median, {errors[-1][0]:.1%} at most ({errors[-1][1]})")
    return "\n".join(lines)


def _off(predicted: float, measured: float) -> str:
    return f"{predicted / measured - 1:+.1%}"


def of_compiling(found: Mapping[str, Any]) -> str:
    """What compiled blocks saved in each row that has them, and how long compiling took; empty without such rows.

    For people: whether blocks are compiled unasked rests on these two numbers.
    """
    seconds = {tuple(row["cell"][name] for name in _CELL): row["seconds"] for row in found["rows"] if row["seconds"]}
    lines = []
    for row in found["rows"]:
        name, *size = (row["cell"][name] for name in _CELL)
        plain = seconds.get((name.removesuffix(_COMPILED), *size))
        took = [told["values"]["seconds"] for told in row.get("told", ()) if told["key"] == "memory.compile_on"]
        if name.endswith(_COMPILED) and took and plain:
            ours_s, plain_s = row["seconds"]["median"], plain["median"]
            saved = f"{ours_s:.3g} instead of {plain_s:.3g} s per step ({1 - ours_s / plain_s:.0%} saved)"
            lines.append(f"{name}, {size[0]} px, {size[1]}: {saved}, compiled in {took[0]} s")
    return "\n\n" + "\n".join(lines) if lines else ""


def told_by(found: Mapping[str, Any]) -> str:
    """What a table tells of the constants, or the sentence that says why it tells nothing."""
    known = read_constants().constants
    try:
        rows = rows_of(found)
        return report(rows, known, derive(rows, known))
    except Refused as reason:
        return f"The planner's constants stay as they are: {reason}."


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the constants that a table tells, and print them."""
    parser = argparse.ArgumentParser(prog="python -m bench.constants", description=(__doc__ or "").split(",")[0])
    parser.add_argument("table", type=Path, help="the JSON file that python -m bench.table wrote")
    parser.add_argument("--out", type=Path, default=CONSTANTS_PATH, help="where they go (default: into the product)")
    chosen = parser.parse_args(arguments)
    found, known = json.loads(chosen.table.read_text(encoding="utf-8")), read_constants()
    try:
        rows = rows_of(found)
        told = derive(rows, known.constants)
    except Refused as reason:
        print(f"Nothing was written: {reason}.")
        return 1
    source = {
        "constants": list(told),
        **{name: found["machine"].get(name, "") for name in _MACHINE},
        "date": found["date"],
        "command": f"python -m bench.constants {chosen.table.name}",
        "num_rows": len(rows),
    }
    earlier = [{**old, "constants": [name for name in old["constants"] if name not in told]} for old in known.sources]
    kept = [old for old in earlier if old["constants"]]
    write_constants(Shipped(constants=_replaced(known.constants, told), sources=(*kept, source)), chosen.out)
    print(report(rows, known.constants, told))
    print(f"\nWritten to {chosen.out}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
