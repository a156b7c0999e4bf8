"""Quantised linears: how far from the dense ones they are, what they keep, and that peft takes them as linears."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from trainer.memory.quantised import (
    QuantisedLinear,
    eight_bit_product,
    quantise_linear,
    quantise_linears,
    quantise_rows,
)
from trainer.memory.quantised_sizes import linear_bytes

PRECISIONS = ("float8", "int8", "nf4")
LARGEST_ERROR = {"float8": 0.03, "int8": 0.012, "nf4": 0.11}
"""Of outputs and gradients, relative to those of the dense weight, for normally distributed weights."""


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def dense_linear(num_out: int = 96, num_in: int = 288, *, bias: bool = True) -> nn.Linear:
    linear = nn.Linear(num_in, num_out, bias=bias)
    linear.weight.data = drawn(num_out, num_in) * 0.02
    return linear.requires_grad_(False)


def relative_error(found: Tensor, wanted: Tensor) -> float:
    found, wanted = found.detach().float(), wanted.detach().float()
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_outputs_and_gradients_are_near_the_dense_ones(precision: str, dtype: torch.dtype) -> None:
    dense = dense_linear().to(dtype)
    packed = quantise_linear(dense, precision, native=False)
    dense_input = drawn(2, 40, 288, seed=1).to(dtype).requires_grad_(True)
    packed_input = dense_input.detach().clone().requires_grad_(True)
    wanted, found = dense(dense_input), packed(packed_input)
    assert found.shape == wanted.shape and found.dtype == dtype
    assert relative_error(found, wanted) <= LARGEST_ERROR[precision]
    gradient = drawn(2, 40, 96, seed=2).to(dtype)
    wanted.backward(gradient)
    found.backward(gradient)
    assert dense_input.grad is not None and packed_input.grad is not None
    assert relative_error(packed_input.grad, dense_input.grad) <= LARGEST_ERROR[precision]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_weight_read_back_is_what_the_product_uses(precision: str) -> None:
    packed = quantise_linear(dense_linear(bias=False), precision, native=False)
    rows = drawn(5, 288, seed=1)
    assert torch.equal(packed(rows), rows @ packed.weight.t())


@pytest.mark.parametrize("precision", PRECISIONS)
def test_nothing_dense_is_kept_between_forward_and_backward(precision: str) -> None:
    packed = quantise_linear(dense_linear(bias=False), precision, native=False)
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        packed(drawn(40, 288).requires_grad_(True))
    assert {tensor.data_ptr() for tensor in kept} == {part.data_ptr() for part in packed.parts}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_linear_takes_the_bytes_that_the_planner_counts(precision: str) -> None:
    for num_out, num_in in ((96, 288), (48, 33)):
        packed = quantise_linear(dense_linear(num_out, num_in, bias=False), precision, native=False)
        held = sum(part.numel() * part.element_size() for part in packed.parts)
        assert held == linear_bytes(num_out, num_in, precision)
        assert not list(packed.parameters())


def test_numbers_of_the_format_come_back_as_they_were() -> None:
    """A weight that int8 can hold exactly is held exactly, rows of zeros too."""
    whole = torch.randint(-127, 128, (8, 32), generator=torch.Generator().manual_seed(0)).float()
    whole[:, 0], whole[3] = 127, 0
    quantised, scale_O1 = quantise_rows(whole * 0.5, torch.int8)
    assert torch.equal(quantised.float() * scale_O1, whole * 0.5)


@pytest.mark.parametrize("rows_seed", [0, 1])
def test_products_in_8_bits_are_those_of_the_quantised_numbers(rows_seed: int) -> None:
    """What CUDA devices do in their own 8-bit arithmetic, done here by the CPU's versions of the same operators."""
    rows, weight = drawn(40, 288, seed=rows_seed), drawn(96, 288, seed=5) * 0.02
    for dtype, tolerance in ((torch.float8_e4m3fn, 5e-3), (torch.int8, 1e-5)):
        quantised, scale_O1 = quantise_rows(weight, dtype)
        rows_in_8, scale_R1 = quantise_rows(rows, dtype)
        wanted = (rows_in_8.float() * scale_R1) @ (quantised.float() * scale_O1).t()
        assert relative_error(eight_bit_product(rows, quantised) * scale_O1.t(), wanted) <= tolerance


def test_a_native_layer_unpacks_what_its_operator_refuses() -> None:
    """The time embedding is one row, and torch._int_mm wants more than sixteen."""
    linear = quantise_linear(dense_linear(bias=False), "int8", native=True)
    assert relative_error(linear(drawn(1, 288)), drawn(1, 288) @ linear.weight.t()) <= 1e-6
    assert not quantise_linear(dense_linear(90, 288, bias=False), "int8", native=True).native


def test_autocast_computes_in_its_own_format() -> None:
    packed = quantise_linear(dense_linear(), "int8", native=False)
    with torch.autocast("cpu", torch.bfloat16):
        assert packed(drawn(20, 288)).dtype == torch.bfloat16


def test_peft_takes_quantised_linears_for_linears() -> None:
    from peft import LoraConfig, inject_adapter_in_model

    model = nn.Sequential(dense_linear(288, 288), dense_linear())
    assert quantise_linears(model, "float8", native=False) == 2
    with torch.random.fork_rng(devices=[]):
        inject_adapter_in_model(LoraConfig(r=4, target_modules=["0", "1"]), model)
    assert isinstance(model[0].base_layer, QuantisedLinear)
    assert [tuple(p.shape) for p in model.parameters() if p.requires_grad] == [(4, 288), (288, 4), (4, 288), (96, 4)]
