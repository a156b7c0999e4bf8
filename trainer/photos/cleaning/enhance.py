"""Enhance: a face that is soft or small restored, in part, with its own texture kept; never anything but the face.

Restoring changes who a face looks like, and does so more the less there was to see: off by default, mixed in at no more
than half, and refused where the result is another picture.

Legend: H and W pixels of the aligned face, C red, green and blue; in levels (0..255).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from ...messages import Message
from ..boxes import point_inside
from ..judging.findings import is_grainy, is_small, is_soft
from ..photo import Face, Quality
from .align import Similarity, cut_face, face_in_template, fit_similarity, paste_change, scale_of
from .config import APPLY, OFF, CleanConfig
from .draft import Draft
from .restorers import FACE_PX
from .tools import CleanTools

Array = np.ndarray[Any, np.dtype[Any]]

_MIN_FACE_PX = 48
"""A lower face is invented rather than restored (judgement, not measured)."""
_MAX_MISFIT_PX = 38.0
"""Landmarks farther from the template belong to a head turned by more than 65 degrees: restorers saw hardly any."""
_MAX_DIFFERENCE = 24.0
"""Levels by which a restored face may differ, seen at 32 x 32: more is another picture, made by a wrong file."""
_TEXTURE_PX = 2.0
"""What is finer than this in the picture is texture: pores and hair, not light and shape."""
_KEPT_TEXTURE = 0.7
"""The share of the texture lost to smoothing that comes back. All of it would undo the restorer."""


def missing_tool(config: CleanConfig, tools: CleanTools) -> Message | None:
    """What to say once for the set where faces should be restored and nothing is there to do it with."""
    if config.enhance_faces == OFF or tools.face_restorer:
        return None
    return Message("photos.no_restorer")


def enhance_face(image: Image.Image, draft: Draft, config: CleanConfig, tools: CleanTools) -> tuple[Image.Image, Draft]:
    """The picture with the subject's face restored where it is soft or small: a retouching step.

    Raises UserError for a restorer's file that is none.
    """
    quality = draft.judgement.quality
    restorer = tools.face_restorer
    if config.enhance_faces == OFF or not restorer or not draft.judgement.faces or not quality:
        return image, draft
    if not (is_small(quality) or _is_soft_face(quality)):
        return image, draft
    face = draft.judgement.faces[0]
    similarity = _place(face, draft, image)
    if isinstance(similarity, Message):
        return image, draft.note(similarity)
    values = {
        "height": quality.face_height_px or 0,
        "blur": round(quality.blur, 2),
        "strength": config.enhance_strength,
    }
    if config.enhance_faces != APPLY:
        return image, draft.note(Message("photos.face_enhance_found", values))
    aligned = cut_face(image, similarity)
    restored = restorer.restore(aligned, _detail_px(similarity, quality))
    difference = _difference(aligned, restored)
    if difference > _MAX_DIFFERENCE:
        apart = {"tool": restorer.name, "difference": round(difference), "limit": round(_MAX_DIFFERENCE)}
        return image, draft.note(Message("photos.face_not_enhanced_other", apart))
    texture_px = _TEXTURE_PX * max(1.0, scale_of(similarity))
    kept = 0.0 if is_grainy(quality) else _KEPT_TEXTURE  # grain is texture too, and would come back with it
    change_HWC = config.enhance_strength * gentle_change(aligned, restored, texture_px, kept)
    return paste_change(image, change_HWC, similarity), draft.note(Message("photos.face_enhanced", values))


def gentle_change(aligned: Image.Image, restored: Image.Image, texture_px: float, kept_texture: float) -> Array:
    """What to add to an aligned face to make it the restored one, [H, W, C] fp32, save for the texture it would lose.

    Texture is what is finer than `texture_px`. How much of the original's is found again in the restored face tells a
    linear regression around each pixel; of the loss, `kept_texture` is left out. New texture comes whole, and equal
    faces give no change.
    """
    from scipy.ndimage import gaussian_filter

    before_HWC, after_HWC = (np.asarray(face, dtype=np.float32) for face in (aligned, restored))
    around = (texture_px, texture_px, 0)
    texture_HWC, made_HWC = (face_HWC - gaussian_filter(face_HWC, around) for face_HWC in (before_HWC, after_HWC))
    wide_px = 4 * texture_px
    energy_HW = gaussian_filter((texture_HWC**2).mean(axis=-1), wide_px)
    shared_HW = gaussian_filter((texture_HWC * made_HWC).mean(axis=-1), wide_px)
    again_HW = np.where(energy_HW > 1e-3, np.clip(shared_HW / np.maximum(energy_HW, 1e-3), 0, 1), 1)
    return after_HWC - before_HWC + kept_texture * (1 - again_HW)[:, :, None] * texture_HWC


def _place(face: Face, draft: Draft, image: Image.Image) -> Similarity | Message:
    """Where the face lies in the picture, or why it cannot be brought to its place."""
    if not face.is_sure:
        return Message("photos.face_not_enhanced_unsure", {"percent": round(100 * face.confidence)})
    if len(face.landmarks) != 5:
        return Message("photos.face_not_enhanced_landmarks", {"detector": draft.judgement.detector})
    top, bottom = (point_inside((0.0, y), draft.frame)[1] * image.height for y in (face.box[1], face.box[3]))
    if bottom - top < _MIN_FACE_PX:
        return Message("photos.face_not_enhanced_tiny", {"height": round(bottom - top), "limit": _MIN_FACE_PX})
    landmarks = [point_inside(point, draft.frame) for point in face.landmarks]
    similarity, misfit_px = fit_similarity(landmarks, image.width, image.height)
    if misfit_px > _MAX_MISFIT_PX:
        return Message("photos.face_not_enhanced_turned")
    return similarity


def _is_soft_face(quality: Quality) -> bool:
    return quality.measured_on == "face" and is_soft(quality)


def _detail_px(similarity: Similarity, quality: Quality) -> int:
    """The side at which the aligned face has as many pixels as it has detail: half of its own where it is soft."""
    own_px = FACE_PX / scale_of(similarity)
    return max(1, min(FACE_PX, round(own_px / 2 if _is_soft_face(quality) else own_px)))


def _difference(aligned: Image.Image, restored: Image.Image) -> float:
    """How far light, colour and shape of two aligned faces are apart, in levels: mean over the face, at 32 x 32."""
    small = [np.asarray(face.resize((32, 32), Image.Resampling.BOX), dtype=np.float32) for face in (aligned, restored)]
    inside = face_in_template()[8::16, 8::16]
    return float(np.abs(small[0] - small[1]).mean(axis=-1)[inside].mean())
