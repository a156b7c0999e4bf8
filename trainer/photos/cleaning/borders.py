"""Borders: black or white bars around a picture are found and cut off. Studio backgrounds and dark rooms are left."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from ...messages import Message
from ..boxes import area, contains, intersection
from ..photo import WHOLE, Box
from .config import APPLY, OFF, CleanConfig
from .draft import Draft
from .tools import CleanTools

_MIN_BAR = 0.008
"""Of the longest side. Thinner lines are scanning or scaling remains, and no harm."""
_MAX_BARS = 0.7
"""Two opposite bars never take more of a side; what is left would be a strip."""
_BLACK, _WHITE = 16, 245
_TOLERANCE, _COLOUR_TOLERANCE = 10, 40
"""In 8-bit levels, of luma and of any colour: JPEG's noise. Its colours bleed over twice as many pixels."""
_UNIFORM = 0.995
"""So much of a line has the bar's colour; the rest may be dust or a mark laid over the bar."""
_MIN_STEP = 6.0
"""In 8-bit levels: how much brighter or darker it gets within a few pixels where a bar ends, on average along it."""
_LUMA = (0.299, 0.587, 0.114)
_EDGE_SHARE = 0.5
"""So much of the edge's length is an edge. Where a person or a thing on pure white begins, only a small part is."""
_SOFT_PX = 2
"""Scaling smears an edge so far; the cut lies beyond."""
_JPEG_PX = 8
"""JPEG's blocks: so far into a bar an edge can ring, at low quality."""


def trim_borders(draft: Draft, config: CleanConfig, tools: CleanTools) -> Draft:
    """Bars on two opposite sides are cut off. A frame that the user has drawn stays as it is."""
    if config.borders == OFF or draft.edit.crop is not None:
        return draft
    inner = find_borders(draft.view)
    frame = intersection(draft.frame, inner) if inner != WHOLE else None
    face = draft.face and intersection(draft.face, draft.frame)
    if frame is None or (face is not None and not contains(frame, face)):
        return draft
    percent = round(100 * (1 - area(frame) / area(draft.frame)), 1)
    if config.borders == APPLY:
        return draft.cut(frame, Message("photos.borders_cut", {"percent": percent}))
    return draft.note(Message("photos.borders_found", {"percent": percent}))


def find_borders(view: Image.Image) -> Box:
    """The part of an RGB picture inside its bars, in shares; WHOLE where there are none.

    A bar is near black or near white all along, lies on both opposite sides, and ends in an edge all along: a person
    before a white wall has white sides too, but no edge. Bars around bars are found one after the other.
    """
    pixels_HW3 = np.asarray(view, dtype=np.int16)
    height, width = pixels_HW3.shape[:2]
    min_bar_px = max(2, round(_MIN_BAR * max(width, height)))
    left, top, right, bottom = 0, 0, width, height
    found = True
    while found:
        found = False
        inner_HW3 = pixels_HW3[top:bottom, left:right]
        if bars := _opposite_bars(inner_HW3, min_bar_px):
            top, bottom, found = top + bars[0], bottom - bars[1], True
        inner_HW3 = pixels_HW3[top:bottom, left:right]
        if bars := _opposite_bars(inner_HW3.swapaxes(0, 1), min_bar_px):
            left, right, found = left + bars[0], right - bars[1], True
    return left / width, top / height, right / width, bottom / height


def _opposite_bars(lines_LP3: np.ndarray[Any, Any], min_bar_px: int) -> tuple[int, int] | None:
    """How many lines at the beginning and at the end are bars, what is smeared included; None unless both are.

    L lines of P pixels, 8-bit levels.
    """
    if len(lines_LP3) < 4 * min_bar_px:
        return None
    first, last = _bar(lines_LP3, min_bar_px), _bar(lines_LP3[::-1], min_bar_px)
    if not first or not last or first + last > _MAX_BARS * len(lines_LP3):
        return None
    return first, last


def _bar(lines_LP3: np.ndarray[Any, Any], min_bar_px: int) -> int:
    """How many of the first lines are a bar, what is smeared included; 0 for none."""
    colour_3 = np.median(lines_LP3[0], axis=0)
    if not (colour_3.max() <= _BLACK or colour_3.min() >= _WHITE):
        return 0
    limit = int(_MAX_BARS * len(lines_LP3))
    if (_differing(lines_LP3[:min_bar_px], colour_3) > 1 - _UNIFORM).any():
        return 0  # as nearly every photo
    differs_L = _differing(lines_LP3[:limit], colour_3)
    num_lines = _first(differs_L > 1 - _UNIFORM)
    edge = num_lines + _first(differs_L[num_lines : num_lines + _JPEG_PX] >= _EDGE_SHARE)
    if edge == min(num_lines + _JPEG_PX, limit):
        return 0
    end = edge + _SOFT_PX
    step = np.abs(lines_LP3[min(end, len(lines_LP3) - 1)] - lines_LP3[edge - _SOFT_PX]).mean()
    return end if step >= _MIN_STEP else 0  # a photo that fades to black has no step


def _differing(lines_LP3: np.ndarray[Any, Any], colour_3: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The share of each line's pixels that differ from a colour, [L]."""
    off_LP3 = (lines_LP3 - colour_3).astype(np.float32)
    luma_off_LP = np.abs(off_LP3 @ np.array(_LUMA, np.float32))
    return ((luma_off_LP > _TOLERANCE) | (np.abs(off_LP3) > _COLOUR_TOLERANCE).any(axis=2)).mean(axis=1)


def _first(is_so_L: np.ndarray[Any, Any]) -> int:
    """The position of the first that is so; the number of them if none is."""
    return int(np.argmax(is_so_L)) if is_so_L.any() else len(is_so_L)
