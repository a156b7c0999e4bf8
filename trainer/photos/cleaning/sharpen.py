"""Sharpen: what scaling down has softened, and no more. Looks at no other photo's fault."""

from __future__ import annotations

from PIL import Image, ImageFilter

from ...messages import Message
from ..judging.findings import is_grainy
from .config import APPLY, OFF, CleanConfig
from .draft import Draft
from .tools import CleanTools

_RADIUS_PX, _PERCENT, _THRESHOLD = 0.7, 60, 2
"""High frequencies grow by 15 to 25 %, fewer than 0.05 % of the pixels are newly burnt out; at radius 1.2 and 120 %
they grow by 80 %, and skin looks scratched. Differences under 2 levels are left alone."""
_SCALED_DOWN = 0.9
"""Only a picture made smaller than this has been softened by it."""


def sharpen(image: Image.Image, draft: Draft, config: CleanConfig, tools: CleanTools) -> tuple[Image.Image, Draft]:
    """The picture with a moderate unsharp mask, if it was scaled down and has no grain: a retouching step."""
    scale = image.width / draft.frame_px[0]
    if config.sharpen == OFF or scale > _SCALED_DOWN:
        return image, draft
    quality = draft.judgement.quality
    if quality and is_grainy(quality):
        return image, draft.note(Message("photos.not_sharpened_grain", {"noise": round(quality.noise, 1)}))
    values = {"percent": round(100 * scale)}
    if config.sharpen != APPLY:
        return image, draft.note(Message("photos.sharpen_found", values))
    sharper = image.filter(ImageFilter.UnsharpMask(radius=_RADIUS_PX, percent=_PERCENT, threshold=_THRESHOLD))
    return sharper, draft.note(Message("photos.sharpened", values))
