"""What a photo is shown as: dropped captions, resolutions, mirror images and repeats."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageOps

from tests.trainer.conftest import CPU, CountingEncoders, losses_of, save_photo
from trainer.captions.dataset import CaptionedPhoto, Dataset
from trainer.cli.job import job_from
from trainer.messages import UserError
from trainer.training.config import TrainConfig
from trainer.training.data.buckets import BatchOrder, bucket_for
from trainer.training.data.data_choices import read_repeats, repeats_of
from trainer.training.data.encode import EncodedDataset, plan_encoding, read_encoded
from trainer.training.data.filling import fill_cache
from trainer.training.data.texts import is_caption_dropped
from trainer.training.keeping.runs import describe_run
from trainer.training.step import as_shown
from trainer.training.telling.events import Finished, StepDone, Warned

CONFIG = TrainConfig(training_resolution=64, precision="fp32", linear_rank=4, training_adapter="none")


def config_with(**settings: object) -> TrainConfig:
    return dataclasses.replace(CONFIG, **settings)


def encoded(dataset: Dataset, config: TrainConfig, encoders: CountingEncoders, cache_dir: Path) -> EncodedDataset:
    plan, _ = plan_encoding(dataset, config, encoders)
    list(fill_cache(plan, encoders, cache_dir, CPU))
    return read_encoded(plan, cache_dir, config)


def two_photos(folder: Path) -> Dataset:
    photos = [save_photo(folder / name, *size, seed=3) for name, size in (("a.png", (150, 90)), ("b.png", (64, 64)))]
    return Dataset(subject="Ada", photos=tuple(CaptionedPhoto(photo=photo, caption="Ada here") for photo in photos))


# Dropped captions


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 1 / 3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("seed", [0, 42])
def test_any_stretch_of_a_run_drops_its_exact_share_of_captions(share: float, seed: int) -> None:
    dropped = [is_caption_dropped(share, seed, place) for place in range(600)]
    for start, length in ((0, 600), (0, 1), (17, 100), (250, 333), (599, 1)):
        assert abs(sum(dropped[start : start + length]) - length * share) < 1


def test_which_places_drop_their_caption_depends_on_the_seed_alone() -> None:
    places = {seed: [place for place in range(200) if is_caption_dropped(0.05, seed, place)] for seed in range(6)}
    assert len({tuple(found) for found in places.values()}) > 3
    assert all(is_caption_dropped(0.05, 3, place) == (place in places[3]) for place in (150, 7, 42))


def test_a_dropped_caption_leaves_the_trigger_word_and_is_encoded_once(
    dataset: Dataset, encoders: CountingEncoders, tmp_path: Path
) -> None:
    assert encoded(dataset, CONFIG, encoders, tmp_path)[0].dropped_text is None
    for trigger_word in ("", "xyz"):
        encoders.texts = []
        config = config_with(caption_dropout=0.5, trigger_word=trigger_word)
        photos = encoded(dataset, config, encoders, tmp_path)
        assert encoders.texts.count(trigger_word) == 1 and all(photos[0].dropped_text is p.dropped_text for p in photos)
        shown = [as_shown(photos[0], config, place).text for place in (0, 1)]
        assert {id(text) for text in shown} == {id(photos[0].text), id(photos[0].dropped_text)}


# Resolutions, mirror images, repeats


def test_every_photo_is_there_once_at_each_resolution_in_its_bucket(encoders: CountingEncoders, tmp_path: Path) -> None:
    dataset = two_photos(tmp_path / "photos")
    photos = encoded(dataset, config_with(extra_resolutions="96,128"), encoders, tmp_path / "cache")
    assert [(photo.photo_index, photo.bucket) for photo in photos] == [
        (index, bucket_for(*size, px)) for px in (64, 96, 128) for index, size in enumerate([(150, 90), (64, 64)])
    ]
    assert encoders.num_images == 4, "the small photo has one bucket at all three"
    order = BatchOrder([photo.bucket for photo in photos], 1, seed=0)
    epoch = Counter(order.batch_at(step)[0] for step in range(1, len(photos) + 1))
    assert epoch == dict.fromkeys(range(6), 1)


def test_a_mirrored_photo_is_encoded_as_if_its_file_were_mirrored(encoders: CountingEncoders, tmp_path: Path) -> None:
    dataset = two_photos(tmp_path / "photos")
    photos = encoded(dataset, config_with(horizontal_flip=True), encoders, tmp_path / "cache")
    assert [photo.photo_index for photo in photos] == [0, 1, 0, 1] and encoders.num_images == 4
    plain = encoded(dataset, CONFIG, encoders, tmp_path / "cache")
    assert all(torch.equal(one.latents_CHW, other.latents_CHW) for one, other in zip(plain, photos))
    assert encoders.num_images == 4, "both were in the cache"
    for item, upright, mirrored in zip(dataset.photos, photos[:2], photos[2:], strict=True):
        file = item.photo.path
        with Image.open(file) as image:
            ImageOps.mirror(image).save(tmp_path / file.name)
        photo = dataclasses.replace(item.photo, path=tmp_path / file.name, content_hash=_hash(tmp_path / file.name))
        single = dataclasses.replace(dataset, photos=(dataclasses.replace(item, photo=photo),))
        (expected,) = encoded(single, CONFIG, encoders, tmp_path / "cache")
        torch.testing.assert_close(mirrored.latents_CHW, expected.latents_CHW, rtol=1e-5, atol=1e-5)  # not alone
        assert not torch.equal(mirrored.latents_CHW, upright.latents_CHW) and mirrored.text is upright.text


def _hash(path: Path) -> str:
    from trainer.files import file_hash

    return file_hash(path)


def test_an_epoch_has_each_photo_as_often_as_its_rule_says(
    dataset: Dataset, encoders: CountingEncoders, tmp_path: Path
) -> None:
    config = config_with(photo_repeats="* = 2; [12].png = 3\n4 = 5; nobody* = 9", horizontal_flip=True)
    warned = {warning.key: warning.values for warning in plan_encoding(dataset, config, encoders)[1]}
    assert warned["train.repeats_unmatched"] == {"patterns": "nobody*"}
    photos = encoded(dataset, config, encoders, tmp_path)
    order = BatchOrder([photo.bucket for photo in photos], 1, seed=0)
    epoch = [photos[order.batch_at(step)[0]] for step in range(1, len(photos) + 1)]
    assert Counter(photo.photo_index for photo in epoch) == {0: 4, 1: 6, 2: 6, 3: 4, 4: 10}
    assert len({id(photo.latents_CHW) for photo in photos}) == 10, "repeats share their latents"


def test_folders_of_kohya_count_photos_unless_a_rule_says_otherwise(
    dataset: Dataset, encoders: CountingEncoders, tmp_path: Path
) -> None:
    photos = tuple(dataclasses.replace(item, repeats=1 + index) for index, item in enumerate(dataset.photos))
    counted = dataclasses.replace(dataset, photos=photos)
    plan, _ = plan_encoding(counted, config_with(photo_repeats="1 = 7"), encoders)
    assert Counter(item.photo_index for item in plan) == {0: 1, 1: 7, 2: 3, 3: 4, 4: 5}


@pytest.mark.parametrize(
    ("pattern", "path", "does"),
    [
        ("IMG*", "/p/img_1.JPG", True),
        ("img_1.jpg", "/p/img_1.JPG", True),
        ("img_1", "/p/img_1.JPG", True),
        ("p*", "/p/img_1.JPG", False),
        ("close-ups/*", "/p/Close-Ups/1.png", True),
        ("p\\close-ups\\*", "/p/close-ups/1.png", True),
        ("ups/*", "/p/close-ups/1.png", False),
        ("caf\u00e9*", "/p/cafe\u0301.png", True),
    ],
)
def test_patterns_fit_names_alike_on_every_system(pattern: str, path: str, does: bool) -> None:
    assert repeats_of(Path(path), read_repeats(f"{pattern} = 7")) == (7 if does else 1)


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("extra_resolutions", "768, big", "train.bad_resolution"),
        ("extra_resolutions", "32", "train.bad_resolution"),
        ("extra_resolutions", "-768", "train.bad_resolution"),
        ("photo_repeats", "close*.jpg", "train.bad_repeats"),
        ("photo_repeats", "a = 2; b = 0", "train.bad_repeats"),
        ("photo_repeats", "a = 1.5", "train.bad_repeats"),
        ("caption_dropout", 1.5, "settings.high"),
        ("mask_source", "hand", "settings.choice"),
    ],
)
def test_choices_that_mean_nothing_are_refused(name: str, value: object, key: str) -> None:
    with pytest.raises(UserError) as caught:
        config_with(**{name: value})
    assert caught.value.message.key == key


def test_a_choice_typed_another_way_is_the_same_run_and_yaml_takes_them_all(tmp_path: Path) -> None:
    one = config_with(extra_resolutions="1024，768  64", photo_repeats="a*=2\nb = 3")
    assert one == config_with(extra_resolutions="768, 1024", photo_repeats="a* = 2; b = 3;")
    assert one.resolutions == (64, 768, 1024) and CONFIG.resolutions == (64,)
    job = job_from(
        {
            "photos": "p", "subject": "Ada", "extra_resolutions": "768", "horizontal_flip": "true",
            "photo_repeats": "close (1)* = 2", "caption_dropout": "0.05", "preservation_class": "none",
            "mask_source": "folder (my masks)", "mask_folder": "/photos (2)/masks", "mask_min_weight": "0",
        }
    )  # fmt: skip
    config = job.train_config
    assert (config.extra_resolutions, config.horizontal_flip, config.caption_dropout) == ("768", True, 0.05)
    assert (config.photo_repeats, config.preservation_class) == ("close (1)* = 2", "")
    assert (config.mask_source, config.mask_folder, config.mask_min_weight) == ("folder", "/photos (2)/masks", 0)


# Whole runs

ALL = dict(
    caption_dropout=0.4, preservation_class="person", extra_resolutions="96", horizontal_flip=True,
    photo_repeats="0* = 2", trigger_word="xyz",
)  # fmt: skip


def test_with_every_choice_on_a_resumed_run_has_the_losses_of_an_uninterrupted_one(
    make_job: Callable, run_through: Callable
) -> None:
    whole = losses_of(run_through(make_job(run_name="whole", total_steps=5, **ALL)))
    first = losses_of(run_through(make_job(run_name="parts", total_steps=5, **ALL), stop_after=2))
    rest = losses_of(run_through(make_job(run_name="parts", total_steps=5, **ALL)))
    assert first.keys() == {1, 2} and rest.keys() == {3, 4, 5} and first | rest == whole
    plain = losses_of(run_through(make_job(run_name="plain", total_steps=5)))
    assert plain != whole


def test_once_encoded_the_photos_may_go_and_before_that_the_message_names_the_one_that_did(
    make_job: Callable, run_through: Callable, encoders: CountingEncoders, tmp_path: Path
) -> None:
    dataset = two_photos(tmp_path / "photos")
    job, path = make_job(dataset=dataset, total_steps=3, save_every=1), dataset.photos[1].photo.path
    data = path.read_bytes()
    for damage in (path.unlink, lambda: Image.new("RGB", (64, 64)).save(path)):
        damage()
        with pytest.raises(UserError) as caught:
            run_through(job)
        assert caught.value.message.key == "photos.gone" and "b.png" in str(caught.value)
        assert not (tmp_path / "loras").exists()
    path.write_bytes(data)
    run_through(job, stop_after=1)
    for item in dataset.photos:
        item.photo.path.unlink()
    events = run_through(job)
    assert isinstance(events[-1], Finished) and [e.step for e in events if isinstance(e, StepDone)] == [2, 3]
    assert not [event for event in events if isinstance(event, Warned) and "gone" in event.message.key]


def test_the_settings_are_part_of_the_runs_identity(make_job: Callable) -> None:
    plain, all_on = describe_run(make_job()).identity, describe_run(make_job(**ALL)).identity
    assert {name for name in plain if plain[name] != all_on[name]} == ALL.keys()
