"""The 8-bit optimizers over a whole LoRA at once: every bit is that of bitsandbytes' own, in a few calls a step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from trainer.training.update.eight_bit import EightBitOptimizer

SHAPES = ((64, 256), (5, 7), (64, 65), (1024, 16), (4096,), (3, 1500), (300, 40), (17,))
"""Whole blocks of 256 and not, and some whose state stays in fp32."""
KINDS = ("adam", "lion")
STEPS = 6


def drawn(seed: int, scale: float) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) * scale for shape in SHAPES]


def ours(kind: str, **settings: Any) -> tuple[list[torch.nn.Parameter], EightBitOptimizer]:
    parameters = [torch.nn.Parameter(start) for start in drawn(0, 0.1)]
    betas = (0.9, 0.999) if kind == "adam" else (0.9, 0.99)
    eps = {"eps": 1e-6} if kind == "adam" else {}
    return parameters, EightBitOptimizer(parameters, kind=kind, lr=1e-3, betas=betas, weight_decay=1e-2, **eps)


def bitsandbytes_own(kind: str) -> tuple[list[torch.nn.Parameter], torch.optim.Optimizer]:
    from bitsandbytes.optim import AdamW8bit, Lion8bit

    parameters = [torch.nn.Parameter(start) for start in drawn(0, 0.1)]
    if kind == "adam":
        return parameters, AdamW8bit(parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=1e-2)
    return parameters, Lion8bit(parameters, lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-2)


def step(parameters: list[torch.nn.Parameter], optimizer: torch.optim.Optimizer, seed: int) -> None:
    for parameter, gradient in zip(parameters, drawn(seed, 0.01)):
        parameter.grad = gradient
    for group in optimizer.param_groups:
        group["lr"] = 1e-3 / seed
    optimizer.step()


@pytest.mark.parametrize("kind", KINDS)
def test_weights_and_state_are_bitsandbytes_own_to_the_last_bit(kind: str) -> None:
    (mine, optimizer), (theirs, reference) = ours(kind), bitsandbytes_own(kind)
    for seed in range(1, STEPS + 1):
        step(mine, optimizer, seed)
        step(theirs, reference, seed)
    for own, wanted in zip(mine, theirs, strict=True):
        assert torch.equal(own, wanted), tuple(wanted.shape)
        state, expected = optimizer.state[own], reference.state[wanted]
        assert state.keys() == expected.keys() and state["step"] == expected["step"] == STEPS
        for name, value in expected.items():
            same = torch.equal(state[name], value) if isinstance(value, Tensor) else state[name] == value
            assert same, (tuple(wanted.shape), name)


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_that_were_moved_away_and_back_are_trained_on(kind: str) -> None:
    """Previews park the transformer in system memory, and torch puts copies in its parameters' place."""
    (still, first), (moved, second) = ours(kind), ours(kind)
    for seed in range(1, STEPS + 1):
        for parameter in moved:
            parameter.data = parameter.data.clone()
        step(still, first, seed)
        step(moved, second, seed)
    assert all(torch.equal(a, b) for a, b in zip(still, moved))


def test_a_step_takes_one_call_for_many_tensors_and_leaves_no_gradients() -> None:
    parameters, optimizer = ours("adam")
    step(parameters, optimizer, 1)
    for parameter, gradient in zip(parameters, drawn(2, 0.01)):
        parameter.grad = gradient
    with profile(activities=[ProfilerActivity.CPU]) as found:
        optimizer.step()
    calls = [event.name for event in found.events() if event.name.startswith("bitsandbytes::optimizer_update")]
    assert sorted(calls) == ["bitsandbytes::optimizer_update_32bit", "bitsandbytes::optimizer_update_8bit_blockwise"]
    assert all(parameter.grad is None for parameter in parameters)


def test_a_full_size_lora_is_updated_in_at_most_thirty_calls() -> None:
    """480 tensors of rank 64; the tensors themselves are left out, only where they would lie is asked."""
    from bench.models import FULL_CONFIG
    from trainer.memory.costs import ModelShape
    from trainer.training.update.sharded import parted

    linears = ModelShape.of(FULL_CONFIG).block_linears()
    block = [torch.empty(size, device="meta") for out, into in linears for size in (64 * into, 64 * out)]
    shards = parted([torch.nn.Parameter(tensor) for tensor in block * 30])
    assert sum(map(len, shards)) == 480 and len(shards) <= 30
