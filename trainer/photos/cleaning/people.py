"""People: photos that show others beside the subject. Who counts as a person is for judging; here they are kept out.

Cropped away where the rest is still a good photo of the subject; else painted over where a model outlines persons;
else the photo is set aside. A face's box says little about the body below it: shoulders may remain, and that is said.

Legend: H and W pixels; a mask is True or False per pixel.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from ...messages import Message
from ..boxes import area, contains, inside, intersection
from ..judging.framing import shot_of
from ..photo import Box, Face
from .config import APPLY, OFF, CleanConfig
from .draft import Draft
from .tools import CleanTools

_HEAD = (0.35, 0.5, 0.35, 0.2)
"""What belongs to a head beyond its face's box, left, above, right and below, in face heights: hair, ears and chin."""
_HEAD_AND_SHOULDERS = (0.6, 0.5, 0.6, 0.8)
"""What a picture of the subject keeps around the face, as far as it is in the photo."""
_SHOULDERS = 1.0
"""How far shoulders reach beyond the face's box on each side, in face heights: they are three faces wide."""
_MAX_RATIO = 2.5
"""A longer strip is no photo of a person any more, unless it was one before."""
_VISIBLE = 0.05
"""Less of another face is an ear at the rim (judgement, not measured)."""


def treat_other_people(draft: Draft, config: CleanConfig, tools: CleanTools) -> Draft:
    """A framing step: other persons cropped away, marked for masking, or the photo set aside.

    Under a frame that the user has drawn nothing is cropped.
    """
    others = _others_in_frame(draft)
    if config.other_people == OFF or not others:
        return draft
    count = len(others)
    is_done = config.other_people == APPLY
    frame = None if draft.edit.crop is not None else frame_without(others, draft, config.min_side_px)
    if frame is not None:
        shown = any(intersection(_body(face, draft), frame) for face in others)
        values = {"count": count, "percent": round(100 * (1 - area(frame) / area(draft.frame)))}
        if is_done:
            return draft.cut(
                frame, Message("photos.people_cropped_partly" if shown else "photos.people_cropped", values)
            )
        return draft.note(Message("photos.people_crop_found", values))
    if tools.person_segmenter:
        if is_done:
            return dataclasses.replace(draft, others=tuple(face.box for face in others))
        return draft.note(Message("photos.people_mask_found", {"count": count}))
    if is_done:
        return draft.leave_out(Message("photos.people_too_close", {"count": count}))
    return draft.note(Message("photos.people_close_found", {"count": count}))


def frame_without(others: tuple[Face, ...], draft: Draft, min_side_px: int) -> Box | None:
    """The largest part of the frame without others' heads, better without their shoulders too; None if there is none.

    It keeps the subject's head and shoulders as far as the frame does, shows the same kind of shot, and its longest
    side is at least `min_side_px`.
    """
    subject = draft.judgement.faces[0]
    kept = intersection(_wider(subject, draft, _HEAD_AND_SHOULDERS), draft.frame)
    if kept is None:
        return None
    for zones in ([_body(face, draft) for face in others], [_wider(face, draft, _HEAD) for face in others]):
        good = (frame for frame in _frames_between(draft.frame, kept, zones) if _is_good(frame, draft, min_side_px))
        if best := max(good, key=area, default=None):
            return best
    return None


def _others_in_frame(draft: Draft) -> tuple[Face, ...]:
    """The other faces of which the frame shows more than a sliver."""
    if not draft.face or not intersection(draft.face, draft.frame):
        return ()
    shown = []
    for face in draft.judgement.faces[1:]:
        part = intersection(face.box, draft.frame)
        if part and area(part) > _VISIBLE * area(face.box):
            shown.append(face)
    return tuple(shown)


def _frames_between(frame: Box, kept: Box, zones: list[Box]) -> set[Box]:
    """Every largest box within `frame` that contains `kept` and touches none of the zones."""
    frames = {frame}
    for zone in zones:
        frames = {smaller for one in frames for smaller in _beside(one, zone) if contains(smaller, kept)}
        frames = {one for one in frames if not any(one != other and contains(other, one) for other in frames)}
    return frames


def _beside(frame: Box, zone: Box) -> Iterator[Box]:
    """The frame if the zone is not in it; else what is left, above, right and below of the zone."""
    if intersection(frame, zone) is None:
        yield frame
        return
    left, top, right, bottom = frame
    for smaller in (
        (left, top, zone[0], bottom), (left, top, right, zone[1]), (zone[2], top, right, bottom),
        (left, zone[3], right, bottom),
    ):  # fmt: skip
        if smaller[0] < smaller[2] and smaller[1] < smaller[3]:
            yield smaller


def _is_good(frame: Box, draft: Draft, min_side_px: int) -> bool:
    subject = draft.judgement.faces[0]
    width_px, height_px = _size_px(frame, draft)
    allowed = max(_MAX_RATIO, _ratio(*_size_px(draft.frame, draft)))
    same_shot = _shot_in(subject, frame) == _shot_in(subject, draft.frame)
    return same_shot and max(width_px, height_px) >= min_side_px and _ratio(width_px, height_px) <= allowed


def _size_px(frame: Box, draft: Draft) -> tuple[float, float]:
    return (frame[2] - frame[0]) * draft.photo.width_px, (frame[3] - frame[1]) * draft.photo.height_px


def _ratio(width_px: float, height_px: float) -> float:
    return max(width_px / height_px, height_px / width_px)


def _shot_in(face: Face, frame: Box) -> str:
    return shot_of(dataclasses.replace(face, box=inside(face.box, frame)))


def _wider(face: Face, draft: Draft, more: tuple[float, float, float, float]) -> Box:
    """A face's box with more around it, in face heights."""
    left, top, right, bottom = face.box
    height = bottom - top
    across = height * draft.photo.height_px / draft.photo.width_px
    return left - more[0] * across, top - more[1] * height, right + more[2] * across, bottom + more[3] * height


def _body(face: Face, draft: Draft) -> Box:
    """From the hair down to the foot of the photo, as wide as the shoulders."""
    left, top, right, _ = _wider(face, draft, (_SHOULDERS, _HEAD[1], _SHOULDERS, 0.0))
    return left, top, right, max(1.0, face.box[3])
