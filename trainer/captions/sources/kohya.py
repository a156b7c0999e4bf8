"""Folders of kohya's trainers: `10_mila woman` holds photos that count ten times, and whose caption is `mila woman`.

Many folders are numbered for other reasons (`01_close-ups`, `2024_holiday`): only those that name the subject count.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

from ...messages import Message, name_some
from ..dataset import CaptionedPhoto

MAX_REPEATS = 100
_FOLDER = re.compile(r"(\d{1,4})_(.*\S.*)")


def words_of(photo_path: Path, subject: str) -> str:
    """The caption that a photo's folder gives; empty for other folders, and for words that are but the subject."""
    words = _read(photo_path, subject)[1]
    return "" if _folded(words) == _folded(subject) else words


def with_repeats(
    captioned: tuple[CaptionedPhoto, ...], subject: str
) -> tuple[tuple[CaptionedPhoto, ...], Message | None]:
    """The photos with how often their folders count them, and what to say of it; nothing where all count alike.

    Only the proportion matters, for a run has a fixed number of steps: folders of 10 and 20 count once and twice.
    """
    paths = [item.photo.source_path for item in captioned]
    numbers = [min(max(_read(path, subject)[0], 1), MAX_REPEATS) for path in paths]
    once = math.gcd(*numbers)
    if set(numbers) <= {once}:
        return captioned, None
    said = {path.parent.name: number // once for path, number in zip(paths, numbers, strict=True)}
    folders = name_some([f"{name} ×{times}" for name, times in said.items()], limit=6)
    repeated = (replace(item, repeats=number // once) for item, number in zip(captioned, numbers, strict=True))
    return tuple(repeated), Message("captions.folders_repeat", {"folders": folders})


def _read(photo_path: Path, subject: str) -> tuple[int, str]:
    found = _FOLDER.fullmatch(photo_path.parent.name)
    if found is None or not _names(found[2], subject):
        return 1, ""
    return int(found[1]), found[2].strip()


def _names(words: str, subject: str) -> bool:
    """Whether the subject stands in the words, as whole words; Chinese has no spaces between them."""
    name = _folded(subject)
    return bool(name and re.search(rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])", _folded(words)))


def _folded(text: str) -> str:
    return " ".join(text.replace("_", " ").split()).casefold()
