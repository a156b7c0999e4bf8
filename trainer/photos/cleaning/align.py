"""Align: a face brought to the place where restorers expect it, and what they changed brought back. No models.

Legend: H and W pixels, C red, green and blue. Places are continuous: the centre of the first pixel is at 0.5.
A `Similarity` is a 2 x 3 matrix that takes places in the picture to places in the aligned face.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from ..photo import Point
from .restorers import FACE_PX

Array = np.ndarray[Any, np.dtype[Any]]
Similarity = Array

TEMPLATE = np.array(
    [
        [192.98138, 239.94708],
        [318.90277, 240.1936],
        [256.63416, 314.01935],
        [201.26117, 371.41043],
        [313.08905, 371.15118],
    ]
)
"""Where eyes, nose and corners of the mouth lie in FFHQ's faces at 512 x 512, as facexlib measured them: what GFPGAN,
RestoreFormer and CodeFormer were trained on."""
_CENTRE = (256.0, 305.0)
_RADII = (150.0, 190.0)
"""The face in the template, from forehead to chin, without hair, ears and background."""
_FULL_UNTIL = 0.7
"""The share of the radii up to which a change comes back whole; from there it fades to nothing at the rim."""


def fit_similarity(landmarks: Sequence[Point], width_px: int, height_px: int) -> tuple[Similarity, float]:
    """The turn, scale and shift (no mirroring) that bring five landmarks nearest to the template, by least squares.

    Umeyama 1991, "Least-squares estimation of transformation parameters between two point patterns", eqs. 39-43.
    Also how far the landmarks then are from the template, as a root mean square in pixels of the template: 3 for a face
    seen from the front, 21 at 45 degrees, 44 at 75.
    """
    points = np.asarray(landmarks, dtype=np.float64) * (width_px, height_px)
    centre, goal = points.mean(axis=0), TEMPLATE.mean(axis=0)
    moved, wanted = points - centre, TEMPLATE - goal
    left, sizes, right = np.linalg.svd(wanted.T @ moved / len(points))
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    scale = float((sizes * signs).sum() / max((moved**2).sum() / len(points), 1e-9))
    turn = scale * left @ np.diag(signs) @ right
    similarity = np.column_stack([turn, goal - turn @ centre])
    error_px = float(np.sqrt(((points @ turn.T + similarity[:, 2] - TEMPLATE) ** 2).sum(axis=1).mean()))
    return similarity, error_px


def scale_of(similarity: Similarity) -> float:
    """How many pixels of the aligned face one pixel of the picture becomes."""
    return math.sqrt(abs(np.linalg.det(similarity[:, :2])))


def cut_face(image: Image.Image, similarity: Similarity) -> Image.Image:
    """The aligned face, RGB, 512 x 512. What lies outside of the picture repeats its rim."""
    to_picture = _inverse(similarity)
    shrink = min(1.0, scale_of(similarity))
    if shrink < 1:  # made smaller first: the turn that follows looks at single pixels and would leave out the others
        small = image.resize((round(image.width * shrink), round(image.height * shrink)), Image.Resampling.LANCZOS)
        to_picture = np.diag([small.width / image.width, small.height / image.height]) @ to_picture
        image = small
    corners = np.array([[0, 0, 1], [FACE_PX, 0, 1], [0, FACE_PX, 1], [FACE_PX, FACE_PX, 1]]) @ to_picture.T
    past = np.concatenate([-corners.min(axis=0), corners.max(axis=0) - image.size])
    rim_px = max(0, math.ceil(past.max())) + 3
    padded = np.pad(np.asarray(image), ((rim_px, rim_px), (rim_px, rim_px), (0, 0)), mode="edge")
    to_picture = to_picture + np.array([[0, 0, rim_px], [0, 0, rim_px]])
    return _transform(Image.fromarray(padded), (FACE_PX, FACE_PX), to_picture)


def paste_change(image: Image.Image, change_HWC: Array, similarity: Similarity) -> Image.Image:
    """The picture with a change of its aligned face (fp32, 512 x 512 x 3, in levels) added to its own pixels.

    Only the change is brought back, not the face: where nothing changed no pixel is interpolated. It fades towards the
    rim of the face; outside of it not one byte changes.
    """
    left, top, right, bottom = _face_box(similarity, image)
    if left >= right or top >= bottom:
        return image
    mask_HW = _face_mask(similarity, left, top, right, bottom)
    shrink = min(1.0, 1 / scale_of(similarity))
    side_px = max(1, round(FACE_PX * shrink))
    to_face = np.column_stack([similarity[:, :2], similarity @ np.array([left, top, 1.0])]) * (side_px / FACE_PX)
    size = (right - left, bottom - top)
    planes = []
    for channel in range(3):
        plane = Image.fromarray(np.ascontiguousarray(change_HWC[:, :, channel], dtype=np.float32))
        plane = plane.resize((side_px, side_px), Image.Resampling.LANCZOS) if side_px < FACE_PX else plane
        planes.append(np.asarray(_transform(plane, size, to_face)))
    pixels_HWC = np.array(image)
    part_HWC = pixels_HWC[top:bottom, left:right]
    changed_HWC = part_HWC + np.stack(planes, axis=-1) * mask_HW[:, :, None]
    part_HWC[:] = np.clip(np.rint(changed_HWC), 0, 255).astype(np.uint8)
    return Image.fromarray(pixels_HWC)


def face_in_template() -> Array:
    """True where the aligned face is face: [512, 512]."""
    upright = np.column_stack([np.eye(2), np.zeros(2)])
    return _face_mask(upright, 0, 0, FACE_PX, FACE_PX) > 0


def _face_mask(similarity: Similarity, left: int, top: int, right: int, bottom: int) -> Array:
    """How much of a change each pixel of a part of the picture takes: 0 outside of the face, fp32 [H, W]."""
    x, y = np.meshgrid(np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)
    places = np.stack([x, y, np.ones_like(x)], axis=-1) @ similarity.T
    distance = np.hypot(*(((places[..., axis] - _CENTRE[axis]) / _RADII[axis]) for axis in (0, 1)))
    faded = np.clip((1 - distance) / (1 - _FULL_UNTIL), 0, 1)
    return (faded * faded * (3 - 2 * faded)).astype(np.float32)


def _face_box(similarity: Similarity, image: Image.Image) -> tuple[int, int, int, int]:
    """The pixels of the picture among which all of the face lies."""
    to_picture = _inverse(similarity)
    centre = to_picture @ np.array([*_CENTRE, 1.0])
    reach = np.sqrt(((to_picture[:, :2] * np.array(_RADII)) ** 2).sum(axis=1))  # of a turned ellipse, along each axis
    low = np.maximum(np.floor(centre - reach), 0).astype(int)
    high = np.minimum(np.ceil(centre + reach), image.size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _inverse(similarity: Similarity) -> Similarity:
    back = np.linalg.inv(similarity[:, :2])
    return np.column_stack([back, -back @ similarity[:, 2]])


def _transform(image: Image.Image, size: tuple[int, int], to_source: Similarity) -> Image.Image:
    coefficients = tuple(float(number) for number in to_source.reshape(-1))
    return image.transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC)
