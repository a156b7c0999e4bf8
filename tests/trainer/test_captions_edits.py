"""Edits of captions: kept in the workflow, matched by content, and before everything else."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from PIL import Image

from trainer.captions.caption import caption_photos
from trainer.captions.config import CaptionConfig
from trainer.captions.edits import NO_EDITS, CaptionEdit, CaptionEdits, gone_message, photo_key, read_caption_edits
from trainer.captions.views import THUMB_PX, small_pictures
from trainer.files import file_hash
from trainer.messages import UserError
from trainer.photos.cleaning.clean import clean_photos
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.load import load_photos
from trainer.photos.photo import PhotoSet

MILA = CaptionConfig(subject="Mila")


@pytest.fixture
def photos(tmp_path: Path) -> PhotoSet:
    """Two photos as they were loaded."""
    for index in range(2):
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.new("RGB", (300, 200), (index, 40, 200)).save(tmp_path / f"photos/{index}.png")
    return load_photos(tmp_path / "photos", recursive=False)


def edits_text(**photos: dict[str, object]) -> str:
    return json.dumps({"version": 1, "photos": photos})


def first(dataset: object) -> str:
    return dataset.photos[0].caption  # type: ignore[attr-defined]


def test_text_of_the_widget_becomes_edits() -> None:
    text = edits_text(ab={"name": "1.png", "caption": "Mila at home"}, cd={"feature": "hat", "faceless": False})
    assert read_caption_edits(text).photos == {
        "ab": CaptionEdit(name="1.png", caption="Mila at home"),
        "cd": CaptionEdit(feature="hat", faceless=False),
    }
    assert read_caption_edits("") == read_caption_edits(" \n") == NO_EDITS


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "null", "3", '{"version": 1}', '{"photos": {}}', '{"version": 1, "photos": []}',
     edits_text(ab={"caption": 3}), edits_text(ab={"faceless": "yes"}), edits_text(ab={"faceless": 1}),
     '{"version": 1, "photos": {"ab": "text"}}', '{"version": 1, "photos": {"ab": null}}'],
)  # fmt: skip
def test_text_that_is_no_edits_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(UserError, match=r"Auto Caption"):
        read_caption_edits(text)


def test_edits_of_a_newer_version_are_refused() -> None:
    with pytest.raises(UserError, match="7"):
        read_caption_edits('{"version": 7, "photos": {}}')


def test_the_edit_goes_before_the_users_file_and_plain_is_what_would_be_without_it(photos: PhotoSet) -> None:
    photos.photos[0].source_path.with_suffix(".txt").write_text("Mila at the sea", encoding="utf-8")
    edits = CaptionEdits(photos={photo_key(photos.photos[0]): CaptionEdit(caption="[subject] \n[class] at home")})
    made = caption_photos(photos, MILA, edits=edits).photos[0]
    assert (made.caption, made.origin, made.plain) == ("Mila person at home", "edit", "Mila at the sea")


def test_an_edit_without_a_letter_gives_the_caption_back(photos: PhotoSet) -> None:
    edits = CaptionEdits(photos={photo_key(photos.photos[0]): CaptionEdit(caption=" \n")})
    assert first(caption_photos(photos, MILA, edits=edits)) == "a photo of Mila"


def test_edits_find_their_photo_under_another_name_and_in_its_working_copy(photos: PhotoSet, tmp_path: Path) -> None:
    edits = read_caption_edits(edits_text(**{file_hash(photos.photos[0].path): {"caption": "Mila at home"}}))
    photos.photos[0].path.rename(photos.folder / "0 renamed 小美.png")
    renamed = load_photos(photos.folder, recursive=False)
    assert [item.caption for item in caption_photos(renamed, MILA, edits=edits).photos].count("Mila at home") == 1
    cleaned = clean_photos(renamed, CleanConfig(), tmp_path / "work")
    dataset = caption_photos(cleaned, MILA, edits=edits)
    assert [item.caption for item in dataset.photos].count("Mila at home") == 1
    assert not [warning for warning in dataset.warnings if warning.key == "captions.edits_gone"]


def test_edits_whose_photos_are_gone_are_named_and_the_rest_goes_on(photos: PhotoSet) -> None:
    edits = read_caption_edits(
        edits_text(**{"0" * 64: {"name": "lost.jpg", "caption": "x"}, "1" * 64: {"caption": "y"}})
    )
    dataset = caption_photos(photos, MILA, edits=edits)
    (gone,) = [warning for warning in dataset.warnings if warning.key == "captions.edits_gone"]
    assert gone.values == {"count": 2, "names": "lost.jpg, 11111111"} and first(dataset) == "a photo of Mila"


def test_edits_of_photos_that_are_set_aside_are_not_called_gone(photos: PhotoSet) -> None:
    from trainer.messages import Message
    from trainer.photos.photo import SetAside

    aside = SetAside(photo=photos.photos[1], reason=Message("photos.left_out"))
    fewer = dataclasses.replace(photos, photos=photos.photos[:1], set_aside=(aside,))
    edits = CaptionEdits(photos={photo_key(photos.photos[1]): CaptionEdit(caption="Mila")})
    assert gone_message(edits, fewer.photos) is not None
    assert "captions.edits_gone" not in [warning.key for warning in caption_photos(fewer, MILA, edits=edits).warnings]


def test_half_an_emoji_in_an_edit_can_be_kept_on_disk(photos: PhotoSet, tmp_path: Path) -> None:
    cleaned = clean_photos(photos, CleanConfig(), tmp_path / "work")
    text = edits_text(**{photo_key(cleaned.photos[0]): {"caption": "Mila \ud83d"}})
    edits = read_caption_edits(text)
    dataset = caption_photos(cleaned, CaptionConfig(subject="Mi\ud83dla"), edits=edits)
    assert first(dataset) == "Mila ?" and dataset.photos[1].caption == "a photo of Mi?la" and dataset.fingerprint


def test_edit_of_one_caption_changes_that_one_only(photos: PhotoSet) -> None:
    before = caption_photos(photos, MILA)
    edits = CaptionEdits(photos={photo_key(photos.photos[1]): CaptionEdit(feature="hat")})
    after = caption_photos(photos, MILA, edits=edits)
    assert after.photos[0] == before.photos[0] and after.photos[1].plain == before.photos[1].caption
    assert after.fingerprint != before.fingerprint == caption_photos(photos, MILA).fingerprint


def test_small_pictures_are_cleanings_own_else_made_once(photos: PhotoSet, tmp_path: Path) -> None:
    paths = small_pictures(photos.photos, tmp_path / "thumbs")
    assert [Image.open(path).size for path in paths] == [(THUMB_PX, 107)] * 2
    times = [path.stat().st_mtime_ns for path in paths]
    assert small_pictures(photos.photos, tmp_path / "thumbs") == paths
    assert [path.stat().st_mtime_ns for path in paths] == times

    cleaned = clean_photos(photos, CleanConfig(), tmp_path / "work")
    of_copies = small_pictures(cleaned.photos, tmp_path / "none")
    assert all(path.exists() for path in of_copies) and not (tmp_path / "none").exists()


def test_small_pictures_of_a_photo_that_has_gone_end_in_a_sentence(photos: PhotoSet, tmp_path: Path) -> None:
    photos.photos[0].path.unlink()
    with pytest.raises(UserError, match="0.png"):
        small_pictures(photos.photos, tmp_path / "thumbs")
