"""Lengths: which captions are longer than captions should be. Knows no photos."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

LONG_WORDS = 20
"""The guide's captions have 4 to 6 words; beyond this they describe what the model should learn by itself."""
MIN_EXCESS_WORDS = 10
"""A feature adds two to five words ("with a red umbrella"): two of them make no caption far longer than the rest."""
FAR_OUT = 3
"""So many quartile distances above the upper quartile is what Tukey calls far out. Quartiles do not move with the few
captions that are sought, and where a quarter of all are long, long is what they are, not longer than the rest."""
_WIDE = re.compile("[\u3400-\u9fff]")
_LETTERS_PER_WORD = 2
"""A Chinese word has about two characters and no spaces around it."""


def num_words(caption: str) -> int:
    """How many words a caption has; in Chinese about as many as it would have with spaces."""
    narrow, wide = _WIDE.subn(" ", caption)
    return len(narrow.split()) + -(-wide // _LETTERS_PER_WORD)


def is_wordy(caption: str, template_words: int = 0) -> bool:
    """Whether a caption has more words than captions should have, and than the template itself."""
    return num_words(caption) > max(LONG_WORDS, template_words)


def usual_words(lengths: Sequence[int]) -> int:
    """The middle of the captions' lengths."""
    return sorted(lengths)[(len(lengths) - 1) // 2]


def far_longer(lengths: Sequence[int], template_words: int, mended: Callable[[int], int]) -> list[int]:
    """Positions of the captions that are far longer than the rest, all that would be so once the longest are mended.

    `mended` says how long a caption will be then, at most `template_words + MIN_EXCESS_WORDS`; that lowers the
    quartiles, hence the repetition.
    """
    rest = list(lengths)
    while rest:
        low, high = (sorted(rest)[-(-len(rest) * quarters // 4) - 1] for quarters in (1, 3))
        limit = max(template_words + MIN_EXCESS_WORDS, high + max(MIN_EXCESS_WORDS, FAR_OUT * (high - low)))
        longer = [index for index, length in enumerate(rest) if length > limit]
        if not longer:
            break
        for index in longer:
            rest[index] = mended(index)
    return [index for index, length in enumerate(lengths) if length != rest[index]]
