"""Fitting: a training's plan from its settings and photos, and the model brought into the planned lane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from .blocks import install_blocks
from .compiled import Compiler
from .costs import ModelShape, Workload
from .device import read_machine
from .lanes import Lane
from .offload import Offloader, frozen_linears
from .planner import Plan, Wish, make_plan
from .quantised import has_native_product, quantise_linears

if TYPE_CHECKING:
    from diffusers import ZImageTransformer2DModel

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
_STACKS = ("layers", "noise_refiner", "context_refiner")
_PATCH_PX, _PADDED_TO = 16, 32
_ENCODING_BYTES = 1_000_000_000
"""What has to be free beside a text encoder's weights."""
_PRESERVING = 2.3
"""How many passes a step with preservation is worth: another forward without and one with gradients."""


class Settings(Protocol):
    """What of a run's settings decides its lane (TrainConfig has it all)."""

    @property
    def precision(self) -> str: ...
    @property
    def lane(self) -> str: ...
    @property
    def low_vram(self) -> bool: ...
    @property
    def quantization_transformer(self) -> str: ...
    @property
    def recompute_blocks(self) -> int: ...
    @property
    def offload_blocks(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def gradient_accumulation(self) -> int: ...
    @property
    def optimizer(self) -> str: ...
    @property
    def ema_decay(self) -> float: ...
    @property
    def preservation_class(self) -> str: ...


class Photo(Protocol):
    """What of an encoded photo decides its number of tokens."""

    @property
    def bucket(self) -> tuple[int, int]: ...
    @property
    def text(self) -> Tensor: ...


def plan_training(
    settings: Settings,
    photos: Sequence[Photo],
    shape: ModelShape,
    num_trained: int,
    device: torch.device,
    photo_bytes: int = 0,
) -> Plan:
    """The lane for a training on a device as it is now. `num_trained` is how many numbers are learned; the encoded
    photos take `photo_bytes` of the device."""
    machine = read_machine(device, DTYPES[settings.precision])
    work = workload(settings, photos, num_trained, photo_bytes)
    return make_plan(shape, work, machine, wish(settings, shape.num_blocks))


def workload(settings: Settings, photos: Sequence[Photo], num_trained: int, photo_bytes: int = 0) -> Workload:
    """The largest micro-batch that the photos can make."""
    tokens = max(_num_tokens(photo) for photo in photos)
    passes = settings.gradient_accumulation * (_PRESERVING if settings.preservation_class else 1)
    return Workload(
        num_tokens=settings.batch_size * tokens,
        tokens_each=tokens,
        num_trained=num_trained,
        optimizer=settings.optimizer,
        has_ema=settings.ema_decay > 0,
        num_passes=passes,
        photo_bytes=photo_bytes,
    )


def _num_tokens(photo: Photo) -> int:
    width_px, height_px = photo.bucket
    parts = (width_px // _PATCH_PX) * (height_px // _PATCH_PX), photo.text.shape[0]
    return sum(num_padded(part) for part in parts)


def num_padded(num_tokens: int) -> int:
    """How many tokens the transformer makes of a caption's, or of a photo's patches."""
    return -(-num_tokens // _PADDED_TO) * _PADDED_TO


def wish(settings: Settings, num_blocks: int) -> Wish:
    """What the settings say of the lane: nothing but the base model's format under `auto`.

    `low_vram` means float8 where no quantisation is named, and all blocks offloaded where no number is.
    """
    if settings.lane == "auto":
        return Wish(precision=settings.precision)
    quantisation = settings.quantization_transformer
    if settings.low_vram and quantisation == "none":
        quantisation = "float8"
    offloaded = settings.offload_blocks if settings.offload_blocks >= 0 else num_blocks if settings.low_vram else 0
    return Wish(
        precision=settings.precision,
        quantisation=quantisation,
        num_blocks_recomputed=settings.recompute_blocks if settings.recompute_blocks >= 0 else None,
        num_blocks_offloaded=offloaded,
    )


def loading_device(lane: Lane, device: torch.device) -> torch.device:
    """Where the base model's dense weights are loaded: beside the device where they would not fit it."""
    return torch.device("cpu") if lane.is_quantised or lane.num_blocks_offloaded else device


def fit_weights(transformer: ZImageTransformer2DModel, lane: Lane, device: torch.device) -> None:
    """Bring a frozen base model, its training adapter fused, into a lane: block by block to the device, packed there,
    and back to the CPU where it is to be offloaded. The device never holds more than one dense block.

    Embedders and the final layer stay as they are. Raises UserError for nf4 without bitsandbytes.
    """
    native = has_native_product(lane.precision, device)
    for name in _STACKS:
        for index, block in enumerate(getattr(transformer, name)):
            block.to(device)
            if lane.is_quantised:
                quantise_linears(block, lane.precision, native=native)
            if name == "layers" and index in lane.offloaded:
                block.to("cpu")
    for name, child in transformer.named_children():
        if name not in _STACKS:
            child.to(device)
    for name, parameter in transformer.named_parameters(recurse=False):
        setattr(transformer, name, nn.Parameter(parameter.detach().to(device), requires_grad=False))


def install_lane(
    transformer: ZImageTransformer2DModel,
    lora: Mapping[str, nn.Parameter],
    lane: Lane,
    device: torch.device,
    compiler: Compiler | None = None,
) -> Offloader | None:
    """Once the LoRA is on: its masters go to the device, blocks run as the lane says, offloaded ones leave."""
    for parameter in lora.values():
        parameter.data = parameter.data.to(device)  # made where the weight was, which may be the CPU
    for layer in transformer.modules():
        # Else peft copies every input to the masters' fp32, only for autocast to copy it back to bf16.
        if hasattr(layer, "cast_input_dtype_enabled"):
            layer.cast_input_dtype_enabled = transformer.dtype == torch.float32
    for block in transformer.layers:
        _move_all_but(set(frozen_linears(block)), block, device)
    offloader = None
    if lane.num_blocks_offloaded:
        offloader = Offloader({index: transformer.layers[index] for index in lane.offloaded}, device)
    install_blocks(transformer, lane, offloader, compiler)
    return offloader


def _move_all_but(staying: set[nn.Linear], block: nn.Module, device: torch.device) -> None:
    """Have a block's small tensors on the device: norms, and what a network keeps beside its masters."""
    for module in block.modules():
        if module in staying:
            continue
        for parameter in module.parameters(recurse=False):
            parameter.data = parameter.data.to(device)
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, buffer.to(device))


@torch.no_grad()
def fit_text_encoder(encoder: Any, quantisation: str, device: torch.device) -> Any:
    """A loaded, dense text encoder (of transformers, its blocks in `layers`) on a device, packed if so asked.

    On a GPU without room for it, it is run from system memory, its blocks fetched in turn: slower, with the same
    numbers.
    """
    encoder.requires_grad_(False)
    size = sum(p.numel() * p.element_size() for p in encoder.parameters())
    is_offloaded = device.type == "cuda" and size + _ENCODING_BYTES > torch.cuda.mem_get_info(device)[0]
    for block in encoder.layers:
        if quantisation != "none":
            quantise_linears(block.to(device), quantisation, native=False)
        if is_offloaded:
            _move_all_but(set(frozen_linears(block)), block, device)
    if is_offloaded:
        Offloader(dict(enumerate(encoder.layers)), device)
        for name, child in encoder.named_children():
            if name != "layers":
                child.to(device)
        return encoder
    return encoder.to(device)
