"""Written captions: `.txt` files beside working copies, and a record that tells ours from those the user has changed.

`captions.json` beside the working copies has, by the name of each such file, whose photo it is for and what we wrote.
What the user has changed is never overwritten. It follows the photo to a new working copy, until the user deletes it.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...files import write_text_whole
from ...messages import Message
from ...photos.cleaning.export import write_bytes
from ...photos.photo import Photo
from ...photos.threads import in_threads
from ..dataset import CaptionedPhoto
from ..edits import photo_key
from .caption_files import read_text_file
from .decoding import MAX_TEXT_BYTES

RECORD_NAME = "captions.json"
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Copies:
    """What the user has written beside working copies."""

    texts: Mapping[str, str]
    """By `photo_key`."""
    warnings: tuple[Message, ...]


@dataclass(frozen=True)
class _Entry:
    """One caption file: the photo it is for, and the SHA-256 of what we wrote there. Other contents are the user's."""

    key: str
    ours: tuple[str, ...]


_Record = dict[str, _Entry]
"""By the name of the file."""


def read_copies(photos: Sequence[Photo]) -> Copies:
    """The texts beside working copies that are the user's. Files that cannot be used are named. Never raises."""
    texts: dict[str, str] = {}
    warnings: list[Message] = []
    for folder, of_folder in _by_folder(photos).items():
        record, problem = _read_record(folder)
        warnings += [problem] if problem else []
        of_key = _names_by_key(record)
        for photo in of_folder:
            path = _users_file(photo, record, of_key)
            if path is None:
                continue
            file = read_text_file(path, folder)
            if file.problem:  # by its whole path: nobody knows these folders by heart
                warnings.append(replace(file.problem, values={**file.problem.values, "name": path}))
            texts[photo_key(photo)] = file.text
    return Copies(texts=texts, warnings=tuple(warnings))


def keep_captions(captioned: Sequence[CaptionedPhoto]) -> None:
    """Write every caption as `.txt` beside its working copy, and nowhere else. Raises UserError if that fails.

    A file that the user has changed stays as it is; a new working copy gets the text of the one before.
    """
    captions = {item.photo.path: item.caption.encode("utf-8") for item in captioned}
    for folder, photos in _by_folder([item.photo for item in captioned]).items():
        before, _ = _read_record(folder)
        of_key = _names_by_key(before)
        record = {name: entry for name, entry in before.items() if (folder / name).exists()}
        wanted: dict[Path, bytes] = {}
        for photo in photos:
            entries, data = _plan(photo, captions[photo.path], before, of_key)
            record |= entries
            wanted |= {} if data is None else {caption_path(photo): data}
        if wanted:  # killed half-way, both what was there and what is coming are known to be ours
            _keep_record({name: _either(entry, before.get(name)) for name, entry in record.items()}, folder)
        in_threads(lambda file: write_bytes(file[1], file[0]), list(wanted.items()))  # the disk takes long
        if wanted or record != before:
            _keep_record(record, folder)


def users_fingerprint(work_dirs: Path) -> str:
    """A hash over what the user has changed beside working copies, in all folders of them. Never raises.

    What we write ourselves does not change it.
    """
    digest = hashlib.sha256()
    for path in sorted(work_dirs.glob(f"*/{RECORD_NAME}")):
        for name, entry in sorted(_read_record(path.parent)[0].items()):
            file = path.with_name(name)
            if not file.exists() or _is_users(file, entry):
                content = _content(file)
                digest.update(f"{file}\n{content and _hash(content)}\n".encode(errors="replace"))
    return digest.hexdigest()


def caption_path(photo: Photo) -> Path:
    """Where the caption of a working copy is written."""
    return photo.path.with_suffix(".txt")


def _users_file(photo: Photo, record: _Record, of_key: Mapping[str, list[str]]) -> Path | None:
    """The file whose text is the user's and counts for a photo; None if there is none, or if it was deleted."""
    path = caption_path(photo)
    if not path.exists():
        if path.name in record:
            return None
    elif _is_users(path, record.get(path.name)):
        return path
    others = [path.with_name(name) for name in of_key.get(photo_key(photo), []) if name != path.name]
    changed = [other for other in others if other.exists() and _is_users(other, record[other.name])]
    return max(changed, key=lambda other: other.stat().st_mtime_ns, default=None)


def _plan(
    photo: Photo, caption: bytes, record: _Record, of_key: Mapping[str, list[str]]
) -> tuple[_Record, bytes | None]:
    """What the record will say of a photo's files, and what has to be written beside it, if anything."""
    path, key = caption_path(photo), photo_key(photo)
    users = _users_file(photo, record, of_key)
    if users == path:
        return {path.name: record.get(path.name) or _Entry(key, ())}, None
    if users is not None and (carried := _content(users)) is not None:
        return {path.name: _Entry(key, ())}, carried
    entries = {path.name: _Entry(key, (_hash(caption),))}
    if (
        path.name in record and not path.exists()
    ):  # deleted: the texts beside older working copies are not wanted either
        entries |= {name: _given_up(path.with_name(name), record[name]) for name in of_key[key] if name != path.name}
    return entries, None if _content(path) == caption else caption


def _given_up(path: Path, entry: _Entry) -> _Entry:
    content = _content(path)
    return entry if content is None else replace(entry, ours=(*entry.ours, _hash(content)))


def _either(entry: _Entry, before: _Entry | None) -> _Entry:
    return replace(entry, ours=(*entry.ours, *(before.ours if before else ())))


def _is_users(path: Path, entry: _Entry | None) -> bool:
    """Whether a file that is there holds anything but what we wrote."""
    content = _content(path)
    return entry is None or content is None or _hash(content) not in entry.ours


def _content(path: Path) -> bytes | None:
    """A caption file's bytes; None for what is too large to be one, or no file that can be read."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_TEXT_BYTES:
            return None
        return path.read_bytes()
    except OSError:
        return None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _by_folder(photos: Sequence[Photo]) -> dict[Path, list[Photo]]:
    """The working copies, by the folder they lie in."""
    folders: dict[Path, list[Photo]] = defaultdict(list)
    for photo in photos:
        if photo.is_working_copy:
            folders[photo.path.parent].append(photo)
    return folders


def _names_by_key(record: _Record) -> dict[str, list[str]]:
    names: dict[str, list[str]] = defaultdict(list)
    for name, entry in record.items():
        names[entry.key].append(name)
    return names


def _read_record(folder: Path) -> tuple[_Record, Message | None]:
    """The record of a folder, and what to say where it is damaged: every text there then counts as the user's."""
    path = folder / RECORD_NAME
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        if plain["version"] != _VERSION:
            raise ValueError(plain["version"])
        return {name: _entry(value) for name, value in plain["files"].items() if Path(name).name == name}, None
    except FileNotFoundError:
        return _unrecorded(folder), None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}, Message("captions.record_unreadable", {"path": path})


def _unrecorded(folder: Path) -> _Record:
    """A folder without a record is new, or of a version that kept none and overwrote every text: they are all ours."""
    contents = {path.name: _content(path) for path in folder.glob("*.txt")}
    return {name: _Entry("", (_hash(content),)) for name, content in contents.items() if content is not None}


def _entry(plain: Any) -> _Entry:
    return _Entry(str(plain["photo"]), tuple(str(one) for one in plain["ours"]))


def _keep_record(record: _Record, folder: Path) -> None:
    files = {name: {"photo": entry.key, "ours": entry.ours} for name, entry in sorted(record.items())}
    write_text_whole(folder / RECORD_NAME, json.dumps({"version": _VERSION, "files": files}, ensure_ascii=False))
