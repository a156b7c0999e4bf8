"""Captions, as far as the checklist asks: whether they are simple, name the subject, and begin alike (R12 to R15)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

LONG_WORDS = 20
"""The guide's captions have 4 to 6 words; beyond this they describe what the model should learn by itself."""
MIN_ALIKE = 0.8
"""So many captions at least should begin in the same way."""
_LETTERS_PER_WORD = 2
"""A Chinese word has about two characters and no spaces around it."""


@dataclass(frozen=True, kw_only=True)
class CaptionFacts:
    """Captions counted. Positions are those of the photos."""

    count: int
    long: tuple[int, ...]
    """Captions of more than LONG_WORDS words."""
    nameless: tuple[int, ...]
    """Captions without the subject's name."""
    start: str
    """How most captions begin, up to the subject's name."""
    num_alike: int
    """How many begin so."""

    @property
    def is_alike(self) -> bool:
        """Whether the captions begin in one way."""
        return self.num_alike >= MIN_ALIKE * self.count

    @property
    def is_good(self) -> bool:
        """Whether the captions are simple and consistent."""
        return not self.long and not self.nameless and self.is_alike


def look_at_captions(captions: Sequence[str], subject: str) -> CaptionFacts:
    """What there is to say about the captions of a set."""
    starts = Counter(_start(caption, subject) for caption in captions)
    start, num_alike = starts.most_common(1)[0] if starts else ("", 0)
    return CaptionFacts(
        count=len(captions),
        long=tuple(index for index, caption in enumerate(captions) if num_words(caption) > LONG_WORDS),
        nameless=tuple(index for index, caption in enumerate(captions) if subject.casefold() not in caption.casefold()),
        start=start,
        num_alike=num_alike,
    )


def num_words(caption: str) -> int:
    """How many words a caption has; in Chinese about as many as it would have with spaces."""
    wide = sum("\u3400" <= letter <= "\u9fff" for letter in caption)
    narrow = "".join(" " if "\u3400" <= letter <= "\u9fff" else letter for letter in caption)
    return len(narrow.split()) + -(-wide // _LETTERS_PER_WORD)


def _start(caption: str, subject: str) -> str:
    before, found, _ = caption.casefold().partition(subject.casefold())
    return f"{before}{subject}" if found else ""
