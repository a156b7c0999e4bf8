"""Features from the names of folders and from a vision model, and whose word counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from trainer.captions.caption import caption_photos, photos_to_look_at
from trainer.captions.config import FULL, CaptionConfig
from trainer.captions.edits import NO_EDITS, CaptionEdit, CaptionEdits, photo_key
from trainer.captions.features import folder_word, split_features
from trainer.captions.vision.captioner import Answer
from trainer.photos.load import load_photos
from trainer.photos.photo import Photo, PhotoSet

MILA = CaptionConfig(subject="Mila")


def photo_at(*parts: str) -> Photo:
    path = Path("photos", *parts, "a.jpg")
    return Photo(path=path, source_path=path, width_px=8, height_px=8, content_hash="")


def load(folder: Path, *places: str) -> PhotoSet:
    """A photo in each place below a folder, all different."""
    for index, place in enumerate(places):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 24), (index, 90, 200)).save(folder / place)
    return load_photos(folder, recursive=True)


def captions_of(photos: PhotoSet, config: CaptionConfig = MILA, **more: object) -> dict[str, str]:
    dataset = caption_photos(photos, config, **more)  # type: ignore[arg-type]
    return {item.photo.source_path.name: item.caption for item in dataset.photos}


class Describer:
    """A captioner that says of a picture what its red channel stands for."""

    name = "describer"

    def __init__(self, *answers: str) -> None:
        self._answers, self.num_asked = answers, 0

    def answer(self, picture: Image.Image, question: str, max_tokens: int) -> Answer:
        self.num_asked += 1
        return Answer(self._answers[picture.getpixel((0, 0))[0]])  # type: ignore[index]


@pytest.mark.parametrize(
    ("folders", "feature"),
    [
        (["with ponytail"], "with ponytail"),
        (["With_Ponytail"], "With Ponytail"),
        (["with-ponytail"], "with ponytail"),
        (["with ponytail 2"], "with ponytail"),
        (["with ponytail (3)"], "with ponytail"),
        (["with t-shirt"], "with t-shirt"),
        (["wearing glasses"], "wearing glasses"),
        (["holiday", "without glasses", "best"], "without glasses"),
        (["with hat", "with glasses"], "with hat, with glasses"),
        (["with hat, scarf"], "with hat, scarf"),
        (["带着眼镜"], "带着眼镜"),
        (["戴帽子"], "戴帽子"),
        (["穿红裙"], "穿红裙"),
        (["2024 holiday"], ""),
        (["with"], ""),
        (["without"], ""),
        (["Mila with friends"], ""),
        (["withdrawn"], ""),
        (["10_mila woman"], ""),
        (["戴安娜"], ""),
        (["穿越沙漠"], ""),
        (["without face"], ""),
        ([], ""),
    ],
)
def test_folder_whose_name_says_so_gives_the_feature(folders: list[str], feature: str) -> None:
    assert folder_word(photo_at(*folders), Path("photos")).feature == feature


@pytest.mark.parametrize(
    "folder", ["without face", "Without_Face", "no face", "faceless", "没有露脸", "不露脸", "无脸"]
)
def test_folder_may_say_that_there_is_no_face(folder: str) -> None:
    assert folder_word(photo_at(folder), Path("photos")).is_faceless


@pytest.mark.parametrize("folder", ["with face", "without face mask", "face", "脸红", "faces"])
def test_folder_of_another_name_does_not_say_that_there_is_no_face(folder: str) -> None:
    assert not folder_word(photo_at(folder), Path("photos")).is_faceless


def test_the_photo_folder_itself_and_folders_above_it_say_nothing() -> None:
    assert folder_word(photo_at("with hat"), Path("photos/with hat")).feature == ""
    assert folder_word(photo_at("with hat"), Path("elsewhere")).feature == ""


def test_features_are_parted_by_commas_in_both_languages_and_each_is_said_once() -> None:
    assert split_features(" hat, a  red scarf;hat、眼镜，\n马尾。,,") == ("hat", "a red scarf", "眼镜", "马尾")


def test_photos_in_subfolders_get_what_the_folders_say(tmp_path: Path) -> None:
    photos = load(
        tmp_path, "1.png", "with ponytail/2.png", "带着眼镜/3.png", "without face/4.png", "2024 holiday/5.png"
    )
    assert captions_of(photos) == {
        "1.png": "a photo of Mila",
        "2.png": "a photo of Mila with ponytail",
        "3.png": "a photo of Mila with 眼镜",
        "4.png": "a photo of Mila without face",
        "5.png": "a photo of Mila",
    }


def test_the_users_edit_goes_before_the_folder_and_the_folder_before_the_model(tmp_path: Path) -> None:
    places = [*(f"{index}.png" for index in range(8)), "with hat/8.png", "with hat/9.png", "with hat/x.png"]
    photos = load(tmp_path, *places)
    order = {photo.source_path.name: photo for photo in photos.photos}
    said = {"9.png": CaptionEdit(feature="scarf"), "x.png": CaptionEdit(feature="")}
    edits = CaptionEdits(photos={photo_key(order[name]): edit for name, edit in said.items()})
    model = Describer(*["none"] * 7, "sunglasses", "sunglasses", "sunglasses", "sunglasses")
    found = captions_of(photos, edits=edits, captioner=model)
    assert (found["0.png"], found["8.png"]) == ("a photo of Mila", "a photo of Mila with hat")
    assert (found["9.png"], found["x.png"]) == ("a photo of Mila with scarf", "a photo of Mila")
    assert model.num_asked == len(places)  # what is unusual shows only against all of them


def test_a_models_sentence_is_the_caption_where_the_user_wrote_none(tmp_path: Path) -> None:
    photos = load(tmp_path, "0.png", "1.png")
    (tmp_path / "1.txt").write_text("Mila at the sea", encoding="utf-8")
    model = Describer("A person sitting on a bench.", "never asked")
    config = CaptionConfig(subject="Mila", vision=FULL)
    dataset = caption_photos(photos, config, captioner=model)
    assert [item.origin for item in dataset.photos] == ["vision", "file"] and model.num_asked == 1
    assert "bench" in dataset.photos[0].caption and dataset.photos[0].caption.count("Mila") == 1
    assert dataset.photos[1].caption == "Mila at the sea"


def test_no_model_is_wanted_where_the_user_has_settled_every_caption(tmp_path: Path) -> None:
    photos = load(tmp_path, "0.png", "1.png", "with hat/2.png", "3.png")
    (tmp_path / "1.txt").write_text("Mila at the sea", encoding="utf-8")
    keys = {photo.source_path.name: photo_key(photo) for photo in photos.photos}
    settled = {keys["0.png"]: CaptionEdit(caption="Mila"), keys["3.png"]: CaptionEdit(feature="")}
    model = Describer()
    assert captions_of(photos, edits=CaptionEdits(photos=settled), captioner=model) and model.num_asked == 0
    assert photos_to_look_at(photos, MILA, CaptionEdits(photos=settled)) == ()
    assert [photo.source_path.name for photo in photos_to_look_at(photos, MILA, NO_EDITS)] == ["0.png", "3.png"]
