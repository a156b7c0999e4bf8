"""The LoRA: it starts as nothing, sits where it should, and its file is what other programs load."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.trainer.conftest import CPU
from tests.trainer.networks import outputs, relative
from tests.trainer.test_training_loading import full_size_header
from trainer.messages import UserError
from trainer.training.config import TrainConfig
from trainer.training.keeping.checksums import CONTENT_KEY, HEADER_KEY
from trainer.training.keeping.states import find_state
from trainer.training.model.zimage import find_base_model, load_transformer, single_file_config
from trainer.training.network.lora import add_lora, check_lora_file, save_lora
from trainer.training.update.flow import named_generator

MODULES = {
    "attention.to_q", "attention.to_k", "attention.to_v", "attention.to_out.0",
    "feed_forward.w1", "feed_forward.w2", "feed_forward.w3", "adaLN_modulation.0",
}  # fmt: skip
KEY = re.compile(r"(diffusion_model\.)?layers\.(\d+)\.(.+)\.lora_([AB])\.weight")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_new_lora_changes_nothing_and_its_masters_are_fp32(pocket_dir: Path, dtype: torch.dtype) -> None:
    transformer = load_transformer(find_base_model(pocket_dir), dtype, CPU)
    before = outputs(transformer)
    lora = add_lora(transformer, TrainConfig(linear_rank=8), named_generator(0, "lora"))
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16):
        after = outputs(transformer)
    if dtype is torch.float32:
        assert torch.equal(before, after)
    else:
        assert relative(before - after, before) < 2e-2  # autocast rounds elsewhere than plain bf16 does
    assert all(parameter.dtype == torch.float32 and parameter.requires_grad for parameter in lora.values())
    assert {name for name, parameter in transformer.named_parameters() if parameter.requires_grad} == {
        name.replace(".lora_A.", ".lora_A.default.").replace(".lora_B.", ".lora_B.default.") for name in lora
    }
    for name, parameter in lora.items():
        assert parameter.any() == (".lora_A." in name) and parameter.shape[".lora_B." in name] == 8


def test_lora_a_is_uniform_within_one_over_the_root_of_its_width(pocket_dir: Path) -> None:
    transformer = load_transformer(find_base_model(pocket_dir), torch.float32, CPU)
    for name, parameter in add_lora(transformer, TrainConfig(linear_rank=64), named_generator(0, "lora")).items():
        if ".lora_A." in name:
            bound = parameter.shape[1] ** -0.5
            assert 0.98 * bound < parameter.abs().max() <= bound
            assert parameter.detach().std() == pytest.approx(bound / 3**0.5, rel=0.03)


def test_the_full_size_model_has_240_trained_modules() -> None:
    from diffusers import ZImageTransformer2DModel

    with torch.device("meta"):
        transformer = ZImageTransformer2DModel.from_config(single_file_config(full_size_header(), Path("x")))
        lora = add_lora(transformer, TrainConfig(linear_rank=1), named_generator(0, "lora"))
    assert_reference_modules(lora, num_layers=30)
    assert lora["layers.29.adaLN_modulation.0.lora_B.weight"].shape == (15360, 1)
    assert lora["layers.0.feed_forward.w2.lora_A.weight"].shape == (1, 10240)


def test_the_pocket_model_has_8_trained_modules_per_layer(pocket_dir: Path) -> None:
    transformer = load_transformer(find_base_model(pocket_dir), torch.float32, CPU)
    lora = add_lora(transformer, TrainConfig(linear_rank=4), named_generator(0, "lora"))
    assert_reference_modules(lora, num_layers=len(transformer.layers))


def assert_reference_modules(names: dict, num_layers: int) -> None:
    found = [KEY.fullmatch(name) for name in names]
    assert all(found), "a refiner, an embedder or the final layer was touched"
    expected = {(str(layer), module, side) for layer in range(num_layers) for module in MODULES for side in "AB"}
    assert {match.group(2, 3, 4) for match in found if match} == expected and len(names) == len(expected)


@pytest.fixture(scope="module")
def transformer(pocket_dir: Path) -> torch.nn.Module:
    """The pocket model with a rank 4 LoRA on it."""
    transformer = load_transformer(find_base_model(pocket_dir), torch.float32, CPU)
    add_lora(transformer, TrainConfig(linear_rank=4), named_generator(0, "lora"))
    return transformer


@pytest.fixture(scope="module")
def lora(transformer: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Values for that LoRA's masters."""
    names = {
        name.replace(".default", ""): value for name, value in transformer.named_parameters() if value.requires_grad
    }
    generator = named_generator(0, "values")
    return {name: torch.randn(value.shape, generator=generator) * 0.05 for name, value in names.items()}


def test_the_saved_file_has_ai_toolkits_keys_in_bf16_without_alpha(
    lora: dict[str, torch.Tensor], transformer: torch.nn.Module, pocket_dir: Path, tmp_path: Path
) -> None:
    path = tmp_path / "安娜" / "lora.safetensors"
    metadata = {"modelspec.title": "安娜", "zimage_lora.config": json.dumps({"seed": 1})}
    save_lora(path, lora, metadata, transformer)
    saved = load_file(path)
    assert set(saved) == {f"diffusion_model.{name}" for name in lora}
    num_layers = json.loads((pocket_dir / "transformer" / "config.json").read_text())["n_layers"]
    assert_reference_modules(saved, num_layers)
    assert all(tensor.dtype == torch.bfloat16 for tensor in saved.values())
    assert all(torch.equal(saved[f"diffusion_model.{name}"], tensor.bfloat16()) for name, tensor in lora.items())
    with safe_open(path, framework="pt") as file:
        written = file.metadata()
    assert written == {"format": "pt", **metadata, **{key: written[key] for key in (CONTENT_KEY, HEADER_KEY)}}
    assert [other.name for other in path.parent.iterdir()] == [path.name]


def without_first(lora: dict) -> dict:
    return dict(list(lora.items())[1:])


def with_value(lora: dict, value: float) -> dict:
    name = "layers.1.attention.to_k.lora_A.weight"
    return {**lora, name: lora[name].clone().index_fill_(0, torch.tensor(0), value)}


def test_the_self_check_refuses_bad_files_and_leaves_none(
    lora: dict[str, torch.Tensor], transformer: torch.nn.Module, tmp_path: Path
) -> None:
    zero_B = {name: tensor * (".lora_A." in name) for name, tensor in lora.items()}
    bad = [
        (zero_B, "train.lora_empty"),
        (with_value(lora, float("nan")), "train.lora_not_finite"),
        (with_value(lora, float("inf")), "train.lora_not_finite"),
        (with_value(lora, 3.4e38), "train.lora_not_finite"),  # finite in fp32, infinite in bf16
    ]
    for tensors, key in bad:
        with pytest.raises(UserError) as caught:
            save_lora(tmp_path / "lora.safetensors", tensors, {}, transformer)
        assert caught.value.message.key == key
        assert not list(tmp_path.iterdir())


def test_a_bad_file_does_not_replace_a_good_one(
    lora: dict[str, torch.Tensor], transformer: torch.nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / "lora.safetensors"
    save_lora(path, lora, {}, transformer)
    good = path.read_bytes()
    with pytest.raises(UserError):
        save_lora(path, with_value(lora, float("nan")), {}, transformer)
    assert path.read_bytes() == good and len(list(tmp_path.iterdir())) == 1


def test_the_self_check_counts_missing_and_unknown_keys(lora: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "lora.safetensors"
    save_file({**without_first(lora), "x": torch.ones(1), "y": torch.ones(1)}, path)
    with pytest.raises(UserError) as caught:
        check_lora_file(path, lora)
    assert caught.value.message.key == "train.lora_keys"
    assert caught.value.message.values == {"missing": 1, "extra": 2}


def test_diffusers_loads_the_trained_file_and_computes_the_same(
    make_job: Callable, run_through: Callable, pocket_dir: Path
) -> None:
    from diffusers import ZImagePipeline

    job = make_job(base=pocket_dir, linear_rank=8, total_steps=3, learning_rate=5e-2)
    run_through(job)
    state = find_state(job.runs_dir / "ada" / "state")[0]
    assert state
    trained = load_transformer(job.base, torch.float32, CPU)
    masters = add_lora(trained, TrainConfig(linear_rank=8), named_generator(0, "lora"))
    made = []
    for rounded in (True, False):
        with torch.no_grad():
            for name, parameter in masters.items():
                parameter.copy_(state.lora[name].bfloat16() if rounded else state.lora[name])
        made.append(outputs(trained))
    pipeline = ZImagePipeline.from_pretrained(pocket_dir, torch_dtype=torch.float32, local_files_only=True)
    plain = outputs(pipeline.transformer)
    pipeline.load_lora_weights(job.loras_dir / "ada" / "ada_000000003.safetensors")
    loaded = outputs(pipeline.transformer)
    assert relative(loaded - plain, plain) > 5e-2, "the LoRA is too weak to prove anything"
    assert relative(loaded - made[0], made[0]) <= 1e-4
    assert relative(loaded - made[1], made[1]) <= 1e-2


def test_the_metadata_says_enough_to_train_the_same_lora_again(make_job: Callable, run_through: Callable) -> None:
    from trainer.settings import config_from

    job = make_job(total_steps=2, save_every=1, trigger_word="小雅", run_name="雅")
    run_through(job)
    for step in (1, 2):
        with safe_open(job.loras_dir / "雅" / f"雅_{step:09d}.safetensors", framework="pt") as file:
            metadata = file.metadata()
        assert config_from(TrainConfig, json.loads(metadata["zimage_lora.config"])) == job.config
        assert metadata["zimage_lora.dataset"] == job.dataset.fingerprint
        assert metadata["ss_network_dim"] == metadata["ss_network_alpha"] == "4"
        assert metadata["ss_steps"] == str(step) and metadata["ss_output_name"] == "雅"
        assert metadata["modelspec.trigger_phrase"] == "小雅" and metadata["ss_base_model_version"] == "zimage"
