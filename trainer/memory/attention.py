"""Attention: which of torch's fused kernels come first in a run, as each was timed at the run's own shape. CUDA only.

torch tries its kernels in an order of its own and takes the first that can do a batch; which is fastest depends on the
card, the versions and the shape. Another order is used only where another kernel is clearly faster than torch's own
choice, and a kernel that cannot take a batch (flash takes no mask) leaves it to the next. A run keeps its order: when
it goes on with the same shape, card and torch, nothing is timed again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..messages import Message
from .fitting import DTYPES, Photo, Settings, num_padded, workload

KERNELS: Mapping[str, SDPBackend] = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cuDNN": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
}
"""torch's fused kernels; its plain arithmetic is only ever the last resort."""
TORCH = "torch"
"""torch's own way, whatever kernel that is."""
_CLEARLY = 1.05
_ROUNDS, _TIMES_A_ROUND = 5, 3
_ENOUGH_S = 2.0
"""After so long no further round begins: slow cards tell their kernels apart in one."""
_AGREEMENT = {torch.float32: 1e-3, torch.bfloat16: 3e-2}
"""By how much of its norm a kernel's result, or a gradient, may differ from another's."""
_REASON_LETTERS = 160
_TEXTS = ("text", "dropped_text", "class_text")
"""What may stand beside a photo's patches."""


@dataclass(frozen=True, kw_only=True)
class AttentionShape:
    """Attention in a run's largest micro-batch."""

    num_photos: int
    num_tokens: int
    """Of one photo."""
    num_heads: int
    head_dim: int
    dtype: torch.dtype
    has_mask: bool
    """Whether photos of one micro-batch can have different numbers of tokens."""

    def __str__(self) -> str:
        sizes = f"{self.num_photos} x {self.num_heads} x {self.num_tokens} x {self.head_dim}"
        return f"{sizes} {str(self.dtype).removeprefix('torch.')}{' with a mask' if self.has_mask else ''}"


@dataclass(frozen=True, kw_only=True)
class Attention:
    """A run's kernels in order, and what the user is told of them."""

    order: tuple[str, ...] = ()
    """Names of KERNELS, the first is tried first; empty for torch's own order."""
    measured_for: str = ""
    """Shape, card and torch that the order holds for; empty where nothing was measured."""
    told: tuple[Message, ...] = ()

    def in_force(self) -> contextlib.AbstractContextManager[Any]:
        """Within it torch keeps to the order, also in the threads that go backward: the setting is the process's."""
        if not self.order:
            return contextlib.nullcontext()
        return sdpa_kernel([*(KERNELS[name] for name in self.order), SDPBackend.MATH], set_priority=True)

    def agreed(self, agree: Callable[[int], int]) -> Attention:
        """With the order of the first of several processes; `agree` gives that one's number to all."""
        names = tuple(KERNELS)
        mine = [names.index(name) for name in self.order] + [-1] * (len(names) - len(self.order))
        firsts = [agree(number) for number in mine]
        return dataclasses.replace(self, order=tuple(names[number] for number in firsts if number >= 0))

    def as_plain(self) -> dict[str, Any]:
        """What a run's record keeps."""
        return {"order": list(self.order), "measured_for": self.measured_for} if self.measured_for else {}


def attention_shape(settings: Settings, photos: Sequence[Photo], model: Mapping[str, Any]) -> AttentionShape:
    """The shape of a run's largest micro-batch; `model` are diffusers' arguments of the transformer."""
    work = workload(settings, photos, num_trained=0)
    texts = [getattr(photo, name, None) for photo in photos for name in _TEXTS]
    lengths = {num_padded(len(text)) for text in texts if text is not None}
    return AttentionShape(
        num_photos=settings.batch_size, num_tokens=work.tokens_each, num_heads=model["n_heads"],
        head_dim=model["dim"] // model["n_heads"], dtype=DTYPES[settings.precision],
        has_mask=settings.batch_size > 1 and len(lengths) > 1,
    )  # fmt: skip


def choose_attention(shape: AttentionShape, device: torch.device, earlier: Mapping[str, Any]) -> Attention:
    """The attention of a run on a device; `earlier` is what its record says of the steps before, `as_plain`.

    Nothing is timed where no choice is (on a CPU) or where `earlier` holds.
    """
    if device.type != "cuda":
        return Attention()
    measured_for = f"{shape}, {torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    if attention := kept(earlier, measured_for):
        return attention
    times_s, failed = measure(shape, device, [TORCH, *KERNELS])
    torch.cuda.empty_cache()
    return decided(times_s, failed, shape, measured_for)


def kept(earlier: Mapping[str, Any], measured_for: str) -> Attention | None:
    """The attention of a run's steps before, where it was measured for the same; else None."""
    order = earlier.get("order")
    if earlier.get("measured_for") != measured_for or not isinstance(order, list) or not set(order) <= set(KERNELS):
        return None
    told = (Message("memory.attention_kept", {"order": ", ".join(order)}),) if order else ()
    return Attention(order=tuple(order), measured_for=measured_for, told=told)


def decided(
    times_s: Mapping[str, float], failed: Mapping[str, Message], shape: AttentionShape, measured_for: str
) -> Attention:
    """The attention that measured times lead to, with what is to be told of it."""
    told = [message for name, message in failed.items() if name in KERNELS]
    order = ordered(times_s)
    times = ", ".join(f"{name} {seconds * 1e3:.3g} ms" for name, seconds in times_s.items())
    if times:
        key = "memory.attention_ordered" if order else "memory.attention_own"
        told.append(Message(key, {"order": ", ".join(order), "times": times, "shape": shape}))
    return Attention(order=order, measured_for=measured_for, told=tuple(told))


def ordered(times_s: Mapping[str, float]) -> tuple[str, ...]:
    """The kernels that were timed, the fastest first; none where torch's own way is as fast but for a twentieth, so
    that two measurements seldom decide differently."""
    kernels = sorted((name for name in times_s if name in KERNELS), key=lambda name: times_s[name])
    if not kernels or times_s.get(TORCH, float("inf")) <= _CLEARLY * times_s[kernels[0]]:
        return ()
    return tuple(kernels)


def measure(
    shape: AttentionShape, device: torch.device, ways: Sequence[str]
) -> tuple[dict[str, float], dict[str, Message]]:
    """Seconds of attention forward and backward by each way that works, and what is to be told of the others.

    The ways take turns, so that a clock that slows down slows them all; each one's median counts. One that gives other
    numbers than the first does not work.
    """
    passes = _passes(shape, device)
    seconds: dict[str, list[float]] = {}
    failed: dict[str, Message] = {}
    first: tuple[Tensor, ...] = ()
    for name in ways:
        found = _tried(passes, name, device)
        if isinstance(found, Message):
            failed[name] = found
            continue
        first = first or found
        if (apart := _distance(found, first)) > _AGREEMENT[shape.dtype]:
            failed[name] = Message("memory.attention_other_numbers", {"kernel": name, "share": f"{apart:.1%}"})
        else:
            seconds[name] = []
    began_s = time.perf_counter()
    for round_index in range(_ROUNDS):
        if round_index and time.perf_counter() - began_s > _ENOUGH_S:
            break
        for name, durations_s in seconds.items():
            with _by(name):
                started_s = time.perf_counter()
                for _ in range(_TIMES_A_ROUND):
                    passes()
                _wait(device)
                durations_s.append((time.perf_counter() - started_s) / _TIMES_A_ROUND)
    return {name: statistics.median(durations_s) for name, durations_s in seconds.items()}, failed


def _passes(shape: AttentionShape, device: torch.device) -> Callable[[], tuple[Tensor, ...]]:
    """Attention forward and backward, its tensors lying in memory as a block's do; gives the result and gradients."""
    sizes = shape.num_photos, shape.num_tokens, shape.num_heads, shape.head_dim
    generator = torch.Generator(device).manual_seed(0)

    def heads_BHTD() -> Tensor:
        drawn_BTHD = torch.randn(sizes, dtype=shape.dtype, device=device, generator=generator)
        return drawn_BTHD.transpose(1, 2).requires_grad_(True)

    query, key, value, grad = heads_BHTD(), heads_BHTD(), heads_BHTD(), heads_BHTD().detach()
    mask = None
    if shape.has_mask:
        mask = torch.ones(shape.num_photos, 1, 1, shape.num_tokens, dtype=torch.bool, device=device)
        mask[0, ..., shape.num_tokens * 31 // 32 :] = False

    def passes() -> tuple[Tensor, ...]:
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return mixed.detach(), *torch.autograd.grad(mixed, (query, key, value), grad)

    return passes


def _tried(passes: Callable[[], tuple[Tensor, ...]], name: str, device: torch.device) -> tuple[Tensor, ...] | Message:
    """What a way gives, or why it does not work here, in torch's own words. The first time also makes plans."""
    with warnings.catch_warnings(record=True) as warned:  # where torch says why a kernel does not take a shape
        warnings.simplefilter("always")
        try:
            with _by(name):
                found = passes()
                _wait(device)
            return found
        except (RuntimeError, TypeError) as error:  # TypeError: a torch that cannot order its kernels yet
            said = [str(one.message).split(" (Triggered", 1)[0] for one in warned] or [str(error).split("\n", 1)[0]]
            reason = " ".join(dict.fromkeys(said))[:_REASON_LETTERS]
            return Message("memory.attention_left_out", {"kernel": name, "reason": reason})


def _distance(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> float:
    """By how much of its norm a tensor lies from the one it should be, the worst of all; infinite for NaN."""
    apart = [(one.float() - other.float()).norm() / other.float().norm() for one, other in zip(found, wanted)]
    return float(torch.stack(apart).nan_to_num(nan=float("inf")).max())


def _by(name: str) -> contextlib.AbstractContextManager[Any]:
    return contextlib.nullcontext() if name == TORCH else sdpa_kernel([KERNELS[name]], set_priority=True)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
