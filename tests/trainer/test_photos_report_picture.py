"""The report as a picture: everything is on it, nothing breaks it, and its colours can be told apart by everybody."""

from __future__ import annotations

import dataclasses
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from tests.trainer.report_photos import judged, make_file, set_of_shots
from trainer.messages import LANGUAGES, Message
from trainer.photos.load import load_photos
from trainer.photos.photo import PhotoSet, SetAside
from trainer.photos.report import paint
from trainer.photos.report.checklist import check
from trainer.photos.report.paint import BACKGROUND, BLUE, GREEN, GREY, ORANGE, RED, labels_of
from trainer.photos.report.picture import WIDTH_PX, cut, draw_report
from trainer.photos.report.sheet import MAX_PHOTOS, before_after_sheet, contact_sheet

DEUTERANOPIA = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
PROTANOPIA = np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]])
"""Machado, Oliveira and Fernandes 2009, severity 1."""


def num_pixels(image: Image.Image, color: tuple[int, int, int]) -> int:
    """How many pixels have exactly this colour."""
    return next((count for count, one in image.getcolors(image.width * image.height) or () if one == color), 0)


def rim_is_empty(image: Image.Image) -> bool:
    """Whether nothing reaches the picture's left and right rims, as text that is too wide would."""
    pixels = np.asarray(image)
    return bool((pixels[:, :6] == BACKGROUND).all() and (pixels[:, -6:] == BACKGROUND).all())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("num_photos", [0, 1, 3, 25])
def test_report_can_be_drawn_of_any_number_of_photos(num_photos: int, language: str, tmp_path: Path) -> None:
    shots = (["close-up", "medium", "unknown"] * 9)[:num_photos]
    photos = set_of_shots(shots, tmp_path)
    for photo in photos.photos:
        make_file(photo.path)
    picture = draw_report(photos, check(photos), language)
    assert picture.width == WIDTH_PX and picture.mode == "RGB" and rim_is_empty(picture)


def test_awkward_names_and_long_reasons_stay_inside(tmp_path: Path) -> None:
    names = ["a\nb.png", 'say "cheese".png', "{x}.png", "😀 小美.png", "n" * 150 + ".png"]
    findings = tuple(
        Message(key)
        for key in ("photos.no_face", "photos.near_duplicate_found", "photos.several_people", "photos.face_unsure")
    )
    photos = [judged(make_file(tmp_path / name)) for name in names]
    photos = [
        dataclasses.replace(one, judgement=dataclasses.replace(one.judgement, findings=findings), done=())
        for one in photos
        if one.judgement
    ]
    reason = Message("photos.near_duplicate", {"other": "m" * 300, "bits": 3, "percent": 98})
    aside = (SetAside(photo=judged(make_file(tmp_path / "twin.png")), reason=reason),)
    photo_set = PhotoSet(folder=tmp_path, photos=tuple(photos), set_aside=aside)
    for language in LANGUAGES:
        assert rim_is_empty(draw_report(photo_set, check(photo_set), language))


def test_every_photo_is_on_the_sheet_and_those_set_aside_are_grey(tmp_path: Path) -> None:
    colors = [(200, 40 + 9 * index, 90) for index in range(12)]
    photos = [judged(make_file(tmp_path / f"{n}.png", color, (128, 128))) for n, color in enumerate(colors)]
    aside = (SetAside(photo=photos.pop(), reason=Message("photos.left_out_by_hand"), by_hand=True),)
    photo_set = PhotoSet(folder=tmp_path, photos=tuple(photos), set_aside=aside)
    picture = draw_report(photo_set, check(photo_set), "en")
    for color in colors[:-1]:
        assert num_pixels(picture, color) == 128 * 128
    assert num_pixels(picture, colors[-1]) == 0


def test_a_photo_that_has_gone_leaves_an_empty_frame(tmp_path: Path) -> None:
    photos = set_of_shots(["medium"] * 2, tmp_path)
    make_file(photos.photos[0].path)
    assert draw_report(photos, check(photos), "en").width == WIDTH_PX
    assert contact_sheet(photos).width > 160


def test_a_sheet_says_how_many_photos_it_leaves_out(tmp_path: Path) -> None:
    make_file(tmp_path / "one.png")
    photos = set_of_shots(["medium"] * (MAX_PHOTOS + 40), tmp_path)
    photos = dataclasses.replace(
        photos, photos=tuple(dataclasses.replace(photo, path=tmp_path / "one.png") for photo in photos.photos)
    )
    shown = num_pixels(draw_report(photos, check(photos), "en"), (150, 120, 90))
    assert 0.9 * MAX_PHOTOS * 64 * 48 <= shown <= MAX_PHOTOS * 64 * 48  # a tag may lie over a corner


def test_before_and_after_stand_side_by_side_with_the_part_that_was_kept(tmp_path: Path) -> None:
    before, after = (
        make_file(tmp_path / "a.png", (200, 60, 60), (120, 80)),
        make_file(tmp_path / "b.png", (60, 60, 200)),
    )
    (photo,) = load_photos(make_folder(tmp_path / "in", before), recursive=False).photos
    changed = dataclasses.replace(photo, path=after, shown_part=(0.25, 0.25, 0.75, 0.75))
    sheet = np.asarray(before_after_sheet(PhotoSet(folder=tmp_path / "in", photos=(changed,))))
    left, right = ((sheet == color).all(-1).nonzero()[1] for color in ((200, 60, 60), (60, 60, 200)))
    assert len(left) and len(right) and left.max() < right.min()
    assert (sheet == BLUE).all(-1).any()


def make_folder(folder: Path, picture: Path) -> Path:
    """A folder with one picture in it."""
    folder.mkdir()
    picture.rename(folder / picture.name)
    return folder


@pytest.mark.parametrize("sight", [np.eye(3), DEUTERANOPIA, PROTANOPIA], ids=["usual", "deuteranopia", "protanopia"])
@pytest.mark.parametrize("pair", list(combinations((GREEN, RED, BLUE, ORANGE, GREY), 2)))
def test_colours_with_a_meaning_can_be_told_apart(pair: tuple[tuple[int, int, int], ...], sight: np.ndarray) -> None:
    one, other = ((sight @ (np.array(color) / 255) ** 2.2).clip(0, 1) ** (1 / 2.2) * 255 for color in pair)
    assert np.abs(one - other).max() > 25


def test_without_a_chinese_font_the_report_is_in_english_with_numbers_for_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paint, "font", ImageFont.load_default)
    photos = PhotoSet(folder=tmp_path, photos=(judged(make_file(tmp_path / "小美.png"), shot="close-up"),))
    chinese, english = (draw_report(photos, check(photos), language) for language in ("zh", "en"))
    assert chinese.tobytes() == english.tobytes()


@pytest.mark.parametrize("width_px", [60, 140, 400])
@pytest.mark.parametrize(
    "text",
    [
        "其他人（1 人）离得太近，无法裁掉。请在节点上手动裁剪，或连接 SAM3 模型将他们涂掉。",
        "替换模糊的照片：2 张（063 ltxv_text_to_video-1.webp, b.jpg (+3)）。“引号”与 100 %……",
        "A sentence in English, with (brackets) and averyveryverylongfilenamewithoutanyspaceinit.jpg.",
    ],
)
def test_wrapped_lines_fit_and_lose_nothing(text: str, width_px: int) -> None:
    labels = labels_of(14, "en")
    lines = labels.wrap(text, width_px)
    assert all(labels.width_px(line) <= width_px for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    if width_px > 100:
        assert not any(line[0] in "，。：）”…" or line[-1] in "（“" for line in lines)


def test_chinese_lines_are_filled() -> None:
    labels = labels_of(14, "en")
    if not labels.own("照", ""):
        pytest.skip("no font of this system can draw Chinese")
    text = "照片 " + "很好" * 60
    assert all(labels.width_px(line) > 170 for line in labels.wrap(text, 200)[:-1])


def test_cut_lines_end_in_dots() -> None:
    assert cut(["one", "two"], 2) == ("one", "two")
    assert cut(["one", "second", "three"], 2) == ("one", "sec...")
