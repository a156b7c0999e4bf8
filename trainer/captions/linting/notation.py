"""Notation: what the text encoder would read as letters and nobody meant so. Knows no photos."""

from __future__ import annotations

import re

from ..trigger import TRIGGER, whole_word
from .phrases import CHINESE
from .removal import tidy

_PLACEHOLDER = re.compile(
    rf"\[[a-z{CHINESE}][\w -]{{0,20}}\]|\{{[^{{}}]{{0,40}}\}}"
    r"|<\|[^|>]{1,20}\|>|<(?:subject|name|person|trigger)>|__[a-z]\w*?__",
    re.IGNORECASE,
)
_THE_PERSON = re.compile(r"[\[{<](?:subject|name|person|who|主体|名字|姓名|人物)[\]}>]", re.IGNORECASE)
"""Placeholders of other programs that stand for the person."""
_WEIGHTS = re.compile(
    r"<(?:lora|lyco|hypernet|embedding)\s*:[^>]*>"
    r"|(?<!\()\(+([^():]{1,80}?)(?<!\b\d)(?<!\b\d\d)(?<!\b\d\d\d\d)\s*:\s*\d+(?:\.\d+)?\s*\)+"
    r"|(?<!\()\(\(+([^()]{1,80})\)\)+|\b(?-i:BREAK)\b|\\(?=[()])",
    re.IGNORECASE,
)
_BROKEN = re.compile("\N{REPLACEMENT CHARACTER}|锟斤拷|烫烫烫|屯屯屯")
"""Letters that are lost: an encoding had none for them."""
_SIGNS = "\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122"
_EASTERN = "\u2e80-\u9fff\ue000-\uf8ff\uff00-\uffef"
_GARBLED = re.compile(rf"(?:[\u00c2-\u00f4][{_SIGNS}]+)+|[{_EASTERN}]{{3,}}")
"""UTF-8 read as Western Europe's code page (a letter with an accent, then signs that no word has), or as GB18030."""
_LIKELY = re.compile("[\u00a0-\u017f\u2010-\u203a\u20ac\u2122\u3000-\u9fff\uff00-\uffef\U0001f000-\U0001faff]+")
_WIDE = re.compile(f"[{_EASTERN}]+")
_WESTERN = {chr(code): code for code in range(256)} | {
    letter: code for code in range(256) if (letter := bytes([code]).decode("cp1252", "ignore"))
}


def left_over(caption: str) -> str:
    """The first placeholder that nobody filled; empty for none. `[trigger]` is training's."""
    return next((found[0] for found in _PLACEHOLDER.finditer(caption) if found[0] != TRIGGER), "")


def without_left_overs(caption: str, subject: str) -> str:
    """The caption without its unfilled placeholders, the first one for the person filled if the name is lacking."""
    if not whole_word(subject).search(caption):
        caption = _THE_PERSON.sub(lambda _: subject, caption, count=1)
    return tidy(_PLACEHOLDER.sub(lambda found: found[0] if found[0] == TRIGGER else "\0", caption))


def weights(caption: str) -> str:
    """The first notation of prompt weights, which the text encoder would read aloud; empty for none."""
    found = _WEIGHTS.search(caption)
    return found[0] if found else ""


def without_weights(caption: str) -> str:
    """The caption with the weighted words, and without the notation around them."""
    while (plain := _WEIGHTS.sub(_plain_words, caption)) != caption:
        caption = plain
    return tidy(caption)


def _plain_words(found: re.Match[str]) -> str:
    return found[1] or found[2] or ("" if found[0] == "\\" else "\0")


def mojibake(caption: str) -> str:
    """The first letters that come from a file read in the wrong encoding; empty for none."""
    broken = _BROKEN.search(caption)
    if broken:
        return broken[0]
    return next((found[0] for found in _GARBLED.finditer(caption) if _read_again(found[0]) != found[0]), "")


def without_mojibake(caption: str) -> str:
    """The caption with its garbled letters read again in the right encoding; those that are lost stay."""
    while (plain := _GARBLED.sub(lambda found: _read_again(found[0]), caption)) != caption:
        caption = plain  # twice garbled
    return " ".join(caption.split())


def _read_again(garbled: str) -> str:
    """The letters as UTF-8 gives them, or the same where they are none.

    Chinese text whose GB18030 bytes are UTF-8 for other Chinese text begins every character with bytes that only rare
    characters have, so what can be read again was garbled.
    """
    is_wide = _WIDE.match(garbled) is not None
    try:
        raw = garbled.encode("gb18030") if is_wide else bytes(_WESTERN[letter] for letter in garbled)
        plain = raw.decode("utf-8")
    except (KeyError, UnicodeError):
        return garbled
    is_likely = _WIDE.fullmatch(plain) if is_wide else _LIKELY.fullmatch(plain)
    return plain if is_likely else garbled
