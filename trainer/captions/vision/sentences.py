"""Sentences: a model's sentence about a photo as a caption that names the subject once. Asks nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..config import CaptionConfig
from ..sources.own import one_line
from .questions import asks_in_chinese, person_word

_ALSO_CALLED = {
    "woman": ("woman", "lady", "girl", "female", "person"),
    "girl": ("girl", "young woman", "child", "woman", "person"),
    "man": ("man", "guy", "gentleman", "male", "boy", "person"),
    "boy": ("boy", "young man", "child", "man", "person"),
    "person": ("person", "woman", "man", "girl", "boy", "lady", "individual", "figure", "subject"),
    "女人": ("女人", "女子", "女士", "女性", "女孩", "女生", "人物", "人"),
    "女孩": ("女孩", "女生", "少女", "女子", "女人", "人物", "人"),
    "男人": ("男人", "男子", "男士", "男性", "男孩", "男生", "人物", "人"),
    "男孩": ("男孩", "男生", "少年", "男子", "男人", "人物", "人"),
    "人": ("女人", "男人", "女子", "男子", "女士", "男士", "女性", "男性", "女孩", "男孩", "人物", "人"),
}
_ADJECTIVE_ZH = r"(?:年轻|漂亮|美丽|成年|中年|老年|可爱|亚洲|东亚|优雅)"
_NO_ADJECTIVE = r"(?:of|in|on|at|by|with|near|and|or|to|from|beside|behind|wearing|holding|showing) "
_PRONOUN_EN = re.compile(r"^(?:she|he|they|it)\b", re.IGNORECASE)
_PRONOUN_ZH = re.compile(r"^[她他它](?!们)")
_OPENING_EN = re.compile(
    r"^(?:the|this) (?:image|photo|picture|photograph) (?:shows|depicts|features|captures|is of)\s+", re.IGNORECASE
)
_OPENING_ZH = re.compile(
    r"^(?:这张|该|这是一张)?(?:图片|照片|图像|画面)(?:[中里上]的?|显示了?|展示了?|描绘了?|是)+[，,]?\s*"
)


@dataclass(frozen=True, kw_only=True)
class Naming:
    """How a model may call the person, and what captions call it."""

    subject: str
    person: str
    in_chinese: bool

    @classmethod
    def of(cls, config: CaptionConfig) -> Naming:
        """The naming of a config."""
        return cls(subject=one_line(config.subject), person=person_word(config), in_chinese=asks_in_chinese(config))

    def named(self, sentence: str) -> str:
        """The sentence with the subject in it once: where the model names the person, else in front."""
        text = self._once(sentence)
        if text is None:
            text = self._in_place(sentence)
        if not self.in_chinese:
            return re.sub(r"^An? (?=[\w-]+ of |[\w-]+ [\w-]+ of )", lambda start: start[0].lower(), text)
        return text

    def _once(self, sentence: str) -> str | None:
        """The sentence with only the first mention of the subject; None where there is none."""
        mentions = list(self._subject().finditer(sentence))
        if not mentions:
            return None
        first = mentions[0]
        again = f"这个{self.person}" if self.in_chinese else f"the {self.person}"
        rest = self._subject().sub(lambda _: again, sentence[first.end() :])
        return f"{sentence[: first.start()]}{self.subject}{rest}"

    def _in_place(self, sentence: str) -> str:
        """The sentence with the subject for the first word that means the person, else in front of it."""
        person = self._chinese_person() if self.in_chinese else self._english_person()
        opening, pronoun = (_OPENING_ZH, _PRONOUN_ZH) if self.in_chinese else (_OPENING_EN, _PRONOUN_EN)
        shorn = opening.sub("", sentence) or sentence
        for pattern in (pronoun, person):
            text, num_found = pattern.subn(lambda _: self.subject, shorn, count=1)
            if num_found:
                is_bare = not self.in_chinese and shorn != sentence and text.startswith(self.subject)
                return f"a photo of {text}" if is_bare else text
        if self.in_chinese:
            return f"{self.subject}，{shorn}"
        return f"a photo of {self.subject}, {_lowered(shorn)}"

    def _subject(self) -> re.Pattern[str]:
        """The subject as a word of its own, in any case."""
        return re.compile(rf"(?<![A-Za-z0-9]){re.escape(self.subject)}(?![A-Za-z0-9])", re.IGNORECASE)

    def _english_person(self) -> re.Pattern[str]:
        """`the young smiling woman`: an article, at most three words that describe the person, and what it is."""
        words = "|".join(map(re.escape, _ALSO_CALLED.get(self.person, (self.person,))))
        return re.compile(
            rf"\b(?:the|a|an|this|one) (?:(?!{_NO_ADJECTIVE})[\w-]+,? ){{0,3}}?(?:{words})\b(?!')", re.IGNORECASE
        )

    def _chinese_person(self) -> re.Pattern[str]:
        words = "|".join(map(re.escape, _ALSO_CALLED.get(self.person, (self.person,))))
        counted = r"(?:[这那该一](?:[位个名只条])|该|这)?"
        return re.compile(rf"{counted}(?:{_ADJECTIVE_ZH}的?)*(?:{words})(?!物|行|群|们|像)")


def _lowered(text: str) -> str:
    """The text with a small first letter, but for words like `T-shirt` and `USA`."""
    first = re.match(r"[A-Z][a-z]*(?=[ ,]|$)", text)
    return text[0].lower() + text[1:] if first else text
