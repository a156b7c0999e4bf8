"""Picture files as people really have them, made byte by byte where Pillow writes no such thing."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from trainer.photos.photo import PhotoSet

SKIN = (193, 155, 132)
"""A skin tone; read as sRGB where Display P3 is meant, it turns out visibly grey."""
D50_P3 = np.array([[0.515102, 0.291965, 0.157153], [0.241182, 0.692236, 0.066582], [-0.001049, 0.041882, 0.784378]])
D50_SRGB = np.array([[0.436066, 0.385147, 0.143066], [0.222488, 0.716873, 0.060608], [0.013916, 0.097076, 0.714096]])


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of the picture in a format."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noisy(width_px: int = 96, height_px: int = 64, seed: int = 0) -> Image.Image:
    """A picture whose parts all differ."""
    small = np.random.default_rng(seed).integers(0, 256, (height_px // 8, width_px // 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width_px, height_px), Image.Resampling.BICUBIC)


def left_half_red() -> Image.Image:
    """As seen upright: 32 x 16, red on the left, blue on the right."""
    image = Image.new("RGB", (32, 16), "blue")
    image.paste("red", (0, 0, 16, 16))
    return image


def chunk(name: bytes, data: bytes) -> bytes:
    """A PNG's chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(bit_depth: int, color_type: int, width_px: int, height_px: int, rows: bytes) -> bytes:
    """A PNG of any kind, which Pillow itself cannot always write; `rows` begin with their filter byte."""
    header = struct.pack(">IIBBBBB", width_px, height_px, bit_depth, color_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def linear(value: np.ndarray) -> np.ndarray:
    """The sRGB curve (which Display P3 shares): encoded 0..1 to light 0..1."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def display_p3_profile() -> bytes:
    """An ICC v2 profile of Display P3, as phones put into their photos."""

    def xyz(values: np.ndarray) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))

    curve = np.round(linear(np.linspace(0, 1, 4096)) * 65535).astype(">u2").tobytes()
    name = b"Display P3\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(79),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": xyz(np.array([0.9642, 1.0, 0.8249])),
        **{letter + b"XYZ": xyz(D50_P3[:, index]) for index, letter in enumerate((b"r", b"g", b"b"))},
        **{letter + b"TRC": b"curv\0\0\0\0" + struct.pack(">I", 4096) + curve for letter in (b"r", b"g", b"b")},
    }
    table, body = struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        table += tag + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = 132 + 12 * len(tags) + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"none", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body


def make_photo(path: Path, seed: int = 0, width_px: int = 96, height_px: int = 64, **options: object) -> Path:
    """A picture file of noise, in the format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noisy(width_px, height_px, seed).save(path, **options)
    return path


def names(photos: PhotoSet) -> list[str]:
    """The photos' paths below their folder."""
    return [photo.path.relative_to(photos.folder).as_posix() for photo in photos.photos]


def reasons(photos: PhotoSet) -> dict[str, str]:
    """Rejected files and the key of the reason."""
    return {file.path.name: file.reason.key for file in photos.rejected}
