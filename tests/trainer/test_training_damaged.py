"""Files of a run that are damaged, missing or were never written: what can be made anew is, the rest is said."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.conftest import CPU, CountingEncoders, losses_of
from tests.trainer.faulty_runs import Whole, warnings, whole
from trainer.messages import UserError
from trainer.training.keeping.runs import TrainJob, finished_run
from trainer.training.loop import train
from trainer.training.telling.events import CheckpointSaved, Finished, StepDone

__all__ = ["whole"]


@pytest.fixture
def damaged(make_job: Callable, run_through: Callable) -> Callable[[int, str], TrainJob]:
    """`damaged(step, how)`: a finished run whose LoRA file of a step is then damaged."""

    def damage(step: int, how: str) -> TrainJob:
        job = make_job()
        run_through(job)
        path = job.loras_dir / "ada" / f"ada_{step:09d}.safetensors"
        data = bytearray(path.read_bytes())
        header_end = 8 + int.from_bytes(data[:8], "little")
        if how == "cut":
            data = data[:-7]
        elif how == "tensor bit":
            data[header_end + 1000] ^= 4
        elif how == "header bit":
            data[data.index(b"lora_A") + 5] ^= 1
        path.write_bytes(b"" if how == "empty" else data)
        return job

    return damage


@pytest.mark.parametrize("how", ["cut", "empty", "tensor bit", "header bit"])
def test_a_damaged_last_lora_is_made_anew_from_its_train_state(
    damaged: Callable, run_through: Callable, whole: Whole, how: str
) -> None:
    job = damaged(6, how)
    assert finished_run(job) is None
    events = run_through(job)
    (said,) = warnings(events, "train.lora_damaged")
    assert said["name"] == "ada_000000006.safetensors" and Path(str(said["aside"])).exists()
    assert losses_of(events) == {} and isinstance(events[-1], Finished)
    lora = load_file(job.loras_dir / "ada" / "ada_000000006.safetensors")
    assert all(torch.equal(tensor, lora[name]) for name, tensor in whole[1].items())
    assert finished_run(job)


def test_a_damaged_earlier_lora_is_left_out_and_said(damaged: Callable, run_through: Callable) -> None:
    job = damaged(3, "cut")
    events = run_through(job)
    assert [checkpoint.step for checkpoint in events[-1].checkpoints.checkpoints] == [6]
    assert warnings(events, "train.lora_damaged")[0]["name"] == "ada_000000003.safetensors"


def end_with_full_disk(
    job: TrainJob, encoders: CountingEncoders, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    """Train until a function of the last save finds the disk full."""

    def full(*_: object) -> None:
        raise UserError("files.disk_full", path="x")

    going = train(job, encoders, device=CPU, should_stop=lambda: False)
    with monkeypatch.context() as patched, closing(going), pytest.raises(UserError, match="disk is full"):
        for event in going:
            if isinstance(event, StepDone) and event.step == 5:
                patched.setattr(f"trainer.training.session.{function}", full)
    assert finished_run(job) is None


def test_a_run_whose_last_train_state_could_not_be_written_is_not_finished(
    make_job: Callable, run_through: Callable, encoders: CountingEncoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job()
    end_with_full_disk(job, encoders, monkeypatch, "save_state")
    assert not (job.loras_dir / "ada" / "ada_000000006.safetensors").exists()
    assert sorted(losses_of(run_through(job))) == [4, 5, 6] and finished_run(job)


def test_a_run_whose_last_lora_could_not_be_written_makes_it_from_the_state_without_a_step(
    make_job: Callable, run_through: Callable, encoders: CountingEncoders, whole: Whole,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    job = make_job()
    end_with_full_disk(job, encoders, monkeypatch, "save_lora")
    events = run_through(job)
    assert losses_of(events) == {}
    assert [event.checkpoint.step for event in events if isinstance(event, CheckpointSaved)] == [6]
    lora = load_file(job.loras_dir / "ada" / "ada_000000006.safetensors")
    assert all(torch.equal(tensor, lora[name]) for name, tensor in whole[1].items())


def test_train_states_without_their_record_are_refused(make_job: Callable, run_through: Callable) -> None:
    job = make_job()
    run_through(job, stop_after=3)
    (job.runs_dir / "ada" / "run.json").unlink()
    with pytest.raises(UserError) as caught:
        run_through(make_job(linear_rank=8))
    assert caught.value.message.key == "train.record_gone"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"identity": 3}', '{"identity": {}, "config": {}'])
def test_a_damaged_record_is_refused_with_a_sentence(make_job: Callable, run_through: Callable, text: str) -> None:
    job = make_job()
    (job.runs_dir / "ada").mkdir(parents=True)
    (job.runs_dir / "ada" / "run.json").write_text(text)
    with pytest.raises(UserError) as caught:
        run_through(job)
    assert caught.value.message.key == "train.bad_record"
