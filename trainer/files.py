"""Files: names that are safe on every system, and writing that leaves the old file or the whole new one."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .messages import UserError

_NUMBERED = (f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))
_WINDOWS_RESERVED = {"con", "prn", "aux", "nul", "conin$", "conout$", *_NUMBERED}
_WAITS_S = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8) if os.name == "nt" else ()
_MAX_NAME_BYTES = 80  # leaves room for folders and suffixes within Windows' 260 characters


def safe_name(name: str) -> str:
    """The user's name as a folder name that Windows, macOS and Linux accept; Chinese stays Chinese.

    Raises UserError for a name with a path in it (`a/b`, `..`) or with nothing in it.
    """
    name = name.strip()
    half_letters = any("\ud800" <= letter <= "\udfff" for letter in name)  # no file system can store those
    if not name or half_letters or "/" in name or "\\" in name or name in (".", ".."):
        raise UserError("files.bad_name", name=name)
    cleaned = re.sub(r'[<>:"|?*\x00-\x1f]', "_", name).rstrip(". ")
    if cleaned.split(".")[0].rstrip().lower() in _WINDOWS_RESERVED:
        cleaned = f"_{cleaned}"
    if not cleaned:
        raise UserError("files.bad_name", name=name)
    while len(cleaned.encode()) > _MAX_NAME_BYTES:
        cleaned = cleaned[:-1].rstrip(". ")
    return cleaned


def slug(name: str) -> str:
    """An ASCII name for routes and caches: the readable part and a hash, so that two names never meet."""
    readable = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    return f"{readable or 'run'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, sync it to disk, and put it in place in one move.

    A crash or a full disk leaves the old file. Raises UserError for a full disk or a folder that cannot be written.
    """
    write_all_whole({path: write})


def write_all_whole(writes: Mapping[Path, Callable[[Path], None]]) -> None:
    """Like `write_whole` for several files: the first is put in place once all are on the disk."""
    temporaries = {path: path.with_name(f".{uuid.uuid4().hex[:12]}.tmp") for path in writes}
    try:
        for path, write in writes.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write(temporaries[path])
            sync_file(temporaries[path])
        for path, temporary in temporaries.items():
            put_in_place(temporary, path)
        for folder in {path.parent for path in writes}:
            sync_folder(folder)
    except Exception as error:
        for temporary in temporaries.values():
            temporary.unlink(missing_ok=True)
        raise as_user_error(error, path) from error


def put_in_place(temporary: Path, path: Path, waits_s: Sequence[float] = _WAITS_S) -> None:
    """Move a file over another one. Windows refuses that while any program has the old one open, as a page that looks
    at a run or a virus scanner has for a moment; so it is tried again after each of the waits."""
    for wait_s in waits_s:
        try:
            os.replace(temporary, path)
            return
        except PermissionError:
            time.sleep(wait_s)
    os.replace(temporary, path)


def write_text_whole(path: Path, text: str) -> None:
    """Write UTF-8 text so that the file is the old one or the whole new one."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(text.encode("utf-8"))

    write_whole(path, write)


def write_folder_whole(folder: Path, write: Callable[[Path], None]) -> None:
    """Like `write_whole` for a folder: filled under a temporary name, every file synced, renamed into place.

    An existing folder of that name is replaced; between the two moves it exists under neither name, never half.
    """
    temporary, old = (folder.with_name(f".{uuid.uuid4().hex[:12]}.tmp") for _ in range(2))
    try:
        temporary.mkdir(parents=True)
        write(temporary)
        for path in temporary.iterdir():
            sync_file(path)
        sync_folder(temporary)
        if folder.exists():
            os.replace(folder, old)
        os.replace(temporary, folder)
        sync_folder(folder.parent)
    except BaseException as error:  # a host's Cancel is no Exception
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, Exception):
            raise as_user_error(error, folder) from error
        raise
    shutil.rmtree(old, ignore_errors=True)


def remove_unfinished(folder: Path) -> None:
    """Delete the temporary files and folders that a killed process left in `folder`."""
    for path in folder.glob(".*.tmp") if folder.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """Have the system put a file's bytes on the disk."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have the system put a folder's names on the disk; Windows has no such call and does without."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def as_user_error(error: Exception, path: Path) -> Exception:
    """A full disk or a forbidden place as a sentence for the user; any other error as it is."""
    text = str(error).lower()
    if "no space left" in text or getattr(error, "errno", None) in (28, 122):
        return UserError("files.disk_full", path=path)
    if isinstance(error, PermissionError):
        return UserError("files.forbidden", path=path)
    return error
