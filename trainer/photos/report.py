"""Report: a PhotoSet as a short text and as a contact sheet. Judges nothing beyond what loading and cleaning found."""

from __future__ import annotations

import math

from PIL import Image, ImageDraw

from ..messages import Message, sentence
from ..pictures import can_draw, fit_text, font
from .load import shown_path
from .photo import PhotoSet
from .pixels import read_thumbnail
from .threads import in_threads

_GAP_PX = 8
_TEXT_PX = 14
_BACKGROUND = (32, 32, 32)
_TEXT = (220, 220, 220)


def describe(photos: PhotoSet, language: str) -> str:
    """Counts, sizes, rejected files with their reasons, and warnings: one line each, in the user's language."""
    lines = [Message("photos.report_count", {"count": len(photos.photos), "folder": photos.folder})]
    if photos.photos:
        by_area = sorted(photos.photos, key=lambda photo: photo.width_px * photo.height_px)
        small, large = (f"{photo.width_px} x {photo.height_px}" for photo in (by_area[0], by_area[-1]))
        lines.append(Message("photos.report_sizes", {"small": small, "large": large}))
    lines += photos.warnings
    if photos.rejected:
        lines.append(Message("photos.report_rejected", {"count": len(photos.rejected)}))
    text = [sentence(line, language) for line in lines]
    text += [f"- {shown_path(file.path, photos.folder)}: {sentence(file.reason, language)}" for file in photos.rejected]
    return "\n".join(text)


def contact_sheet(photos: PhotoSet, max_photos: int = 24, thumb_px: int = 160) -> Image.Image:
    """The first photos as thumbnails, the file name under each, or its number if no font can draw the name.

    Raises UserError if a photo has gone since it was loaded.
    """
    shown = photos.photos[:max_photos]
    thumbnails = in_threads(lambda photo: read_thumbnail(photo.path, thumb_px), shown, lambda done, total: None)
    columns = max(1, math.ceil(math.sqrt(len(shown))))
    rows = max(1, math.ceil(len(shown) / columns))
    cell_width_px, cell_height_px = thumb_px + _GAP_PX, thumb_px + _TEXT_PX + 2 * _GAP_PX
    sheet = Image.new("RGB", (columns * cell_width_px + _GAP_PX, rows * cell_height_px + _GAP_PX), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    text_font = font(_TEXT_PX)
    for index, (photo, thumbnail) in enumerate(zip(shown, thumbnails, strict=True)):
        left = _GAP_PX + index % columns * cell_width_px
        top = _GAP_PX + index // columns * cell_height_px
        sheet.paste(thumbnail, (left + (thumb_px - thumbnail.width) // 2, top + (thumb_px - thumbnail.height) // 2))
        name = shown_path(photo.source_path, photos.folder)
        name = name if can_draw(name, text_font) else str(index + 1)
        name = fit_text(name, text_font, thumb_px)
        draw.text((left + thumb_px // 2, top + thumb_px + 2), name, fill=_TEXT, font=text_font, anchor="ma")
    return sheet
