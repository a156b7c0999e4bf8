"""Export: from a photo and the part that is kept to the final pixels and their file. Decides nothing."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from PIL import Image

from ...files import write_whole
from ..boxes import pixels_of
from ..photo import Box

SUFFIXES = {"png": ".png", "jpeg": ".jpg"}
"""By CleanConfig.file_format."""


def scaled_size(width_px: float, height_px: float, longest_side_px: int) -> tuple[int, int]:
    """The size with the same aspect ratio, to the nearest pixel, whose longest side is at most `longest_side_px`."""
    scale = min(1.0, longest_side_px / max(width_px, height_px))
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def whole_pixels(frame: Box, width_px: int, height_px: int) -> Box:
    """The frame moved to the nearest whole pixels of its photo, so that what is not scaled is not resampled either."""
    left, top, right, bottom = pixels_of(frame, width_px, height_px)
    return left / width_px, top / height_px, right / width_px, bottom / height_px


def cut_and_scale(pixels: Image.Image, frame: Box, longest_side_px: int) -> Image.Image:
    """The frame of a picture, scaled down with Lanczos where it is larger than asked; never enlarged.

    Lanczos works on the stored values, as facts and eyes agree: in linear light hard edges get darker rims.
    """
    box = pixels_of(frame, *pixels.size)
    size = scaled_size(box[2] - box[0], box[3] - box[1], longest_side_px)
    if size == (box[2] - box[0], box[3] - box[1]):
        return pixels.crop(box)
    return pixels.resize(size, Image.Resampling.LANCZOS, box=box)


def write_picture(image: Image.Image, path: Path, file_format: str) -> str:
    """Write the picture whole as `png` or `jpeg`, pixels only, and give the SHA-256 of the file's bytes.

    Raises UserError for a full disk or a folder that cannot be written.
    """
    # A bare picture: no place where the photo was taken, no profile, no orientation to apply a second time.
    bare = Image.new("RGB", image.size)
    bare.paste(image)
    encoded = io.BytesIO()  # Pillow can lose the reason when the disk is full, so it never writes to disk itself
    if file_format == "png":
        bare.save(encoded, format="PNG", compress_level=3)  # half the time of 6, 4 % more bytes
    else:
        bare.save(encoded, format="JPEG", quality=95, subsampling=0)  # colour at full resolution
    write_bytes(encoded.getvalue(), path)
    return hashlib.sha256(encoded.getvalue()).hexdigest()


def write_bytes(data: bytes, path: Path) -> None:
    """Write a file whole. Raises UserError as `write_whole` does."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(data)

    write_whole(path, write)
