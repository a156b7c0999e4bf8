"""Retries: the same picture shown otherwise, for faces that a detector misses at first. Knows no detector."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageOps

from ..photo import Box, Face, Point

RETRY_PX = 512
"""Longest side of a picture that is shown once more; the retries were found on pictures of 400 px."""
_PAD = 0.5
"""Grey on each side, in shares of the picture: a face that fills the frame becomes one that does not."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """One way to show a picture otherwise, and the way back."""

    name: str
    show: Callable[[Image.Image], Image.Image]
    back: Callable[[Point, float], Point]
    """From a point in the changed picture to the same point in the picture, whose width / height is given."""
    mirrors: bool = False
    swaps_sides: bool = False
    """Whether what was wide is now high."""


def face_back(face: Face, retry: Retry, aspect: float) -> Face:
    """A face that was found in the changed picture, as it lies in the picture with this width / height."""
    landmarks = tuple(retry.back(point, aspect) for point in face.landmarks)
    if retry.mirrors and len(landmarks) == 5:  # left and right, as seen in the picture
        left_eye, right_eye, nose, left_mouth, right_mouth = landmarks
        landmarks = right_eye, left_eye, nose, right_mouth, left_mouth
    return dataclasses.replace(face, box=_box_back(face.box, retry, aspect), landmarks=landmarks, retried=True)


def _box_back(box: Box, retry: Retry, aspect: float) -> Box:
    """The box around the same middle, upright again. A turn by a few degrees keeps its size."""
    left, top, right, bottom = box
    middle_x, middle_y = retry.back(((left + right) / 2, (top + bottom) / 2), aspect)
    (x, y), (x_right, y_right), (x_below, y_below) = (
        retry.back(point, aspect) for point in ((left, top), (right, top), (left, bottom))
    )
    along, down = math.hypot((x_right - x) * aspect, y_right - y), math.hypot((x_below - x) * aspect, y_below - y)
    width, height = (down / aspect, along) if retry.swaps_sides else (along / aspect, down)
    return middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2


def _mirror() -> Retry:
    return Retry(name="mirror", show=ImageOps.mirror, back=lambda point, aspect: (1 - point[0], point[1]), mirrors=True)


def _grey() -> Retry:
    def show(image: Image.Image) -> Image.Image:
        return ImageOps.autocontrast(image.convert("L")).convert("RGB")

    return Retry(name="grey", show=show, back=lambda point, aspect: point)


def _padded() -> Retry:
    def show(image: Image.Image) -> Image.Image:
        size = max(2, image.width // 4 * 2), max(2, image.height // 4 * 2)  # even: the canvas is no larger
        small = image.resize(size, Image.Resampling.BOX)
        canvas = Image.new("RGB", (2 * small.width, 2 * small.height), (128, 128, 128))
        canvas.paste(small, (small.width // 2, small.height // 2))
        return canvas

    def back(point: Point, aspect: float) -> Point:
        return point[0] * (1 + 2 * _PAD) - _PAD, point[1] * (1 + 2 * _PAD) - _PAD

    return Retry(name="padded", show=show, back=back)


def _turned(degrees: float) -> Retry:
    """Turned anticlockwise on a grey canvas of the same size."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def show(image: Image.Image) -> Image.Image:
        return image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=(128, 128, 128))

    def back(point: Point, aspect: float) -> Point:
        x, y = (point[0] - 0.5) * aspect, point[1] - 0.5
        return (x * cos - y * sin) / aspect + 0.5, x * sin + y * cos + 0.5

    return Retry(name=f"{degrees:+.0f} degrees", show=show, back=back)


def _on_its_side(degrees: int) -> Retry:
    """Turned anticlockwise by 90 or 270 degrees, whole."""
    how = {90: Image.Transpose.ROTATE_90, 270: Image.Transpose.ROTATE_270}[degrees]

    def back(point: Point, aspect: float) -> Point:
        return (1 - point[1], point[0]) if degrees == 90 else (point[1], 1 - point[0])

    return Retry(name=f"{degrees} degrees", show=lambda image: image.transpose(how), back=back, swaps_sides=True)


def retries() -> tuple[Retry, ...]:
    """In the order in which they are tried; the first that shows a face ends the search."""
    return (_mirror(), _grey(), _padded(), _turned(-15), _turned(15), _on_its_side(90), _on_its_side(270))
