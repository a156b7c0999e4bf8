"""Quantised linears: a frozen weight kept in 8 or 4 bits, in forward and backward alike. Trains nothing.

float8 is e4m3 and int8 is symmetric, both with a scale per row; nf4 is bitsandbytes' with doubly quantised scales.
Where the device multiplies 8-bit numbers itself the forward pass does so, its inputs quantised per token; elsewhere,
and always in the backward pass, the weight is unpacked for one product and forgotten.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..messages import UserError
from .quantised_sizes import NF4_BLOCK, NF4_SCALE_BLOCK

FLOAT8_MAX, INT8_MAX = 448.0, 127.0
_MIN_INT8_ROWS = 17  # of the input; torch._int_mm refuses fewer
_ALIGNMENT = 16  # both sides of a weight must be multiples of it for 8-bit products
_TINY = 1e-12


class QuantisedLinear(nn.Linear):
    """A frozen linear made from a dense one. An nn.Linear to peft: `weight` is the dense weight, made when asked."""

    def __init__(self, linear: nn.Linear, parts: dict[str, Tensor], *, native: bool) -> None:
        nn.Module.__init__(self)  # not nn.Linear's, which would make a dense weight
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.dense_dtype = linear.weight.dtype
        self.native = native
        self.bias = linear.bias
        self._part_names = tuple(parts)
        for name, part in parts.items():
            self.register_buffer(name, part)

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The dense weight [out, in] in the format it had before."""
        return self.dense(self.parts, self.dense_dtype)

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """All that is kept of the weight."""
        return tuple(getattr(self, name) for name in self._part_names)

    def dense(self, parts: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
        """The weight [out, in] that the parts stand for."""
        raise NotImplementedError

    def product(self, input_rows: Tensor, parts: tuple[Tensor, ...]) -> Tensor:
        """Inputs [rows, in] times the weight: [rows, out]."""
        return input_rows @ self.dense(parts, input_rows.dtype).t()

    def forward(self, input: Tensor) -> Tensor:
        device = input.device.type
        if torch.is_autocast_enabled(device):
            input = input.to(torch.get_autocast_dtype(device))
        output: Tensor = _FrozenProduct.apply(input, self, *self.parts)
        return output if self.bias is None else output + self.bias.to(output.dtype)


class _FrozenProduct(torch.autograd.Function):
    """input @ weight.T; keeps the quantised parts for the backward, where grad_input = grad_output @ weight."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, linear: QuantisedLinear, *parts: Tensor) -> Tensor:
        ctx.linear = linear
        ctx.save_for_backward(*parts)
        rows = linear.product(input.reshape(-1, linear.in_features), parts)
        return rows.view(*input.shape[:-1], linear.out_features)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        parts = ctx.saved_tensors
        return grad_output @ ctx.linear.dense(parts, grad_output.dtype), *(None for _ in range(1 + len(parts)))


class Float8Linear(QuantisedLinear):
    """e4m3 with a scale per row."""

    def dense(self, parts: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
        quantised, scale_O1 = parts
        return quantised.to(dtype).mul_(scale_O1)

    def product(self, input_rows: Tensor, parts: tuple[Tensor, ...]) -> Tensor:
        return float8_product(input_rows, *parts) if self.native else super().product(input_rows, parts)


class Int8Linear(QuantisedLinear):
    """int8 with a scale per row."""

    def dense(self, parts: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
        quantised, scale_O1 = parts
        return quantised.to(dtype).mul_(scale_O1)

    def product(self, input_rows: Tensor, parts: tuple[Tensor, ...]) -> Tensor:
        if self.native and len(input_rows) >= _MIN_INT8_ROWS:
            return int8_product(input_rows, *parts)
        return super().product(input_rows, parts)


class Nf4Linear(QuantisedLinear):
    """bitsandbytes' 4-bit normal float in blocks of 64, their scales quantised to 8 bits in turn."""

    def dense(self, parts: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
        from bitsandbytes.functional import QuantState, dequantize_4bit

        packed, code, scales, scale_code, scale_scales, offset = parts
        nested = QuantState(
            absmax=scale_scales, code=scale_code, blocksize=NF4_SCALE_BLOCK, dtype=torch.float32
        )  # fmt: skip
        shape = torch.Size((self.out_features, self.in_features))
        state = QuantState(
            absmax=scales, shape=shape, code=code, blocksize=NF4_BLOCK, quant_type="nf4", dtype=dtype,
            offset=offset, state2=nested,
        )  # fmt: skip
        return dequantize_4bit(packed, state)


def quantise_rows(weight_OI: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A matrix in float8 or int8 and its scales [rows, 1] in fp32: each row's largest number becomes the format's."""
    is_int8 = dtype == torch.int8
    largest = INT8_MAX if is_int8 else FLOAT8_MAX
    scale_O1 = weight_OI.abs().amax(dim=1, keepdim=True).float().clamp_min_(_TINY).div_(largest)
    scaled = weight_OI / scale_O1
    return (scaled.round_() if is_int8 else scaled).clamp_(-largest, largest).to(dtype), scale_O1


def float8_product(input_rows: Tensor, quantised: Tensor, scale_O1: Tensor) -> Tensor:
    """Inputs quantised per token, multiplied in float8; scaled outside, as Windows lacks the kernel with scales."""
    rows, scale_R1 = quantise_rows(input_rows, torch.float8_e4m3fn)
    one = torch.ones((), device=rows.device)
    output = torch._scaled_mm(rows, quantised.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16)
    return (output * scale_R1).mul_(scale_O1.t()).to(input_rows.dtype)


def int8_product(input_rows: Tensor, quantised: Tensor, scale_O1: Tensor) -> Tensor:
    """Inputs quantised per token, multiplied in int8 and summed in int32."""
    rows, scale_R1 = quantise_rows(input_rows, torch.int8)
    return (torch._int_mm(rows, quantised.t()) * scale_R1).mul_(scale_O1.t()).to(input_rows.dtype)


def has_native_product(precision: str, device: torch.device) -> bool:
    """Whether a device multiplies such numbers itself: NVIDIA, float8 from capability 8.9, int8 from 7.5."""
    if device.type != "cuda" or torch.version.hip is not None:
        return False
    needed = {"float8": (8, 9), "int8": (7, 5)}.get(precision)
    return needed is not None and torch.cuda.get_device_capability(device) >= needed


def quantise_linear(linear: nn.Linear, precision: str, *, native: bool) -> QuantisedLinear:
    """A quantised linear in a dense one's place, its weight packed where it lies.

    Raises UserError for nf4 without bitsandbytes.
    """
    weight = linear.weight.detach()
    fits = linear.in_features % _ALIGNMENT == 0 and linear.out_features % _ALIGNMENT == 0
    if precision == "nf4":
        return Nf4Linear(linear, _nf4_parts(weight), native=False)
    kind, dtype = {"float8": (Float8Linear, torch.float8_e4m3fn), "int8": (Int8Linear, torch.int8)}[precision]
    quantised, scale_O1 = quantise_rows(weight, dtype)
    return kind(linear, {"quantised": quantised, "scale": scale_O1}, native=native and fits)


def _nf4_parts(weight: Tensor) -> dict[str, Tensor]:
    try:
        from bitsandbytes.functional import quantize_4bit
    except Exception as error:  # a missing package, or one whose native library does not load on this machine
        raise UserError("memory.no_bitsandbytes", reason=error) from error
    packed, state = quantize_4bit(weight.contiguous(), blocksize=NF4_BLOCK, quant_type="nf4", compress_statistics=True)
    return {
        "packed": packed,
        "code": state.code,
        "scales": state.absmax,
        "scale_code": state.state2.code,
        "scale_scales": state.state2.absmax,
        "offset": state.offset,
    }


def quantise_linears(module: nn.Module, precision: str, *, native: bool) -> int:
    """Put quantised linears in the place of all plain ones inside a module; returns how many."""
    found = [
        (parent, name, child)
        for parent in module.modules()
        for name, child in parent.named_children()
        if type(child) is nn.Linear
    ]
    for parent, name, child in found:
        setattr(parent, name, quantise_linear(child, precision, native=native))
    return len(found)
