"""Masks: where they come from, and that they lie where the photo's own parts lie."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.trainer.conftest import CPU, CountingEncoders, losses_of
from trainer.captions.dataset import CaptionedPhoto, Dataset
from trainer.messages import UserError
from trainer.photos.cleaning.clean import clean_photos
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.load import load_photos
from trainer.photos.photo import Box, Face, Judgement, Photo
from trainer.training.config import TrainConfig
from trainer.training.data.encode import plan_encoding, read_encoded
from trainer.training.data.filling import fill_cache
from trainer.training.data.masks import draw_mask, find_masks, paint_faces
from trainer.training.keeping.runs import describe_run

CONFIG = TrainConfig(training_resolution=64, precision="fp32", linear_rank=4, training_adapter="none")


def with_face_at(photo: Photo, box: Box) -> Photo:
    """The photo as a face detector leaves it."""
    return dataclasses.replace(photo, judgement=Judgement(detector="mtcnn", faces=(Face(box=box, confidence=1.0),)))


def config_with(**settings: object) -> TrainConfig:
    return dataclasses.replace(CONFIG, **settings)


def dataset_of(folder: Path, work_dir: Path | None = None) -> Dataset:
    """The photos of a folder, cleaned as on the canvas where there is a work folder."""
    photos = load_photos(folder, recursive=False)
    if work_dir:
        photos = clean_photos(photos, CleanConfig(longest_side_px=256), work_dir)
    items = tuple(CaptionedPhoto(photo=photo, caption="a photo of Ada") for photo in photos.photos)
    return Dataset(subject="Ada", photos=items)


def picture(path: Path, size: tuple[int, int], seed: int = 0) -> Image.Image:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    image.save(path)
    return image


def left_half(size: tuple[int, int], white: tuple[float, float] = (0, 0.5)) -> Image.Image:
    """White on the left, black on the right; or white between two shares of the width."""
    mask = Image.new("L", size, 0)
    mask.paste(255, (round(white[0] * size[0]), 0, round(white[1] * size[0]), size[1]))
    return mask


def the_mask(dataset: Dataset, config: TrainConfig, bucket: tuple[int, int], is_flipped: bool = False) -> np.ndarray:
    (mask,) = find_masks(dataset, config)
    assert mask is not None
    return draw_mask(mask, bucket, is_flipped)


# Where it lies


@pytest.mark.parametrize("size", [(128, 128), (300, 100), (100, 300), (97, 131)])
@pytest.mark.parametrize("bucket", [(64, 64), (96, 32), (32, 96)])
def test_the_mask_of_a_black_and_white_photo_lies_where_the_photo_is_white(
    tmp_path: Path, encoders: CountingEncoders, size: tuple[int, int], bucket: tuple[int, int]
) -> None:
    """However a photo is scaled, cut and mirrored, its mask goes with it; also one of half its size."""
    from trainer.training.data.filling import cut_to_bucket

    (tmp_path / "photos").mkdir(), (tmp_path / "masks").mkdir()
    photo = Image.new("L", size, 0)
    photo.paste(255, (size[0] // 3, size[1] // 4, size[0] * 3 // 5, size[1] * 3 // 4))
    photo.convert("RGB").save(tmp_path / "photos/a.png")
    photo.resize((size[0] // 2, size[1] // 2)).save(tmp_path / "masks/A.webp", lossless=True)
    dataset = dataset_of(tmp_path / "photos")
    config = config_with(mask_source="folder", mask_folder=str(tmp_path / "masks"))
    for is_flipped in (False, True):
        mask = the_mask(dataset, config, bucket, is_flipped)
        pixels = cut_to_bucket(tmp_path / "photos/a.png", bucket, is_flipped=is_flipped).mean(dim=2).numpy()
        seen = pixels.reshape(bucket[1] // 8, 8, bucket[0] // 8, 8).mean(axis=(1, 3))
        assert mask.shape == seen.shape and mask.min() >= 0 and mask.max() <= 1
        assert np.abs(mask - seen).mean() < 0.02 and np.abs(mask - seen).max() < 0.2


def test_transparency_is_found_again_behind_a_flattened_working_copy(tmp_path: Path) -> None:
    image = picture(tmp_path / "photos/a.png", (600, 400)).convert("RGBA")
    image.putalpha(left_half((600, 400)))
    image.save(tmp_path / "photos/a.png")
    dataset = dataset_of(tmp_path / "photos", tmp_path / "work")
    assert dataset.photos[0].photo.is_working_copy and dataset.photos[0].photo.width_px == 256
    mask = the_mask(dataset, config_with(mask_source="alpha"), (96, 64))
    assert mask[:, :5].min() == 1 and mask[:, 7:].max() == 0


def test_transparency_is_turned_upright_with_its_photo(tmp_path: Path) -> None:
    image = picture(tmp_path / "photos/a.png", (128, 64)).convert("RGBA")
    image.putalpha(left_half((128, 64)))
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying: its left side is up
    image.save(tmp_path / "photos/a.png", exif=exif)
    dataset = dataset_of(tmp_path / "photos")
    assert (dataset.photos[0].photo.width_px, dataset.photos[0].photo.height_px) == (64, 128)
    mask = the_mask(dataset, config_with(mask_source="alpha"), (32, 64))
    assert mask[:3].min() == 1 and mask[-3:].max() == 0


def test_a_cropped_working_copy_has_the_mask_of_the_part_it_shows(tmp_path: Path) -> None:
    picture(tmp_path / "photos/a.png", (400, 200)), (tmp_path / "masks").mkdir()
    left_half((400, 200), (0.25, 0.5)).save(tmp_path / "masks/a.png")
    dataset = dataset_of(tmp_path / "photos")
    picture(tmp_path / "work/a.png", (100, 100))
    photo = dataclasses.replace(
        dataset.photos[0].photo, path=tmp_path / "work/a.png", width_px=100, height_px=100,
        shown_part=(0.25, 0.0, 0.75, 1.0),
    )  # fmt: skip
    cropped = dataclasses.replace(dataset, photos=(dataclasses.replace(dataset.photos[0], photo=photo),))
    config = config_with(mask_source="folder", mask_folder=str(tmp_path / "masks"))
    mask = the_mask(cropped, config, (64, 64))
    assert mask[:, :3].min() == 1 and mask[:, 5:].max() == 0


def test_a_mask_is_its_brightness_and_black_where_it_is_transparent(tmp_path: Path) -> None:
    picture(tmp_path / "photos/a.png", (64, 64)), (tmp_path / "masks").mkdir()
    mask = Image.new("RGBA", (64, 64), (128, 128, 128, 255))
    mask.paste((255, 255, 255, 0), (32, 0, 64, 64))
    mask.save(tmp_path / "masks/a.png")
    drawn = the_mask(
        dataset_of(tmp_path / "photos"),
        config_with(mask_source="folder", mask_folder=str(tmp_path / "masks")),
        (64, 64),
    )
    assert drawn[:, :4] == pytest.approx(128 / 255) and drawn[:, 4:].max() == 0


def test_face_boxes_become_white_with_a_margin_and_scale_with_the_photo() -> None:
    faces = [(0.4, 0.2, 0.6, 0.6), (0.0, 0.9, 0.1, 1.0)]
    for width_px, height_px in ((100, 100), (500, 400), (37, 53)):
        white = np.asarray(paint_faces(faces, width_px, height_px)) / 255
        assert set(np.unique(white)) == {0, 1}
        rows, columns = (np.arange(height_px) + 0.5) / height_px, (np.arange(width_px) + 0.5) / width_px
        expected = np.zeros((height_px, width_px))
        for left, top, right, bottom in ((0.35, 0.1, 0.65, 0.7), (-0.025, 0.875, 0.125, 1.025)):
            expected += np.outer((rows > top) & (rows < bottom), (columns > left) & (columns < right))
        assert np.abs(white - expected).sum() <= 2 * (width_px + height_px), "but for the rounding of the edges"
    assert not np.asarray(paint_faces([], 10, 10)).any()


# What is refused, and what is only said


def test_masks_that_nobody_has_are_refused_with_what_to_do(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    left_half((64, 64)).save(tmp_path / "masks/other.png")
    for settings, key, says in (
        ({"mask_source": "alpha"}, "train.mask_none_alpha", "alpha channel"),
        ({"mask_source": "faces"}, "train.mask_none_faces", "no face detector"),
        ({"mask_source": "folder"}, "train.mask_folder_empty", "mask_folder is empty"),
        ({"mask_source": "folder", "mask_folder": str(tmp_path / "none")}, "photos.no_such_folder", "none"),
        ({"mask_source": "folder", "mask_folder": str(tmp_path / "masks")}, "train.mask_none_folder", "0.png"),
    ):
        with pytest.raises(UserError) as caught:
            find_masks(dataset, config_with(**settings))
        assert caught.value.message.key == key and says in str(caught.value)
    assert find_masks(dataset, CONFIG) == (None,) * 5


def test_photos_without_a_mask_are_learnt_whole_and_named(
    dataset: Dataset, encoders: CountingEncoders, tmp_path: Path
) -> None:
    with_face = with_face_at(dataset.photos[2].photo, (0.4, 0.4, 0.6, 0.6))
    items = list(dataset.photos)
    items[2] = dataclasses.replace(items[2], photo=with_face)
    some, config = dataclasses.replace(dataset, photos=tuple(items)), config_with(mask_source="faces")
    plan, warnings = plan_encoding(some, config, encoders)
    said = {warning.key: warning.values for warning in warnings}
    assert said["train.masks_missing"] == {"num": 4, "names": "0.png, 1.png, 3.png (+1)"}
    list(fill_cache(plan, encoders, tmp_path, CPU))
    photos = read_encoded(plan, tmp_path, config)
    assert [photo.mask_HW is None for photo in photos] == [True, True, False, True, True]
    assert photos[2].mask_HW is not None and photos[2].mask_HW.shape == photos[2].latents_CHW.shape[1:]


def test_a_mask_of_another_shape_or_with_nothing_in_it_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "photos/a.png", (200, 100)), (tmp_path / "masks").mkdir()
    dataset = dataset_of(tmp_path / "photos")
    config = config_with(mask_source="folder", mask_folder=str(tmp_path / "masks"))
    for mask, key in (
        (left_half((200, 120)), "train.mask_shape"),
        (Image.new("L", (200, 100), 3), "train.mask_empty"),
        (left_half((200, 100), (0.0, 0.1)), "train.mask_empty"),  # cut off with the photo's left end
    ):
        mask.save(tmp_path / "masks/a.png")
        with pytest.raises(UserError) as caught:
            the_mask(dataset, config, (64, 64))
        assert caught.value.message.key == key and "a.png" in str(caught.value)


def test_it_is_never_guessed_whose_mask_a_picture_is(tmp_path: Path) -> None:
    for index, name in enumerate(("a.png", "a.jpg")):
        picture(tmp_path / "photos" / name, (64, 64), seed=index)
    (tmp_path / "masks").mkdir()
    left_half((64, 64)).save(tmp_path / "masks/a.png")
    config = config_with(mask_source="folder", mask_folder=str(tmp_path / "masks"))
    with pytest.raises(UserError) as caught:
        find_masks(dataset_of(tmp_path / "photos"), config)
    assert caught.value.message.key == "train.mask_shared" and "a.jpg" in str(caught.value)
    left_half((64, 64)).save(tmp_path / "masks/A.bmp")
    with pytest.raises(UserError) as caught:
        find_masks(dataset_of(tmp_path / "photos"), config)
    assert caught.value.message.key == "train.mask_twice"


# Whole runs


def test_a_changed_mask_is_another_run_and_the_same_masks_go_on(
    make_job: Callable, run_through: Callable, dataset: Dataset, tmp_path: Path, encoders: CountingEncoders
) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for item in dataset.photos:
        left_half((item.photo.width_px, item.photo.height_px)).save(masks / item.photo.path.name)
    settings = dict(mask_source="folder", mask_folder=str(masks), mask_min_weight=0.0, total_steps=3)
    losses = losses_of(run_through(make_job(**settings), stop_after=1))
    first = describe_run(make_job(**settings)).identity["masks"]
    moved = masks.rename(tmp_path / "moved")
    there = settings | {"mask_folder": str(moved)}
    losses |= losses_of(run_through(make_job(**there)))
    assert losses.keys() == {1, 2, 3} and describe_run(make_job(**there)).identity["masks"] == first
    assert losses != losses_of(run_through(make_job(run_name="unmasked", total_steps=3)))
    left_half((64, 64), (0.2, 0.6)).save(moved / "0.png")
    num_encoded = encoders.num_encoded
    with pytest.raises(UserError) as caught:
        run_through(make_job(**there))
    assert caught.value.message.key == "train.other_run" and "masks" in str(caught.value)
    run_through(make_job(**there, run_name="another"), stop_after=1)
    assert encoders.num_encoded > num_encoded


def test_the_source_of_transparency_is_part_of_the_run_also_behind_a_working_copy(
    make_job: Callable, tmp_path: Path
) -> None:
    """Colours under full transparency are flattened to the same white, so only the source tells such masks apart."""
    path = tmp_path / "photos/a.png"
    path.parent.mkdir()
    identities = set()
    for edge in (0.4, 0.6):
        image = Image.new("RGBA", (64, 64), "white")
        image.putalpha(left_half((64, 64), (0, edge)))
        image.save(path)
        dataset = dataset_of(path.parent, tmp_path / f"work {edge}")
        run = describe_run(make_job(dataset=dataset, mask_source="alpha"))
        identities.add(run.identity["masks"])
        unmasked = describe_run(make_job(dataset=dataset))
        assert "masks" not in unmasked.identity
    assert len(identities) == 2
    path.unlink()
    with pytest.raises(UserError) as caught:
        describe_run(make_job(dataset=dataset, mask_source="alpha"))
    assert caught.value.message.key == "photos.gone"


def test_a_photos_face_boxes_are_part_of_the_run(make_job: Callable, dataset: Dataset) -> None:
    def identity(face: tuple[float, float, float, float]) -> object:
        photo: Photo = with_face_at(dataset.photos[0].photo, face)
        item = dataclasses.replace(dataset.photos[0], photo=photo)
        job = make_job(dataset=dataclasses.replace(dataset, photos=(item,)), mask_source="faces")
        return describe_run(job).identity["masks"]

    assert identity((0.1, 0.1, 0.5, 0.5)) == identity((0.1, 0.1, 0.5, 0.5)) != identity((0.1, 0.1, 0.5, 0.6))


def test_a_runs_record_says_where_the_faces_are(
    make_job: Callable, dataset: Dataset, run_through: Callable, tmp_path: Path
) -> None:
    with_face = dataclasses.replace(dataset.photos[0], photo=with_face_at(dataset.photos[0].photo, (0.25, 0, 0.5, 0.5)))
    run_through(make_job(dataset=dataclasses.replace(dataset, photos=(with_face, *dataset.photos[1:])), total_steps=1))
    (path,) = tmp_path.glob("runs/*/run.json")
    photos = json.loads(path.read_text(encoding="utf-8"))["photos"]
    assert [photo["faces"] for photo in photos] == [[[0.25, 0, 0.5, 0.5]], [], [], [], []]
    assert {photo["shot"] for photo in photos} == {"unknown"}
