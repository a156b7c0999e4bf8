"""Resuming: a run that was stopped goes on to exactly what it would have been."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.conftest import CountingEncoders, losses_of
from trainer.messages import UserError
from trainer.training.keeping.history import read_losses
from trainer.training.keeping.runs import TrainJob, finished_run
from trainer.training.keeping.states import find_state, state_steps
from trainer.training.telling.events import Event, Finished, Started, Stopped


def lora_files(job: TrainJob) -> dict[str, dict[str, torch.Tensor]]:
    """The tensors of every LoRA file of the run, by the step in its name."""
    paths = (job.loras_dir / job.run_name).glob("*.safetensors")
    return {path.stem.rpartition("_")[2]: load_file(path) for path in sorted(paths)}


def assert_same_files(ours: dict[str, dict[str, torch.Tensor]], theirs: dict[str, dict[str, torch.Tensor]]) -> None:
    assert ours.keys() == theirs.keys() and len(ours) > 0
    for step, tensors in ours.items():
        assert tensors.keys() == theirs[step].keys()
        assert all(torch.equal(tensor, theirs[step][name]) for name, tensor in tensors.items()), step


@pytest.mark.parametrize("optimizer", ["adamw", "adam8bit"])
def test_resumed_run_equals_uninterrupted_run(
    make_job: Callable, run_through: Callable, pocket_dir: Path, tiny_dir: Path, optimizer: str
) -> None:
    """On two buckets at batch 2. 8-bit state begins at 4096 numbers, so adam8bit gets a rank for it."""
    model = dict(base=pocket_dir, linear_rank=16) if optimizer == "adam8bit" else dict(base=tiny_dir)
    model |= dict(optimizer=optimizer, batch_size=2, total_steps=7, save_every=3, learning_rate=1e-3)
    whole = make_job(run_name="whole", **model)
    whole_losses = losses_of(run_through(whole))
    if optimizer == "adam8bit":
        state = find_state(whole.runs_dir / "whole" / "state")[0]
        assert state and any(tensor.dtype == torch.uint8 for tensor in state.optimizer[0].values())

    parts = make_job(run_name="parts", **model)
    stops = sorted(random.Random(optimizer).sample(range(1, 7), 3))
    losses: dict[int, float] = {}
    for stop in [*stops, None]:
        events = run_through(parts, stop_after=stop)
        started = next(event for event in events if isinstance(event, Started))
        assert started.first_step == len(losses) + 1
        losses |= losses_of(events)
        assert events[-1] == Stopped(step=stop) if stop else isinstance(events[-1], Finished)
    assert losses == whole_losses and sorted(losses) == list(range(1, 8))
    assert_same_files(lora_files(parts), lora_files(whole))
    assert finished(events).losses == tuple(whole_losses.values())


def finished(events: list[Event]):  # type: ignore[no-untyped-def]
    (event,) = [event for event in events if isinstance(event, Finished)]
    return event.checkpoints


def test_more_total_steps_go_on_from_the_end(make_job: Callable, run_through: Callable) -> None:
    whole = make_job(run_name="whole", total_steps=8)
    whole_losses = losses_of(run_through(whole))
    first = losses_of(run_through(make_job(run_name="grown", total_steps=5)))
    more = losses_of(run_through(make_job(run_name="grown", total_steps=8)))
    assert (sorted(first), sorted(more)) == ([1, 2, 3, 4, 5], [6, 7, 8])
    assert first | more == whole_losses
    assert torch.equal(*(load_state(job)["layers.0.attention.to_q.lora_B.weight"] for job in (whole, grown(make_job))))


def grown(make_job: Callable) -> TrainJob:
    return make_job(run_name="grown", total_steps=8)


def load_state(job: TrainJob) -> dict[str, torch.Tensor]:
    state = find_state(job.runs_dir / job.run_name / "state")[0]
    assert state and state.step == job.config.total_steps
    return dict(state.lora)


@pytest.mark.parametrize(
    "changes",
    [
        dict(linear_rank=8), dict(seed=43), dict(timestep_type="linear"),
        dict(optimizer="adam8bit"), dict(weight_decay=0.5), dict(trigger_word="xyz"),
        dict(training_resolution=128), dict(precision="bf16"),
        dict(seed=43, linear_rank=8),
    ],
)  # fmt: skip
def test_other_identity_fields_are_refused_naming_exactly_the_difference(
    make_job: Callable, run_through: Callable, shared_run: Path, changes: dict
) -> None:
    before = make_job(folder=shared_run).config
    job = make_job(folder=shared_run, **changes)
    for refuse in (lambda: finished_run(job), lambda: run_through(job)):
        with pytest.raises(UserError) as caught:
            refuse()
        assert caught.value.message.key == "train.other_run"
        named = {f"{name}: {getattr(before, name)} -> {value}" for name, value in changes.items()}
        assert set(caught.value.message.values["differences"].split("; ")) == named


@pytest.fixture(scope="module")
def shared_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(autouse=True)
def shared_run_is_begun(request: pytest.FixtureRequest) -> None:
    """The run that other settings are tried on: one step, made by the first test that asks for it."""
    if "shared_run" in request.fixturenames and not (request.getfixturevalue("shared_run") / "runs").exists():
        job = request.getfixturevalue("make_job")(folder=request.getfixturevalue("shared_run"))
        request.getfixturevalue("run_through")(job, stop_after=1)


def test_another_dataset_base_or_adapter_is_refused_by_name(
    make_job: Callable, shared_run: Path, pocket_dir: Path, pocket_files, dataset  # type: ignore[no-untyped-def]
) -> None:  # fmt: skip
    import dataclasses

    fewer = dataclasses.replace(dataset, photos=dataset.photos[1:])
    changes = (dict(dataset=fewer), dict(base=pocket_dir), dict(adapter=pocket_files.vae))
    for change, name in zip(changes, ("dataset", "base_model", "training_adapter"), strict=True):
        with pytest.raises(UserError) as caught:
            finished_run(make_job(folder=shared_run, **change))
        assert caught.value.message.values["differences"].startswith(f"{name}: ")
        assert ";" not in caught.value.message.values["differences"]


def test_a_changed_learning_rate_is_taken_over_and_recorded(make_job: Callable, run_through: Callable) -> None:
    run_through(make_job(), stop_after=4)
    changed = make_job(learning_rate=1e-3, save_every=2, checkpoints_to_keep=3)
    events = run_through(changed)
    assert isinstance(events[-1], Finished) and sorted(losses_of(events)) == [5, 6]
    record = json.loads((changed.runs_dir / "ada" / "run.json").read_text(encoding="utf-8"))
    assert record["config"]["learning_rate"] == 1e-3 and record["config"]["save_every"] == 2
    (earlier,) = record["earlier_configs"]
    assert earlier["config"]["learning_rate"] == 1e-2 and earlier["config"]["save_every"] == 3 and earlier["until"]
    unchanged = losses_of(run_through(make_job(run_name="unchanged")))
    assert losses_of(events)[6] != unchanged[6]


def test_a_finished_run_returns_at_once_without_its_encoders(
    make_job: Callable, run_through: Callable, encoders: CountingEncoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = finished(run_through(make_job()))
    before = encoders.num_encoded, encoders.num_releases
    for name in ("text_identity", "image_identity"):
        monkeypatch.delattr(encoders, name)  # not even looked at
    events = run_through(make_job())
    assert events == [Finished(checkpoints=first)] and finished_run(make_job()) == first
    assert (encoders.num_encoded, encoders.num_releases) == before


def test_a_run_is_not_finished_before_its_last_step(make_job: Callable, run_through: Callable) -> None:
    assert finished_run(make_job()) is None
    run_through(make_job(), stop_after=5)
    assert finished_run(make_job()) is None
    assert finished_run(make_job(total_steps=3)) is not None


def test_only_the_newest_files_and_states_stay(make_job: Callable, run_through: Callable) -> None:
    job = make_job(total_steps=9, save_every=2, checkpoints_to_keep=3)
    events = run_through(job)
    assert sorted(lora_files(job)) == ["000000006", "000000008", "000000009"]
    assert state_steps(job.runs_dir / "ada" / "state") == [9, 8]
    checkpoints = finished(events)
    assert [checkpoint.step for checkpoint in checkpoints.checkpoints] == [6, 8, 9]
    assert all(checkpoint.path.is_file() for checkpoint in checkpoints.checkpoints)
    assert len(checkpoints.losses) == 9 and checkpoints.chosen.step == 9


def test_a_cut_off_or_lost_line_of_losses_costs_that_line_alone(make_job: Callable, run_through: Callable) -> None:
    job = make_job(total_steps=6)
    whole = losses_of(run_through(job))
    run_dir = job.runs_dir / "ada"
    lines = (run_dir / "events.jsonl").read_text().splitlines(keepends=True)
    steps = [line for line in lines if line.startswith('{"step"')]
    (run_dir / "events.jsonl").write_text("".join([*(line for line in lines if line != steps[2]), steps[0][:9]]))
    more = losses_of(run_through(make_job(total_steps=8)))
    expected = {step: loss for step, loss in {**whole, **more}.items() if step != 3}
    assert read_losses(run_dir, 8) == expected
