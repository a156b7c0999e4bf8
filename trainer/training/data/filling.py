"""Filling the cache: masks, captions and photos that it lacks, several at once, one model in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from ...files import file_hash, write_all_whole
from ...memory.shortage import give_back, is_memory_error
from ...messages import Message, UserError
from ...photos.pixels import read_pixels
from ...photos.threads import ahead
from ..telling.events import Preparing, Warned
from .buckets import Bucket
from .cutting import cut
from .encode import PhotoToEncode
from .encoders import Encoders, OneByOne
from .masks import draw_mask

_CAPTIONS_AT_ONCE = 16
_PIXELS_AT_ONCE = 1024 * 1024
"""A batch of photos takes the VAE no more memory than one photo of 1024 px."""
_PHOTOS_AHEAD = 8
"""So many are read and cut while the VAE is at work: some 3 MB each at 512 px."""

Input = TypeVar("Input")


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """A file of the cache and what it is made of."""

    file: str
    photo: PhotoToEncode
    caption: str = ""


def fill_cache(
    plan: Sequence[PhotoToEncode], encoders: Encoders, cache_dir: Path, device: torch.device
) -> Iterator[Preparing | Warned]:
    """Make whatever the cache lacks: masks, then all captions, then all photos, so that one model is in memory.

    Equal captions and equal photos are encoded once. The text encoder is let go of before the VAE is loaded. Photos are
    read ahead, so that the VAE need not wait for them. Where memory does not suffice for several at once, fewer are
    taken, and a warning says so.

    Raises UserError for a photo that is gone or was changed since it was loaded.
    """
    masks = _lacking(_batches_of_masks(plan), cache_dir)
    texts = _lacking(_batches_of_captions(plan), cache_dir)
    latents = _lacking(_batches_of_photos(plan), cache_dir)

    drawn = (_drawn_mask(wanted.photo) for batch in masks for wanted in batch)
    yield from _Filling[Tensor]("masks", cache_dir, device, list).fill(masks, drawn)
    captions = (wanted.caption for batch in texts for wanted in batch)
    yield from _Filling[str]("text", cache_dir, device, encoders.encode_texts).fill(texts, captions)
    if texts and latents:
        encoders.release()
    photos = [wanted.photo for batch in latents for wanted in batch]
    with closing(ahead(_unchanged_cut, photos, _PHOTOS_AHEAD, lambda photo: photo.bytes_to_read)) as cuts:
        encode = partial(_encode_images, encoders)
        yield from _Filling[Tensor]("latents", cache_dir, device, encode).fill(latents, cuts)


def _batches_of_masks(plan: Sequence[PhotoToEncode]) -> list[list[_Wanted]]:
    files = {photo.mask_file: photo for photo in plan if photo.mask}
    return [[_Wanted(file=file, photo=photo)] for file, photo in files.items()]


def _batches_of_captions(plan: Sequence[PhotoToEncode]) -> list[list[_Wanted]]:
    wanted = {
        file: _Wanted(file=file, photo=photo, caption=caption)
        for photo in plan
        for caption, file in photo.text_files.items()
    }
    return _parts(list(wanted.values()), _CAPTIONS_AT_ONCE)


def _batches_of_photos(plan: Sequence[PhotoToEncode]) -> list[list[_Wanted]]:
    """Of one bucket each."""
    by_bucket: dict[Bucket, list[_Wanted]] = {}
    for file, photo in {photo.latents_file: photo for photo in plan}.items():
        by_bucket.setdefault(photo.bucket, []).append(_Wanted(file=file, photo=photo))
    return [
        part
        for (width_px, height_px), wanted in by_bucket.items()
        for part in _parts(wanted, max(1, _PIXELS_AT_ONCE // (width_px * height_px)))
    ]


def _parts(wanted: list[_Wanted], size: int) -> list[list[_Wanted]]:
    return [wanted[start : start + size] for start in range(0, len(wanted), size)]


def _lacking(batches: Sequence[Sequence[_Wanted]], cache_dir: Path) -> list[list[_Wanted]]:
    """What the cache lacks of each batch. Batches are those of the whole plan whatever is there already: what stands
    beside a photo decides on the last bits of its numbers."""
    found = [[wanted for wanted in batch if not (cache_dir / wanted.file).is_file()] for batch in batches]
    return [batch for batch in found if batch]


class _Filling(Generic[Input]):
    """One phase: inputs go batch by batch through `encode`, results to their files."""

    def __init__(
        self, stage: str, cache_dir: Path, device: torch.device, encode: Callable[[Sequence[Input]], list[Tensor]]
    ) -> None:
        self._stage, self._cache_dir, self._device, self._encode = stage, cache_dir, device, encode
        self._most_at_once = max(_CAPTIONS_AT_ONCE, _PIXELS_AT_ONCE)  # until memory or the encoder says otherwise

    def fill(self, batches: Sequence[Sequence[_Wanted]], inputs: Iterator[Input]) -> Iterator[Preparing | Warned]:
        """Encode the inputs, which come in the order of the batches, and write each batch before it is told of."""
        from safetensors.torch import save_file

        done, total = 0, sum(map(len, batches))
        for batch in batches:
            tensors = yield from self._encoded(list(islice(inputs, len(batch))))
            for wanted, tensor in zip(batch, tensors, strict=True):
                if not torch.isfinite(tensor).all():
                    raise UserError("train.encoding_not_finite", name=wanted.photo.path.name, stage=self._stage)
            write_all_whole({
                self._cache_dir / wanted.file: partial(save_file, {self._stage: tensor.contiguous()})
                for wanted, tensor in zip(batch, tensors)
            })  # fmt: skip
            for _ in batch:
                done += 1
                yield Preparing(stage=self._stage, done=done, total=total)

    def _encoded(self, inputs: Sequence[Input]) -> Generator[Warned, None, list[Tensor]]:
        """As many at once as go: half as many each time memory does not suffice."""
        made: list[Tensor] = []
        while len(made) < len(inputs):
            some = inputs[len(made) : len(made) + self._most_at_once]
            try:
                made += self._encode(some)
                continue
            except OneByOne as error:
                fewer, reason = 1, error.reason
            except Exception as error:
                if len(some) == 1 or not is_memory_error(error):
                    raise
                fewer = len(some) // 2
                reason = Message("train.encoding_fewer", {"num": len(some), "fewer": fewer, "stage": self._stage})
            self._most_at_once = fewer
            give_back(self._device)  # here, where no traceback keeps the tensors any more
            yield Warned(message=reason)
        return made


def _drawn_mask(photo: PhotoToEncode) -> Tensor:
    assert photo.mask is not None
    return torch.from_numpy(draw_mask(photo.mask, photo.bucket, photo.is_flipped))


def _unchanged_cut(photo: PhotoToEncode) -> Tensor:
    pixels_HWC = cut_to_bucket(photo.path, photo.bucket, is_flipped=photo.is_flipped)
    if file_hash(photo.path) != photo.content_hash:  # else another photo's latents would lie under this one's name
        raise UserError("photos.gone", path=photo.path)
    return pixels_HWC


def _encode_images(encoders: Encoders, cuts: Sequence[Tensor]) -> list[Tensor]:
    return list(encoders.encode_images(torch.stack(list(cuts))))


def cut_to_bucket(path: Path, bucket: Bucket, *, is_flipped: bool = False) -> Tensor:
    """A photo's pixels [H, W, 3] in 0..1 at the bucket's size: scaled (bicubic) to cover it, then cut in the middle."""
    image = cut(read_pixels(path), bucket, is_flipped=is_flipped)
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255)
