"""Caption views: the small picture of each photo that an editor of captions shows, made once and kept on disk."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from ..messages import Message
from ..photos.cleaning.export import write_bytes
from ..photos.cleaning.views import after_small_path
from ..photos.photo import Photo
from ..photos.pixels import read_thumbnail
from ..photos.room import memory_of
from ..photos.threads import Progress, in_threads, unheard

THUMB_PX = 160
"""The longest side of the pictures made here; cleaning's own are larger."""
_HASH_LETTERS = 24


def small_pictures(photos: Sequence[Photo], thumbs_dir: Path, progress: Progress = unheard) -> list[Path]:
    """The small JPEG of each photo, in order: cleaning's own, else one in `thumbs_dir`, written if it is not there.

    Raises UserError for a photo that has gone and for a full disk, and what `progress` raises.
    """
    paths = [_path(photo, thumbs_dir) for photo in photos]
    missing = {path: photo for path, photo in zip(paths, photos, strict=True) if not path.exists()}

    def write(wanted: tuple[Path, Photo]) -> None:
        _write(wanted[1], wanted[0])

    def doing(wanted: tuple[Path, Photo]) -> Message:
        return Message("captions.doing_small", {"name": wanted[1].source_path.name})

    in_threads(write, list(missing.items()), progress, doing, num_bytes=lambda wanted: memory_of(wanted[1]))
    return paths


def _path(photo: Photo, thumbs_dir: Path) -> Path:
    made = after_small_path(photo.path)
    if photo.is_working_copy and made.exists():
        return made
    return thumbs_dir / f"{photo.content_hash[:_HASH_LETTERS]}.jpg"


def _write(photo: Photo, path: Path) -> None:
    encoded = io.BytesIO()
    read_thumbnail(photo.path, THUMB_PX).save(encoded, format="JPEG", quality=85)
    write_bytes(encoded.getvalue(), path)
