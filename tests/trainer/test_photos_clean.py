"""Cleaning: working copies as the guide wants them, made once, and the user's own files as they were."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trainer.files import file_hash
from trainer.messages import Message, UserError, sentence
from trainer.photos.cleaning.clean import check_any_left, clean_photos, none_left
from trainer.photos.cleaning.config import CleanConfig
from trainer.photos.cleaning.views import photo_views
from trainer.photos.cleaning.working_copies import UNUSED_DAYS
from trainer.photos.edits import NO_EDITS, Edits, PhotoEdit
from trainer.photos.load import load_photos
from trainer.photos.photo import WHOLE, PhotoSet
from trainer.photos.pixels import read_pixels


def make_photo(path: Path, width_px: int, height_px: int, seed: int = 0, **options: object) -> Path:
    """A picture file of noise."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(small).resize((width_px, height_px)).save(path, **options)
    return path


def clean(folder: Path, work_dir: Path, edits: Edits = NO_EDITS, **settings: Any) -> PhotoSet:
    """Load and clean, without progress and without any model."""
    photos = load_photos(folder, recursive=True)
    return clean_photos(photos, CleanConfig(**settings), work_dir, edits=edits)


def edits_of(path: Path, **said: Any) -> Edits:
    """What was said by hand about one photo."""
    return Edits(photos={file_hash(path): PhotoEdit(name=path.name, **said)})


def state_of(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file below a folder with its bytes' hash and its time."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): (file_hash(path), path.stat().st_mtime_ns) for path in files}


def test_working_copies_are_upright_png_of_the_asked_size(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    make_photo(tmp_path / "photos/tall.jpg", 1600, 800, exif=exif)
    make_photo(tmp_path / "photos/small.webp", 600, 500, 1)
    cleaned = clean(tmp_path / "photos", tmp_path / "work")
    assert [(photo.width_px, photo.height_px) for photo in cleaned.photos] == [(600, 500), (512, 1024)]
    for photo in cleaned.photos:
        assert photo.is_working_copy and photo.path.parent == tmp_path / "work"
        assert photo.source_path.parent == tmp_path / "photos"
        assert photo.content_hash == file_hash(photo.path)
        with Image.open(photo.path) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (photo.width_px, photo.height_px))
            assert not image.getexif() and "icc_profile" not in image.info


def test_photo_that_is_small_enough_keeps_its_pixels(tmp_path: Path) -> None:
    path = make_photo(tmp_path / "photos/a.png", 600, 400)
    [photo] = clean(tmp_path / "photos", tmp_path / "work").photos
    assert np.array_equal(read_pixels(photo.path), read_pixels(path))


def test_large_photos_are_scaled_with_lanczos(tmp_path: Path) -> None:
    path = make_photo(tmp_path / "photos/a.png", 900, 600)
    [photo] = clean(tmp_path / "photos", tmp_path / "work", longest_side_px=256).photos
    assert np.array_equal(read_pixels(photo.path), read_pixels(path).resize((256, 171), Image.Resampling.LANCZOS))


def test_second_run_writes_nothing_and_gives_the_same(tmp_path: Path) -> None:
    for index in range(4):
        make_photo(tmp_path / f"photos/{index}.jpg", 600, 400, index)
    first = clean(tmp_path / "photos", tmp_path / "work")
    before = state_of(tmp_path / "work")
    assert clean(tmp_path / "photos", tmp_path / "work") == first
    assert state_of(tmp_path / "work") == before


def test_other_settings_or_other_bytes_make_another_working_copy(tmp_path: Path) -> None:
    path = make_photo(tmp_path / "photos/a.png", 600, 400)
    copies = [clean(tmp_path / "photos", tmp_path / "work").photos[0]]
    copies.append(clean(tmp_path / "photos", tmp_path / "work", longest_side_px=512).photos[0])
    make_photo(path, 600, 400, seed=1)
    copies.append(clean(tmp_path / "photos", tmp_path / "work").photos[0])
    assert len({copy.path for copy in copies}) == len({copy.content_hash for copy in copies}) == 3


def test_same_name_in_two_folders_makes_two_working_copies(tmp_path: Path) -> None:
    make_photo(tmp_path / "photos/a/1.png", 600, 400, 0)
    make_photo(tmp_path / "photos/b/1.png", 600, 400, 1)
    cleaned = clean(tmp_path / "photos", tmp_path / "work")
    assert len({photo.path for photo in cleaned.photos}) == 2


def test_damaged_working_copy_is_made_again_and_leftovers_are_removed(tmp_path: Path) -> None:
    make_photo(tmp_path / "photos/a.png", 600, 400)
    [photo] = clean(tmp_path / "photos", tmp_path / "work").photos
    whole = photo.path.read_bytes()
    photo.path.write_bytes(whole[:1000])
    (tmp_path / "work/.0123456789ab.tmp").write_bytes(b"left by a killed process")
    clean(tmp_path / "photos", tmp_path / "work")
    assert photo.path.read_bytes() == whole
    assert not list((tmp_path / "work").glob("*.tmp"))


@pytest.mark.parametrize("stem", ["小美 😀", "a" * 200, "CON", "what? no: <yes>", "back\\slash", " "])
def test_any_name_gives_a_working_copy_that_windows_accepts_too(stem: str, tmp_path: Path) -> None:
    if os.name == "nt" and (stem == "CON" or set(stem) & set("?:<>\\")):
        pytest.skip("Windows allows no such photo")
    make_photo(tmp_path / f"photos/{stem}.png", 600, 400)
    [photo] = clean(tmp_path / "photos", tmp_path / "work").photos
    assert not set(photo.path.name) & set('<>:"/\\|?*') and len(photo.path.name.encode()) < 100
    assert photo.path.stem.split("_")[0].lower() != "con"


def test_work_folder_inside_the_photo_folder_is_not_loaded_as_photos(tmp_path: Path) -> None:
    make_photo(tmp_path / "a.png", 600, 400)
    clean(tmp_path, tmp_path / "work")
    assert [photo.path.name for photo in load_photos(tmp_path, recursive=True).photos] == ["a.png"]


def test_originals_are_never_written(tmp_path: Path) -> None:
    for index in range(3):
        make_photo(tmp_path / f"photos/{index}.jpg", 1200, 800, index)
    (tmp_path / "photos/0.txt").write_text("a photo of Mila")
    before = state_of(tmp_path / "photos")
    clean(tmp_path / "photos", tmp_path / "work")
    assert state_of(tmp_path / "photos") == before


def test_photo_that_has_gone_is_named(tmp_path: Path) -> None:
    path = make_photo(tmp_path / "photos/a.png", 600, 400)
    photos = load_photos(tmp_path / "photos", recursive=False)
    path.unlink()
    with pytest.raises(UserError) as refused:
        clean_photos(photos, CleanConfig(), tmp_path / "work")
    assert refused.value.message.key == "photos.gone" and str(path) in str(refused.value)


def test_cleaning_working_copies_again_remembers_the_users_file_and_which_part_is_left(tmp_path: Path) -> None:
    path = make_photo(tmp_path / "photos/a.png", 600, 400)
    once = clean(tmp_path / "photos", tmp_path / "work", edits_of(path, crop=(0.0, 0.0, 0.5, 1.0)))
    hand = edits_of(path, crop=(0.25, 0.0, 1.0, 0.5))
    [photo] = clean_photos(once, CleanConfig(longest_side_px=256), tmp_path / "work 2", edits=hand).photos
    assert photo.source_path == path and photo.source_hash == file_hash(path)
    assert photo.shown_part == (0.25, 0.0, 0.5, 0.5) and (photo.width_px, photo.height_px) == (150, 200)
    assert np.array_equal(read_pixels(photo.path), read_pixels(path).crop((150, 0, 300, 200)))


def test_every_photo_is_kept_set_aside_or_rejected(tmp_path: Path) -> None:
    for index in range(4):
        make_photo(tmp_path / f"photos/{index}.png", 600, 400, index)
    read_pixels(tmp_path / "photos/0.png").resize((300, 200)).save(tmp_path / "photos/copy.jpg", quality=60)
    (tmp_path / "photos/5.jpg").write_bytes(b"no picture")
    hand = edits_of(tmp_path / "photos/3.png", use=False)
    cleaned = clean(tmp_path / "photos", tmp_path / "work", hand)
    assert {photo.source_path.name for photo in cleaned.photos} == {"0.png", "1.png", "2.png"}
    assert {one.photo.source_path.name: one.by_hand for one in cleaned.set_aside} == {"3.png": True, "copy.jpg": False}
    assert [file.path.name for file in cleaned.rejected] == ["5.jpg"]


def test_photo_that_is_set_aside_can_be_taken_back(tmp_path: Path) -> None:
    make_photo(tmp_path / "photos/a.png", 600, 400)
    read_pixels(tmp_path / "photos/a.png").resize((300, 200)).save(tmp_path / "photos/copy.jpg", quality=60)
    assert len(clean(tmp_path / "photos", tmp_path / "work").photos) == 1
    hand = edits_of(tmp_path / "photos/copy.jpg", use=True)
    assert len(clean(tmp_path / "photos", tmp_path / "work", hand).photos) == 2
    assert len(clean(tmp_path / "photos", tmp_path / "work", duplicates="report").photos) == 2


def test_crop_drawn_by_hand_is_kept_to_the_pixel(tmp_path: Path) -> None:
    path = make_photo(tmp_path / "photos/a.png", 600, 400)
    hand = edits_of(path, crop=(1 / 6, 0.25, 0.5, 0.75))
    [photo] = clean(tmp_path / "photos", tmp_path / "work", hand).photos
    assert np.array_equal(read_pixels(photo.path), read_pixels(path).crop((100, 100, 300, 300)))
    assert photo.shown_part == (1 / 6, 0.25, 0.5, 0.75)


def test_edits_of_a_photo_that_is_gone_are_named(tmp_path: Path) -> None:
    make_photo(tmp_path / "photos/a.png", 600, 400)
    hand = Edits(photos={"0" * 64: PhotoEdit(name="gone.jpg", use=False)})
    warnings = clean(tmp_path / "photos", tmp_path / "work", hand).warnings
    assert [warning.values["names"] for warning in warnings if warning.key == "photos.edits_gone"] == ["gone.jpg"]


def test_missing_models_are_named_once_and_only_if_their_step_is_on(tmp_path: Path) -> None:
    for index in range(3):
        make_photo(tmp_path / f"photos/{index}.png", 600, 400, index)
    wanted = [warning.key for warning in clean(tmp_path / "photos", tmp_path / "work", background="blur").warnings]
    assert wanted.count("photos.no_face_detector") == wanted.count("photos.no_background_remover") == 1
    off = dict.fromkeys(("duplicates", "borders", "text_marks", "other_people", "crop"), "off")
    unasked = clean(tmp_path / "photos", tmp_path / "work", **off)
    assert [warning.key for warning in unasked.warnings] == ["photos.few"] and unasked.looked_for == ()


def test_all_photos_set_aside_is_an_error_with_the_reason(tmp_path: Path) -> None:
    path = make_photo(tmp_path / "photos/a.png", 600, 400)
    cleaned = clean(tmp_path / "photos", tmp_path / "work", edits_of(path, use=False))
    assert cleaned.photos == () and none_left(clean(tmp_path / "photos", tmp_path / "work")) is None
    with pytest.raises(UserError) as refused:
        check_any_left(cleaned)
    for language in ("en", "zh"):
        said = sentence(refused.value.message, language)
        assert "a.png" in said and sentence(Message("photos.left_out_by_hand"), language) in said


def test_copies_nobody_has_used_for_a_month_are_removed_and_nothing_else(tmp_path: Path) -> None:
    path = make_photo(tmp_path / "photos/a.png", 600, 400)
    old = clean(tmp_path / "photos", tmp_path / "work", longest_side_px=512).photos[0]
    mine = tmp_path / "work/my_notes_00000000.json"
    mine.write_text('{"a note": "of mine"}')
    caption = old.path.with_suffix(".txt")
    caption.write_text("a photo of Mila")
    last_month_s = time.time() - (UNUSED_DAYS + 1) * 86400
    for file in (tmp_path / "work").rglob("*"):
        os.utime(file, (last_month_s, last_month_s))
    new = clean(tmp_path / "photos", tmp_path / "work").photos[0]
    assert old.record_path is not None and not old.path.exists() and not old.record_path.exists()
    assert new.path.exists() and mine.exists() and caption.exists() and path.exists()
    again = clean(tmp_path / "photos", tmp_path / "work", longest_side_px=512).photos[0]
    assert again == old and new.path.exists()


def test_viewer_is_told_of_every_photo_before_and_after(tmp_path: Path) -> None:
    path = make_photo(tmp_path / "photos/a.jpg", 2000, 1000)
    make_photo(tmp_path / "photos/b.png", 500, 400, 1)
    make_photo(tmp_path / "photos/c.png", 500, 400, 2)
    hand = Edits(photos={file_hash(tmp_path / "photos/c.png"): PhotoEdit(use=False)})
    loaded = load_photos(tmp_path / "photos", recursive=False)
    cleaned = clean_photos(loaded, CleanConfig(), tmp_path / "work", edits=hand)
    views = photo_views(loaded, cleaned, hand, tmp_path / "work")
    assert [(view.name, view.after_path is None, view.edited) for view in views] == [
        ("a.jpg", False, False), ("b.png", False, False), ("c.png", True, True),
    ]  # fmt: skip
    assert views[2].by_hand and views[2].set_aside == Message("photos.left_out_by_hand")
    assert views[0].source_hash == file_hash(path) and views[0].size_px == (2000, 1000) and views[0].frame == WHOLE
    for view in views:
        for picture, limit_px in (
            (view.before_path, 1024),
            (view.before_small_path, 320),
            (view.after_small_path, 320),
        ):
            if picture is not None:
                with Image.open(picture) as image:
                    assert image.format == "JPEG" and max(image.size) <= limit_px
