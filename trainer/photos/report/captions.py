"""Captions, as far as the checklist asks: whether they are simple, name the subject, and begin alike (R12 to R15).

What is right in a caption is told by lint alone; here it is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ...captions.dataset import Finding
from ...captions.linting.lengths import is_wordy
from ...captions.linting.words import names_subject
from ...captions.trigger import whole_word
from ...messages import Message

MIN_ALIKE = 0.8
"""So many captions at least should begin in the same way."""
_COUNTED = ("nameless", "long", "wordy", "too_long", "maybe_too_long")
"""Findings of lint that the checklist counts itself."""
_QUESTIONS = ("faceless_question", "faceless_not_told", "face_told")
"""Findings that ask: what they are about may be right as it is."""


@dataclass(frozen=True, kw_only=True)
class CaptionFacts:
    """Captions counted. Positions are those of the photos."""

    count: int
    long: tuple[int, ...]
    """Captions of more words than captions should have."""
    nameless: tuple[int, ...]
    """Captions without the subject's name."""
    start: str
    """How most captions begin, up to the subject's name."""
    num_alike: int
    """How many begin so."""
    faults: tuple[Message, ...] = ()
    """What else lint found wrong."""
    questions: tuple[Message, ...] = ()
    """What lint asks about."""

    @property
    def is_alike(self) -> bool:
        """Whether the captions begin in one way."""
        return self.num_alike >= MIN_ALIKE * self.count

    @property
    def is_good(self) -> bool:
        """Whether the captions are simple and consistent."""
        return not self.long and not self.nameless and not self.faults and self.is_alike


def look_at_captions(captions: Sequence[str], subject: str, findings: Sequence[Finding] = ()) -> CaptionFacts:
    """What there is to say about the captions of a set, with what lint found in them."""
    starts = Counter(_start(caption, subject) for caption in captions)
    start, num_alike = starts.most_common(1)[0] if starts else ("", 0)
    told = [(finding.kind, finding.message) for finding in findings if finding.kind not in _COUNTED]
    return CaptionFacts(
        count=len(captions),
        long=tuple(index for index, caption in enumerate(captions) if is_wordy(caption)),
        nameless=tuple(index for index, caption in enumerate(captions) if not names_subject(caption, subject)),
        start=start,
        num_alike=num_alike,
        faults=tuple(message for kind, message in told if kind not in _QUESTIONS),
        questions=tuple(message for kind, message in told if kind in _QUESTIONS),
    )


def _start(caption: str, subject: str) -> str:
    """What stands before the subject's name, and the name; empty for a caption without it."""
    found = whole_word(subject).search(caption)
    return f"{caption[: found.start()].casefold()}{subject}" if found else ""
