"""Procedural people: a Figure is who it is, a Scene is one photo of them, draw() makes it. Knows no model."""

import math
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

from .backgrounds import draw_background
from .clothes import draw_body
from .hair import draw_hair_behind, draw_hair_front
from .pen import Colour, Pen, Point, shade

SUPERSAMPLING = 3
LIGHTS: dict[str, Colour] = {
    "neutral": (255, 255, 255),
    "warm": (255, 242, 222),
    "cool": (230, 240, 255),
    "dim": (226, 225, 232),
}
EXPRESSIONS = ("smile", "grin", "calm", "surprised")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What stays the same in every photo of one person. The names are the words of captions."""

    hair_name: str
    hair_colour: Colour
    hair_style: str
    fringe: str
    skin_name: str
    skin: Colour
    eye_colour: Colour
    face_width: float = 1.0
    glasses: bool = False
    freckles: bool = False
    beard: bool = False


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What differs from photo to photo. Offsets are shares of the picture's sides; turn is -1 (looks left) to 1."""

    framing: str
    clothes: str
    background: str
    light: str = "neutral"
    expression: str = "smile"
    tilt_deg: float = 0.0
    turn: float = 0.0
    offset: Point = (0.0, 0.0)
    zoom: float = 1.0
    arms: tuple[str, str] = ("down", "down")
    backdrop_seed: int = 0


def draw(figure: Figure, scene: Scene, size_px: tuple[int, int]) -> Image.Image:
    """The photo, RGB, of size_px = (width, height). The same arguments give the same pixels."""
    width, height = (side * SUPERSAMPLING for side in size_px)
    image = draw_background(scene.background, (width, height), random.Random(scene.backdrop_seed))
    pen = Pen(ImageDraw.Draw(image, "RGBA"), *_placement(scene, width, height))
    head = pen.moved(0, 0.5, math.radians(scene.tilt_deg)).moved(0, -0.5)
    draw_hair_behind(head, figure.hair_style, figure.hair_colour, figure.face_width)
    draw_body(pen, scene.clothes, figure.skin, scene.arms)
    _draw_face(head, figure, scene)
    draw_hair_front(head, figure.hair_style, figure.fringe, figure.hair_colour, figure.face_width)
    if figure.glasses:
        _draw_glasses(head, figure, 0.14 * scene.turn)
    return _lit(image.reduce(SUPERSAMPLING), LIGHTS[scene.light])


def _placement(scene: Scene, width: int, height: int) -> tuple[Point, float]:
    """Where the head's centre lies and how long a head unit is, in pixels."""
    short = min(width, height)
    if scene.framing == "full":
        unit = 0.168 * min(height, 1.3 * width) * scene.zoom
        centre_y = 0.96 * height - 4.1 * unit
    else:
        unit = {"close": 0.33, "medium": 0.235}[scene.framing] * short * scene.zoom
        centre_y = {"close": 0.5, "medium": 0.4}[scene.framing] * height
    return ((0.5 + scene.offset[0]) * width, centre_y + scene.offset[1] * height), unit


def _draw_face(pen: Pen, figure: Figure, scene: Scene) -> None:
    wide, skin, shift = figure.face_width, figure.skin, 0.14 * scene.turn
    for side in (-1, 1):
        pen.ellipse((side * 0.8 * wide - 0.5 * shift, 0.14), 0.13, 0.19, shade(skin, 0.9))
    pen.blob(
        [
            (0, -0.95),
            (0.58 * wide, -0.76),
            (0.82 * wide, -0.2),
            (0.78 * wide, 0.35),
            (0.45 * wide, 0.82),
            (0, 0.97),
            (-0.45 * wide, 0.82),
            (-0.78 * wide, 0.35),
            (-0.82 * wide, -0.2),
            (-0.58 * wide, -0.76),
        ],
        skin,
    )
    if figure.beard:
        _draw_beard(pen, figure, shift)
    for side in (-1, 1):
        pen.ellipse((side * 0.5 * wide + shift, 0.42), 0.17, 0.11, (236, 92, 92, 70))
        _draw_eye(pen, (side * 0.36 * wide + shift, 0.12), figure, scene)
    if figure.freckles:
        for x, y in ((-0.52, 0.36), (-0.4, 0.43), (-0.29, 0.36), (0.29, 0.36), (0.4, 0.43), (0.52, 0.36), (0, 0.3)):
            pen.ellipse((x * wide + shift, y), 0.042, 0.042, shade(skin, 0.62))
    pen.arc((0.6 * shift + shift, 0.3), 0.09, 0.08, 20, 160, 0.05, shade(skin, 0.7))
    _draw_mouth(pen, (1.1 * shift, 0.56), scene.expression)


def _draw_eye(pen: Pen, centre: Point, figure: Figure, scene: Scene) -> None:
    x, y = centre
    tall = 0.24 if scene.expression == "surprised" else 0.2
    pen.ellipse((x, y), 0.185, tall, (252, 252, 252))
    iris_x = x + 0.05 * scene.turn
    pen.ellipse((iris_x, y + 0.02), 0.135, 0.17, figure.eye_colour)
    pen.ellipse((iris_x, y + 0.03), 0.075, 0.1, (24, 20, 26))
    pen.ellipse((iris_x - 0.05, y - 0.05), 0.045, 0.05, (255, 255, 255))
    pen.arc((x, y), 0.2, tall, 200, 340, 0.07, (48, 36, 40))
    lift = 0.1 if scene.expression == "surprised" else 0.0
    pen.arc((x, y - 0.16 - lift), 0.2, 0.14, 215, 325, 0.065, shade(figure.hair_colour, 0.62))


def _draw_mouth(pen: Pen, centre: Point, expression: str) -> None:
    x, y = centre
    lips = (178, 58, 66)
    if expression == "grin":
        pen.polygon(
            [
                (x - 0.26, y),
                *((x + 0.26 * math.cos(a / 8 * math.pi), y + 0.24 * math.sin(a / 8 * math.pi)) for a in range(9)),
            ],
            (150, 34, 48),
        )
        pen.polygon([(x - 0.23, y), (x + 0.23, y), (x + 0.19, y + 0.07), (x - 0.19, y + 0.07)], (255, 255, 255))
    elif expression == "smile":
        pen.arc((x, y - 0.06), 0.24, 0.18, 20, 160, 0.075, lips)
    elif expression == "calm":
        pen.line([(x - 0.16, y + 0.06), (x + 0.16, y + 0.06)], 0.075, lips)
    else:
        pen.ellipse((x, y + 0.08), 0.11, 0.14, (150, 34, 48))


def _draw_beard(pen: Pen, figure: Figure, shift: float) -> None:
    wide = figure.face_width
    pen.blob(
        [
            (-0.8 * wide, 0.2),
            (-0.55 * wide, 0.5),
            (-0.25 + shift, 0.46),
            (0.25 + shift, 0.46),
            (0.55 * wide, 0.5),
            (0.8 * wide, 0.2),
            (0.6 * wide, 0.85),
            (0, 1.15),
            (-0.6 * wide, 0.85),
        ],
        shade(figure.hair_colour, 0.82),
    )
    pen.ellipse((shift, 0.62), 0.3, 0.16, figure.skin)


def _draw_glasses(pen: Pen, figure: Figure, shift: float) -> None:
    frame = (36, 34, 44)
    for side in (-1, 1):
        centre = (side * 0.38 * figure.face_width + shift, 0.13)
        pen.ellipse(centre, 0.3, 0.28, (255, 255, 255, 50))
        pen.ring(centre, 0.3, 0.28, 0.085, frame)
    pen.line([(-0.1 + shift, 0.1), (0.1 + shift, 0.1)], 0.085, frame)


def _lit(image: Image.Image, light: Colour) -> Image.Image:
    """Every channel multiplied by the light's."""
    if light == LIGHTS["neutral"]:
        return image
    tables = [round(value * channel / 255) for channel in light for value in range(256)]
    return image.point(tables)
