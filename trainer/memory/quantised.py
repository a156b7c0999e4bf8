"""Quantised linears: a frozen weight kept in 8 or 4 bits, in forward and backward alike. Trains nothing.

float8 is e4m3 and int8 is symmetric, both with a scale per row; nf4 is bitsandbytes' with doubly quantised scales.
Where the device multiplies 8-bit numbers itself it does so in both passes, inputs and incoming gradients quantised per
token; elsewhere, and for nf4, the weight is unpacked for one product and forgotten.

Legend: R rows (tokens), O output and I input width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..messages import Message, UserError
from .quantised_sizes import NF4_BLOCK, NF4_SCALE_BLOCK

FLOAT8_MAX, INT8_MAX = 448.0, 127.0
_MIN_INT8_ROWS = 17  # of the input; torch._int_mm refuses fewer
_ALIGNMENT = 16  # both sides of a weight must be multiples of it for 8-bit products
_TINY = 1e-12
EIGHT_BIT = {"float8": (torch.float8_e4m3fn, ((8, 9), "RTX 40")), "int8": (torch.int8, ((7, 5), "RTX 20"))}
"""The number formats, and from which compute capability and series of cards on they are multiplied as they are."""


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

    def input_gradient(self, grad_rows: Tensor, parts: tuple[Tensor, ...]) -> Tensor:
        """Gradients [rows, out] times the weight: [rows, in]."""
        return grad_rows @ self.dense(parts, grad_rows.dtype)

    def forward(self, input: Tensor) -> Tensor:
        device = input.device.type
        if torch.is_autocast_enabled(device):
            input = input.to(torch.get_autocast_dtype(device))
        rows = input.reshape(-1, self.in_features)
        if rows.requires_grad:
            output: Tensor = _FrozenProduct.apply(rows, self, *self.parts)
        else:  # nothing goes back through it; a compiler follows this, and not a function that nobody differentiates
            output = self.product(rows, self.parts)
        if self.bias is not None:
            output = output + self.bias.to(output.dtype)
        return output if input.ndim == 2 else output.view(*input.shape[:-1], self.out_features)


class _FrozenProduct(torch.autograd.Function):
    """rows @ weight.T; keeps the quantised parts for the backward, where grad_rows = grad_output @ weight."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, linear: QuantisedLinear, *parts: Tensor) -> Tensor:
        ctx.linear = linear
        ctx.save_for_backward(*parts)
        return linear.product(rows, parts)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        parts, linear = ctx.saved_tensors, ctx.linear
        return linear.input_gradient(grad_output, parts), *(None for _ in range(1 + len(parts)))


class EightBitLinear(QuantisedLinear):
    """A scale per row, and products of 8-bit numbers where the device makes them."""

    least_rows = 1
    """Of the input; the operator refuses fewer."""

    def dense(self, parts: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
        quantised, scale_O1 = parts
        return quantised.to(dtype).mul_(scale_O1)

    def product(self, input_rows: Tensor, parts: tuple[Tensor, ...]) -> Tensor:
        if not self.native or len(input_rows) < self.least_rows:
            return super().product(input_rows, parts)
        quantised, scale_O1 = parts
        return eight_bit_product(input_rows, quantised).mul_(scale_O1.t()).to(input_rows.dtype)

    def input_gradient(self, grad_rows: Tensor, parts: tuple[Tensor, ...]) -> Tensor:
        if not self.native or len(grad_rows) < self.least_rows:
            return super().input_gradient(grad_rows, parts)
        quantised, scale_O1 = parts
        # The scales lie along what is summed over here, so they go into the gradients. The weight is turned round in
        # its 8 bits, for this product alone: the operators take their second factor column by column.
        return eight_bit_product(grad_rows * scale_O1.t(), quantised.t().contiguous()).to(grad_rows.dtype)


class Float8Linear(EightBitLinear):
    """e4m3."""


class Int8Linear(EightBitLinear):
    """int8."""

    least_rows = _MIN_INT8_ROWS


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


def quantise_rows(rows_RI: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A matrix in float8 or int8 and its scales [rows, 1] in fp32: each row's largest number becomes the format's."""
    largest = INT8_MAX if dtype == torch.int8 else FLOAT8_MAX
    scale_R1 = torch.linalg.vector_norm(rows_RI, ord=torch.inf, dim=1, keepdim=True).float()
    scale_R1 = scale_R1.clamp_min_(_TINY).div_(largest)
    scaled = rows_RI / scale_R1
    return (scaled.round_() if dtype == torch.int8 else scaled.clamp_(-largest, largest)).to(dtype), scale_R1


def eight_bit_product(rows_RI: Tensor, quantised_OI: Tensor) -> Tensor:
    """Rows, quantised one by one, times a matrix in 8 bits, without that one's scales: [R, O].

    int8 is summed in int32 and returned in fp32. float8 is scaled outside, as Windows lacks the kernel with scales.
    """
    rows, scale_R1 = quantise_rows(rows_RI, quantised_OI.dtype)
    if quantised_OI.dtype == torch.int8:
        return torch._int_mm(rows, quantised_OI.t()) * scale_R1
    one = torch.ones((), device=rows.device)
    return torch._scaled_mm(rows, quantised_OI.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16) * scale_R1


def has_native_product(precision: str, device: torch.device) -> bool:
    """Whether a device multiplies such numbers itself: NVIDIA, float8 from capability 8.9, int8 from 7.5; tried once,
    because drivers and builds of torch differ. nf4 never does."""
    if device.type != "cuda" or torch.version.hip is not None or precision not in EIGHT_BIT:
        return False
    dtype, (needed, _) = EIGHT_BIT[precision]
    if torch.cuda.get_device_capability(device) < needed:
        return False
    try:
        weight = torch.ones(_ALIGNMENT, _ALIGNMENT, device=device).to(dtype)
        eight_bit_product(torch.ones(2 * _ALIGNMENT, _ALIGNMENT, device=device), weight)
    except (RuntimeError, NotImplementedError):
        return False
    return True


def unpacking_message(precision: str, device: torch.device) -> Message | None:
    """What to tell of a lane in 8 bits on a device that cannot multiply them: it saves memory and no time."""
    if precision not in EIGHT_BIT or has_native_product(precision, device):
        return None
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()
    return Message("memory.unpacking", {"precision": precision, "device": name, "series": EIGHT_BIT[precision][1][1]})


def quantise_linear(linear: nn.Linear, precision: str, *, native: bool) -> QuantisedLinear:
    """A quantised linear in a dense one's place, its weight packed where it lies.

    Raises UserError for nf4 without bitsandbytes.
    """
    weight = linear.weight.detach()
    fits = linear.in_features % _ALIGNMENT == 0 and linear.out_features % _ALIGNMENT == 0
    if precision == "nf4":
        return Nf4Linear(linear, _nf4_parts(weight), native=False)
    kind = Float8Linear if precision == "float8" else Int8Linear
    quantised, scale_O1 = quantise_rows(weight, EIGHT_BIT[precision][0])
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
