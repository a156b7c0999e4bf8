"""Loading: from any folder to a PhotoSet, each file that is no good named with the reason. Reads, never writes."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from pathlib import Path

from ..messages import Message, UserError, name_some
from .photo import Photo, PhotoSet, RejectedFile
from .pixels import UnusablePhoto, measure
from .pixels import read_pixels as read_pixels
from .threads import Progress, in_threads

RECOMMENDED_PHOTOS = 70
MIN_SIDE_PX = 16
"""What the model sees as one point; a thinner picture cannot be trained."""
WORK_FOLDER_MARK = ".zimage_lora_work"
"""A file of this name marks a folder of ours, whose pictures are working copies and not the user's photos."""
_SUFFIXES = {
    ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif",
}  # fmt: skip


def load_photos(folder: Path, *, recursive: bool, progress: Progress = lambda done, total: None) -> PhotoSet:
    """The photos of a folder (with `recursive`, of its subfolders too), in natural order of their names.

    Raises UserError for a folder that is missing, is a file, cannot be opened, or holds no usable photo.
    """
    folder = folder.expanduser().absolute()
    files = list_photo_files(folder, recursive=recursive)
    if not files:
        _refuse_empty(folder, recursive)
    photos: list[Photo] = []
    rejected: list[RejectedFile] = []
    first_of: dict[str, Path] = {}
    for path, inspected in zip(files, in_threads(_inspect, files, progress), strict=True):
        if isinstance(inspected, Message):
            rejected.append(RejectedFile(path=path, reason=inspected))
        elif inspected.content_hash in first_of:
            first = shown_path(first_of[inspected.content_hash], folder)
            rejected.append(RejectedFile(path=path, reason=Message("photos.duplicate", {"first": first})))
        else:
            first_of[inspected.content_hash] = path
            photos.append(inspected)
    if not photos:
        _refuse_all(folder, rejected)
    warnings = []
    if len(photos) < RECOMMENDED_PHOTOS:
        warnings.append(Message("photos.few", {"count": len(photos)}))
    return PhotoSet(folder=folder, photos=tuple(photos), rejected=tuple(rejected), warnings=tuple(warnings))


def folder_fingerprint(folder: Path, recursive: bool) -> str:
    """A hash that changes when a photo or a caption beside it appears, vanishes or is saved anew. Opens no file.

    Never raises: a folder that cannot be listed has a fingerprint too, and `load_photos` then says what is wrong.
    """
    digest = hashlib.sha256()
    folder = folder.expanduser().absolute()
    try:
        for path in list_photo_files(folder, recursive=recursive):
            for file in (path, path.with_suffix(".txt")):
                if file.exists():
                    status = file.stat()
                    name = os.fsencode(file.relative_to(folder))
                    digest.update(name + f"\n{status.st_size} {status.st_mtime_ns}\n".encode())
    except (UserError, OSError) as error:
        digest.update(f"{type(error).__name__} {folder}".encode(errors="replace"))
    return digest.hexdigest()


def list_photo_files(folder: Path, *, recursive: bool) -> list[Path]:
    """Every file that its suffix calls a picture, in natural order, without hidden files and our work folders."""
    if not folder.exists():
        raise UserError("photos.no_such_folder", folder=folder)
    if not folder.is_dir():
        raise UserError("photos.not_a_folder", path=folder)

    def refuse(error: OSError) -> None:
        raise UserError("photos.folder_forbidden", folder=error.filename) from error

    found = []
    for place, subfolders, names in os.walk(folder, onerror=refuse):
        wanted = [name for name in subfolders if recursive and not name.startswith(".")]
        subfolders[:] = [name for name in wanted if not Path(place, name, WORK_FOLDER_MARK).exists()]
        for name in names:
            path = Path(place, name)
            # A link to nowhere is reported like any unreadable file; pipes and devices are none of ours.
            if path.suffix.lower() in _SUFFIXES and not name.startswith(".") and (path.is_file() or path.is_symlink()):
                found.append(path)
    return sorted(found, key=lambda path: [natural_order(part) for part in path.relative_to(folder).parts])


def natural_order(name: str) -> tuple[list[str | int], str]:
    """A sort key that puts `2.jpg` before `10.jpg`. Equal keys only for equal names."""
    parts = re.split(r"(\d+)", unicodedata.normalize("NFC", name).casefold())
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def shown_path(path: Path, folder: Path) -> str:
    """A photo's path below its folder, for the user's eyes: always text that can be printed and sent."""
    shown = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
    return shown.encode("utf-8", "replace").decode("utf-8")


def _inspect(path: Path) -> Photo | Message:
    """The photo, or why the file is none."""
    try:
        path.name.encode("utf-8")
        data = path.read_bytes()
        width_px, height_px = measure(data)
    except UnicodeEncodeError:
        return Message("photos.name_not_text")
    except OSError as error:
        return Message("photos.unreadable", {"problem": error.strerror or type(error).__name__})
    except UnusablePhoto as error:
        return error.reason
    if min(width_px, height_px) < MIN_SIDE_PX:
        return Message("photos.too_small", {"width": width_px, "height": height_px, "limit": MIN_SIDE_PX})
    content_hash = hashlib.sha256(data).hexdigest()
    return Photo(path=path, source_path=path, width_px=width_px, height_px=height_px, content_hash=content_hash)


def _refuse_empty(folder: Path, recursive: bool) -> None:
    if not recursive:
        subfolders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        for subfolder in subfolders:
            if not (subfolder / WORK_FOLDER_MARK).exists() and list_photo_files(subfolder, recursive=False):
                raise UserError("photos.only_in_subfolders", folder=folder, subfolder=subfolder.name)
    suffixes = ", ".join(sorted(suffix[1:] for suffix in _SUFFIXES))
    raise UserError("photos.no_pictures", folder=folder, suffixes=suffixes)


def _refuse_all(folder: Path, rejected: list[RejectedFile]) -> None:
    if all(file.reason.key == "photos.heif_missing" for file in rejected):
        raise UserError("photos.only_heif", folder=folder, count=len(rejected))
    names = name_some([shown_path(file.path, folder) for file in rejected])
    raise UserError("photos.none_usable", folder=folder, count=len(rejected), names=names)
