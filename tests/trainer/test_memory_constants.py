"""The planner's constants: the shipped file is whole, nonsense is refused, and plans follow the numbers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.packing import REPOSITORY, packed_files
from trainer.memory import device
from trainer.memory.constants import CONSTANTS_PATH, NAMES, Constants, Shipped, read_constants, write_constants
from trainer.memory.costs import ModelShape, Rates, Workload, peak_parts, step_seconds
from trainer.memory.lanes import Lane
from trainer.memory.planner import Machine, Plan, Wish, make_plan
from trainer.messages import UserError

GB = 1_000_000_000
FULL = ModelShape(dim=3840, num_blocks=30, num_refiners=2, num_heads=30, text_width=2560)
WORK = Workload(num_tokens=1088, tokens_each=1088, num_trained=170_065_920, optimizer="adam8bit")
RATES = Rates(matmul_rate=1e14, memory_rate=1e12, copy_rate=2e10, native=("float8",))
SHIPPED = read_constants()


def plan(constants: Constants, free_gb: float = 15.2) -> Plan:
    machine = Machine(
        is_cuda=True, total_bytes=24 * GB, free_bytes=int(free_gb * GB), host_free_bytes=32 * GB, rates=RATES,
        constants=constants,
    )  # fmt: skip
    return make_plan(FULL, WORK, machine, Wish(precision="bf16"))


def with_(**changed: Any) -> Constants:
    return dataclasses.replace(SHIPPED.constants, **changed)


def test_the_shipped_file_says_of_every_number_where_it_comes_from() -> None:
    measured = [name for source in SHIPPED.sources for name in source["constants"]]
    assert len(measured) == len(set(measured))
    assert {*measured, *SHIPPED.counted} == set(NAMES)
    for source in SHIPPED.sources:
        assert source.keys() >= {"device", "driver", "torch", "date", "command", "num_rows"}


def test_the_file_is_shipped() -> None:
    assert CONSTANTS_PATH.relative_to(REPOSITORY).as_posix() in packed_files()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    source = {"constants": ["idle_share"], "device": "a card", "date": "2026-01-01"}
    shipped = Shipped(constants=with_(idle_share=0.04), sources=(source,))
    write_constants(shipped, tmp_path / "constants.json")
    assert read_constants(tmp_path / "constants.json") == shipped
    assert "idle_share" not in shipped.counted and len(shipped.counted) == len(NAMES) - 1
    write_constants(SHIPPED, tmp_path / "constants.json")
    assert (tmp_path / "constants.json").read_bytes() == CONSTANTS_PATH.read_bytes().replace(b"\r\n", b"\n")


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda found: found["constants"].update(speed=1), "speed"),
        (lambda found: found["constants"].pop("nf4_bytes"), "nf4_bytes"),
        (lambda found: found["constants"].update(dense_factor="1.8"), "dense_factor"),
        (lambda found: found["constants"].update(dense_factor=-1), "dense_factor"),
        (lambda found: found["constants"].update(idle_share=float("nan")), "idle_share"),
        (lambda found: found["constants"].update(step_overhead_s=True), "step_overhead_s"),
        (lambda found: found["constants"].update(context_bytes=0.5), "context_bytes"),
        (lambda found: found.update(constants=[1.8]), "constants"),
        (lambda found: found.update(comment="mine"), "comment"),
        (lambda found: found.update(sources=[{"constants": ["speed"]}]), "speed"),
        (lambda found: found.update(sources=[{"device": "a card"}]), "constants"),
    ],
)
def test_a_file_with_anything_else_is_refused_by_name(spoil: Any, named: str, tmp_path: Path) -> None:
    path = tmp_path / "constants.json"
    found = json.loads(CONSTANTS_PATH.read_text(encoding="utf-8"))
    spoil(found)
    path.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(UserError, match=named) as refused:
        read_constants(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7"])
def test_a_file_that_is_no_such_json_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "constants.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="constants.json"):
        read_constants(path)
    with pytest.raises(UserError, match="gone.json"):
        read_constants(tmp_path / "gone.json")


def test_plans_follow_the_numbers() -> None:
    usual = plan(SHIPPED.constants)
    quick, slow = (plan(constants, 23).seconds_per_step for constants in (SHIPPED.constants, with_(dense_factor=3.6)))
    assert slow > 1.8 * quick
    assert plan(with_(step_overhead_s=0.5)).seconds_per_step > usual.seconds_per_step + 0.4
    more_idle, larger_context = plan(with_(idle_share=0.2)), plan(with_(context_bytes=2 * GB))
    assert more_idle.lane.num_blocks_offloaded > usual.lane.num_blocks_offloaded
    assert larger_context.peak.context == 2 * GB and larger_context.peak.total <= larger_context.usable_bytes
    # A bus that offloaded blocks hardly get anything of makes packing better than fetching.
    assert plan(with_(copy_share=1.0), 9.5).lane.num_blocks_offloaded > 0
    packed = plan(with_(copy_share=0.1), 9.5).lane
    assert packed.precision == "int8" and packed.num_blocks_offloaded == 0


def test_each_constant_counts_only_where_it_is_meant() -> None:
    lanes = {name: Lane(precision=name, num_blocks_recomputed=30) for name in ("bf16", "float8", "int8", "nf4")}
    lanes["offloaded"] = Lane(precision="bf16", num_blocks_recomputed=30, num_blocks_offloaded=30)
    slow_bus = dataclasses.replace(RATES, copy_rate=1e9)

    def changed_by(name: str) -> set[str]:
        value = getattr(SHIPPED.constants, name) / 2
        changed = with_(**{name: type(getattr(SHIPPED.constants, name))(value)})
        return {
            lane
            for lane, which in lanes.items()
            if step_seconds(FULL, WORK, which, slow_bus, changed)
            != step_seconds(FULL, WORK, which, slow_bus, SHIPPED.constants)
        }

    assert changed_by("dense_factor") == {"bf16", "int8", "nf4"}
    assert changed_by("native_factor") == changed_by("native_bytes") == {"float8"}
    assert changed_by("unpacked_bytes") == {"int8"} and changed_by("nf4_bytes") == {"nf4"}
    assert changed_by("step_overhead_s") == {"bf16", "float8", "int8", "nf4"}
    assert changed_by("copy_share") == {"offloaded"}
    assert changed_by("idle_share") == changed_by("context_bytes") == set()


def test_a_cpu_has_neither_an_idle_pool_nor_a_context() -> None:
    peaks = {
        peak_parts(FULL, WORK, Lane(precision="bf16"), constants, is_cuda=False).total
        for constants in (SHIPPED.constants, with_(idle_share=0.5, context_bytes=GB))
    }
    assert len(peaks) == 1


def test_a_machine_brings_the_shipped_constants() -> None:
    machine = device.read_machine(torch.device("cpu"), torch.bfloat16)
    assert machine.constants == SHIPPED.constants and machine.rates.native == ()
