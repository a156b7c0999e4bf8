"""What a step does, counted: how often it waits for the device, and what its backward pass multiplies."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from bench.models import Model, model_of
from bench.sides import Cell, Settings, open_product
from tests.trainer.conftest import CPU
from trainer.training.session import Session
from trainer.training.step import train_step

WAITS = {"tolist", "item", "cpu", "numpy", "nonzero", "__bool__", "__int__", "__float__", "__index__", "is_nonzero"}
"""What of a tensor only its device can answer."""
HIDDEN_WAITS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero", "aten::masked_select", "aten::equal"}
"""The same, asked within torch."""
KINDS: tuple[dict[str, Any], ...] = (
    {},
    dict(timestep_type="weighted", noise_bias="content"),
    dict(timestep_type="shift", batch_size=2),
    dict(optimizer="adamw", ema_decay=0.9),
    dict(optimizer="lion8bit", gradient_accumulation=2),
    dict(quantization_transformer="int8", recompute_blocks=1),
)


def session_of(device: torch.device = CPU, size: str = "tiny", **settings: Any) -> Session:
    batch_size = settings.pop("batch_size", 1)
    lane = dict(lane="manual", recompute_blocks=0, **settings) if "recompute_blocks" not in settings else dict(
        lane="manual", **settings
    )  # fmt: skip
    cell = Cell(lane="bf16", lane_settings=lane, resolution_px=64, batch_size=batch_size)
    model: Model = model_of(size, device)
    return open_product(
        cell,
        Settings(
            model=model, device=device, rank=4, num_text_tokens=8, num_rounds=1, steps_per_round=1, used_before=0
        ),
    )  # fmt: skip


class AsksOutside(TorchFunctionMode):
    """Counts the questions that Python asks of tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in WAITS:
            self.found[name] += 1
        return func(*args, **(kwargs or {}))


class AsksInside(TorchDispatchMode):
    """Counts the operators that wait."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.name in HIDDEN_WAITS:
            self.found[func._schema.name] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("settings", KINDS, ids=str)
def test_a_step_waits_for_the_device_once(settings: dict[str, Any]) -> None:
    """To learn its losses: what is not finite must not be learned from. What is asked on the CPU alone does not count,
    but nothing of a step is."""
    session = session_of(**settings)
    train_step(session, 1)  # what is looked up once
    for asks, step, expected in ((AsksOutside(), 2, {"tolist": 1}), (AsksInside(), 3, {})):
        session.order.batch_at(step)  # shuffled once a round, on the CPU
        with asks:
            train_step(session, step)
        assert asks.found == expected


@pytest.mark.gpu
@pytest.mark.parametrize("settings", KINDS, ids=str)
def test_the_device_itself_sees_one_wait_a_step(settings: dict[str, Any]) -> None:
    session = session_of(torch.device("cuda"), **settings)
    train_step(session, 1)
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            train_step(session, 2)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    waits = [str(warning.message) for warning in seen if "synchronizing CUDA" in str(warning.message)]
    assert len(waits) == 1, waits


class BackwardProducts(TorchDispatchMode):
    """The frozen weights that matrix products are made with, by name, as often as they are."""

    def __init__(self, transformer: torch.nn.Module) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self._names = {
            parameter.untyped_storage().data_ptr(): name
            for name, parameter in transformer.named_parameters()
            if not parameter.requires_grad and parameter.ndim == 2
        }

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.name in ("aten::mm", "aten::addmm", "aten::bmm"):
            for tensor in args:
                if isinstance(tensor, torch.Tensor) and tensor.untyped_storage().data_ptr() in self._names:
                    self.found[self._names[tensor.untyped_storage().data_ptr()]] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("first_trained", [0, 1])
def test_the_backward_pass_multiplies_by_no_weight_before_the_first_trained_block(first_trained: int) -> None:
    """Within that block not even by q, k and v, whose input nobody asks a gradient of; after it by each weight once."""
    from trainer.training.step import loss_parts

    # Without the modulation, whose gradient has to come through q, k and v.
    targets = "attention+mlp" if first_trained == 0 else r"layers\.1\.(attention|feed_forward)"
    session = session_of(precision="fp32", target_modules=targets)
    (loss_B,) = loss_parts(session.transformer, session.photos[:1], session.config, 1, CPU, [0])
    products = BackwardProducts(session.transformer)
    with products:
        loss_B.sum().backward()
    within = ("attention.to_out.0", "feed_forward.w1", "feed_forward.w2", "feed_forward.w3")
    entry = ("attention.to_q", "attention.to_k", "attention.to_v")
    expected = {
        f"layers.{index}.{module}.base_layer.weight": 1
        for index in range(first_trained, 2)
        for module in (within if index == first_trained else (*within, *entry))
    }
    expected["all_final_layer.2-1.linear.weight"] = 1
    assert products.found == expected


@pytest.mark.parametrize(
    ("lengths", "is_masked"), [((8,), False), ((70,), False), ((8, 30), False), ((8, 40), True)], ids=str
)
def test_attention_is_masked_only_where_photos_of_a_batch_differ_in_length(
    lengths: tuple[int, ...], is_masked: bool
) -> None:
    """A mask keeps flash attention from being used. Captions are filled up to multiples of 32 tokens."""
    from trainer.training.model.zimage import predict_velocity

    session = session_of(precision="fp32", batch_size=len(lengths))
    width = session.transformer.config["cap_feat_dim"]
    seen: list[bool] = []
    runner = session.transformer._gradient_checkpointing_func

    def watching(block: Any, x: torch.Tensor, mask: torch.Tensor | None, *rest: Any) -> Any:
        seen.append(mask is not None)
        return runner(block, x, mask, *rest)

    session.transformer._gradient_checkpointing_func = watching
    noisy_BCHW = torch.zeros(len(lengths), 16, 8, 8)
    texts = [torch.zeros(length, width) for length in lengths]
    predict_velocity(session.transformer, noisy_BCHW, torch.full((len(lengths),), 0.5), texts)
    assert seen[-2:] == [is_masked] * 2  # the main blocks come last


def test_equal_photos_and_captions_stay_one_tensor_where_they_are_trained_from() -> None:
    import dataclasses

    from trainer.training.data.resident import resident, resident_bytes

    session = session_of(batch_size=2)
    first, second = session.photos
    twins = (first, dataclasses.replace(second, text=first.text), first)
    placed = resident(twins, CPU, torch.bfloat16)
    assert placed[0].text is placed[1].text and placed[2].latents_CHW is placed[0].latents_CHW
    assert all(photo.text.dtype == torch.bfloat16 and photo.latents_CHW.dtype == torch.float32 for photo in placed)
    latents, text = first.latents_CHW.numel() * 4, first.text.numel() * 2
    assert resident_bytes(twins, torch.device("cuda"), torch.bfloat16) == 2 * latents + text
    assert resident_bytes(twins, CPU, torch.bfloat16) == 0
