"""Wrong model files: each is refused with the reason, by the name of the weight and of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import CPU
from tests.trainer.quantised_writers import (
    GROUP,
    PREFIX,
    File,
    plain_file,
    put_int8,
    to_dtype,
    to_int8,
    to_new_scaled,
    to_old_scaled,
)
from trainer.messages import UserError, sentence
from trainer.training.model.zimage import find_base_model, load_transformer

W1, QKV = "layers.0.feed_forward.w1", "layers.0.attention.qkv"


@pytest.fixture
def plain(tiny_dir: Path, tmp_path: Path) -> File:
    """The tiny random model as ComfyUI's single file, fp32, not yet written."""
    return plain_file(tiny_dir, tmp_path)


def refusal(path: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        load_transformer(find_base_model(path), torch.float32, CPU)
    assert "{" not in sentence(caught.value.message, "zh")
    return caught.value


def drop_scale(file: File) -> None:
    to_new_scaled(file)
    del file.tensors[f"{W1}.weight_scale"]


def drop_old_scale(file: File) -> None:
    to_old_scaled(file)
    del file.tensors[f"{W1}.scale_weight"]


def drop_record_and_scale(file: File) -> None:
    drop_scale(file)
    del file.records[W1]


def drop_int8_record(file: File) -> None:
    to_int8(file, "tensor")
    del file.records[W1]


def record_other_format(file: File) -> None:
    to_new_scaled(file)
    file.records[W1]["format"] = "int8_tensorwise"


def scale_by_block(file: File) -> None:
    to_new_scaled(file)
    file.tensors[f"{W1}.weight_scale"] = torch.ones(5, 2)


def rotate_by(width: object) -> Callable[[File], None]:
    def change(file: File) -> None:
        put_int8(file, QKV, "column_of_rows", GROUP)
        file.records[QKV]["convrot_groupsize"] = width

    return change


def add(name: str) -> Callable[[File], None]:
    return lambda file: file.tensors.update({name: torch.ones(1)})


def widen(file: File) -> None:
    file.tensors[f"{W1}.weight"] = torch.ones(7, 32)


WRONG: dict[str, tuple[Callable[[File], object], str, str]] = {
    "a missing scale": (drop_scale, "base.no_scale", W1),
    "a missing older scale": (drop_old_scale, "base.no_scale", W1),
    "float8 without anything among scaled": (drop_record_and_scale, "base.no_scale", W1),
    "int8 without a record": (drop_int8_record, "base.no_record", W1),
    "int8 without anything": (lambda file: to_dtype(file, torch.int8), "base.no_record", ".weight"),
    "a record of another format": (record_other_format, "base.other_format", W1),
    "scales by block": (scale_by_block, "base.other_scale", "[5, 2]"),
    "a group that is no power of 4": (rotate_by(8), "base.bad_rotation", QKV),
    "a group that does not divide": (rotate_by(64), "base.bad_rotation", QKV),
    "a group that is no number": (rotate_by("16"), "base.bad_rotation", QKV),
    "a weight of another shape": (widen, "base.other_shape", W1),
    "nvfp4 by its record": (lambda f: f.records.update({W1: {"format": "nvfp4"}}), "base.quantised", "nvfp4"),
    "mxfp8 by its record": (lambda f: f.records.update({W1: {"format": "mxfp8"}}), "base.quantised", "mxfp8"),
    "convrot 4 bits": (lambda f: f.records.update({W1: {"format": "convrot_w4a4"}}), "base.quantised", "convrot_w4a4"),
    "nvfp4 by its scales": (add(f"{W1}.weight_scale_2"), "base.quantised", "nvfp4"),
    "bitsandbytes": (add(f"{W1}.weight.absmax"), "base.quantised", "bitsandbytes"),
    "quanto": (add(f"{W1}.weight._data"), "base.quantised", "quanto"),
    "packed bits": (lambda f: f.tensors.update({f"{W1}.weight": torch.ones(4, 4).byte()}), "base.quantised", "U8"),
    "a damaged record": (lambda f: f.metadata.update(_quantization_metadata="{"), "base.bad_record", "_quantization"),
    "a record that is none": (lambda f: f.metadata.update(_quantization_metadata="[1]"), "base.bad_record", "_quant"),
    "a layer's record that is none": (lambda f: f.records.update({W1: 3}), "base.bad_record", W1),
    "a record without a format": (lambda f: f.records.update({W1: {}}), "base.quantised", "None"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_file_is_refused_with_the_reason(plain: File, tmp_path: Path, what: str) -> None:
    change, key, said = WRONG[what]
    change(plain)
    path = plain.save(tmp_path / "wrong.safetensors", PREFIX)
    error = refusal(path)
    assert error.message.key == key and said in str(error) and str(path) in str(error)
