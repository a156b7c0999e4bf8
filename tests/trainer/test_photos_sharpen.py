"""Sharpening: moderate, after scaling down only, and never grain."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from tests.trainer.known_people import astronaut, draft_of
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.cleaning.draft import Draft
from trainer.photos.cleaning.sharpen import sharpen
from trainer.photos.cleaning.tools import CleanTools

APPLY, REPORT = (CleanConfig(sharpen=choice) for choice in ("apply", "report"))


def scaled_down(times: float = 2.0) -> tuple[Image.Image, Draft]:
    """What is left of the astronaut at half its size, and the draft of the large photo."""
    image, face = astronaut()
    side = round(512 / times)
    return image.resize((side, side), Image.Resampling.LANCZOS), draft_of(image, [face])


def texture(image: Image.Image) -> float:
    pixels = np.asarray(image.convert("L"), float)
    return float((pixels - gaussian_filter(pixels, 1.0)).std())


def test_fine_detail_grows_moderately_and_nothing_burns_out() -> None:
    image, draft = scaled_down()
    made, after = sharpen(image, draft, APPLY, CleanTools())
    assert 1.1 < texture(made) / texture(image) < 1.35
    burnt = [float(((np.asarray(one) == 0) | (np.asarray(one) == 255)).mean()) for one in (image, made)]
    assert burnt[1] - burnt[0] < 0.02
    assert np.abs(np.asarray(made, float).mean() - np.asarray(image, float).mean()) < 0.3
    assert [message.key for message in after.done] == ["photos.sharpened"]


@pytest.mark.parametrize("times", [1.0, 1.05])
def test_a_photo_that_was_not_scaled_down_keeps_its_bytes(times: float) -> None:
    image, draft = scaled_down(times)
    assert sharpen(image, draft, APPLY, CleanTools()) == (image, draft)


def test_a_part_cut_out_at_full_size_keeps_its_bytes() -> None:
    image, draft = scaled_down(1.0)
    part = dataclasses.replace(draft, frame=(0.0, 0.0, 0.5, 0.5))
    cut = image.crop((0, 0, 256, 256))
    assert sharpen(cut, part, APPLY, CleanTools()) == (cut, part)


def test_a_grainy_photo_keeps_its_bytes_and_says_why() -> None:
    image, draft = scaled_down()
    assert draft.judgement.quality is not None
    grainy = dataclasses.replace(draft.judgement, quality=dataclasses.replace(draft.judgement.quality, noise=6.0))
    made, after = sharpen(image, dataclasses.replace(draft, judgement=grainy), APPLY, CleanTools())
    assert made is image and [message.key for message in after.done] == ["photos.not_sharpened_grain"]


def test_report_says_and_changes_nothing_and_off_does_not_look() -> None:
    image, draft = scaled_down()
    made, after = sharpen(image, draft, REPORT, CleanTools())
    assert made is image and [message.key for message in after.done] == ["photos.sharpen_found"]
    assert sharpen(image, draft, CleanConfig(), CleanTools()) == (image, draft)
