"""The planner's constants: what made a table is found again from it, and tables that cannot tell are refused."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.constants import Refused, Row, derive, main, rows_of
from bench.lanes import LANES
from bench.models import FULL_CONFIG
from trainer.memory.constants import CONSTANTS_PATH, NAMES, Constants, read_constants
from trainer.memory.costs import ModelShape, Rates, Workload, peak_parts, step_seconds
from trainer.memory.lanes import Lane

SHAPE = ModelShape.of(FULL_CONFIG)
SHIPPED = read_constants().constants
NATIVE, UNPACKING = ("float8", "int8"), ()
TOLD_BY_A_NEW_CARD = set(NAMES) - {"unpacked_bytes"}


def drawn(seed: int) -> Constants:
    """Constants as a card might have them."""
    chance = random.Random(seed)
    return Constants(
        dense_factor=chance.uniform(1.1, 2.5), native_factor=chance.uniform(0.6, 2.0),
        native_bytes=chance.uniform(1, 6), unpacked_bytes=chance.uniform(3, 12), nf4_bytes=chance.uniform(3, 12),
        step_overhead_s=chance.uniform(0.005, 0.05), copy_share=chance.uniform(0.5, 1.0),
        idle_share=chance.uniform(0.01, 0.1), context_bytes=chance.randrange(300_000_000, 700_000_000),
    )  # fmt: skip


def table(true: Constants, noise: float = 0.0, seed: int = 0, native: tuple[str, ...] = NATIVE) -> dict[str, Any]:
    """What `bench.table` would write on a card with such constants, its figures scattered by `noise`."""
    chance = random.Random(seed)
    rates = Rates(matmul_rate=7e14, memory_rate=3e12, copy_rate=2e10, native=native)
    rows = [
        measured(name, lane, px, batch, rates, true, lambda: 1 + chance.gauss(0, noise))
        for name, lane in lanes()
        for px in (512, 768, 1024)
        for batch in (1, 4)
    ]
    machine = {"device": "a card", "driver": "1", "cuda": "13", "torch": "2", "bitsandbytes": "0", "commit": "abc"}
    return {"machine": machine, "date": "2026-01-01", "rows": rows}


def lanes() -> Iterator[tuple[str, Lane]]:
    for name, settings in LANES.items():
        if settings["lane"] == "manual":
            quantisation = str(settings["quantization_transformer"])
            recomputed, offloaded = (min(30, int(str(settings[f"{part}_blocks"]))) for part in ("recompute", "offload"))
            yield name, Lane(
                precision="bf16" if quantisation == "none" else quantisation,
                num_blocks_recomputed=recomputed, num_blocks_offloaded=offloaded,
            )  # fmt: skip


def measured(name: str, lane: Lane, px: int, batch: int, rates: Rates, true: Constants, noise: Any) -> dict[str, Any]:
    tokens = (px // 16) ** 2 + 96
    work = Workload(
        num_tokens=batch * tokens, tokens_each=tokens, num_trained=170_065_920, optimizer="adam8bit"
    )  # fmt: skip
    tensors = peak_parts(SHAPE, work, lane, dataclasses.replace(true, idle_share=0.0), is_cuda=True)
    allocated = (tensors.total - tensors.context) * noise()
    reserved = allocated * (1 + true.idle_share)
    cell = {"lane": name, "lane_settings": dict(LANES[name]), "resolution_px": px, "batch_size": batch}
    row = {
        "cell": cell, "size": "full", "lane": dataclasses.asdict(lane), "shape": dataclasses.asdict(SHAPE),
        "work": dataclasses.asdict(work), "rates": dataclasses.asdict(rates),
        "seconds": {"median": step_seconds(SHAPE, work, lane, rates, true) * noise()},
        "step_peak": {"allocated": allocated, "reserved": reserved, "system": reserved + true.context_bytes},
    }  # fmt: skip
    return dict(json.loads(json.dumps(row)))


def worst(rows: list[Row], constants: Constants, true: Constants) -> float:
    """By how much the planner would be wrong at most, of the durations without noise."""
    return max(abs(row.seconds_by(constants) / row.seconds_by(true) - 1) for row in rows)


@pytest.mark.parametrize("seed", range(5))
def test_the_constants_that_made_a_table_are_found_again(seed: int) -> None:
    true = drawn(seed)
    found = derive(rows_of(table(true)), SHIPPED)
    assert found.keys() == TOLD_BY_A_NEW_CARD
    assert found == pytest.approx({name: getattr(true, name) for name in found}, rel=2e-3)
    older = derive(rows_of(table(true, native=UNPACKING)), SHIPPED)
    assert older.keys() == set(NAMES) - {"native_factor", "native_bytes"}
    assert older == pytest.approx({name: getattr(true, name) for name in older}, rel=2e-3)


@pytest.mark.parametrize("seed", range(10))
def test_from_figures_with_noise_of_2_percent_durations_are_predicted_within_5(seed: int) -> None:
    true = drawn(seed)
    rows = rows_of(table(true, noise=0.02, seed=seed))
    found = derive(rows, SHIPPED)
    after = dataclasses.replace(SHIPPED, **found)  # type: ignore[arg-type]
    assert worst(rows, after, true) < 0.05 < worst(rows, SHIPPED, true)
    for name, share in {"dense_factor": 0.03, "native_factor": 0.05, "copy_share": 0.03, "idle_share": 0.01}.items():
        assert found[name] == pytest.approx(getattr(true, name), rel=share), name


def test_every_constant_of_a_table_without_offload_stays_but_for_those_it_tells() -> None:
    rows = [row for row in rows_of(table(drawn(1))) if row.kind == "dense" and not row.lane.num_blocks_offloaded]
    assert derive(rows, SHIPPED).keys() == {"dense_factor", "step_overhead_s", "idle_share", "context_bytes"}


def without_seconds(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "rows": [{**row, "seconds": None} for row in found["rows"]]}


def on_a_cpu(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "rows": [{**row, "step_peak": {**row["step_peak"], "reserved": None}} for row in found["rows"]]}


def of_one_size(found: dict[str, Any]) -> dict[str, Any]:
    return {
        **found,
        "rows": [r for r in found["rows"] if r["cell"]["resolution_px"] == 512 == 512 * r["cell"]["batch_size"]],
    }


def of_the_pocket(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "rows": [{**row, "size": "pocket"} for row in found["rows"]]}


def impossible(found: dict[str, Any]) -> dict[str, Any]:
    rows = [{**row, "step_peak": {**row["step_peak"], "system": 9e10}} for row in found["rows"]]
    return {**found, "rows": rows}


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        (without_seconds, "0 measured rows"), (on_a_cpu, "measured on a CPU"), (of_one_size, "of 1 sizes"),
        (of_the_pocket, "small model"), (impossible, "context_bytes"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_tell_is_refused_and_nothing_is_written(
    spoilt: Any, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "bench_table.json", tmp_path / "constants.json"
    found = spoilt(table(SHIPPED))
    path.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(Refused, match=reason):
        derive(rows_of(found), SHIPPED)
    assert main([str(path), "--out", str(out)]) == 1
    assert reason in capsys.readouterr().out and not out.exists()


def test_one_command_writes_what_a_table_tells_and_where_it_was_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out, true = tmp_path / "bench_table.json", tmp_path / "constants.json", drawn(3)
    path.write_text(json.dumps(table(true)), encoding="utf-8")
    shipped = CONSTANTS_PATH.read_bytes()
    assert main([str(path), "--out", str(out)]) == 0
    assert CONSTANTS_PATH.read_bytes() == shipped
    written = read_constants(out)
    assert written.constants.dense_factor == pytest.approx(true.dense_factor, rel=1e-3)
    assert written.counted == ("unpacked_bytes",)
    (source,) = written.sources
    assert source["device"] == "a card" and source["num_rows"] == 66 and "bench.constants" in source["command"]
    printed = capsys.readouterr().out
    assert "not told by this table" in printed
    errors = [line for line in printed.splitlines() if line.startswith("seconds ")]
    before, after = (float(line.split("off by ")[1].split("%")[0]) for line in errors)
    assert after < 0.1 < before


def test_the_rows_rates_decide_how_a_lane_multiplies() -> None:
    kinds = {row.lane.precision: row.kind for row in rows_of(table(SHIPPED, native=("int8",)))}
    assert kinds == {"bf16": "dense", "float8": "unpacked", "int8": "native", "nf4": "nf4"}
