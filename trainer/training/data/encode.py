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
from torch import Tensor

from ...captions.dataset import Dataset
from ...files import file_hash, write_whole
from ...messages import Message, UserError, name_some
from ...photos.photo import Photo
from ...photos.pixels import read_pixels
from ..config import TrainConfig
from ..model.zimage import model_latents
from ..telling.events import Preparing
from .buckets import Bucket, bucket_for
from .cutting import cut
from .data_choices import RepeatRule, fits, read_repeats, repeats_of
from .masks import FoundMask, draw_mask, find_masks, mask_warnings
from .texts import Texts, texts_of

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
    """A photo, the bucket it is cut to, what it is learned by, and the names of its cache files.

    A photo is in a plan once per resolution, once more for its mirror image, and each of these as often as it repeats.
    """

    photo_index: int
    """Its place in the dataset."""
    path: Path
    content_hash: str
    bucket: Bucket
    is_flipped: bool
    texts: Texts
    text_files: Mapping[str, str]
    """By caption, for each of the texts."""
    latents_file: str
    mask: FoundMask | None
    mask_file: str
    """Empty for a photo that is learnt whole."""

    @property
    def caption(self) -> str:
        """What the photo is learned by where nothing is dropped."""
        return self.texts.caption


@dataclass(frozen=True, kw_only=True)
class EncodedPhoto:
    """What a step needs of a photo: latents [16, h, w] in the transformer's range, and texts [num_tokens, width]."""

    name: str
    bucket: Bucket
    latents_CHW: Tensor
    text: Tensor
    photo_index: int = 0
    """Its place in the dataset."""
    dropped_text: Tensor | None = None
    """The text where the caption is dropped; None for a run that drops none."""
    class_text: Tensor | None = None
    """The text with the class word for the person; None where nothing is preserved."""
    mask_HW: Tensor | None = None
    """How much each latent counts, 1 on average; None for a photo that is learnt whole."""


EncodedDataset = tuple[EncodedPhoto, ...]


def plan_encoding(
    dataset: Dataset, config: TrainConfig, encoders: Encoders
) -> tuple[tuple[PhotoToEncode, ...], tuple[Message, ...]]:
    """What has to be encoded, in the order of the dataset, and what the user should know about it.

    The photos at the first resolution come first; then the mirrored ones, then the same at the other resolutions.
    Raises UserError for an empty dataset, for photos too small to be trained at all, and for missing masks.
    """
    if not dataset.photos:
        raise UserError("train.no_photos")
    texts, warnings = texts_of(dataset, config)
    masks = find_masks(dataset, config)
    rules = read_repeats(config.photo_repeats)
    photos = [captioned.photo for captioned in dataset.photos]
    plan = []
    for resolution_px in config.resolutions:
        buckets = [_bucket_of(photo, resolution_px) for photo in photos]
        for is_flipped in (False, True) if config.horizontal_flip else (False,):
            for index, photo in enumerate(photos):
                item = _to_encode(index, photo, buckets[index], is_flipped, texts[index], masks[index], encoders)
                plan += [item] * repeats_of(photo.source_path, rules, dataset.photos[index].repeats)
    warnings += [*_idle_rules(rules, photos), *mask_warnings(dataset, masks), *_small(photos, config.resolutions)]
    return tuple(plan), tuple(warnings)


def _bucket_of(photo: Photo, resolution_px: int) -> Bucket:
    bucket = bucket_for(photo.width_px, photo.height_px, resolution_px)
    if bucket is None:
        raise UserError("train.photo_too_small", path=photo.path, width=photo.width_px, height=photo.height_px)
    return bucket


def _to_encode(
    index: int, photo: Photo, bucket: Bucket, is_flipped: bool, texts: Texts, mask: FoundMask | None, encoders: Encoders
) -> PhotoToEncode:
    view = (str(bucket), "flipped") if is_flipped else (str(bucket),)
    return PhotoToEncode(
        photo_index=index,
        path=photo.path,
        content_hash=photo.content_hash,
        bucket=bucket,
        is_flipped=is_flipped,
        texts=texts,
        text_files={caption: _cache_name("text", caption, encoders.text_identity) for caption in texts.all},
        latents_file=_cache_name("latents", photo.content_hash, *view, encoders.image_identity),
        mask=mask,
        mask_file=_cache_name("mask", mask.content, *view) if mask else "",
    )


def _idle_rules(rules: Sequence[RepeatRule], photos: Sequence[Photo]) -> list[Message]:
    idle = [pattern for pattern, _ in rules if not any(fits(pattern, photo.source_path) for photo in photos)]
    return [Message("train.repeats_unmatched", {"patterns": ", ".join(idle)})] if idle else []


def _small(photos: Sequence[Photo], resolutions: Sequence[int]) -> list[Message]:
    warnings = []
    for px in resolutions:
        if names := [photo.path.name for photo in photos if photo.width_px * photo.height_px < px**2]:
            warnings.append(Message("train.photos_small", {"num": len(names), "names": name_some(names), "px": px}))
    return warnings


def _cache_name(kind: str, *made_of: str) -> str:
    return f"{kind}-{hashlib.sha256(repr((_CACHE_VERSION, *made_of)).encode()).hexdigest()[:32]}.safetensors"


def fill_cache(plan: Sequence[PhotoToEncode], encoders: Encoders, cache_dir: Path) -> Iterator[Preparing]:
    """Make whatever the cache lacks: masks, then all captions, then all photos, so that one model is in memory.

    Equal captions and equal photos are encoded once. The text encoder is let go of before the VAE is loaded.

    Raises UserError for a photo that is gone or was changed since it was loaded.
    """
    masks = {photo.mask_file: (photo.path.name, partial(_mask_of, photo)) for photo in plan if photo.mask}
    yield from _fill(masks, "masks", cache_dir)
    texts = {
        file: (photo.path.name, partial(encoders.encode_text, caption))
        for photo in plan
        for caption, file in photo.text_files.items()
    }
    encoded_texts = False
    for event in _fill(texts, "text", cache_dir):
        encoded_texts = True
        yield event
    latents = {photo.latents_file: (photo.path.name, partial(_latents_of, photo, encoders)) for photo in plan}
    if encoded_texts and any(not (cache_dir / file).is_file() for file in latents):
        encoders.release()
    yield from _fill(latents, "latents", cache_dir)


def _mask_of(photo: PhotoToEncode) -> Tensor:
    assert photo.mask is not None
    return torch.from_numpy(draw_mask(photo.mask, photo.bucket, photo.is_flipped))


def _latents_of(photo: PhotoToEncode, encoders: Encoders) -> Tensor:
    pixels = cut_to_bucket(photo.path, photo.bucket, is_flipped=photo.is_flipped)
    if file_hash(photo.path) != photo.content_hash:  # else another photo's latents would lie under this one's name
        raise UserError("photos.gone", path=photo.path)
    return encoders.encode_image(pixels)


def _fill(wanted: Mapping[str, tuple[str, Callable[[], Tensor]]], stage: str, cache_dir: Path) -> Iterator[Preparing]:
    """`wanted` has, by cache file, the name of a photo and what makes the tensor."""
    from safetensors.torch import save_file

    missing = {file: made for file, made in wanted.items() if not (cache_dir / file).is_file()}
    for done, (file, (photo_name, make)) in enumerate(missing.items(), start=1):
        tensor = make().contiguous()
        if not torch.isfinite(tensor).all():
            raise UserError("train.encoding_not_finite", name=photo_name, stage=stage)
        write_whole(cache_dir / file, partial(save_file, {stage: tensor}))
        yield Preparing(stage=stage, done=done, total=len(missing))


def cut_to_bucket(path: Path, bucket: Bucket, *, is_flipped: bool = False) -> Tensor:
    """A photo's pixels [H, W, 3] in 0..1 at the bucket's size: scaled (bicubic) to cover it, then cut in the middle."""
    image = cut(read_pixels(path), bucket, is_flipped=is_flipped)
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255)


def read_encoded(plan: Sequence[PhotoToEncode], cache_dir: Path, config: TrainConfig) -> EncodedDataset:
    """Every photo of the plan with what the cache has of it; equal captions and equal photos share one tensor."""
    from safetensors.torch import load_file

    texts = {
        caption: load_file(cache_dir / file)["text"].float()
        for caption, file in {pair for photo in plan for pair in photo.text_files.items()}
    }
    latents = {
        file: model_latents(load_file(cache_dir / file)["latents"].float())
        for file in {photo.latents_file for photo in plan}
    }
    weights = {
        file: mask_weights(load_file(cache_dir / file)["masks"], config.mask_min_weight)
        for file in {photo.mask_file for photo in plan if photo.mask}
    }
    return tuple(
        EncodedPhoto(
            name=photo.path.name,
            bucket=photo.bucket,
            latents_CHW=latents[photo.latents_file],
            text=texts[photo.texts.caption],
            photo_index=photo.photo_index,
            dropped_text=None if photo.texts.dropped is None else texts[photo.texts.dropped],
            class_text=None if photo.texts.as_class is None else texts[photo.texts.as_class],
            mask_HW=weights[photo.mask_file] if photo.mask else None,
        )
        for photo in plan
    )


def mask_weights(mask_HW: Tensor, min_weight: float) -> Tensor:
    """How much each latent counts: `min_weight` beside 1, divided by the mean over the photo.

    The mean is the photo's and not the batch's, as elsewhere: so every photo keeps its full say whatever share of it
    is masked out and whichever photos are beside it, and a batch stays the mean of its photos, however it is parted.
    """
    weight_HW = min_weight + (1 - min_weight) * mask_HW
    return weight_HW / weight_HW.mean()
