"""Events: what a consumer is told and in which order, and that no torch context leaks between it and training."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.trainer.conftest import CPU, CountingEncoders, losses_of
from trainer.messages import UserError, sentence
from trainer.training.keeping.runs import TrainJob
from trainer.training.loop import train
from trainer.training.telling.events import (
    CheckpointSaved,
    DiskPlanned,
    Finished,
    MemoryPlanned,
    MemoryTold,
    Preparing,
    Started,
    StepDone,
    Stopped,
    Warned,
)
from trainer.training.telling.phases import phase_of

MODES = {
    "plain": contextlib.nullcontext,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
}


def contexts() -> tuple:
    return torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")


def test_events_come_in_order_and_say_what_happened(make_job: Callable, run_through: Callable) -> None:
    job = make_job(total_steps=5, save_every=2)
    events = run_through(job)
    preparing = [event for event in events if isinstance(event, Preparing)]
    assert [(event.stage, event.done, event.total) for event in preparing] == [
        *[("text", i, 4) for i in range(1, 5)], *[("latents", i, 5) for i in range(1, 6)],
        ("model", 0, 1), ("model", 1, 1),
    ]  # fmt: skip
    assert isinstance(events[0], DiskPlanned)
    told_by_the_way = Preparing | Warned | DiskPlanned | MemoryPlanned | MemoryTold
    rest = [event for event in events if not isinstance(event, told_by_the_way)]
    assert rest[0] == Started(first_step=1, total_steps=5, num_photos=5, num_trained_modules=16)
    kinds = [(type(event), getattr(event, "step", None) or event.checkpoint.step) for event in rest[1:-1]]
    steps = [(StepDone, step) for step in range(1, 6)]
    saves = {step: (CheckpointSaved, step) for step in (2, 4, 5)}
    assert kinds == [kind for step in steps for kind in (step, saves.get(step[1])) if kind]
    assert isinstance(rest[-1], Finished) and rest[-1] is events[-1]
    assert events.index(rest[0]) > max(events.index(event) for event in preparing)


def test_a_checkpoint_is_on_disk_when_it_is_told_of(make_job: Callable, encoders: CountingEncoders) -> None:
    job = make_job(total_steps=4, save_every=2)
    for event in train(job, encoders, device=CPU, should_stop=lambda: False):
        if isinstance(event, CheckpointSaved):
            assert event.checkpoint.path.is_file()
            assert event.checkpoint.path == job.loras_dir / "ada" / f"ada_{event.checkpoint.step:09d}.safetensors"
            assert (job.runs_dir / "ada" / "state" / f"step-{event.checkpoint.step}").is_dir()


def test_time_left_follows_the_median_of_the_given_clock(make_job: Callable, encoders: CountingEncoders) -> None:
    ticks = iter([0, 10, 100, 102, 200, 204, 300, 303])
    job = make_job(total_steps=4, save_every=9)
    events = train(
        job, encoders, device=CPU, should_stop=lambda: False, clock_s=lambda: float(next(ticks)),
        today=lambda: datetime.date(2031, 2, 3),
    )  # fmt: skip
    done = [event for event in events if isinstance(event, StepDone)]
    assert [event.seconds_per_step for event in done] == [10, 6, 4, 3.5]
    assert [event.seconds_left for event in done] == [30, 12, 4, 0]
    assert '"created": "2031-02-03"' in (job.runs_dir / "ada" / "run.json").read_text(encoding="utf-8")


def test_phases_are_the_guides() -> None:
    names = {1: "initial", 1000: "initial", 1001: "basic", 2000: "basic", 2001: "usable", 3000: "usable",
             3001: "sweet_spot", 4000: "sweet_spot", 4001: "overfitting", 10**6: "overfitting"}  # fmt: skip
    assert {step: phase_of(step) for step in names} == {step: f"train.phase.{name}" for step, name in names.items()}


@pytest.mark.parametrize("mode", MODES)
def test_no_context_leaks_out_of_the_generator_nor_into_it(
    make_job: Callable, encoders: CountingEncoders, mode: str
) -> None:
    """ComfyUI runs its nodes in inference mode: nothing can be learned there unless the generator leaves it."""
    job = make_job(run_name=mode, total_steps=3, save_every=2)
    losses = {}
    with MODES[mode]():
        before = contexts()
        with closing(train(job, encoders, device=CPU, should_stop=lambda: False)) as going:
            for event in going:
                assert contexts() == before, event
                losses |= {event.step: event.loss} if isinstance(event, StepDone) else {}
        assert contexts() == before
    plain = {event.step: event.loss for event in train(make_job(run_name="same", total_steps=3), encoders, device=CPU,
             should_stop=lambda: False) if isinstance(event, StepDone)}  # fmt: skip
    assert losses == plain


@pytest.mark.parametrize("mode", MODES)
def test_closing_early_leaves_the_consumers_context_alone(
    make_job: Callable, encoders: CountingEncoders, mode: str
) -> None:
    with MODES[mode]():
        before = contexts()
        going = train(make_job(), encoders, device=CPU, should_stop=lambda: False)
        next(event for event in going if isinstance(event, StepDone))
        going.close()
        assert contexts() == before


class InferenceEncoders(CountingEncoders):
    """Gives inference tensors, as ComfyUI's CLIP and VAE do."""

    def encode_texts(self, captions: Sequence[str]) -> list[torch.Tensor]:
        with torch.inference_mode():
            return [features * 1 for features in super().encode_texts(captions)]

    def encode_images(self, images_BHWC: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return super().encode_images(images_BHWC) * 1


def test_inference_tensors_from_the_encoders_can_be_learned_from(
    make_job: Callable, run_through: Callable, pocket_dir: Path
) -> None:
    encoders = InferenceEncoders(pocket_dir)
    assert encoders.encode_texts(["a photo of Ada"])[0].is_inference()
    with torch.inference_mode():
        events = list(train(make_job(run_name="a"), encoders, device=CPU, should_stop=lambda: False))
    assert isinstance(events[-1], Finished)
    assert losses_of(events) == losses_of(run_through(make_job(run_name="b")))


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_number_that_is_not_finite_names_the_photo_and_changes_nothing(
    make_job: Callable, run_through: Callable, dataset, value: float  # type: ignore[no-untyped-def]
) -> None:  # fmt: skip
    whole = losses_of(run_through(make_job(run_name="whole", total_steps=10)))
    job = make_job(total_steps=10)
    run_through(job, stop_after=3)
    good = {path: path.read_bytes() for path in (job.runs_dir / "ada" / "cache").glob("latents-*")}
    for path in good:
        latents = load_file(path)["latents"].clone()
        latents[0, 0, 0] = value
        save_file({"latents": latents}, path)
    kept = bytes_of(job.runs_dir / "ada" / "state"), bytes_of(job.loras_dir)
    with pytest.raises(UserError) as caught:
        run_through(job)
    assert caught.value.message.key == "train.not_finite" and caught.value.message.values["step"] == 4
    for language in ("en", "zh"):
        text = sentence(caught.value.message, language)
        assert len([item for item in dataset.photos if item.photo.path.name in text]) == 1
    assert (bytes_of(job.runs_dir / "ada" / "state"), bytes_of(job.loras_dir)) == kept
    for path, data in good.items():
        path.write_bytes(data)
    assert losses_of(run_through(job)) == {step: loss for step, loss in whole.items() if step > 3}


def test_encodings_that_are_not_finite_are_refused_before_they_are_kept(make_job: Callable, pocket_dir: Path) -> None:
    class BrokenEncoders(CountingEncoders):
        def encode_images(self, images_BHWC: torch.Tensor) -> torch.Tensor:
            return super().encode_images(images_BHWC) / 0

    job, encoders = make_job(), BrokenEncoders(pocket_dir)
    with pytest.raises(UserError) as caught:
        list(train(job, encoders, device=CPU, should_stop=lambda: False))
    assert caught.value.message.key == "train.encoding_not_finite" and "0.png" in str(caught.value)
    assert not list((job.runs_dir / "ada" / "cache").glob("latents-*")) and encoders.num_releases == 2


def test_stopping_is_asked_at_every_step_and_every_encoding(make_job: Callable, encoders: CountingEncoders) -> None:
    asked: list[int] = []

    def should_stop() -> bool:
        asked.append(1)
        return False

    list(train(make_job(), encoders, device=CPU, should_stop=should_stop))
    assert len(asked) == 6 + 4 + 5


def test_stopped_while_encoding_the_encoders_are_released_and_what_was_made_is_kept(
    make_job: Callable, encoders: CountingEncoders
) -> None:
    job: TrainJob = make_job()
    events = list(train(job, encoders, device=CPU, should_stop=lambda: encoders.num_encoded >= 6))
    assert events[-1] == Stopped(step=0) and encoders.num_releases == 2 and 6 <= encoders.num_encoded < 9
    list(train(job, encoders, device=CPU, should_stop=lambda: False))
    assert encoders.num_encoded == 9


@pytest.mark.parametrize("stop_after", [1, 2, 3, 4])
def test_stopping_saves_first(make_job: Callable, run_through: Callable, stop_after: int) -> None:
    job = make_job(total_steps=6, save_every=2)
    events = run_through(job, stop_after=stop_after)
    assert events[-1] == Stopped(step=stop_after)
    assert (job.runs_dir / "ada" / "state" / f"step-{stop_after}").is_dir()
    steps = sorted(losses_of(events))
    assert all(later == earlier + 1 for earlier, later in pairwise(steps)) and steps[-1] == stop_after


def test_a_text_encoder_of_another_width_is_refused_with_both_widths(make_job: Callable, pocket_dir: Path) -> None:
    class NarrowEncoders(CountingEncoders):
        text_identity = "narrow"

        def encode_texts(self, captions: Sequence[str]) -> list[torch.Tensor]:
            return [features[:, :96] for features in super().encode_texts(captions)]

    with pytest.raises(UserError) as caught:
        list(train(make_job(), NarrowEncoders(pocket_dir), device=CPU, should_stop=lambda: False))
    assert caught.value.message.key == "train.other_text_encoder"
    assert caught.value.message.values == {"width": 96, "expected": 128}
