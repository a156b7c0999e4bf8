"""What tests of faults share: a run that nothing happens to, one that ends in an error, what must hold after it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.conftest import CPU, CountingEncoders, losses_of
from trainer.messages import UserError, sentence
from trainer.training.keeping.runs import TrainJob
from trainer.training.loop import train
from trainer.training.telling.events import Event, Finished, Warned

Whole = tuple[dict[int, float], dict[str, torch.Tensor]]
"""The losses of a run by step, and the tensors of its last LoRA file."""


@pytest.fixture
def whole(make_job: Callable, run_through: Callable) -> Whole:
    """What a run comes to that nothing happens to: its losses and its last LoRA."""
    job = make_job(run_name="whole")
    return losses_of(run_through(job)), load_file(job.loras_dir / "whole" / "whole_000000006.safetensors")


def run_into_error(job: TrainJob, encoders: CountingEncoders) -> tuple[list[Event], UserError]:
    """The events up to the error that a run ends with; the sentence of it exists in both languages."""
    events: list[Event] = []
    with (
        pytest.raises(UserError) as caught,
        closing(train(job, encoders, device=CPU, should_stop=lambda: False)) as going,
    ):
        for event in going:
            events.append(event)
    for language in ("en", "zh"):
        assert sentence(caught.value.message, language)
    return events, caught.value


def assert_files_are_sound(job: TrainJob) -> None:
    """Every tensor in every file of the run can be read and is finite."""
    paths = [*job.runs_dir.rglob("*.safetensors"), *job.loras_dir.rglob("*.safetensors")]
    assert paths
    for path in paths:
        assert all(tensor.isfinite().all() for tensor in load_file(path).values()), path
    assert not [*job.runs_dir.rglob("*.tmp"), *job.loras_dir.rglob("*.tmp")]


def assert_goes_on_to_the_same_end(job: TrainJob, run_through: Callable, whole: Whole, first_step: int) -> None:
    events = run_through(job)
    assert isinstance(events[-1], Finished) and min(losses_of(events)) == first_step
    assert all(loss == whole[0][step] for step, loss in losses_of(events).items())
    lora = load_file(job.loras_dir / "ada" / "ada_000000006.safetensors")
    assert all(torch.equal(tensor, lora[name]) for name, tensor in whole[1].items())


def warnings(events: list[Event], key: str) -> list[dict[str, object]]:
    return [dict(event.message.values) for event in events if isinstance(event, Warned) and event.message.key == key]
