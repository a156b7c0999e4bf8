"""Phrases: what most captions of a set repeat. Knows no photos.

English is looked at in words, Chinese in characters, because it has no spaces between words.
"""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..trigger import TRIGGER, whole_word

MOST = 0.6
"""Said in so large a share of the captions, something is constant. At one half, chance would name what merely is
common: of 20 photos with what 40 % of all show, one set in four has it ten times, and one in eighteen twelve times."""
MIN_CAPTIONS = 8
"""Of fewer captions, several alike say nothing: what 40 % of all photos show is in most of five in one set of three."""
MAX_PIECES = 16
"""Longer repetitions are named in parts."""
CHINESE = "\u3400-\u9fff"
_PIECE = re.compile(rf"[{CHINESE}]|[^\W{CHINESE}]+(?:['’-][^\W{CHINESE}]+)*|\S")
FUNCTION_WORDS = frozenset(
    re.findall(
        "[a-z]+|[^ ]",
        "a an and are as at be by for from has have having her his he in into is it its of on or she that the their "
        "them they this to was were where which while who with without wearing wears near under against behind beside "
        "over between through during very one my our holding there "
        "showing shows depicts depicting features featuring captures "
        "我你他她它的了着在和与及是有一个位张名这那正上下中里为被把从对而也就都其之照片",
    )
)
"""Words that say nothing by themselves. A phrase neither begins nor ends with one."""
_PLAIN_NOUNS = frozenset(
    re.findall(
        "[a-z]+", "photo photograph picture image portrait shot woman man girl boy lady guy person female male people"
    )
)
"""What a picture and its subject simply are: no phrase either."""
_FRAMING = r"\b(?:close[ -]?up|head ?shot|(?:full|half|upper|whole)[ -]body|selfie)\b"
_CHINESE_FRAMING = "特写|全身照?|半身照?|自拍照?|[近中远]景"
"""How near a photo was taken belongs to the photo, however many were taken so."""
_WHAT_IS = "照片|相片|图片|图像|人像|肖像|女人|男人|女孩|男孩|女士|男士|女子|男子|女性|男性|女生|男生|人物"
_NEVER_FIRST, _NEVER_LAST = frozenset("色们子式型"), frozenset("很太最非不没未穿戴带扎梳拿抱留坐站身")
"""Characters that end, or begin, a Chinese word: a phrase that begins, or ends, with one was cut through a word."""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What captions are meant to share."""

    held: tuple[re.Pattern[str], re.Pattern[str]]
    """Parts of captions that belong to no phrase: the subject, the trigger word's place, how near the photo was taken,
    the template in Chinese. The second pattern is for captions that are not all ASCII."""
    words: frozenset[str]
    """Words with which a phrase neither begins nor ends."""


class Piece(NamedTuple):
    """A word, a Chinese character, or a sign of a caption."""

    text: str
    """In small letters; empty for what is shared and for signs."""
    start: int
    end: int


def what_is_shared(subject: str, texts: Iterable[str]) -> Shared:
    """What captions share on purpose: the subject, and the words of these texts."""
    pieces = [piece for text in (*texts, subject) for piece in _PIECE.findall(text.lower())]
    wide = {run for text in texts for run in re.findall(rf"[{CHINESE}]{{2,}}", text)}
    held = [re.escape(TRIGGER), _FRAMING, *([whole_word(subject.strip()).pattern] if subject.strip() else [])]
    held_wide = [*map(re.escape, sorted(wide, key=lambda run: (-len(run), run))), _CHINESE_FRAMING, _WHAT_IS]
    narrow = {piece for piece in pieces if not re.match(f"[{CHINESE}]", piece)}
    patterns = (re.compile("|".join(held), re.IGNORECASE), re.compile("|".join(held_wide)))
    return Shared(held=patterns, words=FUNCTION_WORDS | _PLAIN_NOUNS | narrow)


def pieces_of(caption: str, shared: Shared) -> list[Piece]:
    """The pieces of a caption in order."""
    held = bytearray(len(caption))
    for pattern in shared.held[: 1 if caption.isascii() else 2]:
        for match in pattern.finditer(caption):
            held[match.start() : match.end()] = b"\1" * (match.end() - match.start())
    found = []
    for match in _PIECE.finditer(caption):
        (start, end), text = match.span(), match[0]
        is_word = text[0].isalnum() and held.find(1, start, end) < 0
        found.append(Piece(text.lower() if is_word else "", start, end))
    return found


def repeated(captions: Sequence[str], shared: Shared) -> dict[str, list[int]]:
    """The phrases that most captions hold, each with the positions of these, those that say most first.

    Of overlapping phrases the one counts that covers most words of most captions; what is part of it counts by itself
    only where it stands without it.
    """
    if len(captions) < MIN_CAPTIONS:
        return {}
    least = math.ceil(MOST * len(captions))
    copies = Counter(captions)
    different = list(copies)
    texts = [pieces_of(caption, shared) for caption in different]
    taken = [bytearray(len(text)) for text in texts]

    def num_saying(places: _Places) -> int:
        return sum(copies[different[index]] for index in {index for index, _ in places})

    found = dict[str, set[str]]()
    queue = [
        (-len(gram) * num_saying(places), -len(gram), gram, places)
        for gram, places in _frequent([[piece.text for piece in text] for text in texts], num_saying, least)
        if _is_phrase(gram, shared)
    ]
    heapq.heapify(queue)
    while queue:
        worth, _, gram, places = heapq.heappop(queue)
        free = [(index, at) for index, at in places if taken[index].find(1, at, at + len(gram)) < 0]
        if num_saying(free) < least:
            continue
        if -len(gram) * num_saying(free) > worth:
            heapq.heappush(queue, (-len(gram) * num_saying(free), -len(gram), gram, free))
            continue
        written = Counter[str]()
        for index, at in free:
            taken[index][at : at + len(gram)] = b"\1" * len(gram)
            start, end = texts[index][at].start, texts[index][at + len(gram) - 1].end
            written[different[index][start:end]] += copies[different[index]]
        phrase = min(written, key=lambda text: (-written[text], text))
        found[phrase] = {different[index] for index, _ in free}
    return {
        phrase: [place for place, caption in enumerate(captions) if caption in those] for phrase, those in found.items()
    }


def phrase_spans(pieces: Sequence[Piece], phrase: str) -> list[tuple[int, int]]:
    """Where a phrase stands in a caption, as positions of its pieces: the first, and the first behind it."""
    gram = [piece.lower() for piece in _PIECE.findall(phrase)]
    texts, spans, at = [piece.text for piece in pieces], [], 0
    while gram and at + len(gram) <= len(texts):
        is_there = texts[at] == gram[0] and texts[at : at + len(gram)] == gram
        if is_there:
            spans.append((at, at + len(gram)))
        at += len(gram) if is_there else 1
    return spans


_Places = list[tuple[int, int]]
"""Which caption, and which of its pieces."""


def _frequent(
    texts: Sequence[Sequence[str]], num_saying: Callable[[_Places], int], least: int
) -> list[tuple[tuple[str, ...], _Places]]:
    """All runs of pieces that so many captions hold, with their places. A run is frequent only if its beginning is."""
    grown: dict[tuple[str, ...], _Places] = {(): [(i, at) for i, text in enumerate(texts) for at in range(len(text))]}
    found = list[tuple[tuple[str, ...], _Places]]()
    for length in range(1, MAX_PIECES + 1):
        longer: dict[tuple[str, ...], _Places] = {}
        for gram, places in grown.items():
            by_next = defaultdict[str, _Places](list)
            for index, at in places:
                text = texts[index]
                if at + length <= len(text) and text[at + length - 1]:
                    by_next[text[at + length - 1]].append((index, at))
            longer.update({(*gram, piece): those for piece, those in by_next.items() if num_saying(those) >= least})
        found.extend(longer.items())
        grown = longer
    return found


def _is_phrase(gram: tuple[str, ...], shared: Shared) -> bool:
    first, last = gram[0], gram[-1]
    if first in shared.words or last in shared.words:
        return False
    wide = [_is_chinese(piece) for piece in gram]
    if all(wide):
        return len(gram) >= 2 and first not in _NEVER_FIRST and last not in _NEVER_LAST
    return not any(wide) and any(len(piece) > 1 and not piece.isdigit() for piece in gram)


def _is_chinese(piece: str) -> bool:
    return "\u3400" <= piece[0] <= "\u9fff"
