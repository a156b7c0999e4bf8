"""A folder's files: which count, in which order, which links are followed, and what tells that something changed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.trainer.awkward_files import make_photo, names, reasons
from trainer.messages import UserError
from trainer.photos.folder import WORK_FOLDER_MARK, folder_fingerprint, natural_order, shown_path
from trainer.photos.load import load_photos

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need special rights on Windows")


def test_photos_come_in_natural_order(tmp_path: Path) -> None:
    wanted = ["1.jpg", "2.jpg", "10.JPG", "b2.png", "B10.png", "小美2.jpg", "小美10.jpg"]
    for index, name in enumerate(reversed(wanted)):
        make_photo(tmp_path / name, index)
    assert names(load_photos(tmp_path, recursive=False)) == wanted


def test_natural_order_tells_all_names_apart() -> None:
    tricky = ["a1", "a01", "A1", "a", "1", "01", "", "²", "٣", "1a", "1.5", "é", "e\u0301", "9" * 250]
    assert len({repr(natural_order(name)) for name in tricky}) == len(tricky)
    assert sorted(sorted(tricky), key=natural_order) == sorted(sorted(tricky, reverse=True), key=natural_order)


def test_only_picture_files_count_and_the_others_pass_in_silence(tmp_path: Path) -> None:
    make_photo(tmp_path / "me.jpg")
    for name in ("me.txt", "metadata.json", "Thumbs.db", ".DS_Store", "._me.jpg", ".hidden.jpg", "clip.mp4"):
        (tmp_path / name).write_bytes(b"not a photo")
    photos = load_photos(tmp_path, recursive=False)
    assert names(photos) == ["me.jpg"] and not photos.rejected


def test_recursive_takes_subfolders_but_not_hidden_ones_nor_our_own(tmp_path: Path) -> None:
    for index, name in enumerate(["b.jpg", "2/c.jpg", "10/d.jpg", "10/deep/e.jpg", ".cache/f.jpg", "work/g.png"]):
        make_photo(tmp_path / name, index)
    (tmp_path / "work" / WORK_FOLDER_MARK).touch()
    assert names(load_photos(tmp_path, recursive=False)) == ["b.jpg"]
    assert names(load_photos(tmp_path, recursive=True)) == ["2/c.jpg", "10/d.jpg", "10/deep/e.jpg", "b.jpg"]


@needs_links
def test_links_are_followed_inside_the_folder_and_refused_where_they_lead_out(tmp_path: Path) -> None:
    outside = make_photo(tmp_path / "elsewhere/a.jpg")
    folder = tmp_path / "folder"
    make_photo(folder / "deep/real.jpg", 1)
    (folder / "inside.jpg").symlink_to(folder / "deep/real.jpg")
    (folder / "outside.jpg").symlink_to(outside)
    (folder / "sly.jpg").symlink_to(Path("deep/../../elsewhere/a.jpg"))
    (folder / "nowhere.jpg").symlink_to(folder / "gone.jpg")
    (folder / "ring.jpg").symlink_to(folder / "ring.jpg")
    photos = load_photos(folder, recursive=False)
    assert names(photos) == ["inside.jpg"]
    assert reasons(photos) == {
        "outside.jpg": "photos.link_leads_out", "sly.jpg": "photos.link_leads_out",
        "nowhere.jpg": "photos.unreadable", "ring.jpg": "photos.unreadable",
    }  # fmt: skip


@needs_links
def test_linked_folders_are_entered_once_without_loops_and_never_outside(tmp_path: Path) -> None:
    make_photo(tmp_path / "elsewhere/secret.jpg")
    folder = tmp_path / "folder"
    make_photo(folder / "a/b/1.jpg", 1)
    make_photo(folder / ".hidden/2.jpg", 2)
    (folder / "a/b/up").symlink_to(folder, target_is_directory=True)
    (folder / "A first").symlink_to(folder / "a", target_is_directory=True)
    (folder / "shown").symlink_to(folder / ".hidden", target_is_directory=True)
    (folder / "out").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    photos = load_photos(folder, recursive=True)
    assert names(photos) == ["a/b/1.jpg", "shown/2.jpg"]
    assert reasons(photos) == {"out": "photos.link_leads_out"}
    assert not load_photos(folder / "a/b", recursive=False).rejected


@needs_links
def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    make_photo(tmp_path / "real/a.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    assert names(load_photos(tmp_path / "link", recursive=True)) == ["a.jpg"]


@needs_links
def test_a_folder_that_leads_out_gives_no_hint_of_what_is_in_it(tmp_path: Path) -> None:
    make_photo(tmp_path / "elsewhere/a.jpg")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/out").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(UserError) as refused:
        load_photos(tmp_path / "folder", recursive=False)
    assert refused.value.message.key == "photos.no_pictures"
    assert folder_fingerprint(tmp_path / "folder", True) == folder_fingerprint(tmp_path / "folder", True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_pipe_with_a_photos_name_is_named_and_does_not_hang(tmp_path: Path) -> None:
    make_photo(tmp_path / "a.jpg")
    os.mkfifo(tmp_path / "b.jpg")
    photos = load_photos(tmp_path, recursive=False)
    assert names(photos) == ["a.jpg"] and reasons(photos) == {"b.jpg": "photos.not_a_file"}


@pytest.mark.parametrize("recursive", [False, True])
def test_folder_with_a_photos_name_is_named_and_entered_like_any_other(recursive: bool, tmp_path: Path) -> None:
    make_photo(tmp_path / "a.jpg")
    make_photo(tmp_path / "folder.jpg/b.jpg", 1)
    photos = load_photos(tmp_path, recursive=recursive)
    assert names(photos) == ["a.jpg", *(["folder.jpg/b.jpg"] if recursive else [])]
    assert reasons(photos) == {"folder.jpg": "photos.is_a_folder"}


def test_shown_names_are_one_line_of_text(tmp_path: Path) -> None:
    assert shown_path(tmp_path / "a\nb\u202egpj.jpg", tmp_path) == "a\ufffdb\ufffdgpj.jpg"
    assert shown_path(tmp_path / "小美 😀/cafe\u0301.jpg", tmp_path) == "小美 😀/cafe\u0301.jpg"


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
