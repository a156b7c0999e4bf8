"""Export: a folder that other trainers read and ours reads back equal; whole or not at all, nothing else touched."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from tests.trainer.awkward_files import encoded, make_photo, noisy
from tests.trainer.heif_files import can_encode, heic
from tests.trainer.untouched import state_of, untouched
from trainer.captions.caption import caption_photos
from trainer.captions.config import CaptionConfig
from trainer.captions.dataset import Dataset
from trainer.captions.export.export import export_dataset
from trainer.captions.export.record import RECORD_NAME
from trainer.files import file_hash
from trainer.messages import Message, UserError
from trainer.photos.cleaning.clean import clean_photos
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.load import load_photos
from trainer.photos.pixels import read_pixels

MILA = CaptionConfig(subject="小美 Mila")
NAMES = [
    "2/a.jpg", "10/a.jpg", "10/b.jpeg", "B.png", "b 2.webp", "default.jpg", "小美.png", "CON.jpg", f"{'x' * 90}.png",
]  # fmt: skip


class Cancelled(BaseException):
    """What a host raises on Cancel is no Exception."""


def loaded(folder: Path, names: list[str]) -> Dataset:
    """Photos of these names, half of them with a caption of their own."""
    for index, name in enumerate(names):
        path = folder / name
        if path.suffix == ".webp":
            noisy(seed=index).save(path)
        else:
            make_photo(path, index)
        if index % 2:
            path.with_suffix(".txt").write_text(f"[subject] 第 {index} 张, “smiling”", encoding="utf-8")
    return caption_photos(load_photos(folder, recursive=True), MILA)


def read_back(folder: Path) -> Dataset:
    """The exported folder as the nodes read it."""
    return caption_photos(load_photos(folder, recursive=False), MILA)


def pictures(folder: Path) -> list[str]:
    """The names of the exported pictures, sorted as other trainers sort them."""
    return sorted(path.name for path in folder.iterdir() if path.suffix in (".png", ".jpg", ".jpeg", ".webp"))


def refusal(dataset: Dataset, folder: Path) -> Message:
    """Why an export is refused; everything that is there stays as it is."""
    with untouched(folder.parent), pytest.raises(UserError) as refused:
        export_dataset(dataset, folder)
    return refused.value.message


@pytest.mark.parametrize("names", [NAMES, ["1.jpg", "2.png", "10.jpg"]], ids=["awkward names", "plain names"])
@pytest.mark.parametrize("is_cleaned", [False, True], ids=["originals", "working copies"])
def test_exported_dataset_is_read_back_equal(names: list[str], is_cleaned: bool, tmp_path: Path) -> None:
    dataset = loaded(tmp_path / "photos", names)
    if is_cleaned:
        assert dataset.photo_set is not None
        photos = clean_photos(dataset.photo_set, CleanConfig(duplicates="off"), tmp_path / "work")
        dataset = caption_photos(photos, MILA)
    with untouched(tmp_path / "photos"):
        exported = export_dataset(dataset, tmp_path / "out")
    again = read_back(exported.folder)
    assert [one.caption for one in again.photos] == [one.caption for one in dataset.photos]
    assert [one.photo.content_hash for one in again.photos] == [one.photo.content_hash for one in dataset.photos]
    assert again.fingerprint == dataset.fingerprint and again.subject == dataset.subject
    assert not exported.converted and exported.num_photos == len(names) and not again.photo_set.rejected  # type: ignore[union-attr]


def test_every_picture_has_its_caption_under_its_own_stem_as_other_trainers_want_it(tmp_path: Path) -> None:
    """AI Toolkit: jpg, jpeg, png, webp. musubi-tuner: small or capital suffixes, and only pictures with a caption."""
    folder = export_dataset(loaded(tmp_path / "photos", NAMES), tmp_path / "out").folder
    names = pictures(folder)
    assert len(names) == len(NAMES) == len({Path(name).stem.casefold() for name in names})
    for name in names:
        caption = (folder / name).with_suffix(".txt").read_bytes()
        assert caption.decode("utf-8") and not caption.startswith(b"\xef\xbb\xbf") and b"\n" not in caption
        assert not re.search(r'[<>:"|?*\\]|[. ]$', name) and len(name.encode()) < 120
    others = {path.name for path in folder.iterdir()} - {*names, *(f"{Path(name).stem}.txt" for name in names)}
    assert others == {"dataset.toml", "README.md", RECORD_NAME}


def test_names_stay_where_they_keep_the_order_and_are_numbered_else(tmp_path: Path) -> None:
    plain = export_dataset(loaded(tmp_path / "photos", ["1.jpg", "2 b.JPG", "10.png"]), tmp_path / "out").folder
    assert set(pictures(plain)) == {"1.jpg", "2 b.jpg", "10.png"}
    two = export_dataset(loaded(tmp_path / "more", ["2/a.jpg", "10/a.jpg", "b.jpg"]), tmp_path / "two").folder
    assert pictures(two) == ["001_a.jpg", "002_a.jpg", "003_b.jpg"]
    stems = export_dataset(loaded(tmp_path / "stems", ["a.jpg", "a.png"]), tmp_path / "stems out").folder
    assert pictures(stems) == ["001_a.jpg", "002_a.png"]


def test_what_other_trainers_cannot_read_or_would_turn_becomes_an_upright_png(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    turned = Image.Exif()
    turned[0x0112] = 6
    noisy(seed=1).save(folder / "1 turned.jpg", exif=turned)
    for index, name in enumerate(["2.bmp", "3.tif", "4.gif", "5.avif"], start=2):
        noisy(seed=index).save(folder / name)
    (folder / "6 really a bitmap.jpg").write_bytes(encoded(noisy(seed=6), "BMP"))
    if can_encode():
        (folder / "7.heic").write_bytes(heic(noisy(seed=7)))
    noisy(seed=8).save(folder / "8.jpg")
    dataset = caption_photos(load_photos(folder, recursive=False), MILA)
    exported = export_dataset(dataset, tmp_path / "out")
    stems = ["1 turned", "2", "3", "4", "5", "6 really a bitmap", *(["7"] if can_encode() else [])]
    assert exported.converted == tuple(f"{stem}.png" for stem in stems)
    again = read_back(exported.folder)
    for before, after in zip(dataset.photos, again.photos, strict=True):
        size = before.photo.width_px, before.photo.height_px
        with Image.open(after.photo.path) as image:  # as programs see it that know nothing of orientation
            assert image.size == size and image.format in ("PNG", "JPEG")
            if image.format == "PNG":
                assert image.tobytes() == read_pixels(before.photo.path).tobytes()
    assert [one.caption for one in again.photos] == [one.caption for one in dataset.photos]


def test_musubi_settings_name_the_folder_and_its_captions(tmp_path: Path) -> None:
    folder = export_dataset(loaded(tmp_path / "photos", ["a.jpg"]), tmp_path / '小美 "out"').folder
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    settings = tomllib.loads((folder / "dataset.toml").read_text(encoding="utf-8"))
    [dataset] = settings["datasets"]
    assert Path(dataset["image_directory"]) == folder and Path(dataset["cache_directory"]).parent == folder
    assert settings["general"]["caption_extension"] == ".txt" and settings["general"]["resolution"] == [1024, 1024]


def test_record_and_readme_name_the_subject(tmp_path: Path) -> None:
    dataset = loaded(tmp_path / "photos", ["a.jpg", "b.jpg"])
    folder = export_dataset(dataset, tmp_path / "out").folder
    record = json.loads((folder / RECORD_NAME).read_text(encoding="utf-8"))
    assert (record["subject"], record["fingerprint"]) == ("小美 Mila", dataset.fingerprint)
    assert record["photos"] == ["a.jpg", "b.jpg"]
    assert all(file_hash(folder / name) == content for name, content in record["files"].items())
    assert "小美 Mila: 2 captioned photos" in (folder / "README.md").read_text(encoding="utf-8")


def test_same_dataset_again_writes_nothing_and_another_one_replaces_it(tmp_path: Path) -> None:
    dataset = loaded(tmp_path / "photos", ["a.jpg", "b.jpg"])
    folder = export_dataset(dataset, tmp_path / "out").folder
    (folder / "musubi_cache").mkdir()
    (folder / "_latent_cache").mkdir()
    with untouched(tmp_path):
        assert export_dataset(dataset, folder).was_there
    fewer = dataclasses.replace(dataset, photos=dataset.photos[1:])
    assert not export_dataset(fewer, folder).was_there
    assert {path.name for path in folder.iterdir()} == {"b.jpg", "b.txt", "dataset.toml", "README.md", RECORD_NAME}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_missing_file_of_an_export_comes_back(tmp_path: Path) -> None:
    dataset = loaded(tmp_path / "photos", ["a.jpg", "b.jpg"])
    folder = export_dataset(dataset, tmp_path / "out").folder
    (folder / "a.txt").unlink()
    assert not export_dataset(dataset, folder).was_there and (folder / "a.txt").exists()


@pytest.mark.parametrize("record", [None, "", "{", "[]", '{"version": 2}', '{"version": 1, "photos": 3, "files": {}}'])
def test_folder_that_is_not_our_export_is_never_overwritten(record: str | None, tmp_path: Path) -> None:
    dataset = loaded(tmp_path / "photos", ["a.jpg"])
    make_photo(tmp_path / "out/mine.jpg", 5)
    if record is not None:
        (tmp_path / "out" / RECORD_NAME).write_text(record)
    assert refusal(dataset, tmp_path / "out").key == "captions.export_not_ours"
    (tmp_path / "file").write_text("mine")
    assert refusal(dataset, tmp_path / "file").key == "captions.export_not_ours"


def test_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert export_dataset(loaded(tmp_path / "photos", ["a.jpg"]), tmp_path / "out").num_photos == 1


@pytest.mark.parametrize("changed", ["a.txt", "a.jpg", "dataset.toml", "mine.txt", "sub/mine.jpg"])
def test_export_that_the_user_has_changed_is_not_replaced(changed: str, tmp_path: Path) -> None:
    dataset = loaded(tmp_path / "photos", ["a.jpg", "b.jpg"])
    folder = export_dataset(dataset, tmp_path / "out").folder
    (folder / changed).parent.mkdir(exist_ok=True)
    (folder / changed).write_text("by hand")
    message = refusal(dataset, folder)
    assert message.key == "captions.export_changed" and message.values["names"] == changed.split("/")[0]


@pytest.mark.parametrize("place", ["photos", "photos/sub", "."])
def test_export_never_goes_into_the_photos_folder_nor_around_it(place: str, tmp_path: Path) -> None:
    dataset = loaded(tmp_path / "photos", ["a.jpg"])
    assert refusal(dataset, tmp_path / place).key == "captions.export_into_photos"


def test_export_read_back_is_not_exported_onto_itself(tmp_path: Path) -> None:
    folder = export_dataset(loaded(tmp_path / "photos", ["a.jpg", "b.jpg"]), tmp_path / "out").folder
    again = read_back(folder)
    assert refusal(dataclasses.replace(again, photos=again.photos[:1]), folder).key == "captions.export_into_photos"


@pytest.mark.parametrize("is_there", [False, True], ids=["new", "replaced"])
def test_cancel_leaves_nothing_half_and_what_was_there(is_there: bool, tmp_path: Path) -> None:
    dataset = loaded(tmp_path / "photos", ["1.jpg", "2.jpg", "3.jpg"])
    if is_there:
        export_dataset(dataclasses.replace(dataset, photos=dataset.photos[:2]), tmp_path / "out")
    before, told = state_of(tmp_path), []

    def cancel(done: int, total: int, doing: Message) -> None:
        told.append((done, total, doing.values["name"]))
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        export_dataset(dataset, tmp_path / "out", cancel)
    assert state_of(tmp_path) == before and (0, 3, "1.jpg") in told
    assert not export_dataset(dataset, tmp_path / "out").was_there


@pytest.mark.parametrize("lost", ["gone", "changed"])
@pytest.mark.parametrize("name", ["2.jpg", "2.bmp"])
def test_photo_that_is_gone_or_changed_since_it_was_loaded_is_named(lost: str, name: str, tmp_path: Path) -> None:
    dataset = loaded(tmp_path / "photos", ["1.jpg", name])
    path = tmp_path / "photos" / name
    if lost == "gone":
        path.unlink()
    else:
        make_photo(path, 9)
    message = refusal(dataset, tmp_path / "out")
    assert message.key == "photos.gone" and message.values["path"] == path
