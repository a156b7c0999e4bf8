"""Drawing in figure units: a pen knows where its origin lies, how big one unit is and how far it is turned."""

import math
from dataclasses import dataclass, replace

from PIL import ImageDraw

Colour = tuple[int, ...]
Point = tuple[float, float]


def shade(colour: Colour, factor: float) -> Colour:
    """The colour darkened (factor below 1) or mixed towards white (factor above 1)."""
    if factor <= 1:
        return tuple(round(channel * factor) for channel in colour[:3])
    return tuple(round(channel + (255 - channel) * (factor - 1)) for channel in colour[:3])


@dataclass(frozen=True)
class Pen:
    """Draws on `draw` (RGBA mode: a fourth colour channel blends), x to the right, y down, in units of `unit_px`."""

    draw: ImageDraw.ImageDraw
    origin_px: Point
    unit_px: float
    turn_rad: float = 0.0

    def moved(self, x: float, y: float, turn_rad: float = 0.0) -> "Pen":
        """A pen whose origin is at (x, y) of this one and which is turned by turn_rad more."""
        return replace(self, origin_px=self.at((x, y)), turn_rad=self.turn_rad + turn_rad)

    def at(self, point: Point) -> Point:
        cos, sin = math.cos(self.turn_rad), math.sin(self.turn_rad)
        x, y = point
        return (
            self.origin_px[0] + self.unit_px * (cos * x - sin * y),
            self.origin_px[1] + self.unit_px * (sin * x + cos * y),
        )

    def polygon(self, points: list[Point], colour: Colour) -> None:
        self.draw.polygon([self.at(point) for point in points], fill=colour)

    def blob(self, points: list[Point], colour: Colour) -> None:
        """A closed smooth curve (Catmull-Rom) through the points, filled."""
        self.polygon(smooth_closed(points), colour)

    def ellipse(self, centre: Point, rx: float, ry: float, colour: Colour) -> None:
        self.polygon(ellipse_points(centre, rx, ry), colour)

    def ring(self, centre: Point, rx: float, ry: float, width: float, colour: Colour) -> None:
        points = ellipse_points(centre, rx, ry)
        self.line(points + points[:2], width, colour)

    def line(self, points: list[Point], width: float, colour: Colour) -> None:
        """A line with round ends and joints."""
        width_px = max(1, round(width * self.unit_px))
        pixels = [self.at(point) for point in points]
        self.draw.line(pixels, fill=colour, width=width_px, joint="curve")
        for x, y in (pixels[0], pixels[-1]):
            radius = width_px / 2
            self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def arc(
        self, centre: Point, rx: float, ry: float, from_deg: float, to_deg: float, width: float, colour: Colour
    ) -> None:
        """Part of an ellipse's outline; 0 degrees is right, 90 is down."""
        self.line(ellipse_points(centre, rx, ry, from_deg, to_deg, num_points=14), width, colour)


def ellipse_points(
    centre: Point, rx: float, ry: float, from_deg: float = 0, to_deg: float = 360, num_points: int = 40
) -> list[Point]:
    angles = [math.radians(from_deg + (to_deg - from_deg) * i / (num_points - 1)) for i in range(num_points)]
    return [(centre[0] + rx * math.cos(angle), centre[1] + ry * math.sin(angle)) for angle in angles]


def smooth_closed(points: list[Point], num_between: int = 6) -> list[Point]:
    """Catmull-Rom through a closed ring of points."""
    curve = []
    count = len(points)
    for index in range(count):
        before, start, end, after = (points[(index + shift) % count] for shift in (-1, 0, 1, 2))
        for step in range(num_between):
            t = step / num_between
            curve.append(
                tuple(_catmull_rom(b, s, e, a, t) for b, s, e, a in zip(before, start, end, after, strict=True))
            )
    return curve


def _catmull_rom(before: float, start: float, end: float, after: float, t: float) -> float:
    return 0.5 * (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    )
