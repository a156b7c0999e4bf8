"""The profile: every operation counts once, under what it is for."""

from __future__ import annotations

import pytest
import torch

from bench.profile import by_kind, kind_of, main, parts_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("aten::mm", "products"), ("aten::_int_mm", "products"), ("aten::addmm_", "products"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu_backward", "attention"), ("aten::_fused_adamw_", "update"),
        ("bitsandbytes::optimizer_update_8bit_blockwise", "update"), ("bitsandbytes::quantize_blockwise", "update"),
        ("bitsandbytes::dequantize_4bit", "quantise"), ("aten::round_", "quantise"), ("aten::copy_", "copies"),
        ("aten::mul_", "elementwise"), ("aten::view", "bookkeeping"), ("aten::matmul", "bookkeeping"),
    ],
)  # fmt: skip
def test_an_operation_is_counted_under_what_it_is_for(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_kinds_add_up_to_all_operations_of_one_step() -> None:
    operations = [("aten::mm", 6, 300.0), ("aten::addmm", 2, 100.0), ("aten::mul", 4, 50.0), ("aten::view", 20, 10.0)]
    parts = by_kind(operations, num_steps=2)
    assert [(part.kind, part.num, part.seconds) for part in parts] == [
        ("products", 4, pytest.approx(2e-4)), ("elementwise", 2, pytest.approx(2.5e-5)),
        ("bookkeeping", 10, pytest.approx(5e-6)),
    ]  # fmt: skip


def test_what_a_step_multiplies_and_where_it_waits_is_found() -> None:
    left, right = torch.ones(64, 64), torch.ones(64, 64)
    parts, num_waits = parts_of(lambda: (left @ right @ right).sum().item(), torch.device("cpu"))
    assert {part.kind: part.num for part in parts}["products"] >= 2 and num_waits == 1


def test_a_table_is_printed_for_the_plain_loop_and_for_each_lane(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--size", "tiny", "--resolution", "64", "--lanes", "bf16", "--rank", "4"]) == 0
    said = capsys.readouterr().out
    assert "the plain loop: " in said and "bf16: " in said and said.count("| products |") == 2
