"""Loading: from any folder to a PhotoSet, each file that is no good named with the reason. Reads, never writes."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL

from ..files import file_hash
from ..messages import Message, UserError, name_some
from .folder import SUFFIXES, WORK_FOLDER_MARK, leads_out_of, list_folder, list_photo_files, natural_order, shown_path
from .memo import Memo
from .photo import Photo, PhotoSet, RejectedFile
from .pixels import UnusablePhoto, measure, memory_to_read
from .plain import message_as_json, message_from_json
from .room import Room
from .threads import Progress, in_threads, unheard

RECOMMENDED_PHOTOS = 70
MIN_SIDE_PX = 16
"""What the model sees as one point; a thinner picture cannot be trained."""
MAX_FILE_BYTES = 300_000_000
"""A scanner's TIFF of 100 megapixels; a larger file is no photo."""
_VERSION = 1
"""Counts up when loading comes to judge the same bytes differently."""
_PASSING = {"photos.heif_missing"}
"""Reasons that say nothing about the file, and can be gone the next time."""


@dataclass(frozen=True, kw_only=True)
class _Inspected:
    """What was found out about one file."""

    content_hash: str = ""
    """Empty for a file that could not be read to its end."""
    found: tuple[int, int] | Message
    """Its size seen upright, or why it is no photo."""


def load_photos(folder: Path, *, recursive: bool, memo: Memo | None = None, progress: Progress = unheard) -> PhotoSet:
    """The photos of a folder (with `recursive`, of its subfolders too), in natural order of their names.

    What `memo` keeps is found again by content: files that have not changed are hashed, and not decoded again.
    Raises UserError for a folder that is missing, is a file, cannot be opened, or holds no usable photo.
    """
    folder = folder.expanduser().absolute()
    listing = list_folder(folder, recursive=recursive)
    if not listing.files and not listing.rejected:
        _refuse_empty(folder, recursive)
    inspected = _inspect_all(folder, listing.files, memo or Memo(None), progress)
    photos: list[Photo] = []
    rejected = list(listing.rejected)
    first_of: dict[str, Path] = {}
    for path, one in zip(listing.files, inspected, strict=True):
        if isinstance(one.found, Message):
            rejected.append(RejectedFile(path=path, reason=one.found))
        elif one.content_hash in first_of:
            first = shown_path(first_of[one.content_hash], folder)
            rejected.append(RejectedFile(path=path, reason=Message("photos.duplicate", {"first": first})))
        else:
            first_of[one.content_hash] = path
            photos.append(_photo(path, one.content_hash, *one.found))
    rejected.sort(key=lambda file: [natural_order(part) for part in file.path.relative_to(folder).parts])
    if not photos:
        _refuse_all(folder, rejected)
    warnings = [Message("photos.few", {"count": len(photos)})] if len(photos) < RECOMMENDED_PHOTOS else []
    return PhotoSet(folder=folder, photos=tuple(photos), rejected=tuple(rejected), warnings=tuple(warnings))


def _photo(path: Path, content_hash: str, width_px: int, height_px: int) -> Photo:
    return Photo(
        path=path, source_path=path, width_px=width_px, height_px=height_px, content_hash=content_hash,
        source_hash=content_hash,
    )  # fmt: skip


def _inspect_all(folder: Path, files: tuple[Path, ...], memo: Memo, progress: Progress) -> list[_Inspected]:
    key = ("loaded photos", _VERSION, PIL.__version__, str(folder))
    kept = memo.get(*key)
    known: dict[str, Any] = kept if isinstance(kept, dict) else {}
    room = Room()
    inspected = in_threads(lambda path: _inspect(path, known, room), files, progress, _doing)
    worth_keeping = {
        one.content_hash: message_as_json(one.found) if isinstance(one.found, Message) else list(one.found)
        for one in inspected
        if one.content_hash and not (isinstance(one.found, Message) and one.found.key in _PASSING)
    }
    if worth_keeping != known:
        memo.put(worth_keeping, *key)
    return inspected


def _doing(path: Path) -> Message:
    return Message("photos.doing_load", {"name": shown_path(path, path.parent)})


def _inspect(path: Path, known: dict[str, Any], room: Room) -> _Inspected:
    content_hash = ""
    try:
        str(path).encode("utf-8")
        num_bytes = path.stat().st_size
        if num_bytes > MAX_FILE_BYTES:
            too_large = {"size": num_bytes // 1_000_000, "limit": MAX_FILE_BYTES // 1_000_000}
            return _Inspected(found=Message("photos.file_too_large", too_large))
        content_hash = file_hash(path)
        if content_hash in known:
            return _Inspected(content_hash=content_hash, found=_known(known[content_hash]))
        with room.taken(num_bytes), open(path, "rb") as file:
            needed = memory_to_read(file)
        with room.taken(needed):
            data = path.read_bytes()
            content_hash = hashlib.sha256(data).hexdigest()
            size = measure(data)
    except UnicodeEncodeError:
        return _Inspected(found=Message("photos.name_not_text"))
    except OSError as error:
        problem = error.strerror or type(error).__name__
        return _Inspected(found=Message("photos.unreadable", {"problem": problem}))
    except UnusablePhoto as error:
        return _Inspected(content_hash=content_hash, found=error.reason)
    if min(size) < MIN_SIDE_PX:
        too_small = Message("photos.too_small", {"width": size[0], "height": size[1], "limit": MIN_SIDE_PX})
        return _Inspected(content_hash=content_hash, found=too_small)
    return _Inspected(content_hash=content_hash, found=size)


def _known(kept: Any) -> tuple[int, int] | Message:
    if isinstance(kept, dict):
        return message_from_json(kept)
    width_px, height_px = kept
    return width_px, height_px


def _refuse_empty(folder: Path, recursive: bool) -> None:
    if not recursive:
        subfolders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        for subfolder in subfolders:
            ours = os.path.exists(subfolder / WORK_FOLDER_MARK)
            if not ours and not leads_out_of(folder, subfolder) and _has_pictures(subfolder):
                raise UserError("photos.only_in_subfolders", folder=folder, subfolder=subfolder.name)
    suffixes = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
    raise UserError("photos.no_pictures", folder=folder, suffixes=suffixes)


def _has_pictures(folder: Path) -> bool:
    try:
        return bool(list_photo_files(folder, recursive=False))
    except UserError:  # it may not be entered
        return False


def _refuse_all(folder: Path, rejected: list[RejectedFile]) -> None:
    if all(file.reason.key == "photos.heif_missing" for file in rejected):
        raise UserError("photos.only_heif", folder=folder, count=len(rejected))
    names = name_some([shown_path(file.path, folder) for file in rejected])
    raise UserError("photos.none_usable", folder=folder, count=len(rejected), names=names)
