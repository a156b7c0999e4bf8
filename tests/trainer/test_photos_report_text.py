"""The report as text: nothing is left out, the same photos give the same lines, and no name breaks it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.trainer.report_photos import judged, set_of_shots
from trainer.messages import LANGUAGES, Message
from trainer.photos.photo import PhotoSet, RejectedFile, SetAside
from trainer.photos.report.checklist import check
from trainer.photos.report.text import describe, describe_report, merged

FOLDER = Path("photos")
AWKWARD = (
    "a\nb.jpg",
    'say "cheese".jpg',
    "{braces}.jpg",
    "😀 小美.jpg",
    "half\ud83d.jpg",
    "n" * 200 + ".jpg",
    "\u202egpj.exe",
)


def cut_off(percent: int) -> Message:
    """What cleaning says about bars."""
    return Message("photos.borders_cut", {"percent": percent})


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_file_that_is_not_used_is_named_with_its_reason(language: str) -> None:
    photos = dataclasses.replace(
        set_of_shots(["medium"] * 2, FOLDER),
        rejected=(RejectedFile(path=FOLDER / "page.jpg", reason=Message("photos.not_a_picture")),),
        set_aside=(
            SetAside(photo=judged(FOLDER / "twin.jpg"), reason=Message("photos.left_out_by_hand"), by_hand=True),
        ),
        warnings=(Message("photos.few", {"count": 2}),),
    )
    lines = describe(photos, language).splitlines()
    for name in ("- page.jpg: ", "- twin.jpg: "):
        assert sum(line.startswith(name) and len(line) > len(name) + 4 for line in lines) == 1
    assert describe_report(photos, check(photos), language).endswith(describe(photos, language))


def test_what_was_done_is_grouped_with_its_range_and_the_first_names() -> None:
    photos = tuple(judged(FOLDER / f"{index}.jpg", done=(cut_off(3 + index),)) for index in range(9))
    (line,) = [one for one in describe(PhotoSet(folder=FOLDER, photos=photos), "en").splitlines() if "bars" in one]
    assert line.startswith("- 9 × ") and "3–11 %" in line and "0.jpg, 1.jpg" in line and "(+3)" in line


def test_equal_values_are_said_once_and_words_are_listed() -> None:
    same = merged([cut_off(5), cut_off(5)])
    assert same.values["percent"] == 5
    several = merged([Message("photos.duplicate", {"first": name}) for name in ("a", "b", "a")])
    assert several.values["first"] == "a, b"


@pytest.mark.parametrize("language", LANGUAGES)
def test_awkward_names_keep_the_text_whole(language: str) -> None:
    blurred = Message("photos.face_blurred", {"sharpness": 3, "good": 30, "blur": 0.7, "good_blur": 0.6})
    photos = tuple(judged(FOLDER / name, findings=(blurred,), done=(cut_off(4),)) for name in AWKWARD)
    photo_set = PhotoSet(
        folder=FOLDER, photos=photos, set_aside=tuple(SetAside(photo=one, reason=blurred) for one in photos)
    )
    text = describe_report(photo_set, check(photo_set), language)
    assert text.encode("utf-8")
    assert "\u202e" not in text
    for line in text.splitlines():
        assert line.strip()
    assert sum(line.startswith("- ") for line in text.splitlines()) == 2 * len(AWKWARD) + 1


def test_the_same_photos_give_the_same_text() -> None:
    photos = set_of_shots(["medium", "close-up", "medium"])
    assert describe_report(photos, check(photos), "en") == describe_report(photos, check(photos), "en")


def test_every_finding_is_in_the_text_with_its_number() -> None:
    findings = (
        Message("photos.grainy", {"noise": 5.4, "limit": 4}),
        Message("photos.small_face", {"height": 31, "limit": 48}),
    )
    photos = PhotoSet(folder=FOLDER, photos=(judged(FOLDER / "a.jpg", findings=findings),))
    (line,) = [one for one in describe_report(photos, check(photos), "en").splitlines() if one.startswith("- a.jpg")]
    assert "5.4" in line and "31" in line
