"""HEIC and HEIF photos, phones' grids of tiles among them: parsed here, decoded by PyAV, which ComfyUI brings.

Tiles are put together before colours are made of them, so that no seams show. The file's own rotation, mirroring and
cropping are applied; its EXIF orientation only repeats them (23008-12, 6.5.10) and is not. Overlays are not read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from .bmff import BrokenFile, Item, Items, Size, is_bmff, read_items
from .profiles import profile_of
from .unusable import UnusablePhoto

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"}
_AVIF_BRANDS = (b"avif", b"avis")
_ALPHA = (b"urn:mpeg:hevc:2015:auxid:1\0", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")
_MAX_TILES = 4096
"""150 megapixels in tiles of 512 px are 572; more only costs time."""
_LUMA_WEIGHTS = {1: (0.2126, 0.0722), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
"""Red's and blue's share of the luma by H.273 matrix; the others are BT.601's."""
_BT601 = (0.299, 0.114)
_IDENTITY, _LIMITED = 0, 1
_HDR_CURVES = {16: "PQ", 18: "HLG"}
_STRIP_ROWS = 256
_ANTICLOCKWISE = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


@dataclass(frozen=True, kw_only=True)
class Colours:
    """What a picture's numbers mean, as H.273 counts."""

    primaries: int = 2
    curve: int = 2
    matrix: int = 2
    full_range: bool = False


@dataclass(frozen=True, kw_only=True)
class _Planes:
    """A decoded picture before its colours are made: luma, or luma and two smaller planes, 8 bits each."""

    planes: list[np.ndarray]
    colours: Colours
    """As the video stream says it."""


def is_heif(beginning: bytes) -> bool:
    """Whether a file that begins like this is HEIF, and not AVIF, which Pillow reads by itself."""
    brands = beginning[8:64]
    return is_bmff(beginning) and beginning[8:12] in _BRANDS and not any(brand in brands for brand in _AVIF_BRANDS)


def stored_colours(items: Items) -> tuple[bytes | None, Colours | None]:
    """The ICC profile and the H.273 numbers of the picture that a HEIF or AVIF file shows, where it has them."""
    primary = items.primary
    properties = list(primary.properties)
    for part in primary.references.get("dimg", [])[:1]:
        properties += items.item(part).properties
    icc, numbers = None, None
    for content in (content for kind, content in properties if kind == "colr"):
        if content[:4] in (b"prof", b"rICC") and icc is None:
            icc = content[4:]
        elif content[:4] == b"nclx" and numbers is None:
            primaries, curve, matrix, range_bits = struct.unpack_from(">HHHB", content, 4)
            numbers = Colours(primaries=primaries, curve=curve, matrix=matrix, full_range=bool(range_bits & 0x80))
    return icc, numbers


def refuse_hdr(colours: Colours) -> None:
    """Raises UnusablePhoto for a picture whose brightness has a curve of HDR video: as sRGB it would look wrong."""
    if colours.curve in _HDR_CURVES:
        raise UnusablePhoto("photos.hdr", curve=_HDR_CURVES[colours.curve])


def shown_size(file: BinaryIO) -> Size:
    """Upright (width, height) of the picture that a HEIF file shows; decodes nothing. Raises BrokenFile."""
    primary = read_items(file).primary
    size = primary.size
    for kind, content in primary.properties:
        if kind == "clap":
            left, top, right, bottom = _aperture(content, size)
            size = right - left, bottom - top
        elif kind == "irot" and content[0] & 1:
            size = size[1], size[0]
    return size


def decode_heif(file: BinaryIO) -> Image.Image:
    """The picture that a HEIF file shows, upright: RGB, RGBA or L, with its ICC profile in `info`.

    Raises UnusablePhoto for HDR and where PyAV is missing; BrokenFile, struct.error or PyAV's errors for damage.
    """
    try:
        import av as av
    except ImportError:
        raise UnusablePhoto("photos.heif_missing") from None
    items = read_items(file)
    icc, numbers = stored_colours(items)
    if numbers:
        refuse_hdr(numbers)
    decoded = _decode(items, items.primary)
    colours = numbers or decoded.colours
    refuse_hdr(colours)
    image = _coloured(decoded.planes, colours)
    for auxiliary in items.by_id.values():
        is_alpha = (auxiliary.first("auxC") or b"")[4:].startswith(_ALPHA)
        if is_alpha and items.primary_id in auxiliary.references.get("auxl", []):
            alpha = Image.fromarray(_decode(items, auxiliary).planes[0])
            image.putalpha(alpha if alpha.size == image.size else alpha.resize(image.size))
            break
    image = _transformed(image, items.primary)
    profile = icc or profile_of(colours.primaries)
    if profile and image.mode != "L":
        image.info["icc_profile"] = profile
    return image


def _decode(items: Items, item: Item) -> _Planes:
    parts = item.references.get("dimg", [])
    if item.kind == "iden" and len(parts) == 1 and items.item(parts[0]).kind != "iden":
        return _decode(items, items.item(parts[0]))
    if item.kind != "grid":
        return _cut(_frame_planes(_decode_frame(items, item)), item.size)
    version, flags, rows, columns = struct.unpack_from(">BBBB", items.content(item))
    size = struct.unpack_from(">II" if flags & 1 else ">HH", items.content(item), 4)
    rows, columns = rows + 1, columns + 1
    tiles = [items.item(part) for part in parts]
    if len(tiles) != rows * columns or len(tiles) > _MAX_TILES or size != item.size:
        raise BrokenFile("tiles are missing")
    tile_size = tiles[0].size
    fits = all(side <= count * tile < side + tile for side, count, tile in zip(size, (columns, rows), tile_size))
    if not fits or any(tile.size != tile_size for tile in tiles):
        raise BrokenFile("the tiles do not make up the picture")
    return _assembled(items, tiles, columns, size)


def _assembled(items: Items, tiles: list[Item], columns: int, size: Size) -> _Planes:
    whole: _Planes | None = None
    for index, tile in enumerate(tiles):
        made = _cut(_frame_planes(_decode_frame(items, tile)), tile.size)
        if whole is None:
            shrinks = [tuple(-(-full // part) for full, part in zip(made.planes[0].shape, plane.shape))
                       for plane in made.planes]  # fmt: skip
            shapes = [tuple(-(-side // shrink) for side, shrink in zip(size[::-1], by)) for by in shrinks]
            whole = _Planes(planes=[np.zeros(shape, np.uint8) for shape in shapes], colours=made.colours)
        if len(made.planes) != len(whole.planes):
            raise BrokenFile("the tiles differ in kind")
        row, column = divmod(index, columns)
        for target, plane in zip(whole.planes, made.planes):
            height, width = plane.shape
            place = target[row * height : (row + 1) * height, column * width : (column + 1) * width]
            place[:] = plane[: place.shape[0], : place.shape[1]]
    assert whole is not None
    return whole


def _decode_frame(items: Items, item: Item) -> VideoFrame:
    import av

    config, (width_px, height_px) = item.first("hvcC"), item.size
    if item.kind not in ("hvc1", "hev1") or config is None:
        raise BrokenFile(f"pictures of the kind {item.kind} are not read")
    decoder: Any = av.CodecContext.create("hevc", "r")
    decoder.extradata = config
    decoder.thread_count = 1  # photos are decoded side by side already
    # The stream's own idea of its size must not fill the memory; coding blocks may stick out by 64 px.
    decoder.options = {"err_detect": "explode+crccheck", "max_pixels": str((width_px + 64) * (height_px + 64))}
    frames = [*decoder.decode(av.Packet(items.content(item))), *decoder.decode(None)]
    if not frames or frames[0].is_corrupt:
        raise BrokenFile("a tile cannot be decoded")
    return frames[0]


def _frame_planes(frame: VideoFrame) -> _Planes:
    planes = []
    for component in frame.format.components:
        plane: Any = frame.planes[component.plane]
        if plane.line_size < 0 or component.bits > 16:
            raise BrokenFile("an unusual way to keep pixels")
        stored = np.frombuffer(plane, np.uint8 if component.bits == 8 else "<u2")
        rows = stored.reshape(component.height, -1)[:, : component.width]
        planes.append(rows if component.bits == 8 else _eight_bits(rows, component.bits))
    colours = Colours(
        primaries=frame.color_primaries, curve=frame.color_trc, matrix=int(frame.colorspace),
        full_range=int(frame.color_range) > _LIMITED,
    )  # fmt: skip
    if frame.format.name.startswith("gbr"):
        planes = [planes[index] for index in (1, 2, 0)] if frame.format.components[0].plane == 2 else planes
    return _Planes(planes=planes[:3], colours=colours)


def _eight_bits(rows: np.ndarray, bits: int) -> np.ndarray:
    rounded = (rows.astype(np.uint32) + (1 << (bits - 9))) >> (bits - 8)
    return np.minimum(rounded, 255).astype(np.uint8)


def _cut(decoded: _Planes, size: Size) -> _Planes:
    """Without what sticks out of the picture. Raises BrokenFile where the stream is smaller than the file says."""
    height, width = decoded.planes[0].shape
    if width < size[0] or height < size[1]:
        raise BrokenFile("the picture is smaller than the file says")
    planes = []
    for plane in decoded.planes:
        down, across = -(-height // plane.shape[0]), -(-width // plane.shape[1])
        planes.append(plane[: -(-size[1] // down), : -(-size[0] // across)])
    return _Planes(planes=planes, colours=decoded.colours)


def _coloured(planes: list[np.ndarray], colours: Colours) -> Image.Image:
    luma = planes[0]
    height, width = luma.shape
    grey = len(planes) < 3
    scale, offset = (1.0, 0.0) if colours.full_range else (255 / 219, 16.0)
    if grey:
        return Image.fromarray(luma).point([round((value - offset) * scale) for value in range(256)])
    matrix = _to_rgb(colours)
    chroma = [Image.fromarray(np.ascontiguousarray(plane)) for plane in planes[1:]]
    across, down = -(-width // chroma[0].width), -(-height // chroma[0].height)
    image = Image.new("RGB", (width, height))
    for top in range(0, height, _STRIP_ROWS):  # in strips: the whole at full size would need three times the memory
        rows = min(_STRIP_ROWS, height - top)
        box = (0.0, top / down, min(width / across, chroma[0].width), min((top + rows) / down, chroma[0].height))
        bands = [Image.fromarray(np.ascontiguousarray(luma[top : top + rows]))]
        bands += [plane.resize((width, rows), Image.Resampling.BILINEAR, box=box) for plane in chroma]
        image.paste(Image.merge("RGB", bands).convert("RGB", matrix), (0, top))
    return image


def _to_rgb(colours: Colours) -> tuple[float, ...]:
    """Rows of (luma, blue difference, red difference, constant) for red, green and blue; H.273 section 8.3."""
    light, light_from, colour = (1.0, 0.0, 1.0) if colours.full_range else (255 / 219, 16.0, 255 / 224)
    if colours.matrix == _IDENTITY:  # green, blue, red
        constant = -light_from * light
        return (0.0, 0.0, light, constant, light, 0.0, 0.0, constant, 0.0, light, 0.0, constant)
    red, blue = _LUMA_WEIGHTS.get(colours.matrix, _BT601)
    green = 1 - red - blue
    rows = [
        (0.0, 2 * (1 - red) * colour),
        (-2 * blue * (1 - blue) / green * colour, -2 * red * (1 - red) / green * colour),
        (2 * (1 - blue) * colour, 0.0),
    ]
    made: list[float] = []
    for from_blue, from_red in rows:
        made += [light, from_blue, from_red, -light_from * light - 128 * (from_blue + from_red)]
    return tuple(made)


def _transformed(image: Image.Image, item: Item) -> Image.Image:
    for kind, content in item.properties:
        if kind == "clap":
            image = image.crop(_aperture(content, image.size))
        elif kind == "irot":
            turn = _ANTICLOCKWISE[content[0] & 3]
            image = image.transpose(turn) if turn is not None else image
        elif kind == "imir":
            flip = Image.Transpose.FLIP_LEFT_RIGHT if content[0] & 1 else Image.Transpose.FLIP_TOP_BOTTOM
            image = image.transpose(flip)
    return image


def _aperture(content: bytes, size: Size) -> tuple[int, int, int, int]:
    """What a `clap` property leaves of a picture: left, top, right, bottom in pixels. Raises BrokenFile outside it."""
    numbers = struct.unpack_from(">IIIIiIiI", content)
    if 0 in numbers[1::2]:
        raise BrokenFile("a division by zero")
    width, height, across, down = (above / below for above, below in zip(numbers[::2], numbers[1::2]))
    left, top = round(across + (size[0] - width) / 2), round(down + (size[1] - height) / 2)
    right, bottom = left + round(width), top + round(height)
    if left < 0 or top < 0 or right > size[0] or bottom > size[1] or right <= left or bottom <= top:
        raise BrokenFile("it is cropped to nothing")
    return left, top, right, bottom
