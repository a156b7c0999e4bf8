"""Captions: the template's, the user's own before it, and nothing ever written beside the user's photos."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from PIL import Image

from trainer.captions.caption import caption_photos
from trainer.captions.config import CaptionConfig
from trainer.captions.dataset import Dataset
from trainer.captions.edits import CaptionEdit, CaptionEdits, photo_key
from trainer.captions.features import split_features
from trainer.captions.template import caption_of
from trainer.captions.wording import wording_for
from trainer.files import file_hash
from trainer.messages import UserError
from trainer.photos.cleaning.clean import clean_photos
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.load import load_photos
from trainer.photos.photo import Photo, PhotoSet

PHOTO = Photo(path=Path("a.jpg"), source_path=Path("a.jpg"), width_px=8, height_px=8, content_hash="a")
GUIDE, CHINESE = "a photo of [subject]", "[subject]的照片"
CASES = [
    # template, features, no face, caption
    (GUIDE, "", False, "a photo of Mila"),
    (GUIDE, "ponytail", False, "a photo of Mila with ponytail"),
    (GUIDE, "a red scarf", False, "a photo of Mila with a red scarf"),
    (GUIDE, "with ponytail", False, "a photo of Mila with ponytail"),
    (GUIDE, "With  Ponytail.", False, "a photo of Mila with Ponytail"),
    (GUIDE, "ponytail, glasses", False, "a photo of Mila with ponytail and glasses"),
    (GUIDE, "ponytail; with glasses, hat", False, "a photo of Mila with ponytail, glasses and hat"),
    (GUIDE, "wearing glasses", False, "a photo of Mila wearing glasses"),
    (GUIDE, "sitting on a bench, ponytail", False, "a photo of Mila with ponytail sitting on a bench"),
    (GUIDE, "without glasses", False, "a photo of Mila without glasses"),
    (GUIDE, "", True, "a photo of Mila without face"),
    (GUIDE, "ponytail", True, "a photo of Mila with ponytail without face"),
    (GUIDE, "without face", True, "a photo of Mila without face"),
    (GUIDE, "马尾", False, "a photo of Mila with 马尾"),
    ("A portrait of [subject].", "ponytail", False, "A portrait of Mila with ponytail."),
    ("photo of [subject] with ponytail", "ponytail", False, "photo of Mila with ponytail"),
    ("a photo of [subject], [feature], indoors", "", False, "a photo of Mila, indoors"),
    ("a photo of [subject] [class] [feature] at home", "hat", True,
     "a photo of Mila woman with hat without face at home"),
    (CHINESE, "", False, "Mila的照片"),
    (CHINESE, "马尾", False, "Mila的照片，带着马尾"),
    (CHINESE, "带着马尾、墨镜", False, "Mila的照片，带着马尾和墨镜"),
    (CHINESE, "马尾，墨镜，帽子", False, "Mila的照片，带着马尾、墨镜和帽子"),
    (CHINESE, "穿红裙", True, "Mila的照片，穿红裙，没有露脸"),
    (CHINESE, "戴眼镜，马尾", False, "Mila的照片，带着马尾，戴眼镜"),
    (CHINESE + "。", "", True, "Mila的照片，没有露脸。"),
    ("[subject]", "ponytail", True, "Mila with ponytail without face"),
]  # fmt: skip


@pytest.fixture
def cleaned(tmp_path: Path) -> PhotoSet:
    """Three photos, `1.png`, `2.png` and `10.png`, with working copies."""
    (tmp_path / "photos").mkdir()
    for index, name in enumerate(("1", "2", "10")):
        Image.new("RGB", (32, 24), (index, 99, 99)).save(tmp_path / f"photos/{name}.png")
    photos = load_photos(tmp_path / "photos", recursive=False)
    return clean_photos(photos, CleanConfig(), tmp_path / "work")


def captions(dataset: Dataset) -> list[str]:
    """The captions in order."""
    return [photo.caption for photo in dataset.photos]


def problems(dataset: Dataset) -> list[str]:
    """The keys of the warnings that captioning added."""
    return [warning.key for warning in dataset.warnings if warning.key.startswith("captions.")]


def write_own(photos: PhotoSet, index: int, data: bytes) -> None:
    """Put a caption file beside the user's photo."""
    photos.photos[index].source_path.with_suffix(".txt").write_bytes(data)


def test_without_own_captions_every_photo_gets_the_guides_template(cleaned: PhotoSet) -> None:
    dataset = caption_photos(cleaned, CaptionConfig(subject="Merlina"))
    assert captions(dataset) == ["a photo of Merlina"] * 3
    assert dataset.subject == "Merlina" and dataset.warnings == cleaned.warnings
    assert [photo.photo for photo in dataset.photos] == list(cleaned.photos)


def test_subject_and_template_may_be_chinese(cleaned: PhotoSet) -> None:
    dataset = caption_photos(cleaned, CaptionConfig(subject=" 小美 ", template="[subject]的照片"))
    assert captions(dataset) == ["小美的照片"] * 3 and dataset.subject == "小美"
    assert cleaned.photos[0].path.with_suffix(".txt").read_text(encoding="utf-8") == "小美的照片"


@pytest.mark.parametrize(("template", "features", "no_face", "wanted"), CASES)
def test_template_is_completed_by_what_is_unusual_and_by_a_missing_face(
    template: str, features: str, no_face: bool, wanted: str
) -> None:
    config = CaptionConfig(subject="Mila", template=template, class_word="woman")
    made = caption_of(PHOTO, config, CaptionEdit(feature=features, faceless=no_face))
    assert (made.caption, made.is_faceless, made.plain) == (wanted, no_face, caption_of(PHOTO, config).caption)


@pytest.mark.parametrize(("template", "features", "no_face", "wanted"), CASES)
def test_a_complete_caption_is_not_completed_again(template: str, features: str, no_face: bool, wanted: str) -> None:
    config = CaptionConfig(subject="Mila", template=template)
    again = wording_for(template, config).completed(wanted, split_features(features), is_faceless=no_face)
    assert again == wanted


def test_a_feature_that_is_said_is_not_said_again(cleaned: PhotoSet) -> None:
    for said in ("a photo of Mila with ponytail", "马尾的照片"):
        write_own(cleaned, 0, said.encode())
        edit = CaptionEdit(feature="ponytail, 马尾" if "pony" not in said else "Ponytail")
        edits = CaptionEdits(photos={photo_key(cleaned.photos[0]): edit})
        caption = captions(caption_photos(cleaned, CaptionConfig(subject="Mila"), edits=edits))[0]
        assert caption.casefold().count("ponytail") == 1 and caption.count("马尾") == ("马尾" in said)


def test_users_own_words_for_features_and_for_a_missing_face(cleaned: PhotoSet) -> None:
    config = CaptionConfig(subject="Mila", feature_wording="featuring [feature]", faceless_wording="body only")
    edit = CaptionEdit(feature="with hat, featuring ponytail", faceless=True)
    dataset = caption_photos(cleaned, config, edits=CaptionEdits(photos={photo_key(cleaned.photos[0]): edit}))
    assert captions(dataset)[0] == "a photo of Mila featuring hat and ponytail body only"
    assert dataset.photos[0].is_faceless and dataset.photos[0].feature == "hat, ponytail"


def test_wording_without_a_place_for_the_feature_is_refused() -> None:
    with pytest.raises(UserError, match=r"\[feature\]"):
        CaptionConfig(subject="Mila", feature_wording="with")


def test_own_caption_wins_and_may_use_the_placeholder(cleaned: PhotoSet) -> None:
    write_own(cleaned, 0, b"Merlina at the sea\n")
    write_own(cleaned, 2, b"  a photo of [subject]\r\nwith ponytail\r\n")
    dataset = caption_photos(cleaned, CaptionConfig(subject="Merlina"))
    assert captions(dataset) == ["Merlina at the sea", "a photo of Merlina", "a photo of Merlina with ponytail"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16"])
def test_own_caption_is_read_in_every_usual_encoding(encoding: str, cleaned: PhotoSet) -> None:
    write_own(cleaned, 0, "小美的照片,扎马尾".encode(encoding))
    dataset = caption_photos(cleaned, CaptionConfig(subject="小美"))
    assert captions(dataset)[0] == "小美的照片,扎马尾" and not problems(dataset)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "captions.own_empty"),
        (b" \r\n\t", "captions.own_empty"),
        (codecs.BOM_UTF8, "captions.own_empty"),
        (b"caf\xe9", "captions.own_encoding"),
        (b"\xff\xd8\xff\xe0 a renamed JPEG", "captions.own_encoding"),
        (b"\0\1\2\3", "captions.own_binary"),
    ],
)
def test_own_caption_that_cannot_be_used_is_named_and_the_template_used(
    data: bytes, problem: str, cleaned: PhotoSet
) -> None:
    write_own(cleaned, 1, data)
    dataset = caption_photos(cleaned, CaptionConfig(subject="Merlina"))
    assert captions(dataset) == ["a photo of Merlina"] * 3 and problems(dataset) == [problem]
    assert dataset.warnings[-1].values["name"] == "2.txt"


def test_folder_in_the_place_of_a_caption_file_is_named(cleaned: PhotoSet) -> None:
    cleaned.photos[0].source_path.with_suffix(".txt").mkdir()
    assert problems(caption_photos(cleaned, CaptionConfig(subject="Merlina"))) == ["captions.own_not_a_file"]


def test_captions_are_written_beside_working_copies_and_only_when_they_change(cleaned: PhotoSet) -> None:
    caption_photos(cleaned, CaptionConfig(subject="Merlina"))
    files = [photo.path.with_suffix(".txt") for photo in cleaned.photos]
    assert [file.read_bytes() for file in files] == [b"a photo of Merlina"] * 3
    times = [file.stat().st_mtime_ns for file in files]
    write_own(cleaned, 0, b"Merlina")
    caption_photos(cleaned, CaptionConfig(subject="Merlina"))
    assert [file.stat().st_mtime_ns == time for file, time in zip(files, times, strict=True)] == [False, True, True]


def test_nothing_is_written_beside_the_users_photos(cleaned: PhotoSet) -> None:
    write_own(cleaned, 0, b"own")
    before = {path: (file_hash(path), path.stat().st_mtime_ns) for path in cleaned.folder.iterdir()}
    caption_photos(cleaned, CaptionConfig(subject="Merlina"))
    caption_photos(load_photos(cleaned.folder, recursive=False), CaptionConfig(subject="Merlina"))
    assert {path: (file_hash(path), path.stat().st_mtime_ns) for path in cleaned.folder.iterdir()} == before


def test_fingerprint_follows_captions(cleaned: PhotoSet) -> None:
    first = caption_photos(cleaned, CaptionConfig(subject="Merlina")).fingerprint
    assert caption_photos(cleaned, CaptionConfig(subject="Merlina")).fingerprint == first
    assert caption_photos(cleaned, CaptionConfig(subject="Mila")).fingerprint != first


@pytest.mark.parametrize("subject", ["", "  ", "\n"])
def test_empty_subject_is_refused(subject: str) -> None:
    with pytest.raises(UserError, match="subject"):
        CaptionConfig(subject=subject)


@pytest.mark.parametrize("template", ["", "a photo", "a photo of subject", "a photo of [Subject]"])
def test_template_without_a_place_for_the_subject_is_refused(template: str) -> None:
    with pytest.raises(UserError, match=r"\[subject\]"):
        CaptionConfig(subject="Merlina", template=template)
