"""Variety: the light on a face and the clothes below it as colour statistics, and how many kinds of each there are.

Knows no names for them: two photos are of one kind where their numbers are near. What cannot be seen is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..boxes import area, intersection, pixels_of
from ..photo import WHOLE, Box, Judgement, Photo

Signature = tuple[float, ...]
"""Colour statistics in units of a clearly visible difference, so that the distance of two says how unlike they are."""

LIGHT_KIND, OUTFIT_KIND = 2.0, 2.0
"""Photos nearer than this are of one kind. Frames of one video scene are, scenes of different videos mostly are not."""
_SMALL_PX = 48
_MIN_FACE_PX = 24
"""A smaller face in the view shows its light too coarsely."""
_LIGHT_UNITS = (12.0, 12.0, 12.0, 6.0, 6.0)
_OUTFIT_UNITS = (12.0, 8.0, 8.0, 12.0, 8.0, 8.0)
_MIN_SEEN = 0.5
"""So much of the place below the chin has to be in the picture for the clothes to be known."""
_SKIN_NEAR = 9.0
"""Distance in a and b within which a colour below the chin counts as skin."""
_MIN_CLOTH = 0.25
"""With less than this left once skin is out, it is skin-coloured cloth, and stays in."""


@dataclass(frozen=True, kw_only=True)
class Kinds:
    """Photos by kind."""

    groups: tuple[tuple[int, ...], ...]
    """Positions of the photos of each kind, the largest kind first."""
    unknown: tuple[int, ...]
    """Positions of the photos where nobody can tell."""


def light_on(view: Image.Image, face: Box | None) -> Signature:
    """How the light falls on a face: lightness, right minus left, contrast, green to red, blue to yellow. Empty without
    a face that is large enough in the view."""
    if face is None or (face[3] - face[1]) * view.height < _MIN_FACE_PX or intersection(face, WHOLE) is None:
        return ()
    lab_HWC = _lab(view.crop(pixels_of(_inner(face), *view.size)))
    lightness = lab_HWC[..., 0]
    middle = lightness.shape[1] // 2
    dark, light = np.percentile(lightness, (10, 90))
    numbers = (
        np.median(lightness),
        lightness[:, middle:].mean() - lightness[:, :middle].mean(),
        light - dark,
        np.median(lab_HWC[..., 1]),
        np.median(lab_HWC[..., 2]),
    )
    return _in_units(numbers, _LIGHT_UNITS)


def outfit_below(view: Image.Image, face: Box | None) -> Signature:
    """The colours of the clothes: medians and spreads of L, a and b below the chin, skin left out. Empty where that
    place is hardly in the picture."""
    if face is None or (face[3] - face[1]) * view.height < _MIN_FACE_PX:
        return ()
    place = _chest(face)
    seen = intersection(place, WHOLE)
    if seen is None or intersection(face, WHOLE) is None or area(seen) < _MIN_SEEN * area(place):
        return ()
    skin_C = np.median(_lab(view.crop(pixels_of(_inner(face), *view.size))).reshape(-1, 3), axis=0)
    cloth_KC = _lab(view.crop(pixels_of(seen, *view.size))).reshape(-1, 3)
    is_skin_K = np.hypot(*(cloth_KC - skin_C)[:, 1:].T) < _SKIN_NEAR
    if is_skin_K.mean() <= 1 - _MIN_CLOTH:
        cloth_KC = cloth_KC[~is_skin_K]
    spread_C = (np.percentile(cloth_KC, 80, axis=0) - np.percentile(cloth_KC, 20, axis=0)) / 2
    return _in_units((*np.median(cloth_KC, axis=0), *spread_C), _OUTFIT_UNITS)


def kinds_of_light(photos: Sequence[Photo]) -> Kinds:
    """The judged photos by the light on the face."""
    return _kinds([_found(photo, lambda judgement: judgement.lighting) for photo in photos], LIGHT_KIND)


def kinds_of_outfit(photos: Sequence[Photo]) -> Kinds:
    """The judged photos by the clothes."""
    return _kinds([_found(photo, lambda judgement: judgement.outfit) for photo in photos], OUTFIT_KIND)


def _kinds(signatures: Sequence[Signature], nearest: float) -> Kinds:
    """Kinds in which no two are `nearest` or more apart (complete linkage), so that no chain of small steps joins day
    and night."""
    known = [index for index, signature in enumerate(signatures) if signature]
    unknown = tuple(index for index, signature in enumerate(signatures) if not signature)
    if len(known) < 2:
        return Kinds(groups=tuple((index,) for index in known), unknown=unknown)
    from scipy.cluster.hierarchy import fcluster, linkage

    tree = linkage(np.array([signatures[index] for index in known]), method="complete")
    groups: dict[int, list[int]] = {}
    for index, kind in zip(known, fcluster(tree, math.nextafter(nearest, 0), "distance").tolist(), strict=True):
        groups.setdefault(kind, []).append(index)
    in_order = sorted(groups.values(), key=lambda group: (-len(group), group[0]))
    return Kinds(groups=tuple(tuple(group) for group in in_order), unknown=unknown)


def _found(photo: Photo, part: Callable[[Judgement], Signature]) -> Signature:
    return part(photo.judgement) if photo.judgement else ()


def _inner(face: Box) -> Box:
    """The middle of a face, where neither hair nor background is."""
    left, top, right, bottom = face
    width, height = right - left, bottom - top
    return left + 0.2 * width, top + 0.25 * height, right - 0.2 * width, bottom - 0.15 * height


def _chest(face: Box) -> Box:
    """The place below the chin where clothes are, narrow enough to leave the background out."""
    left, top, right, bottom = face
    middle, width, height = (left + right) / 2, right - left, bottom - top
    return middle - 0.6 * width, bottom + 0.4 * height, middle + 0.6 * width, bottom + 1.4 * height


def _in_units(numbers: Sequence[float], units: Sequence[float]) -> Signature:
    return tuple(round(float(number) / unit, 3) for number, unit in zip(numbers, units, strict=True))


def _lab(image: Image.Image) -> np.ndarray:
    """CIE L*a*b* (D65) of an sRGB picture made small: (height, width, 3). IEC 61966-2-1 and CIE 15."""
    small = image.resize((min(image.width, _SMALL_PX), min(image.height, _SMALL_PX)), Image.Resampling.BOX)
    encoded_HWC = np.asarray(small, np.float64) / 255
    linear_HWC = np.where(encoded_HWC <= 0.04045, encoded_HWC / 12.92, ((encoded_HWC + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                       [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip
    xyz_HWC = linear_HWC @ to_xyz.T / np.array([0.95047, 1.0, 1.08883])
    cube_HWC = np.where(xyz_HWC > (6 / 29) ** 3, np.cbrt(xyz_HWC), xyz_HWC / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = cube_HWC[..., 0], cube_HWC[..., 1], cube_HWC[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
