"""Plain LoRA, LoKr and DoRA on any target modules: each starts as nothing, learns, resumes, and is its file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.trainer.conftest import CPU, losses_of
from tests.trainer.networks import KINDS, TARGETS, fill, filled, outputs, relative
from trainer.messages import UserError
from trainer.sweep.lora_hooks import HookedLora, needs_hooks
from trainer.training.config import TrainConfig
from trainer.training.keeping.states import find_state
from trainer.training.model.adapter import fuse_adapter
from trainer.training.model.zimage import find_base_model, load_transformer
from trainer.training.network.lora import add_lora, num_modules, row_norms, save_lora
from trainer.training.network.targets import linear_names, target_names
from trainer.training.update.flow import named_generator


def tiny(tiny_dir: Path, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    return load_transformer(find_base_model(tiny_dir), dtype, CPU)


def layers_of(transformer: torch.nn.Module) -> dict[str, torch.nn.Module]:
    return {name: module for name, module in transformer.named_modules() if hasattr(module, "base_layer")}


# Where


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("targets", TARGETS)
def test_every_kind_sits_on_exactly_its_targets(tiny_dir: Path, kind: str, targets: str) -> None:
    transformer = tiny(tiny_dir)
    linears = [name for name, module in transformer.named_modules() if isinstance(module, torch.nn.Linear)]
    lora = add_lora(transformer, TrainConfig(**KINDS[kind], target_modules=targets), torch.Generator())
    assert set(layers_of(transformer)) == set(target_names(targets, linears))
    assert num_modules(lora) == len(layers_of(transformer))
    trained = {id(parameter) for parameter in transformer.parameters() if parameter.requires_grad}
    assert trained == {id(parameter) for parameter in lora.values()}


# How it starts


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_starts_as_nothing_with_fp32_masters(tiny_dir: Path, kind: str, dtype: torch.dtype) -> None:
    transformer = tiny(tiny_dir, dtype)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16):
        before = outputs(transformer)
        lora = add_lora(transformer, TrainConfig(**KINDS[kind]), named_generator(0, "lora"))
        assert torch.equal(outputs(transformer), before)
    assert {parameter.dtype for parameter in lora.values()} == {torch.float32}


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_alone_decides_the_start_and_no_global_number_is_drawn(tiny_dir: Path, kind: str) -> None:
    config, starts = TrainConfig(**KINDS[kind]), []
    for seed, global_seed in ((1, 5), (1, 6), (2, 5)):
        transformer = tiny(tiny_dir).train()
        torch.manual_seed(global_seed)
        state = torch.get_rng_state()
        starts.append(add_lora(transformer, config, named_generator(seed, "lora")))
        outputs(transformer)
        assert torch.equal(torch.get_rng_state(), state)
    one, same, other = starts
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


# What it computes


@pytest.mark.parametrize("kind", KINDS)
def test_our_forward_is_pefts_with_its_gradients(tiny_dir: Path, kind: str) -> None:
    transformer = tiny(tiny_dir)
    lora = filled(transformer, TrainConfig(**KINDS[kind], target_modules="."))
    for name, layer in layers_of(transformer).items():
        x = torch.randn(2, 5, layer.in_features, generator=named_generator(1, name)).requires_grad_()
        masters = [parameter for key, parameter in lora.items() if key.startswith(f"{name}.")]
        results = [layer(x), type(layer).forward(layer, x)]
        # The same two backward passes from a fixed direction, so that sums of many numbers are compared.
        direction = torch.randn(results[0].shape, generator=named_generator(2, name))
        ours, theirs = (torch.autograd.grad((made * direction).sum(), [x, *masters]) for made in results)
        assert relative(results[0] - results[1], results[1]) < 1e-5, name
        for mine, peer in zip(ours, theirs, strict=True):
            assert relative(mine - peer, peer) < 1e-4, name


@pytest.mark.parametrize("kind", KINDS)
def test_switched_off_it_is_the_base_model(tiny_dir: Path, kind: str) -> None:
    transformer = tiny(tiny_dir)
    before = outputs(transformer)
    lora = filled(transformer, TrainConfig(**KINDS[kind]))
    after = outputs(transformer)
    assert relative(after - before, before) > 1e-2
    transformer.disable_adapters()
    assert torch.equal(outputs(transformer), before)
    transformer.enable_adapters()
    assert torch.equal(outputs(transformer), after)
    assert all(parameter.requires_grad for parameter in lora.values())


# Its file


def saved(tmp_path: Path, transformer: torch.nn.Module, lora: dict[str, torch.nn.Parameter]) -> Path:
    path = tmp_path / "lora.safetensors"
    save_lora(path, lora, {}, transformer)
    return path


@pytest.mark.parametrize("alpha", [2, 16, 64, 3])
def test_alpha_is_folded_into_lora_b_and_no_alpha_is_written(tiny_dir: Path, tmp_path: Path, alpha: int) -> None:
    transformer = tiny(tiny_dir)
    lora = filled(transformer, TrainConfig(linear_rank=8, linear_alpha=alpha))
    file = load_file(saved(tmp_path, transformer, lora))
    assert set(file) == {f"diffusion_model.{name}" for name in lora}
    for name, master in lora.items():
        scale = alpha / 8 if ".lora_B." in name else 1
        assert torch.equal(file[f"diffusion_model.{name}"], (master * scale).bfloat16())
        if alpha != 3:  # powers of two lose nothing: the same bits as of the unscaled weights
            assert torch.equal(file[f"diffusion_model.{name}"], master.bfloat16() * scale)


def test_alpha_zero_means_as_the_rank(tiny_dir: Path, tmp_path: Path) -> None:
    files = []
    for alpha in (0, 8):
        transformer = tiny(tiny_dir)
        path = tmp_path / f"{alpha}.safetensors"
        save_lora(path, filled(transformer, TrainConfig(linear_rank=8, linear_alpha=alpha)), {}, transformer)
        files.append(load_file(path))
    assert all(torch.equal(files[0][key], files[1][key]) for key in files[0])


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("lokr", {"lokr_w1", "lokr_w2"}), ("lokr_low_rank", {"lokr_w1", "lokr_w2_a", "lokr_w2_b"}),
        ("dora", {"lora_A.weight", "lora_B.weight", "dora_scale"}),
    ],
)  # fmt: skip
def test_the_file_has_the_keys_of_comfyuis_loader(tiny_dir: Path, tmp_path: Path, kind: str, parts: set[str]) -> None:
    transformer = tiny(tiny_dir)
    file = load_file(saved(tmp_path, transformer, filled(transformer, TrainConfig(**KINDS[kind]))))
    names = target_names("all", linear_names(num_layers=2))
    assert set(file) == {f"diffusion_model.{name}.{part}" for name in names for part in parts}
    for key, tensor in file.items():
        assert tensor.dtype == (torch.float32 if key.endswith("dora_scale") else torch.bfloat16)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", ["untrained", "nan"])
def test_a_file_that_learned_nothing_or_is_not_finite_is_refused(
    tiny_dir: Path, tmp_path: Path, kind: str, damage: str
) -> None:
    transformer = tiny(tiny_dir)
    lora = add_lora(transformer, TrainConfig(**KINDS[kind]), named_generator(0, "lora"))
    if damage == "nan":
        fill(lora)
        next(reversed(lora.values())).data.view(-1)[0] = float("nan")
    with pytest.raises(UserError) as caught:
        saved(tmp_path, transformer, lora)
    assert caught.value.message.key == {"untrained": "train.lora_empty", "nan": "train.lora_not_finite"}[damage]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["lokr", "lokr_low_rank", "dora"])
@pytest.mark.parametrize("targets", TARGETS)
def test_renders_outside_comfyui_show_what_was_trained(tiny_dir: Path, tmp_path: Path, kind: str, targets: str) -> None:
    trained = tiny(tiny_dir)
    path = saved(tmp_path, trained, filled(trained, TrainConfig(**KINDS[kind], target_modules=targets)))
    assert needs_hooks(path)
    bare = tiny(tiny_dir)
    plain, wanted = outputs(bare), outputs(trained)
    assert relative(wanted - plain, plain) > 5e-3, "too weak to prove anything"
    hooked = HookedLora(bare, path)
    assert relative(outputs(bare) - wanted, wanted - plain) <= 2e-2  # bf16's rounding, of the change alone
    hooked.strength = 0.0
    assert torch.equal(outputs(bare), plain)
    hooked.remove()
    hooked.strength = 1.0
    assert torch.equal(outputs(bare), plain)


@pytest.mark.parametrize("strength", [0.5, 1.0, -0.3])
@pytest.mark.parametrize("kind", ["lokr", "dora"])
def test_renders_scale_the_change_of_the_weight_by_the_strength(
    tiny_dir: Path, tmp_path: Path, kind: str, strength: float
) -> None:
    transformer = tiny(tiny_dir)
    path = saved(tmp_path, transformer, filled(transformer, TrainConfig(**KINDS[kind])))
    name = "layers.1.adaLN_modulation.0"  # one with a bias
    linear = tiny(tiny_dir).get_submodule(name)
    alone = tmp_path / "alone.safetensors"
    save_file({key: value for key, value in load_file(path).items() if f".{name}." in key}, alone)
    x = torch.randn(3, linear.in_features, generator=named_generator(1, "x"))
    holder = torch.nn.ModuleDict({"layers": torch.nn.ModuleList([torch.nn.Identity(), _nested(linear)])})
    plain = linear(x)
    hooked = HookedLora(holder, alone)
    hooked.strength = 1.0
    whole = linear(x)
    hooked.strength = strength
    torch.testing.assert_close(linear(x), plain + strength * (whole - plain), rtol=1e-4, atol=1e-5)


def _nested(linear: torch.nn.Module) -> torch.nn.Module:
    return torch.nn.ModuleDict({"adaLN_modulation": torch.nn.ModuleList([linear])})


def test_a_file_of_another_model_is_not_rendered(tiny_dir: Path, tmp_path: Path) -> None:
    for key, message in (
        ("diffusion_model.layers.9.attention.to_q.lokr_w1", "other_model"),
        ("diffusion_model.layers.0.attention.to_q.alpha", "unknown_key"),
    ):
        save_file({key: torch.ones(2, 2)}, tmp_path / "x.safetensors")
        with pytest.raises(UserError) as caught:
            HookedLora(tiny(tiny_dir), tmp_path / "x.safetensors")
        assert caught.value.message.key == f"sweep.lora_{message}"


def test_a_dora_file_is_made_for_the_base_without_the_training_adapter(tiny_dir: Path, tmp_path: Path) -> None:
    """The rows' lengths that the adapter changed are no part of the file: untrained, it leaves the base as it is."""
    adapter = tmp_path / "adapter.safetensors"
    generator, tensors = named_generator(3, "adapter"), {}
    for name in target_names("all", linear_names(num_layers=2)):
        linear = tiny(tiny_dir).get_submodule(name)
        for side, shape in (("A", (4, linear.in_features)), ("B", (linear.out_features, 4))):
            tensors[f"diffusion_model.{name}.lora_{side}.weight"] = torch.randn(shape, generator=generator) * 0.2
    save_file(tensors, adapter)
    config, transformer = TrainConfig(network_type="dora", linear_rank=4), tiny(tiny_dir)
    norms = row_norms(transformer, config)
    fuse_adapter(transformer, adapter)
    lora = add_lora(transformer, config, named_generator(0, "lora"), norms)
    with torch.no_grad():  # next to nothing, but something, since a file that learned nothing is refused
        lora["layers.0.attention.to_q.lora_B.weight"][0, 0] = 1e-6
    path = saved(tmp_path, transformer, lora)
    bare = tiny(tiny_dir)
    plain = outputs(bare)
    HookedLora(bare, path)
    assert relative(outputs(bare) - plain, plain) <= 1e-5
    assert relative(outputs(transformer) - plain, plain) > 1e-2, "the adapter is too weak to prove anything"


# In a run


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_of_every_kind_equals_an_uninterrupted_one(
    make_job: Callable, run_through: Callable, tmp_path: Path, kind: str
) -> None:
    settings = dict(KINDS[kind], target_modules="attention+mlp", total_steps=4, save_every=2)
    whole = make_job(folder=tmp_path / "whole", **settings)
    losses = losses_of(run_through(whole))
    parts = make_job(folder=tmp_path / "parts", **settings)
    resumed = losses_of(run_through(parts, stop_after=1)) | losses_of(run_through(parts))
    assert resumed == losses
    states = [find_state(job.runs_dir / "ada" / "state")[0] for job in (whole, parts)]
    assert all(torch.equal(states[0].lora[name], states[1].lora[name]) for name in states[0].lora)
    files = [load_file(job.loras_dir / "ada" / "ada_000000004.safetensors") for job in (whole, parts)]
    assert files[0].keys() == files[1].keys()
    assert all(torch.equal(files[0][key], files[1][key]) for key in files[0])


@pytest.mark.parametrize("kind", ["lokr", "dora"])
def test_a_packed_and_offloaded_model_trains_and_saves_every_kind(
    make_job: Callable, run_through: Callable, tmp_path: Path, kind: str
) -> None:
    """Nothing of LoKr or DoRA reads a weight that is packed or away."""
    losses, settings = [], dict(KINDS[kind], target_modules="all", total_steps=2, precision="bf16", lane="manual")
    for name, lane in (("dense", {}), ("packed", dict(quantization_transformer="int8", offload_blocks=2))):
        job = make_job(folder=tmp_path / name, **settings, **lane)
        losses.append(losses_of(run_through(job)))
        assert (job.loras_dir / "ada" / "ada_000000002.safetensors").is_file()
    for step, loss in losses[0].items():
        assert losses[1][step] == pytest.approx(loss, rel=5e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_the_metadata_is_honest_about_every_kind(make_job: Callable, run_through: Callable, kind: str) -> None:
    job = make_job(**KINDS[kind], total_steps=1)
    run_through(job)
    with safe_open(job.loras_dir / "ada" / "ada_000000001.safetensors", framework="pt") as file:
        metadata = file.metadata()
    arguments = json.loads(metadata["ss_network_args"])
    assert arguments["target_modules"] == "all"
    assert metadata["ss_network_module"] == ("networks.lora" if kind == "lora" else "lycoris.kohya")
    assert arguments.get("algo") == {"lora": None, "dora": "lora"}.get(kind, "lokr")
    if kind == "lokr":
        assert arguments["full_matrix"] == "True" and not {"ss_network_dim", "ss_network_alpha"} & metadata.keys()
    else:
        assert metadata["ss_network_dim"] == str(job.config.linear_rank) and metadata["ss_network_alpha"] == "3"
