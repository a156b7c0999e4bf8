"""Compiled blocks: the main blocks' passes as fused kernels by torch.compile, tried against the plain ones first.

One graph serves all blocks of a kind, whatever the number of tokens. A graph belongs to a batch size, to batches with
or without a mask, and to whether gradients go on below the block (not below the first). What the backward pass needs
is kept or made again as torch's partitioner decides. CUDA graphs are not used: every number of tokens would need a
recording and memory of its own.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..messages import Message, UserError
from .lanes import Lane
from .planner import pace

if TYPE_CHECKING:
    from diffusers.models.transformers.transformer_z_image import ZImageTransformerBlock

BACKEND = "inductor"
CACHE_NAME = ".compiled"
_CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
_WARM_UP_S, _GAIN = 60.0, 0.15
"""Assumed, not yet measured on a card: what compiling takes the first time, and the share of a step that it saves."""
_AGREEMENT = {"fp32": (1e-4, 1e-3), "bf16": (1e-2, 3e-2)}
"""By how much of itself a step's loss, and its gradients' norm, may differ from those of the plain blocks: fused
kernels round to bf16 less often."""


class Numbers(Protocol):
    """What a step came to."""

    @property
    def loss(self) -> float: ...
    @property
    def grad_norm(self) -> float: ...
    @property
    def is_finite(self) -> bool: ...


Made = TypeVar("Made", bound=Numbers)


@dataclass(frozen=True, kw_only=True)
class CompileWish:
    """What decides whether blocks are compiled."""

    choice: str
    """auto, on or off."""
    precision: str
    """Of the arithmetic: fp32 or bf16."""
    expected_s: float
    """How long the training takes without, as planned."""
    is_alone: bool = True
    """Whether no other process trains with this one: several would have to decide alike and together."""
    cache_dir: Path | None = None
    """Where compiled kernels are kept for the next run; None for torch's own place."""


class Compiler:
    """Runs blocks compiled once a step has shown that this gives the same numbers; plain before that, and ever after
    anything went wrong. `told` holds what the user has not been told yet."""

    def __init__(
        self, wish: CompileWish, lane: Lane, num_blocks: int, device: torch.device,
        clock_s: Callable[[], float] = time.perf_counter,
    ) -> None:  # fmt: skip
        self._wish, self._clock_s, self._is_cuda = wish, clock_s, device.type == "cuda"
        self._plain_blocks = frozenset(lane.offloaded)
        self._num_compiled, self._num_blocks = num_blocks - len(self._plain_blocks), num_blocks
        self._compiled: dict[tuple[int, bool], Callable[..., Tensor]] = {}
        self.told: list[Message] = []
        self.is_on, self._is_undecided = False, self._is_wanted()

    def _is_wanted(self) -> bool:
        if self._wish.choice == "off" or (self._wish.choice == "auto" and not self._is_cuda):
            return False
        hindrance = None
        if not self._num_compiled:
            hindrance = Message("memory.compile_offloaded")
        elif not self._wish.is_alone:
            hindrance = Message("memory.compile_many")
        elif self._is_cuda and importlib.util.find_spec("triton") is None:
            package = "triton-windows" if sys.platform == "win32" else "triton"
            hindrance = Message("memory.compile_no_triton", {"package": package})
        elif self._wish.choice == "auto" and self._wish.expected_s * _GAIN < _WARM_UP_S:
            minutes = {"minutes": f"{self._wish.expected_s / 60:.0f}", "least": f"{_WARM_UP_S / _GAIN / 60:.0f}"}
            hindrance = Message("memory.compile_too_short", minutes)
        self.told.append(hindrance or Message("memory.compile_begins"))
        return hindrance is None

    def takes(self, block_index: int) -> bool:
        """Whether a block is to run compiled now. Offloaded ones never are: their weights come and go on the way."""
        return self.is_on and block_index not in self._plain_blocks

    def block(
        self, block: ZImageTransformerBlock, x_BTD: Tensor, mask: Tensor | None, rotations: Tensor, time: Tensor
    ) -> Tensor:
        """What `block(x, mask, rotations, time)` gives, but for rounding."""
        kind = x_BTD.shape[0], mask is None
        if kind not in self._compiled:
            self._compiled[kind] = _compiled_anew()
        pairs = torch.view_as_real(rotations)
        for tensor in (x_BTD, pairs) if mask is None else (x_BTD, pairs, mask):
            torch._dynamo.mark_dynamic(tensor, 1)
        return self._compiled[kind](block, x_BTD, mask, pairs, time)

    def run(self, make: Callable[[], Made], forget: Callable[[], None]) -> Made:
        """`make`, which computes a step's gradients, in the fastest way that works; `forget` drops the gradients.

        The first time it is made plain and compiled, twice each, and the numbers and times are compared. A step that
        goes wrong compiled is made again plain, and so are all after it.
        """
        if self._is_undecided:
            return self._tried(make, forget)
        if not self.is_on:
            return make()
        try:
            with self._cached():
                return make()
        except UserError:
            raise
        except Exception as error:
            if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
                raise  # proved to fit before: whoever runs the loop knows what to do
            self._give_up(Message("memory.compile_failed", {"reason": _reason(error)}))
        forget()
        return make()

    def _tried(self, make: Callable[[], Made], forget: Callable[[], None]) -> Made:
        make()  # chooses kernels and makes what is looked up once
        forget()
        plain, plain_s = self._timed(make)
        if not plain.is_finite:
            return plain
        self._is_undecided, self.is_on = False, True
        forget()
        try:
            with self._cached():
                graphs_before = _num_graphs()
                first, first_s = self._timed(make)
                num_graphs = _num_graphs() - graphs_before
                forget()
                compiled, compiled_s = self._timed(make)
        except UserError:
            raise
        except Exception as error:  # whatever compilers raise: the run goes on without them
            self._give_up(Message("memory.compile_failed", {"reason": _reason(error)}))
        else:
            times = {"plain": pace(plain_s), "compiled": pace(compiled_s)}
            if differs := self._difference(plain, first) or self._difference(plain, compiled):
                self._give_up(Message("memory.compile_other_numbers", differs))
            elif self._wish.choice == "auto" and compiled_s >= plain_s:
                self._give_up(Message("memory.compile_no_faster", times))
            else:
                blocks = {"blocks": self._num_compiled, "of": self._num_blocks, "graphs": num_graphs}
                values = {**times, **blocks, "seconds": f"{max(0.0, first_s - compiled_s):.1f}"}
                self.told.append(Message("memory.compile_on", values))
                return compiled
        forget()
        return make()

    def _timed(self, make: Callable[[], Made]) -> tuple[Made, float]:
        started_s = self._clock_s()
        return make(), self._clock_s() - started_s  # reading the losses has waited for the device

    def _difference(self, plain: Numbers, compiled: Numbers) -> dict[str, str] | None:
        """Both losses and norms where they lie too far apart (NaN always does)."""
        loss_share, norm_share = _AGREEMENT[self._wish.precision]
        if (
            abs(compiled.loss - plain.loss) <= loss_share * abs(plain.loss)
            and abs(compiled.grad_norm - plain.grad_norm) <= norm_share * plain.grad_norm
        ):
            return None
        found = {"plain_loss": plain.loss, "loss": compiled.loss, "plain_norm": plain.grad_norm,
                 "norm": compiled.grad_norm}  # fmt: skip
        return {name: f"{value:.6g}" for name, value in found.items()}

    def _give_up(self, reason: Message) -> None:
        self.is_on = False
        self._compiled.clear()
        self.told.append(reason)

    @contextlib.contextmanager
    def _cached(self) -> Iterator[None]:
        """Within it torch keeps compiled kernels in the trainer's folder, unless the user has named another."""
        before = os.environ.get(_CACHE_VARIABLE)
        if self._wish.cache_dir is None or not (before is None or _is_torchs_own(Path(before))):
            yield
            return
        os.environ[_CACHE_VARIABLE] = str(self._wish.cache_dir)
        try:
            yield
        finally:
            os.environ.pop(_CACHE_VARIABLE, None)
            if before is not None:
                os.environ[_CACHE_VARIABLE] = before


def cache_dir_in(runs_dir: Path) -> Path | None:
    """Where compiled kernels are kept: beside the runs, so that a cleared temporary folder loses nothing.

    None on Windows, where torch's own short path keeps the files' names below the system's limit of 260 characters,
    and where there is no such folder yet.
    """
    return runs_dir / CACHE_NAME if sys.platform != "win32" and runs_dir.is_dir() else None


def _is_torchs_own(cache_dir: Path) -> bool:
    """Whether torch itself has named the folder in the environment, as it does when it is imported whole."""
    return cache_dir.parent == Path(tempfile.gettempdir()) and cache_dir.name.startswith("torchinductor_")


def plain_block(
    block: ZImageTransformerBlock, x_BTD: Tensor, mask: Tensor | None, rotations: Tensor, time: Tensor
) -> Tensor:
    """The arithmetic of diffusers' ZImageTransformerBlock, with `rotations` as pairs [B, T, head/2, 2]: compilers turn
    real numbers into kernels, and complex ones not."""
    modulation = block.adaLN_modulation(time).unsqueeze(1)
    scale_attention, gate_attention, scale_ffn, gate_ffn = modulation.chunk(4, dim=2)
    attention, ffn = block.attention, block.feed_forward
    normed = block.attention_norm1(x_BTD) * (1.0 + scale_attention)
    query = _rotated(attention.norm_q(attention.to_q(normed).unflatten(-1, (attention.heads, -1))), rotations)
    key = _rotated(attention.norm_k(attention.to_k(normed).unflatten(-1, (attention.heads, -1))), rotations)
    value = attention.to_v(normed).unflatten(-1, (attention.heads, -1))
    if mask is not None:
        mask = mask[:, None, None, :]
    mixed = F.scaled_dot_product_attention(
        query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), attn_mask=mask
    ).transpose(1, 2)
    attended = attention.to_out[0](mixed.flatten(2, 3).to(query.dtype))
    x_BTD = x_BTD + gate_attention.tanh() * block.attention_norm2(attended)
    normed = block.ffn_norm1(x_BTD) * (1.0 + scale_ffn)
    return x_BTD + gate_ffn.tanh() * block.ffn_norm2(ffn.w2(F.silu(ffn.w1(normed)) * ffn.w3(normed)))


def _rotated(heads: Tensor, rotations: Tensor) -> Tensor:
    real, imaginary = heads.float().unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = rotations.unsqueeze(2).unbind(-1)
    turned = torch.stack((real * cos - imaginary * sin, real * sin + imaginary * cos), dim=-1)
    return turned.flatten(3).type_as(heads)


def _compiled_anew() -> Callable[..., Tensor]:
    """`plain_block` compiled, with graphs of its own: torch counts graphs by code object, allows eight to each, and
    lets go of them with it. One graph holds a whole block, or compiling fails and says why."""
    code: Any = plain_block.__code__
    own = FunctionType(code.replace(), plain_block.__globals__, plain_block.__name__)
    return torch.compile(own, fullgraph=True, dynamic=False, backend=BACKEND)


def _num_graphs() -> int:
    from torch._dynamo.utils import counters

    return counters["stats"]["unique_graphs"]


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:2])}"[:300]  # the cause stands below the name of the backend
