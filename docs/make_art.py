"""Draws the icon and the banner of the registry: a portrait that comes out of noise. `python docs/make_art.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
ICON_PX, BANNER_PX = 400, (1260, 540)
NIGHT, PAPER = (22, 20, 44), (246, 240, 232)
WALL, HAIR, SKIN, DRESS, EYES, LIPS = (
    (84, 92, 190),
    (58, 26, 60),
    (250, 206, 176),
    (255, 138, 92),
    (48, 34, 56),
    (206, 84, 92),
)
NOISE_CELLS = 20


def portrait(side_px: int) -> Image.Image:
    """Head and shoulders before a wall, drawn four times as large and scaled down."""
    unit = side_px * 4 / 100
    picture = Image.new("RGB", (side_px * 4, side_px * 4), WALL)
    draw = ImageDraw.Draw(picture)

    def ellipse(x: float, y: float, width: float, height: float, color: tuple[int, int, int]) -> None:
        box = [(x - width / 2) * unit, (y - height / 2) * unit, (x + width / 2) * unit, (y + height / 2) * unit]
        draw.ellipse(box, fill=color)

    ellipse(50, 108, 86, 66, DRESS)
    ellipse(50, 47, 58, 66, HAIR)
    draw.rectangle([21 * unit, 46 * unit, 79 * unit, 78 * unit], fill=HAIR)
    draw.rectangle([43 * unit, 62 * unit, 57 * unit, 82 * unit], fill=SKIN)
    ellipse(50, 80, 26, 12, SKIN)
    ellipse(50, 48, 40, 48, SKIN)
    draw.pieslice([28 * unit, 14 * unit, 72 * unit, 62 * unit], 180, 360, fill=HAIR)
    for x in (42, 58):
        ellipse(x, 48, 5, 6.5, EYES)
    draw.arc([43 * unit, 52 * unit, 57 * unit, 63 * unit], 30, 150, fill=LIPS, width=round(1.8 * unit))
    return picture.resize((side_px, side_px), Image.Resampling.LANCZOS)


def noised(side_px: int, share_HW: np.ndarray, seed: int) -> Image.Image:
    """The portrait with coloured noise mixed in, cell by cell; `share_HW` is the noise's share per cell, 0 to 1."""
    noise = np.random.default_rng(seed).integers(0, 256, (NOISE_CELLS, NOISE_CELLS, 3), dtype=np.uint8)
    size = (side_px, side_px)
    cells = Image.fromarray(noise).resize(size, Image.Resampling.NEAREST)
    mask = Image.fromarray(np.round(share_HW * 255).astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    return Image.composite(cells, portrait(side_px), mask)


def rounded(picture: Image.Image, radius_px: int) -> Image.Image:
    """The picture with round corners, transparent outside."""
    mask = Image.new("L", (picture.width * 4, picture.height * 4), 0)
    ImageDraw.Draw(mask).rounded_rectangle([0, 0, mask.width - 1, mask.height - 1], radius_px * 4, fill=255)
    result = picture.convert("RGBA")
    result.putalpha(mask.resize(picture.size, Image.Resampling.LANCZOS))
    return result


def icon() -> Image.Image:
    """Noise at the left, the person at the right."""
    columns = np.clip(1.25 - np.linspace(0, 2.1, NOISE_CELLS), 0, 1)
    return rounded(noised(ICON_PX, np.broadcast_to(columns, (NOISE_CELLS, NOISE_CELLS)), seed=3), 80)


def banner() -> Image.Image:
    """Five steps from noise to the person, under the name."""
    picture = Image.new("RGB", BANNER_PX, NIGHT)
    draw = ImageDraw.Draw(picture)
    draw.text((60, 56), "Z-Image LoRA Trainer", font=ImageFont.load_default(84), fill=PAPER)
    draw.text(
        (64, 164),
        "from a folder of photos to a LoRA, on the ComfyUI canvas",
        font=ImageFont.load_default(34),
        fill=PAPER,
    )
    side_px, gap_px = 212, 20
    for index, share in enumerate((1.0, 0.72, 0.42, 0.16, 0.0)):
        tile = rounded(noised(side_px, np.full((NOISE_CELLS, NOISE_CELLS), share), seed=3), 28)
        picture.paste(tile, (60 + index * (side_px + gap_px), 268), tile)
    return picture


if __name__ == "__main__":
    icon().save(HERE / "icon.png", optimize=True)
    banner().quantize(256, dither=Image.Dither.NONE).save(HERE / "banner.png", optimize=True)
