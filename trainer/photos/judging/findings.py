"""Findings: what is worth telling the user about a photo, each with its number. Measures nothing and removes nothing.

The limits of sharpness were set on half of 174 photos of persons (the even half by the SHA-256 of the file's name) and
checked on the other; tests/trainer/planted_cases.py prints how they do there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...messages import Message
from ..photo import Judgement, Quality

BLURRED_SHARPNESS, SOFT_SHARPNESS = 15.0, 30.0
"""Of faces, where grain does not disturb. Good photos have 60 to 700."""
GRAINY, VERY_GRAINY = 4.0, 8.0
"""Grain in 8-bit levels; clean photos stay below 3."""
SMALL_FACE_PX = 48
"""A lower face has too few pixels for its features; what a full-body photo leaves of it at 1024 px is 50 to 140."""
ENHANCE_BELOW_PX = 256
"""A lower face has less than a face restorer paints."""
LOW_RESOLUTION_PX = 512
"""Fewer pixels than a square of this side have to be enlarged for the guide's training resolution."""
_DARK_LUMA, _DARK_HIGHLIGHTS = 45, 110
"""A dark face is dark in its highlights too: dark skin in good light is not."""
_DARK_PICTURE_HIGHLIGHTS = 60
_BRIGHT_LUMA, _BURNT_SHARE, _BADLY_BURNT_SHARE = 205, 0.02, 0.1
_NOISY = 3.0
"""From here on grain sharpens the edges that `blur` looks at, and hides fine detail from `sharpness`."""
_BLUR_PER_NOISE = 0.018
"""So much does one level of grain lower `blur`."""
FACES_KEY = "faces"
"""Stands in `Judgement.labelled` where the user has said which face is the subject's, or that there is none."""


@dataclass(frozen=True, kw_only=True)
class _Limits:
    """Below this sharpness, or beyond this blur; in a noisy picture both, because each alone is fooled there."""

    sharpness: float
    blur: float
    noisy_sharpness: float
    noisy_blur: float


_BLURRED = {
    "face": _Limits(sharpness=BLURRED_SHARPNESS, blur=0.62, noisy_sharpness=20, noisy_blur=0.56),
    "picture": _Limits(sharpness=20, blur=0.58, noisy_sharpness=20, noisy_blur=0.48),
}
_SOFT = {
    "face": _Limits(sharpness=SOFT_SHARPNESS, blur=0.60, noisy_sharpness=30, noisy_blur=0.54),
    "picture": _Limits(sharpness=30, blur=0.54, noisy_sharpness=30, noisy_blur=0.45),
}


def is_blurred(quality: Quality) -> bool:
    """Whether the detail that training needs is lost."""
    return _beyond(quality, _BLURRED[quality.measured_on])


def is_soft(quality: Quality) -> bool:
    """Whether detail is weak or lost: soft or blurred."""
    return is_blurred(quality) or _beyond(quality, _SOFT[quality.measured_on])


def is_grainy(quality: Quality) -> bool:
    """Whether grain shows, and a model would learn it."""
    return quality.noise > GRAINY


def is_small(quality: Quality) -> bool:
    """Whether there is a face, and one with fewer pixels than a face restorer paints."""
    return quality.face_height_px is not None and quality.face_height_px < ENHANCE_BELOW_PX


def findings_of(judgement: Judgement, width_px: int, height_px: int) -> tuple[Message, ...]:
    """What is worth saying about a photo of this size, the picture's faults first, then its faces."""
    quality = judgement.quality
    said = [] if quality is None else [*_of_detail(quality), *_of_light(quality)]
    return (*said, *_of_size(quality, width_px, height_px), *_of_faces(judgement))


def _of_detail(quality: Quality) -> Iterator[Message]:
    good = _SOFT[quality.measured_on]
    values = {
        "sharpness": round(quality.sharpness), "good": round(good.sharpness),
        "blur": round(quality.blur, 2), "good_blur": good.blur,
    }  # fmt: skip
    on_face = quality.measured_on == "face"
    if is_blurred(quality):
        yield Message("photos.face_blurred" if on_face else "photos.picture_blurred", values)
    elif is_soft(quality):
        yield Message("photos.face_soft" if on_face else "photos.picture_soft", values)
    if is_grainy(quality):
        key = "photos.very_grainy" if quality.noise > VERY_GRAINY else "photos.grainy"
        yield Message(key, {"noise": round(quality.noise, 1), "limit": GRAINY})


def _of_light(quality: Quality) -> Iterator[Message]:
    if quality.measured_on == "face":
        luma = {"luma": round(quality.brightness)}
        if quality.brightness < _DARK_LUMA and quality.highlights < _DARK_HIGHLIGHTS:
            yield Message("photos.face_dark", {**luma, "limit": _DARK_LUMA})
        bright = quality.brightness > _BRIGHT_LUMA and quality.clipped > _BURNT_SHARE
        if bright or quality.clipped > _BADLY_BURNT_SHARE:
            yield Message("photos.face_burnt", {**luma, "percent": round(100 * quality.clipped)})
    elif quality.highlights < _DARK_PICTURE_HIGHLIGHTS:  # white and black backgrounds are no faults, so that is all
        yield Message("photos.picture_dark", {"luma": round(quality.highlights), "limit": _DARK_PICTURE_HIGHLIGHTS})


def _of_size(quality: Quality | None, width_px: int, height_px: int) -> Iterator[Message]:
    if width_px * height_px < LOW_RESOLUTION_PX**2:
        yield Message("photos.low_resolution", {"width": width_px, "height": height_px, "limit": LOW_RESOLUTION_PX})
    face_px = quality.face_height_px if quality else None
    if face_px is not None and face_px < SMALL_FACE_PX:
        yield Message("photos.small_face", {"height": face_px, "limit": SMALL_FACE_PX})


def _of_faces(judgement: Judgement) -> Iterator[Message]:
    faces, by_hand = judgement.faces, FACES_KEY in judgement.labelled
    if len(faces) > 1:
        yield Message("photos.several_people", {"count": len(faces)})
    if judgement.detector == "none" or by_hand:
        return
    if not faces:
        yield Message("photos.no_face")
    elif not faces[0].is_sure:
        yield Message("photos.face_unsure", {"confidence": round(faces[0].confidence, 2)})


def _beyond(quality: Quality, limits: _Limits) -> bool:
    if quality.noise < _NOISY:
        return quality.sharpness < limits.sharpness or quality.blur > limits.blur
    blur = quality.blur + _BLUR_PER_NOISE * quality.noise
    return quality.sharpness < limits.noisy_sharpness and blur > limits.noisy_blur
