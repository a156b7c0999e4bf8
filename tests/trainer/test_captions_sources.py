"""Own captions: which file counts, as other trainers leave them; and what cannot be used is named, the rest goes on."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path

import pytest

from tests.trainer.awkward_files import make_photo
from trainer.captions.caption import caption_photos
from trainer.captions.config import CaptionConfig
from trainer.captions.edits import photo_key
from trainer.captions.sources.own import OwnCaptions, read_own_captions
from trainer.messages import LANGUAGES, sentence
from trainer.photos.folder import folder_fingerprint, shown_path
from trainer.photos.load import load_photos

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need special rights on Windows")


def put(path: Path, text: str | bytes) -> Path:
    """A text file, with the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def lines(*captions: object) -> str:
    """A metadata file: pairs of a name and a text, or lines as they are."""
    return "\n".join(
        json.dumps({"file_name": one[0], "text": one[1]}) if isinstance(one, tuple) else str(one) for one in captions
    )


def read(folder: Path, subject: str = "mila") -> tuple[dict[str, str], OwnCaptions]:
    """The captions by the photos' paths, and all that was found."""
    photos = load_photos(folder, recursive=True)
    own = read_own_captions(photos, subject)
    found = {shown_path(photo.source_path, folder): own.of.get(photo_key(photo)) for photo in photos.photos}
    return {name: one.text for name, one in found.items() if one}, own


def problems(own: OwnCaptions) -> list[tuple[str, str]]:
    """The key and the file's name of each warning; every one can be said in both languages."""
    assert all(sentence(warning, language) for warning in own.warnings for language in LANGUAGES)
    return [(warning.key.removeprefix("captions."), str(warning.values["name"])) for warning in own.warnings]


@pytest.mark.parametrize(
    ("photo", "file"),
    [
        ("a.jpg", "a.txt"), ("a.jpg", "a.caption"), ("a.jpg", "a.jpg.txt"), ("A.JPG", "a.txt"), ("a.jpg", "a.TXT"),
        ("my.photo.v2.png", "my.photo.v2.txt"), ("小美 1.jpg", "小美 1.txt"), ("café.jpg", "cafe\u0301.txt"),
        ("[a] {b}.jpg", "[a] {b}.txt"), ("sub/deep/a.jpg", "sub/deep/a.txt"),
    ],
)  # fmt: skip
def test_caption_file_is_found_under_every_usual_name(photo: str, file: str, tmp_path: Path) -> None:
    make_photo(tmp_path / photo)
    put(tmp_path / file, "mila at the sea")
    assert read(tmp_path)[0] == {photo: "mila at the sea"}


def test_first_file_that_says_something_counts(tmp_path: Path) -> None:
    make_photo(tmp_path / "10_mila woman/a.jpg")
    weakest_first = [
        ("mila woman", None, ""), ("default", "10_mila woman/default.txt", "default"),
        ("above", "metadata.jsonl", lines(("10_mila woman/a.jpg", "above"))),
        ("here", "10_mila woman/metadata.jsonl", lines(("a.jpg", "here"))),
        ("windows", "10_mila woman/a.jpg.txt", "windows"), ("kohya", "10_mila woman/a.caption", "kohya"),
        ("usual", "10_mila woman/a.txt", "usual"),
    ]  # fmt: skip
    for wanted, name, text in weakest_first:
        if name:
            put(tmp_path / name, text)
        assert read(tmp_path)[0] == {"10_mila woman/a.jpg": wanted}


def test_photos_of_one_stem_share_a_caption_and_others_do_not(tmp_path: Path) -> None:
    for index, name in enumerate(["1.jpg", "1.png", "2.jpg", "10.jpg"]):
        make_photo(tmp_path / name, index)
    put(tmp_path / "1.txt", "one")
    assert read(tmp_path)[0] == {"1.jpg": "one", "1.png": "one"}


@pytest.mark.skipif(sys.platform != "linux", reason="capitals make no other file here")
def test_caption_of_another_photo_is_not_taken_for_ones_own_where_capitals_differ(tmp_path: Path) -> None:
    make_photo(tmp_path / "A.jpg", 1)
    make_photo(tmp_path / "a.jpg", 2)
    put(tmp_path / "a.txt", "small")
    assert read(tmp_path)[0] == {"a.jpg": "small"}


@pytest.mark.parametrize(
    ("folder", "subject", "wanted"),
    [
        ("10_mila woman", "mila", "mila woman"), ("3_Mila Rose, woman", "mila rose", "Mila Rose, woman"),
        ("10_小美 女人", "小美", "小美 女人"), ("5_ohwx woman", "ohwx", "ohwx woman"), ("10_mila", "Mila", None),
        ("10_mila_woman", "mila", "mila_woman"), ("01_close-ups", "mila", None), ("2024_holiday", "mila", None),
        ("10_camilas friend", "mila", None), ("mila woman", "mila", None), ("10 mila woman", "mila", None),
        ("10_", "mila", None),
    ],
)  # fmt: skip
def test_kohya_folder_gives_its_words_where_they_name_the_subject(
    folder: str, subject: str, wanted: str | None, tmp_path: Path
) -> None:
    make_photo(tmp_path / folder / "a.jpg")
    assert read(tmp_path, subject)[0].get(f"{folder}/a.jpg") == wanted
    assert read(tmp_path / folder, subject)[0].get("a.jpg") == wanted


@pytest.mark.parametrize(
    ("folders", "wanted"),
    [
        (["10_mila woman", "20_mila woman body"], [1, 2]), (["10_mila woman", "10_mila body"], [1, 1]),
        (["3_mila", "2_mila body", "sea"], [3, 2, 1]), (["01_close-ups", "02_full body"], [1, 1]),
        (["0_mila", "9999_mila body"], [1, 100]),
    ],
)  # fmt: skip
def test_kohya_folders_count_their_photos_in_proportion(folders: list[str], wanted: list[int], tmp_path: Path) -> None:
    for index, folder in enumerate(folders):
        make_photo(tmp_path / folder / f"{index}.jpg", index)
    dataset = caption_photos(load_photos(tmp_path, recursive=True), CaptionConfig(subject="mila"))
    repeats = {photo.photo.source_path.parent.name: photo.repeats for photo in dataset.photos}
    assert [repeats[folder] for folder in folders] == wanted
    said = [warning for warning in dataset.warnings if warning.key == "captions.folders_repeat"]
    assert bool(said) == (set(wanted) != {1}) and all("×" in sentence(one, "zh") for one in said)
    once = dataclasses.replace(dataset, photos=tuple(dataclasses.replace(one, repeats=1) for one in dataset.photos))
    assert (once.fingerprint == dataset.fingerprint) == (set(wanted) == {1})


def test_ai_toolkit_folder_is_read_as_it_is(tmp_path: Path) -> None:
    for index, name in enumerate(["a.jpg", "b.webp", "sub/c.png", "_controls/a.pose.jpg", "sub/_controls/c.jpg"]):
        make_photo(tmp_path / name, index)
    put(tmp_path / "a.txt", "mila")
    put(tmp_path / "default.txt", "a photo of [subject]")
    put(tmp_path / "_latent_cache/a_x.safetensors", b"\0")
    found, own = read(tmp_path)
    assert found == {"a.jpg": "mila", "b.webp": "a photo of [subject]"} and not own.warnings
    assert [photo.path.name for photo in load_photos(tmp_path, recursive=True).photos] == ["a.jpg", "b.webp", "c.png"]


@pytest.mark.parametrize("key", ["text", "caption", "prompt"])
def test_metadata_of_hugging_face_is_read_from_any_folder_on_the_way(key: str, tmp_path: Path) -> None:
    for index, name in enumerate(["train/a.jpg", "train/deep/b.jpg", "c.jpg"]):
        make_photo(tmp_path / name, index)
    rows = [{"file_name": "a.jpg", key: "A\nB"}, {"file_name": "deep/b.jpg", key: "小美"}]
    put(
        tmp_path / "train/metadata.jsonl", "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\r\n\r\n"
    )
    put(tmp_path / "metadata.jsonl", lines((".\\train\\..\\c.jpg", "C\u2028D")))
    found, own = read(tmp_path)
    assert found == {"train/a.jpg": "A B", "train/deep/b.jpg": "小美", "c.jpg": "C D"} and not own.warnings


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "own_empty"), (b" \r\n\t", "own_empty"), (b"\xef\xbb\xbf\n", "own_empty"), (b"caf\xe9", "own_encoding"),
        ("美咲の写真".encode("shift_jis"), "own_encoding"), (b"\x89PNG\r\n\x1a\n\0\0", "own_binary"),
        ("mila".encode("utf-16-le"), "own_binary"), (b"m" * 64_001, "own_huge"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["sub/b.txt", "sub/b.caption", "sub/metadata.jsonl", "sub/default.txt"])
def test_file_that_cannot_be_used_is_named_and_the_others_count(
    name: str, data: bytes, problem: str, tmp_path: Path
) -> None:
    for index, photo in enumerate(["a.jpg", "sub/b.jpg", "sub/c.jpg"]):
        make_photo(tmp_path / photo, index)
    put(tmp_path / "a.txt", "mila")
    put(tmp_path / name, data if problem != "own_huge" or "jsonl" not in name else b" " * 16_000_001)
    found, own = read(tmp_path)
    assert found == {"a.jpg": "mila"} and problems(own) == [(problem, name)]


def test_a_file_that_cannot_be_used_lets_the_next_one_speak(tmp_path: Path) -> None:
    make_photo(tmp_path / "a.jpg")
    put(tmp_path / "a.txt", "")
    put(tmp_path / "a.caption", "mila")
    found, own = read(tmp_path)
    assert found == {"a.jpg": "mila"} and problems(own) == [("own_empty", "a.txt")]


@pytest.mark.parametrize("name", ["a.txt", "metadata.jsonl", "default.txt"])
def test_folders_and_pipes_in_the_place_of_files_are_named_and_not_opened(name: str, tmp_path: Path) -> None:
    make_photo(tmp_path / "1/a.jpg", 1)
    make_photo(tmp_path / "2/a.jpg", 2)
    (tmp_path / "1" / name).mkdir()
    wanted = [("own_not_a_file", f"1/{name}")]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "2" / name)
        wanted.append(("own_not_a_file", f"2/{name}"))
    assert problems(read(tmp_path)[1]) == wanted


@needs_links
def test_links_out_of_the_folder_are_not_followed_and_those_inside_are(tmp_path: Path) -> None:
    secret = put(tmp_path / "secret.txt", "password")
    folder = tmp_path / "photos"
    for index, name in enumerate("abc"):
        make_photo(folder / f"{name}.jpg", index)
    put(folder / "captions/b.md", "mila")
    (folder / "a.txt").symlink_to(secret)
    (folder / "b.txt").symlink_to(folder / "captions/b.md")
    (folder / "c.txt").symlink_to(folder / "gone.txt")
    found, own = read(folder)
    assert found == {"b.jpg": "mila"}
    assert problems(own) == [("own_leads_out", "a.txt"), ("own_unreadable", "c.txt")]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read_is_named_with_the_systems_reason(tmp_path: Path) -> None:
    make_photo(tmp_path / "a.jpg")
    put(tmp_path / "a.txt", "mila").chmod(0)
    assert problems(read(tmp_path)[1]) == [("own_unreadable", "a.txt")]


def test_lines_of_metadata_that_cannot_be_used_are_named_and_the_others_count(tmp_path: Path) -> None:
    for index, name in enumerate(["a.jpg", "b.jpg", "c.jpg"]):
        make_photo(tmp_path / name, index)
    put(
        tmp_path / "metadata.jsonl",
        lines(
            ("a.jpg", "first"), '{"file_name": "b.jpg", "te', "[1, 2]", '"b.jpg"', "7", "[" * 10_000,
            ("a.jpg", "second"), '{"text": "whose?"}', '{"file_name": 5, "text": "x"}',
            '{"file_name": "b.jpg", "label": 3}',
            '{"file_name": "b.jpg", "text": "  "}', ("b.jpg", "m" * 64_001),
            '{"file_name": "b.jpg", "text": "\\ud83d"}',
            ("../../etc/passwd", "x"), ("/etc/passwd", "x"), ("..", "x"), ("gone.jpg", "x"), ("a\0b.jpg", "x"),
            ("c.jpg", "last"),
        ),
    )  # fmt: skip
    found, own = read(tmp_path)
    assert found == {"a.jpg": "first", "c.jpg": "last"}
    said = {warning.key.removeprefix("captions."): warning.values for warning in own.warnings}
    counts = {key: (values["count"], values["name"]) for key, values in said.items()}
    assert counts == {
        "metadata_broken": (5, "metadata.jsonl"), "metadata_twice": (1, "metadata.jsonl"),
        "metadata_nameless": (2, "metadata.jsonl"), "metadata_textless": (4, "metadata.jsonl"),
        "metadata_outside": (3, "metadata.jsonl"), "metadata_gone": (2, "metadata.jsonl"),
    }  # fmt: skip
    assert said["metadata_broken"]["where"] == "2, 3, 4 (+2)" and said["metadata_twice"]["where"] == "a.jpg"


def test_metadata_may_name_photos_that_were_not_loaded(tmp_path: Path) -> None:
    make_photo(tmp_path / "a.jpg")
    make_photo(tmp_path / "same.jpg")
    make_photo(tmp_path / "sub/b.jpg", 1)
    put(tmp_path / "metadata.jsonl", lines(("a.jpg", "mila"), ("sub/b.jpg", "x"), ("same.jpg", "y")))
    photos = load_photos(tmp_path, recursive=False)
    own = read_own_captions(photos, "mila")
    assert [one.text for one in own.of.values()] == ["mila"] and not own.warnings


@pytest.mark.parametrize("name", ["a.caption", "a.jpg.txt", "metadata.jsonl", "default.txt", "../metadata.jsonl"])
def test_fingerprint_follows_every_file_that_is_read(name: str, tmp_path: Path) -> None:
    make_photo(tmp_path / "sub/a.jpg")
    seen = [folder_fingerprint(tmp_path, True)]
    put(tmp_path / "sub" / name, "one")
    seen.append(folder_fingerprint(tmp_path, True))
    put(tmp_path / "sub" / name, "another")
    seen.append(folder_fingerprint(tmp_path, True))
    (tmp_path / "sub" / name).unlink()
    assert len(set(seen)) == 3 and folder_fingerprint(tmp_path, True) == seen[0]
