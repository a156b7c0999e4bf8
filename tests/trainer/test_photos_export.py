"""Export: one decode, one resampling, only pixels in the file, and shares that stay exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.files import file_hash
from trainer.photos.cleaning.export import cut_and_scale, scaled_size, whole_pixels, write_picture
from trainer.photos.photo import WHOLE


def noise(width_px: int, height_px: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (height_px, width_px, 3), dtype=np.uint8))


@pytest.mark.parametrize("longest_side_px", [256, 1000, 1024])
def test_scaling_keeps_the_aspect_ratio_and_never_enlarges(longest_side_px: int) -> None:
    sizes = np.random.default_rng(1).integers(1, 9000, (500, 2))
    for width_px, height_px in sizes.tolist():
        new_width_px, new_height_px = scaled_size(width_px, height_px, longest_side_px)
        assert max(new_width_px, new_height_px) == min(longest_side_px, max(width_px, height_px))
        exact = min(1.0, longest_side_px / max(width_px, height_px))
        assert abs(new_width_px - max(1, width_px * exact)) <= 0.5
        assert abs(new_height_px - max(1, height_px * exact)) <= 0.5


def test_picture_that_needs_no_scaling_is_not_resampled() -> None:
    picture = noise(300, 200)
    assert np.array_equal(cut_and_scale(picture, WHOLE, 1024), picture)
    assert np.array_equal(cut_and_scale(picture, (0.1, 0.25, 0.9, 1.0), 1024), picture.crop((30, 50, 270, 200)))


def test_cutting_and_scaling_in_one_go_is_cutting_then_scaling_but_for_the_rim() -> None:
    picture = noise(900, 600).resize((900, 600))
    at_once = np.asarray(cut_and_scale(picture, (0.1, 0.1, 0.9, 0.9), 256), dtype=int)
    one_by_one = picture.crop((90, 60, 810, 540)).resize((256, 171), Image.Resampling.LANCZOS)
    inner = (slice(4, -4), slice(4, -4))
    assert np.abs(at_once - np.asarray(one_by_one, dtype=int))[inner].max() <= 1


def test_frame_in_whole_pixels_is_the_nearest_and_stays_as_it_is() -> None:
    draw = np.random.default_rng(2)
    for _ in range(500):
        width_px, height_px = draw.integers(2, 5000, 2).tolist()
        left, right = sorted(draw.uniform(0, 1, 2).tolist())
        top, bottom = sorted(draw.uniform(0, 1, 2).tolist())
        frame = whole_pixels((left, top, right, bottom), width_px, height_px)
        assert whole_pixels(frame, width_px, height_px) == frame
        assert abs(frame[0] - left) * width_px <= 1 and abs(frame[3] - bottom) * height_px <= 1
        assert frame[0] < frame[2] and frame[1] < frame[3]


@pytest.mark.parametrize("file_format", ["png", "jpeg"])
def test_file_holds_pixels_and_nothing_else(file_format: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    exif.get_ifd(0x8825)[2] = (48.0, 51.0, 30.0)  # where the photo was taken
    picture = noise(64, 48)
    picture.save(tmp_path / "source.jpg", exif=exif, icc_profile=b"not a profile", comment=b"mine", dpi=(300, 300))
    with Image.open(tmp_path / "source.jpg") as image:
        image.load()
        content_hash = write_picture(image, tmp_path / "copy", file_format)
    assert content_hash == file_hash(tmp_path / "copy")
    with Image.open(tmp_path / "copy") as copy:
        assert copy.format == file_format.upper() and not copy.getexif()
        assert not set(copy.info) & {"exif", "icc_profile", "comment", "dpi", "xmp", "photoshop"}


def test_jpeg_keeps_colour_at_full_resolution(tmp_path: Path) -> None:
    write_picture(noise(64, 48), tmp_path / "copy.jpg", "jpeg")
    with Image.open(tmp_path / "copy.jpg") as copy:
        assert [layer[1:3] for layer in copy.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]
