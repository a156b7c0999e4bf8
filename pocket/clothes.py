"""The body below the head, in head units (shoulders at y 1.2, waist 2.4, feet 4.0), dressed by a clothes name."""

from .pen import Colour, Pen, Point, shade

SHIRTS: dict[str, Colour] = {
    "red shirt": (214, 58, 58),
    "blue shirt": (62, 108, 214),
    "green shirt": (62, 160, 92),
    "yellow shirt": (240, 200, 62),
    "white shirt": (240, 240, 238),
    "black shirt": (50, 50, 58),
}
OUTFITS = ("school uniform", "elegant evening dress", "brown coat", "business suit")
CLOTHES = (*SHIRTS, *OUTFITS)
ARMS: dict[str, tuple[Point, Point]] = {
    "down": ((1.0, 1.9), (1.0, 2.6)),
    "hip": ((1.3, 1.85), (0.72, 2.4)),
    "wave": ((1.25, 1.55), (1.42, 0.75)),
    "folded": ((0.98, 2.0), (0.25, 2.05)),
}
GOLD = (246, 206, 92)


def draw_body(pen: Pen, clothes: str, skin: Colour, arms: tuple[str, str]) -> None:
    """Legs, neck, torso with its details, then the arms (left, right), whose names are keys of ARMS."""
    top, lower = _colours(clothes)
    _draw_legs(pen, clothes, lower, skin)
    pen.polygon([(-0.26, 0.6), (0.26, 0.6), (0.3, 1.3), (-0.3, 1.3)], shade(skin, 0.86))
    if clothes == "elegant evening dress":
        _draw_dress(pen, top, skin)
    else:
        hem = 3.2 if clothes == "brown coat" else 2.55
        pen.blob(
            [
                (-0.3, 1.1),
                (0.3, 1.1),
                (0.78, 1.25),
                (0.74, 1.9),
                (0.72, hem),
                (0, hem + 0.06),
                (-0.72, hem),
                (-0.74, 1.9),
                (-0.78, 1.25),
            ],
            top,
        )
        _DETAILS.get(clothes, _draw_shirt)(pen, top, skin)
    sleeve = skin if clothes == "elegant evening dress" else shade(top, 0.88)
    for side, arm in zip((-1, 1), arms, strict=True):
        elbow, hand = ((side * x, y) for x, y in ARMS[arm])
        pen.line([(side * 0.7, 1.36), elbow], 0.34, sleeve)
        pen.line([elbow, hand], 0.29, skin if clothes in SHIRTS else sleeve)
        pen.ellipse(hand, 0.19, 0.19, skin)


def _colours(clothes: str) -> tuple[Colour, Colour]:
    if clothes in SHIRTS:
        return SHIRTS[clothes], (70, 84, 120)
    return {
        "school uniform": ((34, 44, 92), (90, 96, 120)),
        "elegant evening dress": (((148, 24, 92)), (148, 24, 92)),
        "brown coat": ((150, 104, 62), (60, 56, 60)),
        "business suit": ((84, 90, 104), (72, 78, 92)),
    }[clothes]


def _draw_legs(pen: Pen, clothes: str, lower: Colour, skin: Colour) -> None:
    bare = clothes == "school uniform"
    for side in (-1, 1):
        pen.line([(side * 0.34, 2.4), (side * 0.34, 3.75)], 0.46, skin if bare else lower)
        if bare:
            pen.line([(side * 0.34, 3.3), (side * 0.34, 3.75)], 0.46, (240, 240, 240))
        pen.ellipse((side * 0.4, 3.92), 0.34, 0.18, (58, 44, 42))
    if bare:
        pen.polygon([(-0.66, 2.3), (0.66, 2.3), (0.9, 3.05), (-0.9, 3.05)], lower)


def _draw_shirt(pen: Pen, top: Colour, skin: Colour) -> None:
    pen.ellipse((0, 1.1), 0.36, 0.24, skin)
    pen.arc((0, 1.1), 0.36, 0.24, 0, 180, 0.07, shade(top, 0.75))
    pen.line([(-0.5, 2.5), (0.5, 2.5)], 0.07, shade(top, 0.75))


def _draw_uniform(pen: Pen, top: Colour, skin: Colour) -> None:
    pen.polygon([(-0.36, 1.08), (0.36, 1.08), (0, 1.95)], (250, 250, 250))
    pen.polygon([(-0.12, 1.3), (0.12, 1.3), (0.15, 1.85), (0, 2.0), (-0.15, 1.85)], (206, 46, 56))
    for side in (-1, 1):
        pen.polygon([(side * 0.34, 1.06), (side * 0.56, 1.2), (side * 0.1, 2.0), (0, 1.95)], shade(top, 1.25))
    pen.ellipse((0.42, 1.75), 0.11, 0.13, GOLD)


def _draw_coat(pen: Pen, top: Colour, skin: Colour) -> None:
    pen.polygon([(-0.3, 1.06), (0.3, 1.06), (0, 1.6)], (242, 234, 214))
    for side in (-1, 1):
        pen.polygon([(side * 0.3, 1.02), (side * 0.68, 1.24), (side * 0.3, 1.75), (0, 1.6)], shade(top, 0.74))
    pen.line([(0, 1.6), (0, 3.15)], 0.06, shade(top, 0.6))
    for y in (1.95, 2.35):
        pen.ellipse((0.18, y), 0.08, 0.08, shade(top, 0.45))


def _draw_suit(pen: Pen, top: Colour, skin: Colour) -> None:
    pen.polygon([(-0.34, 1.08), (0.34, 1.08), (0, 2.05)], (248, 248, 250))
    pen.polygon([(-0.08, 1.3), (0.08, 1.3), (0.1, 1.8), (0, 1.95), (-0.1, 1.8)], (40, 66, 128))
    for side in (-1, 1):
        pen.polygon([(side * 0.32, 1.06), (side * 0.62, 1.22), (side * 0.34, 1.5), (0, 2.1)], shade(top, 0.72))


def _draw_dress(pen: Pen, top: Colour, skin: Colour) -> None:
    pen.blob([(-0.3, 1.05), (0.3, 1.05), (0.74, 1.24), (0.66, 1.7), (-0.66, 1.7), (-0.74, 1.24)], skin)
    pen.blob(
        [
            (-0.66, 1.5),
            (0, 1.68),
            (0.66, 1.5),
            (0.52, 2.3),
            (0.8, 3.0),
            (1.1, 3.9),
            (0, 4.0),
            (-1.1, 3.9),
            (-0.8, 3.0),
            (-0.52, 2.3),
        ],
        top,
    )
    pen.line([(-0.5, 2.3), (0.5, 2.3)], 0.12, GOLD)
    pen.arc((0, 1.05), 0.36, 0.3, 10, 170, 0.08, GOLD)
    for x, y in ((-0.3, 1.85), (0.25, 2.0), (-0.5, 3.0), (0.4, 2.8), (0.0, 3.4), (0.7, 3.5), (-0.75, 3.6)):
        pen.ellipse((x, y), 0.05, 0.05, shade(top, 1.6))


_DETAILS = {"school uniform": _draw_uniform, "brown coat": _draw_coat, "business suit": _draw_suit}
