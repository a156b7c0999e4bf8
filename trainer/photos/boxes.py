"""Boxes: shares of a picture, cut, moved and compared. Knows no picture."""

from __future__ import annotations

from .photo import Box, Point


def inside(box: Box, frame: Box) -> Box:
    """A box of the whole picture as seen in a part of it; may reach beyond 0..1. `frame` has an area."""
    left, top, right, bottom = frame
    width, height = right - left, bottom - top
    return (box[0] - left) / width, (box[1] - top) / height, (box[2] - left) / width, (box[3] - top) / height


def outside(box: Box, frame: Box) -> Box:
    """The inverse of `inside`: a box of a part as seen in the whole picture."""
    left, top, right, bottom = frame
    width, height = right - left, bottom - top
    return left + box[0] * width, top + box[1] * height, left + box[2] * width, top + box[3] * height


def point_inside(point: Point, frame: Box) -> Point:
    """A point of the whole picture as seen in a part of it."""
    return inside((*point, *point), frame)[:2]


def intersection(one: Box, other: Box) -> Box | None:
    """What two boxes share; None if nothing."""
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right, bottom = min(one[2], other[2]), min(one[3], other[3])
    return (left, top, right, bottom) if left < right and top < bottom else None


def area(box: Box) -> float:
    """The share of the picture's area."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def contains(outer: Box, inner: Box) -> bool:
    """Whether all of `inner` lies in `outer`."""
    return outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def pixels_of(box: Box, width_px: int, height_px: int) -> tuple[int, int, int, int]:
    """The box in whole pixels of a picture, no part outside of it and none empty."""
    left, right = (round(min(max(share, 0.0), 1.0) * width_px) for share in (box[0], box[2]))
    top, bottom = (round(min(max(share, 0.0), 1.0) * height_px) for share in (box[1], box[3]))
    left, top = min(left, width_px - 1), min(top, height_px - 1)
    return left, top, max(right, left + 1), max(bottom, top + 1)
