"""The view: a photo as judging and cleaning look at it, small enough to be quick, large enough for faces and text."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from .pixels import read_thumbnail

VIEW_PX = 1024
"""The longest side of a view. Every threshold of judging/ and of the detectors belongs to this size."""


def read_view(path: Path) -> Image.Image:
    """The whole photo, upright, sRGB, RGB, no side longer than VIEW_PX. Raises UserError if unreadable."""
    return read_thumbnail(path, VIEW_PX)
