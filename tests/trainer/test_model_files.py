"""Model files: whatever format a file keeps its weights in, what is trained on is what the file says."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pocket.single_files import transformer_to_single_file
from tests.trainer.conftest import CPU
from tests.trainer.quantised_writers import (
    GROUP,
    PREFIX,
    File,
    hadamard,
    linears,
    plain_file,
    put_float8,
    put_int8,
    read_independently,
    to_dtype,
    to_int8,
    to_new_scaled,
    to_old_scaled,
)  # fmt: skip
from trainer.messages import UserError
from trainer.training.model.quantised_files import dequantise, read_weights, stored_weights, unrotate
from trainer.training.model.weights import read_header
from trainer.training.model.zimage import find_base_model, load_transformer

W1, QKV, OUT = "layers.0.feed_forward.w1", "layers.0.attention.qkv", "layers.1.attention.out"
ADALN, REFINER = "layers.1.adaLN_modulation.0", "noise_refiner.0.feed_forward.w3"
E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2


@pytest.fixture
def plain(tiny_dir: Path, tmp_path: Path) -> File:
    """The tiny random model as ComfyUI's single file, fp32, not yet written."""
    return plain_file(tiny_dir, tmp_path)


def to_mixture(file: File) -> None:
    """Early layers as they were, the others in every format there is."""
    to_dtype(file, torch.bfloat16)
    file.tensors["cap_embedder.1.weight"] = file.tensors["cap_embedder.1.weight"].half()
    put_float8(file, W1, E4M3, "weight_scale", "float8_e4m3fn")
    put_float8(file, OUT, E5M2, "weight_scale", "float8_e5m2")
    put_int8(file, QKV, "column_of_rows", GROUP)
    put_int8(file, ADALN, "tensor")


KINDS: dict[str, Callable[[File], None]] = {
    "bf16": lambda file: to_dtype(file, torch.bfloat16),
    "fp16": lambda file: to_dtype(file, torch.float16),
    "fp32": lambda file: None,
    "float8_e4m3fn": lambda file: to_dtype(file, E4M3),
    "float8_e5m2": lambda file: to_dtype(file, E5M2),
    "old scaled": to_old_scaled,
    "old scaled, full precision products": lambda file: to_old_scaled(file, num_marks=2),
    "new scaled": to_new_scaled,
    "new scaled e5m2": lambda file: to_new_scaled(file, E5M2, "float8_e5m2"),
    "int8 tensorwise": lambda file: to_int8(file, "tensor"),
    "int8 rowwise": lambda file: to_int8(file, "column_of_rows"),
    "int8 rowwise, flat scales": lambda file: to_int8(file, "row"),
    "int8 convrot": lambda file: to_int8(file, "column_of_rows", GROUP),
    "int8 convrot, older record": lambda file: to_int8(file, "column_of_rows", GROUP, in_params=True),
    "mixture": to_mixture,
}


def assert_read_as_written(path: Path, file: File, dtype: torch.dtype) -> None:
    transformer = load_transformer(find_base_model(path), dtype, CPU)
    given = transformer_to_single_file(transformer.state_dict())
    expected = read_independently(path, file.records)
    assert given.keys() == expected.keys()
    for name, numbers in expected.items():
        wanted = torch.from_numpy(numbers)
        assert given[name].dtype == dtype
        if file.records.get(name.removesuffix(".weight"), {}).keys() <= {"format"}:
            assert torch.equal(given[name], wanted.float().to(dtype)), name  # one rounding, from the exact product
        else:
            close = 2e-6 if dtype == torch.float32 else 2**-8
            torch.testing.assert_close(given[name].double(), wanted, rtol=close, atol=close * 0.1)
    assert all(parameter.device == CPU and not parameter.requires_grad for parameter in transformer.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_every_kind_is_read_as_it_was_written(plain: File, tmp_path: Path, kind: str) -> None:
    KINDS[kind](plain)
    path = plain.save(tmp_path / "z.safetensors")
    for dtype in (torch.float32, torch.bfloat16):
        assert_read_as_written(path, plain, dtype)


@pytest.mark.parametrize("kind", ["bf16", "old scaled", "mixture"])
def test_the_prefix_of_checkpoints_changes_nothing(plain: File, tmp_path: Path, kind: str) -> None:
    KINDS[kind](plain)
    assert_read_as_written(plain.save(tmp_path / "z.safetensors", PREFIX), plain, torch.float32)


@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_records_may_stand_in_the_metadata(plain: File, tmp_path: Path, prefix: str) -> None:
    to_mixture(plain)
    path = plain.save(tmp_path / "z.safetensors", prefix, records_in_metadata=True)
    assert_read_as_written(path, plain, torch.float32)


def test_a_quantised_file_is_close_to_the_weights_it_was_made_from(plain: File, tmp_path: Path, tiny_dir: Path) -> None:
    """Catches a writer and a reader that agree on nonsense."""
    dense = load_transformer(find_base_model(tiny_dir), torch.float32, CPU).state_dict()
    to_int8(plain, "column_of_rows", GROUP)
    read = load_transformer(find_base_model(plain.save(tmp_path / "z.safetensors")), torch.float32, CPU).state_dict()
    for name, tensor in dense.items():
        assert (read[name] - tensor).norm() <= 0.01 * tensor.norm(), name


def test_a_checkpoint_with_text_encoder_and_vae_gives_its_model(plain: File, tmp_path: Path) -> None:
    path = plain.save(tmp_path / "model.safetensors", PREFIX)
    others = {"text_encoders.qwen3_4b.model.norm.weight": torch.ones(3), "vae.decoder.conv_in.weight": torch.ones(3)}
    save_file({**load_file(path), **others}, path, plain.metadata)
    assert_same_as_folder(path, plain)


def assert_same_as_folder(path: Path, file: File) -> None:
    weights = transformer_to_single_file(load_transformer(find_base_model(path), torch.float32, CPU).state_dict())
    assert weights.keys() == file.tensors.keys()
    assert all(torch.equal(weights[name], tensor) for name, tensor in file.tensors.items())


def test_a_single_file_may_have_diffusers_names(plain: File, tiny_dir: Path, tmp_path: Path) -> None:
    weights = load_file(tiny_dir / "transformer" / "diffusion_pytorch_model.safetensors")
    path = tmp_path / "diffusers_names.safetensors"
    save_file(weights, path, plain.metadata)
    assert_same_as_folder(path, plain)


def test_a_sharded_folder_is_read_by_its_index_and_other_files_are_left_alone(
    plain: File, tiny_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sharded" / "transformer"
    shutil.copytree(tiny_dir / "transformer", folder)
    single = folder / "diffusion_pytorch_model.safetensors"
    weights = load_file(single)
    single.unlink()
    placed = {name: f"shard-{index % 3}.safetensors" for index, name in enumerate(weights)}
    for shard in set(placed.values()):
        save_file({name: weights[name] for name in weights if placed[name] == shard}, folder / shard)
    index = folder / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": placed}))
    save_file({"of.another.variant": torch.ones(2)}, folder / "diffusion_pytorch_model.fp16.safetensors")
    assert_same_as_folder(folder.parent, plain)
    (folder / "shard-1.safetensors").unlink()
    with pytest.raises(UserError) as caught:
        find_base_model(folder.parent)
    assert caught.value.message.key == "base.file_missing" and "shard-1" in str(caught.value)


@pytest.mark.parametrize("width", [4, 16, 256])
def test_unrotating_undoes_the_rotation_by_its_definition(width: int) -> None:
    weight = torch.randn(5, 2 * width, generator=torch.Generator().manual_seed(width))
    rotated = (weight.double().numpy().reshape(5, 2, width) @ hadamard(width).T).reshape(5, 2 * width)
    torch.testing.assert_close(unrotate(torch.from_numpy(rotated).float(), width), weight, rtol=1e-5, atol=1e-6)
    assert np.allclose(hadamard(width) @ hadamard(width).T, np.eye(width))


def test_a_scale_of_one_leaves_the_numbers_alone() -> None:
    numbers = torch.arange(-127, 128, dtype=torch.int8).reshape(5, 51)
    assert torch.equal(dequantise(numbers, torch.ones(1)), numbers.float())
    assert torch.equal(dequantise(numbers, torch.ones(5)), dequantise(numbers, torch.ones(5, 1)))


def test_loading_needs_one_dense_copy_and_one_tensor_more(plain: File, tmp_path: Path) -> None:
    to_dtype(plain, torch.bfloat16)
    for name in [name for name in plain.tensors if name.startswith("layers.0.")]:
        for index in range(2, 40):  # so many blocks that one tensor is small beside the whole
            plain.tensors[name.replace("layers.0.", f"layers.{index}.")] = plain.tensors[name].clone()
    to_int8(plain, "column_of_rows", GROUP)
    path = plain.save(tmp_path / "z.safetensors")
    base = find_base_model(path)
    load_transformer(base, torch.bfloat16, CPU)  # what is only allocated once is allocated here
    with torch.profiler.profile(profile_memory=True) as profile:
        transformer = load_transformer(base, torch.bfloat16, CPU)
    changes = [event.nbytes() for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    changes = [num_bytes for num_bytes in changes if abs(num_bytes) != path.stat().st_size]  # mapped, not allocated
    peak = max(np.cumsum(changes), default=0)
    dense = sum(parameter.numel() * 2 for parameter in transformer.parameters())
    rotated = max(plain.tensors[f"{layer}.weight"].numel() for layer in linears(plain))
    one_more = max(tensor.nbytes for tensor in plain.tensors.values()) + 20 * rotated  # in fp32 a few times
    assert dense <= peak <= dense + one_more
    assert one_more < 0.4 * dense, "else this would prove nothing"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", ["fp32", "new scaled"])
def test_no_file_stays_open_once_it_is_read(plain: File, tmp_path: Path, kind: str) -> None:
    """On Windows an open file cannot be replaced."""
    KINDS[kind](plain)
    path = plain.save(tmp_path / "z.safetensors")
    transformer = load_transformer(find_base_model(path), torch.float32, CPU)
    assert str(path) not in Path("/proc/self/maps").read_text()
    assert next(transformer.parameters()).isfinite().all()


def test_weights_are_read_one_by_one(plain: File, tmp_path: Path) -> None:
    """The first is there before the second is looked at: a scale that is damaged later on is found later on."""
    to_new_scaled(plain)
    last = linears(plain)[-1]
    plain.tensors[f"{last}.weight_scale"] = torch.tensor(float("nan"))
    path = plain.save(tmp_path / "z.safetensors")
    going = read_weights(path, stored_weights(read_header(path), path), torch.float32, CPU)
    next(going)
    with pytest.raises(UserError) as caught:
        list(going)
    assert caught.value.message.key == "base.bad_scale" and f"{last}.weight_scale" in str(caught.value)
