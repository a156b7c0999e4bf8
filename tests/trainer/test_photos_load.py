"""Loading a folder: what is taken, what is rejected and why, in which order, and that nothing is ever written."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image

from tests.trainer.awkward_files import make_photo, names, reasons
from tests.trainer.heif_files import HeifFile, box, ispe
from trainer.messages import Message, UserError, sentence
from trainer.photos.load import MAX_FILE_BYTES, load_photos
from trainer.photos.memo import Memo


def test_awkward_names_are_fine(tmp_path: Path) -> None:
    awkward = ["带空格 的.jpg", "😀 emoji.png", "cafe\u0301.webp", "a.b.c.jpeg", "[a] {b} %s.bmp", "trailing .tif"]
    for index, name in enumerate(awkward):
        make_photo(tmp_path / name, index)
    photos = load_photos(tmp_path, recursive=False)
    assert sorted(names(photos)) == sorted(awkward) and not photos.rejected


def test_bad_files_are_rejected_each_with_its_reason(tmp_path: Path) -> None:
    whole = make_photo(tmp_path / "a.jpg").read_bytes()
    (tmp_path / "copy of a.jpg").write_bytes(whole)
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").touch()
    (tmp_path / "page.jpg").write_bytes(b"<html>Not found</html>")
    photos = load_photos(tmp_path, recursive=False)
    assert names(photos) == ["a.jpg"]
    assert reasons(photos) == {
        "copy of a.jpg": "photos.duplicate", "cut.jpg": "photos.damaged", "empty.png": "photos.empty_file",
        "page.jpg": "photos.not_a_picture",
    }  # fmt: skip
    assert "a.jpg" in sentence(photos.rejected[0].reason, "zh")


def test_file_too_large_for_a_photo_is_not_even_read(tmp_path: Path) -> None:
    make_photo(tmp_path / "a.jpg")
    with open(tmp_path / "film.jpg", "wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert reasons(load_photos(tmp_path, recursive=False)) == {"film.jpg": "photos.file_too_large"}


def test_second_load_of_unchanged_files_decodes_nothing_and_finds_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, memo = tmp_path / "photos", Memo(tmp_path / "memo")
    whole = make_photo(folder / "a.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    make_photo(folder / "tiny.png", 1, 8, 8)
    make_photo(folder / "b.png", 2)
    first = load_photos(folder, recursive=False, memo=memo)
    opened: list[object] = []
    really_open = Image.open
    monkeypatch.setattr(Image, "open", lambda *given, **options: opened.append(given) or really_open(*given, **options))
    assert load_photos(folder, recursive=False, memo=memo) == first and not opened
    assert {photo.source_hash == photo.content_hash != "" for photo in first.photos} == {True}

    times = (folder / "b.png").stat()
    make_photo(folder / "other.png", 3).replace(folder / "b.png")
    os.utime(folder / "b.png", ns=(times.st_atime_ns, times.st_mtime_ns))  # as editors do that keep a photo's date
    again = load_photos(folder, recursive=False, memo=memo)
    assert len(opened) > 0 and again.photos[1].content_hash != first.photos[1].content_hash


def test_wrong_suffix_is_no_obstacle(tmp_path: Path) -> None:
    make_photo(tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert names(load_photos(tmp_path, recursive=False)) == ["a.jpg"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux allows file names that are no text")
def test_file_name_that_is_no_text_is_rejected_by_a_printable_name(tmp_path: Path) -> None:
    make_photo(tmp_path / "a.jpg")
    os.rename(make_photo(tmp_path / "b.jpg", 1), os.fsencode(tmp_path) + b"/\xd0\xa1\xc3\xc0.jpg")
    photos = load_photos(tmp_path, recursive=False)
    assert [file.reason.key for file in photos.rejected] == ["photos.name_not_text"]


def test_heic_without_pyav_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)  # what an import of a missing package meets
    file = HeifFile()
    file.add(b"hvc1", b"nobody decodes this", box(b"hvcC"), ispe(64, 64))
    (tmp_path / "IMG_1.HEIC").write_bytes(bytes(file))
    (tmp_path / "IMG_2.jpg").write_bytes(bytes(file))
    with pytest.raises(UserError, match="pip install av"):
        load_photos(tmp_path, recursive=False)
    make_photo(tmp_path / "a.jpg")
    memo = Memo(tmp_path / "memo")
    photos = load_photos(tmp_path, recursive=False, memo=memo)
    assert set(reasons(photos).values()) == {"photos.heif_missing"} and len(photos.rejected) == 2
    monkeypatch.delitem(sys.modules, "av")
    if importlib.util.find_spec("av"):  # installed meanwhile: looked at anew, and these are no pictures at all
        assert set(reasons(load_photos(tmp_path, recursive=False, memo=memo)).values()) == {"photos.damaged"}


def test_sizes_and_hashes_are_those_of_the_file(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    make_photo(tmp_path / "a.jpg", exif=exif)
    [photo] = load_photos(tmp_path, recursive=False).photos
    assert (photo.width_px, photo.height_px) == (64, 96)
    assert len(photo.content_hash) == 64 and not photo.is_working_copy


@pytest.mark.parametrize("language", ["en", "zh"])
def test_unusable_folders_are_refused_saying_where(language: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_text("hello")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/a.jpg").touch()
    make_photo(tmp_path / "upper/lower/a.jpg")
    file = make_photo(tmp_path / "a.jpg")
    expected = {
        tmp_path / "missing": "photos.no_such_folder",
        file: "photos.not_a_folder",
        tmp_path / "empty": "photos.no_pictures",
        tmp_path / "texts": "photos.no_pictures",
        tmp_path / "bad": "photos.none_usable",
        tmp_path / "upper": "photos.only_in_subfolders",
    }
    for folder, key in expected.items():
        with pytest.raises(UserError) as refused:
            load_photos(folder, recursive=False)
        assert refused.value.message.key == key
        assert str(folder) in sentence(refused.value.message, language)


def test_few_photos_are_warned_about_and_enough_are_not(tmp_path: Path) -> None:
    for index in range(70):
        make_photo(tmp_path / f"{index}.png", index, 16, 16)
    assert not load_photos(tmp_path, recursive=False).warnings
    (tmp_path / "0.png").unlink()
    [warning] = load_photos(tmp_path, recursive=False).warnings
    assert warning.key == "photos.few" and warning.values["count"] == 69


def test_progress_reaches_the_end_in_the_callers_thread(tmp_path: Path) -> None:
    for index in range(5):
        make_photo(tmp_path / f"{index}.png", index)
    seen = []

    def hear(done: int, total: int, doing: Message) -> None:
        seen.append((done, total, threading.current_thread(), doing.values["name"]))

    load_photos(tmp_path, recursive=False, progress=hear)
    here = threading.current_thread()
    assert sorted(set(seen)) == [(done, 5, here, f"{min(done, 4)}.png") for done in range(6)]


def test_progress_can_stop_the_work(tmp_path: Path) -> None:
    for index in range(5):
        make_photo(tmp_path / f"{index}.png", index)

    def stop(done: int, total: int, doing: Message) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_photos(tmp_path, recursive=False, progress=stop)


def test_a_picture_too_small_to_train_is_set_aside_with_its_size(tmp_path: Path) -> None:
    Image.new("RGB", (10, 15)).save(tmp_path / "icon.png")
    Image.new("RGB", (16, 200)).save(tmp_path / "narrow.png")
    photos = load_photos(tmp_path, recursive=False)
    assert [photo.path.name for photo in photos.photos] == ["narrow.png"]
    (rejected,) = photos.rejected
    assert rejected.path.name == "icon.png" and "10 x 15" in sentence(rejected.reason, "en")
