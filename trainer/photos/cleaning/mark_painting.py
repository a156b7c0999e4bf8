"""Mark painting: places that the user has marked, and text marks that no cut takes away, painted over. Then it looks
again: text that can still be read goes with its whole box, and if even that leaves it, the photo is set aside.

Legend: H and W pixels, C red, green and blue; a mask is True or False per pixel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from ...messages import Message
from ..boxes import area, inside, intersection, outside, pixels_of
from ..photo import WHOLE, Box
from .config import CleanConfig
from .draft import Draft
from .overlay import is_readable, letters_in, otsu
from .text_marks import where_in
from .tools import CleanTools, Inpainter, TextFinder

Array = np.ndarray[Any, np.dtype[Any]]

_WEAK = 0.35
"""A pixel belongs to a letter if it stands out this much of what parts letters from ground: soft rims count too."""
_WIDER = 0.08
"""Letters are painted over with so much around them, in heights of their box, at least two pixels: a mask that misses
a part of them draws their colour into the hole, and looks worse than the mark."""
_WHOLE = 0.9
"""Letters that fill more of their box than this are not told from their ground: then the box is painted over."""


def paint_over_marks(
    image: Image.Image, draft: Draft, config: CleanConfig, tools: CleanTools
) -> tuple[Image.Image, Draft]:
    """A retouching step: `draft.marks` painted over, those of the user wherever they are and whole."""
    by_hand = _in_frame(draft.edit.marks, draft.frame)
    found = _in_frame(tuple(mark for mark in draft.marks if mark not in draft.edit.marks), draft.frame)
    if tools.inpainter is None or not (by_hand or found):
        return image, draft
    painted = image
    if by_hand:
        painted = _fill(tools.inpainter, painted, _boxes_mask(by_hand, image.size))
        percent = round(100 * min(1.0, sum(area(box) for box in by_hand)), 1)
        draft = draft.note(Message("photos.marks_painted", {"count": len(by_hand), "percent": percent}))
    if found:
        ground = painted
        painted = _fill(tools.inpainter, ground, _letters_mask(found, ground))
        left = _still_read(painted, found, tools.text_finder)
        if left:
            whole_HW = _boxes_mask(tuple(found[index] for index in left), image.size)
            painted = _fill(tools.inpainter, ground, _letters_mask(found, ground) | whole_HW)
            left = _still_read(painted, found, tools.text_finder)
        if left:
            box = outside(found[left[0]], draft.frame)
            values = {"where": where_in(box, draft.frame), "percent": round(100 * area(found[left[0]]), 1)}
            return painted, draft.leave_out(Message("photos.text_remains", values))
    return painted, draft


def _in_frame(marks: tuple[Box, ...], frame: Box) -> tuple[Box, ...]:
    """The marks' parts inside of the frame, in shares of it."""
    parts = (intersection(inside(mark, frame), WHOLE) for mark in marks)
    return tuple(part for part in parts if part)


def _fill(inpainter: Inpainter, image: Image.Image, mask_HW: Array) -> Image.Image:
    return inpainter.fill(image, Image.fromarray(np.where(mask_HW, 255, 0).astype(np.uint8)))


def _boxes_mask(boxes: tuple[Box, ...], size: tuple[int, int]) -> Array:
    mask_HW = np.zeros((size[1], size[0]), bool)
    for box in boxes:
        left, top, right, bottom = pixels_of(box, *size)
        mask_HW[top:bottom, left:right] = True
    return mask_HW


def _letters_mask(boxes: tuple[Box, ...], image: Image.Image) -> Array:
    """The letters in the boxes, generously; the whole box where they do not stand out."""
    from scipy import ndimage

    pixels_HWC = np.asarray(image, np.float32)
    mask_HW = np.zeros(pixels_HWC.shape[:2], bool)
    for box in boxes:
        left, top, right, bottom = pixels_of(box, *image.size)
        height = min(bottom - top, right - left)
        strokes_HW, _ = letters_in(pixels_HWC, box, height)
        wide_HW = ndimage.binary_dilation(
            strokes_HW > _WEAK * otsu(strokes_HW), np.ones((3, 3), bool), iterations=max(2, round(_WIDER * height))
        )
        mask_HW[top:bottom, left:right] |= wide_HW if wide_HW.mean() <= _WHOLE else True
    return mask_HW


def _still_read(image: Image.Image, boxes: tuple[Box, ...], finder: TextFinder | None) -> list[int]:
    """Which of the painted boxes a finder still reads text in."""
    if finder is None:
        return []
    lines = [line.box for line in finder.find(image) if is_readable(line)]
    return [index for index, box in enumerate(boxes) if any(_lies_in(line, box) for line in lines)]


def _lies_in(line: Box, box: Box) -> bool:
    shared = intersection(line, box)
    return shared is not None and area(shared) >= 0.3 * min(area(line), area(box))
