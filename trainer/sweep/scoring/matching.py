"""Matching: how well the middle of one picture is found in others, moved, mirrored, larger or smaller. Judges nothing.

What a model has learned by heart comes back at another place and size, because photos are cut to buckets and pictures
are drawn in other shapes. So fine structure is compared at every place and at several sizes, by normalised
cross-correlation through Fourier transforms (J. P. Lewis, Fast Normalized Cross-Correlation, 1995).

Legend: N pictures, S sizes, H, W pixels of the search, C colours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import PIL.Image

SMALL_PX = 48
"""The side of the square small copies that are compared."""
_SIDE_PX, _WINDOW_PX = 32, 22
"""Of a picture of that side the middle of so many pixels is looked for."""
_SIDES_PX = (26, 28, 30, 32, 34, 37, 40)
"""The sides at which it is searched, a fifteenth apart: to four fifths and five fourths of the size."""
_SEARCH_PX = 64  # the largest side and the window fit in, so that nothing wraps round
_BROAD_PX = 2.0
"""Standard deviation of the blur that is taken away: broad light and colours are what many photos share."""
_LEAST_CONTRAST = 0.01
"""A part whose fine structure varies less, in 0..1, is an empty wall, and says nothing."""
_NUM_VALUES = 3 * _WINDOW_PX**2


class Searched:
    """Pictures that others are searched for in."""

    def __init__(self, smalls_HWC: Sequence[np.ndarray]) -> None:
        """`smalls_HWC` are small copies [SMALL_PX, SMALL_PX, 3] in 0..1."""
        fine = [[_fine(small_HWC, side_px) for side_px in _SIDES_PX] for small_HWC in smalls_HWC]
        self._spectra_NSHWC = np.array([[_spectrum(one_HWC) for one_HWC in sizes] for sizes in fine])
        self._scales_NSHW = np.array([[_scale_of_windows(one_HWC) for one_HWC in sizes] for sizes in fine])

    def agreement(self, small_HWC: np.ndarray) -> np.ndarray:
        """The best correlation of a small copy's middle with a part of each picture, [N], in 0..1."""
        if not len(self._spectra_NSHWC):
            return np.zeros(0)
        return np.maximum(self._best_N(small_HWC), self._best_N(small_HWC[:, ::-1]))

    def _best_N(self, small_HWC: np.ndarray) -> np.ndarray:
        from scipy.fft import irfft2

        edge = (_SIDE_PX - _WINDOW_PX) // 2
        middle_HWC = _fine(small_HWC, _SIDE_PX)[edge : edge + _WINDOW_PX, edge : edge + _WINDOW_PX]
        middle_HWC = middle_HWC - middle_HWC.mean()
        length = float(np.linalg.norm(middle_HWC))
        if length < _LEAST_CONTRAST * _NUM_VALUES**0.5:
            return np.zeros(len(self._spectra_NSHWC))
        spectrum_HWC = np.conj(_spectrum(middle_HWC / length))
        products_NSHW = np.einsum("nshwc,hwc->nshw", self._spectra_NSHWC, spectrum_HWC)
        products_NSHW = irfft2(products_NSHW, s=(_SEARCH_PX, _SEARCH_PX), overwrite_x=True)
        return np.clip((products_NSHW * self._scales_NSHW).max(axis=(1, 2, 3)), 0.0, 1.0)


def _fine(small_HWC: np.ndarray, side_px: int) -> np.ndarray:
    """The fine structure of a small copy at another size."""
    from scipy.ndimage import gaussian_filter

    image = PIL.Image.fromarray((small_HWC * 255).round().astype(np.uint8))
    values_HWC = np.asarray(image.resize((side_px, side_px), PIL.Image.Resampling.BOX), np.float32) / 255
    return values_HWC - gaussian_filter(values_HWC, (_BROAD_PX, _BROAD_PX, 0), mode="nearest")


def _spectrum(values_HWC: np.ndarray) -> np.ndarray:
    from scipy.fft import rfft2

    return rfft2(values_HWC.astype(np.float32), s=(_SEARCH_PX, _SEARCH_PX), axes=(0, 1))  # single precision stays so


def _scale_of_windows(fine_HWC: np.ndarray) -> np.ndarray:
    """One over the length of every window's deviations from its mean, at the window's first pixel; 0 where there is no
    whole window and where it is empty. [_SEARCH_PX, _SEARCH_PX]"""
    sums_HW, squares_HW = (_window_sums((fine_HWC**power).sum(axis=2)) for power in (1, 2))
    lengths_HW = np.sqrt(np.maximum(squares_HW - sums_HW**2 / _NUM_VALUES, 0.0))
    scales_HW = np.zeros((_SEARCH_PX, _SEARCH_PX), np.float32)
    has_structure_HW = lengths_HW >= _LEAST_CONTRAST * _NUM_VALUES**0.5
    num = len(lengths_HW)
    scales_HW[:num, :num] = np.where(has_structure_HW, 1 / np.maximum(lengths_HW, 1e-9), 0.0)
    return scales_HW


def _window_sums(values_HW: np.ndarray) -> np.ndarray:
    sums_HW = np.pad(values_HW.astype(np.float64), ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    return (
        sums_HW[_WINDOW_PX:, _WINDOW_PX:] - sums_HW[:-_WINDOW_PX, _WINDOW_PX:]
        - sums_HW[_WINDOW_PX:, :-_WINDOW_PX] + sums_HW[:-_WINDOW_PX, :-_WINDOW_PX]
    )  # fmt: skip
