"""Lanes: whatever precision, recompute and offload a training runs in, it learns, resumes and saves what loads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.trainer.conftest import CPU, losses_of
from trainer.memory.fitting import fit_weights, install_lane
from trainer.memory.lanes import Lane
from trainer.memory.lean_block import Recipes, _normed, lean_forward
from trainer.memory.offload import Offloader
from trainer.training.config import TrainConfig
from trainer.training.keeping.record import read_record
from trainer.training.keeping.runs import describe_run
from trainer.training.model.zimage import find_base_model, load_transformer, predict_velocity
from trainer.training.network.lora import add_lora
from trainer.training.telling.events import MemoryTold
from trainer.training.update.flow import named_generator

TEXT_LENGTHS = (20, 70)
"""After padding to 32 these differ, so that attention is masked."""


class Bench:
    """The tiny model in a lane, with a LoRA that already changes something."""

    def __init__(self, model_dir: Path, lane: Lane | None, dtype: torch.dtype = torch.float32, **settings: Any) -> None:
        config = TrainConfig(linear_rank=4, **settings)
        self.dtype = dtype
        self.transformer = load_transformer(find_base_model(model_dir), dtype, CPU)
        if lane:
            fit_weights(self.transformer, lane, CPU)
        self.lora = add_lora(self.transformer, config, named_generator(0, "lora"))
        generator = named_generator(0, "start")
        for parameter in self.lora.values():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.05
        self.offloader: Offloader | None = None
        if lane:
            self.offloader = install_lane(self.transformer, self.lora, lane, CPU)

    def velocity(self) -> Tensor:
        """What the model sees in two photos of noise."""
        generator = named_generator(0, "photos")
        noisy_BCHW = torch.randn(2, 16, 8, 8, generator=generator)
        texts = [torch.randn(length, 128, generator=generator) for length in TEXT_LENGTHS]
        with torch.autocast("cpu", torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            return predict_velocity(self.transformer, noisy_BCHW, torch.tensor([0.3, 0.7]), texts)

    def loss(self) -> Tensor:
        return self.velocity().square().mean()

    def gradients(self) -> dict[str, Tensor]:
        self.loss().backward()
        found = {name: parameter.grad for name, parameter in self.lora.items()}
        for parameter in self.lora.values():
            parameter.grad = None
        return {name: grad for name, grad in found.items() if grad is not None}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_keeping_less_changes_only_the_order_of_sums(tiny_dir: Path, dtype: torch.dtype) -> None:
    plain = Bench(tiny_dir, None, dtype)
    lean = Bench(tiny_dir, Lane(precision="bf16"), dtype)
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    velocity = plain.velocity()
    assert (lean.velocity() - velocity).norm() <= tolerance * velocity.norm()
    wanted, found = plain.gradients(), lean.gradients()
    for name, gradient in wanted.items():
        assert (found[name] - gradient).norm() <= tolerance * gradient.norm(), name


@pytest.mark.gpu
def test_a_norm_is_one_kernel_in_bf16_although_autocast_would_have_it_in_fp32() -> None:
    from diffusers.models.normalization import RMSNorm

    norm = RMSNorm(3840, eps=1e-5).to("cuda", torch.bfloat16)
    x = torch.randn(64, 3840, device="cuda").bfloat16()
    with torch.autocast("cuda", torch.bfloat16), torch.profiler.profile() as profile:
        normed = _normed(norm, x)
    assert normed.dtype == torch.bfloat16 and (normed - norm(x)).norm() <= 1e-2 * normed.norm()
    kernels = [event for event in profile.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    assert len(kernels) == 1


@pytest.mark.parametrize("precision", ["bf16", "int8", "nf4"])
def test_recompute_and_offload_change_no_bit(tiny_dir: Path, precision: str) -> None:
    kept = Bench(tiny_dir, Lane(precision=precision), torch.bfloat16)
    loss, gradients = kept.loss(), kept.gradients()
    for recomputed, offloaded in ((1, 0), (2, 0), (2, 1), (2, 2)):
        lane = Lane(precision=precision, num_blocks_recomputed=recomputed, num_blocks_offloaded=offloaded)
        other = Bench(tiny_dir, lane, torch.bfloat16)
        for _ in range(2):  # the second time slots hold what the first left
            assert torch.equal(other.loss(), loss), lane
            assert same(other.gradients(), gradients), lane


def test_what_can_be_made_again_is_not_kept(tiny_dir: Path) -> None:
    """Of a kept block: its input, q and k before and v after, attention's output, four more, and two hidden ones."""
    bench = Bench(tiny_dir, Lane(precision="fp32"))
    block, width, hidden, num_tokens = bench.transformer.layers[0], 32, 85, 64
    x_BTD = torch.randn(1, num_tokens, width, generator=named_generator(0, "x")).requires_grad_(True)
    rotations = torch.polar(torch.ones(1, num_tokens, 8), torch.zeros(1, num_tokens, 8))
    recipes, kept = Recipes(), {}
    pack = recipes._pack

    def watching(tensor: Tensor) -> Any:
        packed = pack(tensor)
        if packed is tensor and tensor.numel() >= num_tokens * width and not isinstance(tensor, torch.nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return packed

    recipes.pack_hook = watching
    with recipes:
        lean_forward(block, x_BTD, None, rotations, torch.zeros(1, 32), recipes=recipes)
    weights = {p.untyped_storage().data_ptr() for p in block.parameters()}
    num_bytes = sum(size for pointer, size in kept.items() if pointer not in weights)
    assert num_bytes == 4 * num_tokens * (8 * width + 2 * hidden)


def test_offloaded_blocks_leave_the_device_and_are_copied_one_way(tiny_dir: Path) -> None:
    lane = Lane(precision="bf16", num_blocks_recomputed=2, num_blocks_offloaded=2)
    bench = Bench(tiny_dir, lane)
    assert bench.offloader is not None
    weight = bench.transformer.layers[0].feed_forward.w1.base_layer.weight
    assert weight.numel() == 0  # until it is used, nothing of it is on the device
    original = load_transformer(find_base_model(tiny_dir), torch.float32, CPU).layers[0].feed_forward.w1.weight
    bench.velocity()
    assert torch.equal(weight, original)
    assert bench.offloader.num_copies == 2
    with torch.no_grad():
        weight.zero_()  # a scribble on the device is gone when the block comes again: the CPU copy is the weight
    first, second = bench.offloader._order
    bench.offloader._fetch(first, busy=bench.offloader._slot_of(second))
    assert torch.equal(bench.transformer.layers[0].feed_forward.w1.base_layer.weight, original)


def test_a_validation_pass_without_gradients_fetches_offloaded_blocks_too(tiny_dir: Path) -> None:
    kept = Bench(tiny_dir, Lane(precision="bf16"))
    offloaded = Bench(tiny_dir, Lane(precision="bf16", num_blocks_recomputed=2, num_blocks_offloaded=2))
    with torch.no_grad():
        assert torch.equal(kept.velocity(), offloaded.velocity())


@pytest.mark.parametrize("network", ["dora", "lokr"])
def test_other_networks_sit_on_quantised_and_offloaded_layers(tiny_dir: Path, network: str) -> None:
    lane = Lane(precision="int8", num_blocks_recomputed=2, num_blocks_offloaded=2)
    bench = Bench(tiny_dir, lane, torch.bfloat16, network_type=network)
    assert all(torch.isfinite(gradient).all() for gradient in bench.gradients().values())


LANES = (
    dict(recompute_blocks=1),
    dict(low_vram=True),
    dict(quantization_transformer="float8"),
    dict(quantization_transformer="int8"),
    dict(quantization_transformer="nf4", low_vram=True),
)


@pytest.mark.parametrize("settings", LANES, ids=str)
def test_every_lane_learns_resumes_and_saves_what_loads(
    make_job: Callable[..., Any], run_through: Callable[..., Any], settings: dict[str, Any], tmp_path: Path
) -> None:
    job = make_job(lane="manual", precision="bf16", total_steps=4, save_every=2, **settings)
    whole = losses_of(run_through(job))
    assert min(whole[3], whole[4]) < max(whole.values())
    common = dict(precision="bf16", save_every=2, folder=tmp_path / "again")
    again = make_job(lane="manual", total_steps=4, **common, **settings)
    run_through(again, stop_after=2)
    events = run_through(again)
    assert losses_of(events) == {step: whole[step] for step in (3, 4)}
    # A lane is no part of what a run is: it goes on in another one.
    longer = make_job(total_steps=5, **common)
    assert set(losses_of(run_through(longer))) == {5}
    lanes = (read_record(describe_run(longer).run_dir) or {})["lanes"]
    assert [entry["from_step"] for entry in lanes] == [1, 3, 5] and lanes[0]["lane"] != lanes[2]["lane"] == "bf16"


def test_the_plan_is_told_before_training(make_job: Callable[..., Any], run_through: Callable[..., Any]) -> None:
    events = run_through(make_job(total_steps=1, save_every=1))
    names = [type(event).__name__ for event in events]
    told = next(event for event in events if isinstance(event, MemoryTold))
    assert told.message.key == "memory.plan"
    assert names.index("MemoryTold") < names.index("Started")
