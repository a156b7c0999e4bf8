"""Framing: shot type, pose, number of people and who the subject is, from faces. Pure functions; looks at no picture.

Thresholds were tuned on 97 labelled stills (75 with a face); tests/trainer/face_scores.py prints how they do on others.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from ..edits import PhotoEdit
from ..photo import UNKNOWN, Face, Judgement, Point

_CLOSE_HEIGHT = 0.55
_CLOSE_BELOW = 0.6
"""0.5 fitted the 97, and was right for 63 of 73 others; 0.6 is right for 67 of them, seen before it was chosen."""
_FULL_BELOW = 7.0
_FRONT_OFFSET, _PROFILE_OFFSET = 0.30, 0.63
_FRONT_DEG, _PROFILE_DEG = 20.0, 55.0
OTHER_HEIGHT = 0.35
"""Faces smaller than this share of the biggest belong to passers-by and pictures on the wall."""
_LIKELY = 0.8
"""Below this confidence what a detector shows is hardly ever a face, and counts only if the user points at it."""
_MISSED_CLICK = 0.5
"""How far beside a face a click may land, in shares of the face's size."""


def shot_of(face: Face) -> str:
    """Close-up, medium or full body, from how high the face is and how many faces would fit below the chin.

    A person of whom furniture hides the legs still counts as full body: what counts is the frame.
    """
    height = face.box[3] - face.box[1]
    if height <= 0:
        return UNKNOWN
    below = (1 - face.box[3]) / height
    if height >= _CLOSE_HEIGHT or below < _CLOSE_BELOW:
        return "close-up"
    return "full body" if below >= _FULL_BELOW else "medium"


def pose_of(face: Face, aspect: float) -> str:
    """Front, three-quarter or profile: by the measured yaw, else by how far the nose is off the middle of the eyes.

    `aspect` is the picture's width / height, because landmarks are shares. Unknown without both. Landmarks alone are
    a weak sign, good for counting poses in a set, not for judging one photo.
    """
    if face.yaw_deg is not None:
        return _pose(abs(face.yaw_deg), _FRONT_DEG, _PROFILE_DEG)
    offset = nose_offset(face, aspect)
    return UNKNOWN if offset is None else _pose(offset, _FRONT_OFFSET, _PROFILE_OFFSET)


def nose_offset(face: Face, aspect: float) -> float | None:
    """How far the nose lies off the middle of the eyes, along the line through them, in distances of the eyes."""
    if len(face.landmarks) != 5:
        return None
    left, right, nose = ((x * aspect, y) for x, y in face.landmarks[:3])
    across_x, across_y = right[0] - left[0], right[1] - left[1]
    distance_2 = across_x**2 + across_y**2
    if distance_2 == 0:
        return math.inf
    off_x, off_y = nose[0] - (left[0] + right[0]) / 2, nose[1] - (left[1] + right[1]) / 2
    return abs(off_x * across_x + off_y * across_y) / distance_2


def subject_first(faces: tuple[Face, ...], edit: PhotoEdit) -> tuple[Face, ...]:
    """The faces that count, the subject's first, then the others by size.

    The subject is whom the user has pointed at, else of the faces that are about as large as the largest the one
    nearest to the middle. Others count if the detector is sure of them and they are not much smaller. Where it is sure
    of none, the likeliest alone is given, still unsure, if it is likely at all. Nobody counts if the user says that no
    face is the subject's.
    """
    if edit.no_face or not faces:
        return ()
    pointed = face_at(faces, edit.face) if edit.face else None
    sure = tuple(face for face in faces if face.is_sure)
    if pointed:
        subject = dataclasses.replace(pointed, confirmed=True)
    elif sure:
        subject = _subject(sure)
    else:
        likeliest = max(faces, key=lambda face: face.confidence)
        return (likeliest,) if likeliest.confidence >= _LIKELY else ()
    biggest = max(_height(face) for face in (*sure, subject))
    others = (face for face in sure if face not in (pointed, subject) and _height(face) >= OTHER_HEIGHT * biggest)
    return (subject, *sorted(others, key=_height, reverse=True))


def face_at(faces: tuple[Face, ...], point: Point) -> Face | None:
    """The face that the user means by pointing there: the nearest one, no further off than half its size."""
    return min(
        (face for face in faces if _beside(face, point) <= _MISSED_CLICK),
        key=lambda face: (_beside(face, point), _height(face)),
        default=None,
    )


def labelled(judgement: Judgement, edit: PhotoEdit) -> Judgement:
    """The judgement with what the user has set by hand, and which findings these are."""
    by_hand: dict[str, Any] = dict(edit.labels)
    return dataclasses.replace(judgement, **by_hand, labelled=tuple(sorted(by_hand)))


def _subject(faces: tuple[Face, ...]) -> Face:
    biggest = max(_height(face) for face in faces)
    near_biggest = (face for face in faces if _height(face) >= 0.8 * biggest)
    return min(near_biggest, key=lambda face: math.hypot(_middle(face)[0] - 0.5, _middle(face)[1] - 0.5))


def _pose(turned: float, front: float, profile: float) -> str:
    if turned < front:
        return "front"
    return "three-quarter" if turned < profile else "profile"


def _beside(face: Face, point: Point) -> float:
    """How far a point is outside of the face's box, in shares of the box's size; 0 inside."""
    left, top, right, bottom = face.box
    wide = max(left - point[0], point[0] - right, 0.0) / max(right - left, 1e-9)
    high = max(top - point[1], point[1] - bottom, 0.0) / max(bottom - top, 1e-9)
    return max(wide, high)


def _height(face: Face) -> float:
    return face.box[3] - face.box[1]


def _middle(face: Face) -> Point:
    left, top, right, bottom = face.box
    return (left + right) / 2, (top + bottom) / 2
