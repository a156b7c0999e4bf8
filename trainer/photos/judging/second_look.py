"""Second look: whether two pictures that seem alike are one picture, by laying one over the other. Reads no file.

A perceptual hash sees 8 x 8 waves of light and dark: two frames of a burst have the same hash, and a copy with 5 % cut
off another. Here the one is moved, scaled and turned until it fits the other, and then every small place must agree.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

SAME = 0.75
"""From this agreement on, two pictures are one. Re-saved, blurred, cropped and turned copies reach 0.9,
brighter ones 0.77; frames of a video a second apart stay below 0.7 (tests/trainer/planted_cases.py)."""
_SIDE_PX = 64
_LEVELS = (4, 2, 1)
"""Factors of scaling down, the coarsest first: a tenth cut off moves pixels too far for the finest."""
_ROUNDS = 6
_MAX_SCALE, _MAX_TURN, _MAX_SHIFT = 1.25, 0.1, 8.0
"""Beyond these (factor, radians, pixels) it is no longer a copy that somebody has cut or straightened."""
_COARSE_SAME = 0.8
"""Pictures that correlate less after the coarsest level are different ones, and the rest is spared."""
_RIM_PX, _BLOCK_PX = 4, 6
_TEXTURED = 4.0
"""Standard deviation in 8-bit levels below which a place has nothing to compare."""
_LOWEST_PERCENT = 5
_LEAST_BLOCKS = 16
"""With fewer places to compare, as on a bare wall, nobody can say that two pictures are one."""

Matrix = np.ndarray


def look(image: Image.Image) -> np.ndarray:
    """What `agreement` compares: float (64, 64), luma."""
    small = image.convert("L").resize((_SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS)
    return np.asarray(small, np.float32)


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """How well two looks agree once they are laid over each other: 1 everywhere, 0 or less where they are unlike.

    The correlation of small overlapping blocks, that of the worst twentieth: a smile in one of the pictures counts.
    """
    from scipy.ndimage import gaussian_filter

    matrix = _fit(one, other)
    if matrix is None:
        return 0.0
    inner = (slice(_RIM_PX, -_RIM_PX),) * 2
    fitted = gaussian_filter(_moved(other, matrix), 0.5)[inner]
    correlations = _block_correlations(gaussian_filter(one, 0.5)[inner], fitted)
    return float(np.percentile(correlations, _LOWEST_PERCENT)) if correlations.size >= _LEAST_BLOCKS else 0.0


def _fit(one: np.ndarray, other: np.ndarray) -> Matrix | None:
    """The affine map (2 x 3: matrix and shift, about the middle, in pixels) that lays `other` over `one`, or None.

    Lucas and Kanade 1981 with a gain and an offset of brightness, from coarse to fine.
    """
    from scipy.ndimage import gaussian_filter

    matrix = np.hstack([np.eye(2), np.zeros((2, 1))])
    for factor in _LEVELS:
        first, second = (gaussian_filter(look, 0.8 * factor)[factor // 2 :: factor, factor // 2 :: factor]
                         for look in (one, other))  # fmt: skip
        matrix[:, 2] /= factor
        for _ in range(_ROUNDS):
            step = _step(first, _moved(second, matrix))
            matrix += step
            if np.abs(step * [first.shape[0] / 2, first.shape[0] / 2, 1]).max() < 0.02:
                break
        if factor == _LEVELS[0] and _correlation(first, _moved(second, matrix)) < _COARSE_SAME:
            return None
        matrix[:, 2] *= factor
        if not _is_plausible(matrix):
            return None
    return matrix


def _step(first: np.ndarray, moved: np.ndarray) -> Matrix:
    """How the map has to change, by least squares over the inner pixels."""
    side = first.shape[0]
    rim = max(1, side // 12)
    inner = (slice(rim, -rim),) * 2
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    down, right = np.gradient(moved)
    parts = (down * rows, down * columns, down, right * rows, right * columns, right, moved, np.ones_like(moved))
    system = np.stack([part[inner].ravel() for part in parts], axis=1)
    solution = np.linalg.lstsq(system, first[inner].ravel(), rcond=None)[0]
    gain = solution[6] if abs(solution[6]) > 0.2 else 1.0
    limit = np.array([0.1, 0.1, 2.0])
    return np.clip(solution[:6].reshape(2, 3) / gain, -limit, limit)


def _moved(look: np.ndarray, matrix: Matrix) -> np.ndarray:
    from scipy.ndimage import affine_transform

    middle = (np.array(look.shape) - 1) / 2
    offset = middle - matrix[:, :2] @ middle + matrix[:, 2]
    return affine_transform(look, matrix[:, :2], offset, order=1, mode="nearest")


def _is_plausible(matrix: Matrix) -> bool:
    scales, turns = matrix[[0, 1], [0, 1]], matrix[[0, 1], [1, 0]]
    return bool(
        (scales < _MAX_SCALE).all()
        and (scales > 1 / _MAX_SCALE).all()
        and np.abs(turns).max() < _MAX_TURN
        and np.abs(matrix[:, 2]).max() < _MAX_SHIFT
    )


def _block_correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of all blocks, half overlapping, that have something to compare in either picture."""
    blocks_KP = [
        np.lib.stride_tricks.sliding_window_view(picture, (_BLOCK_PX, _BLOCK_PX))[:: _BLOCK_PX // 2, :: _BLOCK_PX // 2]
        .reshape(-1, _BLOCK_PX**2)
        .astype(np.float64)
        for picture in (one, other)
    ]
    first_KP, second_KP = (block_KP - block_KP.mean(axis=1, keepdims=True) for block_KP in blocks_KP)
    first_K, second_K = (np.sqrt((centred_KP**2).mean(axis=1)) for centred_KP in (first_KP, second_KP))
    textured_K = np.maximum(first_K, second_K) > _TEXTURED
    return ((first_KP * second_KP).mean(axis=1) / np.maximum(first_K * second_K, 1e-6))[textured_K]


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    first, second = one - one.mean(), other - other.mean()
    return float((first * second).sum() / max(np.sqrt((first**2).sum() * (second**2).sum()), 1e-6))
