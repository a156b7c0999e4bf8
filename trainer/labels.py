"""Labels: words inside our pictures, in the user's language where a font can draw it. Draws nothing itself."""

from __future__ import annotations

from .messages import Message, sentence
from .pictures import Font, can_draw


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
        """The text in lines no wider than `width_px`, broken between words, or inside one that alone is wider."""
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if self.width_px(longer) <= width_px:
                lines[-1] = longer
                continue
            lines += [""] if lines[-1] else []
            for character in word:
                if lines[-1] and self.width_px(lines[-1] + character) > width_px:
                    lines.append("")
                lines[-1] += character
        return tuple(lines)
