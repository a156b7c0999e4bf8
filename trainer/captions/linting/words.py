"""Words: whether a caption names the subject, and whether it speaks of a face. Knows no photos."""

from __future__ import annotations

import re
import unicodedata

from ..trigger import TRIGGER, whole_word
from .notation import without_left_overs

_SOMEBODY = re.compile(
    r"\b(?:an?|the|this)\s+(?:(?:young|old|older|adult|beautiful|pretty|handsome|smiling|asian|middle[ -]aged)\s+)*"
    r"(?:woman|man|girl|boy|lady|guy|person|female|male|subject)\b(?!-)"
    r"|(?:^|(?<=\bof ))(?:woman|man|girl|boy|lady|person)\b(?!-)"
    r"|(?:一[个位名]|这[个位名])?(?:年轻的?|美丽的?|漂亮的?|中年的?)?"
    r"(?:女人(?!味)|男人(?!味)|女孩子?|男孩子?|女士|男士|女子|男子|女生|男生|人物)",
    re.IGNORECASE,
)
_FACE_WORDS = re.compile(
    r"\b(?:smil(?:e|es|ing)|laugh(?:s|ing)|grin(?:s|ning)|frown(?:s|ing)|winking|eye contact|lipstick|make-?up|freckles"
    r"|look(?:s|ing) (?:straight |directly )?(?:at|into|in|toward|towards) the (?:camera|viewer|lens)|facial expression"
    r"|looking at viewer)\b|微笑|大笑|笑容|笑着|皱眉|(?:看|望)[着向]?(?:镜头|相机)|直视镜头|口红|妆容|面部表情|雀斑",
    re.IGNORECASE,
)


def names_subject(caption: str, subject: str) -> bool:
    """Whether a caption calls the person by name, or has the place where training puts the trigger word."""
    caption, subject = unicodedata.normalize("NFC", caption), unicodedata.normalize("NFC", subject)
    return TRIGGER in caption or bool(subject.strip() and whole_word(subject.strip()).search(caption))


def with_subject(caption: str, subject: str, class_word: str, template_caption: str, comma: str) -> str:
    """The caption with the person's name: in the place of `a woman`, else after the template's words."""
    filled = without_left_overs(caption, subject)
    if names_subject(filled, subject):
        return filled
    somebody = _SOMEBODY.search(caption) or whole_word(class_word or "\0").search(caption)
    if somebody:
        before, after = caption[: somebody.start()], caption[somebody.end() :]
        return f"{before}{_gap(before, subject)}{subject}{_gap(subject, after)}{after}"
    rest = caption.strip(" ,，.。;；、")
    return f"{template_caption}{comma}{rest}" if rest else template_caption


def face_words(caption: str) -> str:
    """The first words that only a face is described by; empty for none."""
    found = _FACE_WORDS.search(caption)
    return found[0] if found else ""


def _gap(left: str, right: str) -> str:
    """A blank where two Latin letters would touch."""
    return " " if re.search(r"\w$", left, re.ASCII) and re.match(r"\w", right, re.ASCII) else ""
