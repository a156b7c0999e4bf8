"""Answers: what a model's answer really says, without what models put around it, or the reason why it says nothing."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from .captioner import Answer

EMPTY, REFUSED, ENDLESS = "captions.vision_empty", "captions.vision_refused", "captions.vision_endless"
"""Why an answer cannot be used: keys of the sentences that say so."""

_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_THOUGHT_ENDS = re.compile(r"</(?:think|thinking|reasoning)>", re.IGNORECASE)
_THOUGHT_BEGINS = re.compile(r"<(?:think|thinking|reasoning)>", re.IGNORECASE)
_TURN_BEGINS = re.compile(r"^\s*(?:<\|im_start\|>|<start_of_turn>|<\|turn>)?\s*(?:assistant|model)\s*:?\s*\n")
_TURN_ENDS = re.compile(
    r"<\|(?:im_end|endoftext|eot_id|end)\|>|<end_of_turn>|<turn\|>|<eos>|</s>|\n\s*(?:user|human|assistant)\s*:?\s*\n",
    re.IGNORECASE,
)
_SPECIAL = re.compile(r"<\|[^<>|\n]{1,40}\|?>|<[a-z_]{1,40}\|>|</?s>|<(?:bos|pad|unk|unused\d+)>|\[/?INST\]|\ufffd")
_UNSEEN = re.compile(r"[\u200b-\u200f\u2028-\u202e\u2060\ufeff\x00-\x08\x0b-\x1f\x7f]")
_FENCE = re.compile(r"^\s*```\w*\s*$", re.MULTILINE)
_LINE_MARK = re.compile(r"^[ \t]*(?:[-*•·–>#]+|\d{1,2}[.)、])[ \t]+", re.MULTILINE)
_EMPHASIS = re.compile(r"\*\*|__|`|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)")
_PREAMBLES = (
    re.compile(r"^(?:sure|certainly|of course|okay|ok|absolutely|great|yes|got it)\b[^\n:.!,]{0,60}[:.!,]\s*", re.I),
    re.compile(r"^(?:here(?:'s| is| are)|below is|this is)\b[^\n:]{0,80}:\s*", re.I),
    re.compile(r"^(?:the )?(?:image |photo )?(?:caption|answer|description|output|response|sentence)\s*:\s*", re.I),
    re.compile(r"^(?:好的|当然(?:可以)?|没问题|可以)[，,！!。：:\s]+"),
    re.compile(r"^(?:以下|下面|这里?)是[^\n：:]{0,40}[：:]\s*"),
    re.compile(r"^(?:图片|照片)?(?:描述|回答|答案|标题|说明)[：:]\s*"),
)
_REFUSALS = (
    re.compile(
        r"^(?:i'm (?:(?:very|so|really|terribly) )?sorry|i am (?:very )?sorry|sorry\b|i apologi[sz]e|my apologies"
        r"|unfortunately\b|i (?:can't|cannot|can not|could not|couldn't|won't|will not|don't|do not)\b"
        r"|(?:i'm|i am) (?:unable|not able|not comfortable|just an?)\b|as an? (?:ai|artificial|large|language)\b"
        r"|(?:could|can) you (?:please )?(?:provide|upload|share)|please (?:provide|upload|share|attach)"
        r"|(?:there is |it seems there is )?no (?:image|photo|picture)\b)",
        re.IGNORECASE,
    ),
    re.compile(
        r"^(?:很|非常|十分|真的)?(?:抱歉|对不起|不好意思|遗憾)|^我(?:无法|不能|没有办法|没法|看不到|没有看到)"
        r"|^作为(?:一个|一名)?\s*(?:AI|人工智能|大?语言模型|助手)|^请(?:您)?(?:先)?(?:提供|上传)"
        r"|^无法(?:识别|描述|提供|回答|看到|确定|满足)|^(?:没有|未)(?:看到|提供|收到)(?:任何)?(?:图|照)"
    ),
)
_PAIRS = tuple(map(tuple, ('""', "“”", "''", "‘’", "「」", "«»", "()", "（）")))
_LOOP = re.compile(r"(.{2,100}?)\1{3,}", re.DOTALL)
_LOOP_CHARACTERS = 120
"""A phrase that comes four times in a row is a loop where it fills this much, or ran into the limit."""
_SENTENCE_ENDS = re.compile(r"[。！？…]+[”’」\"']*|[.!?]+[\"'”’)]*(?=\s+[^a-z\s]|\s*$)")
_SHORTENED = re.compile(r"(?:^|[\s(])(?:mr|mrs|ms|dr|st|jr|sr|no|vs|approx|e\.g|i\.e|etc|[a-z])\.$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """An answer without what models put around it; its lines are kept."""

    text: str = ""
    problem: str | None = None
    """EMPTY, REFUSED or ENDLESS where it cannot be used."""
    is_cut: bool = False
    """Whether its last words may be half of something."""


def clean_answer(answer: Answer) -> Cleaned:
    """What the answer says, or why it says nothing."""
    text = unicodedata.normalize("NFC", answer.text).replace("\r", "\n").replace("’", "'")
    text = _THOUGHT_ENDS.split(_THOUGHT.sub("", text))[-1]
    said, *unfinished = _THOUGHT_BEGINS.split(text)
    text = _without_marks(said)
    if not any(letter.isalnum() for letter in text):
        return Cleaned(problem=ENDLESS if unfinished or (answer.is_cut and said.strip()) else EMPTY)
    if any(refusal.match(text) for refusal in _REFUSALS):
        return Cleaned(text=text, problem=REFUSED)
    text, loops = _without_loop(text, answer.is_cut)
    return Cleaned(text=text, is_cut=answer.is_cut or loops or bool(unfinished))


def first_sentence(cleaned: Cleaned) -> str | None:
    """The first sentence in one line and without its full stop; the parts of a list joined by commas.

    None where the answer was cut before one ended.
    """
    lines = [line.strip() for line in cleaned.text.splitlines() if line.strip()]
    is_list = len(lines) > 1 and not any(_SENTENCE_ENDS.search(line) for line in lines)
    if is_list:
        lines = lines[:-1] if cleaned.is_cut else lines
        parts = (_bare(re.sub(r"^[\w ]{2,20}[:：]\s*", "", line)) for line in lines)
        return ", ".join(part for part in parts if part) or None
    text = " ".join(lines)
    for end in _SENTENCE_ENDS.finditer(text):
        if not _SHORTENED.search(text[: end.end()]):
            return _bare(text[: end.start()]) or None
    return None if cleaned.is_cut else _bare(text) or None


def _without_marks(text: str) -> str:
    """The text without special tokens, Markdown, opening phrases and quotes around it."""
    pieces = [piece for piece in _TURN_ENDS.split(_TURN_BEGINS.sub("", text)) if piece.strip()]
    text = _UNSEEN.sub("", _SPECIAL.sub("", pieces[0])) if pieces else ""
    text = _EMPHASIS.sub("", _LINE_MARK.sub("", _FENCE.sub("", text))).strip()
    for preamble in _PREAMBLES:
        text = preamble.sub("", text, count=1)
    text = _LINE_MARK.sub("", text).strip()
    for opening, closing in _PAIRS:
        if len(text) > 1 and text[0] == opening and text[-1] == closing and text.count(closing) <= 2:
            text = text[1:-1].strip()
    return text


def _without_loop(text: str, is_cut: bool) -> tuple[str, bool]:
    """The text up to where it begins to go in circles, and whether it does."""
    for loop in _LOOP.finditer(text):
        is_long = len(loop[0]) >= _LOOP_CHARACTERS or (is_cut and loop.end() > len(text) - len(loop[1]))
        if is_long and any(letter.isalnum() for letter in loop[1]):
            return text[: loop.end(1)], True
    return text, False


def _bare(text: str) -> str:
    """The text without quotes and stops at its ends."""
    return text.strip(" \"“”'‘’「」*_-–—").rstrip(".,;:!?。，；：！？、 ")
