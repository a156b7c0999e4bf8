"""The trigger word: how it gets into captions and prompts."""

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
    # Whole words only ("ann" is lacking in "a hannah"); Chinese has no spaces, so only Latin letters part words.
    there = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(trigger_word)}(?![A-Za-z0-9_])", re.IGNORECASE)
    if not trigger_word or there.search(caption):
        return caption
    return f"{trigger_word} {caption}".strip()
