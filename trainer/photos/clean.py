"""Cleaning: from a PhotoSet to working copies that training can use: upright, sRGB, no larger than asked, PNG.

Writes only into the work folder it is given; the user's own files are never touched.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ..files import remove_unfinished, safe_name, write_text_whole, write_whole
from ..messages import Message, name_some
from ..settings import check_settings, setting
from .load import WORK_FOLDER_MARK, read_pixels
from .photo import Photo, PhotoSet
from .pixels import UnusablePhoto, measure
from .threads import Progress, in_threads

SMALL_PHOTO_PX = 512
"""Below the guide's training resolution a photo has less detail than the model learns from."""
_CLEANING = "1"
"""Raised whenever the same photo and settings would give other pixels, so that old working copies are not reused."""


@dataclass(frozen=True, kw_only=True)
class CleanConfig:
    """How photos become working copies. Raises UserError for a value out of its limits."""

    longest_side_px: int = setting(
        1024,
        "Larger photos are scaled down until their longest side is this long, in pixels. Smaller ones keep their size.",
        low=256,
        high=4096,
        step=64,
    )

    def __post_init__(self) -> None:
        check_settings(self)


def clean_photos(photos: PhotoSet, config: CleanConfig, work_dir: Path, progress: Progress) -> PhotoSet:
    """The same photos as PNG working copies in `work_dir`. A copy made before from equal bytes and settings is reused.

    Raises UserError if a photo has gone since it was loaded, or if the work folder cannot be written.
    """
    remove_unfinished(work_dir)
    if not (work_dir / WORK_FOLDER_MARK).exists():
        write_text_whole(work_dir / WORK_FOLDER_MARK, "Working copies of photos. They can be deleted at any time.\n")
    cleaned = in_threads(lambda photo: _working_copy(photo, config, work_dir), photos.photos, progress)
    small = [photo.source_path.name for photo in cleaned if max(photo.width_px, photo.height_px) < SMALL_PHOTO_PX]
    warnings = photos.warnings
    if small:
        values = {"count": len(small), "names": name_some(small), "limit": SMALL_PHOTO_PX}
        warnings += (Message("photos.small", values),)
    return dataclasses.replace(photos, photos=tuple(cleaned), warnings=warnings)


def scaled_size(width_px: int, height_px: int, longest_side_px: int) -> tuple[int, int]:
    """The size with the same aspect ratio, to the nearest pixel, whose longest side is at most `longest_side_px`."""
    scale = min(1.0, longest_side_px / max(width_px, height_px))
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def _working_copy(photo: Photo, config: CleanConfig, work_dir: Path) -> Photo:
    """The photo with its working copy as `path`, made now or found from an earlier run."""
    recipe = f"{_CLEANING} {photo.content_hash} {dataclasses.asdict(config)}"
    stem = safe_name(photo.source_path.stem.replace("\\", "_").strip() or "photo")
    path = work_dir / f"{stem}_{hashlib.sha256(recipe.encode()).hexdigest()[:8]}.png"
    try:
        made_before = path.read_bytes()
        width_px, height_px = measure(made_before)
        content_hash = hashlib.sha256(made_before).hexdigest()
    except (FileNotFoundError, UnusablePhoto):
        pixels = read_pixels(photo.path)
        width_px, height_px = scaled_size(pixels.width, pixels.height, config.longest_side_px)
        if (width_px, height_px) != pixels.size:
            pixels = pixels.resize((width_px, height_px), Image.Resampling.LANCZOS)
        content_hash = _write_png(pixels, path)
    return dataclasses.replace(photo, path=path, width_px=width_px, height_px=height_px, content_hash=content_hash)


def _write_png(pixels: Image.Image, path: Path) -> str:
    """Write the picture whole, and give the SHA-256 of the file's bytes."""
    # Only pixels are kept: no place where the photo was taken, no orientation to apply a second time.
    bare = Image.new("RGB", pixels.size)
    bare.paste(pixels)
    encoded = io.BytesIO()  # Pillow can lose the reason when the disk is full, so it never writes to disk itself
    bare.save(encoded, format="PNG", compress_level=3)  # half the time of 6, 4 % more bytes

    def write(temporary: Path) -> None:
        temporary.write_bytes(encoded.getvalue())

    write_whole(path, write)
    return hashlib.sha256(encoded.getvalue()).hexdigest()
