"""Quality: sharpness, blur, grain and exposure of a picture in numbers. Says nothing about what is good enough.

Measured on the subject's face, because a sharp face before a soft background is what a photographer wants, and a sharp
background behind a soft face is not. Without a face the picture is cut into tiles, and the sharper quarter of them
speaks for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..boxes import pixels_of
from ..photo import Box, Quality

FACE_PX = 256
"""Larger faces are measured at this height: so much of a face a model sees, and pores and pixels compare alike."""
MIN_FACE_PX = 32
"""A face smaller than this in the view has too few pixels to measure; the whole picture is measured instead."""
_TILES = 4
"""Tiles along each side of a picture without a face; a face has as many, for its grain."""
_FINE_PERCENT, _COARSE_PERCENT = 25, 10
"""Which of the tiles, from the smoothest on, tells the grain; what is coarser is more easily mistaken for it."""
_MARGIN = 4.0
"""Standard errors of the grain's estimate that are taken out of the sharpness with it, so that chance is not detail."""
_LAPLACIAN_GAIN = 20.0
"""The variance that white noise of variance 1 has after the Laplacian 0 1 0 / 1 -4 1 / 0 1 0: 4 * 1 + 16."""
_LEAST_VARIANCE = 25.0
"""A flatter surface has no detail to lose; without this bound its ratio would be that of two roundings."""
_CRETE_PX = 11
"""Length of the box filter that Crete et al. blur with."""
_BURNT_LUMA, _BLACK_LUMA = 250, 5


def measure_quality(view: Image.Image, face: Box | None, height_px: int) -> Quality:
    """The quality of a picture that is seen in `view` (RGB) and is `height_px` high itself; `face` in shares of it."""
    luma_HW = luma_of(view)
    grain = grain_of(luma_HW)
    part = pixels_of(face, *view.size) if face else (0, 0, *view.size)
    if face is None or min(part[2] - part[0], part[3] - part[1]) < MIN_FACE_PX:
        detail, measured_on = _detail_of_tiles(luma_HW), "picture"
    else:
        luma_HW = luma_HW[part[1] : part[3], part[0] : part[2]]
        grain = max(grain, _smoothest(luma_HW, _FINE_PERCENT))
        detail, measured_on = _detail_of(_at_face_size(view.crop(part), luma_HW)), "face"
    brightness, highlights = np.percentile(luma_HW, (50, 95))
    return Quality(
        sharpness=round(detail.sharpness, 1),
        blur=round(detail.blur, 4),
        noise=round(grain, 3),
        brightness=round(float(brightness), 1),
        highlights=round(float(highlights), 1),
        clipped=round(float((luma_HW > _BURNT_LUMA).mean()), 5),
        face_height_px=round((face[3] - face[1]) * height_px) if face else None,
        measured_on=measured_on,
    )


def luma_of(image: Image.Image) -> np.ndarray:
    """Luma of an RGB picture (ITU-R BT.601), float32, 0..255. Pillow's own has whole levels, too coarse for grain."""
    return np.asarray(image, np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def grain_of(luma_HW: np.ndarray) -> float:
    """Standard deviation of a picture's grain in 8-bit levels.

    Looked at in single pixels, and in blocks of 2 x 2, because JPEG irons out what is finer than its waves.
    """
    return max(_smoothest(luma_HW, _FINE_PERCENT), 2 * _smoothest(_halved(luma_HW), _COARSE_PERCENT))


def _at_face_size(face: Image.Image, luma_HW: np.ndarray) -> np.ndarray:
    if face.height <= FACE_PX:
        return luma_HW
    return luma_of(face.resize((max(1, round(face.width * FACE_PX / face.height)), FACE_PX), Image.Resampling.LANCZOS))


def _smoothest(luma_HW: np.ndarray, percent: float) -> float:
    """The grain in the smoother tiles: hair and cloth are no grain. Tiles that are burnt out or black tell nothing."""
    seen = [tile for tile in _tiles(luma_HW) if tile.size and _BLACK_LUMA < np.median(tile[::4, ::4]) < _BURNT_LUMA]
    return float(np.percentile([_sigma(tile) for tile in seen], percent)) if seen else 0.0


@dataclass(frozen=True, kw_only=True)
class _Detail:
    sharpness: float
    blur: float


def _detail_of(luma_HW: np.ndarray) -> _Detail:
    return _Detail(sharpness=_sharpness(luma_HW), blur=blur_of(luma_HW))


def _detail_of_tiles(luma_HW: np.ndarray) -> _Detail:
    """The detail that the sharper quarter of the tiles reaches: a soft background says nothing about the subject."""
    details = [_detail_of(tile) for tile in _tiles(luma_HW)]
    return _Detail(
        sharpness=float(np.percentile([detail.sharpness for detail in details], 75)),
        blur=float(np.percentile([detail.blur for detail in details], 25)),
    )


def _sharpness(luma_HW: np.ndarray) -> float:
    """Thousandths of the luma's variance that its Laplacian has (Pech-Pacheco et al. 2000), never below 0.

    White noise's share is taken out of both. The ratio leaves out contrast: dim light alone makes no photo unsharp.
    """
    if min(luma_HW.shape) < 4:
        return 0.0
    inner = luma_HW[1:-1, 1:-1]
    laplacian = luma_HW[:-2, 1:-1] + luma_HW[2:, 1:-1] + luma_HW[1:-1, :-2] + luma_HW[1:-1, 2:] - 4 * inner
    noise = _sigma(luma_HW) ** 2
    of_noise = _LAPLACIAN_GAIN * noise * (1 + _MARGIN / (inner.size / 4) ** 0.5)
    contrast = max(float(luma_HW.var()) - noise, _LEAST_VARIANCE)
    return 1000 * max(0.0, float(laplacian.var()) - of_noise) / contrast


def blur_of(luma_HW: np.ndarray) -> float:
    """How little a picture changes when it is blurred once more: 0 sharp, 1 blurred or without any detail.

    Crete, Dolmiere, Ladret and Nicolas, "The blur effect: perception and estimation with a new no-reference perceptual
    blur metric", 2007, with Sobel edges instead of differences; the worse of the two directions.
    """
    return max(_blur_along(luma_HW), _blur_along(luma_HW.T))


def _blur_along(luma_HW: np.ndarray) -> float:
    from scipy.ndimage import uniform_filter1d

    step = luma_HW[2:] - luma_HW[:-2]
    edges = step[:, :-2] + 2 * step[:, 1:-1] + step[:, 2:]  # Sobel's
    if not edges.size:
        return 1.0
    # Both filters are linear: the blurred picture's edges are the edges blurred, which saves a second Sobel.
    blurred = np.abs(uniform_filter1d(edges, _CRETE_PX, axis=0))
    sharp = np.abs(edges)
    total = float(sharp.sum())
    return 1 - float(np.maximum(sharp - blurred, 0).sum()) / total if total else 1.0


def _sigma(luma_HW: np.ndarray) -> float:
    """Standard deviation of white noise: the median of the absolute finest diagonal Haar coefficients over 0.6745
    (Donoho and Johnstone 1994)."""
    height, width = luma_HW.shape[0] // 2 * 2, luma_HW.shape[1] // 2 * 2
    even, odd = luma_HW[:height:2, :width], luma_HW[1:height:2, :width]
    diagonal = (even[:, ::2] - even[:, 1::2] - odd[:, ::2] + odd[:, 1::2]) / 2
    return float(np.median(np.abs(diagonal))) / 0.6745 if diagonal.size else 0.0


def _halved(luma_HW: np.ndarray) -> np.ndarray:
    height, width = luma_HW.shape[0] // 2 * 2, luma_HW.shape[1] // 2 * 2
    even, odd = luma_HW[:height:2, :width], luma_HW[1:height:2, :width]
    return (even[:, ::2] + even[:, 1::2] + odd[:, ::2] + odd[:, 1::2]) / 4


def _tiles(luma_HW: np.ndarray) -> list[np.ndarray]:
    return [tile for row in np.array_split(luma_HW, _TILES, 0) for tile in np.array_split(row, _TILES, 1)]
