"""Working copies on disk: one picture and one record (JSON) per photo and way of cleaning it, found again by key.

    <work folder>/<name>_<key>.png    the working copy        <name>_<key>.json    what cleaning found and did
    <work folder>/views/              the photo before and after, as pictures that a browser can be given
    <work folder>/memo/               what judging found

Only files that a record names are ever deleted, and only in a folder that carries our mark.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...files import file_hash, remove_unfinished, safe_name, write_text_whole
from ...messages import Message
from ..folder import WORK_FOLDER_MARK
from ..photo import WHOLE, Box, Judgement, Photo
from ..plain import (
    judgement_as_json,
    judgement_from_json,
    message_as_json,
    message_from_json,
    messages_from_json,
)

UNUSED_DAYS = 30
"""So long working copies of other settings stay, in case somebody goes back to those."""
_DAY_S = 86400.0
_KEY_LETTERS = 8
BEFORE_LETTERS = 16
"""So many letters of a photo's hash name its pictures in views/."""
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Record:
    """What cleaning found out about a photo and did to it. Places are shares of the photo that was given to it."""

    frame: Box = WHOLE
    """The part that was kept."""
    marks: tuple[Box, ...] = ()
    """Places that were painted over, or under `report` would be."""
    whole: Judgement
    """What the photo shows that was given to cleaning."""
    done: tuple[Message, ...] = ()
    set_aside: Message | None = None
    """Why there is no working copy."""
    judgement: Judgement | None = None
    """What the working copy shows, in its own shares."""
    width_px: int = 0
    height_px: int = 0
    content_hash: str = ""
    """SHA-256 of the working copy's file; empty where there is none."""


def prepare_folder(work_dir: Path) -> None:
    """Mark the folder as ours, so that nobody takes its pictures for photos, and clear away what a crash left."""
    for folder in (work_dir, work_dir / "views"):
        remove_unfinished(folder)
        if not (folder / WORK_FOLDER_MARK).exists():
            write_text_whole(folder / WORK_FOLDER_MARK, "Working copies of photos. They can be deleted at any time.\n")


def record_path(photo: Photo, key: str, work_dir: Path) -> Path:
    """Where the record of a photo lies; the working copy has the same name. `key` is whatever the result depends on."""
    stem = safe_name(photo.source_path.stem.replace("\\", "_").strip() or "photo")
    return work_dir / f"{stem}_{hashlib.sha256(key.encode()).hexdigest()[:_KEY_LETTERS]}.json"


def read_record(path: Path, key: str | None = None) -> Record | None:
    """The record in a file; None if it is damaged, of another version, or (where a key is given) of another key."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        return _record(plain) if plain["version"] == _VERSION and key in (None, plain["key"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find_record(path: Path, key: str, copy_path: Path) -> Record | None:
    """The record of an earlier run, if there is one under this very key and its working copy is whole."""
    record = read_record(path, key)
    if record is None:
        return None
    try:
        if record.content_hash and file_hash(copy_path) != record.content_hash:
            return None
    except OSError:
        return None
    _mark_used(path)
    return record


def keep_record(record: Record, path: Path, key: str, files: Iterable[Path]) -> None:
    """Write a record. `files` are the pictures that belong to it, by which they are found when nobody uses them."""
    plain = {
        "version": _VERSION,
        "key": key,
        "files": [file.relative_to(path.parent).as_posix() for file in files],
        "frame": record.frame,
        "marks": record.marks,
        "whole": judgement_as_json(record.whole),
        "done": [message_as_json(message) for message in record.done],
        "set_aside": message_as_json(record.set_aside) if record.set_aside else None,
        "judgement": judgement_as_json(record.judgement) if record.judgement else None,
        "width_px": record.width_px,
        "height_px": record.height_px,
        "content_hash": record.content_hash,
    }
    write_text_whole(path, json.dumps(plain, ensure_ascii=False, indent=1))


def remove_unused(work_dir: Path, used: Iterable[Path]) -> None:
    """Delete working copies that no cleaning has used for UNUSED_DAYS, with their records, and pictures of gone photos.

    `used` are the records and pictures of the present photos. Captions and whatever else lies there stay.
    """
    if not (work_dir / WORK_FOLDER_MARK).exists():
        return
    kept, last_used_s = set(used), time.time() - UNUSED_DAYS * _DAY_S
    hexadecimal = "[0-9a-f]"
    pictures = (f"views/{hexadecimal * BEFORE_LETTERS}{end}" for end in (".jpg", "_small.jpg"))
    for path in (path for pattern in pictures for path in work_dir.glob(pattern)):
        if path not in kept and path.stat().st_mtime < last_used_s:
            path.unlink(missing_ok=True)
    for path in work_dir.glob(f"*_{hexadecimal * _KEY_LETTERS}.json"):
        if path in kept or path.stat().st_mtime >= last_used_s:
            continue
        try:
            files = [_inside(work_dir, name) for name in json.loads(path.read_text(encoding="utf-8"))["files"]]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # not one of ours
        for file in (*files, path):
            file.unlink(missing_ok=True)


def _inside(work_dir: Path, name: str) -> Path:
    path = work_dir / name
    if ".." in Path(name).parts or not path.resolve().is_relative_to(work_dir.resolve()):
        raise ValueError(name)
    return path


def _mark_used(path: Path) -> None:
    """Once a day at most: a second run with nothing changed writes nothing."""
    if time.time() - path.stat().st_mtime > _DAY_S:
        os.utime(path)


def _record(plain: Mapping[str, Any]) -> Record:
    return Record(
        frame=_box(plain["frame"]),
        marks=tuple(_box(mark) for mark in plain["marks"]),
        whole=judgement_from_json(plain["whole"]),
        done=messages_from_json(plain["done"]),
        set_aside=message_from_json(plain["set_aside"]) if plain["set_aside"] else None,
        judgement=judgement_from_json(plain["judgement"]) if plain["judgement"] else None,
        width_px=plain["width_px"],
        height_px=plain["height_px"],
        content_hash=plain["content_hash"],
    )


def _box(plain: Any) -> Box:
    left, top, right, bottom = plain
    return left, top, right, bottom
