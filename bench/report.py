"""What was measured, as a table in Markdown and as JSON. Measures nothing."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from .contests import Result, Spread
from .memory import Peak

_HEADINGS = (
    "lane", "px", "batch", "s/step", "tokens/s", "of the floor", "plain loop s/step", "times as fast",
    "peak GB: torch / pool / system", "planned GB", "plain loop's peak GB",
)  # fmt: skip


def header() -> str:
    """The table's first two lines."""
    return f"| {' | '.join(_HEADINGS)} |\n|{'---|' * len(_HEADINGS)}"


def line(result: Result) -> str:
    """One row of the table."""
    cell = result.cell
    start = [cell.lane, str(cell.resolution_px), str(cell.batch_size)]
    if result.problem or result.seconds is None:
        return f"| {' | '.join([*start, result.problem, *[''] * (len(_HEADINGS) - 4)])} |"
    if cell.lane not in result.plan:
        start[0] += f" ({result.plan})"
    values = [
        *start,
        _seconds(result.seconds),
        f"{result.num_tokens / result.seconds.median:.0f}",
        f"{result.floor_s / result.seconds.median:.0%}",
        _seconds(result.reference_seconds),
        _times(result.speed_up) + ("" if result.interleaved else " (one after the other)"),
        _peaks(whole_run(result)),
        _predicted(result),
        _peaks(result.reference_peak),
    ]
    return f"| {' | '.join(values)} |"


def whole_run(result: Result) -> Peak | None:
    """The higher of the two peaks, loading and stepping, number by number."""
    loading, stepping = result.loading_peak, result.step_peak
    if loading is None or stepping is None:
        return None
    reserved = [peak.reserved for peak in (loading, stepping) if peak.reserved is not None]
    return Peak(
        allocated=max(loading.allocated, stepping.allocated),
        reserved=max(reserved, default=None),
        system=max(loading.system, stepping.system),
    )


def write_json(path: Path, head: Mapping[str, object], results: Iterable[Result]) -> None:
    """Everything, every round's seconds included."""
    rows = [dataclasses.asdict(result) for result in results]
    path.write_text(json.dumps({**head, "rows": rows}, indent=1), encoding="utf-8")


def _seconds(spread: Spread | None) -> str:
    return f"{spread.median:.4g} ({spread.low:.4g} to {spread.high:.4g})" if spread else ""


def _times(spread: Spread | None) -> str:
    return f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})" if spread else ""


def _peaks(peak: Peak | None) -> str:
    if peak is None:
        return ""
    return " / ".join("-" if value is None else f"{value / 1e9:.3g}" for value in dataclasses.astuple(peak))


def _predicted(result: Result) -> str:
    """The plan's peak and how far it lies from the measured one: on CUDA the driver's, else that of the tensors."""
    if result.step_peak is None:
        return ""
    peak = result.step_peak
    measured = peak.allocated if peak.reserved is None else peak.system
    return f"{result.predicted_bytes / 1e9:.3g} ({result.predicted_bytes / measured - 1:+.0%})"
