"""Lanes: one choice of precision, recompute and offload, and which blocks it means. Knows no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..messages import UserError

PRECISIONS = ("fp32", "bf16", "float8", "int8", "nf4")
QUANTISED = ("float8", "int8", "nf4")
NUM_SLOTS = 2
"""Offloaded blocks that are on the device at one time: the one at work and the one that is coming."""


@dataclass(frozen=True, kw_only=True)
class Lane:
    """How a training fits into memory. Offloaded blocks are always recomputed ones: both start at the first block."""

    precision: str
    """The base model's weights: fp32, bf16, float8, int8 or nf4."""
    num_blocks_recomputed: int = 0
    """So many of the first blocks keep their input alone and run a second time in the backward pass."""
    num_blocks_offloaded: int = 0
    """So many blocks, spread over the recomputed ones, live in pinned CPU memory."""

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UserError(
                "settings.choice", name="precision", value=self.precision, choices=", ".join(PRECISIONS)
            )  # fmt: skip
        assert 0 <= self.num_blocks_offloaded <= self.num_blocks_recomputed

    @property
    def numbers(self) -> tuple[int, int, int]:
        """The lane as numbers, for processes to agree on."""
        return PRECISIONS.index(self.precision), self.num_blocks_recomputed, self.num_blocks_offloaded

    @classmethod
    def of(cls, numbers: Sequence[int]) -> Lane:
        """The lane of such numbers."""
        precision, recomputed, offloaded = numbers
        return cls(
            precision=PRECISIONS[precision], num_blocks_recomputed=recomputed, num_blocks_offloaded=offloaded
        )  # fmt: skip

    @property
    def is_quantised(self) -> bool:
        """Whether the base model's linears are packed into 8 or 4 bits."""
        return self.precision in QUANTISED

    @property
    def offloaded(self) -> tuple[int, ...]:
        """The indices of the offloaded blocks, as far apart as can be, so that copying hides behind computing."""
        count, among = self.num_blocks_offloaded, self.num_blocks_recomputed
        return tuple((2 * k + 1) * among // (2 * count) for k in range(count))
