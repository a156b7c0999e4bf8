"""LoRA layers with one input: the sums of each alone, in fewer operations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from tests.trainer.conftest import CPU
from tests.trainer.networks import filled, relative
from trainer.memory.lora_product import linears_of_one_input
from trainer.memory.quantised import quantise_linears
from trainer.training.config import TrainConfig
from trainer.training.model.zimage import find_base_model, load_transformer
from trainer.training.update.flow import named_generator

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}


class Operations(TorchDispatchMode):
    """The operations that make or change a tensor of floats, by name, with how many numbers it has."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, int]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor) and not func.is_view:
            self.found.append((func._schema.name.removeprefix("aten::"), made.numel()))
        return made


def attention(tiny_dir: Path, dtype: torch.dtype, precision: str = "", **settings: Any) -> tuple[list[Any], list[Any]]:
    """The tiny model's first q, k and v with a LoRA that changes something, and the masters on them."""
    transformer = load_transformer(find_base_model(tiny_dir), dtype, CPU).train()
    if precision:
        quantise_linears(transformer.layers[0], precision, native=False)
    lora = filled(transformer, TrainConfig(linear_rank=4, linear_alpha=3, **settings))
    block = transformer.layers[0].attention
    masters = [value for name, value in lora.items() if name.startswith("layers.0.attention.to_") and "out" not in name]
    return [block.to_q, block.to_k, block.to_v], masters


def input_of(layers: list[Any], dtype: torch.dtype) -> Tensor:
    shape = 2, 5, layers[0].in_features
    return torch.randn(shape, generator=named_generator(1, "x")).to(dtype).requires_grad_(True)


def gradients(results: list[Tensor], wanted: list[Tensor]) -> list[Tensor]:
    directions = [torch.randn(r.shape, generator=named_generator(2, str(i))) for i, r in enumerate(results)]
    total = torch.stack([(r.float() * d).sum() for r, d in zip(results, directions)]).sum()
    return list(torch.autograd.grad(total, wanted))


@pytest.mark.parametrize("precision", ["", "int8"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_together_they_give_what_each_gives_alone_with_the_same_gradients(
    tiny_dir: Path, dtype: torch.dtype, precision: str
) -> None:
    layers, masters = attention(tiny_dir, dtype, precision)
    x = input_of(layers, dtype)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        together, alone = linears_of_one_input(layers, x), [type(layer).forward(layer, x) for layer in layers]
    for found, wanted in zip(together, alone, strict=True):
        assert found.shape == wanted.shape and found.dtype == wanted.dtype
        assert relative(found - wanted, wanted) <= TOLERANCE[dtype]
    assert len(masters) == 6
    for found, wanted in zip(gradients(together, [x, *masters]), gradients(alone, [x, *masters]), strict=True):
        assert relative(found - wanted, wanted) <= TOLERANCE[dtype]


@pytest.mark.parametrize("settings", [dict(network_type="dora"), dict(target_modules="to_[qk]$")], ids=str)
def test_layers_of_which_one_has_no_plain_lora_are_asked_one_by_one(tiny_dir: Path, settings: dict[str, Any]) -> None:
    layers, _ = attention(tiny_dir, torch.float32, **settings)
    x = input_of(layers, torch.float32)
    assert all(torch.equal(found, layer(x)) for found, layer in zip(linears_of_one_input(layers, x), layers))


def test_q_k_and_v_share_one_product_and_their_outputs_are_each_written_by_two(tiny_dir: Path) -> None:
    layers, _ = attention(tiny_dir, torch.float32)
    x = input_of(layers, torch.float32)
    num_outputs, num_thin = x.numel(), 10 * 3 * 4
    with Operations() as operations:
        linears_of_one_input(layers, x)
    assert sorted(operations.found) == sorted(
        [("cat", 3 * 4 * layers[0].in_features), ("mm", num_thin)]
        + [("mm", num_outputs)] * 3
        + [("addmm_", num_outputs)] * 3
    )


def test_switched_off_the_frozen_linears_alone_are_asked(tiny_dir: Path) -> None:
    layers, _ = attention(tiny_dir, torch.float32)
    x = input_of(layers, torch.float32)
    wanted = [layer.base_layer(x) for layer in layers]
    for layer in layers:
        layer.enable_adapters(False)
    assert all(torch.equal(a, b) for a, b in zip(linears_of_one_input(layers, x), wanted))


def test_a_linear_with_a_bias_and_an_input_that_wants_no_gradient_learn_too() -> None:
    from peft import LoraConfig, inject_adapter_in_model

    from trainer.training.network.network_layers import use_small_forwards

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = inject_adapter_in_model(LoraConfig(r=2, target_modules=["0"]), nn.Sequential(nn.Linear(6, 5)))
        nn.init.normal_(model[0].lora_B["default"].weight)
        x = torch.randn(7, 6)
    wanted = model(x)
    use_small_forwards([model[0]], "lora")
    found = model(x)
    assert relative(found - wanted, wanted) <= 1e-6
    found.sum().backward()
    assert model[0].lora_A["default"].weight.grad is not None and model[0].lora_B["default"].weight.grad is not None
