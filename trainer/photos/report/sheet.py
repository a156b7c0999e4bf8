"""Sheet: photos as small pictures in rows, with their names and what is known about them. Decides nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

from ...labels import Labels
from ...messages import UserError
from ...pictures import font
from ..boxes import pixels_of
from ..folder import shown_path
from ..photo import WHOLE, Box, Photo, PhotoSet
from ..pixels import read_thumbnail
from ..room import memory_of
from ..threads import in_threads
from .paint import BLUE, FAINT, GAP_PX, LINE, SMALL_PX, TEXT, TITLE_PX, Color, labels_of, line_px, panel, tag, write

MAX_PHOTOS = 100
"""A sheet shows so many photos, and then says how many more there are."""
_MAX_PAIRS = 50
_THUMB_PX = 160
_FADED = 0.6


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One photo on a sheet."""

    photo: Photo
    paths: tuple[Path, ...]
    """The files to show, side by side."""
    lines: tuple[str, ...]
    """Below it, the first one bright."""
    tags: tuple[tuple[str, Color], ...] = ()
    """Letters in its corner."""
    frame: Box = WHOLE
    """The part of the first file that is marked."""
    is_faded: bool = False
    """Grey, as what is not used."""


def contact_sheet(photos: PhotoSet, max_photos: int = MAX_PHOTOS, thumb_px: int = _THUMB_PX) -> Image.Image:
    """The first photos as thumbnails, the file name under each, or its number if no font can draw the name.

    A photo that has gone since it was loaded is an empty frame.
    """
    labels = labels_of(SMALL_PX, "en")
    cells = [
        Cell(photo=photo, paths=(photo.path,), lines=(name_of(photo, photos, number, labels),))
        for number, photo in enumerate(photos.photos[:max_photos], start=1)
    ]
    columns = max(1, math.ceil(math.sqrt(len(cells))))
    return draw_cells(cells, columns, thumb_px, num_more=len(photos.photos) - len(cells))


def before_after_sheet(photos: PhotoSet, max_photos: int = _MAX_PAIRS, thumb_px: int = _THUMB_PX) -> Image.Image:
    """Pairs of the user's photo, with the part that was kept marked, and its working copy; changed ones first."""
    labels = labels_of(SMALL_PX, "en")
    numbered = list(enumerate(photos.photos, start=1))
    numbered.sort(key=lambda one: not (one[1].done or one[1].shown_part != WHOLE))
    cells = [
        Cell(
            photo=photo,
            paths=(photo.source_path, photo.path) if photo.is_working_copy else (photo.path,),
            lines=(name_of(photo, photos, number, labels),),
            frame=photo.shown_part,
        )
        for number, photo in numbered[:max_photos]
    ]
    columns = max(1, math.ceil(math.sqrt(len(cells) / 2)))
    return draw_cells(cells, columns, thumb_px, num_pictures=2, num_more=len(photos.photos) - len(cells))


def name_of(photo: Photo, photos: PhotoSet, number: int, labels: Labels) -> str:
    """The file's name, or its number where no font can draw it."""
    return labels.own(shown_path(photo.source_path, photos.folder), f"#{number}")


def draw_cells(
    cells: Sequence[Cell], columns: int, thumb_px: int, *, num_pictures: int = 1, num_more: int = 0
) -> Image.Image:
    """The cells in rows. `num_more` photos that are not shown are counted on a line of its own."""

    def thumbnails_of(cell: Cell) -> list[Image.Image | None]:
        return [_thumbnail(path, thumb_px, is_faded=cell.is_faded) for path in cell.paths]

    thumbnails = in_threads(thumbnails_of, cells, num_bytes=lambda cell: memory_of(cell.photo))
    labels = labels_of(SMALL_PX, "en")
    num_lines = max((len(cell.lines) for cell in cells), default=1)
    inner_px = num_pictures * thumb_px + (num_pictures - 1) * 2
    width_px, height_px = inner_px + GAP_PX, thumb_px + num_lines * line_px(SMALL_PX) + GAP_PX
    rows_px = max(1, math.ceil(len(cells) / columns)) * height_px + GAP_PX
    sheet, draw = panel(columns * width_px + GAP_PX, rows_px + (line_px(TITLE_PX) if num_more else 0))
    if num_more:
        draw.text((sheet.width / 2, rows_px), f"+{num_more}", TEXT, font(TITLE_PX), anchor="ma")
    for index, cell in enumerate(cells):
        left, top = GAP_PX + index % columns * width_px, GAP_PX + index // columns * height_px
        for position, thumbnail in enumerate(thumbnails[index]):
            _paste(sheet, thumbnail, (left + position * (thumb_px + 2), top), thumb_px)
        if cell.frame != WHOLE and thumbnails[index][0]:
            _outline(draw, thumbnails[index][0], (left, top), thumb_px, cell.frame)
        tag_left = left
        for letter, color in cell.tags[: thumb_px // line_px(SMALL_PX)]:
            tag_left += tag(draw, (tag_left, top), letter, color, labels)
        for number, line in enumerate(cell.lines):
            place = left + inner_px / 2, top + thumb_px + 3 + number * line_px(SMALL_PX)
            write(draw, place, line, labels, inner_px, FAINT if number or cell.is_faded else TEXT, "ma")
    return sheet


def _thumbnail(path: Path, thumb_px: int, *, is_faded: bool) -> Image.Image | None:
    """None for a photo that has gone: a report of what was found is still worth reading."""
    try:
        image = read_thumbnail(path, thumb_px)
    except UserError:
        return None
    return ImageOps.grayscale(image).point(lambda luma: round(_FADED * luma)).convert("RGB") if is_faded else image


def _paste(sheet: Image.Image, image: Image.Image | None, place: tuple[int, int], thumb_px: int) -> None:
    left, top = place
    if image is None:
        draw = ImageDraw.Draw(sheet)
        draw.rectangle((left, top, left + thumb_px - 1, top + thumb_px - 1), outline=LINE)
        draw.text((left + thumb_px / 2, top + thumb_px / 2), "?", FAINT, labels_of(SMALL_PX, "en").font, anchor="mm")
        return
    sheet.paste(image, (left + (thumb_px - image.width) // 2, top + (thumb_px - image.height) // 2))


def _outline(
    draw: ImageDraw.ImageDraw, image: Image.Image | None, place: tuple[int, int], thumb_px: int, frame: Box
) -> None:
    if image is None:
        return
    left, top = place[0] + (thumb_px - image.width) // 2, place[1] + (thumb_px - image.height) // 2
    box = pixels_of(frame, *image.size)
    draw.rectangle((left + box[0], top + box[1], left + box[2] - 1, top + box[3] - 1), outline=BLUE, width=2)
