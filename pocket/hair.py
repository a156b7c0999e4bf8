"""Hair in head units (half the skull is 0.8 wide, 0.95 tall): what hangs behind and what lies in front."""

import math

from .pen import Colour, Pen, shade

COMMON_STYLES = ("short", "long", "bob", "ponytail", "bun", "curly")
RARE_STYLES = ("twin_buns", "mohawk", "pigtails", "afro")
FRINGES = ("full", "side", "open")


def draw_hair_behind(pen: Pen, style: str, colour: Colour, width: float) -> None:
    """Everything that lies behind the body and the head."""
    dark = shade(colour, 0.78)
    if style == "long":
        pen.blob(
            [
                (0, -1.12),
                (0.92 * width, -0.5),
                (1.02 * width, 0.6),
                (0.98, 1.7),
                (0.4, 1.95),
                (-0.4, 1.95),
                (-0.98, 1.7),
                (-1.02 * width, 0.6),
                (-0.92 * width, -0.5),
            ],
            dark,
        )
    elif style == "bob":
        pen.blob(
            [
                (0, -1.12),
                (0.95 * width, -0.5),
                (1.12 * width, 0.45),
                (0.85, 0.95),
                (0, 0.8),
                (-0.85, 0.95),
                (-1.12 * width, 0.45),
                (-0.95 * width, -0.5),
            ],
            dark,
        )
    elif style == "ponytail":
        pen.blob(
            [(0.45, -0.95), (1.15, -0.95), (1.5, -0.2), (1.42, 0.7), (1.15, 1.25), (1.05, 0.6), (0.95, -0.1)], dark
        )
        pen.ellipse((0.78, -0.72), 0.16, 0.16, (235, 90, 110))
    elif style == "pigtails":
        for side in (-1, 1):
            pen.blob(
                [(side * 0.7, -0.3), (side * 1.15, -0.35), (side * 1.45, 0.4), (side * 1.3, 1.35), (side * 1.0, 0.8)],
                dark,
            )
            pen.ellipse((side * 0.88, -0.25), 0.15, 0.15, (250, 215, 80))
    elif style == "bun":
        pen.ellipse((0, -1.2), 0.42, 0.4, dark)
        pen.ellipse((-0.05, -1.25), 0.34, 0.31, colour)
    elif style == "twin_buns":
        for side in (-1, 1):
            pen.ellipse((side * 0.68, -0.98), 0.44, 0.42, dark)
            pen.ellipse((side * 0.66, -1.03), 0.36, 0.33, colour)
            pen.arc((side * 0.66, -1.0), 0.2, 0.18, 150, 330, 0.05, shade(colour, 1.35))
    elif style == "afro":
        _puffs(pen, 1.0 * width, 1.0, -0.22, 0.42, dark, range(-50, 231, 20))
        pen.ellipse((0, -0.25), 1.05 * width, 1.05, dark)
    elif style == "curly":
        _puffs(pen, 0.82 * width, 0.92, 0.05, 0.3, dark, range(-240, 61, 20))


def draw_hair_front(pen: Pen, style: str, fringe: str, colour: Colour, width: float) -> None:
    """The cap of hair over the skull and the fringe over the forehead."""
    light = shade(colour, 1.25)
    if style == "mohawk":
        pen.blob(
            [
                (-0.28, -0.55),
                (-0.4, -1.2),
                (-0.18, -1.6),
                (0.1, -1.75),
                (0.34, -1.45),
                (0.4, -1.1),
                (0.28, -0.55),
                (0, -0.42),
            ],
            colour,
        )
        pen.arc((0.05, -1.1), 0.18, 0.4, 190, 280, 0.06, light)
        return
    crown = 1.1 if style in ("curly", "afro") else 1.04
    edge = 0.86 * width
    drop = {"short": 0.05, "bun": 0.1, "ponytail": 0.1, "twin_buns": 0.35, "mohawk": 0.0}.get(style, 0.3)
    outline = [
        (-edge, drop),
        (-edge * 1.05, -0.35),
        (-edge * 0.8, -0.85),
        (0, -crown),
        (edge * 0.8, -0.85),
        (edge * 1.05, -0.35),
        (edge, drop),
    ]
    lower = {
        "full": [(edge * 0.84, -0.2), (0.42, -0.28), (0, -0.24), (-0.42, -0.28), (-edge * 0.84, -0.2)],
        "side": [(edge * 0.84, -0.1), (0.6, -0.42), (0.1, -0.5), (-0.4, -0.3), (-edge * 0.86, -0.02)],
        "open": [(edge * 0.85, -0.2), (0.5, -0.55), (0, -0.78), (-0.5, -0.55), (-edge * 0.85, -0.2)],
    }[fringe]
    pen.blob(outline + lower, colour)
    if style in ("curly", "afro"):
        _puffs(pen, 0.72 * width, 0.72, -0.18, 0.26, colour, range(-175, 0, 25))
        _puffs(pen, 0.66 * width, 0.74, -0.26, 0.1, light, range(-150, -60, 30))
        return
    pen.arc((0, -0.2), edge * 0.72, 0.6, 205, 265, 0.08, light)
    if style in ("long", "bob"):
        length = 1.25 if style == "long" else 0.6
        for side in (-1, 1):
            pen.blob(
                [
                    (side * edge * 0.9, -0.5),
                    (side * edge * 1.12, 0.1),
                    (side * edge * 1.1, length),
                    (side * edge * 0.98, length),
                    (side * edge * 0.82, 0.2),
                ],
                colour,
            )


def _puffs(pen: Pen, rx: float, ry: float, centre_y: float, radius: float, colour: Colour, angles_deg: range) -> None:
    for angle in angles_deg:
        x, y = rx * math.cos(math.radians(angle)), centre_y + ry * math.sin(math.radians(angle))
        pen.ellipse((x, y), radius, radius, colour)
