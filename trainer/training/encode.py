"""Encoding: captions and photos to text features and latents, once, kept on disk by what they were made of.

Knows the Encoders protocol, neither ComfyUI nor diffusers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..captions.dataset import Dataset
from ..captions.trigger import apply_trigger
from ..files import write_whole
from ..messages import Message, UserError, name_some
from ..photos.load import read_pixels
from .buckets import Bucket, bucket_for
from .events import Preparing
from .zimage import model_latents

_CACHE_VERSION = "1"


class Encoders(Protocol):
    """A text encoder and a VAE, wherever they come from. Constructing one is cheap; weights load when first needed."""

    text_identity: str
    """Changes whenever `encode_text` would give other numbers."""
    image_identity: str
    """Changes whenever `encode_image` would give other numbers."""

    def encode_text(self, caption: str) -> Tensor:
        """Text features of a caption, [num_tokens, width], fp32 on the CPU."""

    def encode_image(self, image_HWC: Tensor) -> Tensor:
        """The VAE's mean latents of an image [H, W, 3] in 0..1: [16, H/8, W/8], unscaled, fp32 on the CPU."""

    def release(self) -> None:
        """Give back the memory of the weights."""


@dataclass(frozen=True, kw_only=True)
class PhotoToEncode:
    """A photo, the bucket it is cut to, the caption it is learned by, and the names of its two cache files."""

    path: Path
    bucket: Bucket
    caption: str
    latents_file: str
    text_file: str


@dataclass(frozen=True, kw_only=True)
class EncodedPhoto:
    """What a step needs of a photo: latents [16, h, w] in the transformer's range, and text [num_tokens, width]."""

    name: str
    bucket: Bucket
    latents_CHW: Tensor
    text: Tensor


EncodedDataset = tuple[EncodedPhoto, ...]


def plan_encoding(
    dataset: Dataset, *, trigger_word: str, resolution_px: int, encoders: Encoders
) -> tuple[tuple[PhotoToEncode, ...], tuple[Message, ...]]:
    """What has to be encoded, and warnings about photos too small for the resolution.

    Raises UserError for an empty dataset and for photos too small to be trained at all.
    """
    if not dataset.photos:
        raise UserError("train.no_photos")
    plan, small = [], []
    for captioned in dataset.photos:
        photo = captioned.photo
        bucket = bucket_for(photo.width_px, photo.height_px, resolution_px)
        if bucket is None:
            raise UserError("train.photo_too_small", path=photo.path, width=photo.width_px, height=photo.height_px)
        if photo.width_px * photo.height_px < resolution_px**2:
            small.append(photo.path.name)
        caption = apply_trigger(captioned.caption, trigger_word)
        plan.append(
            PhotoToEncode(
                path=photo.path,
                bucket=bucket,
                caption=caption,
                latents_file=_cache_name("latents", photo.content_hash, str(bucket), encoders.image_identity),
                text_file=_cache_name("text", caption, encoders.text_identity),
            )
        )
    warnings = (Message("train.photos_small", dict(num=len(small), names=name_some(small), px=resolution_px)),)
    return tuple(plan), warnings if small else ()


def _cache_name(kind: str, *made_of: str) -> str:
    return f"{kind}-{hashlib.sha256(repr((_CACHE_VERSION, *made_of)).encode()).hexdigest()[:32]}.safetensors"


def fill_cache(plan: Sequence[PhotoToEncode], encoders: Encoders, cache_dir: Path) -> Iterator[Preparing]:
    """Encode whatever the cache lacks, all captions first and all photos after, so that one model is in memory."""
    captions = {photo.text_file: photo for photo in plan}
    yield from _fill(captions, "text", cache_dir, lambda photo: encoders.encode_text(photo.caption))
    photos = {photo.latents_file: photo for photo in plan}
    yield from _fill(
        photos, "latents", cache_dir, lambda photo: encoders.encode_image(cut_to_bucket(photo.path, photo.bucket))
    )


def _fill(
    wanted: Mapping[str, PhotoToEncode], stage: str, cache_dir: Path, encode: Callable[[PhotoToEncode], Tensor]
) -> Iterator[Preparing]:
    from safetensors.torch import save_file

    missing = {name: photo for name, photo in wanted.items() if not (cache_dir / name).is_file()}
    for done, (name, photo) in enumerate(missing.items(), start=1):
        tensor = encode(photo).contiguous()
        if not torch.isfinite(tensor).all():
            raise UserError("train.encoding_not_finite", name=photo.path.name, stage=stage)
        write_whole(cache_dir / name, partial(save_file, {stage: tensor}))
        yield Preparing(stage=stage, done=done, total=len(missing))


def cut_to_bucket(path: Path, bucket: Bucket) -> Tensor:
    """A photo's pixels [H, W, 3] in 0..1 at the bucket's size: scaled (bicubic) to cover it, then cut in the middle."""
    image = read_pixels(path)
    scale = max(bucket[0] / image.width, bucket[1] / image.height)
    size = max(bucket[0], round(image.width * scale)), max(bucket[1], round(image.height * scale))
    left, top = (size[0] - bucket[0]) // 2, (size[1] - bucket[1]) // 2
    image = image.resize(size, Image.Resampling.BICUBIC).crop((left, top, left + bucket[0], top + bucket[1]))
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255)


def read_encoded(plan: Sequence[PhotoToEncode], cache_dir: Path) -> EncodedDataset:
    """Every photo of the plan with its latents and text from the cache; equal captions share one tensor."""
    from safetensors.torch import load_file

    texts = {name: load_file(cache_dir / name)["text"] for name in {photo.text_file for photo in plan}}
    return tuple(
        EncodedPhoto(
            name=photo.path.name,
            bucket=photo.bucket,
            latents_CHW=model_latents(load_file(cache_dir / photo.latents_file)["latents"].float()),
            text=texts[photo.text_file].float(),
        )
        for photo in plan
    )
