"""Prompts: how the person of a run is called up in them. Draws nothing."""

from __future__ import annotations

from collections.abc import Sequence

from .trigger import TRIGGER, apply_trigger


def called_up(prompts: Sequence[str], *, subject: str, trigger_word: str) -> tuple[str, ...]:
    """The prompts with the person's name, and with the trigger word where a run has one; empty and equal ones left out.

    As in training, the trigger word stands where `[trigger]` is, else in front; but a prompt that does not name the
    person, drawn for comparison, is left without it.
    """
    spoken: dict[str, None] = {}
    for prompt in prompts:
        text = " ".join(prompt.replace("[subject]", subject).split())
        if TRIGGER in text or subject in text:
            text = apply_trigger(text, trigger_word)
        if text:
            spoken[text] = None
    return tuple(spoken)
