"""Faults in mid-run: each has its rule and its sentence, and none costs more than it must.

Faults are put in from outside: the real forward pass and the real optimizer run, and something goes wrong in them.
"""

from __future__ import annotations

import datetime
import json
import os
import random
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.optim.optimizer import register_optimizer_step_post_hook

from tests.trainer.conftest import CPU, CountingEncoders, losses_of, save_photo
from tests.trainer.faulty_runs import (
    Whole,
    assert_files_are_sound,
    assert_goes_on_to_the_same_end,
    run_into_error,
    warnings,
    whole,
)
from trainer.captions.dataset import CaptionedPhoto, Dataset
from trainer.memory.shortage import is_memory_error
from trainer.messages import UserError
from trainer.training import step as step_module
from trainer.training.data import filling
from trainer.training.keeping.runs import finished_run
from trainer.training.keeping.states import find_state
from trainer.training.loop import train
from trainer.training.telling.events import Event, Finished, Preparing, StepDone, Stopped
from trainer.training.update.sharded import ShardedOptimizer

__all__ = ["whole"]

OUT_OF_MEMORY = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nSee the documentation")


@pytest.fixture
def at_forward(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`at_forward(number, change, times=1)`: change what the forward passes from this number on (1, 2, ...) give."""

    def disturb(number: int, change: Callable[[torch.Tensor], torch.Tensor], times: int = 1) -> None:
        real, calls = step_module.predict_velocity, [0]

        def disturbed(*args: Any) -> torch.Tensor:
            calls[0] += 1
            made = real(*args)
            return change(made) if number <= calls[0] < number + times else made

        monkeypatch.setattr(step_module, "predict_velocity", disturbed)

    return disturb


def raise_(error: Exception) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(_: torch.Tensor) -> torch.Tensor:
        raise error

    return change


def spoil_gradient(predicted: torch.Tensor) -> torch.Tensor:
    predicted.register_hook(lambda gradient: gradient * torch.nan)
    return predicted


# Numbers that are not finite


@pytest.mark.parametrize("fault", [lambda made: made * torch.inf, lambda made: made * torch.nan, spoil_gradient])
def test_a_number_that_is_not_finite_once_changes_nothing_but_is_said(
    make_job: Callable, run_through: Callable, at_forward: Callable, whole: Whole, fault: Callable
) -> None:
    job = make_job()
    at_forward(5, fault)
    events = run_through(job)
    (said,) = warnings(events, "train.not_finite_once")
    assert said["step"] == 5 and ".png" in str(said["names"])
    assert losses_of(events) == whole[0]
    assert_files_are_sound(job)
    lora = load_file(job.loras_dir / "ada" / "ada_000000006.safetensors")
    assert all(torch.equal(tensor, lora[name]) for name, tensor in whole[1].items())


@pytest.mark.parametrize("fault", [lambda made: made * torch.inf, spoil_gradient])
def test_a_number_that_stays_not_finite_ends_the_run_naming_the_photo_and_costs_no_step(
    make_job: Callable, encoders: CountingEncoders, run_through: Callable, at_forward: Callable, whole: Whole,
    monkeypatch: pytest.MonkeyPatch, fault: Callable,
) -> None:  # fmt: skip
    job = make_job()
    at_forward(5, fault, times=2)
    events, error = run_into_error(job, encoders)
    assert error.message.key == "train.not_finite" and error.message.values["step"] == 5
    assert str(error.message.values["names"]).endswith(".png")
    assert losses_of(events) == {step: loss for step, loss in whole[0].items() if step < 5}
    state = find_state(job.runs_dir / "ada" / "state")[0]
    assert state and state.step == 4
    assert_files_are_sound(job)
    monkeypatch.undo()
    assert_goes_on_to_the_same_end(job, run_through, whole, first_step=5)


def test_weights_that_are_no_longer_finite_are_never_saved(
    make_job: Callable, encoders: CountingEncoders, run_through: Callable, whole: Whole
) -> None:
    """An update that overflows although its gradients were finite, at a step that ends in a save."""
    job, updates = make_job(), [0]

    def overflow(optimizer: torch.optim.Optimizer, *_: object) -> None:
        updates[0] += isinstance(optimizer, ShardedOptimizer)  # which has one of PyTorch's in it
        if updates[0] == 6:
            with torch.no_grad():
                optimizer.param_groups[0]["params"][0].mul_(torch.inf)

    handle = register_optimizer_step_post_hook(overflow)
    try:
        _, error = run_into_error(job, encoders)
    finally:
        handle.remove()
    assert error.message.key == "train.state_not_finite" and error.message.values["step"] == 6
    assert_files_are_sound(job)
    assert finished_run(job) is None
    assert_goes_on_to_the_same_end(job, run_through, whole, first_step=4)


# Memory


def test_memory_that_runs_out_costs_no_step(
    make_job: Callable, encoders: CountingEncoders, run_through: Callable, at_forward: Callable, whole: Whole,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    job = make_job()
    at_forward(6, raise_(OUT_OF_MEMORY))
    _, error = run_into_error(job, encoders)
    assert error.message.key == "train.out_of_memory" and "quantization_transformer" in str(error)
    assert (error.message.values["step"], error.message.values["saved"]) == (6, 5)
    assert "Tried to allocate 2.00 GiB" in str(error) and "documentation" not in str(error)
    assert error.__cause__ is None and error.__context__ is None, "a chained traceback would keep the memory"
    assert_files_are_sound(job)
    monkeypatch.undo()
    assert_goes_on_to_the_same_end(job, run_through, whole, first_step=6)


def test_memory_that_runs_out_within_an_update_leaves_no_half_updated_weights(
    make_job: Callable, encoders: CountingEncoders, run_through: Callable, whole: Whole
) -> None:
    job, updates = make_job(), [0]

    def fail(optimizer: torch.optim.Optimizer, *_: object) -> None:
        updates[0] += isinstance(optimizer, ShardedOptimizer)
        if updates[0] == 5:
            with torch.no_grad():
                optimizer.param_groups[0]["params"][0].add_(1.0)  # some were moved, some not
            raise OUT_OF_MEMORY

    handle = register_optimizer_step_post_hook(fail)
    try:
        _, error = run_into_error(job, encoders)
    finally:
        handle.remove()
    assert (error.message.values["step"], error.message.values["saved"]) == (5, 3)
    assert_goes_on_to_the_same_end(job, run_through, whole, first_step=4)


def test_memory_that_runs_out_while_the_model_is_loaded_is_a_sentence(
    make_job: Callable, encoders: CountingEncoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OUT_OF_MEMORY

    monkeypatch.setattr("trainer.training.loop.open_session", fail)
    _, error = run_into_error(make_job(), encoders)
    assert error.message.key.startswith("train.out_of_memory")


def test_memory_errors_are_known_by_type_and_by_their_words() -> None:
    said = ("[enforce fail] DefaultCPUAllocator: can't allocate memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED")
    for error in (OUT_OF_MEMORY, MemoryError(), *map(RuntimeError, said)):
        assert is_memory_error(error)
    for other in (RuntimeError("shapes do not match"), ValueError("out of memory"), KeyError("x")):
        assert not is_memory_error(other)


# Photos


@pytest.fixture
def own_photos(tmp_path: Path) -> Dataset:
    """Four photos in a folder that a test may change."""
    photos = [save_photo(tmp_path / "own" / f"{letter}.png", 64, 64, seed=i) for i, letter in enumerate("abcd")]
    captioned = tuple(CaptionedPhoto(photo=photo, caption="a photo of Ada") for photo in photos)
    return Dataset(subject="Ada", photos=captioned)


def test_a_photo_deleted_while_photos_are_encoded_is_named_and_the_run_goes_on_once_it_is_back(
    make_job: Callable, encoders: CountingEncoders, run_through: Callable, own_photos: Dataset, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(filling, "_PHOTOS_AHEAD", 0)  # else all four have been read before the first is told of
    monkeypatch.setattr(filling, "_PIXELS_AT_ONCE", 64 * 64)
    job, path = make_job(dataset=own_photos), own_photos.photos[3].photo.path
    events: list[Event] = []
    with (
        pytest.raises(UserError) as caught,
        closing(train(job, encoders, device=CPU, should_stop=lambda: False)) as going,
    ):
        for event in going:
            events.append(event)
            if isinstance(event, Preparing) and event.stage == "latents" and path.exists():
                path.rename(tmp_path / "away.png")
    assert caught.value.message.key == "photos.gone" and "d.png" in str(caught.value)
    (tmp_path / "away.png").rename(path)
    encoded_before = encoders.num_encoded
    assert isinstance(run_through(job)[-1], Finished)
    assert encoders.num_encoded == encoded_before + 1, "what was encoded before was encoded again"


def test_photos_deleted_once_training_goes_on_are_not_missed(
    make_job: Callable, run_through: Callable, own_photos: Dataset, tmp_path: Path
) -> None:
    kept = make_job(dataset=own_photos, run_name="kept")
    whole = losses_of(run_through(kept))
    job = make_job(dataset=own_photos)
    first = losses_of(run_through(job, stop_after=2))
    shutil.rmtree(tmp_path / "own")
    assert first | losses_of(run_through(job)) == whole


def test_a_changed_dataset_is_refused_naming_the_photos(
    make_job: Callable, run_through: Callable, own_photos: Dataset, tmp_path: Path
) -> None:
    run_through(make_job(dataset=own_photos), stop_after=1)
    a, b, c, d = own_photos.photos
    new = CaptionedPhoto(photo=save_photo(tmp_path / "own" / "e.png", 64, 64, seed=9), caption="a photo of Ada")
    spoken = CaptionedPhoto(photo=c.photo, caption="a photo of Ada, smiling")
    changed = Dataset(subject="Ada", photos=(a, spoken, d, new))
    with pytest.raises(UserError) as caught:
        run_through(make_job(dataset=changed))
    assert caught.value.message.values["differences"] == "dataset: - b.png, + e.png, ~ c.png"
    with pytest.raises(UserError) as caught:
        run_through(make_job(dataset=Dataset(subject="Ada", photos=(b, a, c, d))))
    assert caught.value.message.values["differences"] == "dataset: order"


# Clocks


def test_dates_mean_nothing_for_what_is_newest(
    make_job: Callable, run_through: Callable, encoders: CountingEncoders, whole: Whole
) -> None:
    """The clock jumps back by years between two queues, and every file's date is any date."""
    job, chance = make_job(), random.Random(3)
    days = iter([datetime.date(2031, 1, 1), datetime.date(1999, 12, 31)])
    today = lambda: next(days)  # noqa: E731
    events: list[Event] = []
    stopping = lambda: any(isinstance(event, StepDone) and event.step == 5 for event in events)  # noqa: E731
    with closing(train(job, encoders, device=CPU, should_stop=stopping, today=today)) as going:
        for event in going:
            events.append(event)
    assert isinstance(events[-1], Stopped)
    for folder in (job.runs_dir, job.loras_dir):
        for path in folder.rglob("*"):
            os.utime(path, (chance.uniform(0, 4e9),) * 2)
    changed = make_job(save_every=2)
    with closing(train(changed, encoders, device=CPU, should_stop=lambda: False, today=today)) as going:
        more = losses_of(list(going))
    assert sorted(more) == [6] and more[6] == whole[0][6]
    finished = finished_run(changed)
    assert finished and finished.checkpoints[-1].step == 6
    record = json.loads((job.runs_dir / "ada" / "run.json").read_text(encoding="utf-8"))
    assert record["created"] == "2031-01-01" and record["earlier_configs"][0]["until_step"] == 5


def test_nothing_in_training_reads_the_time_of_day_or_a_files_date() -> None:
    """Durations come from a clock that cannot jump, and what is newest from step numbers."""
    for path in (Path(__file__).parents[2] / "trainer" / "training").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for word in ("time.time(", "st_mtime", "getmtime", "st_ctime"):
            assert word not in text, f"{path.name}: {word}"
