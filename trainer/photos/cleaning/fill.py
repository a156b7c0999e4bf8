"""Fill: a part of a picture painted over with the colours around it. Knows no model and invents no detail."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

Array = np.ndarray[Any, np.dtype[Any]]


def fill_smoothly(image: Image.Image, hole: Array, known: Array) -> Image.Image:
    """The picture with its hole filled by the known colours around, the finer the nearer: like a background far out of
    focus, without an outline. `hole` and `known` are True or False per pixel, [H, W]; other pixels keep their bytes.

    Pull-push (Gortler, Grzeszczuk, Szeliski and Cohen, "The Lumigraph", 1996, section 3.4): weighted means at ever
    coarser scales until everything is known, then back, each scale taking what the finer one lacks.
    """
    pixels_HWC = np.array(image)
    weights_HW = (known & ~hole).astype(np.float32)
    if not weights_HW.any() or not hole.any():
        return image
    filled_HWC = _pull_push(pixels_HWC.astype(np.float32) * weights_HW[:, :, None], weights_HW)
    pixels_HWC[hole] = np.clip(np.rint(filled_HWC[hole]), 0, 255).astype(np.uint8)
    return Image.fromarray(pixels_HWC)


def _pull_push(weighted_HWC: Array, weights_HW: Array) -> Array:
    """Colours where weights are 0 to 1, made whole. `weighted_HWC` are the colours times their weights."""
    own_HWC = weighted_HWC / np.maximum(weights_HW, 1e-6)[:, :, None]
    if weights_HW.min() >= 1 or max(weights_HW.shape) == 1:
        return own_HWC
    coarse_weights_HW = _halved(weights_HW[:, :, None])[:, :, 0]
    saturated = np.minimum(1.0, 4 * coarse_weights_HW)
    scale = saturated / np.maximum(coarse_weights_HW, 1e-6)
    coarse_HWC = _pull_push(_halved(weighted_HWC) * scale[:, :, None], saturated)
    rest_HWC = _doubled(coarse_HWC, weights_HW.shape)
    return weighted_HWC + rest_HWC * (1 - weights_HW)[:, :, None]


def _halved(planes_HWC: Array) -> Array:
    height, width = planes_HWC.shape[:2]
    even_HWC = np.pad(planes_HWC, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return (even_HWC[::2, ::2] + even_HWC[1::2, ::2] + even_HWC[::2, 1::2] + even_HWC[1::2, 1::2]) / 4


def _doubled(planes_HWC: Array, shape: tuple[int, ...]) -> Array:
    """Twice the size by linear interpolation, cut to a shape."""
    size = (2 * planes_HWC.shape[1], 2 * planes_HWC.shape[0])
    planes = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(planes_HWC[:, :, index])).resize(size, Image.Resampling.BILINEAR)
        )
        for index in range(planes_HWC.shape[2])
    ]
    return np.stack(planes, axis=-1)[: shape[0], : shape[1]]
