"""Photos without a face: a missed face is never called absent, the user is asked, and the user's word counts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from PIL import Image

from trainer.captions.caption import caption_photos
from trainer.captions.config import ASK, IGNORE, SET, CaptionConfig
from trainer.captions.dataset import CaptionedPhoto
from trainer.captions.edits import NO_EDIT, CaptionEdit
from trainer.captions.faceless import face_in, says_faceless
from trainer.captions.features import FolderWord
from trainer.captions.sources.own import OwnCaption
from trainer.captions.template import Known, caption_of
from trainer.photos.cleaning.clean import clean_photos
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.cleaning.tools import CleanTools
from trainer.photos.edits import Edits, PhotoEdit
from trainer.photos.load import load_photos
from trainer.photos.photo import Face, Judgement, Photo

PHOTO = Photo(path=Path("a.jpg"), source_path=Path("a.jpg"), width_px=8, height_px=8, content_hash="a")
SURE = Face(box=(0.4, 0.4, 0.6, 0.6), confidence=0.99)
FAINT = dataclasses.replace(SURE, confidence=0.85)
RETRIED = dataclasses.replace(SURE, retried=True)
POINTED_AT = dataclasses.replace(FAINT, confirmed=True)
NOTHING = Judgement(detector="mtcnn")
NOBODY_LOOKED = Judgement(detector="none")
USER_SAYS_NONE = Judgement(detector="mtcnn", found=(SURE,), labelled=("faces",))
WITHOUT = "a photo of Mila without face"
PLAIN = "a photo of Mila"


def photo(judgement: Judgement | None) -> Photo:
    return dataclasses.replace(PHOTO, judgement=judgement)


def with_faces(*faces: Face, labelled: tuple[str, ...] = ()) -> Judgement:
    return Judgement(detector="mtcnn", faces=faces, found=faces, labelled=labelled)


def captioned(judgement: Judgement | None, choice: str = ASK, edit: CaptionEdit = NO_EDIT) -> CaptionedPhoto:
    return caption_of(photo(judgement), CaptionConfig(subject="Mila", faceless_photos=choice), edit)


@pytest.mark.parametrize(
    ("judgement", "face"),
    [
        (None, None),
        (NOBODY_LOOKED, None),
        (NOTHING, False),
        (with_faces(SURE), True),
        (with_faces(FAINT), None),
        (with_faces(RETRIED), None),
        (with_faces(POINTED_AT, labelled=("faces",)), True),
        (USER_SAYS_NONE, False),
        (dataclasses.replace(NOBODY_LOOKED, labelled=("faces",)), False),
        (dataclasses.replace(NOTHING, labelled=("pose", "shot")), False),
    ],
)
def test_what_is_known_of_a_face(judgement: Judgement | None, face: bool | None) -> None:
    assert face_in(photo(judgement)) is face


@pytest.mark.parametrize(
    ("judgement", "choice", "caption", "asks"),
    [
        (NOTHING, ASK, PLAIN, True),
        (NOTHING, SET, WITHOUT, False),
        (NOTHING, IGNORE, PLAIN, False),
        (with_faces(SURE), ASK, PLAIN, False),
        (with_faces(SURE), SET, PLAIN, False),
        (with_faces(FAINT), ASK, PLAIN, False),
        (with_faces(FAINT), SET, PLAIN, False),
        (with_faces(RETRIED), SET, PLAIN, False),
        (None, ASK, PLAIN, False),
        (None, SET, PLAIN, False),
        (NOBODY_LOOKED, SET, PLAIN, False),
        (USER_SAYS_NONE, ASK, WITHOUT, False),
        (USER_SAYS_NONE, SET, WITHOUT, False),
        (USER_SAYS_NONE, IGNORE, PLAIN, False),
        (with_faces(POINTED_AT, labelled=("faces",)), SET, PLAIN, False),
    ],
)
def test_without_face_is_said_only_where_it_is_sure_or_the_user_agreed(
    judgement: Judgement | None, choice: str, caption: str, asks: bool
) -> None:
    made = captioned(judgement, choice)
    assert (made.caption, made.asks_face, made.is_faceless) == (caption, asks, caption == WITHOUT)


@pytest.mark.parametrize("choice", [ASK, SET, IGNORE])
@pytest.mark.parametrize("judgement", [None, NOTHING, with_faces(SURE), with_faces(RETRIED), USER_SAYS_NONE])
@pytest.mark.parametrize(("answer", "caption"), [(True, WITHOUT), (False, PLAIN)])
def test_the_users_answer_counts_whatever_was_found(
    answer: bool, caption: str, judgement: Judgement | None, choice: str
) -> None:
    made = captioned(judgement, choice, CaptionEdit(faceless=answer))
    assert made.caption == caption and not made.asks_face and made.face is (not answer)


class Finder:
    """A face detector that finds a face in every picture."""

    name = "finder"

    def find(self, view: Image.Image) -> tuple[Face, ...]:
        """One face in the middle."""
        return (SURE,)


def test_what_the_user_says_of_a_face_on_clean_and_resize_reaches_the_caption(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for index in range(2):
        Image.new("RGB", (300, 400), (index, 90, 90)).save(tmp_path / f"photos/{index}.png")
    photos = load_photos(tmp_path / "photos", recursive=False)
    edits = Edits(photos={photos.photos[0].content_hash: PhotoEdit(no_face=True)})
    for _ in range(2):  # made, and taken from what was made
        cleaned = clean_photos(
            photos, CleanConfig(), tmp_path / "work", tools=CleanTools(face_detector=Finder()), edits=edits
        )
        captioned = caption_photos(cleaned, CaptionConfig(subject="Mila")).photos
        assert [(item.caption, item.face) for item in captioned] == [(WITHOUT, False), (PLAIN, True)]


@pytest.mark.parametrize("choice", [ASK, SET, IGNORE])
def test_a_folder_called_without_face_is_an_answer(choice: str) -> None:
    config, known = CaptionConfig(subject="Mila", faceless_photos=choice), Known(folder=FolderWord(is_faceless=True))
    assert caption_of(photo(NOTHING), config, NO_EDIT, known).caption == WITHOUT
    assert caption_of(photo(NOTHING), config, CaptionEdit(faceless=False), known).caption == PLAIN


def test_the_users_own_text_is_asked_nothing_and_gets_only_what_the_edit_says() -> None:
    known = Known(own=OwnCaption(text="Mila on a beach.", origin="file"), folder=FolderWord(feature="with hat"))
    for choice in (ASK, SET):
        config = CaptionConfig(subject="Mila", faceless_photos=choice)
        made = caption_of(photo(NOTHING), config, NO_EDIT, known)
        assert (made.caption, made.asks_face, made.origin) == ("Mila on a beach.", False, "file")
    edit = CaptionEdit(faceless=True, feature="scarf")
    assert caption_of(photo(NOTHING), config, edit, known).caption == "Mila on a beach with scarf without face."


def test_a_text_that_says_it_in_its_own_words_is_not_told_again_and_not_asked() -> None:
    known = Known(own=OwnCaption(text="[subject], no face, [feature]", origin="file"))
    made = caption_of(photo(NOTHING), CaptionConfig(subject="Mila"), NO_EDIT, known)
    assert (made.caption, made.is_faceless, made.asks_face) == ("Mila, no face", True, False)


@pytest.mark.parametrize(
    "caption",
    ["a photo of Mila without face", "without her face", "faceless", "Mila, No face", "小美的照片，没有露脸", "不露脸",
     "看不到脸", "body only"],
)  # fmt: skip
def test_captions_that_say_there_is_no_face(caption: str) -> None:
    assert says_faceless(caption, "body only")


@pytest.mark.parametrize("caption", ["a photo of Mila", "without face mask", "her face", "小美脸红", "surface", ""])
def test_captions_that_do_not(caption: str) -> None:
    assert not says_faceless(caption) and not says_faceless(caption, "body only")
