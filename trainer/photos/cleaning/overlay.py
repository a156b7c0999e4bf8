"""Overlay: which lines of text were laid over a photo, and which belong to what it shows. Changes no picture.

A line counts as laid over only where several signs agree; what is in doubt belongs to the scene and is left alone.
Thresholds were set on 47 stills with text among ComfyUI's templates, 25 with a mark and 22 with scene text only, and on
marks planted in five others; tests/trainer/mark_scores.py prints how they do on more.

Legend: H and W pixels, C red, green and blue.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np
from PIL import Image

from ..boxes import intersection
from ..photo import Box
from .tools import TextBox

Array = np.ndarray[Any, np.dtype[Any]]

RIM = 0.12
"""A mark's middle lies in this outer part of the picture."""
_WIDE_RIM = 0.25
"""The same for lines that name a source or a date, and for lines beside a mark."""
_EDGE = 0.004
"""A line that reaches so near to the picture's edge goes on beyond it, as only things in the scene do."""
_TALLEST = 0.12
"""Letters higher than this are a poster."""
_EVEN, _EVEN_LEVELS = 0.08, 6.0
"""Most that the letters' colour may vary: as a share of their contrast, or in 8-bit levels."""
_VERY_EVEN, _VERY_EVEN_LEVELS = 0.04, 3.0
"""The same for lines in front of the body, where prints on clothes are."""
_BODY = 1.0
"""How far shoulders reach beyond the face's box on each side, in face heights."""

_LIBRARIES = re.compile(
    r"sample|proof|preview|watermark|copyright|©|shutterstock|gettyimages|istock|alamy|adobestock|dreamstime"
    r"|depositphotos|123rf|bigstock|pngtree|freepik|vecteezy|视觉中国|摄图网|千图网|昵图网|包图网|图虫|样片|样图|水印|预览|禁止转载"
)
"""What picture libraries and photographers lay over their previews, anywhere and at any angle. Spaces are taken out."""
_SOURCES = re.compile(
    r"@\w|https?:|www\.|\.(?:com|cn|net|org)\b|小红书|红书号|抖音|快手|微博|微信|公众号|哔哩|知乎|豆瓣|水印相机|美颜相机|轻颜|美图"
    r"|weibo|bilibili|tiktok|douyin|instagram|lofter|shoton|©|photoby|picby|摄影"
)
"""Where a picture comes from."""
_DATE = re.compile(
    r"\b(?:19|20)\d\d[ ./年-]{1,2}[01]?\d[ ./月-]{1,2}[0-3]?\d|\b[0-3]?\d[./ -][01]?\d[./ -](?:19|20)\d\d\b"
    r"|['’]\d\d[ .]{1,3}[01]?\d[ .]{1,3}[0-3]?\d\b"
)
"""As cameras stamp it."""


@dataclass(frozen=True, kw_only=True)
class Lines:
    """The lines of a picture, told apart."""

    marks: tuple[TextBox, ...] = ()
    tiled: tuple[TextBox, ...] = ()
    """Lines of one mark that is repeated all over the picture, or of a kind that usually is."""
    scene: tuple[TextBox, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """A line's own height and length in pixels, and how far it is turned, in degrees."""

    height: float
    length: float
    turned: float

    @property
    def is_upright(self) -> bool:
        """Whether the letters stand along the picture's sides. The shorter a line, the less its angle says."""
        folded = (self.turned + 45) % 90 - 45
        return abs(folded) <= 1.5 + 12 * self.height / self.length


def is_readable(line: TextBox) -> bool:
    """Whether a line is text for sure. What detectors take for text in hair and leaves is single letters."""
    count = sum(letter.isalnum() for letter in line.text)
    return (count >= 3 and line.score >= 0.75) or (count >= 2 and line.score >= 0.9)


def tell_apart(picture: Image.Image, lines: tuple[TextBox, ...], face: Box | None) -> Lines:
    """The lines found in a picture, by what they are. `face` is the subject's, if known, in shares of the picture."""
    tiled = _repeated(lines, picture.size, face)
    tiled += tuple(line for line in lines if line not in tiled and _is_across(line, picture.size))
    rest = [line for line in lines if line not in tiled and is_readable(line)]
    pixels_HWC = np.asarray(picture, np.float32)
    marks = [line for line in rest if _is_mark(line, pixels_HWC, face)]
    # A mark of several lines: those that lie against one that is a mark for sure.
    for _ in range(len(rest)):
        beside = [line for line in rest if line not in marks and _belongs(line, marks, pixels_HWC)]
        if not beside:
            break
        marks += beside
    scene = (line for line in rest if line not in marks)
    return Lines(marks=tuple(line for line in rest if line in marks), tiled=tiled, scene=tuple(scene))


def _is_mark(line: TextBox, pixels_HWC: Array, face: Box | None) -> bool:
    text, shape = line.text.lower(), _shape(line, _size(pixels_HWC))
    if not shape.is_upright:
        return False
    bare = text.replace(" ", "")
    if _LIBRARIES.search(bare) or _SOURCES.search(bare) or _DATE.search(text):
        return _to_rim(line.box) <= _WIDE_RIM
    if _to_rim(line.box) > RIM or _is_cut_off(line.box) or shape.height > _TALLEST * max(_size(pixels_HWC)):
        return False
    contrast, spread = _ink(pixels_HWC, line.box, shape.height)
    if face and _is_before_body(line.box, face, _size(pixels_HWC)):
        return spread <= max(_VERY_EVEN * contrast, _VERY_EVEN_LEVELS)
    return spread <= max(_EVEN * contrast, _EVEN_LEVELS)


def _is_across(line: TextBox, size: tuple[int, int]) -> bool:
    """Whether a library's word is read in the middle or on a slant: faint tiles, of which few can be read."""
    is_word = is_readable(line) and _LIBRARIES.search(line.text.lower().replace(" ", ""))
    return bool(is_word) and (_to_rim(line.box) > RIM or not _shape(line, size).is_upright)


def _belongs(line: TextBox, marks: list[TextBox], pixels_HWC: Array) -> bool:
    size = _size(pixels_HWC)
    shape = _shape(line, size)
    if not shape.is_upright or _to_rim(line.box) > _WIDE_RIM:
        return False
    for mark in marks:
        near, other = 0.8 * _shape(mark, size).height, _shape(mark, size).height
        left, top, right, bottom = mark.box
        reach = (left - near / size[0], top - near / size[1], right + near / size[0], bottom + near / size[1])
        if intersection(reach, line.box) and 0.5 <= shape.height / other <= 2:
            contrast, spread = _ink(pixels_HWC, line.box, shape.height)
            return spread <= max(_EVEN * contrast, _EVEN_LEVELS)
    return False


def _repeated(lines: tuple[TextBox, ...], size: tuple[int, int], face: Box | None) -> tuple[TextBox, ...]:
    """The most numerous lines that say about the same at the same size and angle, if they are spread all over.

    A wall that repeats a name behind the subject is no mark: where the face is known, one line must lie on the person.
    """
    words = [line for line in lines if sum(letter.isalnum() for letter in line.text) >= 2 and line.score >= 0.6]
    most: list[TextBox] = []
    for first in words:
        alike = [line for line in words if _is_alike(first, line, size)]
        most = max(most, alike, key=len)
    across, down = ([(line.box[side] + line.box[side + 2]) / 2 for line in most] or [0.0] for side in (0, 1))
    spreads = sorted((max(across) - min(across), max(down) - min(down)))
    is_spread = len(most) >= 3 and (spreads[0] >= 0.3 or spreads[1] >= 0.5)
    if face:
        person = _person(face, size)
        is_over_all = any(intersection(line.box, person) for line in most)
    else:
        is_over_all = len(most) >= 4 and spreads[0] >= 0.3
    return tuple(most) if is_spread and is_over_all else ()


def _is_alike(first: TextBox, line: TextBox, size: tuple[int, int]) -> bool:
    one, other = _shape(first, size), _shape(line, size)
    turned = abs((one.turned - other.turned + 90) % 180 - 90)
    same_size = 1 / 1.6 <= one.height / other.height <= 1.6
    return same_size and turned <= 10 and SequenceMatcher(None, first.text, line.text).ratio() >= 0.6


def _shape(line: TextBox, size: tuple[int, int]) -> _Shape:
    left, top, right, bottom = line.box
    corners = line.corners or ((left, top), (right, top), (right, bottom), (left, bottom))
    (x0, y0), (x1, y1), _, (x3, y3) = ((x * size[0], y * size[1]) for x, y in corners)
    along, across = math.hypot(x1 - x0, y1 - y0), math.hypot(x3 - x0, y3 - y0)
    turned = math.degrees(math.atan2(y1 - y0, x1 - x0))
    return _Shape(height=max(min(along, across), 1.0), length=max(along, across, 1.0), turned=turned)


def _ink(pixels_HWC: Array, box: Box, height: float) -> tuple[float, float]:
    """How far the letters stand out from their ground, and how much their colour varies, both in 8-bit levels."""
    strokes_HW, colours_HWC = letters_in(pixels_HWC, box, height)
    core_HW = strokes_HW > otsu(strokes_HW)
    if core_HW.sum() < 8 or core_HW.all():
        return 0.0, math.inf
    contrast = float(strokes_HW[core_HW].mean() - strokes_HW[~core_HW].mean())
    ink_NC = colours_HWC[strokes_HW >= np.median(strokes_HW[core_HW])]  # the inner half, without the letters' soft rims
    return contrast, float(np.median(np.abs(ink_NC - np.median(ink_NC, axis=0)).mean(axis=1)))


def letters_in(pixels_HWC: Array, box: Box, height: float) -> tuple[Array, Array]:
    """How much each pixel of a box looks like a stroke of letters `height` pixels high [H, W], and its colours.

    Top-hat transform (Meyer 1979): what is brighter, or darker, than everything as wide as no stroke is. Of the two the
    one that reaches the box's rim less is the letters; the other is what lies between them.
    """
    from scipy import ndimage

    rows, columns = _slices(box, pixels_HWC.shape)
    side = max(3, round(0.45 * height) | 1)
    around = (
        slice(max(0, rows.start - side), rows.stop + side),
        slice(max(0, columns.start - side), columns.stop + side),
    )
    inner = (
        slice(rows.start - around[0].start, rows.stop - around[0].start),
        slice(columns.start - around[1].start, columns.stop - around[1].start),
    )
    grown_HWC = pixels_HWC[around]
    bright_HW, dark_HW = (
        hat(grown_HWC, size=(side, side, 1)).max(axis=2)[inner] for hat in (ndimage.white_tophat, ndimage.black_tophat)
    )
    letters_HW = bright_HW if _at_rim(bright_HW) <= _at_rim(dark_HW) else dark_HW
    return letters_HW, grown_HWC[inner]


def otsu(values: Array) -> float:
    """The threshold that parts values best into two groups (Otsu 1979)."""
    counts, edges = np.histogram(values, 64)
    share = np.cumsum(counts) / counts.sum()
    mean = np.cumsum(counts * (edges[:-1] + edges[1:]) / 2) / counts.sum()
    between = (mean[-1] * share - mean) ** 2 / np.maximum(share * (1 - share), 1e-9)
    return float(edges[int(between[:-1].argmax()) + 1])


def _at_rim(strokes_HW: Array) -> float:
    """How strong a response is along the box's rim, as a share of what it is where it is strong."""
    rim = np.concatenate([strokes_HW[0], strokes_HW[-1], strokes_HW[:, 0], strokes_HW[:, -1]])
    return float(rim.mean() / max(np.percentile(strokes_HW, 90), 1e-6))


def _slices(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    height, width = shape[:2]
    left, right = (min(max(round(share * width), 0), width) for share in (box[0], box[2]))
    top, bottom = (min(max(round(share * height), 0), height) for share in (box[1], box[3]))
    return slice(min(top, height - 1), max(bottom, top + 1)), slice(min(left, width - 1), max(right, left + 1))


def _size(pixels_HWC: Array) -> tuple[int, int]:
    return pixels_HWC.shape[1], pixels_HWC.shape[0]


def _to_rim(box: Box) -> float:
    """How far the box's middle is from the nearest side of the picture."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return min(x, y, 1 - x, 1 - y)


def _is_cut_off(box: Box) -> bool:
    return min(box[0], box[1], 1 - box[2], 1 - box[3]) < _EDGE


def _is_before_body(box: Box, face: Box, size: tuple[int, int]) -> bool:
    left, _, right, _ = _person(face, size)
    return box[1] > face[3] and intersection(box, (left, face[3], right, max(1.0, box[3]))) is not None


def _person(face: Box, size: tuple[int, int]) -> Box:
    """The face and what is below it, as wide as the shoulders."""
    side = _BODY * (face[3] - face[1]) * size[1] / size[0]
    return face[0] - side, face[1], face[2] + side, max(1.0, face[3])
