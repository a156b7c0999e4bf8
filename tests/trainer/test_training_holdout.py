"""Holdout: which photos judge a run, how steady that choice is, and that no near copy of them is learned from."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from tests.trainer.conftest import save_photo
from tests.trainer.planted_changes import SURE_BITS
from trainer.captions.dataset import CaptionedPhoto, Dataset
from trainer.messages import UserError
from trainer.photos.judging.duplicates import (
    LIKELY_BITS,
    PictureHash,
    hash_photos,
    hash_picture,
    near_duplicates,
)
from trainer.photos.photo import Judgement, Photo
from trainer.training.evidence.holdout import Split, choose_held_out, recorded_split, split_dataset, stratum_of

SHAPES = ((1024, 1024), (683, 1024), (1024, 683), (400, 500))


def photo(number: int, shape: tuple[int, int] = SHAPES[0]) -> Photo:
    content_hash = hashlib.sha256(str(number).encode()).hexdigest()
    path = Path(f"{number}.jpg")
    return Photo(path=path, source_path=path, width_px=shape[0], height_px=shape[1], content_hash=content_hash)


def make_dataset(photos: Sequence[Photo]) -> Dataset:
    return Dataset(subject="Ada", photos=tuple(CaptionedPhoto(photo=one, caption="a photo of Ada") for one in photos))


def all_differ(paths: Sequence[Path]) -> list[PictureHash]:
    """Hashes 32 bits and more apart, as of unrelated photos."""
    bits = np.random.default_rng(0).integers(0, 2**62, (len(paths), 2)).tolist()
    return [PictureHash(upright=one, mirrored=other) for one, other in bits]


def split(num_photos: int, validation: str = "auto", seed: int = 42) -> Split:
    dataset = make_dataset([photo(i, SHAPES[i % 4]) for i in range(num_photos)])
    return split_dataset(dataset, validation, seed, all_differ)


def names(part: Sequence[CaptionedPhoto]) -> list[str]:
    return [item.photo.path.name for item in part]


@pytest.mark.parametrize("num_photos", [20, 24, 40, 41, 70, 80, 200])
def test_a_tenth_and_at_least_four_are_held_out_and_nobody_is_on_both_sides(num_photos: int) -> None:
    parts = split(num_photos)
    assert len(parts.held_out) == max(4, round(num_photos / 10))
    everybody = [*names(parts.training.photos), *names(parts.held_out), *names(parts.set_aside)]
    assert sorted(everybody) == sorted(f"{i}.jpg" for i in range(num_photos)) and not parts.warnings


def test_below_twenty_photos_only_who_asks_gets_it() -> None:
    assert not split(19).held_out and split(19).training == split(19).used and len(split(19, "on").held_out) == 4
    assert not split(80, "off").held_out
    with pytest.raises(UserError) as caught:
        split(7, "on")
    assert caught.value.message.key == "train.too_few_to_hold_out" and len(split(8, "on").held_out) == 4


def test_every_kind_of_photo_has_its_share_among_the_held_out() -> None:
    shapes = [SHAPES[0]] * 40 + [SHAPES[1]] * 20 + [SHAPES[2]] * 10 + [SHAPES[3]] * 10
    photos = [photo(i, shape) for i, shape in enumerate(shapes)]
    kinds = Counter(stratum_of(photos[index]) for index in choose_held_out(photos, [set()] * 80, seed=1))
    assert kinds == {"square large": 4, "tall large": 2, "wide large": 1, "tall small": 1}


def test_the_judged_shot_type_decides_the_share_and_shape_only_where_it_is_unknown() -> None:
    shots = ["close-up"] * 40 + ["medium"] * 30 + ["full body"] * 10
    photos = [
        dataclasses.replace(photo(i, SHAPES[i % 4]), judgement=Judgement(detector="mtcnn", shot=shot))
        for i, shot in enumerate(shots)
    ]
    kinds = Counter(stratum_of(photos[index]) for index in choose_held_out(photos, [set()] * 80, seed=1))
    assert kinds == {"close-up": 4, "medium": 3, "full body": 1}
    unknown = dataclasses.replace(photo(1), judgement=Judgement(detector="none"))
    assert stratum_of(unknown) == stratum_of(photo(1)) == "square large"


def test_the_same_seed_gives_the_same_split_and_another_one_another() -> None:
    assert split(70) == split(70)
    assert names(split(70).held_out) != names(split(70, seed=43).held_out)


def test_the_order_of_the_photos_does_not_matter() -> None:
    photos = [photo(i, SHAPES[i % 4]) for i in range(50)]
    backwards = split_dataset(make_dataset(photos[::-1]), "auto", 42, all_differ)
    assert set(names(backwards.held_out)) == set(names(split(50).held_out))


@pytest.mark.parametrize("num_photos", [24, 40, 70])
def test_one_photo_more_moves_hardly_any_other(num_photos: int) -> None:
    photos = [photo(i, SHAPES[i % 4]) for i in range(num_photos)]
    before = set(names(split(num_photos).held_out))
    moved = []
    for new in range(1000, 1020):
        more = make_dataset([*photos, photo(new, SHAPES[new % 4])])
        moved.append(len(before - set(names(split_dataset(more, "auto", 42, all_differ).held_out))))
    assert max(moved) <= 1 and sum(moved) <= 10  # of twenty photos added one at a time


def hashed(groups: Sequence[int]):  # type: ignore[no-untyped-def]
    """Makes photos of one group near duplicates of one another."""

    def hash_files(paths: Sequence[Path]) -> list[PictureHash]:
        different = all_differ(range(len(groups)))  # type: ignore[arg-type]
        return [different[groups[index]] for index in range(len(paths))]

    return hash_files


def test_near_duplicates_of_a_held_out_photo_are_learned_from_by_nobody() -> None:
    """Every photo is there twice: so are the held-out ones, and their twins are on neither side."""
    dataset = make_dataset([photo(i) for i in range(40)])
    parts = split_dataset(dataset, "auto", 42, hashed([i // 2 for i in range(40)]))
    assert len(parts.held_out) == len(parts.set_aside) == 4
    twins = {f"{int(name[:-4]) ^ 1}.jpg" for name in names(parts.held_out)}
    assert set(names(parts.set_aside)) == twins and len(parts.training.photos) == 32


def test_photos_without_near_duplicates_are_held_out_first_because_they_cost_training_less() -> None:
    dataset = make_dataset([photo(i) for i in range(30)])
    parts = split_dataset(dataset, "auto", 42, hashed([0] * 20 + list(range(1, 11))))
    assert all(int(name[:-4]) >= 20 for name in names(parts.held_out)) and not parts.set_aside


def test_where_all_photos_are_alike_nothing_is_held_out_and_that_is_said() -> None:
    parts = split_dataset(make_dataset([photo(i) for i in range(30)]), "auto", 42, hashed([0] * 30))
    assert not parts.held_out and len(parts.training.photos) == 30
    assert [warning.key for warning in parts.warnings] == ["train.all_alike"]


def test_a_recorded_split_comes_back() -> None:
    parts = split(30)
    dataset = dataclasses.replace(parts.used, photos=tuple(sorted(parts.used.photos, key=lambda item: item.photo.path)))
    assert recorded_split(dataset, {"validation": parts.as_json()}) is not None
    known = recorded_split(dataset, {"validation": parts.as_json()})
    assert known and set(names(known.held_out)) == set(names(parts.held_out))
    assert recorded_split(dataset, {}) is None


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    coarse = np.random.default_rng(5).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((320, 400), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.resize((160, 200)),
        lambda image: ImageEnhance.Brightness(image).enhance(1.2),
        lambda image: ImageEnhance.Contrast(image).enhance(0.8),
        ImageOps.mirror,
        lambda image: image.crop((3, 4, 317, 396)),
    ],
    ids=["half", "brighter", "flatter", "mirrored", "cut by 2 %"],
)
def test_the_same_picture_is_known_again(picture: Image.Image, change) -> None:  # type: ignore[no-untyped-def]
    distance = hash_picture(picture).distance(hash_picture(change(picture)))
    assert distance <= SURE_BITS


def test_near_duplicates_are_found_in_files_and_different_pictures_are_not(tmp_path: Path) -> None:
    paths = [save_photo(tmp_path / f"{i}.png", 96, 96, seed=i).path for i in range(6)]
    Image.open(paths[2]).resize((64, 64)).save(tmp_path / "copy.jpg", quality=60)
    near = near_duplicates(hash_photos([*paths, tmp_path / "copy.jpg"]), LIKELY_BITS)
    assert near == [set(), set(), {6}, set(), set(), set(), {2}]
