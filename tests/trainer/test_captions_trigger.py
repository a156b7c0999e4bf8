"""The trigger word gets into every caption exactly once."""

from __future__ import annotations

import pytest

from trainer.captions.trigger import apply_trigger

CAPTIONS = [
    "a photo of [trigger]",
    "a photo of a woman",
    "ohwx at the sea",
    "[trigger] and [trigger]",
    "小美的照片",
    "",
]


@pytest.mark.parametrize("caption", CAPTIONS)
@pytest.mark.parametrize("trigger_word", ["", "ohwx", "小美", "two words", "c++", r"back\1slash"])
def test_applying_twice_is_applying_once(caption: str, trigger_word: str) -> None:
    once = apply_trigger(caption, trigger_word)
    assert apply_trigger(once, trigger_word) == once
    assert "[trigger]" not in once and trigger_word in once


@pytest.mark.parametrize(
    ("caption", "trigger_word", "expected"),
    [
        ("a photo of [trigger], smiling", "ohwx", "a photo of ohwx, smiling"),
        ("a photo of a woman", "ohwx", "ohwx a photo of a woman"),
        ("Ohwx at the sea", "ohwx", "Ohwx at the sea"),
        ("a photo of hannah", "ann", "ann a photo of hannah"),
        ("小美的照片", "小美", "小美的照片"),
        ("", "ohwx", "ohwx"),
        ("a photo of a woman", "", "a photo of a woman"),
        ("a photo of [trigger]", "  ", "a photo of"),
    ],
)
def test_trigger_word_replaces_its_place_or_goes_in_front(caption: str, trigger_word: str, expected: str) -> None:
    assert apply_trigger(caption, trigger_word) == expected
