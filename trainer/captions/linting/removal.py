"""Removal: captions without a part of them, well formed again. Knows no photos."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .phrases import CHINESE, FUNCTION_WORDS, Piece, Shared, phrase_spans, pieces_of

_ARTICLES = frozenset(["a", "an", "the", "her", "his", "their", "its", "my"])
_JOINS = (
    r"(?<![\w'’-])(?:with|and|or|having|has|have|had|wearing|wears|in|on|at|of|by|near|against|under|behind|beside|from|for"
    r"|holding|showing|is|are|was|were)"
)
_CHINESE_JOINS = (
    "(?:没有|带着|带有|戴着|穿着|扎着|梳着|有着|留着|拥有|以及|带|戴|穿|留|有|和|与|、|一[双只条头件副对顶缕束]?)"
)
_TAILS = frozenset(["tied", "pulled", "braided", "swept", "worn", "up", "down", "back", "loose"])
"""What may follow a noun and belongs to it: hair tied back."""
_ALONE = re.compile(r".*ly|outdoors|indoors|outside|inside|together|alone")
"""Words that end no noun: what stands before them is not theirs."""
_MAX_ADJECTIVES, _MAX_ADJECTIVE_LETTERS = 3, 8
_ADJECTIVES = re.compile(rf"(?:(?:[{CHINESE}]色|[长短大小卷直黑白红黄蓝绿棕金灰])的?)+$")
_MODIFIERS = frozenset("色长短大小卷直")
"""How Chinese words end that describe what follows."""


def without_phrase(caption: str, phrase: str, shared: Shared) -> str:
    """The caption without a phrase, and without the words that held it in its place: `Mila with long hair` is `Mila`.

    Where the phrase only describes (the `black` of `black hair`), what it describes stays; where it is what others
    describe (its `hair`), they go too.
    """
    while spans := phrase_spans(pieces := pieces_of(caption, shared), phrase):
        for first, behind in reversed(spans):
            start, end, instead = _widened(caption, pieces, first, behind, shared)
            caption = caption[:start] + instead + caption[end:]
        caption = tidy(caption)
    return caption


def tidy(caption: str) -> str:
    """A caption from which parts were taken, each marked by NUL: no dangling words, commas or blanks."""
    text = re.sub(rf"({_JOINS})\s*\0\s*(?:and|or)\s+", r"\1 ", caption, flags=re.IGNORECASE)
    text = re.sub(rf"(?:{_JOINS}\s*)+\0", "\0", text, flags=re.IGNORECASE)
    text = re.sub(r"['’]s\s*\0", "\0", text)
    text = re.sub(r"\0\s*(?:and|or|is|are|was|were)\s+(?=\S)", "\0", text, flags=re.IGNORECASE)
    text = re.sub(r"\0[是为]", "\0", re.sub(r"的(?=\0(?:$|[,，。;；]))", "", text))
    text = re.sub(rf"({_CHINESE_JOINS})\0(?:和|与|、)", r"\1", text)
    text = re.sub(rf"{_CHINESE_JOINS}*\0(?:的(?=$|[,，。;；]))?(?:[和与、](?=[{CHINESE}]))?", "\0", text)
    text = re.sub(r"[(（“\"]\s*\0\s*[)）”\"]", "\0", text)
    text = re.sub(r"([,;.，；。、])\s*(?:\0\s*)+([,;.，；。、])", lambda m: m[2] if m[2] in ".。" else m[1], text)
    text = re.sub(rf"(?<=[{CHINESE}，。；、])\s*\0\s*|\s*\0\s*(?=[{CHINESE}，。；、])", "", text)
    text = re.sub(r"\s+(?=[,.;](?:\s|$))", "", " ".join(text.replace("\0", " ").split()))
    text = re.sub(r"([,;，；、])(?:\s*[,;，；、])+", r"\1", text)
    return re.sub(r"^[\s,.;，。；、]+|[\s,;，；、]+(?=[.。]?$)", "", text).strip()


def _widened(
    caption: str, pieces: Sequence[Piece], first: int, behind: int, shared: Shared
) -> tuple[int, int, str]:  # fmt: skip
    """What to take out with a phrase, from where to where, and what to put there: NUL for a gap, see tidy."""
    start, end = pieces[first].start, pieces[behind - 1].end
    if re.match(f"[{CHINESE}]", pieces[first].text):
        own = next((piece.end for piece in reversed(pieces[:first]) if not piece.text), 0)
        return _widened_chinese(caption, own, start, end)
    following = pieces[behind].text if behind < len(pieces) else ""
    if following and following not in FUNCTION_WORDS and following not in _TAILS and not _is_verb(following):
        before = pieces[first - 1] if first else None
        rest = caption[end:].lstrip()
        if before and before.text in ("a", "an") and rest:
            article = "an" if rest[0].lower() in "aeiou" else "a"
            kept = article.capitalize() if caption[before.start].isupper() else article
            return before.start, len(caption) - len(rest), f"{kept} "
        return start, len(caption) - len(rest), ""
    is_noun = not _is_verb(pieces[first].text) and not _ALONE.fullmatch(pieces[behind - 1].text)
    if is_noun:
        while behind < len(pieces) and pieces[behind].text in _TAILS:
            behind += 1
        nearest = max(0, first - _MAX_ADJECTIVES)
        while first > nearest and _describes(pieces[first - 1].text, shared):
            first -= 1
    while first and pieces[first - 1].text in _ARTICLES:
        first -= 1
    return pieces[first].start, pieces[behind - 1].end, "\0"


def _widened_chinese(caption: str, own: int, start: int, end: int) -> tuple[int, int, str]:
    """`own` is where the clause begins, behind a sign or the subject."""
    has_of = caption[end : end + 1] == "的" and re.match(f"[{CHINESE}]", caption[end + 1 : end + 2])
    if has_of or (caption[end - 1] in _MODIFIERS and re.match(f"[{CHINESE}]", caption[end : end + 1])):
        return start, end + bool(has_of), ""
    end += caption[end : end + 1] in tuple("着了")
    adjectives = _ADJECTIVES.search(caption, max(own, start - _MAX_ADJECTIVE_LETTERS), start)
    return adjectives.start() if adjectives else start, end, "\0"


def _describes(word: str, shared: Shared) -> bool:
    return bool(word) and word not in shared.words and not _is_verb(word) and not re.match(f"[{CHINESE}]", word)


def _is_verb(word: str) -> bool:
    return word.endswith("ing") and len(word) > len("thing")
