"""Compiled blocks: the same step but for rounding, one graph for all sizes, and a run that goes on where they fail."""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._inductor.runtime.cache_dir_utils import cache_dir as torchs_cache_dir

from tests.trainer.conftest import CPU, losses_of
from trainer.memory import compiled
from trainer.memory.compiled import Compiler, CompileWish, cache_dir_in
from trainer.memory.fitting import fit_weights, install_lane
from trainer.memory.lanes import Lane
from trainer.training.config import TrainConfig
from trainer.training.model.zimage import find_base_model, load_transformer, predict_velocity
from trainer.training.network.lora import add_lora
from trainer.training.telling.events import Finished, MemoryTold
from trainer.training.update.flow import named_generator

SIZES = (((8, 8), (20,)), ((12, 8), (70,)))
PAIRS = (((8, 16), (20, 70)), ((12, 12), (40, 40)), ((16, 8), (90, 10)))
"""Latents and captions of batches: five buckets, one and two photos, with and without a mask."""
TOLERANCE = {"fp32": 1e-5, "bf16": 3e-2}
"""Of a gradient's norm."""


@pytest.fixture(params=["eager"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What makes kernels of the graphs. torch's `eager` makes none and `aot_eager` splits them into both passes: all
    that is traced, guarded and recompiled is the same, and needs no C++ compiler and seconds instead of a minute."""
    monkeypatch.setattr(compiled, "BACKEND", request.param)
    return str(request.param)


class Bench:
    """A model in a lane, with a LoRA that already changes something, and a compiler to be switched on and off."""

    def __init__(self, model_dir: Path, lane: Lane, **settings: Any) -> None:
        self.precision = "fp32" if lane.precision == "fp32" else "bf16"
        self.dtype = torch.float32 if self.precision == "fp32" else torch.bfloat16
        self.transformer = load_transformer(find_base_model(model_dir), self.dtype, CPU)
        fit_weights(self.transformer, lane, CPU)
        self.lora = add_lora(self.transformer, TrainConfig(linear_rank=4, **settings), named_generator(0, "lora"))
        generator = named_generator(0, "start")
        for parameter in self.lora.values():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.05
        wish = CompileWish(choice="on", precision=self.precision, expected_s=1)
        self.compiler = Compiler(wish, lane, len(self.transformer.layers), CPU)
        install_lane(self.transformer, self.lora, lane, CPU, self.compiler)

    def gradients(self, size: tuple[tuple[int, int], tuple[int, ...]], *, is_compiled: bool) -> dict[str, Tensor]:
        """The loss, under `loss`, and every LoRA gradient."""
        self.compiler.is_on = is_compiled
        (height, width), text_lengths = size
        generator = named_generator(0, "photos", height, width)
        noisy_BCHW = torch.randn(len(text_lengths), 16, height, width, generator=generator)
        texts = [torch.randn(length, 128, generator=generator) for length in text_lengths]
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            sigma_B = torch.linspace(0.3, 0.7, len(texts))
            loss = predict_velocity(self.transformer, noisy_BCHW, sigma_B, texts).square().mean()
        loss.backward()
        found = {name: parameter.grad for name, parameter in self.lora.items()}
        for parameter in self.lora.values():
            parameter.grad = None
        return {"loss": loss.detach(), **{name: grad for name, grad in found.items() if grad is not None}}

    def assert_same(self, size: tuple[tuple[int, int], tuple[int, ...]]) -> None:
        wanted, found = (self.gradients(size, is_compiled=flag) for flag in (False, True))
        assert wanted.keys() == found.keys() and len(wanted) > 1
        for name, tensor in wanted.items():
            assert (found[name] - tensor).norm() <= TOLERANCE[self.precision] * tensor.norm(), (size, name)


def test_a_graph_serves_every_block_and_size_and_none_is_made_twice(backend: str, tiny_dir: Path) -> None:
    """Below the first block nothing goes back, so it has a graph of its own. A step reads no number, and graphs take
    weights as arguments: other programs get their memory back."""
    bench = Bench(tiny_dir, Lane(precision="fp32"))
    assert_graphs(bench, SIZES[:1], (*SIZES, ((16, 16), (33,))), wanted=2)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        bench.gradients(SIZES[0], is_compiled=True)
    assert not {"aten::_local_scalar_dense", "aten::item"} & {event.key for event in profile.key_averages()}
    weight = weakref.ref(bench.transformer.layers[0].feed_forward.w1.base_layer.weight)
    del bench
    gc.collect()
    assert weight() is None


@pytest.mark.slow
def test_batches_have_a_graph_with_a_mask_and_one_without(backend: str, tiny_dir: Path) -> None:
    more = ((8, 20), (100, 31)), ((20, 8), (64, 64))
    assert_graphs(Bench(tiny_dir, Lane(precision="fp32")), PAIRS[:2], (*PAIRS, *more), wanted=4)


def assert_graphs(bench: Bench, warming: Any, after: Any, *, wanted: int) -> None:
    before = compiled._num_graphs()
    for size in warming:
        bench.assert_same(size)
    assert compiled._num_graphs() - before == wanted
    with torch.compiler.set_stance("fail_on_recompile"):
        for size in after:
            bench.assert_same(size)
    assert compiled._num_graphs() - before == wanted


@pytest.mark.slow
@pytest.mark.parametrize("recomputed", [1, 2])
def test_recomputed_and_offloaded_blocks_go_with_compiled_ones(backend: str, tiny_dir: Path, recomputed: int) -> None:
    lane = Lane(precision="fp32", num_blocks_recomputed=recomputed, num_blocks_offloaded=recomputed - 1)
    bench = Bench(tiny_dir, lane)
    bench.assert_same(SIZES[0])
    bench.compiler.is_on = True
    assert [bench.compiler.takes(index) for index in range(2)] == [index not in lane.offloaded for index in range(2)]


def keys_of(events: list[Any]) -> list[str]:
    told = [event.message.key for event in events if isinstance(event, MemoryTold)]
    return [key for key in told if key.startswith("memory.compile_")]


@pytest.mark.slow
def test_a_compiled_run_learns_the_same_and_resumes_to_the_same_bits(
    backend: str, make_job: Callable[..., Any], run_through: Callable[..., Any]
) -> None:
    settings = dict(total_steps=4, save_every=2, batch_size=2)
    plain = losses_of(run_through(make_job(run_name="plain", **settings)))
    events = run_through(make_job(run_name="whole", compile="on", **settings))
    whole = losses_of(events)
    assert keys_of(events) == ["memory.compile_begins", "memory.compile_on"]
    (told,) = [e.message for e in events if isinstance(e, MemoryTold) and e.message.key == "memory.compile_on"]
    assert told.values["blocks"] == told.values["of"] == 2 and told.values["graphs"] >= 2
    assert whole == pytest.approx(plain, rel=1e-5)
    parts = make_job(run_name="parts", compile="on", **settings)
    losses = losses_of(run_through(parts, stop_after=3))
    events = run_through(parts)
    assert keys_of(events) == ["memory.compile_begins", "memory.compile_on"]
    assert losses | losses_of(events) == whole
    # Another choice is no other run.
    assert isinstance(run_through(make_job(run_name="parts", compile="off", **settings))[-1], Finished)


def broken(graph: Any, inputs: Any) -> Any:
    raise RuntimeError("no kernels today")


def wrong(graph: Any, inputs: Any) -> Any:
    return lambda *arguments: [output * 1.01 for output in graph(*arguments)]


@pytest.mark.parametrize(
    ("backend_that", "told"),
    [
        pytest.param(broken, "memory.compile_failed", id="broken"),
        pytest.param(wrong, "memory.compile_other_numbers", id="wrong", marks=pytest.mark.slow),
    ],
)
def test_a_run_whose_compiling_fails_says_why_and_learns_bit_for_bit_the_same(
    make_job: Callable[..., Any], run_through: Callable[..., Any], monkeypatch: pytest.MonkeyPatch,
    backend_that: Callable[..., Any], told: str,
) -> None:  # fmt: skip
    plain = losses_of(run_through(make_job(run_name="plain", total_steps=3)))
    monkeypatch.setattr(compiled, "BACKEND", backend_that)
    events = run_through(make_job(compile="on", total_steps=3))
    assert keys_of(events) == ["memory.compile_begins", told]
    assert losses_of(events) == plain
    if told == "memory.compile_failed":
        (message,) = [e.message for e in events if isinstance(e, MemoryTold) and e.message.key == told]
        assert "no kernels today" in message.values["reason"]


@pytest.mark.slow
def test_a_graph_that_fails_late_has_its_step_made_again(
    make_job: Callable[..., Any], run_through: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first step has one caption length alone; the graph with a mask comes later."""
    settings = dict(total_steps=6, batch_size=2)
    plain = losses_of(run_through(make_job(run_name="plain", **settings)))

    def fails_with_masks(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        if any(tensor.dtype == torch.bool for tensor in inputs if isinstance(tensor, Tensor)):
            raise RuntimeError("no masks")
        return graph

    monkeypatch.setattr(compiled, "BACKEND", fails_with_masks)
    events = run_through(make_job(compile="on", **settings))
    assert keys_of(events)[0] == "memory.compile_begins" and keys_of(events)[-1] == "memory.compile_failed"
    assert losses_of(events) == pytest.approx(plain, rel=1e-5)


def reasons(choice: str, device: str = "cuda", lane: Lane | None = None, **wish: Any) -> list[str]:
    lane = lane or Lane(precision="bf16")
    wished = CompileWish(choice=choice, precision="bf16", **{"expected_s": 3600.0, **wish})
    return [message.key for message in Compiler(wished, lane, 30, torch.device(device)).told]


def test_what_keeps_blocks_from_being_compiled_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    offloaded = Lane(precision="nf4", num_blocks_recomputed=30, num_blocks_offloaded=30)
    assert reasons("auto", "cpu") == reasons("off") == []
    assert reasons("auto", lane=offloaded) == ["memory.compile_offloaded"]
    assert reasons("on", is_alone=False) == ["memory.compile_many"]
    monkeypatch.setattr(compiled.importlib.util, "find_spec", lambda name: None)
    assert reasons("on") == ["memory.compile_no_triton"]
    monkeypatch.setattr(compiled.importlib.util, "find_spec", lambda name: name)
    assert reasons("auto", expected_s=60) == ["memory.compile_too_short"]
    assert reasons("on", expected_s=60) == reasons("auto") == ["memory.compile_begins"]


def test_kernels_are_kept_beside_the_runs_unless_the_user_named_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    cache_dir = cache_dir_in(tmp_path) or tmp_path / ".compiled"
    wish = CompileWish(choice="on", precision="fp32", expected_s=1, cache_dir=cache_dir)
    compiler = Compiler(wish, Lane(precision="fp32"), 2, CPU)
    with compiler._cached():
        assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(cache_dir)
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "mine")
    with compiler._cached():
        assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "mine"
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    own = torchs_cache_dir()  # names it to the environment, as importing diffusers does
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == own
    with compiler._cached():
        assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(cache_dir)
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == own
    assert cache_dir_in(tmp_path / "nothing") is None


LANES = [
    (Lane(precision="bf16"), {}),
    (Lane(precision="bf16", num_blocks_recomputed=1), {}),
    (Lane(precision="int8", num_blocks_recomputed=1), {}),
    (Lane(precision="float8"), {}),
    (Lane(precision="nf4"), {}),
    (Lane(precision="fp32"), dict(network_type="dora")),
    (Lane(precision="fp32"), dict(network_type="lokr")),
]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["aot_eager"], indirect=True)
@pytest.mark.parametrize(("lane", "settings"), LANES, ids=str)
def test_every_lane_and_network_compiles_to_the_same_step(
    backend: str, tiny_dir: Path, lane: Lane, settings: dict[str, Any]
) -> None:
    bench = Bench(tiny_dir, lane, **settings)
    for size in (SIZES[0], PAIRS[0]):
        bench.assert_same(size)


@pytest.fixture
def cpp_compiler() -> None:
    from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        get_cpp_compiler()
    except Exception as error:
        pytest.skip(f"inductor finds no C++ compiler here: {error}")


@pytest.mark.slow
def test_a_run_leaves_its_kernels_beside_the_runs(
    cpp_compiler: None, make_job: Callable[..., Any], run_through: Callable[..., Any]
) -> None:
    job = make_job(compile="on", total_steps=1)
    assert keys_of(run_through(job)) == ["memory.compile_begins", "memory.compile_on"]
    assert any(path.is_file() for path in (job.runs_dir / compiled.CACHE_NAME).rglob("*"))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_kernels_of_inductor_make_the_same_step_and_are_found_by_the_next_run(
    cpp_compiler: None, pocket_dir: Path, tmp_path: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._dynamo.utils import counters

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    for run in (1, 2):
        counters["inductor"].clear()
        Bench(pocket_dir, Lane(precision=precision)).assert_same(SIZES[0])
        assert counters["inductor"]["fxgraph_cache_hit"] >= 2 * (run == 2), counters["inductor"]
