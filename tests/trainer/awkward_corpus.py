"""A folder with everything that people, phones, zip programs and attackers put into one, made byte by byte.

`good_files` are photos whatever they look like, `bad_files` are none, each for a reason; `make_corpus` adds what only a
file system has: links, pipes, folders with a picture's name, files that may not be read.
"""

from __future__ import annotations

import os
import struct
import sys
import zipfile
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, features

from tests.trainer.awkward_files import SKIN, chunk, display_p3_profile, encoded, noisy, png
from tests.trainer.heif_files import can_encode, heic, icc, irot, nclx

GREEN, GREY, WHITE = (30, 160, 90), (128, 128, 128), (255, 255, 255)
SRGB_SKIN = (200, 153, 128)
"""SKIN, if it was meant as Display P3."""
SIZE = (60, 40)
Color = tuple[int, ...]
Good = tuple[bytes, tuple[int, int], Color]
"""Bytes, size as seen and color."""


def plain(color: Color = GREEN, mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    """A picture of one color."""
    return Image.new("RGB", size, color).convert(mode)


def turned(orientation: int) -> Image.Exif:
    """EXIF data that say how the camera was held."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@cache
def good_files() -> dict[str, Good]:
    """Path -> bytes, size as seen and color, all different from each other."""
    return {**_plain_files(), **_deep_and_clear_files(), **_odd_but_good_files(), **_heif_files()}


def _plain_files() -> dict[str, Good]:
    upright, lying = SIZE, SIZE[::-1]
    several = dict(save_all=True, append_images=[plain((255, 0, 0))])
    files: dict[str, Good] = {
        "plain.jpg": (encoded(plain(), "JPEG", quality=95), upright, GREEN),
        "SHOUTING.JPEG": (encoded(plain(), "JPEG", quality=94), upright, GREEN),
        "progressive.jpg": (encoded(plain(), "JPEG", progressive=True), upright, GREEN),
        "held upright.jpg": (encoded(plain(), "JPEG", exif=turned(6)), lying, GREEN),
        "held upside down.jpg": (encoded(plain(), "JPEG", exif=turned(3)), upright, GREEN),
        "held mirrored.webp": (encoded(plain(), "WEBP", exif=turned(5), quality=95), lying, GREEN),
        "scan upright.tif": (encoded(plain(), "TIFF", exif=turned(8)), lying, GREEN),
        "grey.jpg": (encoded(plain(GREY, "L"), "JPEG"), upright, GREY),
        "moving.gif": (encoded(plain(), "GIF", **several), upright, GREEN),
        "moving.webp": (encoded(plain(), "WEBP", lossless=True, **several), upright, GREEN),
        "moving.png": (encoded(plain(), "PNG", **several), upright, GREEN),
        "two pages.tif": (encoded(plain(), "TIFF", **several), upright, GREEN),
        "burst.jpg": (encoded(plain(), "MPO", quality=96, **several), upright, GREEN),
        "old.bmp": (encoded(plain(), "BMP"), upright, GREEN),
        "packed.tif": (encoded(plain(), "TIFF", compression="tiff_lzw"), upright, GREEN),
        "zipped.tif": (encoded(plain(), "TIFF", compression="tiff_adobe_deflate"), upright, GREEN),
        "photo in a.tif": (encoded(plain(), "TIFF", compression="jpeg", quality=95), upright, GREEN),
        "小美/照片 1 😀.jpg": (encoded(plain(), "JPEG", quality=92), upright, GREEN),
        "小美/2/cafe\u0301.jpg": (encoded(plain(), "JPEG", quality=91), upright, GREEN),
    }
    if features.check("avif"):
        files["new.avif"] = (encoded(plain(), "AVIF", quality=95), upright, GREEN)
        files["new upright.avif"] = (encoded(plain(), "AVIF", quality=96, exif=turned(6)), lying, GREEN)
    return files


def _deep_and_clear_files() -> dict[str, Good]:
    half = plain(GREEN, "RGBA")
    half.putalpha(0)
    clear_grey = plain(GREY, "LA")
    clear_grey.putalpha(0)
    deep_rows = (b"\0" + np.array([GREEN] * 60, dtype=">u2").__mul__(257).astype(">u2").tobytes()) * 40
    deep_grey = Image.fromarray(np.full(SIZE[::-1], 128 * 257, dtype=np.uint16))
    floating = Image.fromarray(np.full(SIZE[::-1], 128 / 255, dtype=np.float32))
    p3 = display_p3_profile()
    return {
        "phone colors.jpg": (encoded(plain(SKIN), "JPEG", icc_profile=p3, quality=98), SIZE, SRGB_SKIN),
        "phone colors.png": (encoded(plain(SKIN), "PNG", icc_profile=p3), SIZE, SRGB_SKIN),
        "phone colors.webp": (encoded(plain(SKIN), "WEBP", icc_profile=p3, lossless=True), SIZE, SRGB_SKIN),
        "broken profile.png": (encoded(plain(), "PNG", icc_profile=b"?"), SIZE, GREEN),
        "profile of print.jpg": (encoded(plain(), "JPEG", icc_profile=p3[:16] + b"CMYK" + p3[20:]), SIZE, GREEN),
        "grey.png": (encoded(plain(GREY, "L"), "PNG"), SIZE, GREY),
        "one bit.png": (encoded(plain(WHITE, "1"), "PNG"), SIZE, WHITE),
        "sixteen bits grey.png": (encoded(deep_grey, "PNG"), SIZE, GREY),
        "sixteen bits grey.tiff": (encoded(deep_grey, "TIFF"), SIZE, GREY),
        "floating grey.tiff": (encoded(floating, "TIFF"), SIZE, GREY),
        "sixteen bits color.png": (png(16, 2, 60, 40, deep_rows), SIZE, GREEN),
        "print.jpg": (encoded(plain((0, 160, 0), "CMYK"), "JPEG", quality=95), SIZE, (0, 160, 0)),
        "print.tif": (encoded(plain((0, 160, 0), "CMYK"), "TIFF"), SIZE, (0, 160, 0)),
        "palette.png": (encoded(plain(GREEN).quantize(4), "PNG"), SIZE, GREEN),
        "palette.bmp": (encoded(plain(GREEN).quantize(4), "BMP"), SIZE, GREEN),
        "see-through.png": (encoded(half, "PNG"), SIZE, WHITE),
        "see-through grey.png": (encoded(clear_grey, "PNG"), SIZE, WHITE),
        "see-through.webp": (encoded(half, "WEBP", lossless=True, exact=True), SIZE, WHITE),
        "see-through palette.gif": (encoded(half, "GIF"), SIZE, WHITE),
    }


def _odd_but_good_files() -> dict[str, Good]:
    jpeg = encoded(plain(), "JPEG", quality=90)
    files = {
        "really a png.jpg": (encoded(plain(), "PNG", compress_level=1), SIZE, GREEN),
        "really a jpeg.heic": (encoded(plain(), "JPEG", quality=89), SIZE, GREEN),
        "with a film.jpg": (encoded(plain(), "JPEG", quality=93) + b"a film" * 99, SIZE, GREEN),
        "broken exif.jpg": (encoded(plain(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7fnonsense"), SIZE, GREEN),
        "impossible turn.jpg": (encoded(plain(), "JPEG", quality=88, exif=turned(99)), SIZE, GREEN),
        "very wide.png": (encoded(plain(size=(3000, 16)), "PNG"), (3000, 16), GREEN),
        "very high.jpg": (encoded(plain(size=(16, 20_000)), "JPEG"), (16, 20_000), GREEN),
        "no end mark.jpg": (jpeg + b"\0" * 9, SIZE, GREEN),
    }
    if sys.platform != "win32":
        files["\"quoted\" 'name'\nof two lines.jpg"] = (encoded(plain(), "JPEG", quality=87), SIZE, GREEN)
        files["back\\slash and *? .jpg"] = (encoded(plain(), "JPEG", quality=86), SIZE, GREEN)
    return files


def _heif_files() -> dict[str, Good]:
    if not can_encode():
        return {}
    large = (200, 136)
    return {
        "IMG_0001.HEIC": (heic(plain(size=large), tile_px=64), large, GREEN),
        "IMG_0002.HEIC": (heic(plain(size=large), irot(3), tile_px=64), large[::-1], GREEN),
        "IMG_0003.heic": (heic(plain(SKIN, size=large), icc(display_p3_profile()), tile_px=64), large, SRGB_SKIN),
        "IMG_0004.heif": (heic(plain(SKIN), nclx(12, 13, 6, True)), SIZE, SRGB_SKIN),
        "IMG_0005 deep.heic": (heic(plain(), pixels="yuv420p10le"), SIZE, GREEN),
        "IMG_0006 as sent.jpg": (heic(plain(), full_range=False), SIZE, GREEN),
    }


@cache
def bad_files() -> dict[str, tuple[bytes, str]]:
    """Path -> bytes, and the reason for which they are rejected."""
    return {**_damaged_files(), **_no_pictures(), **_bombs()}


def _damaged_files() -> dict[str, tuple[bytes, str]]:
    photo = noisy()
    whole = {kind: encoded(photo, kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")}
    if features.check("avif"):
        whole["AVIF"] = encoded(photo, "AVIF")
    if can_encode():
        whole["HEIC"] = heic(noisy(200, 136), tile_px=64)
    files = {}
    for kind, data in whole.items():
        suffix = {"JPEG": "jpg", "TIFF": "tif"}.get(kind, kind.lower())
        files[f"bad/cut at 5 %.{suffix}"] = data[: len(data) // 20]
        files[f"bad/cut in the middle.{suffix}"] = data[: len(data) // 2]
        files[f"bad/cut at the end.{suffix}"] = data[: -max(9, len(data) // 30)]
    png_data, jpeg = whole["PNG"], whole["JPEG"]
    files["bad/no head.jpg"] = b"\xff\xd8\xff" + bytes(300) + jpeg[303:]
    files["bad/changed in the middle.png"] = png_data[:500] + bytes([png_data[500] ^ 1]) + png_data[501:]
    files["bad/hole.png"] = png_data[:400] + bytes(600) + png_data[1000:]
    files["bad/closed again.jpg"] = encoded(noisy(480, 320), "JPEG")[:9000] + b"\xff\xd9"
    files["bad/a film.heic"] = struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + b"\0\0\0\x08mdat"
    files["bad/ring of pages.tif"] = b"II*\0" + struct.pack("<IHI", 8, 0, 8)
    files["bad/no width.png"] = png(8, 0, 0, 40, b"\0")
    return {name: (data, "photos.damaged") for name, data in files.items()}


def _no_pictures() -> dict[str, tuple[bytes, str]]:
    zipped = BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.jpg", b"x" * 100)
    nothing = {
        "bad/page.jpg": b"<!DOCTYPE html><title>403 Forbidden</title>",
        "bad/text.png": "小美".encode(),
        "bad/drawing.webp": b"<svg xmlns='http://www.w3.org/2000/svg' width='99' height='99'/>",
        "bad/paper.jpg": b"%PDF-1.7\n1 0 obj\n",
        "bad/print.tif": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "bad/album.jpg": zipped.getvalue(),
        "bad/zeros.jpg": bytes(5000),
        "bad/icon.png": b"\0\0\1\0\1\0" + bytes(99),
    }
    return {
        **{name: (data, "photos.not_a_picture") for name, data in nothing.items()},
        "bad/empty.jpg": (b"", "photos.empty_file"),
        "bad/empty.heic": (b"", "photos.empty_file"),
        "bad/one pixel.png": (encoded(plain(size=(1, 1)), "PNG"), "photos.too_small"),
        "bad/20000 x 10.png": (encoded(plain(size=(20_000, 10)), "PNG"), "photos.too_small"),
        "z copy of plain.jpg": (_plain_files()["plain.jpg"][0], "photos.duplicate"),
    }


def _bombs() -> dict[str, tuple[bytes, str]]:
    jpeg = encoded(plain(), "JPEG")
    at = jpeg.index(b"\xff\xc0") + 5
    text = png(8, 2, 60, 40, (b"\0" + bytes(GREEN) * 60) * 40)
    text = text[:33] + chunk(b"zTXt", b"a\0\0" + _squeezed(200_000_000)) + text[33:]
    bombs = {
        "bad/bomb.png": (png(8, 0, 20_000, 20_000, b"\0"), "photos.too_many_pixels"),
        "bad/bomb.jpg": (jpeg[:at] + struct.pack(">HH", 65_000, 65_000) + jpeg[at + 4 :], "photos.too_many_pixels"),
        "bad/bomb.gif": (b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + encoded(plain(), "GIF")[10:],
                         "photos.too_many_pixels"),
        "bad/bomb.bmp": (b"BM" + bytes(8) + struct.pack("<IIiiHHI", 54, 40, 30_000, 30_000, 1, 24, 0) + bytes(20),
                         "photos.too_many_pixels"),
        "bad/bomb in a text.png": (text, "photos.damaged"),
    }  # fmt: skip
    if can_encode():
        hdr = heic(plain(), nclx(9, 16, 9, False))
        bombs["bad/film colors.heic"] = (hdr, "photos.hdr")
        picture = heic(plain())
        at = picture.index(b"ispe") + 8
        bombs["bad/bomb.heic"] = (picture[:at] + struct.pack(">II", 20_000, 20_000) + picture[at + 8 :],
                                  "photos.too_many_pixels")  # fmt: skip
    return bombs


def _squeezed(num_zeros: int) -> bytes:
    import zlib

    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(num_zeros >> 20)) + packer.flush()


def make_corpus(folder: Path) -> tuple[set[str], dict[str, str]]:
    """Fill a folder; gives the paths of its photos, and of everything that must be rejected the reason's key.

    Files that pass in silence (texts, hidden files, other programs' files) are in neither.
    """
    contents = {name: data for name, (data, *_) in {**good_files(), **bad_files()}.items()}
    silent = {"notes.txt": b"hello", "data.json": b"{}", ".hidden.jpg": b"x", "小美/Thumbs.db": b"x", "clip.mov": b"x"}
    for name, data in {**contents, **silent}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    photos = set(good_files())
    rejected = {name: reason for name, (_, reason) in bad_files().items()}
    (folder / "a folder.jpg").mkdir()
    rejected["a folder.jpg"] = "photos.is_a_folder"
    if sys.platform != "win32":
        os.mkfifo(folder / "pipe.jpg")
        rejected["pipe.jpg"] = "photos.not_a_file"
        (folder / "locked.jpg").write_bytes(encoded(plain(), "JPEG", quality=70))
        (folder / "locked.jpg").chmod(0)
        rejected["locked.jpg"] = "photos.unreadable"
        (folder / "locked").mkdir(mode=0)
        rejected["locked"] = "photos.unreadable"
        (folder / "z link.jpg").symlink_to("plain.jpg")
        rejected["z link.jpg"] = "photos.duplicate"
        (folder / "ring.jpg").symlink_to("ring.jpg")
        rejected["ring.jpg"] = "photos.unreadable"
        (folder / "out.jpg").symlink_to(Path(__file__))
        rejected["out.jpg"] = "photos.link_leads_out"
        (folder / "loop").symlink_to(folder, target_is_directory=True)
        (folder / "outside").symlink_to(Path(__file__).parent, target_is_directory=True)
        rejected["outside"] = "photos.link_leads_out"
    return photos, rejected
