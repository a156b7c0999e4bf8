"""The README's table: one command, goes on where it was cut short, tells where its figures come from."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.constants import rows_of
from bench.lanes import LANES
from bench.machine import describe, device_of
from bench.memory import own_context
from bench.models import FULL_CONFIG, num_tokens
from bench.table import CAPS_GB, capped, in_markdown, kept_rows, main
from trainer.memory.constants import read_constants
from trainer.memory.costs import ModelShape, Workload, peak_parts
from trainer.memory.fitting import wish
from trainer.memory.lanes import Lane
from trainer.training.config import TrainConfig
from trainer.training.keeping.disk import numbers_learned

SMALL = ["--size=tiny", "--resolutions=64", "--rank=4", "--text-tokens=8", "--rounds=1", "--steps=1", "--device=cpu"]


def test_a_table_that_was_cut_short_goes_on_without_measuring_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "table.json"
    assert main([*SMALL, "--lanes", "bf16", "--batches", "1", "--json", str(path)]) == 0
    (first,) = json.loads(path.read_text(encoding="utf-8"))["rows"]
    capsys.readouterr()
    assert main([*SMALL, "--lanes", "bf16,int8-lean", "--batches", "1", "--json", str(path)]) == 0
    again, second = json.loads(path.read_text(encoding="utf-8"))["rows"]
    assert again == first and second["cell"]["lane"] == "int8-lean"
    for row in (first, second):
        assert_says_what_it_was_planned_from(row)
    printed = capsys.readouterr().out
    assert "stay as they are: the table was measured on a CPU" in printed
    assert "Measured on 20" in printed and "torch" in printed
    rows = [line for line in printed.splitlines() if line.startswith(("| bf16", "| int8"))]
    assert len(rows) == 2 and all(row.count("|") == 13 and "%" in row for row in rows)


def assert_says_what_it_was_planned_from(row: dict[str, Any]) -> None:
    """From a row's numbers alone the planner counts what it counted for the row's run."""
    on_a_card = {**row, "size": "full", "step_peak": {**row["step_peak"], "reserved": 1}}
    (read,) = rows_of({"rows": [on_a_card]})
    constants = read_constants().constants
    assert peak_parts(read.shape, read.work, read.lane, constants, is_cuda=False).total == row["predicted_bytes"]
    assert read.seconds == row["seconds"]["median"] and read.rates.matmul_rate > 0 and read.kind != "native"


def test_another_machine_or_version_begins_a_new_table(tmp_path: Path) -> None:
    path, machine = tmp_path / "table.json", describe(torch.device("cpu"))
    row = {"size": "tiny", "problem": ""}
    path.write_text(json.dumps({"machine": machine, "rows": [row]}), encoding="utf-8")
    assert kept_rows(path, machine, "tiny") == [row]
    assert kept_rows(path, machine, "full") == kept_rows(path, {**machine, "torch": "1.0"}, "tiny") == []


def test_what_could_not_be_measured_stays_empty_with_its_reason() -> None:
    row = {
        "cell": {"lane": "nf4-offload", "resolution_px": 512, "batch_size": 1}, "problem": "out of memory",
        "seconds": None, "reference_seconds": None, "whole_run_peak": None, "cap_gb": 4.5, "cap_held": False,
    }  # fmt: skip
    found = {"machine": {"device": "a card"}, "date": "2026-01-01", "matmul_tflops": 1.0, "rows": [row]}
    last = in_markdown(found).splitlines()[-1]
    assert last == "| nf4-offload | 512 | 1 | out of memory |  |  |  |  |  |  | 4.5 GB: not held |  |"


def test_the_full_size_model_is_refused_without_a_card(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--device", "cpu", "--json", str(tmp_path / "none.json")]) == 1
    assert "CUDA" in capsys.readouterr().out and not (tmp_path / "none.json").exists()


def test_promises_are_made_of_lanes_that_are_measured() -> None:
    assert {lane for lane, _ in CAPS_GB} <= set(LANES)


@pytest.mark.parametrize(("name", "resolution_px"), list(CAPS_GB))
def test_tensors_and_context_of_a_promised_lane_are_counted_within_its_cap(name: str, resolution_px: int) -> None:
    """What lies idle in torch's pool beside them is given back when memory is short."""
    config = TrainConfig(linear_rank=64, training_adapter="none", **LANES[name])  # type: ignore[arg-type]
    wanted, shape = wish(config, FULL_CONFIG["n_layers"]), ModelShape.of(FULL_CONFIG)
    recomputed, offloaded = (
        min(shape.num_blocks, number or 0) for number in (wanted.num_blocks_recomputed, wanted.num_blocks_offloaded)
    )
    lane = Lane(
        precision="bf16" if wanted.quantisation == "none" else str(wanted.quantisation),
        num_blocks_recomputed=recomputed, num_blocks_offloaded=offloaded,
    )  # fmt: skip
    tokens = num_tokens(resolution_px, resolution_px, num_text_tokens=96)
    work = Workload(
        num_tokens=tokens, tokens_each=tokens, num_trained=numbers_learned(FULL_CONFIG, config), optimizer="adam8bit"
    )  # fmt: skip
    constants = dataclasses.replace(read_constants().constants, idle_share=0.0)
    assert peak_parts(shape, work, lane, constants, is_cuda=True).total <= CAPS_GB[name, resolution_px] * 1e9


@pytest.mark.gpu
def test_a_cap_is_enforced_and_taken_off_again() -> None:
    device = device_of(None)
    with capped(device, 1.5, own_context(device, used_before=0)), pytest.raises(torch.cuda.OutOfMemoryError):
        torch.empty(1_200_000_000, dtype=torch.uint8, device=device)
    torch.empty(1_200_000_000, dtype=torch.uint8, device=device)
