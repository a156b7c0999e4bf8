"""Backgrounds of a given size in pixels; what varies inside one (hills, stars) comes from the generator passed in."""

import random

from PIL import Image, ImageDraw

from .pen import Colour, shade

BACKGROUNDS = ("studio lighting", "outdoor setting", "gala event", "beach", "night", "forest", "room", "city")


def draw_background(name: str, size_px: tuple[int, int], rng: random.Random) -> Image.Image:
    return _PAINTERS[name](size_px, rng)


def _gradient(size_px: tuple[int, int], top: Colour, bottom: Colour) -> Image.Image:
    column = Image.new("RGB", (1, 2))
    column.putpixel((0, 0), tuple(top))
    column.putpixel((0, 1), tuple(bottom))
    return column.resize(size_px, Image.Resampling.BILINEAR, box=(0, 0.5, 1, 1.5))


def _glow(image: Image.Image, centre: tuple[float, float], radius: float, colour: Colour, strength: float) -> None:
    """Adds a soft round light; centre and radius as shares of the width and height (radius: of the shorter side)."""
    radius_px = max(2, round(radius * min(image.size)))
    mask = Image.radial_gradient("L").resize((2 * radius_px, 2 * radius_px))
    mask = mask.point(lambda distance: round(max(0, 181 - distance) / 181 * 255 * strength))
    x, y = round(centre[0] * image.width) - radius_px, round(centre[1] * image.height) - radius_px
    image.paste(Image.new("RGB", mask.size, tuple(colour)), (x, y), mask)


def _scaled(image: Image.Image, points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(x * image.width, y * image.height) for x, y in points]


def _disc(draw: ImageDraw.ImageDraw, image: Image.Image, x: float, y: float, radius: float, colour: Colour) -> None:
    radius_px = radius * min(image.size)
    x, y = x * image.width, y * image.height
    draw.ellipse((x - radius_px, y - radius_px, x + radius_px, y + radius_px), fill=tuple(colour))


def _studio(size_px: tuple[int, int], rng: random.Random) -> Image.Image:
    base = rng.choice([(122, 128, 140), (140, 134, 130), (112, 124, 136)])
    image = _gradient(size_px, shade(base, 0.8), shade(base, 1.0))
    _glow(image, (0.5 + rng.uniform(-0.15, 0.15), 0.35), 0.75, (236, 236, 240), 0.8)
    return image


def _outdoor(size_px: tuple[int, int], rng: random.Random) -> Image.Image:
    image = _gradient(size_px, (110, 182, 240), (214, 238, 250))
    draw = ImageDraw.Draw(image)
    _disc(draw, image, rng.choice([0.14, 0.86]), 0.15, 0.09, (255, 236, 130))
    for _ in range(2):
        x, y = rng.random(), rng.uniform(0.08, 0.3)
        for shift in (-0.07, 0, 0.07):
            _disc(draw, image, x + shift, y - 0.02 * (shift == 0), 0.05, (252, 254, 255))
    horizon = rng.uniform(0.55, 0.66)
    peaks = [(x / 6, horizon - rng.uniform(0.02, 0.14)) for x in range(7)]
    draw.polygon(_scaled(image, [(0, 1), *peaks, (1, 1)]), fill=(132, 196, 128))
    draw.polygon(
        _scaled(image, [(0, 1), (0, horizon + 0.06), (0.5, horizon), (1, horizon + 0.08), (1, 1)]), fill=(96, 172, 88)
    )
    return image


def _gala(size_px: tuple[int, int], rng: random.Random) -> Image.Image:
    image = _gradient(size_px, (96, 14, 34), (52, 8, 24))
    draw = ImageDraw.Draw(image)
    for index in range(7):
        x = (index + 0.2) / 7
        draw.polygon(_scaled(image, [(x, 0), (x + 0.06, 0), (x + 0.05, 0.85), (x - 0.01, 0.85)]), fill=(134, 24, 46))
    draw.polygon(_scaled(image, [(0, 0.85), (1, 0.85), (1, 1), (0, 1)]), fill=(108, 66, 36))
    for _ in range(9):
        _glow(image, (rng.random(), rng.uniform(0, 0.6)), rng.uniform(0.05, 0.13), (255, 214, 110), 0.95)
    return image


def _beach(size_px: tuple[int, int], rng: random.Random) -> Image.Image:
    image = _gradient(size_px, (90, 190, 246), (190, 234, 252))
    draw = ImageDraw.Draw(image)
    horizon = rng.uniform(0.42, 0.52)
    draw.polygon(_scaled(image, [(0, horizon), (1, horizon), (1, 1), (0, 1)]), fill=(28, 134, 196))
    sand = horizon + rng.uniform(0.18, 0.24)
    for lift, colour in ((0.03, (236, 250, 252)), (0.0, (240, 212, 150))):
        draw.polygon(
            _scaled(image, [(0, sand - lift), (0.5, sand + 0.03 - lift), (1, sand - lift), (1, 1), (0, 1)]), fill=colour
        )
    if rng.random() < 0.6:
        x = rng.choice([0.12, 0.86])
        draw.polygon(
            _scaled(image, [(x, horizon - 0.14), (x + 0.1, horizon - 0.02), (x, horizon - 0.02)]), fill=(255, 255, 255)
        )
    return image


def _night(size_px: tuple[int, int], rng: random.Random) -> Image.Image:
    image = _gradient(size_px, (12, 16, 46), (38, 44, 96))
    draw = ImageDraw.Draw(image)
    for _ in range(26):
        _disc(draw, image, rng.random(), rng.uniform(0, 0.7), rng.uniform(0.005, 0.011), (250, 246, 214))
    moon_x = rng.choice([0.15, 0.85])
    _disc(draw, image, moon_x, 0.16, 0.085, (250, 244, 206))
    _disc(draw, image, moon_x + 0.035, 0.14, 0.075, (18, 22, 56))
    draw.polygon(_scaled(image, [(0, 1), (0, 0.8), (0.3, 0.72), (0.7, 0.82), (1, 0.74), (1, 1)]), fill=(16, 20, 44))
    return image


def _forest(size_px: tuple[int, int], rng: random.Random) -> Image.Image:
    image = _gradient(size_px, (152, 196, 132), (52, 104, 58))
    draw = ImageDraw.Draw(image)
    for depth in range(9):
        x, width = rng.random(), 0.03 + 0.005 * depth
        draw.polygon(
            _scaled(image, [(x, 0), (x + width, 0), (x + width * 1.2, 0.9), (x - width * 0.2, 0.9)]),
            fill=shade((112, 78, 52), 1.1 - 0.06 * depth),
        )
    for index in range(11):
        _disc(draw, image, index / 10, rng.uniform(-0.05, 0.06), 0.12, shade((46, 118, 54), rng.uniform(0.75, 1.15)))
    draw.polygon(_scaled(image, [(0, 1), (0, 0.84), (0.5, 0.88), (1, 0.83), (1, 1)]), fill=(58, 92, 42))
    return image


def _room(size_px: tuple[int, int], rng: random.Random) -> Image.Image:
    image = _gradient(size_px, (244, 222, 190), (232, 206, 172))
    draw = ImageDraw.Draw(image)
    left = rng.choice([0.04, 0.7])
    draw.rectangle(
        (*_scaled(image, [(left, 0.08)])[0], *_scaled(image, [(left + 0.26, 0.42)])[0]), fill=(255, 255, 255)
    )
    draw.rectangle(
        (*_scaled(image, [(left + 0.02, 0.1)])[0], *_scaled(image, [(left + 0.24, 0.4)])[0]), fill=(150, 208, 244)
    )
    draw.rectangle(
        (*_scaled(image, [(left + 0.12, 0.1)])[0], *_scaled(image, [(left + 0.14, 0.4)])[0]), fill=(255, 255, 255)
    )
    other = 0.74 if left < 0.5 else 0.06
    draw.rectangle((*_scaled(image, [(other, 0.14)])[0], *_scaled(image, [(other + 0.2, 0.34)])[0]), fill=(150, 96, 60))
    frame = rng.choice([(240, 130, 100), (110, 160, 140), (240, 196, 90)])
    draw.rectangle((*_scaled(image, [(other + 0.02, 0.16)])[0], *_scaled(image, [(other + 0.18, 0.32)])[0]), fill=frame)
    draw.polygon(_scaled(image, [(0, 0.84), (1, 0.84), (1, 1), (0, 1)]), fill=(166, 112, 72))
    return image


def _city(size_px: tuple[int, int], rng: random.Random) -> Image.Image:
    image = _gradient(size_px, (250, 196, 150), (252, 226, 190))
    draw = ImageDraw.Draw(image)
    x = -0.02
    while x < 1:
        width, top = rng.uniform(0.12, 0.22), rng.uniform(0.1, 0.45)
        colour = rng.choice([(128, 120, 148), (152, 132, 146), (108, 114, 140)])
        draw.rectangle((*_scaled(image, [(x, top)])[0], *_scaled(image, [(x + width, 0.9)])[0]), fill=colour)
        for row in range(5):
            for column in (0.2, 0.6):
                corner = (x + column * width, top + 0.05 + row * 0.1)
                draw.rectangle(
                    (*_scaled(image, [corner])[0], *_scaled(image, [(corner[0] + 0.04, corner[1] + 0.05)])[0]),
                    fill=(255, 226, 150),
                )
        x += width + 0.01
    draw.polygon(_scaled(image, [(0, 0.88), (1, 0.88), (1, 1), (0, 1)]), fill=(112, 112, 120))
    return image


_PAINTERS = {
    "studio lighting": _studio,
    "outdoor setting": _outdoor,
    "gala event": _gala,
    "beach": _beach,
    "night": _night,
    "forest": _forest,
    "room": _room,
    "city": _city,
}
