"""Identity: a short text that changes whenever one of ComfyUI's models would give other numbers. Loads no model."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from ..trainer.training.model.weights import fingerprint

_NUM_SAMPLES = 1024


def clip_identity(clip: Any) -> str:
    """The identity of a CLIP: weights, patches, the layer it is read at and its tokenizer's options."""
    return _digest(type(clip.cond_stage_model).__name__, clip.layer_idx, clip.tokenizer_options, _patcher(clip.patcher))


def vae_identity(vae: Any) -> str:
    """The identity of a VAE: weights, patches and number format."""
    return _digest(type(vae.first_stage_model).__name__, vae.vae_dtype, _patcher(vae.patcher))


def model_identity(model: Any) -> str:
    """The identity of a MODEL: weights, patches, sampling (its shift shows in the sigmas), kinds of hooks."""
    sampling = model.get_model_object("model_sampling")
    return _digest(
        type(model.model).__name__, _patcher(model), type(sampling).__name__, sampling.sigmas, model.model_options,
        sorted(model.object_patches), sorted(model.injections),
    )  # fmt: skip


def network_identity(patcher: Any, *more: Any) -> str:
    """The identity of any other model that ComfyUI manages, and of what else decides its numbers."""
    return _digest(type(patcher.model).__name__, _patcher(patcher), *more)


def files_of(patcher: Any) -> list[Path]:
    """The files that ComfyUI's own loader made a model from; none where something else made it."""
    made_by = patcher.cached_patcher_init
    return [Path(text) for text in _texts(made_by[1]) if Path(text).is_file()] if made_by is not None else []


def _patcher(patcher: Any) -> list[Any]:
    return [_weights(patcher), patcher.patches]


def _weights(patcher: Any) -> list[Any]:
    """The files the weights came from, where ComfyUI's own loader made the model; else samples of the weights."""
    files = files_of(patcher)
    if files:
        settings = [value for value in patcher.cached_patcher_init[1] if isinstance(value, Mapping | enum.Enum)]
        return [fingerprint(files), settings]
    weights = patcher.model.state_dict()
    # Where a LoRA is merged into loaded weights, the untouched ones are kept aside.
    return [{name: patcher.backup[name].weight if name in patcher.backup else weights[name] for name in weights}]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _digest(*values: Any) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(values):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(value: Any) -> Iterator[bytes]:
    """The bytes a value is known by. Objects without a value of their own are known by their type."""
    if isinstance(value, torch.Tensor):
        yield f"{tuple(value.shape)} {value.dtype}".encode()
        flat = value.detach().reshape(-1)
        sample = flat[:: max(1, len(flat) // _NUM_SAMPLES)]
        yield sample.to("cpu", torch.float32).numpy().tobytes()
    elif isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield f"{key}:".encode()
            yield from _pieces(value[key])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _pieces(item)
        yield b";"
    elif value is None or isinstance(value, str | int | float | bool | enum.Enum | torch.dtype):
        yield f"{value!r}|".encode()
    elif hasattr(value, "weights"):  # a LoRA's adapter
        yield type(value).__name__.encode()
        yield from _pieces(value.weights)
    else:
        yield getattr(value, "__qualname__", type(value).__qualname__).encode()
