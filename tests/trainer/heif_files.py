"""HEIC files as phones write them, built byte by byte; only the tiles themselves are encoded, by PyAV's libx265."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from PIL import Image

LIMITED_BT601, FULL_BT601, FULL_BT709 = (6, False), (6, True), (1, True)
_NAL_VPS, _NAL_PPS = 32, 34


def can_encode() -> bool:
    """Whether the tiles of such files can be made here."""
    try:
        import av
    except ImportError:
        return False
    return "libx265" in av.codecs_available


@dataclass(kw_only=True)
class Coded:
    """A picture as HEVC: the decoder's configuration and one sample."""

    config: bytes
    sample: bytes
    size: tuple[int, int]


def box(kind: bytes, *content: bytes) -> bytes:
    """A box with its length and name."""
    whole = b"".join(content)
    return struct.pack(">I4s", 8 + len(whole), kind) + whole


def full_box(kind: bytes, version: int, flags: int, *content: bytes) -> bytes:
    """A box with a version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def code(image: Image.Image, *, pixels: str = "yuv420p", matrix: int = 6, full_range: bool = True) -> Coded:
    """A picture as one HEVC key frame of nearly no loss."""
    import av

    encoder = av.CodecContext.create("libx265", "w")
    encoder.width, encoder.height, encoder.pix_fmt = image.width, image.height, pixels
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25, 1)
    encoder.color_range, encoder.colorspace = 2 if full_range else 1, matrix
    encoder.flags |= 1 << 22  # configuration apart from the sample
    parameters = "log-level=none:info=0:keyint=1:pools=1:frame-threads=1"
    encoder.options = {"crf": "2", "preset": "ultrafast", "x265-params": parameters}
    frame = av.VideoFrame(image.width, image.height, pixels)
    for plane, values in zip(frame.planes, yuv(image, pixels, matrix, full_range)):
        rows = np.zeros((plane.height, plane.line_size // values.itemsize), values.dtype)
        rows[:, : values.shape[1]] = values
        plane.update(rows.tobytes())
    frame.pts = 0
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    sample = b"".join(bytes(packet) for packet in packets)
    units = [unit for unit in _units(bytes(encoder.extradata or b"") + sample) if unit]
    heads = [unit for unit in units if _NAL_VPS <= unit[0] >> 1 & 63 <= _NAL_PPS]
    others = [unit for unit in units if unit[0] >> 1 & 63 < _NAL_VPS]
    return Coded(
        config=_configuration(heads, 10 if "10" in pixels else 8, 0 if pixels.startswith("gray") else 1),
        sample=b"".join(struct.pack(">I", len(unit)) + unit for unit in others),
        size=image.size,
    )


def yuv(image: Image.Image, pixels: str, matrix: int, full_range: bool) -> list[np.ndarray]:
    """Luma and colour differences of a picture by the textbook (H.273 8.3), the latter at the size that is asked."""
    red, blue = (0.2126, 0.0722) if matrix == 1 else (0.299, 0.114)
    rgb_HWC = np.asarray(image.convert("RGB"), dtype=float)
    luma = rgb_HWC @ np.array([red, 1 - red - blue, blue])
    differences = [(rgb_HWC[..., 2] - luma) / (2 - 2 * blue), (rgb_HWC[..., 0] - luma) / (2 - 2 * red)]
    if "420" in pixels:
        differences = [one.reshape(one.shape[0] // 2, 2, -1, 2).mean((1, 3)) for one in differences]
    elif "422" in pixels:
        differences = [one.reshape(one.shape[0], -1, 2).mean(2) for one in differences]
    scale_luma, first, scale = (1.0, 0.0, 1.0) if full_range else (219 / 255, 16.0, 224 / 255)
    deep = 4 if "10" in pixels else 1
    kind = "<u2" if deep > 1 else np.uint8
    planes = [luma * scale_luma + first] + [one * scale + 128 for one in differences]
    planes = planes[:1] if pixels.startswith("gray") else planes
    return [np.clip(np.round(plane * deep), 0, 256 * deep - 1).astype(kind) for plane in planes]


def _units(stream: bytes) -> list[bytes]:
    return [unit.rstrip(b"\0") for unit in stream.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")]


def _configuration(heads: list[bytes], bits: int, chroma: int) -> bytes:
    arrays = b""
    for unit in heads:
        arrays += struct.pack(">BHH", 0x80 | unit[0] >> 1 & 63, 1, len(unit)) + unit
    level = bytes([1, 3 if bits == 8 else 2]) + bytes([0x60, 0, 0, 0]) + bytes([0x90, 0, 0, 0, 0, 0]) + b"\x5d"
    rest = bytes([0xF0, 0, 0xFC, 0xFC | chroma, 0xF8 | bits - 8, 0xF8 | bits - 8, 0, 0, 0x0F, len(heads)])
    return box(b"hvcC", level + rest + arrays)


@dataclass
class HeifFile:
    """The items of a file under construction; `bytes()` writes it, the primary item wherever it stands."""

    items: list[tuple[bytes, bytes, list[bytes]]] = field(default_factory=list)
    references: list[tuple[bytes, int, list[int]]] = field(default_factory=list)
    primary: int = 0
    brand: bytes = b"heic"

    def add(self, kind: bytes, content: bytes, *properties: bytes) -> int:
        """Add an item; gives its number."""
        self.items.append((kind, content, list(properties)))
        return len(self.items)

    def add_coded(self, coded: Coded, *properties: bytes) -> int:
        """Add a coded picture."""
        return self.add(b"hvc1", coded.sample, coded.config, ispe(*coded.size), *properties)

    def add_grid(self, image: Image.Image, tile_px: int, *properties: bytes, **options: object) -> int:
        """Add a picture in square tiles, the last ones padded, as phones do."""
        columns, rows = -(-image.width // tile_px), -(-image.height // tile_px)
        pixels_HWC = np.asarray(image)
        padding = [(0, rows * tile_px - image.height), (0, columns * tile_px - image.width), (0, 0)]
        padded = Image.fromarray(np.pad(pixels_HWC, padding[: pixels_HWC.ndim], "edge"))
        parts = []
        for row in range(rows):
            for column in range(columns):
                left, top = column * tile_px, row * tile_px
                tile = padded.crop((left, top, left + tile_px, top + tile_px))
                parts.append(self.add_coded(code(tile, **options)))
        content = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *image.size)
        grid = self.add(b"grid", content, ispe(*image.size), *properties)
        self.references.append((b"dimg", grid, parts))
        return grid

    def __bytes__(self) -> bytes:
        known: list[bytes] = []
        for _, _, properties in self.items:
            known += [one for one in properties if one not in known]
        associations = b"".join(
            struct.pack(">HB", number, len(properties)) + bytes(0x80 | 1 + known.index(one) for one in properties)
            for number, (_, _, properties) in enumerate(self.items, start=1)
        )
        entries = b"".join(
            full_box(b"infe", 2, 0, struct.pack(">HH4s", number, 0, kind), b"\0")
            for number, (kind, _, _) in enumerate(self.items, start=1)
        )
        references = b"".join(
            box(kind, struct.pack(f">HH{len(to)}H", source, len(to), *to)) for kind, source, to in self.references
        )
        head = box(b"ftyp", self.brand, bytes(4), b"mif1", self.brand)

        def meta(first_byte: int) -> bytes:
            places, at = b"", first_byte
            for number, (_, content, _) in enumerate(self.items, start=1):
                places += struct.pack(">HHHII", number, 0, 1, at, len(content))
                at += len(content)
            return full_box(
                b"meta", 0, 0, full_box(b"hdlr", 0, 0, bytes(4), b"pict", bytes(13)),
                full_box(b"pitm", 0, 0, struct.pack(">H", self.primary or len(self.items))),
                full_box(b"iloc", 0, 0, struct.pack(">BBH", 0x44, 0, len(self.items)), places),
                full_box(b"iinf", 0, 0, struct.pack(">H", len(self.items)), entries),
                box(b"iprp", box(b"ipco", *known),
                    full_box(b"ipma", 0, 0, struct.pack(">I", len(self.items)), associations)),
                full_box(b"iref", 0, 0, references) if references else b"",
            )  # fmt: skip

        data = b"".join(content for _, content, _ in self.items)
        return head + meta(len(head) + len(meta(0)) + 8) + box(b"mdat", data)


def ispe(width_px: int, height_px: int) -> bytes:
    """The property that says a picture's size."""
    return full_box(b"ispe", 0, 0, struct.pack(">II", width_px, height_px))


def irot(quarter_turns: int) -> bytes:
    """The property that turns a picture against the clock."""
    return box(b"irot", bytes([quarter_turns]))


def imir(axis: int) -> bytes:
    """The property that mirrors a picture: 0 top and bottom, 1 left and right change places."""
    return box(b"imir", bytes([axis]))


def clap(width_px: int, height_px: int, across: float = 0, down: float = 0) -> bytes:
    """The property that crops a picture around its middle, moved by so many pixels."""
    offsets = (round(2 * across), 2, round(2 * down), 2)
    return box(b"clap", struct.pack(">IIIIiIiI", width_px, 1, height_px, 1, *offsets))


def icc(profile: bytes) -> bytes:
    """The property with a colour profile."""
    return box(b"colr", b"prof", profile)


def nclx(primaries: int, curve: int, matrix: int, full_range: bool) -> bytes:
    """The property with the colours in numbers."""
    return box(b"colr", b"nclx", struct.pack(">HHHB", primaries, curve, matrix, full_range << 7))


def heic(image: Image.Image, *properties: bytes, tile_px: int = 0, **options: object) -> bytes:
    """A whole file: one coded picture, or with `tile_px` a grid of them."""
    file = HeifFile()
    if tile_px:
        file.add_grid(image, tile_px, *properties, **options)
    else:
        file.add_coded(code(image, **options), *properties)
    return bytes(file)
