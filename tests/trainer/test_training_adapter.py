"""The training adapter: found by itself, fused exactly, refused by name, and nowhere in what is saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.trainer.conftest import CPU, losses_of
from trainer.messages import UserError, sentence
from trainer.training.model.adapter import V2_NAME, find_adapter, fuse_adapter
from trainer.training.model.zimage import find_base_model, load_transformer

FUSED = ("layers.0.attention.to_q", "layers.1.adaLN_modulation.0", "noise_refiner.0.feed_forward.w1")


def save_adapter(path: Path, rank: int, widths: dict[str, tuple[int, int]], alpha: float | None = None) -> Path:
    """A LoRA file in AI Toolkit's keys; `widths` gives (out, in) by module."""
    generator = torch.Generator().manual_seed(rank)
    tensors = {}
    for module, (out_width, in_width) in widths.items():
        key = f"diffusion_model.{module}"
        tensors[f"{key}.lora_A.weight"] = torch.randn(rank, in_width, generator=generator).bfloat16() * 0.1
        tensors[f"{key}.lora_B.weight"] = torch.randn(out_width, rank, generator=generator).bfloat16() * 0.1
        if alpha is not None:
            tensors[f"{key}.alpha"] = torch.tensor(alpha)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path


@pytest.fixture
def tiny_adapter(tiny_dir: Path, tmp_path: Path) -> Path:
    weights = load_file(tiny_dir / "transformer" / "diffusion_pytorch_model.safetensors")
    widths = {module: tuple(weights[f"{module}.weight"].shape) for module in FUSED}
    return save_adapter(tmp_path / "loras" / "my_training_adapter.safetensors", 5, widths)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_fusing_adds_b_times_a_in_fp32_and_rounds_once(tiny_dir: Path, tiny_adapter: Path, dtype: torch.dtype) -> None:
    base = find_base_model(tiny_dir)
    before, transformer = load_transformer(base, dtype, CPU).state_dict(), load_transformer(base, dtype, CPU)
    assert fuse_adapter(transformer, tiny_adapter) == len(FUSED)
    adapter = load_file(tiny_adapter)
    for name, weight in transformer.state_dict().items():
        module = name.removesuffix(".weight")
        if module in FUSED and name.endswith(".weight"):
            down, up = (adapter[f"diffusion_model.{module}.lora_{side}.weight"].float() for side in "AB")
            assert torch.equal(weight, (before[name].float() + up @ down).to(dtype)), name
            assert not torch.equal(weight, before[name])
        else:
            assert torch.equal(weight, before[name]), f"{name} is not the adapter's"


def test_an_alpha_in_the_file_changes_nothing(tiny_dir: Path, tiny_adapter: Path, tmp_path: Path) -> None:
    with_alpha = {**load_file(tiny_adapter), f"diffusion_model.{FUSED[0]}.alpha": torch.tensor(1.0)}
    save_file(with_alpha, tmp_path / "alpha.safetensors")
    fused = []
    for path in (tiny_adapter, tmp_path / "alpha.safetensors"):
        transformer = load_transformer(find_base_model(tiny_dir), torch.bfloat16, CPU)
        fuse_adapter(transformer, path)
        fused.append(transformer.state_dict())
    assert all(torch.equal(fused[1][name], weight) for name, weight in fused[0].items())


def test_the_saved_lora_holds_no_trace_of_the_adapter(
    make_job: Callable, run_through: Callable, tiny_adapter: Path
) -> None:
    """At a learning rate of nearly nothing the file's B·A is nearly nothing, whatever was fused."""
    deltas, keys, losses = [], [], []
    for name, adapter in (("with", tiny_adapter), ("without", None)):
        job = make_job(run_name=name, adapter=adapter, total_steps=2, learning_rate=1e-7, weight_decay=0.0)
        losses.append(losses_of(run_through(job)))
        saved = load_file(job.loras_dir / name / f"{name}_000000002.safetensors")
        keys.append(set(saved))
        pairs = [(saved[key], saved[key.replace("lora_B", "lora_A")]) for key in saved if "lora_B" in key]
        deltas.append(max((up.float() @ down.float()).abs().max().item() for up, down in pairs))
    assert keys[0] == keys[1]
    assert max(deltas) < 1e-5, "the adapter's own B·A is about 0.05"
    assert losses[0] != losses[1], "the adapter was not fused at all"


def test_auto_finds_v2_among_other_loras_by_name_keys_and_rank(tmp_path: Path) -> None:
    loras = tmp_path / "models" / "loras"
    files = [
        save_adapter(loras / "character_rank_64.safetensors", 64, {"layers.0.attention.to_k": (48, 48)}),
        save_adapter(loras / "zimage_turbo_training_adapter_v1.safetensors", 32, {"layers.0.attention.to_k": (48, 48)}),
        save_adapter(loras / "flux_training_adapter.safetensors", 64, {"double_blocks.0.img_attn": (48, 48)}),
        save_adapter(loras / "sub" / V2_NAME, 64, {"layers.0.attention.to_k": (48, 48)}),
    ]
    assert find_adapter("auto", files) == files[-1]
    assert find_adapter("auto", files[::-1]) == files[-1]
    assert find_adapter("v1", files) == files[1]
    for found, key in ((files[:-1], "adapter.only_v1"), (files[:1], "adapter.missing")):
        with pytest.raises(UserError) as caught:
            find_adapter("auto", found, loras)
        assert caught.value.message.key == key
        for language in ("en", "zh"):
            text = sentence(caught.value.message, language)
            assert V2_NAME in text and "ostris/zimage_turbo_training_adapter" in text and str(loras) in text


def test_a_broken_file_that_is_not_the_adapter_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "broken.safetensors").write_bytes(b"not weights")
    good = save_adapter(tmp_path / V2_NAME, 64, {"layers.0.attention.to_k": (48, 48)})
    assert find_adapter("auto", [tmp_path / "broken.safetensors", good]) == good


def test_none_is_none_and_a_file_is_itself_by_path_or_by_name(tmp_path: Path) -> None:
    path = save_adapter(tmp_path / "loras" / "mine.safetensors", 8, {"layers.0.attention.to_k": (48, 48)})
    assert find_adapter("none", [path]) is None
    assert find_adapter(str(path), []) == path
    assert find_adapter("mine.safetensors", [path]) == path


def test_a_missing_file_names_itself_its_address_and_the_folder(tmp_path: Path) -> None:
    other = save_adapter(tmp_path / "loras" / "other.safetensors", 8, {"layers.0.attention.to_k": (48, 48)})
    with pytest.raises(UserError) as caught:
        find_adapter("gone.safetensors", [other], other.parent)
    text = str(caught.value)
    assert "gone.safetensors" in text and "huggingface.co/ostris" in text and str(other.parent) in text


def test_a_file_that_is_no_lora_of_zimage_is_refused(tmp_path: Path) -> None:
    path = save_adapter(tmp_path / "flux.safetensors", 64, {"double_blocks.0.img_attn": (48, 48)})
    with pytest.raises(UserError) as caught:
        find_adapter(str(path), [])
    assert caught.value.message.key == "adapter.not_zimage" and str(path) in str(caught.value)


@pytest.mark.parametrize("module", ["layers.0.attention.to_q", "layers.7.attention.to_q", "layers.0.attention.nothing"])
def test_another_models_adapter_is_refused_by_the_module_that_does_not_fit(
    tiny_dir: Path, tmp_path: Path, module: str
) -> None:
    path = save_adapter(tmp_path / "wide_training_adapter.safetensors", 4, {module: (64, 48)})
    with pytest.raises(UserError) as caught:
        fuse_adapter(load_transformer(find_base_model(tiny_dir), torch.float32, CPU), path)
    assert caught.value.message.key == "adapter.other_width"
    assert module in str(caught.value) and str(path) in str(caught.value)


def test_a_refused_adapter_leaves_nothing_that_stands_in_the_way_of_the_right_one(
    make_job: Callable, run_through: Callable, tiny_adapter: Path, tmp_path: Path
) -> None:
    wrong = save_adapter(tmp_path / "wide_training_adapter.safetensors", 4, {"layers.0.attention.to_q": (64, 48)})
    job = make_job(adapter=wrong, total_steps=1)
    with pytest.raises(UserError) as caught:
        run_through(job)
    assert caught.value.message.key == "adapter.other_width"
    run_dir = job.runs_dir / "ada"
    assert {path.name for path in run_dir.iterdir()} <= {"cache", "events.jsonl", "run.lock"} and not (
        job.loras_dir / "ada"
    ).exists()
    assert not list(tmp_path.rglob("*.tmp"))
    assert losses_of(run_through(make_job(adapter=tiny_adapter, total_steps=1))).keys() == {1}
