"""Pixels: from a file's bytes to an upright sRGB picture. A file that is not whole is refused, never filled up."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageChops

from ..messages import UserError
from .bmff import BrokenFile, is_bmff, read_items
from .colours import apart, as_rgb, in_eight_bits, upright, upright_size
from .heif import decode_heif, is_heif, refuse_hdr, shown_size, stored_colours
from .jpeg import beginning_of, coefficient_bytes, num_scans
from .profiles import profile_of
from .room import MAX_MEGAPIXELS, at_reduced_size, memory_to_decode
from .unusable import UnusablePhoto as UnusablePhoto

_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")
_JPEGS = ("JPEG", "MPO")
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8", b"BM", b"II*\0", b"MM\0*")
"""How the files of our formats begin; AVIF and HEIF begin with a length and `ftyp`."""
_SHRINK_FIRST = ("RGB", "L", "CMYK")
_MOST_SCANS = 100
"""Of a progressive JPEG; programs write about ten. Small files with thousands would take hours."""
_TILE_WIDTH, _TILE_HEIGHT, _STRIP_HEIGHT, _SAMPLES, _BITS = 322, 323, 278, 277, 258
_MARGIN = 1.5
"""A JPEG is decoded this much larger than a thumbnail, so that the decoder's own scaling does not show in it."""


class _WholeFile(io.BytesIO):
    """Bytes that refuse to be read past their end.

    Pillow takes the end of a cut-off file for an error only while a process-wide flag is off, and other ComfyUI nodes
    switch that flag on; then the missing part becomes grey. This refusal does not depend on the flag.
    """

    at_work = False

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if self.at_work and not data and size != 0:
            raise EOFError("the file ends too early")
        return data


def read_pixels(path: Path) -> Image.Image:
    """The photo as people see it: upright, sRGB, mode RGB, transparency on white. Raises UserError if unreadable.

    The largest JPEGs come at half size or less (room.HALVED_ABOVE_PX): places in them are shares, not pixels.
    """
    return as_rgb(_decode_file(path))


def read_thumbnail(path: Path, size_px: int) -> Image.Image:
    """Like `read_pixels`, no side longer than `size_px`, and much faster for large photos. Raises UserError."""
    image = _decode_file(path, draft_px=round(_MARGIN * size_px))
    shrink_first = image.mode in _SHRINK_FIRST and not image.has_transparency_data
    if shrink_first:  # colours are then worked out for few pixels only
        image.thumbnail((size_px, size_px), Image.Resampling.LANCZOS)
    image = as_rgb(image)
    if not shrink_first:
        image.thumbnail((size_px, size_px), Image.Resampling.LANCZOS)
    return image


def read_alpha(path: Path) -> Image.Image:
    """How opaque a picture is (255 wholly), upright, mode L; white for one without transparency. Raises UserError."""
    image = _decode_file(path)
    alpha = apart(in_eight_bits(image))[1]
    return upright(alpha or Image.new("L", image.size, 255), image)


def read_grey(path: Path) -> Image.Image:
    """How bright a picture is, upright, mode L; what is transparent is black. For masks: no colour profile is applied.

    Raises UserError.
    """
    image = _decode_file(path)
    colours, alpha = apart(in_eight_bits(image))
    grey = colours.convert("RGB").convert("L")
    return upright(ImageChops.multiply(grey, alpha) if alpha else grey, image)


def has_alpha(data: bytes) -> bool:
    """Whether a picture's file says that it has transparency; nothing is decoded but HEIF, which does not say it."""
    try:
        if is_heif(data[:64]):
            return decode(data)[0].has_transparency_data
        return _open(io.BytesIO(data)).has_transparency_data
    except UnusablePhoto:  # reading the pixels will tell
        return False


def measure(data: bytes) -> tuple[int, int]:
    """Upright (width, height) in pixels of a file that decodes completely. Raises UnusablePhoto for any other."""
    image, size = decode(data, draft_px=1)
    if image.format in _JPEGS and _ends_in_filling(image):
        raise UnusablePhoto("photos.damaged")
    return upright_size(image, size)


def memory_to_read(file: BinaryIO) -> int:
    """How many bytes of memory reading a photo's file takes at most, from its beginning. Raises UnusablePhoto."""
    num_bytes = file.seek(0, io.SEEK_END)
    file.seek(0)
    beginning = file.read(64)
    file.seek(0)
    if not beginning:
        raise UnusablePhoto("photos.empty_file")
    if is_heif(beginning):
        return memory_to_decode("HEIF", _heif_size(file), also=num_bytes)
    image = _open(file)
    kind = str(image.format)
    if kind == "TIFF":
        num_bytes += _largest_part(image)
    elif kind in _JPEGS:
        num_bytes += round(image.width * image.height * coefficient_bytes(beginning_of(file)))
    return memory_to_decode(kind, image.size, also=num_bytes)


def decode(data: bytes, *, draft_px: int = 0) -> tuple[Image.Image, tuple[int, int]]:
    """The decoded picture as stored (not yet upright), and its full (width, height) in pixels.

    With `draft_px`, JPEGs may be decoded smaller, the longest side still at least so long. Raises UnusablePhoto.
    """
    file = _WholeFile(data)
    memory_to_read(file)
    file.seek(0)
    try:
        if is_heif(data[:64]):
            image = decode_heif(file)
            return image, image.size
        image = _open(file)
        size = image.size
        if image.format == "PNG":  # the only format of ours with checksums
            with Image.open(io.BytesIO(data), formats=["PNG"]) as checked:
                checked.verify()
        if image.format in _JPEGS:
            if coefficient_bytes(data) and num_scans(data, _MOST_SCANS) > _MOST_SCANS:
                raise BrokenFile("each scan takes as long as a whole picture")
            image.draft("RGB", at_reduced_size(size, draft_px))
        file.at_work = True
        image.load()
        file.at_work = False
        if image.format == "AVIF":
            _add_profile(image, data)
    except UnusablePhoto:
        raise
    except Exception as error:  # on damaged bytes Pillow's and PyAV's readers raise almost anything
        raise UnusablePhoto("photos.damaged") from error
    return image, size


def _decode_file(path: Path, *, draft_px: int = 0) -> Image.Image:
    try:
        return decode(path.read_bytes(), draft_px=draft_px)[0]
    except (OSError, UnusablePhoto) as error:
        raise UserError("photos.gone", path=path) from error


def _open(file: BinaryIO) -> Image.Image:
    Image.init()
    beginning = file.read(12)
    file.seek(0)
    try:
        return Image.open(file, formats=[name for name in _FORMATS if name in Image.OPEN])
    except Image.DecompressionBombError:
        raise UnusablePhoto("photos.too_many_pixels", limit=MAX_MEGAPIXELS) from None
    except Exception as error:  # on damaged bytes Pillow's readers raise almost anything
        begins_well = beginning.startswith(_BEGINNINGS) or is_bmff(beginning)
        raise UnusablePhoto("photos.damaged" if begins_well else "photos.not_a_picture") from error


def _largest_part(image: Image.Image) -> int:
    """Bytes of one strip or tile of a TIFF, which is decoded as a whole and may be larger than the picture."""
    tags: Any = getattr(image, "tag_v2", {})
    try:
        width_px = int(tags.get(_TILE_WIDTH, image.width))
        height_px = int(tags.get(_TILE_HEIGHT, min(int(tags.get(_STRIP_HEIGHT, image.height)), image.height)))
        bits = int(np.max(tags.get(_BITS, 8)))
        return width_px * height_px * int(tags.get(_SAMPLES, 1)) * max(bits, 8) // 8
    except (TypeError, ValueError, OverflowError) as error:
        raise UnusablePhoto("photos.damaged") from error


def _heif_size(file: BinaryIO) -> tuple[int, int]:
    try:
        return shown_size(file)
    except Exception as error:  # BrokenFile, struct.error and whatever else damaged bytes lead to
        raise UnusablePhoto("photos.damaged") from error


def _add_profile(image: Image.Image, data: bytes) -> None:
    """AVIF's colours in numbers, which Pillow passes over."""
    try:
        colours = stored_colours(read_items(io.BytesIO(data)))[1]
    except (BrokenFile, struct.error):  # the decoder has read it all the same
        return
    if colours:
        refuse_hdr(colours)
        profile = profile_of(colours.primaries)
        if profile and "icc_profile" not in image.info:
            image.info["icc_profile"] = profile


def _ends_in_filling(image: Image.Image) -> bool:
    """Whether the last rows of a JPEG are the exact middle grey that decoders put where data is missing.

    Finds files that were cut off and then closed properly by another program.
    """
    width_px, height_px = image.size
    last_rows = image.crop((0, max(height_px - 2, 0), width_px, height_px))
    grey = {(128, 128)}
    return _extrema(last_rows) == grey and _extrema(image) != grey


def _extrema(image: Image.Image) -> set[object]:
    return set(image.convert("RGB").getextrema())
