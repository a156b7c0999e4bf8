"""Loss watch: conspicuous photos are named, whatever noise they got, and ordinary ones are left in peace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from tests.trainer.conftest import save_photo
from trainer.captions.dataset import CaptionedPhoto, Dataset
from trainer.messages import sentence
from trainer.training.evidence.loss_watch import LossWatch, PhotoLoss, standings
from trainer.training.telling.events import Warned


def looks(
    num_photos: int, num_epochs: int, factors: Mapping[int, float] | None = None, seed: int = 0,
    own_sigmas: Mapping[int, float] | None = None,
) -> list[PhotoLoss]:  # fmt: skip
    """Losses as Z-Image has them: 0.2 to 1 by sigma, photos differ by 8 %, one look by 15 %."""
    chance = np.random.default_rng(seed)
    hardness = np.exp(chance.normal(0, 0.08, num_photos))
    found = []
    for _ in range(num_epochs):
        for index in chance.permutation(num_photos).tolist():
            sigma = 1 / (1 + np.exp(-chance.normal()))
            sigma = (own_sigmas or {}).get(index, sigma)
            usual = 0.25 + 0.75 * (1 - sigma) ** 3 + 0.2 * sigma**4
            loss = usual * hardness[index] * (factors or {}).get(index, 1.0) * np.exp(chance.normal(0, 0.15))
            found.append(PhotoLoss(photo_index=index, sigma=float(sigma), loss=float(loss)))
    return found


def named(losses: list[PhotoLoss], num_photos: int) -> set[int]:
    return {one.photo_index for one in standings(losses, num_photos) if one.is_far}


@pytest.mark.parametrize("num_photos", [12, 30, 80])
def test_high_and_low_photos_are_named(num_photos: int) -> None:
    for seed in range(5):
        assert named(looks(num_photos, 10, {3: 2.2, 7: 0.4}, seed), num_photos) == {3, 7}


def test_of_a_hundred_ordinary_runs_hardly_any_names_a_photo() -> None:
    assert sum(bool(named(looks(40, 10, seed=seed), 40)) for seed in range(100)) <= 2


def test_a_photo_that_happened_to_get_hard_noise_is_not_named() -> None:
    """At sigma 0.05 the loss is three times that of the middle; the mean loss would be far off."""
    losses = looks(40, 10, own_sigmas={5: 0.05, 6: 0.5})
    means = [np.mean([one.loss for one in losses if one.photo_index == index]) for index in range(40)]
    assert means[5] > 1.5 * np.median(means) and named(losses, 40) == set()


def test_nothing_is_said_before_every_photo_was_seen_often_enough() -> None:
    assert standings(looks(30, 5, {3: 5.0}), 30) == [] and standings(looks(9, 20, {3: 5.0}), 9) == []


def test_what_a_photo_was_long_ago_does_not_count() -> None:
    assert named(looks(20, 30, {3: 3.0}) + looks(20, 10, seed=1), 20) == set()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_photo_is_named_once_with_how_far_it_is_off(language: str) -> None:
    watch = LossWatch([f"{index}.jpg" for index in range(20)])
    for one in looks(20, 10, {3: 2.0, 7: 0.5}):
        watch.see([one])
    high, low = watch.warnings()
    assert (high.key, low.key) == ("train.loss_high", "train.loss_low")
    assert "3.jpg (" in sentence(high, language) and "7.jpg (" in sentence(low, language)
    for one in looks(20, 10, {3: 2.0, 7: 0.5}, seed=1):
        watch.see([one])
    assert watch.warnings() == ()


def test_it_goes_on_from_what_an_earlier_queue_wrote() -> None:
    losses = looks(20, 10, {3: 2.0})
    assert len(LossWatch([""] * 20, losses).warnings()) == 1


def test_a_photo_with_damaged_latents_is_named_while_a_run_trains(
    make_job: Callable, run_through: Callable, tmp_path: Path
) -> None:
    """On a real, if tiny, model that goes on after the damage."""
    photos = [save_photo(tmp_path / f"{i}.png", 64, 64, seed=i) for i in range(10)]
    captioned = tuple(CaptionedPhoto(photo=photo, caption="a photo of Ada") for photo in photos)
    job = make_job(dataset=Dataset(subject="Ada", photos=captioned), total_steps=62, save_every=62, learning_rate=1e-5)
    run_through(job, stop_after=1)
    path = sorted((job.runs_dir / "ada" / "cache").glob("latents-*"))[0]
    save_file({"latents": load_file(path)["latents"] * 20}, path)
    warnings = [event.message for event in run_through(job) if isinstance(event, Warned)]
    high = [message for message in warnings if message.key == "train.loss_high"]
    assert len(high) == 1 and str(high[0].values["names"]).count(".png") == 1
