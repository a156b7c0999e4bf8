"""Quality: each measure follows what was done to a picture, and findings say so with the number."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import skimage.data
import skimage.measure
from PIL import Image, ImageEnhance

from tests.trainer.planted_changes import Change, blurred, half_size, in_turn, jpeg, noisy, upscaled
from trainer.messages import LANGUAGES, sentence
from trainer.photos.judging.findings import findings_of, is_blurred, is_grainy, is_small, is_soft
from trainer.photos.judging.quality import blur_of, measure_quality
from trainer.photos.photo import Box, Face, Judgement, Quality

FACE: Box = (0.36, 0.12, 0.53, 0.37)
"""Of the astronaut, by hand."""


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return Image.fromarray(skimage.data.astronaut())


PHOTOS = ("astronaut", "chelsea", "coffee")


def measured(image: Image.Image, face: Box | None = FACE) -> Quality:
    return measure_quality(image, face, image.height)


@pytest.mark.parametrize("name", PHOTOS)
def test_the_more_blur_the_less_sharp_and_the_more_blurred(name: str) -> None:
    image = Image.fromarray(getattr(skimage.data, name)())
    for face in (FACE, None):
        row = [measured(blurred(sigma)(image) if sigma else image, face) for sigma in (0, 0.5, 1, 2, 3)]
        sharpness, blur = [one.sharpness for one in row], [one.blur for one in row]
        assert sharpness == sorted(sharpness, reverse=True) and blur == sorted(blur)
        assert sharpness[0] > 5 * sharpness[2] and blur[3] > blur[0] + 0.1


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("sigma_px", [0.0, 1.0, 2.0])
def test_grain_never_passes_for_sharpness(name: str, sigma_px: float) -> None:
    image = Image.fromarray(getattr(skimage.data, name)())
    soft = blurred(sigma_px)(image) if sigma_px else image
    for face in (FACE, None):
        clean = measured(soft, face).sharpness
        assert all(measured(noisy(sigma)(soft), face).sharpness <= 1.1 * clean + 3 for sigma in (2, 5, 10))


def test_pure_noise_is_not_sharp() -> None:
    grey = Image.new("RGB", (400, 400), (120, 120, 120))
    assert all(measured(noisy(sigma, seed)(grey), None).sharpness < 15 for sigma in (2, 5, 10) for seed in range(5))


@pytest.mark.parametrize("sigma", [3, 5, 10, 20])
def test_measured_grain_is_the_planted_one(astronaut: Image.Image, sigma: float) -> None:
    """On a soft picture, whose own texture is no grain. Luma weighs the channels, so less of it shows there."""
    of_luma = sigma * (0.299**2 + 0.587**2 + 0.114**2) ** 0.5
    noise = measured(noisy(sigma)(blurred(2)(astronaut))).noise
    assert noise == pytest.approx(of_luma, rel=0.2)


def test_grain_shows_through_jpeg(astronaut: Image.Image) -> None:
    of_luma = 10 * (0.299**2 + 0.587**2 + 0.114**2) ** 0.5
    assert measured(in_turn(noisy(10), jpeg(80))(astronaut)).noise > 0.7 * of_luma


def test_brightness_follows_the_light_and_burnt_out_is_counted(astronaut: Image.Image) -> None:
    row = [measured(ImageEnhance.Brightness(astronaut).enhance(gain)) for gain in (0.2, 0.5, 0.8, 1.0, 1.3, 1.8)]
    for values in ([one.brightness for one in row], [one.highlights for one in row], [one.clipped for one in row]):
        assert values == sorted(values)
    assert row[-1].clipped > 0.2 and row[0].clipped == 0
    half_white = Image.new("L", (100, 100), 128)
    half_white.paste(255, (0, 0, 50, 100))
    assert measured(half_white.convert("RGB"), None).clipped == pytest.approx(0.5)


def test_dim_light_alone_does_not_make_a_face_unsharp(astronaut: Image.Image) -> None:
    bright, dim = measured(astronaut), measured(ImageEnhance.Brightness(astronaut).enhance(0.5))
    assert dim.sharpness == pytest.approx(bright.sharpness, rel=0.2) and not is_soft(dim)


def test_a_face_is_measured_alike_at_every_size(astronaut: Image.Image) -> None:
    """Once it is larger than what a model sees of it, more pixels of the same face change nothing."""
    large = astronaut.crop((150, 40, 320, 230)).resize((1020, 1140), Image.Resampling.LANCZOS)
    face = (0.2, 0.1, 0.8, 0.8)
    small = large.resize((510, 570), Image.Resampling.LANCZOS)
    assert measured(small, face).sharpness == pytest.approx(measured(large, face).sharpness, rel=0.1)
    assert measured(large, face).face_height_px == 2 * measured(small, face).face_height_px  # type: ignore[operator]


def test_a_face_too_small_to_measure_leaves_it_to_the_picture(astronaut: Image.Image) -> None:
    tiny = measured(astronaut, (0.4, 0.2, 0.44, 0.25))
    assert tiny.measured_on == "picture" and tiny.face_height_px == 26
    assert measured(astronaut, None).face_height_px is None
    assert measured(astronaut, (-0.2, -0.3, 0.4, 0.4)).measured_on == "face"  # cut off by the picture's edge


def test_a_soft_background_does_not_make_a_picture_blurred(astronaut: Image.Image) -> None:
    soft = blurred(4)(astronaut)
    soft.paste(astronaut.crop((100, 0, 356, 512)), (100, 0))
    assert not is_blurred(measured(soft, None)) and is_blurred(measured(blurred(4)(astronaut), None))


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("sigma_px", [0.0, 2.0])
def test_blur_equals_that_of_scikit_image(name: str, sigma_px: float) -> None:
    """But for the two pixels along the edges that ours leaves out."""
    image = Image.fromarray(getattr(skimage.data, name)()).convert("L")
    luma = np.asarray(blurred(sigma_px)(image) if sigma_px else image, np.float32)
    assert blur_of(luma) == pytest.approx(skimage.measure.blur_effect(luma / 255, h_size=11), abs=0.01)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 2), (16, 4), (5, 400)])
def test_the_smallest_pictures_have_numbers_too(size: tuple[int, int]) -> None:
    for face in (None, FACE):
        values = dataclasses.asdict(measured(Image.new("RGB", size, (10, 200, 30)), face)).values()
        assert all(np.isfinite(value) for value in values if isinstance(value, float))


def judgement(quality: Quality) -> Judgement:
    face = Face(box=FACE, confidence=0.99)
    return Judgement(detector="mtcnn", faces=(face,), found=(face,), quality=quality)


def keys(image: Image.Image) -> set[str]:
    findings = findings_of(judgement(measured(image)), 1000, 1000)
    return {finding.key.removeprefix("photos.") for finding in findings}


@pytest.mark.parametrize(
    "change, key",
    [
        (lambda image: image, None),
        (jpeg(60), None),
        (half_size, None),
        (blurred(2), "face_blurred"),
        (upscaled(4), "face_blurred"),
        (noisy(8), "grainy"),
        (noisy(20), "very_grainy"),
        (lambda image: ImageEnhance.Brightness(image).enhance(0.2), "face_dark"),
        (lambda image: ImageEnhance.Brightness(image).enhance(1.9), "face_burnt"),
    ],
    ids=["as it is", "JPEG 60", "half", "blurred", "enlarged", "noisy", "very noisy", "dark", "burnt"],
)
def test_each_fault_is_named_and_a_good_photo_has_none(astronaut: Image.Image, change: Change, key: str | None) -> None:
    assert keys(change(astronaut)) == ({key} if key else set())


def test_dark_skin_in_good_light_is_not_called_dark() -> None:
    """Its highlights tell it from a face in the dark of the same median."""
    common = {"sharpness": 200.0, "blur": 0.4, "noise": 1.0, "clipped": 0.0, "measured_on": "face"}
    lit, unlit = (Quality(brightness=40, highlights=highlights, **common) for highlights in (140.0, 70.0))  # type: ignore[arg-type]
    assert not findings_of(judgement(lit), 1000, 1000)
    assert [finding.key for finding in findings_of(judgement(unlit), 1000, 1000)] == ["photos.face_dark"]


def test_size_and_faces_are_told(astronaut: Image.Image) -> None:
    quality = dataclasses.replace(measured(astronaut), face_height_px=40)
    assert is_small(quality) and not is_grainy(quality)
    found = findings_of(judgement(quality), 400, 500)
    assert [one.key for one in found] == ["photos.low_resolution", "photos.small_face"]
    face = Face(box=FACE, confidence=0.99)
    two = dataclasses.replace(judgement(measured(astronaut)), faces=(face, face))
    none = dataclasses.replace(two, faces=())
    unsure = dataclasses.replace(two, faces=(dataclasses.replace(face, retried=True),))
    nobody_looked = dataclasses.replace(none, detector="none")
    said = [[one.key for one in findings_of(one, 1000, 1000)] for one in (two, none, unsure, nobody_looked)]
    assert said == [["photos.several_people"], ["photos.no_face"], ["photos.face_unsure"], []]
    agreed = dataclasses.replace(none, labelled=("faces",))
    assert not findings_of(agreed, 1000, 1000)


def test_findings_carry_their_numbers_in_both_languages(astronaut: Image.Image) -> None:
    [finding] = findings_of(judgement(measured(noisy(20)(astronaut))), 1000, 1000)
    noise = str(finding.values["noise"])
    assert 12 < float(noise) < 16
    assert all(noise in sentence(finding, language) for language in LANGUAGES)
