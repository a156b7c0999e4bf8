"""Quantised files: weights kept in 8 bits, read back as plain ones, tensor by tensor. Knows no model and no training.

Read are float8 as it stands; ComfyUI's scaled float8, both the older files (`scaled_fp8`, `x.scale_weight`) and the
newer (`x.weight_scale` with a record in `x.comfy_quant` or in the metadata); and ComfyUI's int8 with a scale per
tensor or per row, rotated in groups ("convrot") or not. Everything else is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...messages import UserError
from .weights import PREFIX, Header, model_names

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_PLAIN = {"BF16", "F16", "F32", "F64"}
_FORMATS = {"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "I8": "int8_tensorwise"}
"""What ComfyUI calls the formats we read, by the number format they are kept in."""
_RECORD, _OLD_MARK, _METADATA_RECORDS = ".comfy_quant", "scaled_fp8", "_quantization_metadata"
_SCALES = (".weight_scale", ".scale_weight")
_BESIDE = (_RECORD, *_SCALES, ".input_scale", ".scale_input")  # what stands beside a weight and is none itself
_FOREIGN = (
    (".weight_scale_2", "nvfp4"), (".weight_s_rel", "asym_w4a8_int8"), (".absmax", "bitsandbytes 4-bit"),
    (".SCB", "bitsandbytes int8"), ("._data", "quanto"), (".qweight", "nunchaku or GPTQ"),
)  # fmt: skip
_DEFAULT_GROUP_WIDTH = 256


@dataclass(frozen=True, kw_only=True)
class Stored:
    """How one weight lies in its file."""

    name: str
    """The tensor's name in the file."""
    scale: str | None = None
    """The name of its scale, one number or one per row; None where the weight is as it stands."""
    group_width: int = 0
    """How many columns were rotated together; 0 where none were."""


def stored_weights(header: Header, path: Path) -> dict[str, Stored]:
    """How every weight of the model lies in the file, by its name without ComfyUI's prefix.

    Raises UserError, naming format or weight, for a format that is not read here, a missing or misshapen scale,
    a record that does not fit its weight, and int8 weights without a record.
    """
    names = model_names(header)
    records = _records(header, names, path)
    _refuse_foreign(names, records, path)
    has_scales = bool(records) or _OLD_MARK in names or any(name.endswith(_SCALES) for name in names)
    stored: dict[str, Stored] = {}
    for plain_name, name in names.items():
        if plain_name.endswith(_BESIDE) or plain_name == _OLD_MARK:
            continue
        layer, is_weight = plain_name.removesuffix(".weight"), plain_name.endswith(".weight")
        record = records.get(layer) if is_weight else None
        scales = [names[layer + ending] for ending in _SCALES if is_weight and layer + ending in names]
        scale = scales[0] if scales else None
        _check_format(header, name, record, path)
        needs_scale = record is not None or (
            header.dtypes[name] in _FORMATS and has_scales and len(header.shapes[name]) == 2
        )
        if needs_scale and scale is None:
            raise UserError("base.no_scale", path=path, name=name)
        if scale is not None:
            _check_scale(header, name, scale, path)
        stored[plain_name] = Stored(name=name, scale=scale, group_width=_group_width(header, name, record or {}, path))
    return stored


def read_weights(
    path: Path, stored: Mapping[str, Stored], dtype: torch.dtype, device: torch.device
) -> Iterator[tuple[str, Tensor]]:
    """The weights one after another, dequantised in fp32 and rounded once to `dtype`, on a device, owning their memory.

    Beside what the caller keeps, memory holds no more than one tensor and its fp32 copy. Raises UserError for a scale
    that is not finite.
    """
    import torch
    from safetensors import safe_open

    # float8 is not known to every device: only CUDA reads for itself, for all others the CPU does.
    place = str(device) if device.type == "cuda" else "cpu"
    with safe_open(path, framework="pt", device=place) as tensors:
        for plain_name, how in stored.items():
            weight = tensors.get_tensor(how.name)
            if how.scale is not None:
                scale = tensors.get_tensor(how.scale)
                if not torch.isfinite(scale).all():
                    raise UserError("base.bad_scale", path=path, name=how.scale)
                weight = dequantise(weight, scale, how.group_width)
            # What the CPU has read is a view of the mapped file, which would stay open as long as the weight lives:
            # on Windows nobody could replace the file then.
            owned = weight.to(dtype, copy=place == "cpu" and how.scale is None)
            yield plain_name, owned.to(device)


def dequantise(stored: Tensor, scale: Tensor, group_width: int = 0) -> Tensor:
    """stored · scale in fp32, [out, in]; the scale is one number or one per row, [out] or [out, 1]."""
    weight = stored.float() * scale.float().reshape(-1, *[1] * (stored.ndim - 1))
    return unrotate(weight, group_width) if group_width else weight


def unrotate(rotated_OI: Tensor, group_width: int) -> Tensor:
    """Undo "convrot": every group of columns was multiplied by H = h⊗h⊗…, a matrix that is its own inverse.

    h is [4, 4]: one half everywhere, minus one half on the anti-diagonal. Its product is taken digit by digit of the
    column's number in base 4, so H is never built. Source: comfy_kitchen's regular Hadamard matrix.
    """
    num_digits = (group_width.bit_length() - 1) // 2
    parts = rotated_OI.reshape(rotated_OI.shape[0], -1, *[4] * num_digits)
    for axis in range(2, 2 + num_digits):
        parts = parts.sum(axis, keepdim=True) / 2 - parts.flip(axis)
    return parts.reshape(rotated_OI.shape)


def _records(header: Header, names: Mapping[str, str], path: Path) -> dict[str, dict[str, Any]]:
    """What the file says about each quantised layer: its format, and whether it was rotated."""
    from safetensors import safe_open

    written = {name.removesuffix(_RECORD): names[name] for name in names if name.endswith(_RECORD)}
    place = _METADATA_RECORDS
    try:
        stated = json.loads(header.metadata.get(_METADATA_RECORDS, '{"layers": {}}'))["layers"]
        records = {layer.removeprefix(PREFIX): dict(record) for layer, record in stated.items()}
        if written:
            with safe_open(path, framework="numpy") as tensors:
                for layer, place in written.items():
                    records[layer] = dict(json.loads(tensors.get_tensor(place).tobytes()))
        for record in records.values():  # ComfyUI writes the details at the top or under `params`
            record.update(record.pop("params", None) or {})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError("base.bad_record", path=path, name=place) from error
    return records


def _refuse_foreign(names: Mapping[str, str], records: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    formats = {str(record.get("format")) for record in records.values()} - set(_FORMATS.values())
    if not formats:
        formats = {format_ for ending, format_ in _FOREIGN if any(name.endswith(ending) for name in names)}
    if formats:
        raise UserError("base.quantised", path=path, formats=", ".join(sorted(formats)))


def _check_format(header: Header, name: str, record: Mapping[str, Any] | None, path: Path) -> None:
    dtype = header.dtypes[name]
    if dtype not in _PLAIN and dtype not in _FORMATS:
        raise UserError("base.quantised", path=path, formats=dtype)
    if record is not None and record["format"] != _FORMATS.get(dtype):
        raise UserError("base.other_format", path=path, name=name, format=record["format"], dtype=dtype)
    if dtype == "I8" and record is None:
        raise UserError("base.no_record", path=path, name=name)


def _check_scale(header: Header, name: str, scale: str, path: Path) -> None:
    weight_shape, shape = header.shapes[name], header.shapes[scale]
    per_row = shape in ((weight_shape[0],), (weight_shape[0], *[1] * (len(weight_shape) - 1)))
    single = all(length == 1 for length in shape)
    if not (per_row or single) or header.dtypes[scale] not in _PLAIN:
        found = f"{header.dtypes[scale]} {list(shape)}"
        raise UserError("base.other_scale", path=path, name=scale, found=found, weight=list(weight_shape))


def _group_width(header: Header, name: str, record: Mapping[str, Any], path: Path) -> int:
    if not record.get("convrot"):
        return 0
    width, columns = record.get("convrot_groupsize", _DEFAULT_GROUP_WIDTH), header.shapes[name][-1]
    is_power_of_4 = isinstance(width, int) and width >= 4 and width == 4 ** ((width.bit_length() - 1) // 2)
    if not is_power_of_4 or columns % width:
        raise UserError("base.bad_rotation", path=path, name=name, width=width, columns=columns)
    return width
