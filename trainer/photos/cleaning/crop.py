"""The subject's crop: wide margins around a person go, the whole face and the kind of shot stay. Knows no model."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass

from ...messages import Message
from ..boxes import area, contains, inside, intersection
from ..judging.framing import shot_of
from ..photo import Box, Face
from .config import APPLY, OFF, CleanConfig
from .draft import Draft
from .tools import CleanTools

_HAIR, _CHIN, _EAR = 0.5, 0.25, 0.35
"""In face heights: what belongs to a head beyond the face's box, above, below and on each side."""
_RATIOS = (9 / 16, 2 / 3, 3 / 4, 4 / 5, 1.0, 5 / 4, 4 / 3, 3 / 2, 16 / 9)
"""Width by height. Photos of equal shape share training's buckets, so a crop takes one of the usual shapes."""
_WORTH_IT = 0.1
"""A crop that takes away less of the picture is left alone."""
_LYING_DEG = 35.0
"""Of a face turned so far the body is not below, and nothing is known about the margins."""
_STEPS_BACK = 8


@dataclass(frozen=True, kw_only=True)
class _Margins:
    """How much stays around the middle of the face, in face heights; what is beyond is margin."""

    side: float
    above: float
    """From the top of the face's box."""
    below: float
    """From the chin; the foot of the picture stays where it is unless there is more."""


# A face's box is brow to chin, about a tenth of a standing person: feet lie some 8.5 below the chin, and hands of
# outstretched arms 5 to the side. Judgement, not measured: wide enough that no usual posture is cut.
_MARGINS = {
    "close-up": _Margins(side=1.25, above=1.0, below=math.inf),
    "medium": _Margins(side=3.5, above=1.5, below=math.inf),
    "full body": _Margins(side=5.5, above=2.5, below=11.0),
}


def crop_to_subject(draft: Draft, config: CleanConfig, tools: CleanTools) -> Draft:
    """Margins beyond what the kind of shot needs are cut off. Without a sure face nothing is known, and nothing done.

    A frame that the user has drawn stays as it is.
    """
    faces = draft.judgement.faces
    if config.crop == OFF or draft.edit.crop is not None or not faces or not faces[0].is_sure:
        return draft
    frame = subject_frame(faces[0], draft.frame, draft.photo_px, config.min_side_px)
    kept = area(frame) / area(draft.frame)
    if kept > 1 - _WORTH_IT:
        return draft
    percent = round(100 * (1 - kept))
    if config.crop == APPLY:
        return draft.cut(frame, Message("photos.cropped", {"percent": percent}))
    return draft.note(Message("photos.crop_found", {"percent": percent}))


def subject_frame(face: Face, frame: Box, photo_px: tuple[int, int], min_side_px: int) -> Box:
    """The part of `frame` without margins that the kind of shot does not need; `frame` itself where none can go.

    Places are shares of a photo of `photo_px` (width, height) pixels. What it gives lies in `frame`, keeps the face
    with its hair and chin as far as `frame` does, shows the same kind of shot, and is no shorter on its longest side
    than `min_side_px`.
    """
    shot = _shot_in(face, frame)
    if shot not in _MARGINS or _is_lying(face, photo_px):
        return frame
    head = intersection(_head(face.box, photo_px), frame)
    wanted = _wanted(face.box, frame, photo_px, _MARGINS[shot])
    if head is None or wanted is None:
        return frame
    wanted = _hull(wanted, head)
    for candidate in _wider_and_wider(wanted, frame):
        shaped = _shaped(candidate, frame, photo_px)
        if _longest_px(shaped, photo_px) >= min_side_px and _shot_in(face, shaped) == shot and contains(shaped, head):
            return shaped
    return frame


def _wanted(face: Box, frame: Box, photo_px: tuple[int, int], margins: _Margins) -> Box | None:
    """The part that the kind of shot needs, within the frame."""
    height = face[3] - face[1]
    side = margins.side * height * photo_px[1] / photo_px[0]
    middle = (face[0] + face[2]) / 2
    above, below = margins.above * height, min(margins.below * height, 2.0)
    return intersection(frame, (middle - side, face[1] - above, middle + side, face[3] + below))


def _head(face: Box, photo_px: tuple[int, int]) -> Box:
    """The face with its hair, ears and chin."""
    height = face[3] - face[1]
    side = _EAR * height * photo_px[1] / photo_px[0]
    return face[0] - side, face[1] - _HAIR * height, face[2] + side, face[3] + _CHIN * height


def _wider_and_wider(wanted: Box, frame: Box) -> Iterator[Box]:
    """From the wanted part to the whole frame, little by little."""
    for step in range(_STEPS_BACK):
        share = step / _STEPS_BACK
        left, top, right, bottom = (near + (far - near) * share for near, far in zip(wanted, frame, strict=True))
        yield left, top, right, bottom


def _shaped(box: Box, frame: Box, photo_px: tuple[int, int]) -> Box:
    """The box widened or heightened to the nearest usual shape that fits into the frame; else as it is."""
    width_px, height_px = (box[2] - box[0]) * photo_px[0], (box[3] - box[1]) * photo_px[1]
    shapes = []
    for ratio in (*_RATIOS, _ratio(frame, photo_px)):
        width = max(width_px, height_px * ratio) / photo_px[0]
        height = max(height_px, width_px / ratio) / photo_px[1]
        if width <= frame[2] - frame[0] and height <= frame[3] - frame[1]:
            shapes.append((width, height))
    if not shapes:
        return box
    width, height = min(shapes, key=lambda shape: shape[0] * shape[1])
    left, right = _grown(box[0], box[2], width, frame[0], frame[2])
    top, bottom = _grown(box[1], box[3], height, frame[1], frame[3])
    return left, top, right, bottom


def _grown(low: float, high: float, length: float, least: float, most: float) -> tuple[float, float]:
    """A stretch made longer on both ends alike, moved into its limits where it would leave them."""
    more = (length - (high - low)) / 2
    start = max(min(max(low - more, least), most - length), least)
    return min(start, low), max(min(start + length, most), high)  # rounding never cuts what was in


def _hull(one: Box, other: Box) -> Box:
    """The smallest box around two."""
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _shot_in(face: Face, frame: Box) -> str:
    """The kind of shot that a frame shows."""
    return shot_of(dataclasses.replace(face, box=inside(face.box, frame)))


def _is_lying(face: Face, photo_px: tuple[int, int]) -> bool:
    """Whether the head is turned so far to a side that the body is not below."""
    if face.roll_deg is not None:
        return abs(face.roll_deg) > _LYING_DEG
    if len(face.landmarks) < 2:
        return False
    (left_x, left_y), (right_x, right_y) = face.landmarks[:2]
    across, down = (right_x - left_x) * photo_px[0], (right_y - left_y) * photo_px[1]
    return abs(math.degrees(math.atan2(down, across))) > _LYING_DEG


def _ratio(frame: Box, photo_px: tuple[int, int]) -> float:
    return (frame[2] - frame[0]) * photo_px[0] / ((frame[3] - frame[1]) * photo_px[1])


def _longest_px(frame: Box, photo_px: tuple[int, int]) -> float:
    return max((frame[2] - frame[0]) * photo_px[0], (frame[3] - frame[1]) * photo_px[1])
