"""The README's table: one command, goes on where it was cut short, tells where its figures come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from bench.lanes import LANES
from bench.machine import describe
from bench.table import CAPS_GB, capped, in_markdown, kept_rows, main

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
    printed = capsys.readouterr().out
    assert "Measured on 20" in printed and "torch" in printed
    rows = [line for line in printed.splitlines() if line.startswith(("| bf16", "| int8"))]
    assert len(rows) == 2 and all(row.count("|") == 12 and "%" in row for row in rows)


def test_another_machine_or_version_begins_a_new_table(tmp_path: Path) -> None:
    path, machine = tmp_path / "table.json", describe(torch.device("cpu"))
    row = {"size": "tiny", "problem": ""}
    path.write_text(json.dumps({"machine": machine, "rows": [row]}), encoding="utf-8")
    assert kept_rows(path, machine, "tiny") == [row]
    assert kept_rows(path, machine, "full") == kept_rows(path, {**machine, "torch": "1.0"}, "tiny") == []


def test_what_could_not_be_measured_stays_empty_with_its_reason() -> None:
    row = {
        "cell": {"lane": "nf4-offload", "resolution_px": 512, "batch_size": 1}, "problem": "out of memory",
        "seconds": None, "reference_seconds": None, "whole_run_peak": None, "cap_gb": 4.5,
    }  # fmt: skip
    found = {"machine": {"device": "a card"}, "date": "2026-01-01", "matmul_tflops": 1.0, "rows": [row]}
    last = in_markdown(found).splitlines()[-1]
    assert last == "| nf4-offload | 512 | 1 | out of memory |  |  |  |  |  | 4.5 GB |  |"


def test_the_full_size_model_is_refused_without_a_card(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--device", "cpu", "--json", str(tmp_path / "none.json")]) == 1
    assert "CUDA" in capsys.readouterr().out and not (tmp_path / "none.json").exists()


def test_promises_are_made_of_lanes_that_are_measured() -> None:
    assert {lane for lane, _ in CAPS_GB} <= set(LANES)


@pytest.mark.gpu
def test_a_cap_is_enforced_and_taken_off_again() -> None:
    device = torch.device("cuda")
    with capped(device, 1.5), pytest.raises(torch.cuda.OutOfMemoryError):
        torch.empty(1_200_000_000, dtype=torch.uint8, device=device)
    torch.empty(1_200_000_000, dtype=torch.uint8, device=device)
