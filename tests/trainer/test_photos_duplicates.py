"""Duplicates: copies are found whatever was done to them, the best stays, and what only looks alike stays too."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import skimage.data
from PIL import Image, ImageOps

from tests.trainer.planted_changes import COPIES, blurred, brighter, cut, half_size, jpeg, noisy, upscaled
from trainer.photos.edits import Edits, PhotoEdit
from trainer.photos.judging.duplicates import CANDIDATE_BITS, LIKELY_BITS, hash_of, hash_picture, set_aside_duplicates
from trainer.photos.judging.judge import judge_photos
from trainer.photos.judging.second_look import SAME, agreement, look
from trainer.photos.load import load_photos
from trainer.photos.memo import Memo
from trainer.photos.photo import PhotoSet

NAMES = ("astronaut", "chelsea", "coffee")
FOUND_ELSEWHERE = ("another file of equal pixels", "10 % cut off")
"""Loading finds equal files; of large cuts the table of planted_cases.py says how many are found."""


@pytest.fixture(scope="module")
def pictures() -> dict[str, Image.Image]:
    return {name: Image.fromarray(getattr(skimage.data, name)()) for name in NAMES}


def judged(folder: Path) -> PhotoSet:
    return judge_photos(load_photos(folder, recursive=False), None, Edits(), Memo(None))


def cleaned(folder: Path, choice: str = "apply", edits: Edits | None = None) -> PhotoSet:
    return set_aside_duplicates(judged(folder), choice, edits or Edits(), Memo(None))


def gone(photos: PhotoSet) -> list[str]:
    return [one.photo.path.name for one in photos.set_aside]


@pytest.mark.parametrize(
    "case", [case for case in COPIES if case not in ("another file of equal pixels", "10 % cut off")]
)
def test_a_copy_is_found_whatever_was_done_to_it(tmp_path: Path, pictures: dict[str, Image.Image], case: str) -> None:
    for name, picture in pictures.items():
        picture.save(tmp_path / f"{name}.png")
        COPIES[case](picture).save(tmp_path / f"{name} copy.png")
    photos = cleaned(tmp_path)
    assert sorted(name.split(".")[0].split()[0] for name in gone(photos)) == sorted(NAMES)
    for one in photos.set_aside:
        other, bits = str(one.reason.values["other"]), one.reason.values["bits"]
        assert other.split(".")[0].split()[0] == one.photo.path.name.split(".")[0].split()[0]
        assert 0 <= bits <= CANDIDATE_BITS and one.reason.key == "photos.near_duplicate"  # type: ignore[operator]


@pytest.mark.parametrize(
    "worse",
    [jpeg(40), half_size, brighter, blurred(1.0), noisy(10), upscaled(2), upscaled(4), cut(0.1)],
    ids=["JPEG 40", "half", "brighter", "blurred", "noisy", "enlarged 2", "enlarged 4", "cut"],
)
@pytest.mark.parametrize("worse_first", [False, True])
def test_the_best_stays_whichever_comes_first(tmp_path: Path, pictures, worse, worse_first: bool) -> None:  # type: ignore[no-untyped-def]
    names = ("b.png", "a.png") if worse_first else ("a.png", "b.png")
    pictures["astronaut"].save(tmp_path / names[0])
    worse(pictures["astronaut"]).save(tmp_path / names[1])
    assert gone(cleaned(tmp_path)) == [names[1]]


def test_of_equally_good_copies_the_first_stays(tmp_path: Path, pictures: dict[str, Image.Image]) -> None:
    for name in ("2.png", "10.tif", "1.bmp"):
        pictures["coffee"].save(tmp_path / name)
    assert gone(cleaned(tmp_path)) == ["2.png", "10.tif"]


def moved_eyes(picture: Image.Image) -> Image.Image:
    """The same scene a moment later: one part of it has moved."""
    later = picture.copy()
    later.paste(ImageOps.mirror(picture.crop((150, 30, 340, 230))), (150, 30))
    return later


def test_another_moment_of_the_same_scene_is_noted_and_stays(tmp_path: Path, pictures: dict[str, Image.Image]) -> None:
    pictures["astronaut"].save(tmp_path / "a.png")
    moved_eyes(pictures["astronaut"]).save(tmp_path / "b.png")
    photos = cleaned(tmp_path)
    assert not photos.set_aside and len(photos.photos) == 2
    [note] = [message for photo in photos.photos for message in photo.done]
    assert note.key == "photos.looks_alike" and 0 < note.values["bits"] <= LIKELY_BITS  # type: ignore[operator]
    assert note.values["percent"] < 100 * SAME  # type: ignore[operator]


def test_a_chain_of_small_changes_keeps_its_ends(tmp_path: Path, pictures: dict[str, Image.Image]) -> None:
    """Each is a copy of its neighbours; the last shows too little of the first to be one."""
    for step in range(8):
        left = 28 * step
        pictures["coffee"].crop((left, 0, left + 380, 400)).save(tmp_path / f"{step}.png")
    photos = judged(tmp_path)
    looks = [look(Image.open(photo.path)) for photo in photos.photos]
    hashes = [hash_of(photo.judgement.picture_hash) for photo in photos.photos if photo.judgement]

    def are_copies(one: int, other: int) -> bool:
        near = hashes[one].distance(hashes[other]) <= CANDIDATE_BITS
        return near and max(agreement(looks[one], looks[other]), agreement(looks[other], looks[one])) >= SAME

    kept = cleaned(tmp_path)
    stay = [int(photo.path.stem) for photo in kept.photos]
    assert 2 <= len(stay) < 8
    assert not any(are_copies(one, other) for one in stay for other in stay if one < other)
    for one in kept.set_aside:
        other = int(Path(str(one.reason.values["other"])).stem)
        assert other in stay and are_copies(int(one.photo.path.stem), other)


def test_report_only_notes_and_off_does_not_look(tmp_path: Path, pictures: dict[str, Image.Image]) -> None:
    pictures["chelsea"].save(tmp_path / "a.png")
    half_size(pictures["chelsea"]).save(tmp_path / "b.png")
    told = cleaned(tmp_path, "report")
    assert not told.set_aside and [len(photo.done) for photo in told.photos] == [0, 1]
    [message] = told.photos[1].done
    assert message.key == "photos.near_duplicate_found" and message.values["other"] == "a.png"
    assert cleaned(tmp_path, "off") == judged(tmp_path)


def test_what_the_user_takes_back_stays_and_sends_no_other_away(
    tmp_path: Path, pictures: dict[str, Image.Image]
) -> None:
    pictures["chelsea"].save(tmp_path / "a.png")
    half_size(pictures["chelsea"]).save(tmp_path / "b.png")
    jpeg(60)(half_size(pictures["chelsea"])).save(tmp_path / "c.png")
    back = next(photo.content_hash for photo in judged(tmp_path).photos if photo.path.name == "b.png")
    photos = cleaned(tmp_path, edits=Edits(photos={back: PhotoEdit(use=True)}))
    assert [photo.path.name for photo in photos.photos] == ["a.png", "b.png"] and gone(photos) == ["c.png"]
    assert [message.key for message in photos.photos[1].done] == ["photos.near_duplicate_kept"]


def test_a_second_run_reads_no_photo(tmp_path: Path, pictures: dict[str, Image.Image]) -> None:
    folder, memo = tmp_path / "photos", Memo(tmp_path / "memo")
    folder.mkdir()
    pictures["coffee"].save(folder / "a.png")
    blurred(2)(pictures["coffee"]).save(folder / "b.png")
    photos = judge_photos(load_photos(folder, recursive=False), None, Edits(), memo)
    first = set_aside_duplicates(photos, "apply", Edits(), memo)
    for path in folder.iterdir():
        path.unlink()
    again = judge_photos(dataclasses.replace(photos), None, Edits(), memo)
    assert set_aside_duplicates(again, "apply", Edits(), memo) == first and gone(first) == ["b.png"]


def test_hashes_survive_their_text(pictures: dict[str, Image.Image]) -> None:
    for picture in pictures.values():
        assert hash_of(hash_picture(picture).text) == hash_picture(picture)


def test_bare_pictures_are_never_called_copies(tmp_path: Path) -> None:
    """On them there is nothing to compare."""
    for index, colour in enumerate(("white", "black", "red", "#808080")):
        Image.new("RGB", (300, 300), colour).save(tmp_path / f"{index}.png")
    assert not cleaned(tmp_path).set_aside


def test_agreement_is_one_with_itself_and_nothing_with_others(pictures: dict[str, Image.Image]) -> None:
    looks = [look(picture) for picture in pictures.values()]
    assert all(agreement(one, one) > 0.999 for one in looks)
    assert all(agreement(one, other) < 0.2 for one in looks for other in looks if one is not other)
