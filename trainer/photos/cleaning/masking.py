"""Masking: other persons that cropping could not get rid of painted over, by their outlines. Crops nothing.

What takes their place decides what training learns. A flat colour would be learnt as a thing of its own: a silhouette
beside the subject. So the user's inpainting model paints what stood behind them; without one the colours around are
drawn in smoothly, which looks like a background out of focus and has no outline. Leaving their outlines out of the loss
instead (training's masks) would not be enough: the model still sees those pixels while it learns the others.

Legend: H and W pixels; a mask is True or False per pixel.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ...messages import Message
from ..boxes import area, inside, intersection, pixels_of
from ..judging.framing import OTHER_HEIGHT
from ..photo import WHOLE, Box
from ..view import VIEW_PX
from .config import CleanConfig
from .draft import Draft
from .fill import fill_smoothly
from .tools import CleanTools

Array = np.ndarray[Any, np.dtype[Any]]

_HELD = 0.5
"""A mask holds a face if it covers so much of its box; a face fills about three quarters of it."""
_SAME = 0.5
"""A mask of which so much lies in the subject's is a part of the subject, or the subject once more."""
_SPECK = 0.001
"""A smaller mask is no person (shares of the picture's area)."""
_MOST = 0.4
"""More than this painted over is no photo any more (judgement, not measured)."""
_GROWN = 0.012
"""Outlines are widened by this share of the longest side: hair and shadows lie just beyond them."""


@dataclass(frozen=True, kw_only=True)
class _Persons:
    """Who is where in a picture."""

    subject_HW: Array
    others_HW: Array
    count: int
    """How many others."""


def mask_others(image: Image.Image, draft: Draft, config: CleanConfig, tools: CleanTools) -> tuple[Image.Image, Draft]:
    """A retouching step: the persons that `draft.others` stands for painted over, or the photo set aside."""
    face = draft.face and intersection(inside(draft.face, draft.frame), WHOLE)
    others = [box for other in draft.others if (box := intersection(inside(other, draft.frame), WHOLE))]
    if not others or face is None or tools.person_segmenter is None:
        return image, draft
    persons = _tell_apart(tools.person_segmenter.masks(image), image, face, others)
    if isinstance(persons, Message):
        return image, _given_up(draft, persons)
    hole_HW = _grown(persons.others_HW, _GROWN * max(image.size)) & ~persons.subject_HW
    share = float(hole_HW.mean())
    if share > _MOST:
        values = {"percent": round(100 * share), "limit": round(100 * _MOST)}
        return image, _given_up(draft, Message("photos.people_mask_large", values))
    painter = tools.inpainter if tools.inpainter and tools.inpainter.fills_large_areas else None
    if painter:
        painted = painter.fill(image, Image.fromarray(np.where(hole_HW, 255, 0).astype(np.uint8)))
    else:
        # Colours come from the background only: the subject's would run out of its outline.
        painted = fill_smoothly(image, hole_HW, ~_grown(persons.subject_HW, 2.0) & ~hole_HW)
    if _shows_others(painted, face, tools):
        return image, _given_up(draft, Message("photos.people_mask_failed"))
    key = "photos.people_painted_over" if painter else "photos.people_faded_out"
    return painted, draft.note(Message(key, {"count": persons.count, "percent": round(100 * share)}))


def _given_up(draft: Draft, reason: Message) -> Draft:
    """The draft set aside; where the user wants the photo all the same, the others stay in it."""
    return dataclasses.replace(draft, others=()).leave_out(reason)


def _tell_apart(masks: tuple[Image.Image, ...], image: Image.Image, face: Box, others: list[Box]) -> _Persons | Message:
    """The subject's mask (the one that holds the face) and all others'; or why these masks cannot be right."""
    found = [np.asarray(mask.convert("L").resize(image.size)) > 127 for mask in masks]
    found = [mask_HW for mask_HW in found if mask_HW.mean() > _SPECK]
    if not found:
        return Message("photos.people_mask_none")
    best = max(found, key=lambda mask_HW: _covered(mask_HW, face))
    if _covered(best, face) < _HELD:
        return Message("photos.people_mask_no_subject")
    subject_HW = np.zeros_like(best)
    apart = []
    for mask_HW in found:
        is_subject = _covered(mask_HW, face) >= _HELD
        if is_subject and any(_covered(mask_HW, box) >= _HELD for box in others):
            return Message("photos.people_mask_merged")
        if is_subject or (mask_HW & best).sum() > _SAME * mask_HW.sum():
            subject_HW |= mask_HW
        else:
            apart.append(mask_HW)
    others_HW = np.any(apart, axis=0) if apart else np.zeros_like(best)
    missed = sum(_covered(others_HW, box) < _HELD for box in others)
    if missed:
        return Message("photos.people_mask_missed", {"count": missed})
    return _Persons(subject_HW=subject_HW, others_HW=others_HW & ~subject_HW, count=len(apart))


def _covered(mask_HW: Array, box: Box) -> float:
    """The share of a box that a mask covers."""
    left, top, right, bottom = pixels_of(box, mask_HW.shape[1], mask_HW.shape[0])
    return float(mask_HW[top:bottom, left:right].mean())


def _grown(mask_HW: Array, by_px: float) -> Array:
    """The mask and what is at most so far from it."""
    from scipy.ndimage import distance_transform_edt

    return distance_transform_edt(~mask_HW) <= by_px if mask_HW.any() else mask_HW


def _shows_others(image: Image.Image, face: Box, tools: CleanTools) -> bool:
    """Whether a detector still sees a face beside the subject's that counts."""
    if tools.face_detector is None:
        return False
    view = image.copy()
    view.thumbnail((VIEW_PX, VIEW_PX), Image.Resampling.LANCZOS)
    for other in tools.face_detector.find(view):
        shared = intersection(other.box, face)
        is_subject = shared is not None and area(shared) > _SAME * min(area(other.box), area(face))
        height = (other.box[3] - other.box[1]) / (face[3] - face[1])
        if not is_subject and other.is_sure and height >= OTHER_HEIGHT:
            return True
    return False
