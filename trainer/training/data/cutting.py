"""Cutting: how a picture is scaled and cut to its bucket, the same for a photo and for its mask. Reads no files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from .buckets import Bucket

LATENT_PX = 8
"""The VAE makes one latent of so many pixels in each direction."""


def cut(
    image: Image.Image,
    bucket: Bucket,
    *,
    photo_size: tuple[int, int] | None = None,
    is_flipped: bool = False,
    resample: Image.Resampling = Image.Resampling.BICUBIC,
) -> Image.Image:
    """A picture at the bucket's size: mirrored if asked, scaled to cover the bucket, then cut in the middle.

    `photo_size` is that of the photo whose mask the picture is: the mask, of whatever size, is then cut as its photo.
    """
    if is_flipped:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    width_px, height_px = photo_size or image.size
    scale = max(bucket[0] / width_px, bucket[1] / height_px)
    size = max(bucket[0], round(width_px * scale)), max(bucket[1], round(height_px * scale))
    left, top = (size[0] - bucket[0]) // 2, (size[1] - bucket[1]) // 2
    return image.resize(size, resample).crop((left, top, left + bucket[0], top + bucket[1]))
