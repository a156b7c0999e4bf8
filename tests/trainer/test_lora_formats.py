"""LoRA files of every program become the same tensors; a converted file holds the same change; parts add up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.trainer.lora_layouts import ALPHA, LAYOUTS, RANK, fused, kinds, pairs, standard
from trainer.__main__ import FINISHED, MISTAKE, main
from trainer.lora_files.convert import convert_lora
from trainer.lora_files.metadata import stated_words
from trainer.lora_files.names import DOWN, UP
from trainer.lora_files.parts import PartStrengths
from trainer.lora_files.read import read_lora
from trainer.lora_files.standard import Parts, StandardLora, standard_lora
from trainer.training.keeping.checksums import is_whole


@pytest.fixture(scope="module")
def lora():
    return pairs(r"^(layers\.[01]|noise_refiner\.0)\.|cap_embedder\.1|mlp\.2")


def change(parts: Parts) -> Tensor:
    """What a plain LoRA adds to a weight."""
    scale = float(parts["alpha"]) / parts[DOWN].shape[0] if "alpha" in parts else 1.0
    return scale * parts[UP].float() @ parts[DOWN].float()


def changes(read: StandardLora) -> dict[str, Tensor]:
    return {module: change(parts) for module, parts in read.modules.items()}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_becomes_the_same_change_of_the_same_modules(name: str, lora, tmp_path: Path) -> None:
    read = standard_lora(read_lora(LAYOUTS[name](lora).write(tmp_path / "a.safetensors")))
    assert not read.left_out and not read.text_encoder
    got = changes(read)
    assert got.keys() == lora.keys()
    for module, (down, up) in lora.items():
        torch.testing.assert_close(got[module], ALPHA / RANK * up @ down, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_converted_file_holds_the_same_change_in_bf16_without_alpha(name: str, lora, tmp_path: Path) -> None:
    read = standard_lora(read_lora(LAYOUTS[name](lora).write(tmp_path / "a.safetensors")))
    convert_lora(read, tmp_path / "b.safetensors", "hash")
    tensors = load_file(tmp_path / "b.safetensors")
    assert set(tensors) == set(standard(lora).tensors)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    assert is_whole(tmp_path / "b.safetensors", thorough=True)
    for module, expected in changes(read).items():
        up, down = (tensors[f"diffusion_model.{module}.lora_{side}.weight"].float() for side in "BA")
        assert (up @ down - expected).norm() <= 5e-3 * expected.norm()


@pytest.mark.parametrize("kind", ("lokr", "loha", "dora", "diff"))
def test_other_kinds_keep_their_numbers_under_standard_names(kind: str, lora, tmp_path: Path) -> None:
    layouts = kinds({module: pair for module, pair in lora.items() if "layers" in module})
    read, expected = (
        standard_lora(read_lora(layouts[f"{kind} {name}"].write(tmp_path / f"{name}.safetensors")))
        for name in ("onetrainer", "standard")
    )
    assert read.tensors.keys() == expected.tensors.keys() and not read.left_out
    assert all(tensor.equal(expected.tensors[name]) for name, tensor in read.tensors.items())


def test_one_lora_over_q_k_and_v_is_split_into_their_rows(lora, tmp_path: Path) -> None:
    whole = fused(lora)["layers.0.attention.qkv"]
    path = LAYOUTS["comfyui"](lora).write(tmp_path / "a.safetensors")
    got = changes(standard_lora(read_lora(path)))
    rows = torch.cat([got[f"layers.0.attention.to_{part}"] for part in "qkv"])
    torch.testing.assert_close(rows, ALPHA / RANK * whole[1] @ whole[0])


def test_a_lokr_over_q_k_and_v_is_split_only_where_its_blocks_allow(tmp_path: Path) -> None:
    for blocks, expected in ((6, 3), (4, 1)):
        tensors = {"diffusion_model.layers.0.attention.qkv.lokr_w1": torch.randn(blocks, 4)}
        tensors["diffusion_model.layers.0.attention.qkv.lokr_w2"] = torch.randn(864 // blocks, 72)
        save_file(tensors, tmp_path / "a.safetensors")
        read = standard_lora(read_lora(tmp_path / "a.safetensors"))
        assert len(read.modules) == expected
        rows = torch.cat([torch.kron(parts["lokr_w1"], parts["lokr_w2"]) for parts in read.modules.values()])
        whole = list(tensors.values())
        torch.testing.assert_close(rows, torch.kron(whole[0], whole[1]))


def test_text_encoder_tensors_and_strangers_are_named_and_left_out(lora, tmp_path: Path) -> None:
    layout = standard(lora)
    layout.tensors |= {"lora_te1_layers_0_mlp.alpha": torch.ones(()), "something.else": torch.ones(2)}
    read = standard_lora(read_lora(layout.write(tmp_path / "a.safetensors")))
    assert read.text_encoder == ("lora_te1_layers_0_mlp.alpha",) and read.left_out == ("something.else",)


def test_rslora_stated_by_peft_scales_by_the_root_of_the_rank(lora, tmp_path: Path) -> None:
    layout = LAYOUTS["raw peft with its config"](lora)
    layout.beside = {"adapter_config.json": json.dumps({"lora_alpha": ALPHA, "r": RANK, "use_rslora": True})}
    got = changes(standard_lora(read_lora(layout.write(tmp_path / "a.safetensors"))))
    for module, (down, up) in lora.items():
        torch.testing.assert_close(got[module], ALPHA / RANK**0.5 * up @ down)


def test_a_converted_file_drops_a_stated_scale_that_is_folded_now(lora, tmp_path: Path) -> None:
    layout = LAYOUTS["diffusers"](lora)
    layout.metadata["modelspec.author"] = "某人"
    read = standard_lora(read_lora(layout.write(tmp_path / "a.safetensors")))
    convert_lora(read, tmp_path / "b.safetensors", "hash")
    again = standard_lora(read_lora(tmp_path / "b.safetensors"))
    assert "lora_adapter_metadata" not in again.metadata and again.metadata["modelspec.author"] == "某人"
    assert again.metadata["modelspec.title"] == "b"


def test_all_factors_at_1_change_nothing_and_every_module_has_one() -> None:
    modules = list(pairs(r".")) + ["layers.0.attention.qkv"]
    assert {PartStrengths().factor_of(module, 4) for module in modules} == {1.0}


def test_factors_reach_their_own_parts_and_multiply() -> None:
    parts = PartStrengths(attention=0.5, mlp=0, early_blocks=0.2, late_blocks=2, refiners=0.3, embedders=0.7)
    expected = {
        "layers.0.attention.to_q": 0.1, "layers.15.attention.to_q": 0.5, "layers.29.attention.to_out.0": 1.0,
        "layers.29.feed_forward.w1": 0.0, "layers.0.adaLN_modulation.0": 0.2, "noise_refiner.0.attention.to_k": 0.15,
        "cap_embedder.1": 0.7, "all_final_layer.2-1.linear": 0.7,
    }  # fmt: skip
    assert {module: pytest.approx(parts.factor_of(module, 30)) for module in expected} == expected


def test_thirds_split_the_layers_evenly() -> None:
    early = PartStrengths(early_blocks=0)
    assert sum(early.factor_of(f"layers.{layer}.feed_forward.w1", 30) == 0 for layer in range(30)) == 10


OURS = {
    "modelspec.trigger_phrase": "zwx", "zimage_lora.subject": "小雨",
    "zimage_lora.config": json.dumps({"trigger_word": "zwx"}),
}  # fmt: skip
KOHYA_TAGS = {
    "ss_tag_frequency": json.dumps({"10_mila": {"mila": 12, "1girl": 12, "beach": 3}}),
    "ss_dataset_dirs": json.dumps({"10_mila": {"n_repeats": 10, "img_count": 12}}),
}
SUBSETS = {"ss_datasets": json.dumps([{"subsets": [{"class_tokens": "sks woman"}, {"is_reg": True}]}])}


@pytest.mark.parametrize(
    ("metadata", "trigger", "prefix"),
    [
        (OURS, "zwx", "zwx a photo of 小雨"),
        ({"zimage_lora.subject": "Mila"}, "Mila", "a photo of Mila"),
        ({"modelspec.trigger_phrase": "ohwx man"}, "ohwx man", "ohwx man"),
        (SUBSETS, "sks woman", "sks woman"),
        (KOHYA_TAGS, "mila", "mila"),
        ({**KOHYA_TAGS, "ss_dataset_dirs": json.dumps({"a": {"img_count": 40}})}, "", ""),
        ({"ss_tag_frequency": "[[[", "ss_datasets": "null", "zimage_lora.config": "7"}, "", ""),
        ({}, "", ""),
    ],
)
def test_words_are_those_that_the_file_states(metadata: dict[str, str], trigger: str, prefix: str) -> None:
    words = stated_words(metadata)
    assert (words.trigger, words.prompt_prefix) == (trigger, prefix)


def test_the_command_line_converts_beside_the_old_file_and_only_once(lora, tmp_path: Path, capsys) -> None:
    path = LAYOUTS["onetrainer"](lora).write(tmp_path / "小雨.safetensors")
    before = path.read_bytes()
    assert main(["convert", str(path)]) == main(["convert", str(path)]) == FINISHED
    assert {one.name for one in tmp_path.iterdir()} == {"小雨.safetensors", "小雨_zimage.safetensors"}
    assert path.read_bytes() == before and "小雨_zimage" in capsys.readouterr().out
    assert main(["convert", str(tmp_path / "gone.safetensors")]) == MISTAKE
