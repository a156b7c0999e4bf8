"""A folder as it comes from a phone, a camera, the web and a zip file, through the whole line up to captions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from tests.trainer.awkward_files import SKIN, display_p3_profile, encoded, noisy, png
from trainer.captions.template import CaptionConfig, caption_photos
from trainer.files import file_hash
from trainer.photos.clean import CleanConfig, clean_photos
from trainer.photos.load import load_photos, shown_path
from trainer.photos.report import contact_sheet, describe

GREEN, GREY = (30, 160, 90), (128, 128, 128)
SRGB_SKIN = (200, 153, 128)
SIZE = (60, 40)


def plain(color: tuple[int, ...] = GREEN, mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    """A picture of one color."""
    return Image.new("RGB", size, color).convert(mode)


def turned(orientation: int) -> Image.Exif:
    """EXIF data that say how the camera was held."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def good_files() -> dict[str, tuple[bytes, tuple[int, int], tuple[int, ...]]]:
    """Path, bytes, size as seen and color, all different from each other."""
    upright, lying = SIZE, SIZE[::-1]
    half = plain(GREEN, "RGBA")
    half.putalpha(0)
    deep_rows = (b"\0" + np.array([GREEN] * 60, dtype=">u2").__mul__(257).astype(">u2").tobytes()) * 40
    deep_grey = Image.fromarray(np.full(SIZE[::-1], 128 * 257, dtype=np.uint16))
    several = dict(save_all=True, append_images=[plain((255, 0, 0))])
    p3 = display_p3_profile()
    files = {
        "plain.jpg": (encoded(plain(), "JPEG", quality=95), upright, GREEN),
        "SHOUTING.JPEG": (encoded(plain(), "JPEG", quality=94), upright, GREEN),
        "progressive.jpg": (encoded(plain(), "JPEG", progressive=True), upright, GREEN),
        "held upright.jpg": (encoded(plain(), "JPEG", exif=turned(6)), lying, GREEN),
        "held upside down.jpg": (encoded(plain(), "JPEG", exif=turned(3)), upright, GREEN),
        "held mirrored.webp": (encoded(plain(), "WEBP", exif=turned(5), quality=95), lying, GREEN),
        "scan upright.tif": (encoded(plain(), "TIFF", exif=turned(8)), lying, GREEN),
        "phone colors.jpg": (encoded(plain(SKIN), "JPEG", icc_profile=p3, quality=98), upright, SRGB_SKIN),
        "phone colors.png": (encoded(plain(SKIN), "PNG", icc_profile=p3), upright, SRGB_SKIN),
        "broken profile.png": (encoded(plain(), "PNG", icc_profile=b"?"), upright, GREEN),
        "grey.png": (encoded(plain(GREY, "L"), "PNG"), upright, GREY),
        "grey.jpg": (encoded(plain(GREY, "L"), "JPEG"), upright, GREY),
        "sixteen bits grey.png": (encoded(deep_grey, "PNG"), upright, GREY),
        "sixteen bits grey.tiff": (encoded(deep_grey, "TIFF"), upright, GREY),
        "sixteen bits color.png": (png(16, 2, 60, 40, deep_rows), upright, GREEN),
        "print.jpg": (encoded(plain((0, 160, 0), "CMYK"), "JPEG", quality=95), upright, (0, 160, 0)),
        "print.tif": (encoded(plain((0, 160, 0), "CMYK"), "TIFF"), upright, (0, 160, 0)),
        "palette.png": (encoded(plain(GREEN).quantize(4), "PNG"), upright, GREEN),
        "see-through.png": (encoded(half, "PNG"), upright, (255, 255, 255)),
        "see-through.webp": (encoded(half, "WEBP", lossless=True, exact=True), upright, (255, 255, 255)),
        "see-through palette.gif": (encoded(half, "GIF"), upright, (255, 255, 255)),
        "moving.gif": (encoded(plain(), "GIF", **several), upright, GREEN),
        "moving.webp": (encoded(plain(), "WEBP", lossless=True, **several), upright, GREEN),
        "moving.png": (encoded(plain(), "PNG", **several), upright, GREEN),
        "two pages.tif": (encoded(plain(), "TIFF", **several), upright, GREEN),
        "burst.jpg": (encoded(plain(), "MPO", quality=96, **several), upright, GREEN),
        "old.bmp": (encoded(plain(), "BMP"), upright, GREEN),
        "really a png.jpg": (encoded(plain(), "PNG", compress_level=1), upright, GREEN),
        "with a film.jpg": (encoded(plain(), "JPEG", quality=93) + b"a film" * 99, upright, GREEN),
        "very wide.png": (encoded(plain(size=(3000, 16)), "PNG"), (3000, 16), GREEN),
        "小美/照片 1 😀.jpg": (encoded(plain(), "JPEG", quality=92), upright, GREEN),
        "小美/2/cafe\u0301.jpg": (encoded(plain(), "JPEG", quality=91), upright, GREEN),
    }
    if features.check("avif"):
        files["new.avif"] = (encoded(plain(), "AVIF", quality=95), upright, GREEN)
    return files


def bad_files() -> dict[str, tuple[bytes, str]]:
    """Path, bytes and the reason for which they are rejected."""
    photo = noisy()
    jpeg, web_picture = encoded(photo, "JPEG"), encoded(photo, "WEBP")
    return {
        "bad/cut.jpg": (jpeg[: len(jpeg) // 2], "photos.damaged"),
        "bad/cut at 5 %.jpg": (jpeg[: len(jpeg) // 20], "photos.damaged"),
        "bad/cut.png": (encoded(photo, "PNG")[:-500], "photos.damaged"),
        "bad/cut.webp": (web_picture[: len(web_picture) // 2], "photos.damaged"),
        "bad/cut.gif": (encoded(photo, "GIF")[:-500], "photos.damaged"),
        "bad/cut.tif": (encoded(photo, "TIFF")[:-500], "photos.damaged"),
        "bad/cut.bmp": (encoded(photo, "BMP")[:-500], "photos.damaged"),
        "bad/empty.jpg": (b"", "photos.empty_file"),
        "bad/page.jpg": (b"<!DOCTYPE html><title>403 Forbidden</title>", "photos.not_a_picture"),
        "bad/text.png": ("小美".encode(), "photos.not_a_picture"),
        "bad/one pixel.png": (encoded(plain(size=(1, 1)), "PNG"), "photos.too_small"),
        "bad/bomb.png": (png(8, 0, 20_000, 20_000, b"\0"), "photos.too_many_pixels"),
        "z copy of plain.jpg": (good_files()["plain.jpg"][0], "photos.duplicate"),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All of them in one folder, with files that are nobody's photos."""
    folder = tmp_path / "照片 of Merlina"
    silent = {"notes.txt": b"hello", "data.json": b"{}", ".hidden.jpg": b"x", "小美/Thumbs.db": b"x", "clip.mov": b"x"}
    contents = {name: data for name, (data, *_) in {**good_files(), **bad_files()}.items()}
    for name, data in {**contents, **silent}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_every_awkward_file_is_read_right_or_rejected_with_its_reason(folder: Path, tmp_path: Path) -> None:
    photos = load_photos(folder, recursive=True)
    rejected = {shown_path(file.path, folder): file.reason.key for file in photos.rejected}
    assert rejected == {name: reason for name, (_, reason) in bad_files().items()}

    cleaned = clean_photos(photos, CleanConfig(), tmp_path / "work", lambda done, total: None)
    wrong = []
    for before, after in zip(photos.photos, cleaned.photos, strict=True):
        _, size, color = good_files()[shown_path(before.path, folder)]
        with Image.open(after.path) as copy:
            pixels = np.asarray(copy, dtype=float)
        right_size = (before.width_px, before.height_px) == size and max(pixels.shape[:2]) == min(1024, max(size))
        if not right_size or pixels.shape[2] != 3 or np.abs(pixels - color).max() > 4:
            wrong.append((before.path.name, pixels.shape, pixels.mean((0, 1)), color))
    assert wrong == []
    assert {shown_path(photo.source_path, folder) for photo in cleaned.photos} == set(good_files())


def test_nothing_in_the_users_folder_is_ever_touched(folder: Path, tmp_path: Path) -> None:
    def state() -> dict[str, tuple[str, int]]:
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path): (file_hash(path), path.stat().st_mtime_ns) for path in files}

    before = state()
    photos = load_photos(folder, recursive=True)
    cleaned = clean_photos(photos, CleanConfig(), tmp_path / "work", lambda done, total: None)
    for one in (photos, cleaned):
        caption_photos(one, CaptionConfig(subject="小美"))
        contact_sheet(one, thumb_px=48)
        assert len(describe(one, "zh").splitlines()) > len(bad_files())
    assert state() == before
