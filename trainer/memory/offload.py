"""Offload: blocks whose frozen weights live in pinned CPU memory and visit the device in turn. Copies one way only.

Two slots on the device hold the block at work and the one that comes next: the one after it on the way forward, the one
before it on the way back. On CUDA the copy runs on a stream of its own beside the computing, else it is a plain copy.
Weights never go back: the CPU copy is the weight. What is trained, and what is small, stays on the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_ALIGN_BYTES = 256
_CHUNK_BYTES = 16 << 20  # pinned memory is given out in powers of two; whole blocks would waste up to half of it


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a tensor lies in a block's bytes, and the tensor of the module that shows it."""

    tensor: Tensor
    shape: torch.Size
    start: int
    num_bytes: int


@dataclass(frozen=True, kw_only=True)
class _HostBlock:
    """One block's frozen weights as bytes on the CPU."""

    chunks: tuple[Tensor, ...]
    places: tuple[_Place, ...]


class _Slot:
    """Bytes on the device that one block after the other moves into."""

    def __init__(self, num_bytes: int, device: torch.device) -> None:
        self.data = torch.empty(num_bytes, dtype=torch.uint8, device=device)
        self.block: int | None = None
        self.copied: torch.cuda.Event | None = None


class Offloader:
    """Moves the frozen linears of some blocks to the CPU for good and shows them on the device when they are used.

    Whoever calls such a linear has its block fetched; `going_back` tells which block will come next.
    """

    def __init__(self, blocks: Mapping[int, nn.Module], device: torch.device) -> None:
        self.going_back = False
        self._device = device
        self._is_cuda = device.type == "cuda"
        self._order = sorted(blocks)
        self._host = {index: _to_host(blocks[index], pin=self._is_cuda) for index in self._order}
        largest = max(sum(len(chunk) for chunk in block.chunks) for block in self._host.values())
        self._slots = [_Slot(largest, device) for _ in range(min(2, len(self._order)))]
        self._stream = torch.cuda.Stream(device) if self._is_cuda else None
        self.num_copies = 0
        for index in self._order:
            for linear in frozen_linears(blocks[index]):
                linear.register_forward_pre_hook(lambda linear, inputs, index=index: self.use(index))

    def use(self, index: int) -> None:
        """Have a block's weights on the device for the work that is queued next, and start fetching its successor."""
        slot = self._slot_of(index) or self._fetch(index, busy=None)
        if slot.copied is not None:
            torch.cuda.current_stream(self._device).wait_event(slot.copied)
            slot.copied = None
        position = self._order.index(index) + (-1 if self.going_back else 1)
        if len(self._slots) > 1 and 0 <= position < len(self._order) and not self._slot_of(self._order[position]):
            self._fetch(self._order[position], busy=slot)

    def _slot_of(self, index: int) -> _Slot | None:
        return next((slot for slot in self._slots if slot.block == index), None)

    def _fetch(self, index: int, busy: _Slot | None) -> _Slot:
        """Copy a block into the slot that is not busy. Whoever used that slot is done: blocks run one after another."""
        slot = next(slot for slot in self._slots if slot is not busy)
        if slot.block is not None:
            _show_nothing(self._host[slot.block])
        slot.block = index
        self.num_copies += 1
        if self._stream is None:
            self._copy(index, slot)
        else:
            # What was queued so far may still read the slot; what is queued from here on may not wait for the copy.
            self._stream.wait_stream(torch.cuda.current_stream(self._device))
            with torch.cuda.stream(self._stream):
                self._copy(index, slot)
                slot.copied = self._stream.record_event()
        _show(self._host[index], slot.data)
        return slot

    def _copy(self, index: int, slot: _Slot) -> None:
        start = 0
        for chunk in self._host[index].chunks:
            slot.data[start : start + len(chunk)].copy_(chunk, non_blocking=True)
            start += len(chunk)


def frozen_linears(block: nn.Module) -> list[nn.Linear]:
    """The linears of a block that are not trained, quantised ones too: nearly all its bytes."""
    return [
        module
        for module in block.modules()
        if isinstance(module, nn.Linear) and not any(p.requires_grad for p in module.parameters())
    ]


@torch.no_grad()
def _to_host(block: nn.Module, *, pin: bool) -> _HostBlock:
    """Copy a block's frozen tensors into (pinned) CPU memory and let go of them where they were."""
    linears = frozen_linears(block)
    tensors = [tensor for linear in linears for tensor in (*linear.parameters(recurse=False), *linear.buffers())]
    places, start = [], 0
    for tensor in tensors:
        num_bytes = tensor.numel() * tensor.element_size()
        places.append(_Place(tensor=tensor, shape=tensor.shape, start=start, num_bytes=num_bytes))
        start += -(-num_bytes // _ALIGN_BYTES) * _ALIGN_BYTES
    sizes = [min(_CHUNK_BYTES, start - at) for at in range(0, start, _CHUNK_BYTES)]
    chunks = tuple(torch.zeros(size, dtype=torch.uint8, pin_memory=pin) for size in sizes)
    for place in places:
        flat = place.tensor.detach().contiguous().reshape(-1).view(torch.uint8)
        at = 0
        while at < place.num_bytes:  # a tensor may lie across chunks
            chunk_index, inside = divmod(place.start + at, _CHUNK_BYTES)
            count = min(place.num_bytes - at, len(chunks[chunk_index]) - inside)
            chunks[chunk_index][inside : inside + count].copy_(flat[at : at + count])
            at += count
    host = _HostBlock(chunks=chunks, places=tuple(places))
    _show_nothing(host)
    return host


def _show(host: _HostBlock, data: Tensor) -> None:
    for place in host.places:
        part = data[place.start : place.start + place.num_bytes]
        place.tensor.data = part.view(place.tensor.dtype).view(place.shape)


def _show_nothing(host: _HostBlock) -> None:
    """A block that is not on the device has empty weights, so that nobody uses them by mistake."""
    for place in host.places:
        place.tensor.data = place.tensor.data.new_empty(0)
