"""A folder's files: which of them are called pictures, in which order, and which links are followed. Opens none.

Links are followed as far as they stay inside the folder; so a folder that somebody shares shows nothing else.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from ..messages import Message, UserError
from .beside import text_files_of
from .photo import RejectedFile

WORK_FOLDER_MARK = ".zimage_lora_work"
"""A file of this name marks a folder of ours, whose pictures are working copies and not the user's photos."""
SUFFIXES = {
    ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif",
}  # fmt: skip
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of the text after them."""
_NO_PHOTOS = "_controls"
"""A folder of this name holds control pictures that AI Toolkit has made of photos."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What is in a folder, in natural order."""

    files: tuple[Path, ...]
    """Every file that its suffix calls a picture, without hidden ones."""
    rejected: tuple[RejectedFile, ...]
    """What is called a picture and is no file that may be read, and subfolders that may not be entered."""


def list_folder(folder: Path, *, recursive: bool) -> Listing:
    """What is in a folder and, with `recursive`, in its subfolders, without hidden ones and what programs keep there.

    Raises UserError for a folder that is missing, is a file or cannot be opened.
    """
    try:
        is_folder = stat.S_ISDIR(os.stat(folder).st_mode)
    except PermissionError as error:
        raise UserError("photos.folder_forbidden", folder=folder) from error
    except (OSError, ValueError) as error:  # ValueError: a name that no file system can store
        raise UserError("photos.no_such_folder", folder=folder) from error
    if not is_folder:
        raise UserError("photos.not_a_folder", path=folder)
    walk = _Walk(folder, recursive)
    return Listing(
        files=tuple(sorted(walk.files, key=walk.order)),
        rejected=tuple(sorted(walk.rejected, key=lambda file: walk.order(file.path))),
    )


def list_photo_files(folder: Path, *, recursive: bool) -> list[Path]:
    """Every file of `list_folder`. Raises UserError."""
    return list(list_folder(folder, recursive=recursive).files)


def leads_out_of(folder: Path, path: Path) -> bool:
    """Whether a path, all links followed, lies outside a folder."""
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def folder_fingerprint(folder: Path, recursive: bool) -> str:
    """A hash that changes when a photo or a file with captions appears, vanishes or is saved anew. Opens no file.

    Never raises: a folder that cannot be listed has a fingerprint too, and `load_photos` then says what is wrong.
    """
    digest = hashlib.sha256()
    folder = folder.expanduser().absolute()
    try:
        photo_paths = list_photo_files(folder, recursive=recursive)
        text_paths = {file for files in text_files_of(photo_paths, folder).values() for file in files.all}
        for file in (*photo_paths, *sorted(text_paths)):
            if file.exists():
                status = file.stat()
                name = os.fsencode(file.relative_to(folder))
                digest.update(name + f"\n{status.st_size} {status.st_mtime_ns}\n".encode())
    except (UserError, OSError) as error:
        digest.update(f"{type(error).__name__} {folder}".encode(errors="replace"))
    return digest.hexdigest()


def natural_order(name: str) -> tuple[list[str | int], str]:
    """A sort key that puts `2.jpg` before `10.jpg`. Equal keys only for equal names."""
    parts = re.split(r"(\d+)", unicodedata.normalize("NFC", name).casefold())
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def shown_path(path: Path, folder: Path) -> str:
    """A photo's path below its folder, for the user's eyes: always one line of text that can be printed and sent."""
    shown = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", shown.encode("utf-8", "replace").decode("utf-8"))


class _Walk:
    """One way through a folder. Each real folder is entered once, by its own name before any link to it."""

    def __init__(self, folder: Path, recursive: bool) -> None:
        self._folder, self._recursive = folder, recursive
        self.files: list[Path] = []
        self.rejected: list[RejectedFile] = []
        self._subfolders, self._links = [folder], list[Path]()
        entered: set[str] = set()
        while self._subfolders or self._links:
            place = (self._subfolders or self._links).pop()
            real = os.path.realpath(place)
            passed_over = place != folder and (place.name == _NO_PHOTOS or os.path.exists(place / WORK_FOLDER_MARK))
            if real not in entered and not passed_over:
                entered.add(real)
                self._enter(place)

    def order(self, path: Path) -> list[tuple[list[str | int], str]]:
        return [natural_order(part) for part in path.relative_to(self._folder).parts]

    def _enter(self, place: Path) -> None:
        try:
            with os.scandir(place) as found:
                entries = [entry for entry in found if not entry.name.startswith(".")]
        except OSError as error:
            if place == self._folder:
                raise UserError("photos.folder_forbidden", folder=place) from error
            self._reject(place, "photos.unreadable", problem=error.strerror or type(error).__name__)
            return
        for entry in entries:
            self._sort_in(entry)

    def _sort_in(self, entry: os.DirEntry[str]) -> None:
        path, is_link = Path(entry.path), entry.is_symlink()
        named_like_a_picture = path.suffix.lower() in SUFFIXES
        try:
            is_folder, is_file = entry.is_dir(), entry.is_file()
        except OSError:  # links in a ring: reading the file will say so
            is_folder, is_file = False, True
        if is_folder and named_like_a_picture:
            self._reject(path, "photos.is_a_folder")
        if is_folder and self._recursive:
            if leads_out_of(self._folder, path):  # Windows has junctions too, which do not say that they are links
                self._reject(path, "photos.link_leads_out")
            else:
                (self._links if is_link else self._subfolders).append(path)
        elif named_like_a_picture and not is_folder:
            if is_link and leads_out_of(self._folder, path):
                self._reject(path, "photos.link_leads_out")
            elif is_file or is_link:  # a link to nowhere is reported like any unreadable file
                self.files.append(path)
            else:
                self._reject(path, "photos.not_a_file")

    def _reject(self, path: Path, key: str, **values: object) -> None:
        self.rejected.append(RejectedFile(path=path, reason=Message(key, values)))
