"""Cleaning: working copies as the guide wants them, made once, and the user's own files as they were."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.files import file_hash
from trainer.messages import UserError
from trainer.photos.clean import CleanConfig, clean_photos, scaled_size
from trainer.photos.load import load_photos, read_pixels
from trainer.photos.photo import PhotoSet


def make_photo(path: Path, width_px: int, height_px: int, seed: int = 0, **options: object) -> Path:
    """A picture file of noise."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(small).resize((width_px, height_px)).save(path, **options)
    return path


def clean(folder: Path, work_dir: Path, **settings: int) -> PhotoSet:
    """Load and clean, without progress."""
    photos = load_photos(folder, recursive=True)
    return clean_photos(photos, CleanConfig(**settings), work_dir, lambda done, total: None)


def state_of(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file below a folder with its bytes' hash and its time."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): (file_hash(path), path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("longest_side_px", [256, 1000, 1024])
def test_scaling_keeps_the_aspect_ratio_and_never_enlarges(longest_side_px: int) -> None:
    sizes = np.random.default_rng(1).integers(1, 9000, (500, 2))
    for width_px, height_px in sizes.tolist():
        new_width_px, new_height_px = scaled_size(width_px, height_px, longest_side_px)
        assert max(new_width_px, new_height_px) == min(longest_side_px, max(width_px, height_px))
        exact = min(1.0, longest_side_px / max(width_px, height_px))
        assert abs(new_width_px - max(1, width_px * exact)) <= 0.5
        assert abs(new_height_px - max(1, height_px * exact)) <= 0.5


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


def test_small_photos_are_warned_about_by_name(tmp_path: Path) -> None:
    make_photo(tmp_path / "photos/small.png", 511, 300)
    make_photo(tmp_path / "photos/enough.png", 300, 512, 1)
    warnings = clean(tmp_path / "photos", tmp_path / "work").warnings
    assert [warning.key for warning in warnings] == ["photos.few", "photos.small"]
    assert warnings[1].values["names"] == "small.png"


def test_photo_that_has_gone_is_named(tmp_path: Path) -> None:
    path = make_photo(tmp_path / "photos/a.png", 600, 400)
    photos = load_photos(tmp_path / "photos", recursive=False)
    path.unlink()
    with pytest.raises(UserError) as refused:
        clean_photos(photos, CleanConfig(), tmp_path / "work", lambda done, total: None)
    assert refused.value.message.key == "photos.gone" and str(path) in str(refused.value)


def test_cleaning_working_copies_again_remembers_the_users_file(tmp_path: Path) -> None:
    path = make_photo(tmp_path / "photos/a.png", 600, 400)
    once = clean(tmp_path / "photos", tmp_path / "work")
    twice = clean_photos(once, CleanConfig(longest_side_px=256), tmp_path / "work 2", lambda done, total: None)
    assert twice.photos[0].source_path == path and twice.photos[0].width_px == 256
    assert dataclasses.replace(twice, photos=()) == dataclasses.replace(once, photos=(), warnings=twice.warnings)
