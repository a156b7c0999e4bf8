"""Costs: what a training step holds in memory and how long it takes, counted part by part. Pure arithmetic, no torch.

Legend: D width, F hidden width of the feed-forward, T tokens of a micro-batch, P trained numbers, e bytes of a number
in the activations (2 in bf16, 4 in fp32). The counts of what a block keeps are those of `lean_block`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .constants import Constants
from .lanes import NUM_SLOTS, Lane
from .quantised_sizes import linear_bytes

_TIME_WIDTH, _TIME_HIDDEN = 256, 1024
_PATCH = 2
_MASTER, _GRADIENT = 4, 4  # bytes of a trained number and of its gradient
_STATE_BYTES = {"adam8bit": 2.04, "adamw": 8, "prodigy": 16, "adafactor": 0.05, "lion8bit": 1.02, "schedule-free": 8}
_UPDATE_BYTES = {"prodigy": 8, "adafactor": 4, "schedule-free": 8}
"""What an update holds for a moment, of each trained number: on CUDA these work on all of them at once. AdamW
and the 8-bit ones work in place."""
_BACKWARD_WIDTHS = 13
"""Temporary tensors of the backward pass through one block at its fullest, in D·T numbers."""
_UNPACKED_COPIES = {"fp32": (0, 0), "bf16": (0, 0), "float8": (3, 2), "int8": (3, 2), "nf4": (0, 1)}
"""How many copies of its largest weight unpacking makes for a moment, on the CPU and on CUDA. The CPU multiplies bf16
by fp32 scales in fp32, and unpacks nf4 where a step is not at its fullest; on CUDA the products in 8 bits have wide
sums instead."""


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """The widths of a Z-Image transformer."""

    dim: int
    num_blocks: int
    num_refiners: int
    num_heads: int
    text_width: int
    channels: int = 16

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> ModelShape:
        """From the arguments of diffusers' ZImageTransformer2DModel."""
        return cls(
            dim=config["dim"], num_blocks=config["n_layers"], num_refiners=config["n_refiner_layers"],
            num_heads=config["n_heads"], text_width=config["cap_feat_dim"],
        )  # fmt: skip

    @property
    def hidden(self) -> int:
        """F."""
        return int(self.dim / 3 * 8)

    @property
    def time_width(self) -> int:
        """The width of the time embedding."""
        return min(self.dim, _TIME_WIDTH)

    def block_linears(self, *, modulated: bool = True) -> list[tuple[int, int]]:
        """(out, in) of a block's linears."""
        wide, hidden = self.dim, self.hidden
        modulation = [(4 * wide, self.time_width)] if modulated else []
        return [(wide, wide)] * 4 + [(hidden, wide)] * 2 + [(wide, hidden)] + modulation

    def block_rest(self, *, modulated: bool = True) -> int:
        """Numbers of a block outside its linears' matrices: norms and a bias."""
        return 4 * self.dim + 2 * (self.dim // self.num_heads) + (4 * self.dim if modulated else 0)

    @property
    def num_outside_blocks(self) -> int:
        """Numbers of the embedders, the final layer and the pad tokens; they are never quantised."""
        wide, time, patch = self.dim, self.time_width, _PATCH**2 * self.channels
        times = (_TIME_WIDTH * _TIME_HIDDEN + _TIME_HIDDEN) + (_TIME_HIDDEN * time + time)
        texts = self.text_width + self.text_width * wide + wide
        return times + texts + (patch * wide + wide) + (time * wide + wide) + (wide * patch + patch) + 2 * wide

    @property
    def num_parameters(self) -> int:
        """All numbers of the transformer."""
        stacks = ((self.num_blocks + self.num_refiners, True), (self.num_refiners, False))
        return self.num_outside_blocks + sum(
            count * (sum(o * i for o, i in self.block_linears(modulated=m)) + self.block_rest(modulated=m))
            for count, m in stacks
        )

    def block_bytes(self, precision: str, *, modulated: bool = True) -> int:
        """A block's frozen weights in a lane's precision."""
        dense = 4 if precision == "fp32" else 2
        linears = sum(linear_bytes(o, i, precision) for o, i in self.block_linears(modulated=modulated))
        return linears + self.block_rest(modulated=modulated) * dense


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is trained on the model, at its largest micro-batch."""

    num_tokens: int
    """T: image and text tokens of all photos of a micro-batch together, each padded to a multiple of 32."""
    tokens_each: int
    """Of one photo; attention looks from each to each."""
    num_trained: int
    """P."""
    optimizer: str
    has_ema: bool = False
    num_passes: float = 1
    """Forward and backward passes of a step: micro-batches, twice with preservation."""
    photo_bytes: int = 0
    """What the encoded photos and captions take of the device."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How fast a device is, measured on it."""

    matmul_rate: float
    """Operations a second of matrix products in the base model's number format."""
    memory_rate: float
    """Bytes a second within the device."""
    copy_rate: float
    """Bytes a second from pinned system memory to the device."""
    native: tuple[str, ...] = ()
    """The 8-bit precisions in which it multiplies matrices itself."""


@dataclass(frozen=True, kw_only=True)
class PeakParts:
    """The expected peak in bytes, by what it is for."""

    weights: int
    lora: int
    gradients: int
    optimizer: int
    activations: int
    workspace: int
    photos: int
    context: int

    @property
    def total(self) -> int:
        """All of it."""
        return sum(dataclasses.astuple(self))


def weight_bytes(shape: ModelShape, lane: Lane) -> int:
    """The base model's weights on the device, offloaded blocks only as the slots that they share."""
    dense = 4 if lane.precision == "fp32" else 2
    slots = min(NUM_SLOTS, lane.num_blocks_offloaded)
    num_main = shape.num_blocks - lane.num_blocks_offloaded + slots
    main = (num_main + shape.num_refiners) * shape.block_bytes(lane.precision)
    return main + shape.num_refiners * shape.block_bytes(lane.precision, modulated=False) + (
        shape.num_outside_blocks * dense
    )  # fmt: skip


def host_bytes(shape: ModelShape, lane: Lane) -> int:
    """System memory for the offloaded blocks."""
    return lane.num_blocks_offloaded * shape.block_bytes(lane.precision)


def copied_bytes(shape: ModelShape, lane: Lane) -> int:
    """What a pass forward and backward copies to the device: each offloaded block once on each way."""
    return 2 * host_bytes(shape, lane)


def peak_parts(shape: ModelShape, work: Workload, lane: Lane, constants: Constants, *, is_cuda: bool) -> PeakParts:
    """The parts of a step's peak: the fullest of the moments from the end of the forward pass to the update."""
    e = 4 if lane.precision == "fp32" else 2
    unit, P = work.num_tokens * shape.dim * e, work.num_trained
    wide = shape.hidden / shape.dim
    num_recomputed = min(lane.num_blocks_recomputed, shape.num_blocks)
    num_kept = shape.num_blocks - num_recomputed
    thin = len(shape.block_linears()) * _rank(shape, P) * work.num_tokens * e  # what the LoRA's first halves give
    kept_each = (8 + 2 * wide) * unit + thin
    recomputing = (11 + 3 * wide) * unit + thin
    around = _around_blocks(shape, work, e)
    unpacked = _UNPACKED_COPIES[lane.precision][is_cuda] * e * shape.dim * shape.hidden
    state = _STATE_BYTES[work.optimizer] * P
    update = _UPDATE_BYTES.get(work.optimizer, 0) * P if is_cuda else 0

    # The end of the forward pass: a block that will be made again holds its input alone.
    moments = [(num_kept * kept_each + num_recomputed * unit, 0.0, (4 + wide) * unit + unpacked)]
    for index in reversed(range(shape.num_blocks)):
        is_kept = index >= num_recomputed
        kept = max(0, index + 1 - num_recomputed) * kept_each + min(index + 1, num_recomputed) * unit
        own = 0.0 if is_kept else recomputing
        gradients = _GRADIENT * P * (shape.num_blocks - index) / shape.num_blocks
        moments.append((kept + own, gradients, _BACKWARD_WIDTHS * unit + unpacked))
    moments.append((0.0, _GRADIENT * P, update))
    activations, gradients, workspace = max(moments, key=sum)
    parts = dict(
        weights=weight_bytes(shape, lane), lora=_MASTER * P * (2 if work.has_ema else 1), gradients=gradients,
        optimizer=state, activations=activations + around,
    )  # fmt: skip
    idle = constants.idle_share * (sum(parts.values()) + workspace) if is_cuda else 0
    return PeakParts(
        **{name: int(size) for name, size in parts.items()}, workspace=int(workspace + idle),
        photos=work.photo_bytes, context=constants.context_bytes if is_cuda else 0,
    )  # fmt: skip


def _rank(shape: ModelShape, num_trained: int) -> float:
    """The rank that a LoRA on all linears of the main blocks would have with so many numbers."""
    return num_trained / (shape.num_blocks * sum(o + i for o, i in shape.block_linears()))


def _around_blocks(shape: ModelShape, work: Workload, e: int) -> int:
    """What lives through a step beside the blocks: rotations (complex64), the blocks' first input, the output."""
    head = shape.dim // shape.num_heads
    return work.num_tokens * (8 * head // 2 + 2 * shape.dim * e)


def step_seconds(shape: ModelShape, work: Workload, lane: Lane, rates: Rates, constants: Constants) -> float:
    """How long a step takes: its products, the memory traffic of quantised weights, and what no size changes; or the
    copies of offloaded blocks, which go on beside that, where they take longer. An estimate to choose by."""
    block = sum(o * i for o, i in shape.block_linears())
    recomputed = min(lane.num_blocks_recomputed, shape.num_blocks)
    forwards_backwards = 2 * shape.num_blocks + recomputed
    attention = 4 * work.tokens_each * shape.dim
    per_token = forwards_backwards * (2 * block + attention) + 4 * shape.num_refiners * block + 8 * work.num_trained
    factor, num_bytes = _product_costs(lane.precision, rates, constants)
    products_s = work.num_tokens * per_token / rates.matmul_rate * factor
    traffic_s = forwards_backwards * block * num_bytes / rates.memory_rate
    copying_s = copied_bytes(shape, lane) / (rates.copy_rate * constants.copy_share)
    return work.num_passes * max(products_s + traffic_s + constants.step_overhead_s, copying_s)


def _product_costs(precision: str, rates: Rates, constants: Constants) -> tuple[float, float]:
    """By how much what grows with tokens is longer than its products in bf16, and the bytes of traffic that each number
    of a weight causes beside each of its products."""
    if precision in rates.native:
        return constants.native_factor, constants.native_bytes
    unpacked = {"float8": constants.unpacked_bytes, "int8": constants.unpacked_bytes, "nf4": constants.nf4_bytes}
    return constants.dense_factor, unpacked.get(precision, 0.0)
