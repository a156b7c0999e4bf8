"""LoRA files that cannot be used: each is refused with what it is, where, and what to do. None is ever unpickled."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.trainer.lora_layouts import Layout, pairs, standard
from trainer.lora_files.parts import check_strength
from trainer.lora_files.read import read_lora
from trainer.lora_files.standard import standard_lora
from trainer.messages import UserError

NAME = "layers.0.attention.to_q"


def small() -> Layout:
    return standard(pairs(r"^layers\.0\.attention"))


def refused(path: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        standard_lora(read_lora(path))
    assert path.name in str(caught.value)
    return caught.value


def one_pair(*names: str, width: int = 640) -> dict[str, torch.Tensor]:
    tensors = {}
    for name in names:
        tensors[f"{name}.lora_down.weight"] = torch.ones(4, width)
        tensors[f"{name}.lora_up.weight"] = torch.ones(width, 4)
    return tensors


class Armed:
    """Unpickled, it would leave a mark."""

    mark: Path

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("name", ("a.pt", "a.ckpt", "a.bin", "a.safetensors"))
@pytest.mark.parametrize("writer", ("torch", "pickle"))
def test_a_pickle_is_refused_and_never_run(name: str, writer: str, tmp_path: Path) -> None:
    Armed.mark = tmp_path / "ran"
    if writer == "torch":
        torch.save({"x": Armed()}, tmp_path / name)
    else:
        (tmp_path / name).write_bytes(pickle.dumps({"x": Armed()}))
    assert refused(tmp_path / name).message.key == "lora.pickle"
    assert not Armed.mark.exists()


def write_empty(path: Path) -> None:
    path.write_bytes(b"")


def write_web_page(path: Path) -> None:
    path.write_text("<!DOCTYPE html><html>not found</html>", encoding="utf-8")


def write_broken_header(path: Path) -> None:
    path.write_bytes((20).to_bytes(8, "little") + b'{"a": {"dtype": "F3}')


def write_cut(path: Path) -> None:
    small().write(path)
    path.write_bytes(path.read_bytes()[:-100])


def write_cut_in_the_header(path: Path) -> None:
    small().write(path)
    path.write_bytes(path.read_bytes()[:60])


def write_whole_model(path: Path) -> None:
    save_file({"layers.0.attention.to_q.weight": torch.ones(2, 2)}, path)


def write_nan(path: Path) -> None:
    layout = small()
    layout.tensors[f"diffusion_model.{NAME}.lora_B.weight"][3, 1] = float("nan")
    layout.write(path)


def write_infinite(path: Path) -> None:
    layout = small()
    layout.tensors[f"diffusion_model.{NAME}.lora_A.weight"][0, 0] = float("inf")
    layout.write(path)


def write_half(path: Path) -> None:
    layout = small()
    del layout.tensors[f"diffusion_model.{NAME}.lora_A.weight"]
    layout.write(path)


def write_bad_pair(path: Path) -> None:
    layout = small()
    layout.tensors[f"diffusion_model.{NAME}.lora_A.weight"] = torch.ones(7, 288)
    layout.write(path)


def write_twice(path: Path) -> None:
    layout = small()
    layout.tensors[f"transformer.{NAME}.lora_A.weight"] = torch.ones(4, 288)
    layout.write(path)


def write_peft_dora(path: Path) -> None:
    layout = small()
    layout.tensors[f"diffusion_model.{NAME}.lora_magnitude_vector"] = torch.ones(288)
    layout.write(path)


def write_alphas(path: Path) -> None:
    save_file({f"diffusion_model.{NAME}.alpha": torch.ones(())}, path)


def write_strangers(path: Path) -> None:
    save_file(one_pair("nobody.knows.this"), path)


BAD: dict[Callable[[Path], None], str] = {
    write_empty: "lora.empty", write_web_page: "lora.not_safetensors", write_broken_header: "lora.not_safetensors",
    write_cut: "lora.truncated", write_cut_in_the_header: "lora.truncated", write_whole_model: "lora.none_inside",
    write_nan: "lora.not_finite", write_infinite: "lora.not_finite", write_half: "lora.half",
    write_bad_pair: "lora.bad_pair", write_twice: "lora.twice", write_peft_dora: "lora.peft_dora",
    write_alphas: "lora.only_alphas", write_strangers: "lora.unknown_names",
}  # fmt: skip


@pytest.mark.parametrize("write", BAD, ids=lambda write: write.__name__)
def test_bad_files_are_named_for_what_they_are(write: Callable[[Path], None], tmp_path: Path) -> None:
    write(tmp_path / "坏.safetensors")
    assert refused(tmp_path / "坏.safetensors").message.key == BAD[write]


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone.safetensors").message.key == "lora.gone"


OTHERS = {
    "SDXL": (
        "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k",
        "lora_unet_down_blocks_2_attentions_0_transformer_blocks_9_attn1_to_q",
    ),
    "Stable Diffusion 1 / 2": ("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",),
    "Flux": ("lora_unet_double_blocks_0_img_attn_qkv", "transformer.single_transformer_blocks.3.attn.to_q"),
    "Qwen-Image": ("transformer_blocks.0.img_mlp.net.2", "lora_unet_transformer_blocks_0_txt_mod_1"),
    "Wan": ("diffusion_model.blocks.0.cross_attn.k",),
    "a text encoder": ("lora_te_text_model_encoder_layers_0_mlp_fc1",),
}


@pytest.mark.parametrize(("model", "name"), [(model, name) for model, names in OTHERS.items() for name in names])
def test_a_lora_of_another_model_is_named(model: str, name: str, tmp_path: Path) -> None:
    save_file(one_pair(name), tmp_path / "a.safetensors")
    error = refused(tmp_path / "a.safetensors")
    assert error.message.key == "lora.other_model" and model in str(error)


@pytest.mark.parametrize("strength", (float("nan"), float("inf")))
def test_a_strength_that_is_no_number_is_refused(strength: float) -> None:
    with pytest.raises(UserError):
        check_strength(strength)
