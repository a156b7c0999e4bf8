"""Base models that are refused: each with a message that names the file and what is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pocket.single_files import SingleFiles
from trainer.messages import UserError, sentence
from trainer.training.model.zimage import find_base_model, load_transformer


def refusal(source: str | Path) -> UserError:
    with pytest.raises(UserError) as caught:
        find_base_model(source)
    for language in ("en", "zh"):
        assert str(source) in sentence(caught.value.message, language)
    return caught.value


def changed(files: SingleFiles, path: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    """The transformer's single file after a change of its tensors."""
    tensors = load_file(files.transformer)
    change(tensors)
    save_file(tensors, path, metadata={"zimage_config": json.dumps({"axes_dims": [32, 32, 32]})})
    return path


def test_gguf_is_refused_by_its_suffix_and_by_its_first_bytes(tmp_path: Path) -> None:
    for name in ("z_image-Q8_0.gguf", "renamed.safetensors", "renamed.bin"):
        path = tmp_path / name
        path.write_bytes((b"" if name.endswith("gguf") else b"GGUF") + bytes(64))
        error = refusal(path)
        assert error.message.key == "base.gguf" and "GGUF" in str(error)


@pytest.mark.parametrize("kept", [0, 7, 100, 20_000, -1])
def test_a_truncated_file_is_refused(pocket_files: SingleFiles, tmp_path: Path, kept: int) -> None:
    path = tmp_path / "half.safetensors"
    path.write_bytes(pocket_files.transformer.read_bytes()[:kept])
    assert refusal(path).message.key == "base.unreadable"


def test_a_lora_a_text_encoder_and_a_vae_are_no_base_models(pocket_files: SingleFiles, tmp_path: Path) -> None:
    lora = tmp_path / "lora.safetensors"
    save_file({"diffusion_model.layers.0.attention.to_q.lora_A.weight": torch.ones(4, 288)}, lora)
    empty = tmp_path / "empty.safetensors"
    save_file({}, empty)
    assert refusal(empty).message.key == "base.not_zimage"
    assert refusal(lora).message.key == "base.is_lora"
    assert refusal(pocket_files.text_encoder).message.key == "base.is_text_encoder"
    assert refusal(pocket_files.vae).message.key == "base.is_vae"


@pytest.mark.parametrize("name", ["siglip_embedder.1.weight", "siglip_refiner.0.ffn.weight", "dec_net.x.weight"])
def test_the_omni_and_pixel_variants_are_refused_by_name(pocket_files: SingleFiles, tmp_path: Path, name: str) -> None:
    path = changed(pocket_files, tmp_path / "omni.safetensors", lambda t: t.update({name: torch.ones(2)}))
    error = refusal(path)
    assert error.message.key == "base.not_zimage" and name in str(error)


def test_a_width_without_its_axes_is_refused(pocket_files: SingleFiles, tmp_path: Path) -> None:
    path = tmp_path / "no_metadata.safetensors"
    save_file(load_file(pocket_files.transformer), path)
    assert refusal(path).message.key == "base.not_zimage"


def test_missing_and_unknown_tensors_are_counted(pocket_files: SingleFiles, tmp_path: Path) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        del tensors["layers.1.feed_forward.w2.weight"], tensors["cap_embedder.0.weight"]
        tensors["something.else"] = torch.ones(2)

    path = changed(pocket_files, tmp_path / "holes.safetensors", change)
    with pytest.raises(UserError) as caught:
        load_transformer(find_base_model(path), torch.float32, torch.device("cpu"))
    assert caught.value.message.key == "base.incomplete"
    assert caught.value.message.values["missing"] == 2 and caught.value.message.values["unexpected"] == 1
    assert "layers.1.feed_forward.w2.weight" in str(caught.value) and "something.else" in str(caught.value)


def test_a_tensor_of_another_width_is_refused(pocket_files: SingleFiles, tmp_path: Path) -> None:
    name = "layers.1.feed_forward.w2.weight"
    path = changed(pocket_files, tmp_path / "narrow.safetensors", lambda t: t.update({name: t[name][:, :7].clone()}))
    with pytest.raises(UserError) as caught:
        load_transformer(find_base_model(path), torch.float32, torch.device("cpu"))
    assert caught.value.message.key == "base.other_shape" and name in str(caught.value)


@pytest.mark.parametrize("source", ["nowhere/z_image.safetensors", "z_image.gguf", "no such folder", "/no/such/folder"])
def test_a_missing_file_or_folder_is_named(source: str) -> None:
    assert refusal(source).message.key == "base.file_missing"


def test_an_unknown_hub_id_without_a_network_is_named() -> None:
    assert refusal("nobody-at-all/No-Such-Model").message.key == "base.hub_unreachable"


def test_a_folder_without_a_transformer_or_with_another_one_is_refused(pocket_dir: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refusal(empty).message.key == "base.no_transformer"
    other = tmp_path / "other"
    shutil.copytree(pocket_dir / "transformer", other / "transformer")
    config = other / "transformer" / "config.json"
    config.write_text(config.read_text().replace("ZImageTransformer2DModel", "FluxTransformer2DModel"))
    error = refusal(other)
    assert error.message.key == "base.not_zimage" and "FluxTransformer2DModel" in str(error)


def test_a_damaged_folder_is_refused_with_a_sentence(pocket_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(pocket_dir / "transformer", folder / "transformer")
    (weights,) = (folder / "transformer").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:5000])
    assert refusal(folder).message.key == "base.unreadable"
    shutil.copytree(pocket_dir / "transformer", folder / "transformer", dirs_exist_ok=True)
    (folder / "transformer" / "config.json").write_text('{"_class_name": ')
    with pytest.raises(UserError):
        find_base_model(folder)
