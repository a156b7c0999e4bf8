"""Metadata: the captions in a `metadata.jsonl` as Hugging Face's imagefolder has it. Opens no other file.

One JSON object per line: {"file_name": path below the folder of this file, "text" (or "caption", "prompt"): caption}
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ...messages import Message, name_some
from ...photos.folder import shown_path
from .caption_files import read_text_file
from .decoding import MAX_TEXT_BYTES

MAX_METADATA_BYTES = 16_000_000
"""Some 50,000 captions."""
_NAME, _TEXTS = "file_name", ("text", "caption", "prompt")


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What a metadata file says."""

    captions: dict[str, str]
    """By `place_below` of the photo."""
    warnings: tuple[Message, ...]


def read_metadata(path: Path, folder: Path, known: Collection[str]) -> Metadata:
    """The captions of a metadata file for photos of `folder`. Lines that cannot be used are named; never raises.

    Where a photo is named twice the first line counts. `known` has `place_below` of all files that are known to be
    there, so that the disk is asked only for others.
    """
    file = read_text_file(path, folder, MAX_METADATA_BYTES)
    if file.problem:
        return Metadata(captions={}, warnings=(file.problem,))
    captions: dict[str, str] = {}
    wrong: dict[str, list[str]] = {}
    for number, line in enumerate(file.text.split("\n"), start=1):
        if not line.strip():
            continue
        key, example = _sort_in(line, path.parent, folder, known, captions)
        if key:
            wrong.setdefault(key, []).append(example or str(number))
    name = shown_path(path, folder)
    warnings = (
        Message(key, {"name": name, "count": len(where), "where": name_some(where)}) for key, where in wrong.items()
    )
    return Metadata(captions=captions, warnings=tuple(warnings))


def place_below(path: Path, folder: Path) -> str:
    """A photo's path below its folder, written the same way on every system."""
    return unicodedata.normalize("NFC", path.relative_to(folder).as_posix())


def _sort_in(
    line: str, base: Path, folder: Path, known: Collection[str], captions: dict[str, str]
) -> tuple[str | None, str]:
    """Put a line's caption among the others; else what is wrong with the line, and a name for it if it has one."""
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError):
        return "captions.metadata_broken", ""
    if not isinstance(plain, dict):
        return "captions.metadata_broken", ""
    file_name = plain.get(_NAME)
    if not isinstance(file_name, str) or not file_name.strip():
        return "captions.metadata_nameless", ""
    shown = shown_path(base / file_name, folder)
    text = next((plain[key] for key in _TEXTS if isinstance(plain.get(key), str) and plain[key].strip()), "")
    if not text or len(text) > MAX_TEXT_BYTES or not _can_be_written(text):
        return "captions.metadata_textless", shown
    place = _place_of(file_name, base, folder)
    if place is None:
        return "captions.metadata_outside", shown
    if place not in known and not _exists(folder / place):
        return "captions.metadata_gone", shown
    if place in captions:
        return "captions.metadata_twice", shown
    captions[place] = text
    return None, ""


def _place_of(file_name: str, base: Path, folder: Path) -> str | None:
    """`place_below` of what a line names; None for what lies elsewhere. Nothing on the disk is touched."""
    path = Path(os.path.normpath(base / file_name.replace("\\", "/")))
    return place_below(path, folder) if path.is_relative_to(folder) else None


def _exists(path: Path) -> bool:
    """Photos that were not loaded, such as those in subfolders, are not gone."""
    try:
        return os.path.lexists(path)
    except ValueError:  # a name that no file system can store
        return False


def _can_be_written(text: str) -> bool:
    """JSON can hold halves of letters."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in text
