"""What the training node says while it works."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.nodes.pack import module

live = module("nodes.live")
events = module("trainer.training.telling.events")
results = module("trainer.training.keeping.results")
Message = module("trainer.messages").Message

STEP = events.StepDone(
    step=312, total_steps=4000, loss=0.4123, learning_rate=2e-4, seconds_per_step=1.9, phase="train.phase.basic"
)
CHECKPOINTS = results.Checkpoints(
    run_name="Mila",
    run_dir=Path("output/Mila"),
    subject="Mila",
    trigger_word="",
    checkpoints=(results.Checkpoint(step=250, path=Path("loras/Mila/Mila_000000250.safetensors")),),
    losses=(0.5, 0.4),
)
EVENTS = (
    events.Preparing(stage="text", done=1, total=2),
    events.Preparing(stage="latents", done=1, total=2),
    events.Preparing(stage="model", done=0, total=1),
    events.Started(first_step=1, total_steps=4000, num_photos=70, num_trained_modules=240),
    STEP,
    events.CheckpointSaved(checkpoint=CHECKPOINTS.checkpoints[0]),
    events.Validated(
        step=500, loss=0.41234, num_photos=7, before_step=250, change=-0.0041, margin=0.0012, best_step=500, seconds=1.5
    ),
    events.Warned(message=Message("photos.few", {"count": 12})),
    events.Stopped(step=312),
    events.Finished(checkpoints=CHECKPOINTS),
)


def test_step_line_tells_step_loss_pace_time_left_and_phase() -> None:
    said = "step 312/4000 · loss 0.41 · 1.9 s/step · 1 h 57 min left · basic features appear"
    assert live.training_line(STEP, "en") == said


def test_validation_line_tells_the_change_its_interval_and_the_best_step() -> None:
    (event,) = (event for event in EVENTS if isinstance(event, events.Validated))
    line = live.training_line(event, "en")
    assert line is not None and line.startswith("step 500: loss 0.4123 on 7 photos it never learns from")
    assert "(-0.0041 ± 0.0012 since step 250)" in line and line.endswith("best so far: step 500")


def test_the_finish_says_which_step_is_recommended_and_why() -> None:
    reason = Message("train.recommended.stops_improving", {"step": 250, "num": 7, "loss": "0.4123"})
    chosen = dataclasses.replace(CHECKPOINTS, recommended_step=250, reason=reason)
    assert "Recommended: step 250" in live.finished_text(chosen, [], "en")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_event_can_be_said(language: str) -> None:
    silent = {"CheckpointSaved", "Warned", "Finished"}
    for event in EVENTS:
        line = live.training_line(event, language)
        assert (line is None) == (type(event).__name__ in silent) and line != ""
    assert "Mila_000000250.safetensors" in live.finished_text(
        CHECKPOINTS, [Message("photos.few", {"count": 3})], language
    )


def test_captions_are_told_after_the_warnings_and_what_there_is_to_mend() -> None:
    dataset_parts, photos = module("trainer.captions.dataset"), module("trainer.photos.photo")
    path = Path("photos/with hat/a.jpg")
    photo = photos.Photo(path=path, source_path=path, width_px=8, height_px=8, content_hash="a")
    dataset = dataset_parts.Dataset(
        subject="Mila",
        photos=(dataset_parts.CaptionedPhoto(photo=photo, caption="Mila with hat"),),
        photo_set=photos.PhotoSet(folder=Path("photos"), photos=(photo,)),
        findings=(dataset_parts.Finding(kind="x", message=Message("captions.no_subject"), photos=("a",)),),
        warnings=(Message("photos.few", {"count": 1}),),
    )
    heading, warning, finding, caption = live.captions_text(dataset, "en").splitlines()
    assert heading == "1 captions" and "70" in warning and "subject is empty" in finding
    assert caption == "with hat/a.jpg: Mila with hat"
