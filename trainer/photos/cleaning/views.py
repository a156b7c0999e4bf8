"""Views: what a viewer is shown of each photo before and after cleaning: small pictures on disk and what was found.

Knows no viewer: sentences are Messages, pictures are paths.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ...messages import Message
from ..boxes import outside
from ..edits import Edits
from ..folder import shown_path
from ..photo import WHOLE, Box, Judgement, Photo, PhotoSet, SetAside
from ..view import read_view
from .export import write_bytes
from .working_copies import BEFORE_LETTERS, read_record

SMALL_PX = 320
"""The longest side of the small pictures, for a grid of them."""


@dataclass(frozen=True, kw_only=True)
class PhotoView:
    """One photo as a viewer shows it. Places are shares of the user's whole upright file."""

    source_hash: str
    name: str
    size_px: tuple[int, int]
    """Width and height of the user's file."""
    before_path: Path
    before_small_path: Path
    after_path: Path | None
    """The working copy; None for a photo that is set aside."""
    after_small_path: Path | None
    after_px: tuple[int, int] | None
    frame: Box
    """What was kept."""
    faces: tuple[Box, ...]
    """Every face the detector found."""
    subject_index: int | None
    """Which of them is the subject's."""
    marks: tuple[Box, ...]
    judgement: Judgement
    done: tuple[Message, ...]
    set_aside: Message | None
    by_hand: bool
    edited: bool


def before_paths(photo: Photo, work_dir: Path) -> tuple[Path, Path]:
    """Where the user's photo as a viewer shows it lies, large and small."""
    folder, stem = work_dir / "views", (photo.source_hash or photo.content_hash)[:BEFORE_LETTERS]
    return folder / f"{stem}.jpg", folder / f"{stem}_small.jpg"


def after_small_path(copy_path: Path) -> Path:
    """Where the small picture of a working copy lies."""
    return copy_path.parent / "views" / f"{copy_path.stem}_small.jpg"


def save_before(photo: Photo, work_dir: Path, view: Image.Image | None = None) -> None:
    """Keep the user's photo as a viewer shows it, unless it is there already. `view` shows all of it, if at hand.

    Raises UserError for a photo that has gone and for a full disk.
    """
    large, small = before_paths(photo, work_dir)
    if large.exists() and small.exists():
        return
    if view is None or photo.is_working_copy:
        view = read_view(photo.source_path)
    _save_small(view, small)
    _save(view, large)


def save_after(image: Image.Image, copy_path: Path) -> None:
    """Keep the small picture of a working copy. Raises UserError for a full disk."""
    _save_small(image, after_small_path(copy_path))


def photo_views(loaded: PhotoSet, cleaned: PhotoSet, edits: Edits, work_dir: Path) -> list[PhotoView]:
    """What there is to show of every photo that was loaded, in that order, after `clean_photos` has made `cleaned`."""
    kept = {photo.source_path: photo for photo in cleaned.photos}
    aside = {one.photo.source_path: one for one in cleaned.set_aside}
    return [
        _view(
            photo,
            shown_path(photo.source_path, loaded.folder),
            kept.get(photo.source_path),
            aside.get(photo.source_path),
            edits,
            work_dir,
        )
        for photo in loaded.photos
    ]


def _view(
    photo: Photo, name: str, kept: Photo | None, aside: SetAside | None, edits: Edits, work_dir: Path
) -> PhotoView:
    after = kept or (aside.photo if aside else photo)
    record = read_record(after.record_path) if after.record_path else None
    whole = record.whole if record else after.judgement
    assert whole is not None, "cleaning judges every photo"
    before, before_small = before_paths(photo, work_dir)
    part = photo.shown_part
    return PhotoView(
        source_hash=photo.source_hash or photo.content_hash,
        name=name,
        size_px=(photo.width_px, photo.height_px),
        before_path=before,
        before_small_path=before_small,
        after_path=kept.path if kept else None,
        after_small_path=after_small_path(kept.path) if kept else None,
        after_px=(kept.width_px, kept.height_px) if kept else None,
        frame=outside(record.frame if record else WHOLE, part),
        faces=tuple(outside(face.box, part) for face in whole.found),
        subject_index=_subject_index(whole),
        marks=tuple(outside(mark, part) for mark in record.marks) if record else (),
        judgement=(kept.judgement if kept else None) or whole,
        done=after.done,
        set_aside=aside.reason if aside else None,
        by_hand=aside.by_hand if aside else False,
        edited=(photo.source_hash or photo.content_hash) in edits.photos,
    )


def _subject_index(judgement: Judgement) -> int | None:
    """Which of the found faces is the subject's; boxes tell, since the user's word changes other fields of a face."""
    boxes = [face.box for face in judgement.found]
    return boxes.index(judgement.faces[0].box) if judgement.faces and judgement.faces[0].box in boxes else None


def _save_small(image: Image.Image, path: Path) -> None:
    small = image.copy()
    small.thumbnail((SMALL_PX, SMALL_PX), Image.Resampling.LANCZOS)
    _save(small, path)


def _save(image: Image.Image, path: Path) -> None:
    encoded = io.BytesIO()
    image.save(encoded, format="JPEG", quality=85)
    write_bytes(encoded.getvalue(), path)
