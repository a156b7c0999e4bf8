"""Quantised files: what we read from them is what ComfyUI reads from them, in its own code."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.comfyui.server import comfyui_path, comfyui_python
from tests.trainer.quantised_writers import PREFIX, File, put_float8, put_int8
from trainer.training.model.quantised_files import read_weights, stored_weights
from trainer.training.model.weights import read_header

pytestmark = pytest.mark.comfyui


def every_format(records_in_metadata: bool, path: Path) -> Path:
    """Layers 256 wide in every format that newer files have."""
    generator = torch.Generator().manual_seed(0)
    names = ("plain", "fp8", "fp8_e5m2", "tensorwise", "rowwise", "convrot", "convrot_old")
    file = File({f"{name}.weight": torch.randn(24, 256, generator=generator) for name in names})
    put_float8(file, "fp8", torch.float8_e4m3fn, "weight_scale", "float8_e4m3fn")
    put_float8(file, "fp8_e5m2", torch.float8_e5m2, "weight_scale", "float8_e5m2")
    put_int8(file, "tensorwise", "tensor")
    put_int8(file, "rowwise", "column_of_rows")
    put_int8(file, "convrot", "column_of_rows", group=256)
    put_int8(file, "convrot_old", "column_of_rows", group=64, in_params=True)
    return file.save(path, "" if records_in_metadata else PREFIX, records_in_metadata)


def old_scaled(path: Path) -> Path:
    """The older scaled float8, with its mark for the whole file."""
    generator = torch.Generator().manual_seed(1)
    file = File({f"{name}.weight": torch.randn(24, 64, generator=generator) for name in ("plain", "one", "two")})
    for layer in ("one", "two"):
        put_float8(file, layer, torch.float8_e4m3fn, "scale_weight", record=None)
        file.tensors[f"{layer}.scale_input"] = torch.full((), 0.25)
    file.tensors["scaled_fp8"] = torch.zeros(0).to(torch.float8_e4m3fn)
    return file.save(path)


@pytest.mark.parametrize("kind", ["records beside the weights", "records in the metadata", "old scaled"])
def test_comfyui_reads_the_same_weights_from_the_same_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "quantised.safetensors"
    old_scaled(path) if kind == "old scaled" else every_format(kind == "records in the metadata", path)
    probe, target = Path(__file__).with_name("dequantise_probe.py"), tmp_path / "plain.safetensors"
    command = [comfyui_python(), str(probe), str(comfyui_path()), str(path), str(target)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = load_file(target)
    ours = dict(read_weights(path, stored_weights(read_header(path), path), torch.float32, torch.device("cpu")))
    assert ours.keys() == theirs.keys(), json.dumps(sorted(ours.keys() ^ theirs.keys()))
    for name, weight in theirs.items():
        close = 2e-6 if "convrot" in name else 0.0  # a rotation sums; the order of a sum is not agreed upon
        torch.testing.assert_close(ours[name], weight, rtol=close, atol=close)
