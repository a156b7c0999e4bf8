"""Paint: the colours, signs and letters of the report's pictures. Knows no photo.

Colours are those of Okabe and Ito (2008), which colour-blind people tell apart; no meaning rests on colour alone.
"""

from __future__ import annotations

from PIL import Image, ImageDraw

from ...labels import Labels
from ...pictures import fit_text, font
from .mix import GOOD, MEND

Color = tuple[int, int, int]
BACKGROUND, PANEL, LINE = (28, 28, 30), (38, 38, 41), (74, 74, 80)
TEXT, FAINT = (235, 235, 235), (160, 160, 165)
GREEN, ORANGE, RED, BLUE, GREY = (0, 158, 115), (230, 159, 0), (213, 94, 0), (86, 180, 233), (104, 104, 110)
SMALL_PX, TEXT_PX, TITLE_PX = 14, 18, 26
GAP_PX = 12
LINE_HEIGHT = 1.35


def labels_of(size_px: int, language: str) -> Labels:
    """Words of one size in a language, or in English where no font of this system can draw it."""
    return Labels(font(size_px), language)


def line_px(size_px: int) -> int:
    """The height of a line of text."""
    return round(size_px * LINE_HEIGHT)


def panel(width_px: int, height_px: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty part of a picture."""
    image = Image.new("RGB", (max(1, width_px), max(1, height_px)), BACKGROUND)
    return image, ImageDraw.Draw(image)


def stacked(images: list[Image.Image], width_px: int) -> Image.Image:
    """Pictures below each other."""
    whole, _ = panel(width_px, sum(image.height for image in images))
    top_px = 0
    for image in images:
        whole.paste(image, (0, top_px))
        top_px += image.height
    return whole


def write(
    draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, labels: Labels, width_px: float,
    color: Color = TEXT, anchor: str = "la",
) -> None:  # fmt: skip
    """One line of text, its middle left out where it is wider than there is room."""
    draw.text(place, fit_text(text, labels.font, round(width_px)), fill=color, font=labels.font, anchor=anchor)


def sign(draw: ImageDraw.ImageDraw, place: tuple[int, int], size_px: int, verdict: str) -> None:
    """A tick, a cross or a question mark on a disc; drawn, because fonts lack them."""
    left, top = place
    color = {GOOD: GREEN, MEND: RED}.get(verdict, GREY)
    draw.ellipse((left, top, left + size_px, top + size_px), fill=color)

    def at(x: float, y: float) -> tuple[float, float]:
        return left + x * size_px, top + y * size_px

    stroke_px = max(2, size_px // 8)
    if verdict == GOOD:
        draw.line([at(0.25, 0.52), at(0.44, 0.72), at(0.76, 0.32)], fill="white", width=stroke_px, joint="curve")
    elif verdict == MEND:
        draw.line([at(0.3, 0.3), at(0.7, 0.7)], fill="white", width=stroke_px)
        draw.line([at(0.7, 0.3), at(0.3, 0.7)], fill="white", width=stroke_px)
    else:
        draw.text(at(0.5, 0.5), "?", fill="white", font=font(round(0.75 * size_px)), anchor="mm")


def tag(draw: ImageDraw.ImageDraw, place: tuple[int, int], letter: str, color: Color, labels: Labels) -> int:
    """A letter on a coloured square; its width in pixels."""
    side_px = line_px(SMALL_PX)
    left, top = place
    draw.rectangle((left, top, left + side_px, top + side_px), fill=color, outline=BACKGROUND)
    middle = left + side_px / 2 + 0.5, top + side_px / 2 + 0.5
    draw.text(middle, letter, fill=BACKGROUND if color == BLUE else "white", font=labels.font, anchor="mm")
    return side_px
