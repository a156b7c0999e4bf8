"""Encoding: what has to be made of captions and photos, once, and what the cache has of it. Makes none of it itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ...captions.dataset import Dataset
from ...messages import Message, UserError, name_some
from ...photos.photo import Photo
from ...photos.room import memory_of
from ..config import TrainConfig
from ..model.zimage import model_latents
from .buckets import Bucket, bucket_for
from .data_choices import RepeatRule, fits, read_repeats, repeats_of
from .encoders import Encoders
from .masks import FoundMask, find_masks, mask_warnings
from .texts import Texts, texts_of

_CACHE_VERSION = "1"


@dataclass(frozen=True, kw_only=True)
class PhotoToEncode:
    """A photo, the bucket it is cut to, what it is learned by, and the names of its cache files.

    A photo is in a plan once per resolution, once more for its mirror image, and each of these as often as it repeats.
    """

    photo_index: int
    """Its place in the dataset."""
    path: Path
    content_hash: str
    bytes_to_read: int
    """What reading the photo takes of memory."""
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
        bytes_to_read=memory_of(photo),
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
