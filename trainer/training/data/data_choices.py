"""Data choices: resolutions and repeats, as they are typed and as they count. Knows no pixels, loads no torch."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from ...messages import UserError

RESOLUTION_LIMITS = (64, 2048)
MAX_REPEATS = 100

RepeatRule = tuple[str, int]
"""A pattern for names of photos, and how often the photos it fits are in an epoch."""


def read_resolutions(text: str) -> tuple[int, ...]:
    """`768, 1024` as numbers, smallest first, each once. Raises UserError for anything else."""
    low, high = RESOLUTION_LIMITS
    found = set()
    for part in re.split(r"[\s,;，；、]+", text.strip()):
        if not part:
            continue
        if not part.isdecimal() or not low <= int(part) <= high:
            raise UserError("train.bad_resolution", value=part, low=low, high=high)
        found.add(int(part))
    return tuple(sorted(found))


def read_repeats(text: str) -> tuple[RepeatRule, ...]:
    """Rules from `pattern = n`, a line each or parted by `;`. Raises UserError for a rule that is not of that form."""
    rules = []
    for line in re.split(r"[\n;；]", text):
        if not line.strip():
            continue
        pattern, _, number = line.replace("＝", "=").rpartition("=")
        pattern, number = pattern.strip(), number.strip()
        if not pattern or not number.isdecimal() or not 1 <= int(number) <= MAX_REPEATS:
            raise UserError("train.bad_repeats", rule=line.strip(), high=MAX_REPEATS)
        rules.append((pattern, int(number)))
    return tuple(rules)


def repeats_of(photo_path: Path, rules: Sequence[RepeatRule], by_folder: int = 1) -> int:
    """How often a photo is in an epoch: the number of the last rule that fits it, else what its folder says."""
    return next((number for pattern, number in reversed(rules) if fits(pattern, photo_path)), by_folder)


def fits(pattern: str, photo_path: Path) -> bool:
    """Whether a pattern (`*`, `?`, `[...]`) fits a photo's name, with or without its suffix.

    A pattern with a `/` is held against the end of the path: `close-ups/*`. Capitals do not count, on any system.
    """
    pattern = _folded(pattern.replace("\\", "/"))
    if "/" in pattern:
        return fnmatchcase(_folded(photo_path.as_posix()), f"*/{pattern.lstrip('/')}")
    return any(fnmatchcase(_folded(name), pattern) for name in (photo_path.name, photo_path.stem))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
