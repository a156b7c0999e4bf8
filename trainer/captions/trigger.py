"""The trigger word and the class word: how they get into captions and prompts."""

from __future__ import annotations

import re

TRIGGER = "[trigger]"


def apply_trigger(caption: str, trigger_word: str) -> str:
    """The caption with the trigger word in the place of `[trigger]`, else in front where it is lacking.

    Without a trigger word `[trigger]` is taken out. Applied twice it gives what it gave at first.
    """
    trigger_word = trigger_word.strip()
    if TRIGGER in caption:
        return " ".join(caption.replace(TRIGGER, trigger_word).split())
    if not trigger_word or whole_word(trigger_word).search(caption):
        return caption
    return f"{trigger_word} {caption}".strip()


def class_caption(caption: str, *, subject: str, trigger_word: str, class_word: str) -> str | None:
    """The caption with the class word in the place of the person's name and of the trigger word: "a photo of person".

    A caption with neither gets the class word in front where training puts a trigger word there. None where the
    caption says nothing else than what the person is learnt by.
    """
    trigger_word, class_word = trigger_word.strip(), " ".join(class_word.split())
    text = caption.replace(TRIGGER, class_word)
    for name in sorted({subject.strip(), trigger_word} - {""}, key=len, reverse=True):
        text = whole_word(name).sub(lambda _: class_word, text)
    text = " ".join(text.split())
    if text == " ".join(caption.split()) and trigger_word:
        text = f"{class_word} {text}".strip()
    once = re.escape(class_word)  # of "[trigger] Ada" one is left
    text = re.sub(rf"{once}(?:\s+{once})+", lambda _: class_word, text)
    return None if text == " ".join(apply_trigger(caption, trigger_word).split()) else text


def whole_word(word: str) -> re.Pattern[str]:
    """Whole words only ("ann" is lacking in "a hannah"); Chinese has no spaces, so only Latin letters part words."""
    return re.compile(rf"(?<![A-Za-z0-9_]){re.escape(word)}(?![A-Za-z0-9_])", re.IGNORECASE)
