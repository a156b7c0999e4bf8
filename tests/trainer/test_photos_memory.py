"""How much memory reading takes: what is reckoned with for every format, and under 1 GB whatever comes together."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from tests.trainer.awkward_files import display_p3_profile, encoded, png
from tests.trainer.heif_files import can_encode, heic, icc, irot
from trainer.photos.jpeg import coefficient_bytes, num_scans
from trainer.photos.pixels import UnusablePhoto, measure, memory_to_read, read_pixels
from trainer.photos.room import HALVED_ABOVE_PX, ROOM_BYTES, Room
from trainer.photos.threads import in_threads

ROOT = Path(__file__).parents[2]
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell its peaks")
READ_ONE = """
import sys
from pathlib import Path
import av.video.codeccontext
from trainer.photos.pixels import memory_to_read, read_pixels
from tests.trainer.fuzz_photos import peak_bytes
before = peak_bytes()
path = Path(sys.argv[1])
with open(path, "rb") as file:
    reckoned = memory_to_read(file)
read_pixels(path)
print(peak_bytes() - before, reckoned)
"""
LOAD_ALL = """
import sys
from pathlib import Path
from trainer.photos.load import load_photos
from trainer.photos.photo import PhotoSet
from trainer.photos.pixels import read_pixels, read_thumbnail
from trainer.photos.room import memory_of
from trainer.photos.threads import in_threads
from tests.trainer.fuzz_photos import peak_bytes
photos = load_photos(Path(sys.argv[1]), recursive=False).photos
in_threads(lambda photo: read_thumbnail(photo.path, 1024).size, photos, num_bytes=memory_of)
in_threads(lambda photo: read_pixels(photo.path).size, photos, num_bytes=memory_of)
print(len(photos), peak_bytes())
"""


def in_own_process(script: str, path: Path) -> list[int]:
    """The numbers that a script prints."""
    command = [sys.executable, "-W", "ignore", "-c", script, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return [int(word) for word in done.stdout.split()]


def large(width_px: int = 4000, height_px: int = 3000) -> Image.Image:
    """A picture as large as a phone's."""
    small = np.random.default_rng(0).integers(0, 256, (height_px // 40, width_px // 40, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width_px, height_px), Image.Resampling.BICUBIC)


def hungry_files() -> dict[str, bytes]:
    """12 megapixels of each kind, turned and with a profile wherever the kind can be."""
    photo, exif, profile = large(), Image.Exif(), display_p3_profile()
    exif[0x0112] = 6
    clear, both = photo.convert("RGBA"), dict(exif=exif, icc_profile=profile)
    clear.putalpha(photo.getchannel(0))
    grey = np.asarray(photo.convert("L"))
    files = {
        "a.jpg": encoded(photo, "JPEG", **both),
        "progressive.jpg": encoded(photo, "JPEG", progressive=True, subsampling=0, quality=95, **both),
        "print.jpg": encoded(photo.convert("CMYK"), "JPEG", progressive=True, exif=exif),
        "a.png": encoded(photo, "PNG", compress_level=1, **both),
        "clear.png": encoded(clear, "PNG", compress_level=1, **both),
        "deep.png": encoded(Image.fromarray(grey.astype(np.uint16) * 257), "PNG", compress_level=1, exif=exif),
        "a.webp": encoded(photo, "WEBP", method=0, **both),
        "clear.webp": encoded(clear, "WEBP", method=0, lossless=True, **both),
        "clear.tif": encoded(clear, "TIFF", compression="tiff_lzw", **both),
        "float.tif": encoded(Image.fromarray(grey.astype(np.float32)), "TIFF", exif=exif),
        "a.bmp": encoded(photo, "BMP"),
        "clear.gif": encoded(photo.quantize(64), "GIF", transparency=3),
    }
    if features.check("avif"):
        files["clear.avif"] = encoded(clear, "AVIF", speed=10, **both)
    if can_encode():
        files["grid.heic"] = heic(photo, irot(1), icc(profile), tile_px=512, pixels="yuv444p")
        files["deep.heic"] = heic(photo, irot(1), icc(profile), pixels="yuv422p10le")
    return files


@needs_proc
@pytest.mark.slow
def test_no_format_takes_more_memory_than_is_reckoned_with(tmp_path: Path) -> None:
    for name, data in hungry_files().items():
        (tmp_path / name).write_bytes(data)
        taken, reckoned = in_own_process(READ_ONE, tmp_path / name)
        print(f"{name:16} {taken / 12e6:5.1f} of {reckoned / 12e6:5.1f} bytes per pixel")
        assert taken < reckoned, name


@needs_proc
def test_progressive_12_megapixels_take_no_more_than_is_reckoned_with(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(large(), "JPEG", progressive=True, subsampling=0, quality=80))
    taken, reckoned = in_own_process(READ_ONE, tmp_path / "a.jpg")
    assert taken < reckoned


@needs_proc
def test_photos_of_12_megapixels_together_stay_under_one_gigabyte(tmp_path: Path) -> None:
    data = encoded(large(), "JPEG", quality=85, icc_profile=display_p3_profile())
    for index in range(5):
        (tmp_path / f"{index}.jpg").write_bytes(data + bytes([index]))
    num_photos, peak = in_own_process(LOAD_ALL, tmp_path)
    assert num_photos == 5 and peak < 1_000_000_000


@needs_proc
@pytest.mark.slow
def test_largest_pictures_that_are_let_in_stay_under_one_gigabyte_together(tmp_path: Path) -> None:
    (tmp_path / "108 megapixels.jpg").write_bytes(encoded(large(12_000, 9_000), "JPEG", quality=50))
    (tmp_path / "48 megapixels.png").write_bytes(encoded(large(8_000, 6_000), "PNG", compress_level=1))
    (tmp_path / "33 megapixels.webp").write_bytes(encoded(large(6_600, 5_000), "WEBP", method=0, quality=30))
    num_photos, peak = in_own_process(LOAD_ALL, tmp_path)
    print(f"{peak / 1e6:.0f} MB")
    assert num_photos == 3 and peak < 1_000_000_000


def test_huge_jpeg_comes_smaller_and_keeps_its_proportions(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(Image.new("L", (9_000, 6_000), 90), "JPEG"))
    image = read_pixels(path)
    assert image.size == (4_500, 3_000) and HALVED_ABOVE_PX < 54_000_000


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_too_large_pictures_are_refused_with_what_would_fit(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(8, 0, 12_000, 10_000, b"\0"))
    with open(tmp_path / "a.png", "rb") as file, pytest.raises(UnusablePhoto) as refused:
        memory_to_read(file)
    assert refused.value.reason.values["limit"] == ROOM_BYTES // 12 // 1_000_000


def tiff_of_one_tile(side_px: int, tile_px: int) -> bytes:
    """A small grey TIFF whose only tile is huge and black."""
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(tile_px)) for _ in range(tile_px)) + packer.flush()
    fields = {256: side_px, 257: side_px, 258: 8, 259: 8, 262: 1, 277: 1, 322: tile_px, 323: tile_px, 324: 0, 325: 0}
    fields |= {324: 8 + 2 + 12 * len(fields) + 4, 325: len(rows)}
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields.items())
    return b"II*\0" + struct.pack("<IH", 8, len(fields)) + table + bytes(4) + rows


def test_tiff_may_not_hide_a_huge_tile_in_a_small_picture() -> None:
    assert measure(tiff_of_one_tile(100, 1024)) == (100, 100)
    with pytest.raises(UnusablePhoto, match="too_many_pixels"):
        memory_to_read(io.BytesIO(tiff_of_one_tile(100, 32_000)))


def scans_of(num_scans: int) -> bytes:
    """A progressive JPEG with its last scan again and again."""
    whole = encoded(Image.new("RGB", (64, 64), "green"), "JPEG", progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * num_scans + b"\xff\xd9"


def test_jpeg_with_thousands_of_scans_is_refused_before_it_takes_hours() -> None:
    assert num_scans(encoded(large(400, 300), "JPEG", progressive=True), 100) == 10
    assert num_scans(encoded(large(400, 300), "JPEG"), 100) == 1
    for subsampling, kept in ((0, 6.0), (2, 3.0)):
        progressive = encoded(large(400, 300), "JPEG", progressive=True, subsampling=subsampling)
        assert coefficient_bytes(progressive) == kept
    assert coefficient_bytes(encoded(large(400, 300), "JPEG")) == 0
    with pytest.raises(UnusablePhoto, match="damaged"):
        measure(scans_of(1000))


def test_room_is_never_overfull_and_what_is_larger_than_it_runs_alone() -> None:
    room, at_work, most, lock = Room(12), list[int](), [0], threading.Lock()

    def work(num_bytes: int) -> None:
        with room.taken(num_bytes):
            with lock:
                at_work.append(num_bytes)
                most[0] = max(most[0], sum(at_work) if len(at_work) > 1 else 0)
            time.sleep(0.002)
            with lock:
                at_work.remove(num_bytes)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [4, 30, 6, 1] * 10))
    assert 0 < most[0] <= 12


def test_threads_that_read_large_photos_wait_for_each_other() -> None:
    at_work, seen = list[int](), list[int]()

    def work(num_bytes: int) -> int:
        at_work.append(num_bytes)
        seen.append(len(at_work))
        time.sleep(0.01)
        at_work.pop()
        return num_bytes

    given = [ROOM_BYTES] * 4
    assert in_threads(work, given, num_bytes=lambda num_bytes: num_bytes) == given and seen == [1] * 4


def test_room_is_given_back_after_an_error() -> None:
    room = Room(10)
    with pytest.raises(ZeroDivisionError), room.taken(10):
        _ = 1 / 0
    with room.taken(10):
        pass
