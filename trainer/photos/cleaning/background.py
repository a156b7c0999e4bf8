"""Background: blurred or made plain behind the subject, with soft edges and no fringe. Finds no subject by itself.

Legend: H and W pixels, C red, green and blue, in levels (0..255); alpha is how much a pixel is foreground, 0..1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from ...messages import Message
from ..boxes import inside, intersection, pixels_of
from ..photo import WHOLE
from .config import CleanConfig
from .draft import Draft
from .tools import CleanTools

Array = np.ndarray[Any, np.dtype[Any]]

_LEAST, _MOST = 0.02, 0.98
"""Shares of the picture between which a foreground is believed."""
_FACE = 0.5
"""The foreground must cover at least so much of the subject's face."""
_BLUR = 0.018
"""Deviation of the blur as a share of the longest side: shapes stay, details and writing go."""
_EDGE = 0.012
"""How far, as a share of the longest side, the colours beside an edge are looked for."""
_SOFT_PX = 0.8
"""Edges are softened by so much, since some models draw them hard."""


def missing_tool(config: CleanConfig, tools: CleanTools) -> Message | None:
    """What to say once for the set where the background should change and nothing is there to find it."""
    if config.background == "keep" or tools.background_remover:
        return None
    return Message("photos.no_background_remover", {"choice": config.background})


def treat_background(
    image: Image.Image, draft: Draft, config: CleanConfig, tools: CleanTools
) -> tuple[Image.Image, Draft]:
    """The picture with its background blurred or plain: a retouching step. What is wholly foreground keeps its bytes.

    Where the foreground cannot be right, the picture stays as it is and the draft says why.
    """
    if config.background == "keep" or tools.background_remover is None:
        return image, draft
    matte = tools.background_remover.foreground(image).convert("L")
    share = float((np.asarray(matte) > 127).mean())
    if not _LEAST <= share <= _MOST:
        return image, draft.note(Message("photos.background_kept_share", {"percent": round(100 * share)}))
    face = draft.face and intersection(inside(draft.face, draft.frame), WHOLE)
    if face:
        covered = float((np.asarray(matte.crop(pixels_of(face, *matte.size))) > 127).mean())
        if covered < _FACE:
            return image, draft.note(Message("photos.background_kept_face", {"percent": round(100 * covered)}))
    if config.background == "blur":
        return blur_behind(image, matte), draft.note(Message("photos.background_blurred"))
    made, colour = plain_behind(image, matte)
    return made, draft.note(Message("photos.background_plain", {"colour": "#{:02x}{:02x}{:02x}".format(*colour)}))


def blur_behind(image: Image.Image, matte: Image.Image) -> Image.Image:
    """The picture with a blurred background, RGB; `matte` is white where the foreground is.

    The background is blurred without the foreground, or the subject would glow into it: a normalised convolution
    (Knutsson and Westin 1993) in which a pixel counts the less the more foreground it is, from a quarter on nothing.
    """
    pixels_HWC, alpha_HW1 = _levels(image), _alpha(matte)
    behind_HWC = _mean_around(pixels_HWC, np.maximum(1 - 4 * alpha_HW1, 0), _BLUR * max(image.size))
    return _composed(image, _foreground(pixels_HWC, alpha_HW1, image.size), behind_HWC, alpha_HW1)


def plain_behind(image: Image.Image, matte: Image.Image) -> tuple[Image.Image, tuple[int, int, int]]:
    """The picture before a plain colour, and that colour: the mean of its own background.

    The light that falls on the subject from behind then still fits, and it differs from photo to photo, as one grey
    for all would not: that grey would be learnt together with the person.
    """
    pixels_HWC, alpha_HW1 = _levels(image), _alpha(matte)
    weights_HW1 = (alpha_HW1 < 0.05).astype(np.float64)
    if not weights_HW1.any():
        weights_HW1 = 1 - alpha_HW1
    red, green, blue = (
        round(float(np.average(pixels_HWC[..., channel], weights=weights_HW1[..., 0]))) for channel in range(3)
    )
    plain_HWC = np.full_like(pixels_HWC, (red, green, blue))
    foreground_HWC = _foreground(pixels_HWC, alpha_HW1, image.size)
    return _composed(image, foreground_HWC, plain_HWC, alpha_HW1), (red, green, blue)


def _foreground(pixels_HWC: Array, alpha_HW1: Array, size: tuple[int, int]) -> Array:
    """The subject's own colours, also where pixels are a mixture: else its edges keep a fringe of the old background.

    Blur fusion: Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021, equations 4 to 6, one round.
    """
    around_px = _EDGE * max(size)
    near_HWC = _mean_around(pixels_HWC, alpha_HW1, around_px)
    behind_HWC = _mean_around(pixels_HWC, 1 - alpha_HW1, around_px)
    mixed_HWC = alpha_HW1 * near_HWC + (1 - alpha_HW1) * behind_HWC
    return np.clip(near_HWC + alpha_HW1 * (pixels_HWC - mixed_HWC), 0, 255)


def _composed(image: Image.Image, front_HWC: Array, behind_HWC: Array, alpha_HW1: Array) -> Image.Image:
    mixed_HWC = alpha_HW1 * front_HWC + (1 - alpha_HW1) * behind_HWC
    made_HWC = np.clip(np.rint(mixed_HWC), 0, 255).astype(np.uint8)
    return Image.fromarray(np.where(alpha_HW1 >= 1, np.asarray(image), made_HWC))


def _mean_around(pixels_HWC: Array, weights_HW1: Array, deviation_px: float) -> Array:
    """The weighted mean of the colours around each pixel; where nothing near has a weight, the pixel's own."""
    from scipy.ndimage import gaussian_filter

    around = (deviation_px, deviation_px, 0)
    sum_HWC = gaussian_filter(pixels_HWC * weights_HW1, around, truncate=3.0)
    weight_HW1 = gaussian_filter(weights_HW1, around, truncate=3.0)
    return np.where(weight_HW1 > 1e-4, sum_HWC / np.maximum(weight_HW1, 1e-4), pixels_HWC)


def _levels(image: Image.Image) -> Array:
    return np.asarray(image, dtype=np.float32)


def _alpha(matte: Image.Image) -> Array:
    """How much each pixel is foreground. Edges soften inwards only: outwards they would show the old background."""
    soft = ImageChops.darker(matte, matte.filter(ImageFilter.GaussianBlur(_SOFT_PX)))
    return np.asarray(soft, dtype=np.float32)[:, :, None] / 255
