"""The measurements: they count what they say they count, and one command measures everything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.contests import Spread
from bench.memory import highest_sum, watched
from bench.models import FULL_CONFIG, TINY_CONFIG, num_linear_parameters, num_tokens, random_transformer
from bench.step import main

CPU = torch.device("cpu")


def on_meta(config: dict) -> nn.Module:
    """The model without its numbers."""
    from diffusers import ZImageTransformer2DModel

    with torch.device("meta"):
        return ZImageTransformer2DModel.from_config(config)


@pytest.mark.parametrize(("config", "expected"), [(dict(FULL_CONFIG), 5_426_380_800), (dict(TINY_CONFIG), None)])
def test_floor_counts_every_linear_of_the_main_layers(config: dict, expected: int | None) -> None:
    transformer = on_meta(config)
    linears = [module for module in transformer.layers.modules() if isinstance(module, nn.Linear)]
    assert num_linear_parameters(transformer) == sum(linear.weight.numel() for linear in linears)
    if expected:
        assert num_linear_parameters(transformer) == expected
        assert round(sum(parameter.numel() for parameter in transformer.parameters()) / 1e9, 3) == 6.155


def test_tokens_are_patches_and_caption_each_filled_up_to_32() -> None:
    assert num_tokens(512, 512, 96) == 1024 + 96
    assert num_tokens(512, 512, 97) == 1024 + 128
    assert num_tokens(80, 48, 1) == 32 + 32


def test_random_model_is_frozen_finite_and_the_same_each_time() -> None:
    first, second = (random_transformer(TINY_CONFIG, torch.float32, CPU, CPU) for _ in range(2))
    assert not any(parameter.requires_grad for parameter in first.parameters())
    assert first.state_dict().keys() == on_meta(dict(TINY_CONFIG)).state_dict().keys()
    images, times, texts = [torch.ones(16, 1, 4, 6)], torch.tensor([0.5]), [torch.ones(5, 16)]
    outputs = [model(images, times, texts, return_dict=False)[0][0] for model in (first, second)]
    assert torch.isfinite(outputs[0]).all() and outputs[0].std() > 0
    assert torch.equal(*outputs)


def test_highest_sum_is_the_peak_and_not_the_total() -> None:
    assert highest_sum([]) == 0
    assert highest_sum([3, 4, -7, 5]) == 7


def test_watched_peak_sees_memory_that_was_given_back_again() -> None:
    with watched(CPU, used_before=0) as peak:
        torch.zeros(1 << 20)
        torch.zeros(1 << 19)
    assert 4 << 20 <= peak.allocated < 5 << 20
    assert peak.reserved is None


def test_spread_lies_round_the_median() -> None:
    spread = Spread.of([3.0, 1.0, 2.0, 9.0, 4.0])
    assert spread.low <= spread.median == 3.0 <= spread.high
    assert Spread.of([5.0]) == Spread(median=5.0, low=5.0, high=5.0)


def test_one_command_measures_the_product_beside_the_plain_loop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    small = "--size tiny --lanes bf16 --resolutions 64 --rank 4 --text-tokens 8 --rounds 3 --steps 1 --device cpu"
    assert main([*small.split(), "--json", str(out)]) == 0
    measured = json.loads(out.read_text(encoding="utf-8"))
    assert measured["command"].startswith("python -m bench.step --size tiny")
    assert {"device", "torch", "diffusers", "peft", "bitsandbytes", "commit"} <= measured["machine"].keys()
    (row,) = measured["rows"]
    assert row["problem"] == "" and row["interleaved"]
    assert len(row["rounds_s"]) == len(row["reference_rounds_s"]) == 3
    assert row["floor_s"] > 0 and row["seconds"]["median"] > 0
    ratios = [theirs / ours for ours, theirs in zip(row["rounds_s"], row["reference_rounds_s"])]
    assert min(ratios) <= row["speed_up"]["median"] <= max(ratios)
    weights_bytes = 2 * sum(parameter.numel() for parameter in on_meta(dict(TINY_CONFIG)).parameters())
    assert row["step_peak"]["allocated"] > weights_bytes and row["reference_peak"]["allocated"] > weights_bytes
    assert row["plan"].startswith("bf16") and row["predicted_bytes"] > 0
    table = capsys.readouterr().out
    assert "TFLOP/s" in table and "| bf16 | 64 | 1 |" in table


def test_unknown_lane_is_refused_naming_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--lanes", "bf17"])
    assert "bf16" in capsys.readouterr().err
