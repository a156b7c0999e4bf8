"""Previews: drawn from every checkpoint, by the untouched base model, without touching what is learnt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import PIL.Image
import pytest

from tests.trainer.conftest import CPU, CountingEncoders
from tests.trainer.test_training_adapter import tiny_adapter as tiny_adapter
from trainer.messages import UserError
from trainer.sweep.diffusers_previews import DiffusersPreviews
from trainer.training.keeping.runs import TrainJob
from trainer.training.loop import train
from trainer.training.telling.events import Finished, PreviewDrawn

PROMPTS = ("a photo of [subject]", "a photo of [subject], beach")


def events_of(job: TrainJob, encoders: CountingEncoders, previews: DiffusersPreviews | None) -> list:
    return list(train(job, encoders, device=CPU, should_stop=lambda: False, previews=previews))


@pytest.fixture
def preview_job(make_job: Callable[..., TrainJob]) -> TrainJob:
    return make_job(sample_generation=True, preview_prompts=PROMPTS, learning_rate=0.3)


def test_every_prompt_is_drawn_from_every_checkpoint(preview_job, encoders, tiny_dir) -> None:
    events = events_of(preview_job, encoders, DiffusersPreviews(preview_job, tiny_dir, CPU))
    drawn = [event for event in events if isinstance(event, PreviewDrawn)]
    assert [(event.step, event.prompt) for event in drawn] == [
        (step, prompt) for step in (3, 6) for prompt in ("a photo of Ada", "a photo of Ada, beach")
    ]
    pictures = [PIL.Image.open(event.path) for event in drawn]
    assert {picture.size for picture in pictures} == {(64, 64)}
    assert len({picture.tobytes() for picture in pictures}) == 4  # the LoRA and the prompt both matter


def test_previews_change_no_loss(preview_job, make_job, encoders, tiny_dir, tmp_path) -> None:
    def losses(job: TrainJob, previews: DiffusersPreviews | None) -> tuple[float, ...]:
        (finished,) = [event for event in events_of(job, encoders, previews) if isinstance(event, Finished)]
        return finished.checkpoints.losses

    plain = make_job(learning_rate=0.3, folder=tmp_path / "plain")
    assert losses(preview_job, DiffusersPreviews(preview_job, tiny_dir, CPU)) == losses(plain, None)


def test_a_preview_is_the_base_model_with_the_file_and_never_sees_the_training_adapter(
    preview_job, make_job, encoders, tiny_dir, tmp_path: Path, tiny_adapter: Path
) -> None:
    job = make_job(sample_generation=True, preview_prompts=PROMPTS, adapter=tiny_adapter, folder=tmp_path / "adapted")
    previews = DiffusersPreviews(job, tiny_dir, CPU)
    drawn = [event for event in events_of(job, encoders, previews) if isinstance(event, PreviewDrawn)]
    last = drawn[-1]
    path = next((tmp_path / "adapted").rglob("ada_000000006.safetensors"))
    alone = DiffusersPreviews(job, tiny_dir, CPU).render(path, last.prompt, job.config.seed)
    assert alone.tobytes() == PIL.Image.open(last.path).tobytes()


def test_previews_without_a_model_to_draw_them_are_refused_before_anything_is_encoded(preview_job, encoders) -> None:
    with pytest.raises(UserError) as caught:
        events_of(preview_job, encoders, None)
    assert caught.value.message.key == "train.no_preview_model"
    assert encoders.num_encoded == 0
