"""Loading the base model: every layout of the same weights gives the same transformer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pocket.single_files import SingleFiles
from tests.trainer.conftest import CPU
from trainer.training.model.weights import Header, fingerprint
from trainer.training.model.zimage import diffusers_keys, find_base_model, load_transformer, single_file_config

WIDTHS = {"axes_dims", "axes_lens", "cap_feat_dim", "dim", "n_heads", "n_kv_heads", "n_layers", "n_refiner_layers"}
PREFIX = "model.diffusion_model."


def rewritten(source: Path, target: Path, dtype: torch.dtype = torch.bfloat16, prefix: str = "") -> Path:
    """The same single file in another number format or under another prefix, its metadata kept."""
    with safe_open(source, framework="pt") as tensors:
        metadata = tensors.metadata()
    save_file({prefix + name: tensor.to(dtype) for name, tensor in load_file(source).items()}, target, metadata)
    return target


@pytest.fixture(scope="module")
def folder_weights(pocket_dir: Path) -> dict[str, torch.Tensor]:
    return load_transformer(find_base_model(pocket_dir), torch.float32, CPU).state_dict()


def assert_same_weights(path: Path, expected: dict[str, torch.Tensor], dtype: torch.dtype = torch.float32) -> None:
    transformer = load_transformer(find_base_model(path), dtype, CPU)
    weights = transformer.state_dict()
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], tensor.to(dtype)) for name, tensor in expected.items())
    assert all(tensor.dtype == dtype and tensor.device == CPU for tensor in weights.values())
    assert not any(parameter.requires_grad for parameter in transformer.parameters())


@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_single_file_and_folder_give_identical_weights(
    pocket_files: SingleFiles, folder_weights: dict[str, torch.Tensor], tmp_path: Path, prefix: str
) -> None:
    path = rewritten(pocket_files.transformer, tmp_path / "z.safetensors", prefix=prefix)
    assert_same_weights(path, folder_weights)


def test_single_file_and_folder_give_identical_bf16_weights(
    pocket_files: SingleFiles, folder_weights: dict[str, torch.Tensor]
) -> None:
    assert_same_weights(pocket_files.transformer, folder_weights, torch.bfloat16)


def test_an_fp32_file_gives_the_same_weights(
    pocket_files: SingleFiles, folder_weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = rewritten(pocket_files.transformer, tmp_path / "fp32.safetensors", torch.float32)
    assert_same_weights(path, folder_weights)
    assert_same_weights(path, folder_weights, torch.bfloat16)


def test_an_fp16_file_gives_the_weights_rounded_to_fp16(
    pocket_files: SingleFiles, folder_weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = rewritten(pocket_files.transformer, tmp_path / "fp16.safetensors", torch.float16)
    assert_same_weights(path, {name: tensor.half().float() for name, tensor in folder_weights.items()})


def test_both_layouts_compute_the_same(pocket_files: SingleFiles, pocket_dir: Path) -> None:
    outputs = []
    for source in (pocket_files.transformer, pocket_dir):
        transformer = load_transformer(find_base_model(source), torch.float32, CPU).eval()
        generator = torch.Generator().manual_seed(0)
        latents, text = torch.randn(16, 1, 8, 8, generator=generator), torch.randn(9, 128, generator=generator)
        with torch.no_grad():
            outputs.append(transformer([latents], torch.tensor([0.3]), [text], return_dict=False)[0][0])
    assert torch.equal(*outputs) and outputs[0].isfinite().all() and outputs[0].any()


def test_the_config_read_off_a_single_file_is_the_folders(pocket_files: SingleFiles, pocket_dir: Path) -> None:
    folder = json.loads((pocket_dir / "transformer" / "config.json").read_text())
    single = dict(load_transformer(find_base_model(pocket_files.transformer), torch.bfloat16, CPU).config)
    assert {name: single[name] for name in WIDTHS} == {name: folder[name] for name in WIDTHS}
    ignored = {"_class_name", "_diffusers_version", "_name_or_path", "_use_default_values"}
    for name in folder.keys() - ignored:
        value = list(single[name]) if isinstance(single[name], tuple) else single[name]
        assert value == folder[name], name


def full_size_header() -> Header:
    """The header of Z-Image's own single file: 30 layers of 3840, ComfyUI's names, no metadata."""
    dim, hidden, text = 3840, 10240, 2560
    shapes = {
        "x_embedder.weight": (dim, 64), "x_embedder.bias": (dim,),
        "cap_embedder.0.weight": (text,), "cap_embedder.1.weight": (dim, text), "cap_embedder.1.bias": (dim,),
        "t_embedder.mlp.0.weight": (1024, 256), "t_embedder.mlp.0.bias": (1024,),
        "t_embedder.mlp.2.weight": (256, 1024), "t_embedder.mlp.2.bias": (256,),
        "final_layer.linear.weight": (64, dim), "final_layer.linear.bias": (64,),
        "final_layer.adaLN_modulation.1.weight": (dim, 256), "final_layer.adaLN_modulation.1.bias": (dim,),
        "x_pad_token": (1, dim), "cap_pad_token": (1, dim), "norm_final.weight": (dim,),
    }  # fmt: skip
    blocks = [f"layers.{i}" for i in range(30)]
    blocks += [f"{stack}_refiner.{i}" for stack in ("noise", "context") for i in range(2)]
    for block in blocks:
        shapes |= {
            f"{block}.attention.qkv.weight": (3 * dim, dim), f"{block}.attention.out.weight": (dim, dim),
            f"{block}.attention.q_norm.weight": (128,), f"{block}.attention.k_norm.weight": (128,),
            f"{block}.feed_forward.w1.weight": (hidden, dim), f"{block}.feed_forward.w2.weight": (dim, hidden),
            f"{block}.feed_forward.w3.weight": (hidden, dim),
        }  # fmt: skip
        for norm in ("attention_norm1", "attention_norm2", "ffn_norm1", "ffn_norm2"):
            shapes[f"{block}.{norm}.weight"] = (dim,)
        if not block.startswith("context"):
            shapes[f"{block}.adaLN_modulation.0.weight"] = (4 * dim, 256)
            shapes[f"{block}.adaLN_modulation.0.bias"] = (4 * dim,)
    return Header(shapes=shapes, dtypes=dict.fromkeys(shapes, "BF16"), metadata={})


@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_the_full_size_config_is_inferred_from_the_shapes_alone(prefix: str) -> None:
    from diffusers import ZImageTransformer2DModel

    plain = full_size_header()
    header = Header(
        shapes={prefix + name: shape for name, shape in plain.shapes.items()},
        dtypes={prefix + name: dtype for name, dtype in plain.dtypes.items()},
        metadata={},
    )
    config = single_file_config(header, Path("z_image_turbo_bf16.safetensors"))
    assert config == dict(
        dim=3840, cap_feat_dim=2560, n_layers=30, n_refiner_layers=2, n_heads=30, n_kv_heads=30,
        axes_dims=[32, 48, 48], axes_lens=[1536, 512, 512],
    )  # fmt: skip
    with torch.device("meta"):
        transformer = ZImageTransformer2DModel.from_config(config)
        tensors = {name: torch.empty(shape, dtype=torch.bfloat16) for name, shape in header.shapes.items()}
    transformer.load_state_dict(diffusers_keys(tensors), strict=True, assign=True)
    assert sum(parameter.numel() for parameter in transformer.parameters()) == pytest.approx(6.155e9, rel=1e-3)


def test_identity_follows_the_weights_and_not_the_place(pocket_files: SingleFiles, tmp_path: Path) -> None:
    first = find_base_model(pocket_files.transformer)
    copy = tmp_path / pocket_files.transformer.name
    copy.write_bytes(pocket_files.transformer.read_bytes())
    assert find_base_model(copy).identity == first.identity
    other = tmp_path / "other" / copy.name
    other.parent.mkdir()
    assert fingerprint([rewritten(copy, other, torch.float16)]) != first.identity
