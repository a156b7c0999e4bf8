"""Caption files: one text file read as a caption or as lines, or what is wrong with it, by name. Never raises."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...messages import Message
from ...photos.folder import leads_out_of, shown_path
from .decoding import MAX_TEXT_BYTES, decode_text, is_binary


@dataclass(frozen=True)
class TextFile:
    """A file's text; or empty, and what to say about it."""

    text: str
    problem: Message | None = None


def read_text_file(path: Path, folder: Path, max_bytes: int = MAX_TEXT_BYTES) -> TextFile:
    """The text of a file in a folder. What is no ordinary file, or larger than `max_bytes`, is not opened."""

    def refused(key: str, **values: object) -> TextFile:
        return TextFile("", Message(key, {"name": shown_path(path, folder), **values}))

    try:
        if path.is_symlink() and leads_out_of(folder, path):
            return refused("captions.own_leads_out")
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # a folder; or a pipe, which would never end
            return refused("captions.own_not_a_file")
        data = b""
        if status.st_size <= max_bytes:
            with open(path, "rb") as file:
                data = file.read(max_bytes + 1)
        if max(status.st_size, len(data)) > max_bytes:
            size_kb = max(status.st_size, len(data)) // 1000
            return refused("captions.own_huge", size=size_kb, limit=max_bytes // 1000)
    except OSError as error:
        return refused("captions.own_unreadable", problem=error.strerror or type(error).__name__)
    text = decode_text(data)
    if text is None:
        return refused("captions.own_binary" if is_binary(data) else "captions.own_encoding")
    return TextFile(text) if text.strip() else refused("captions.own_empty")


class Reader:
    """Reads each file once, however many photos it is for, and keeps what was wrong."""

    def __init__(self, folder: Path) -> None:
        self.warnings: list[Message] = []
        self._folder = folder
        self._read: dict[Path, str] = {}

    def first_text(self, paths: Iterable[Path]) -> str:
        """The text of the first file that has any; empty if none has."""
        return next(filter(None, map(self._text, paths)), "")

    def _text(self, path: Path) -> str:
        if path not in self._read:
            file = read_text_file(path, self._folder)
            self._read[path] = file.text
            self.warnings += [file.problem] if file.problem else []
        return self._read[path]
