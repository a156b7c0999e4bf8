"""Validation: held-out photos are never learned from, always looked at in the same way, and choose the checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import CPU, CountingEncoders, losses_of, save_photo
from trainer.captions.dataset import CaptionedPhoto, Dataset
from trainer.sweep.scoring.photos import judged_by
from trainer.training.config import TrainConfig
from trainer.training.evidence.validation import SIGMAS, sigmas_of, sigmas_per_photo
from trainer.training.evidence.verdict import Validation, compare, judge, overfitting_since
from trainer.training.keeping.history import read_photo_losses, read_validations
from trainer.training.keeping.record import read_record
from trainer.training.keeping.results import Checkpoints
from trainer.training.loop import train
from trainer.training.telling.events import Event, Finished, Stopped, Validated


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Nine photos of two buckets: enough for `on`, not for `auto`."""
    folder = tmp_path_factory.mktemp("nine")
    photos = [save_photo(folder / f"{i}.png", *((64, 64) if i % 3 else (96, 40)), seed=100 + i) for i in range(9)]
    return Dataset(subject="Ada", photos=tuple(CaptionedPhoto(photo=p, caption="a photo of Ada") for p in photos))


def validated(events: list[Event]) -> list[Validated]:
    return [event for event in events if isinstance(event, Validated)]


def finished(events: list[Event]) -> Checkpoints:
    assert isinstance(events[-1], Finished)
    return events[-1].checkpoints


def test_every_save_is_validated_on_photos_that_no_step_learns_from(
    make_job: Callable, run_through: Callable, nine: Dataset
) -> None:
    job = make_job(dataset=nine, validation="on", total_steps=12, save_every=5)
    events = run_through(job)
    assert [event.step for event in validated(events)] == [0, 5, 10, 12]
    run_dir = job.runs_dir / "ada"
    record = read_record(run_dir)
    assert record is not None
    held_out = record["validation"]["held_out"]
    assert len(held_out) == 4 and not record["validation"]["set_aside"]
    learned = {one.photo_index for one in read_photo_losses(run_dir)}
    assert learned == set(range(5))  # of the five that are left, every one and no other
    assert [photo.path.name for photo in judged_by(run_dir).references] == [
        item.photo.path.name for item in nine.photos if item.photo.content_hash in held_out
    ]
    checkpoints = finished(events)
    assert [validation.step for validation in checkpoints.validations] == [0, 5, 10, 12]
    assert checkpoints.recommended_step in (5, 10, 12) and checkpoints.reason


def test_looking_changes_nothing_and_sees_the_same_before_and_after_a_resume(
    make_job: Callable, run_through: Callable, nine: Dataset
) -> None:
    """The trained losses are those of a run whose validations are taken out; stopped runs have the same validations."""
    settings = dict(dataset=nine, validation="on", total_steps=6, save_every=2, ema_decay=0.5, batch_size=2)
    whole = make_job(run_name="whole", **settings)
    losses = losses_of(run_through(whole))
    seldom = make_job(run_name="seldom", **{**settings, "save_every": 6})
    assert losses_of(run_through(seldom)) == losses
    parts = make_job(run_name="parts", **settings)
    for stop in (2, 3, None):
        events = run_through(parts, stop_after=stop)
        assert isinstance(events[-1], Stopped if stop else Finished)
    ours, theirs = (read_validations(job.runs_dir / job.run_name, 6) for job in (parts, whole))
    assert ours == theirs and [one.step for one in ours] == [0, 2, 4, 6]
    assert finished(events).losses == tuple(losses.values())


def test_a_validation_lost_in_a_crash_is_made_again(
    make_job: Callable, run_through: Callable, encoders: CountingEncoders, nine: Dataset
) -> None:
    """Killed right after a validation and before its checkpoint is saved, the run goes on from its train state."""
    settings = dict(dataset=nine, validation="on", total_steps=4, save_every=2)
    whole = finished(run_through(make_job(run_name="whole", **settings)))
    job = make_job(run_name="killed", **settings)
    for event in train(job, encoders, device=CPU, should_stop=lambda: False):
        if isinstance(event, Validated) and event.step == 2:
            break
    assert finished(run_through(job)).validations == whole.validations


def test_the_untrained_model_is_measured_without_a_lora(
    make_job: Callable, run_through: Callable, nine: Dataset
) -> None:
    """Whatever the LoRA's random start and the learning rate are, the first validation is the base model's."""
    first = [
        validated(
            run_through(make_job(run_name=str(rank), dataset=nine, validation="on", linear_rank=rank), stop_after=1)
        )
        for rank in (2, 8)
    ]
    assert first[0][0].loss == first[1][0].loss and first[0][0].best_step == 0


def test_the_best_checkpoint_is_never_pruned(make_job: Callable, run_through: Callable, nine: Dataset) -> None:
    """A learning rate that only harms: the earliest checkpoint is the best, and stays beside the newest."""
    job = make_job(
        dataset=nine, validation="on", total_steps=10, save_every=2, checkpoints_to_keep=1, learning_rate=0.05
    )
    checkpoints = finished(run_through(job))
    kept = [checkpoint.step for checkpoint in checkpoints.checkpoints]
    losses = {validation.step: validation.loss for validation in checkpoints.validations if validation.step}
    best = min(losses, key=lambda step: losses[step])
    assert best in kept and checkpoints.recommended_step in kept and 10 in kept and len(kept) <= 3


def test_photos_keep_their_side_when_a_run_goes_on(make_job: Callable, run_through: Callable, nine: Dataset) -> None:
    """The split is the record's, even if another version of us would draw another one."""
    job = make_job(dataset=nine, validation="on", total_steps=4, save_every=2)
    run_through(job, stop_after=2)
    path = job.runs_dir / "ada" / "run.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    others = [item.photo.content_hash for item in nine.photos[:4]]
    record["validation"]["held_out"] = others
    path.write_text(json.dumps(record), encoding="utf-8")
    run_through(job)
    judged = judged_by(job.runs_dir / "ada")
    assert [photo.path.name for photo in judged.references] == ["0.png", "1.png", "2.png", "3.png"]


def test_all_six_sigmas_are_looked_at_however_few_each_photo_gets() -> None:
    for num in (6, 3, 2):
        seen = [sigma for index in range(6) for sigma in sigmas_of(index, num)]
        assert set(seen) == set(SIGMAS) and len(seen) == 6 * num
        assert all(len(sigmas_of(index, num)) == num for index in range(6))


def test_a_default_run_spends_about_a_fiftieth_of_its_time_on_validation() -> None:
    for num_photos, settings in (
        (7, {}),
        (8, {}),
        (4, {}),
        (8, dict(batch_size=4)),
        (20, dict(gradient_accumulation=4)),
    ):
        config = TrainConfig(**settings)
        looks = num_photos * sigmas_per_photo(num_photos, config)
        assert looks * 0.35 / (config.save_every * config.global_batch) < 0.0235
    assert sigmas_per_photo(8, TrainConfig(batch_size=4)) == 6


def series(*losses: float, spread: float = 0.0) -> list[Validation]:
    """Validations of four photos; `spread` says how differently the photos change from one to the next."""
    hard = torch.tensor([0.1, 0.4, 0.2, 0.9])
    told = []
    for index, loss in enumerate(losses):
        wobble = spread * torch.tensor([1.0, -1.0, 0.5, -0.5]) * (-1) ** index
        told.append(Validation(step=100 * index, losses=tuple((value,) for value in (hard + loss + wobble).tolist())))
    return told


def test_what_makes_a_photo_hard_drops_out_of_a_comparison() -> None:
    before, after = series(0.5, 0.4)
    difference = compare(after, before)
    assert difference.mean == pytest.approx(-0.1) and difference.margin < 1e-6


def test_the_interval_is_students() -> None:
    """Against scipy's own paired test."""
    from scipy.stats import ttest_rel

    before, after = series(0.5, 0.45, spread=0.1)
    interval = ttest_rel(after.by_photo, before.by_photo).confidence_interval(0.95)
    difference = compare(after, before)
    assert (difference.mean - difference.margin, difference.mean + difference.margin) == pytest.approx(tuple(interval))


STEPS = {100, 200, 300, 400, 500}


@pytest.mark.parametrize(
    ("losses", "spread", "step", "key"),
    [
        ((0.9, 0.6, 0.4, 0.5, 0.6, 0.7), 0.001, 200, "overfitting"),
        ((0.9, 0.8, 0.7, 0.6, 0.5, 0.4), 0.001, 500, "still_falling"),
        ((0.9, 0.6, 0.40, 0.4, 0.4, 0.4), 0.01, 200, "stops_improving"),
        ((0.3, 0.6, 0.5, 0.6, 0.7, 0.8), 0.001, 200, "no_gain"),
    ],
)
def test_the_checkpoint_where_it_stops_improving_is_recommended(
    losses: tuple[float, ...], spread: float, step: int, key: str
) -> None:
    verdict = judge(series(*losses, spread=spread), STEPS)
    assert verdict and verdict.step == step and verdict.reason.key == f"train.recommended.{key}"


def test_a_clear_gain_is_not_given_away_because_photos_answer_differently() -> None:
    """One photo gains a lot and three hardly anything: the standard error is large, but the loss does fall."""
    steps = [(0, 1.0), (100, 0.6), (200, 0.3), (300, 0.1), (400, 0.09)]
    told = [Validation(step=step, losses=((far,), (0.5 - far / 10,), (0.5,), (0.5,))) for step, far in steps]
    verdict = judge(told, STEPS)
    assert verdict and verdict.best_step == 400 and verdict.step == 300


def test_only_checkpoints_on_disk_are_recommended() -> None:
    validations = series(0.9, 0.6, 0.4, 0.5, 0.6)
    verdict = judge(validations, {300, 400})
    assert verdict and verdict.step == 300
    assert judge(validations, set()) is None and judge([], STEPS) is None


def test_overfitting_is_named_when_two_checkpoints_in_a_row_are_worse_than_chance_allows() -> None:
    since = overfitting_since(series(0.9, 0.5, 0.4, 0.5, 0.6, spread=0.001))
    assert since and since.step == 400
    assert overfitting_since(series(0.9, 0.5, 0.4, 0.5, spread=0.001)) is None
    assert overfitting_since(series(0.9, 0.5, 0.40, 0.41, 0.42, spread=0.3)) is None
    assert overfitting_since(series(0.1, 0.5, 0.4, 0.3, 0.2, spread=0.001)) is None  # worse than untrained is no rise


def test_validation_can_be_switched_off(
    make_job: Callable, run_through: Callable, nine: Dataset, tmp_path: Path
) -> None:
    events = run_through(make_job(dataset=nine, total_steps=3))
    assert not validated(events) and finished(events).recommended_step is None
    assert len(judged_by(tmp_path / "runs" / "ada").references) == 9
