"""Own captions: what the user wrote about photos in files, before any template or model has its say. Never writes.

The first of these that says something about a photo counts:
  1. a file beside it: `a.txt`, else `a.caption`, else `a.jpg.txt`
  2. the `.txt` beside its working copy, where the user has changed it (written.py)
  3. `metadata.jsonl` in its folder or above (metadata.py)
  4. `default.txt` in its folder, as AI Toolkit reads it
  5. the name of its folder, as kohya's trainers read it: `10_mila woman` (kohya.py)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...messages import Message
from ...photos.beside import TextFiles, text_files_of
from ...photos.folder import shown_path
from ...photos.photo import Photo, PhotoSet
from ..dataset import COPY, FILE
from ..edits import photo_key
from .caption_files import Reader
from .kohya import words_of
from .metadata import Metadata, place_below, read_metadata
from .written import read_copies


@dataclass(frozen=True, kw_only=True)
class OwnCaption:
    """A caption that the user wrote, as it stands there but for its line breaks."""

    text: str
    origin: str
    """`file` or `copy` (dataset.ORIGINS)."""


@dataclass(frozen=True, kw_only=True)
class OwnCaptions:
    """The captions of a set of photos that the user wrote."""

    of: Mapping[str, OwnCaption]
    """By `photo_key`."""
    warnings: tuple[Message, ...]


def read_own_captions(photos: PhotoSet, subject: str) -> OwnCaptions:
    """What the user wrote about the photos. A file that cannot be used is named in a warning. Never raises.

    `subject` tells folders of kohya's from others whose names begin with a number.
    """
    reader, copies = Reader(photos.folder), read_copies(photos.photos)
    files = text_files_of((photo.source_path for photo in photos.photos), photos.folder)
    metadata = _read_all_metadata(photos, files)
    found: dict[str, OwnCaption] = {}
    passed_over = []
    for photo in photos.photos:
        key, beside = photo_key(photo), files[photo.source_path]
        copied = one_line(copies.texts.get(key, ""))
        text = one_line(reader.first_text(beside.own))
        if copied and not text:
            found[key] = OwnCaption(text=copied, origin=COPY)
            continue
        if copied and copied != text:
            passed_over.append(shown_path(photo.source_path, photos.folder))
        text = text or one_line(_of_folder(photo, photos.folder, beside, metadata, reader, subject))
        if text:
            found[key] = OwnCaption(text=text, origin=FILE)
    warnings = [*reader.warnings, *(warning for one in metadata.values() for warning in one.warnings)]
    warnings += [*copies.warnings, *(Message("captions.copy_passed_over", {"name": name}) for name in passed_over)]
    return OwnCaptions(of=found, warnings=tuple(warnings))


def one_line(text: str) -> str:
    """The text with single spaces and no line breaks."""
    return " ".join(text.split())


def _of_folder(
    photo: Photo, folder: Path, files: TextFiles, metadata: Mapping[Path, Metadata], reader: Reader, subject: str
) -> str:
    """What the files and the name of a photo's folder say about it."""
    if files.metadata:
        place = place_below(photo.source_path, folder)
        for path in files.metadata:
            if text := metadata[path].captions.get(place):
                return text
    return reader.first_text([files.default] if files.default else []) or words_of(photo.source_path, subject)


def _read_all_metadata(photos: PhotoSet, files: Mapping[Path, TextFiles]) -> dict[Path, Metadata]:
    """Every metadata file that may speak of the photos, by its path."""
    folder, paths = photos.folder, dict.fromkeys(path for of_photo in files.values() for path in of_photo.metadata)
    if not paths:
        return {}
    there = [photo.source_path for photo in (*photos.photos, *(one.photo for one in photos.set_aside))]
    there += [file.path for file in photos.rejected]
    known = {place_below(path, folder) for path in there if path.is_relative_to(folder)}
    return {path: read_metadata(path, folder, known) for path in paths}
