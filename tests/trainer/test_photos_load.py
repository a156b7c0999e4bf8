"""Loading a folder: what is taken, what is rejected and why, in which order, and that nothing is ever written."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.messages import UserError, sentence
from trainer.photos.load import WORK_FOLDER_MARK, folder_fingerprint, load_photos, natural_order
from trainer.photos.photo import PhotoSet


def make_photo(path: Path, seed: int = 0, width_px: int = 96, height_px: int = 64, **options: object) -> Path:
    """A picture file of noise, in the format of its suffix."""
    small = np.random.default_rng(seed).integers(0, 256, (height_px // 8, width_px // 8, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(small).resize((width_px, height_px)).save(path, **options)
    return path


def names(photos: PhotoSet) -> list[str]:
    """The photos' paths below their folder."""
    return [photo.path.relative_to(photos.folder).as_posix() for photo in photos.photos]


def reasons(photos: PhotoSet) -> dict[str, str]:
    """Rejected files and the key of the reason."""
    return {file.path.name: file.reason.key for file in photos.rejected}


def test_photos_come_in_natural_order(tmp_path: Path) -> None:
    wanted = ["1.jpg", "2.jpg", "10.JPG", "b2.png", "B10.png", "小美2.jpg", "小美10.jpg"]
    for index, name in enumerate(reversed(wanted)):
        make_photo(tmp_path / name, index)
    assert names(load_photos(tmp_path, recursive=False)) == wanted


def test_natural_order_tells_all_names_apart() -> None:
    tricky = ["a1", "a01", "A1", "a", "1", "01", "", "²", "٣", "1a", "1.5", "é", "e\u0301", "9" * 250]
    assert len({repr(natural_order(name)) for name in tricky}) == len(tricky)
    assert sorted(sorted(tricky), key=natural_order) == sorted(sorted(tricky, reverse=True), key=natural_order)


def test_awkward_names_are_fine(tmp_path: Path) -> None:
    awkward = ["带空格 的.jpg", "😀 emoji.png", "cafe\u0301.webp", "a.b.c.jpeg", "[a] {b} %s.bmp", "trailing .tif"]
    for index, name in enumerate(awkward):
        make_photo(tmp_path / name, index)
    photos = load_photos(tmp_path, recursive=False)
    assert sorted(names(photos)) == sorted(awkward) and not photos.rejected


def test_only_picture_files_count_and_the_others_pass_in_silence(tmp_path: Path) -> None:
    make_photo(tmp_path / "me.jpg")
    for name in ("me.txt", "metadata.json", "Thumbs.db", ".DS_Store", "._me.jpg", ".hidden.jpg", "clip.mp4"):
        (tmp_path / name).write_bytes(b"not a photo")
    (tmp_path / "folder.jpg").mkdir()
    photos = load_photos(tmp_path, recursive=False)
    assert names(photos) == ["me.jpg"] and not photos.rejected


def test_recursive_takes_subfolders_but_not_hidden_ones_nor_our_own(tmp_path: Path) -> None:
    for index, name in enumerate(["b.jpg", "2/c.jpg", "10/d.jpg", "10/deep/e.jpg", ".cache/f.jpg", "work/g.png"]):
        make_photo(tmp_path / name, index)
    (tmp_path / "work" / WORK_FOLDER_MARK).touch()
    assert names(load_photos(tmp_path, recursive=False)) == ["b.jpg"]
    assert names(load_photos(tmp_path, recursive=True)) == ["2/c.jpg", "10/d.jpg", "10/deep/e.jpg", "b.jpg"]


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


@pytest.mark.skipif(sys.platform == "win32", reason="links need special rights on Windows")
def test_links_are_followed_and_a_link_to_nowhere_is_rejected(tmp_path: Path) -> None:
    photo = make_photo(tmp_path / "elsewhere/a.jpg")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a.jpg").symlink_to(photo)
    (tmp_path / "folder/b.jpg").symlink_to(tmp_path / "nowhere.jpg")
    photos = load_photos(tmp_path / "folder", recursive=False)
    assert names(photos) == ["a.jpg"] and reasons(photos) == {"b.jpg": "photos.unreadable"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_pipe_with_a_photos_name_does_not_hang(tmp_path: Path) -> None:
    make_photo(tmp_path / "a.jpg")
    os.mkfifo(tmp_path / "b.jpg")
    assert names(load_photos(tmp_path, recursive=False)) == ["a.jpg"]


def test_wrong_suffix_is_no_obstacle(tmp_path: Path) -> None:
    make_photo(tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert names(load_photos(tmp_path, recursive=False)) == ["a.jpg"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux allows file names that are no text")
def test_file_name_that_is_no_text_is_rejected_by_a_printable_name(tmp_path: Path) -> None:
    make_photo(tmp_path / "a.jpg")
    os.rename(make_photo(tmp_path / "b.jpg", 1), os.fsencode(tmp_path) + b"/\xd0\xa1\xc3\xc0.jpg")
    photos = load_photos(tmp_path, recursive=False)
    assert [file.reason.key for file in photos.rejected] == ["photos.name_not_text"]


@pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is not None, reason="pillow-heif is installed here")
def test_heic_without_its_package_says_what_to_install(tmp_path: Path) -> None:
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99)
    (tmp_path / "IMG_1.HEIC").write_bytes(heic)
    (tmp_path / "IMG_2.jpg").write_bytes(heic)
    with pytest.raises(UserError, match="pip install pillow-heif"):
        load_photos(tmp_path, recursive=False)
    make_photo(tmp_path / "a.jpg")
    photos = load_photos(tmp_path, recursive=False)
    assert set(reasons(photos).values()) == {"photos.heif_missing"} and len(photos.rejected) == 2


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


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may open every folder")
def test_forbidden_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0)
    with pytest.raises(UserError, match="access is denied"):
        load_photos(tmp_path / "locked", recursive=False)


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
    load_photos(
        tmp_path, recursive=False, progress=lambda done, total: seen.append((done, total, threading.current_thread()))
    )
    assert seen == [(done, 5, threading.current_thread()) for done in range(1, 6)]


def test_progress_can_stop_the_work(tmp_path: Path) -> None:
    for index in range(5):
        make_photo(tmp_path / f"{index}.png", index)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_photos(tmp_path, recursive=False, progress=stop)


def test_fingerprint_follows_photos_and_captions_and_nothing_else(tmp_path: Path) -> None:
    make_photo(tmp_path / "a.jpg")
    seen = [folder_fingerprint(tmp_path, False)]
    (tmp_path / "notes.md").write_text("nothing to do with it")
    assert folder_fingerprint(tmp_path, False) == seen[0]
    make_photo(tmp_path / "sub/b.jpg", 1)
    assert folder_fingerprint(tmp_path, False) == seen[0]
    seen.append(folder_fingerprint(tmp_path, True))
    (tmp_path / "a.txt").write_text("a photo of Mila")
    seen.append(folder_fingerprint(tmp_path, False))
    os.utime(tmp_path / "a.jpg", ns=(1, 1))
    seen.append(folder_fingerprint(tmp_path, False))
    (tmp_path / "a.jpg").rename(tmp_path / "c.jpg")
    seen.append(folder_fingerprint(tmp_path, False))
    assert len(set(seen)) == len(seen)


def test_fingerprint_of_a_missing_folder_is_no_error_and_changes_when_it_appears(tmp_path: Path) -> None:
    missing = folder_fingerprint(tmp_path / "later", False)
    assert missing == folder_fingerprint(tmp_path / "later", False)
    make_photo(tmp_path / "later/a.jpg")
    assert folder_fingerprint(tmp_path / "later", False) != missing


def test_a_picture_too_small_to_train_is_set_aside_with_its_size(tmp_path: Path) -> None:
    Image.new("RGB", (10, 15)).save(tmp_path / "icon.png")
    Image.new("RGB", (16, 200)).save(tmp_path / "narrow.png")
    photos = load_photos(tmp_path, recursive=False)
    assert [photo.path.name for photo in photos.photos] == ["narrow.png"]
    (rejected,) = photos.rejected
    assert rejected.path.name == "icon.png" and "10 x 15" in sentence(rejected.reason, "en")
