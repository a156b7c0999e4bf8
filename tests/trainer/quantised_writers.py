"""Writers of quantised files for tests, and an independent reading of what they hold: float64, bit by bit.

Nothing here shares code with `trainer/training/model/quantised_files.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pocket.single_files import write_single_files

Tensors = dict[str, torch.Tensor]
PREFIX = "model.diffusion_model."
GROUP = 16


@dataclass
class File:
    """What goes into a file: its tensors, what is recorded about each layer, and its metadata."""

    tensors: Tensors
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)

    def save(self, path: Path, prefix: str = "", records_in_metadata: bool = False) -> Path:
        """Write it as ComfyUI does, each record beside its weight or all in the metadata."""
        tensors, metadata = dict(self.tensors), dict(self.metadata)
        if records_in_metadata:
            metadata["_quantization_metadata"] = json.dumps({"format_version": "1.0", "layers": self.records})
        else:
            for layer, record in self.records.items():
                text = json.dumps(record).encode()
                tensors[f"{layer}.comfy_quant"] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        save_file({prefix + name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)
        return path


def hadamard(width: int) -> np.ndarray:
    """The regular Hadamard matrix by its definition: Kronecker powers of the 4x4 one, orthogonal."""
    small = np.array([[1, 1, 1, -1], [1, 1, -1, 1], [1, -1, 1, 1], [-1, 1, 1, 1]], dtype=np.float64)
    matrix = np.ones((1, 1))
    while matrix.shape[0] < width:
        matrix = np.kron(matrix, small)
    return matrix / np.sqrt(width)


def put_float8(file: File, layer: str, dtype: torch.dtype, scale_name: str, record: str | None) -> None:
    """Keep a layer in float8 with one scale for the tensor."""
    weight = file.tensors[f"{layer}.weight"].float()
    scale = weight.abs().max() / torch.finfo(dtype).max
    file.tensors[f"{layer}.weight"] = (weight / scale).to(dtype)
    file.tensors[f"{layer}.{scale_name}"] = scale
    if record:
        file.records[layer] = {"format": record}


def put_int8(file: File, layer: str, scale_shape: str, group: int = 0, in_params: bool = False) -> None:
    """Keep a layer in int8, scaled per `tensor`, per `row` [out] or per `column_of_rows` [out, 1], rotated or not."""
    weight = file.tensors[f"{layer}.weight"].double().numpy()
    record: dict[str, Any] = {"format": "int8_tensorwise"}
    if group:
        weight = (weight.reshape(len(weight), -1, group) @ hadamard(group).T).reshape(weight.shape)
        details = {"convrot": True, "convrot_groupsize": group}
        record |= {"params": details} if in_params else details
    peak = np.abs(weight).max() if scale_shape == "tensor" else np.abs(weight).max(axis=1, keepdims=True)
    scale = np.asarray(peak / 127, dtype=np.float32)
    file.tensors[f"{layer}.weight"] = torch.from_numpy(np.rint(weight / scale).astype(np.int8))
    file.tensors[f"{layer}.weight_scale"] = torch.from_numpy(scale.reshape(-1) if scale_shape == "row" else scale)
    file.records[layer] = record


def plain_file(model_dir: Path, out_dir: Path) -> File:
    """A diffusers folder's transformer as ComfyUI's single file, in its own precision."""
    path = write_single_files(model_dir, out_dir / "single_files").transformer
    with safe_open(path, framework="pt") as tensors:
        return File(load_file(path), metadata=dict(tensors.metadata()))


def linears(file: File) -> list[str]:
    """The layers that quantisers touch: every matrix of the blocks."""
    return [
        name.removesuffix(".weight")
        for name, tensor in file.tensors.items()
        if name.endswith(".weight") and tensor.ndim == 2 and name.startswith(("layers", "noise_ref", "context_ref"))
    ]


def to_dtype(file: File, dtype: torch.dtype) -> None:
    file.tensors = {name: tensor.to(dtype) for name, tensor in file.tensors.items()}


def to_old_scaled(file: File, num_marks: int = 0) -> None:
    """The older scaled files: a mark for the whole file, `scale_weight` and `scale_input` beside every layer."""
    for layer in linears(file):
        put_float8(file, layer, torch.float8_e4m3fn, "scale_weight", record=None)
        file.tensors[f"{layer}.scale_input"] = torch.ones(())
    file.tensors["scaled_fp8"] = torch.zeros(num_marks).to(torch.float8_e4m3fn)


def to_new_scaled(file: File, dtype: torch.dtype = torch.float8_e4m3fn, name: str = "float8_e4m3fn") -> None:
    """The newer scaled files: `weight_scale`, and a record for every layer."""
    for layer in linears(file):
        put_float8(file, layer, dtype, "weight_scale", name)
        file.tensors[f"{layer}.input_scale"] = torch.full((), 0.5)


def to_int8(file: File, scale_shape: str, group: int = 0, in_params: bool = False) -> None:
    for layer in linears(file):
        rotated = group if file.tensors[f"{layer}.weight"].shape[1] % GROUP == 0 else 0
        put_int8(file, layer, scale_shape, rotated, in_params)


def read_independently(path: Path, records: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, np.ndarray]:
    """Every weight of a file in float64, by its name without the prefix, from its bytes and the records given."""
    with safe_open(path, framework="pt") as tensors:
        raw = {name.removeprefix(PREFIX): _numbers(tensors.get_tensor(name)) for name in tensors.keys()}  # noqa: SIM118
    weights = {name: raw[name] for name in raw if name.rpartition(".")[2] in {"bias", "x_pad_token", "cap_pad_token"}}
    for layer in (name.removesuffix(".weight") for name in raw if name.endswith(".weight")):
        scale = raw.get(f"{layer}.weight_scale", raw.get(f"{layer}.scale_weight", np.ones(1)))
        weight = raw[f"{layer}.weight"] * (scale.reshape(-1, 1) if scale.size > 1 else scale.reshape(()))
        record = (records or {}).get(layer, {})
        details = {**record, **record.get("params", {})}
        if details.get("convrot"):
            width = details["convrot_groupsize"]
            weight = (weight.reshape(len(weight), -1, width) @ hadamard(width)).reshape(weight.shape)
        weights[f"{layer}.weight"] = weight
    return weights


def _numbers(tensor: torch.Tensor) -> np.ndarray:
    if tensor.dtype == torch.float8_e4m3fn:
        return _float8(tensor, exponent_bits=4, mantissa_bits=3)
    if tensor.dtype == torch.float8_e5m2:
        return _float8(tensor, exponent_bits=5, mantissa_bits=2)
    return tensor.double().numpy()


def _float8(tensor: torch.Tensor, exponent_bits: int, mantissa_bits: int) -> np.ndarray:
    """The numbers of an 8-bit float by the definition of its bits; without infinities and NaN."""
    bits = tensor.view(torch.uint8).numpy().astype(np.int64)
    bias = 2 ** (exponent_bits - 1) - 1
    exponent, mantissa = (bits >> mantissa_bits) & (2**exponent_bits - 1), bits & (2**mantissa_bits - 1)
    fraction = mantissa / 2**mantissa_bits
    size = np.where(exponent == 0, fraction * 2.0 ** (1 - bias), (1 + fraction) * 2.0 ** (exponent - bias))
    return np.where(bits >> 7 == 1, -size, size)
