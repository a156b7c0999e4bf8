"""Borders: planted bars are cut off whole, and photos without bars keep every pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from tests.trainer.planted_borders import PLANTED, photographs, planted
from trainer.photos.cleaning.borders import find_borders, trim_borders
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.cleaning.draft import Draft
from trainer.photos.cleaning.tools import NO_TOOLS
from trainer.photos.edits import NO_EDIT, PhotoEdit
from trainer.photos.photo import WHOLE, Box, Face, Judgement, Photo


def noise(width_px: int, height_px: int, seed: int = 0) -> Image.Image:
    """A textured picture of middle brightness."""
    small = np.random.default_rng(seed).integers(40, 216, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width_px, height_px), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_bars_are_cut_off_whole_and_little_more(kind: str) -> None:
    picture, inner = planted(kind, noise(640, 480))
    found = find_borders(picture)
    assert all(abs(one - other) < 0.015 for one, other in zip(found, inner, strict=True))
    assert found[0] >= inner[0] and found[1] >= inner[1] and found[2] <= inner[2] and found[3] <= inner[3]


def test_photographs_without_bars_keep_every_pixel() -> None:
    for name, photograph in photographs():
        assert find_borders(photograph) == WHOLE, name


def test_person_before_a_white_or_black_wall_has_no_bars() -> None:
    for wall in ("white", "black"):
        picture = Image.new("RGB", (600, 800), wall)
        draw = ImageDraw.Draw(picture)
        draw.ellipse((220, 150, 380, 360), fill=(180, 140, 120))
        draw.ellipse((100, 400, 500, 1200), fill=(60, 70, 120))
        assert find_borders(picture.filter(ImageFilter.GaussianBlur(1))) == WHOLE


def test_photo_that_fades_to_black_at_its_rims_has_no_bars() -> None:
    across = np.clip(np.minimum(np.arange(600), np.arange(600)[::-1]) / 200, 0, 1)
    levels = (np.asarray(noise(600, 400), dtype=float) * across[None, :, None]).astype(np.uint8)
    assert find_borders(Image.fromarray(levels)) == WHOLE


def test_bar_on_one_side_alone_stays() -> None:
    picture = noise(640, 480)
    picture.paste((0, 0, 0), (0, 0, 640, 60))
    assert find_borders(picture) == WHOLE


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (90, 90, 90)])
def test_picture_of_one_colour_has_no_bars(colour: tuple[int, int, int]) -> None:
    assert find_borders(Image.new("RGB", (300, 200), colour)) == WHOLE


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3)])
def test_tiny_and_thin_pictures_are_left(size: tuple[int, int]) -> None:
    assert find_borders(Image.new("RGB", size)) == WHOLE


def draft_of(view: Image.Image, face: Box | None = None, edit: PhotoEdit = NO_EDIT) -> Draft:
    photo = Photo(
        path=Path("a.jpg"), source_path=Path("a.jpg"), width_px=view.width, height_px=view.height, content_hash=""
    )
    faces = (Face(box=face, confidence=1.0),) if face else ()
    judgement = Judgement(detector="mtcnn", faces=faces)
    return Draft(photo=photo, edit=edit, view=view, judgement=judgement, frame=edit.crop or WHOLE)


def test_step_cuts_under_apply_tells_under_report_and_is_silent_when_off() -> None:
    picture, _ = planted("letterbox", noise(640, 480))
    draft = draft_of(picture)
    cut = trim_borders(draft, CleanConfig(borders="apply"), NO_TOOLS)
    told = trim_borders(draft, CleanConfig(borders="report"), NO_TOOLS)
    assert cut.frame == find_borders(picture) and [message.key for message in cut.done] == ["photos.borders_cut"]
    assert told.frame == WHOLE and [message.key for message in told.done] == ["photos.borders_found"]
    assert trim_borders(draft, CleanConfig(borders="off"), NO_TOOLS) == draft


def test_no_bar_is_cut_through_a_face_or_out_of_a_frame_drawn_by_hand() -> None:
    picture, _ = planted("letterbox", noise(640, 480))
    for draft in (draft_of(picture, face=(0.4, 0.02, 0.6, 0.3)), draft_of(picture, edit=PhotoEdit(crop=WHOLE))):
        assert trim_borders(draft, CleanConfig(), NO_TOOLS) == draft
