"""8-bit lanes with products of 8-bit numbers: both passes, how far whole blocks are off, and what training comes to.

The CPU has the same operators as the cards, so what a card would compute is computed here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from bench.models import FULL_CONFIG
from tests.trainer import lane_losses
from tests.trainer.conftest import CPU
from tests.trainer.test_memory_quantised import dense_linear, drawn, relative_error
from trainer.memory.quantised import quantise_linear, quantise_linears, unpacking_message
from trainer.messages import sentence
from trainer.training.data.filling import cut_to_bucket
from trainer.training.model.zimage import find_base_model, load_transformer, model_latents, predict_velocity
from trainer.training.telling.events import MemoryTold

PRECISIONS = ("float8", "int8")
Seen = Callable[[], list[tuple[Any, tuple[Any, ...]]]]
LARGEST_PRODUCT_ERROR = {"float8": 0.045, "int8": 0.016}
"""Of one product of two factors that are both rounded: sqrt(2) times what rounding one of them does."""


class Products(TorchDispatchMode):
    """The formats of what matrix products are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[torch.dtype] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.name in ("aten::mm", "aten::addmm", "aten::_int_mm", "aten::_scaled_mm"):
            self.found.append(args[-1].dtype if func._schema.name == "aten::mm" else args[1].dtype)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_both_passes_multiply_in_8_bits_and_come_near_the_dense_ones(precision: str) -> None:
    dense = dense_linear()
    packed = quantise_linear(dense, precision, native=True)
    wanted_input = drawn(2, 40, 288, seed=1).requires_grad_(True)
    input = wanted_input.detach().clone().requires_grad_(True)
    gradient = drawn(2, 40, 96, seed=2)
    wanted = dense(wanted_input)
    wanted.backward(gradient)
    with Products() as products:
        found = packed(input)
        found.backward(gradient)
    assert products.found == [packed.parts[0].dtype] * 2
    assert found.shape == wanted.shape and found.dtype == wanted.dtype
    assert relative_error(found, wanted) <= LARGEST_PRODUCT_ERROR[precision]
    assert input.grad is not None and wanted_input.grad is not None
    assert relative_error(input.grad, wanted_input.grad) <= LARGEST_PRODUCT_ERROR[precision]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_gradient_is_that_of_the_weight_that_is_kept(precision: str) -> None:
    """Rows of very different size: their scales must not be mixed up, nor lost in the rounding of the gradients."""
    dense = dense_linear(bias=False)
    dense.weight.data *= torch.logspace(-3, 1, 96)[:, None]
    packed = quantise_linear(dense, precision, native=True)
    gradient = drawn(40, 96, seed=2) / torch.logspace(-3, 1, 96)
    found = packed.input_gradient(gradient, packed.parts)
    assert relative_error(found, gradient @ packed.weight) <= LARGEST_PRODUCT_ERROR[precision]


def test_nothing_but_8_bits_is_kept_of_a_weight_also_after_both_passes() -> None:
    packed = quantise_linear(dense_linear(bias=False), "int8", native=True)
    before = {name: part.data_ptr() for name, part in packed.named_buffers()}
    packed(drawn(40, 288).requires_grad_(True)).backward(drawn(40, 96))
    assert {name: part.data_ptr() for name, part in packed.named_buffers()} == before and not list(packed.parameters())


def block_error(block: nn.Module, precision: str, inputs: tuple[Any, ...]) -> float:
    """How far a block's output with 8-bit products is from the same in bf16."""
    with torch.no_grad():
        wanted: Tensor = block(*inputs)
        quantise_linears(block, precision, native=True)
        found: Tensor = block(*inputs)
    return relative_error(found, wanted)


@pytest.fixture(scope="module")
def seen_by_blocks(
    pocket_dir: Path, kept_encoders: Any, dataset: Any
) -> Callable[[], list[tuple[Any, tuple[Any, ...]]]]:
    """The pocket model's blocks in bf16, each with what it is given for a half noisy photo and its caption."""
    photo = dataset.photos[0]
    latents_CHW = model_latents(kept_encoders.encode_images(cut_to_bucket(photo.photo.path, (64, 64))[None])[0])
    noise_CHW = drawn(*latents_CHW.shape, seed=7)
    text = kept_encoders.encode_texts([photo.caption])[0]

    def fresh() -> list[tuple[Any, tuple[Any, ...]]]:
        transformer = load_transformer(find_base_model(pocket_dir), torch.bfloat16, CPU)
        seen: list[tuple[Any, tuple[Any, ...]]] = []
        hooks = [
            block.register_forward_pre_hook(lambda block, inputs: seen.append((block, inputs[:4])))
            for block in transformer.layers
        ]
        with torch.no_grad():
            predict_velocity(transformer, (latents_CHW + noise_CHW)[None] / 2, torch.tensor([0.5]), [text])
        for hook in hooks:
            hook.remove()
        return seen

    return fresh


LARGEST_BLOCK_ERROR = 0.03
"""Of a block's output, relative to bf16's: the promise."""
LARGEST_BARE_BLOCK_ERROR = {"float8": 0.06, "int8": 0.03}
"""The same where blocks are fed with unit noise instead of what comes out of the blocks before, so that what a block
adds weighs more. e4m3 has three bits beside the leading one, so the planner takes int8 where it may choose."""


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_block_of_the_pocket_model_stays_within_3_percent_of_bf16(seen_by_blocks: Seen, precision: str) -> None:
    errors = [block_error(block, precision, inputs) for block, inputs in seen_by_blocks()]
    print(f"{precision}: {[f'{error:.2%}' for error in errors]}")
    assert len(errors) == 4 and max(errors) <= LARGEST_BLOCK_ERROR


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
def test_how_far_a_block_of_the_real_shape_is_from_bf16(precision: str) -> None:
    from diffusers.models.transformers.transformer_z_image import ZImageTransformerBlock

    width, heads = FULL_CONFIG["dim"], FULL_CONFIG["n_heads"]
    block = ZImageTransformerBlock(0, width, heads, heads, 1e-5, True)
    generator = torch.Generator().manual_seed(0)
    for parameter in block.parameters():
        if parameter.ndim == 2:
            nn.init.normal_(parameter, std=0.02, generator=generator)
    head, num_tokens = width // heads, 32
    rotations = torch.polar(torch.ones(1, num_tokens, head // 2), drawn(1, num_tokens, head // 2, seed=4))
    inputs = drawn(1, num_tokens, width, seed=3).bfloat16(), None, rotations, drawn(1, 256, seed=5).bfloat16()
    error = block_error(block.bfloat16().requires_grad_(False), precision, inputs)
    print(f"{precision}: {error:.2%}")
    assert error <= LARGEST_BARE_BLOCK_ERROR[precision]


def test_a_device_without_such_products_is_told_of_and_what_is_unpacked_says_so(
    make_job: Callable[..., Any], run_through: Callable[..., Any]
) -> None:
    for precision in PRECISIONS:
        message = unpacking_message(precision, CPU)
        assert message is not None and "CPU" in sentence(message, "en") and "CPU" in sentence(message, "zh")
    assert unpacking_message("bf16", CPU) is None and unpacking_message("nf4", CPU) is None
    events = run_through(make_job(total_steps=1, save_every=1, lane="manual", quantization_transformer="int8"))
    assert "memory.unpacking" in [event.message.key for event in events if isinstance(event, MemoryTold)]


@pytest.mark.gpu
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_card_that_is_said_to_have_the_products_has_them_at_the_models_own_sizes(precision: str) -> None:
    device = torch.device("cuda")
    if unpacking_message(precision, device) is not None:
        pytest.skip("this card unpacks")
    for num_out, num_in in ((3840, 3840), (10240, 3840), (3840, 10240), (15360, 256)):
        packed = quantise_linear(dense_linear(num_out, num_in, bias=False).to(device), precision, native=True)
        rows, gradients = drawn(96, num_in).to(device), drawn(96, num_out).to(device)
        assert relative_error(packed(rows), rows @ packed.weight.t()) <= LARGEST_PRODUCT_ERROR[precision]
        found = packed.input_gradient(gradients, packed.parts)
        assert relative_error(found, gradients @ packed.weight) <= LARGEST_PRODUCT_ERROR[precision]


@pytest.mark.slow
def test_quantised_lanes_end_with_the_validation_loss_of_bf16_within_the_spread_of_its_seeds() -> None:
    found = lane_losses.losses_of_all()
    print(lane_losses.table(found))
    spread = lane_losses.spread(found)
    assert all(losses.end < losses.start - 2 * spread for losses in found.values()), "else nothing is compared"
    for precision in (*PRECISIONS, "nf4"):
        assert lane_losses.furthest(found, precision) <= spread, precision
