"""Decoding: every picture people really have comes out upright, sRGB and whole, or is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile, features

from tests.trainer.awkward_files import (
    D50_P3,
    D50_SRGB,
    SKIN,
    display_p3_profile,
    encoded,
    left_half_red,
    linear,
    noisy,
    png,
)  # fmt: skip
from trainer.photos.pixels import UnusablePhoto, measure, read_pixels, read_thumbnail


def read(data: bytes, tmp_path: Path, name: str = "photo") -> Image.Image:
    """What `read_pixels` makes of these bytes."""
    path = tmp_path / name
    path.write_bytes(data)
    return read_pixels(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_exif_orientation_comes_out_upright(orientation: int, kind: str, tmp_path: Path) -> None:
    turn_back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = left_half_red()
    if orientation in turn_back:
        stored = stored.transpose(turn_back[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(stored, kind, exif=exif, quality=95)
    seen = read(data, tmp_path)
    assert seen.size == (32, 16) == measure(data)
    assert seen.getpixel((4, 8))[0] > 200 > 60 > seen.getpixel((4, 8))[2]
    assert seen.getpixel((28, 8))[2] > 200


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_with_a_turn_comes_out_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(left_half_red().transpose(Image.Transpose.ROTATE_90), "AVIF", exif=exif)
    assert read(data, tmp_path).size == (32, 16) == measure(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_display_p3_becomes_srgb(kind: str, tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 64), SKIN)
    data = encoded(image, kind, icc_profile=display_p3_profile(), quality=100)
    light = np.linalg.inv(D50_SRGB) @ D50_P3 @ linear(np.array(SKIN) / 255)
    expected = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(np.array(read(data, tmp_path).getpixel((32, 32))) - expected).max() <= 3  # JPEG alone costs 2
    assert np.abs(np.array(SKIN) - expected).max() > 5


@pytest.mark.parametrize("profile", [b"no profile at all", display_p3_profile()[:200]])
def test_broken_or_missing_profile_means_srgb(profile: bytes, tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 64), SKIN)
    assert read(encoded(image, "PNG", icc_profile=profile), tmp_path).getpixel((3, 3)) == SKIN


def test_srgb_profile_changes_nothing(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(read(encoded(noisy(), "PNG", icc_profile=profile), tmp_path), noisy())


def test_sixteen_bit_pictures_are_scaled_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)[None].repeat(16, 0)
    expected = np.round(ramp / 257)[..., None].repeat(3, -1)
    grey = Image.fromarray(ramp)
    color_rows = b"".join(b"\0" + ramp[:1].repeat(3, 0).T.astype(">u2").tobytes() for _ in range(16))
    files = [encoded(grey, "PNG"), encoded(grey, "TIFF"), png(16, 2, 64, 16, color_rows)]
    for data in files:
        assert np.abs(np.asarray(read(data, tmp_path), dtype=float) - expected).max() <= 1


def test_float_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 64, dtype=np.float32)[None].repeat(16, 0)
    seen = np.asarray(read(encoded(Image.fromarray(ramp), "TIFF"), tmp_path), dtype=float)
    assert np.abs(seen[..., 0] - ramp * 255).max() <= 1


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    data = encoded(Image.new("RGB", (32, 32), (200, 40, 40)).convert("CMYK"), "JPEG", quality=95)
    red, green, blue = read(data, tmp_path).getpixel((16, 16))
    assert red > 180 and green < 70 and blue < 70


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_become_white(mode: str, tmp_path: Path) -> None:
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 8, 16))
    seen = read(encoded(image.convert(mode), "PNG"), tmp_path)
    assert seen.mode == "RGB"
    assert seen.getpixel((2, 8)) == (255, 255, 255) and seen.getpixel((12, 8)) == (0, 0, 0)


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_grey_and_palette_become_rgb(mode: str, tmp_path: Path) -> None:
    seen = read(encoded(left_half_red().convert(mode), "PNG"), tmp_path)
    assert np.array_equal(seen, left_half_red().convert(mode).convert("RGB"))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_of_several_frames_the_first_is_read(kind: str, tmp_path: Path) -> None:
    data = encoded(left_half_red(), kind, save_all=True, append_images=[Image.new("RGB", (32, 16), "green")])
    assert measure(data) == (32, 16)
    red, green, _ = read(data, tmp_path).getpixel((4, 8))
    assert red > 200 and green < 80


CUTTABLE = {
    "JPEG": {}, "progressive JPEG": {"progressive": True}, "PNG": {}, "WEBP": {}, "GIF": {}, "BMP": {}, "TIFF": {},
    "AVIF": {},
}  # fmt: skip


@pytest.mark.parametrize("others_allow_truncated_files", [False, True])
@pytest.mark.parametrize("kind", CUTTABLE)
def test_cut_off_files_are_refused_wherever_they_are_cut(
    kind: str, others_allow_truncated_files: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", others_allow_truncated_files)
    data = encoded(noisy(), kind.split()[-1], **CUTTABLE[kind])
    assert measure(data) == (96, 64)
    for share in np.linspace(0.0, 0.97, 40):
        with pytest.raises(UnusablePhoto):
            measure(data[: int(len(data) * share)])


@pytest.mark.parametrize("others_allow_truncated_files", [False, True])
def test_png_with_changed_bytes_is_refused(others_allow_truncated_files: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", others_allow_truncated_files)
    data = encoded(noisy(), "PNG")
    middle = len(data) // 2
    with pytest.raises(UnusablePhoto, match="damaged"):
        measure(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])


def test_jpeg_cut_off_and_closed_again_is_refused_for_its_grey_tail() -> None:
    data = encoded(noisy(480, 320), "JPEG")
    with pytest.raises(UnusablePhoto, match="damaged"):
        measure(data[: len(data) // 2] + b"\xff\xd9")


def test_even_grey_photo_is_no_damage() -> None:
    assert measure(encoded(Image.new("RGB", (64, 64), (128, 128, 128)), "JPEG")) == (64, 64)


def test_bytes_after_the_end_do_no_harm() -> None:
    assert measure(encoded(noisy(), "JPEG") + b"appended by a phone" * 99) == (96, 64)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "photos.empty_file"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "photos.not_a_picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "photos.not_a_picture"),
        (b"\xff\xd8\xff\xe0", "photos.damaged"),
        (png(8, 0, 20_000, 20_000, b"\0"), "photos.too_many_pixels"),
        (png(8, 0, 15_000, 11_000, b"\0"), "photos.too_many_pixels"),
    ],
    ids=["empty", "web page", "PostScript", "only a JPEG's first bytes", "400 megapixels", "165 megapixels"],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_is_no_picture_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnusablePhoto) as refused:
        measure(data)
    assert refused.value.reason.key == reason


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_is_no_reason_to_lose_a_photo(tmp_path: Path) -> None:
    data = encoded(noisy(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7fnonsense")
    assert read(data, tmp_path).size == measure(data) == (96, 64)


def test_thumbnail_is_the_photo_made_small(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(noisy(640, 480), "JPEG", quality=95))
    thumbnail = read_thumbnail(path, 80)
    assert thumbnail.size == (80, 60)
    whole = read_pixels(path).resize((80, 60), Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(thumbnail, dtype=float) - np.asarray(whole, dtype=float)).mean() < 3
