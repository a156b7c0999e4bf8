"""Variety: relit and re-dressed versions of one photo are of different kinds, re-saved ones are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageEnhance

from tests.trainer.planted_changes import half_size, jpeg, noisy
from trainer.photos.judging.variety import kinds_of_light, kinds_of_outfit, light_on, outfit_below
from trainer.photos.photo import Box, Judgement, Photo

FACE: Box = (0.36, 0.12, 0.53, 0.37)
"""Of the astronaut, by hand."""


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return Image.fromarray(skimage.data.astronaut())


def photo(lighting: tuple[float, ...] = (), outfit: tuple[float, ...] = ()) -> Photo:
    judgement = Judgement(detector="mtcnn", lighting=lighting, outfit=outfit)
    return Photo(
        path=Path("a"), source_path=Path("a"), width_px=9, height_px=9, content_hash="a", judgement=judgement
    )  # fmt: skip


def tinted(red: float, green: float, blue: float) -> Callable[[Image.Image], Image.Image]:
    def change(image: Image.Image) -> Image.Image:
        pixels = np.asarray(image, np.float32) * np.array([red, green, blue], np.float32)
        return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))

    return change


def lit_from_one_side(image: Image.Image) -> Image.Image:
    """The light falls off across the face."""
    gain = np.interp(np.linspace(0, 1, image.width), (FACE[0], FACE[2]), (1.0, 0.25))[None, :, None]
    return Image.fromarray((np.asarray(image) * gain).astype(np.uint8))


def in_another_suit(image: Image.Image) -> Image.Image:
    """Blue and orange change places below the chin, and the light stays."""
    pixels = np.array(image)
    pixels[round(FACE[3] * image.height) + 20 :] = pixels[round(FACE[3] * image.height) + 20 :, :, ::-1]
    return Image.fromarray(pixels)


def test_three_lights_and_two_outfits_are_counted(astronaut: Image.Image) -> None:
    """Each version is there three times, saved otherwise."""
    versions = [astronaut, tinted(1.0, 0.75, 0.45)(astronaut), lit_from_one_side(astronaut)]
    saved = (lambda image: image, jpeg(60), half_size)
    lights = [photo(lighting=light_on(save(version), FACE)) for version in versions for save in saved]
    assert kinds_of_light(lights).groups == ((0, 1, 2), (3, 4, 5), (6, 7, 8))
    outfits = [
        photo(outfit=outfit_below(save(version), FACE))
        for version in (in_another_suit(astronaut), astronaut)
        for save in saved[: 3 if version is astronaut else 2]
    ]
    assert kinds_of_outfit(outfits).groups == ((2, 3, 4), (0, 1))


@pytest.mark.parametrize(
    "change",
    [jpeg(50), half_size, noisy(8), lambda image: ImageEnhance.Brightness(image).enhance(1.05)],
    ids=["jpeg 50", "half size", "noisy", "brighter"],
)
def test_saving_and_small_changes_make_no_other_kind(astronaut: Image.Image, change) -> None:  # type: ignore[no-untyped-def]
    changed = change(astronaut)
    assert len(kinds_of_light([photo(lighting=light_on(one, FACE)) for one in (astronaut, changed)]).groups) == 1
    assert len(kinds_of_outfit([photo(outfit=outfit_below(one, FACE)) for one in (astronaut, changed)]).groups) == 1


def test_clothes_do_not_change_the_light_nor_light_from_the_side_the_face(astronaut: Image.Image) -> None:
    assert light_on(in_another_suit(astronaut), FACE) == light_on(astronaut, FACE)
    right_darker = light_on(lit_from_one_side(astronaut), FACE)
    assert right_darker[1] < light_on(astronaut, FACE)[1] - 1


def test_what_cannot_be_seen_is_unknown(astronaut: Image.Image) -> None:
    assert light_on(astronaut, None) == outfit_below(astronaut, None) == ()
    assert light_on(astronaut, (0.1, 0.1, 0.12, 0.13)) == ()
    assert outfit_below(astronaut.crop((0, 0, 512, 200)), (0.36, 0.3, 0.53, 0.95)) == ()
    nobody = Photo(path=Path("a"), source_path=Path("a"), width_px=9, height_px=9, content_hash="a")
    kinds = kinds_of_light([nobody, photo(lighting=light_on(astronaut, FACE)), photo()])
    assert kinds.groups == ((1,),) and kinds.unknown == (0, 2)
    assert kinds_of_outfit([]).groups == ()


def test_no_chain_of_small_steps_joins_two_ends() -> None:
    dusk = [photo(lighting=(0.5 * step, 0.0, 0.0, 0.0, 0.0)) for step in range(13)]
    groups = kinds_of_light(dusk).groups
    assert len(groups) >= 3 and sorted(index for group in groups for index in group) == list(range(13))
    assert all(0.5 * (max(group) - min(group)) < 2 for group in groups)
