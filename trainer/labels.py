"""Labels: words inside our pictures, in the user's language where a font can draw it. Draws nothing itself."""

from __future__ import annotations

import re

from .messages import Message, sentence
from .pictures import Font, can_draw

_WIDE = "\u3001-\u30ff\u3400-\u9fff\uff01-\uffef"
_OPENING, _CLOSING = "（“《「", "，。；：、？！）”》」…"
_WORD = re.compile(
    f"( ?)([{_OPENING}]*(?:[{_WIDE}]|[^ {_WIDE}{_OPENING}{_CLOSING}]+|[{_OPENING}{_CLOSING}])[{_CLOSING}]*)"
)
"""What stays together on a line, after the space before it: a word, or a Chinese character with its marks."""


class Labels:
    """What a picture says, in words that its font can draw."""

    def __init__(self, with_font: Font, language: str) -> None:
        self.font, self._language = with_font, language

    def say(self, key: str, **values: object) -> str:
        """One of our own sentences; in English where the font lacks the user's characters."""
        said = sentence(Message(key, values), self._language)
        return said if can_draw(said, self.font) else sentence(Message(key, values), "en")

    def own(self, text: str, instead: str) -> str:
        """A text of the user's, or `instead` where the font lacks its characters."""
        return text if can_draw(text, self.font) else instead

    def width_px(self, text: str) -> float:
        """How wide a text is drawn."""
        return self.font.getlength(text)

    def wrap(self, text: str, width_px: float) -> tuple[str, ...]:
        """The text in lines no wider than `width_px`, broken between words, or inside one that alone is wider.

        Chinese is broken between any two characters, but no line begins with a closing mark or ends in an opening one.
        """
        lines = [""]
        for space, word in _WORD.findall(" ".join(text.split())):
            longer = lines[-1] + space + word if lines[-1] else word
            if self.width_px(longer) <= width_px:
                lines[-1] = longer
                continue
            lines += [""] if lines[-1] else []
            for character in word:
                if lines[-1] and self.width_px(lines[-1] + character) > width_px:
                    lines.append("")
                lines[-1] += character
        return tuple(lines)
