"""Planted marks: what people find laid over their photos, drawn on a clean picture whose true pixels are then known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from trainer.photos.photo import Box

Plant = Callable[[Image.Image], tuple[Image.Image, tuple[Box, ...]]]
"""The picture with a mark over it, and the box of every line of it."""

_CHINESE_FONTS = (
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/System/Library/Fonts/PingFang.ttc",
    "C:/Windows/Fonts/msyh.ttc",
)
WHITE, ORANGE = (255, 255, 255), (255, 140, 30)


def chinese_font() -> Path | None:
    """A font of this machine that can write Chinese; Pillow brings none."""
    return next((Path(path) for path in _CHINESE_FONTS if Path(path).exists()), None)


def planted_marks() -> Mapping[str, Plant]:
    """Every kind of mark by name. Those in Chinese are there where the machine has a font for them."""
    marks: dict[str, Plant] = {
        "caption 7 %": line("SUMMER IN LISBON", height=0.07, at=(0.5, 0.93), outline=True),
        "date": line("2019 07 12", height=0.035, at=(0.86, 0.955), colour=ORANGE),
        "16 px": line("photo by lena k.", height=0.016, at=(0.12, 0.975)),
        "tiled .3": tiled("SAMPLE", 0.3),
        "tiled .15": tiled("SAMPLE", 0.15),
        "corner .9": line("@summer.days 95812340", height=0.026, at=(0.8, 0.96), alpha=0.9),
        "corner .4": line("@summer.days 95812340", height=0.026, at=(0.8, 0.96), alpha=0.4),
        "corner .2": line("@summer.days 95812340", height=0.026, at=(0.8, 0.96), alpha=0.2),
    }
    font = chinese_font()
    if font:
        chinese = "小红书号：95812340"
        marks |= {
            "Chinese caption": line("里斯本的夏天真好", height=0.06, at=(0.5, 0.93), outline=True, font=font),
            "Chinese corner .9": line(chinese, height=0.026, at=(0.82, 0.96), alpha=0.9, font=font),
            "Chinese corner .4": line(chinese, height=0.026, at=(0.82, 0.96), alpha=0.4, font=font),
            "Chinese corner .2": line(chinese, height=0.026, at=(0.82, 0.96), alpha=0.2, font=font),
            "Chinese tiled .3": tiled("仅供预览", 0.3, font=font),
        }
    return marks


def line(
    text: str,
    *,
    height: float,
    at: tuple[float, float],
    alpha: float = 1.0,
    colour: tuple[int, int, int] = WHITE,
    outline: bool = False,
    font: Path | None = None,
) -> Plant:
    """One line of text, `height` as a share of the picture's height, centred at a point."""

    def plant(image: Image.Image) -> tuple[Image.Image, tuple[Box, ...]]:
        width_px, height_px = image.size
        letters = _font(font, max(8, round(height * height_px)))
        layer = Image.new("RGBA", image.size, (*colour, 0))
        draw = ImageDraw.Draw(layer)
        place = (at[0] * width_px, at[1] * height_px)
        stroke = {"stroke_width": max(1, round(height * height_px / 16)), "stroke_fill": (0, 0, 0, 255)}
        options = stroke if outline else {}
        draw.text(place, text, font=letters, fill=(*colour, round(alpha * 255)), anchor="mm", **options)
        return _laid_over(image, layer), (_box_of(layer),)

    return plant


def tiled(text: str, alpha: float, *, font: Path | None = None) -> Plant:
    """The same text all over the picture, slanted by 25 degrees."""

    def plant(image: Image.Image) -> tuple[Image.Image, tuple[Box, ...]]:
        width_px, height_px = image.size
        size_px = round(0.045 * max(image.size))
        tile = Image.new("RGBA", (size_px * 6, size_px * 6), (*WHITE, 0))
        draw = ImageDraw.Draw(tile)
        ink = (*WHITE, round(alpha * 255))
        draw.text((size_px * 3, size_px * 3), text, font=_font(font, size_px), fill=ink, anchor="mm")
        tile = tile.rotate(25, resample=Image.Resampling.BICUBIC)
        layer = Image.new("RGBA", image.size, (*WHITE, 0))
        boxes = []
        for row, top in enumerate(range(-size_px * 2, height_px, size_px * 4)):
            for left in range(-size_px * (3 + row % 2 * 3), width_px, size_px * 6):
                one = Image.new("RGBA", image.size, (*WHITE, 0))
                one.paste(tile, (left, top))
                if one.getbbox(alpha_only=True):
                    boxes.append(_box_of(one))
                    layer = Image.alpha_composite(layer, one)
        return _laid_over(image, layer), tuple(boxes)

    return plant


def psnr(image: Image.Image, truth: Image.Image, boxes: tuple[Box, ...]) -> float:
    """Peak signal to noise in decibels inside the boxes; infinite where nothing differs."""
    error, count = 0.0, 0
    for left, top, right, bottom in boxes:
        place = tuple(
            round(share * side) for share, side in zip((left, top, right, bottom), (image.width, image.height) * 2)
        )
        one, other = (np.asarray(one.crop(place), np.float64) for one in (image, truth))
        error += float(((one - other) ** 2).sum())
        count += one.size
    return 10 * np.log10(255**2 * count / error) if error else float("inf")


def _font(path: Path | None, size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.truetype(path, size_px) if path else ImageFont.load_default(size_px)


def _laid_over(image: Image.Image, layer: Image.Image) -> Image.Image:
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def _box_of(layer: Image.Image) -> Box:
    left, top, right, bottom = layer.getbbox(alpha_only=True) or (0, 0, 1, 1)
    return left / layer.width, top / layer.height, right / layer.width, bottom / layer.height
