"""The report: text that names every rejected file, a contact sheet that shows every photo, and text that fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from trainer.photos.load import load_photos
from trainer.photos.report.sheet import contact_sheet
from trainer.photos.report.text import describe
from trainer.pictures import can_draw, fit_text, font


def make_photo(path: Path, color: tuple[int, int, int], width_px: int = 64, height_px: int = 48) -> Path:
    """A picture file of one color."""
    Image.new("RGB", (width_px, height_px), color).save(path)
    return path


@pytest.mark.parametrize("language", ["en", "zh"])
def test_report_counts_photos_and_names_every_rejected_file(language: str, tmp_path: Path) -> None:
    make_photo(tmp_path / "a.png", (200, 0, 0), 64, 48)
    make_photo(tmp_path / "b.png", (0, 200, 0), 640, 480)
    (tmp_path / "空.jpg").touch()
    (tmp_path / "page.jpg").write_bytes(b"<html>")
    text = describe(load_photos(tmp_path, recursive=False), language)
    for expected in ("2", str(tmp_path), "64 x 48", "640 x 480", "- 空.jpg: ", "- page.jpg: ", "70"):
        assert expected in text
    assert ("照片" in text) == (language == "zh")


@pytest.mark.parametrize("num_photos", [1, 2, 5, 9])
def test_contact_sheet_shows_every_photo_in_order(num_photos: int, tmp_path: Path) -> None:
    colors = [(20 * index + 60, 255 - 20 * index, 77) for index in range(num_photos)]
    for index, color in enumerate(colors):
        make_photo(tmp_path / f"{index}.png", color)
    sheet = np.asarray(contact_sheet(load_photos(tmp_path, recursive=False), thumb_px=64))
    places = []
    for color in colors:
        rows, columns = np.nonzero((sheet == color).all(-1))
        assert len(rows) == 64 * 48
        places.append((rows.min(), columns.min()))
    assert places == sorted(places)


def test_contact_sheet_stops_at_the_number_asked_for(tmp_path: Path) -> None:
    for index in range(5):
        make_photo(tmp_path / f"{index}.png", (10 * index, 200, 77))
    photos = load_photos(tmp_path, recursive=False)
    assert contact_sheet(photos, max_photos=1, thumb_px=64).width < contact_sheet(photos, thumb_px=64).width


def test_awkward_names_do_not_break_the_contact_sheet(tmp_path: Path) -> None:
    for index, name in enumerate(["小美.png", "😀.png", "n" * 120 + ".png"]):
        make_photo(tmp_path / name, (10 * index, 200, 77))
    assert contact_sheet(load_photos(tmp_path, recursive=False), thumb_px=64).width > 64


def test_font_without_chinese_says_so() -> None:
    latin = ImageFont.load_default(14)
    assert can_draw("IMG 01-a_b.jpg", latin)
    assert not can_draw("小美.jpg", latin)


def test_chosen_font_always_draws_latin() -> None:
    assert can_draw("step 2500: 0.8 (best)", font(14))


@pytest.mark.parametrize("text", ["a.jpg", "a very long name of a photo that never ends.jpg", "", "x" * 500])
@pytest.mark.parametrize("width_px", [0, 5, 40, 100, 1000])
def test_fitted_text_fits_and_keeps_both_ends(text: str, width_px: int) -> None:
    fitted = fit_text(text, font(14), width_px)
    assert font(14).getlength(fitted) <= width_px
    if font(14).getlength(text) <= width_px:
        assert fitted == text
    elif fitted:
        start, _, end = fitted.partition("...")
        assert text.startswith(start) and text.endswith(end)
