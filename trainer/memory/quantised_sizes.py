"""Sizes of quantised linears in bytes, to the byte. Knows no torch."""

from __future__ import annotations

NF4_BLOCK, NF4_SCALE_BLOCK = 64, 256
_NF4_TABLES = 4 * (16 + 256 + 1)  # the 16 values of nf4, the 256 of its scales, and the scales' mean
_DENSE_BYTES = {"fp32": 4, "bf16": 2}


def linear_bytes(num_out: int, num_in: int, precision: str) -> int:
    """What a lane keeps of a weight [out, in]: fp32, bf16, float8 or int8 with a scale per row, or nf4."""
    size = num_out * num_in
    if precision in _DENSE_BYTES:
        return _DENSE_BYTES[precision] * size
    if precision in ("float8", "int8"):
        return size + 4 * num_out
    num_scales = -(-size // NF4_BLOCK)
    return -(-size // 2) + num_scales + 4 * -(-num_scales // NF4_SCALE_BLOCK) + _NF4_TABLES
