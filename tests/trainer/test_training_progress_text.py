"""What the line under a running training says."""

import dataclasses

import pytest

from trainer.messages import sentence
from trainer.training.telling.events import Preparing, StepDone
from trainer.training.telling.progress_text import duration, progress_message

STEP = StepDone(
    step=312, total_steps=4000, loss=0.41, learning_rate=2e-4, seconds_per_step=1.9, phase="train.phase.basic"
)


def test_a_step_says_where_it_is_how_fast_and_how_long() -> None:
    said = sentence(progress_message(STEP, "en"), "en")
    assert said == "step 312/4000 · loss 0.41 · 1.9 s/step · 1 h 57 min left · basic features appear"


def test_a_run_too_short_for_the_guides_phases_names_none() -> None:
    short = dataclasses.replace(STEP, step=299, total_steps=300, phase="train.phase.initial")
    assert sentence(progress_message(short, "en"), "en") == "step 299/300 · loss 0.41 · 1.9 s/step · 2 s left"


def test_a_chinese_line_has_no_english_in_it() -> None:
    line = sentence(progress_message(STEP, "zh-TW"), "zh-TW")
    assert "312/4000" in line and "小时" in line and not set("abcdefghijklmnopqrstuvwxyz") & set(line.lower())


@pytest.mark.parametrize("stage", ["text", "latents", "model"])
def test_every_stage_of_preparing_has_its_words(stage: str) -> None:
    for language in ("en", "zh"):
        assert sentence(progress_message(Preparing(stage=stage, done=1, total=2), language), language)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3599, "1 h 0 min"), (7260, "2 h 1 min")]
)
def test_durations_are_said_in_the_units_that_fit(seconds: float, text: str) -> None:
    assert duration(seconds, "en") == text
