"""Written captions: beside working copies and nowhere else; what the user changes there stays, wherever it moves."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.trainer.untouched import untouched
from trainer.captions.caption import caption_photos
from trainer.captions.config import CaptionConfig
from trainer.captions.dataset import COPY, EDIT, FILE, TEMPLATE, Dataset
from trainer.captions.edits import CaptionEdit, CaptionEdits, photo_key
from trainer.captions.sources.own import read_own_captions
from trainer.captions.sources.written import RECORD_NAME, caption_path, keep_captions, users_fingerprint
from trainer.messages import UserError
from trainer.photos.cleaning.clean import clean_photos
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.load import load_photos
from trainer.photos.photo import PhotoSet

MERLINA, MILA = CaptionConfig(subject="Merlina"), CaptionConfig(subject="Mila")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photos, `1.png`, `2.png` and `10.png`."""
    (tmp_path / "photos").mkdir()
    for index, name in enumerate(("1", "2", "10")):
        Image.new("RGB", (48, 32), (index, 99, 99)).save(tmp_path / f"photos/{name}.png")
    return tmp_path / "photos"


def cleaned(folder: Path, **settings: object) -> PhotoSet:
    """The folder's photos as working copies; other settings make other copies, with other names."""
    photos = load_photos(folder, recursive=False)
    return clean_photos(photos, CleanConfig(**settings), folder.parent / "works/one")  # type: ignore[arg-type]


def text_beside(photos: PhotoSet, index: int) -> Path:
    """The caption file of a working copy."""
    return caption_path(photos.photos[index])


def said(dataset: Dataset) -> list[tuple[str, str]]:
    """The captions in order, with their origins."""
    return [(photo.caption, photo.origin) for photo in dataset.photos]


def own_warnings(dataset: Dataset) -> list[str]:
    """The keys of what captioning warned of."""
    return [warning.key for warning in dataset.warnings if warning.key.startswith("captions.")]


def test_what_the_user_changes_beside_a_working_copy_wins_and_is_never_overwritten(folder: Path) -> None:
    photos = cleaned(folder)
    caption_photos(photos, MERLINA)
    text_beside(photos, 1).write_bytes("a photo of [subject] \n在海边".encode("gb18030"))
    with untouched(folder):
        for config, name in ((MERLINA, "Merlina"), (MILA, "Mila")):
            wanted = (f"a photo of {name}", TEMPLATE)
            assert said(caption_photos(photos, config)) == [wanted, (f"a photo of {name} 在海边", COPY), wanted]
    assert text_beside(photos, 1).read_bytes() == "a photo of [subject] \n在海边".encode("gb18030")
    assert text_beside(photos, 0).read_bytes() == b"a photo of Mila"


def test_edit_on_the_node_wins_over_the_copys_text_and_leaves_it_there(folder: Path) -> None:
    photos = cleaned(folder)
    caption_photos(photos, MERLINA)
    text_beside(photos, 0).write_text("by hand")
    edits = CaptionEdits(photos={photo_key(photos.photos[0]): CaptionEdit(caption="in the table")})
    assert said(caption_photos(photos, MERLINA, edits=edits))[0] == ("in the table", EDIT)
    assert text_beside(photos, 0).read_text() == "by hand"
    assert said(caption_photos(photos, MERLINA))[0] == ("by hand", COPY)


def test_file_beside_the_original_wins_over_the_copys_text_and_says_so(folder: Path) -> None:
    photos = cleaned(folder)
    caption_photos(photos, MERLINA)
    text_beside(photos, 0).write_text("by hand")
    (folder / "1.txt").write_text("beside the original")
    dataset = caption_photos(photos, MERLINA)
    assert said(dataset)[0] == ("beside the original", FILE) and own_warnings(dataset) == ["captions.copy_passed_over"]
    assert text_beside(photos, 0).read_text() == "by hand"


def test_copys_text_wins_over_what_is_said_of_the_whole_folder(folder: Path) -> None:
    photos = cleaned(folder)
    (folder / "default.txt").write_text("default")
    caption_photos(photos, MERLINA)
    text_beside(photos, 0).write_text("by hand")
    assert said(caption_photos(photos, MERLINA)) == [("by hand", COPY), ("default", FILE), ("default", FILE)]


def test_deleted_caption_is_written_again(folder: Path) -> None:
    photos = cleaned(folder)
    caption_photos(photos, MERLINA)
    text_beside(photos, 0).write_text("by hand")
    caption_photos(photos, MERLINA)
    text_beside(photos, 0).unlink()
    text_beside(photos, 1).unlink()
    assert said(caption_photos(photos, MERLINA)) == [("a photo of Merlina", TEMPLATE)] * 3
    assert [text_beside(photos, index).read_text() for index in range(3)] == ["a photo of Merlina"] * 3


def test_users_text_follows_the_photo_to_new_working_copies_and_back(folder: Path) -> None:
    first = cleaned(folder)
    caption_photos(first, MERLINA)
    text_beside(first, 1).write_text("by hand")
    second = cleaned(folder, longest_side_px=1000)
    assert text_beside(first, 1) != text_beside(second, 1)
    for config in (MERLINA, MILA, MILA):
        assert said(caption_photos(second, config))[1] == ("by hand", COPY)
    assert text_beside(second, 1).read_text() == "by hand" == text_beside(first, 1).read_text()
    text_beside(second, 1).write_text("changed again")
    assert said(caption_photos(second, MILA))[1] == ("changed again", COPY)


def test_text_written_under_other_settings_is_not_taken_for_the_users(folder: Path) -> None:
    first = cleaned(folder)
    caption_photos(first, MERLINA)
    second = cleaned(folder, longest_side_px=1000)
    assert said(caption_photos(second, MILA)) == [("a photo of Mila", TEMPLATE)] * 3
    assert said(caption_photos(first, MILA)) == [("a photo of Mila", TEMPLATE)] * 3


def test_users_text_under_settings_of_before_is_found_when_they_come_back(folder: Path) -> None:
    first, second = cleaned(folder), cleaned(folder, longest_side_px=1000)
    for photos in (second, first):
        caption_photos(photos, MERLINA)
    text_beside(first, 0).write_text("by hand")
    assert said(caption_photos(second, MERLINA))[0] == ("by hand", COPY)
    text_beside(second, 0).unlink()
    for _ in range(2):  # deleted means deleted, whatever lies beside older copies
        assert said(caption_photos(second, MERLINA))[0] == ("a photo of Merlina", TEMPLATE)


def test_renamed_photo_keeps_the_users_text(folder: Path) -> None:
    photos = cleaned(folder)
    caption_photos(photos, MERLINA)
    text_beside(photos, 0).write_text("by hand")
    (folder / "1.png").rename(folder / "3.png")
    again = cleaned(folder)
    assert [photo.source_path.name for photo in again.photos] == ["2.png", "3.png", "10.png"]
    assert said(caption_photos(again, MERLINA))[1] == ("by hand", COPY)


@pytest.mark.parametrize("crash", ["before", "after some", "before the record"])
def test_killed_half_way_our_own_texts_are_not_taken_for_the_users(
    crash: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = cleaned(folder)
    caption_photos(photos, MERLINA)
    left = {"before": 0, "after some": 1, "before the record": 3}[crash]

    def write(data: bytes, path: Path) -> None:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        path.write_bytes(data)
        if crash == "before the record" and not left:
            raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr("trainer.captions.sources.written.write_bytes", write)
        with pytest.raises(KeyboardInterrupt):
            caption_photos(photos, MILA)
    assert said(caption_photos(photos, CaptionConfig(subject="Ada"))) == [("a photo of Ada", TEMPLATE)] * 3


@pytest.mark.parametrize(
    "damaged", [b"", b"{", b"[]", b'{"version": 9}', b'{"version": 1, "files": {"a": 1}}', b"\xff"]
)
def test_without_a_readable_record_every_text_is_the_users(damaged: bytes, folder: Path) -> None:
    photos = cleaned(folder)
    caption_photos(photos, MERLINA)
    (text_beside(photos, 0).parent / RECORD_NAME).write_bytes(damaged)
    dataset = caption_photos(photos, MILA)
    assert said(dataset) == [("a photo of Merlina", COPY)] * 3
    assert own_warnings(dataset) == ["captions.record_unreadable"]
    text_beside(photos, 0).unlink()
    dataset = caption_photos(photos, MILA)
    assert said(dataset)[:2] == [("a photo of Mila", TEMPLATE), ("a photo of Merlina", COPY)] and not own_warnings(
        dataset
    )


def test_texts_of_a_version_that_kept_no_record_are_ours_until_they_change(folder: Path) -> None:
    photos = cleaned(folder)
    for index in range(3):
        text_beside(photos, index).write_text("a photo of Merlina")
    assert said(caption_photos(photos, MERLINA)) == [("a photo of Merlina", TEMPLATE)] * 3
    text_beside(photos, 1).write_text("by hand")
    captions = said(caption_photos(photos, MILA))
    assert captions == [("a photo of Mila", TEMPLATE), ("by hand", COPY), ("a photo of Mila", TEMPLATE)]


@pytest.mark.parametrize(("data", "problem"), [(b"", "own_empty"), (b"\0", "own_binary"), (b"m" * 64_001, "own_huge")])
def test_text_beside_a_copy_that_cannot_be_used_is_named_with_its_path_and_stays(
    data: bytes, problem: str, folder: Path
) -> None:
    photos = cleaned(folder)
    caption_photos(photos, MERLINA)
    text_beside(photos, 0).write_bytes(data)
    for _ in range(2):
        dataset = caption_photos(photos, MERLINA)
        assert said(dataset)[0] == ("a photo of Merlina", TEMPLATE) and own_warnings(dataset) == [f"captions.{problem}"]
        assert dataset.warnings[-1].values["name"] == text_beside(photos, 0)
    assert text_beside(photos, 0).read_bytes() == data


def test_folder_in_the_place_of_a_written_caption_is_named_and_the_rest_written(folder: Path) -> None:
    photos = cleaned(folder)
    text_beside(photos, 0).mkdir()
    dataset = caption_photos(photos, MERLINA)
    assert own_warnings(dataset) == ["captions.own_not_a_file"]
    assert text_beside(photos, 2).read_text() == "a photo of Merlina" and text_beside(photos, 0).is_dir()


def test_photos_that_are_no_working_copies_get_no_file(folder: Path) -> None:
    with untouched(folder):
        caption_photos(load_photos(folder, recursive=False), MERLINA)


def test_users_fingerprint_follows_the_user_and_not_ourselves(folder: Path) -> None:
    photos, works = cleaned(folder), folder.parent / "works"
    empty = users_fingerprint(works)
    for config in (MERLINA, MILA):
        caption_photos(photos, config)
        assert users_fingerprint(works) == empty
    seen = [empty]
    for text in ("by hand", "again by hand"):
        text_beside(photos, 0).write_text(text)
        seen.append(users_fingerprint(works))
        caption_photos(photos, MILA)
        assert users_fingerprint(works) == seen[-1]
    text_beside(photos, 1).unlink()
    assert len({*seen, users_fingerprint(works)}) == 4


def test_captions_that_cannot_be_written_are_an_error_that_says_where(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    photos = cleaned(folder)
    monkeypatch.setattr(os, "replace", no_room)
    with pytest.raises(UserError) as refused:
        caption_photos(photos, MERLINA)
    assert refused.value.message.key == "files.disk_full"


def test_five_hundred_photos_the_second_time_take_well_under_a_second(folder: Path) -> None:
    photos = cleaned(folder)
    one, work = photos.photos[0], photos.photos[0].path.parent
    many = []
    for index in range(500):
        source, copy = folder / f"many/{index}.png", work / f"many_{index:08x}.png"
        source.parent.mkdir(exist_ok=True)
        for path in (source, copy):
            shutil.copyfile(one.path, path)
        many.append(replace(one, path=copy, source_path=source, source_hash=f"{index:064x}"))
        if index % 2:
            source.with_suffix(".txt").write_text(f"Merlina, number {index}")
    photos = replace(photos, folder=folder / "many", photos=tuple(many))
    caption_photos(photos, MERLINA)
    before = {path: path.stat().st_mtime_ns for path in work.iterdir()}
    captioned = caption_photos(photos, MERLINA).photos
    began_s = time.process_time()  # a busy machine counts for nothing
    own = read_own_captions(photos, "Merlina")
    keep_captions(captioned)
    took_s = time.process_time() - began_s
    assert len(own.of) == 250 and len(json.loads((work / RECORD_NAME).read_text())["files"]) == 500
    assert {path: path.stat().st_mtime_ns for path in work.iterdir()} == before, "nothing is written twice"
    print(f"500 photos: captions read and kept again in {took_s:.3f} s")
    assert took_s < 0.8
