"""Pixels: from a file's bytes to an upright sRGB picture. A file that is not whole is refused, never filled up."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageChops, ImageCms

from ..messages import Message, UserError

MAX_MEGAPIXELS = 150
"""Beyond it a small file can fill the memory; the largest phone cameras in use have 108."""
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIF")
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8", b"BM", b"II*\0", b"MM\0*")
"""How the files of our formats begin; AVIF and HEIF begin with a length and `ftyp`."""
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation: what turns the stored picture upright."""
_LYING = (5, 6, 7, 8)


class UnusablePhoto(Exception):
    """A file that cannot serve as a photo; `reason` is for the user."""

    def __init__(self, key: str, **values: object) -> None:
        self.reason = Message(key, values)
        super().__init__(key)


class _WholeFile(io.BytesIO):
    """Bytes that refuse to be read past their end.

    Pillow takes the end of a cut-off file for an error only while a process-wide flag is off, and other ComfyUI nodes
    switch that flag on; then the missing part becomes grey. This refusal does not depend on the flag.
    """

    at_work = False

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if self.at_work and not data and size != 0:
            raise EOFError("the file ends too early")
        return data


def read_pixels(path: Path) -> Image.Image:
    """The photo as people see it: upright, sRGB, mode RGB, transparency on white. Raises UserError if unreadable."""
    return _read(path, lambda data: as_rgb(decode(data)[0]))


def read_thumbnail(path: Path, size_px: int) -> Image.Image:
    """Like `read_pixels`, no side longer than `size_px`, and much faster for large JPEGs. Raises UserError."""

    def read(data: bytes) -> Image.Image:
        thumbnail = as_rgb(decode(data, draft_px=2 * size_px)[0])
        thumbnail.thumbnail((size_px, size_px), Image.Resampling.LANCZOS)
        return thumbnail

    return _read(path, read)


def read_alpha(path: Path) -> Image.Image:
    """How opaque a picture is (255 wholly), upright, mode L; white for one without transparency. Raises UserError."""

    def read(data: bytes) -> Image.Image:
        image = decode(data)[0]
        alpha = _apart(_in_eight_bits(image))[1]
        return _upright(alpha or Image.new("L", image.size, 255), image)

    return _read(path, read)


def read_grey(path: Path) -> Image.Image:
    """How bright a picture is, upright, mode L; what is transparent is black. For masks: no colour profile is applied.

    Raises UserError.
    """

    def read(data: bytes) -> Image.Image:
        image = decode(data)[0]
        colours, alpha = _apart(_in_eight_bits(image))
        grey = colours.convert("RGB").convert("L")
        return _upright(ImageChops.multiply(grey, alpha) if alpha else grey, image)

    return _read(path, read)


def has_alpha(data: bytes) -> bool:
    """Whether a picture's file says that it has transparency; nothing is decoded."""
    try:
        _prepare_decoders(data)
        with Image.open(io.BytesIO(data)) as image:
            return image.has_transparency_data
    except Exception:  # on damaged bytes Pillow's readers raise almost anything; reading the pixels will tell
        return False


def measure(data: bytes) -> tuple[int, int]:
    """Upright (width, height) in pixels of a file that decodes completely. Raises UnusablePhoto for any other."""
    image, (width_px, height_px) = decode(data, draft_px=1)
    if image.format in ("JPEG", "MPO") and _ends_in_filling(image):
        raise UnusablePhoto("photos.damaged")
    return (height_px, width_px) if _orientation(image) in _LYING else (width_px, height_px)


def decode(data: bytes, *, draft_px: int = 0) -> tuple[Image.Image, tuple[int, int]]:
    """The decoded picture as stored (not yet upright), and its full (width, height) in pixels.

    With `draft_px`, JPEGs may be decoded smaller, each side still at least so long. Raises UnusablePhoto.
    """
    if not data:
        raise UnusablePhoto("photos.empty_file")
    _prepare_decoders(data)
    file = _WholeFile(data)
    try:
        formats = [name for name in _FORMATS if name in Image.OPEN]
        image: Image.Image = Image.open(file, formats=formats)
    except Image.DecompressionBombError:
        raise UnusablePhoto("photos.too_many_pixels", limit=MAX_MEGAPIXELS) from None
    except Exception as error:  # on damaged bytes Pillow's readers raise almost anything
        begins_well = data.startswith(_BEGINNINGS) or data[4:8] == b"ftyp"
        raise UnusablePhoto("photos.damaged" if begins_well else "photos.not_a_picture") from error
    size = image.size
    if size[0] * size[1] > MAX_MEGAPIXELS * 1_000_000:
        raise UnusablePhoto("photos.too_many_pixels", limit=MAX_MEGAPIXELS)
    try:
        if image.format == "PNG":  # the only format of ours with checksums
            with Image.open(io.BytesIO(data), formats=["PNG"]) as checked:
                checked.verify()
        if draft_px:
            image.draft("RGB", (draft_px, draft_px))
        file.at_work = True
        image.load()
        file.at_work = False
    except Exception as error:  # as above
        raise UnusablePhoto("photos.damaged") from error
    return image, size


def as_rgb(image: Image.Image) -> Image.Image:
    """A decoded picture made upright, sRGB, 8 bits, mode RGB, transparency flattened on white.

    A colour profile that is broken or does not fit the picture is passed over, as browsers do.
    """
    stored, profile = image, image.info.get("icc_profile")
    image = _in_eight_bits(image)
    image, alpha = _apart(image)
    if alpha is None and image.mode in ("P", "PA"):
        image = image.convert("RGB")
    image = _in_srgb(image, profile)
    if alpha is not None:
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=alpha)
        image = white
    return _upright(image, stored)


def _read(path: Path, read: Callable[[bytes], Image.Image]) -> Image.Image:
    try:
        return read(path.read_bytes())
    except (OSError, UnusablePhoto) as error:
        raise UserError("photos.gone", path=path) from error


def _prepare_decoders(data: bytes) -> None:
    """Have Pillow know its formats, and HEIF where this file is one. Raises UnusablePhoto if that is not installed."""
    Image.init()
    is_heif = data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS and b"avif" not in data[8:64]
    if not is_heif or "HEIF" in Image.OPEN:
        return
    try:
        import pillow_heif
    except ImportError:
        raise UnusablePhoto("photos.heif_missing") from None
    pillow_heif.register_heif_opener()


def _apart(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """A picture of 8 bits without its transparency, and that transparency (255 opaque) if it has any."""
    if not image.has_transparency_data:
        return image, None
    image = image.convert("LA" if image.mode in ("L", "LA", "La") else "RGBA")
    return image.convert(image.mode[:-1]), image.getchannel("A")


def _upright(image: Image.Image, stored: Image.Image) -> Image.Image:
    """The picture turned as the EXIF of the picture that it was made from says."""
    turn = _TURNS.get(_orientation(stored))
    return image.transpose(turn) if turn is not None else image


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a broken EXIF block says nothing, and is no reason to lose the photo
        return 1


def _ends_in_filling(image: Image.Image) -> bool:
    """Whether the last rows of a JPEG are the exact middle grey that decoders put where data is missing.

    Finds files that were cut off and then closed properly by another program.
    """
    width_px, height_px = image.size
    last_rows = image.crop((0, max(height_px - 2, 0), width_px, height_px))
    grey = {(128, 128)}
    return _extrema(last_rows) == grey and _extrema(image) != grey


def _extrema(image: Image.Image) -> set[object]:
    return set(image.convert("RGB").getextrema())


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey (0..65535) and float grey (0..1 or 0..255) scaled to 8 bits; Pillow's own conversion would clip."""
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "F":
        brightest = image.getextrema()[1]
        scale = 255.0 if isinstance(brightest, float) and brightest <= 1.0 else 1.0
    elif image.mode == "I" or image.mode.startswith("I;16"):
        scale = 255 / 65535
    else:
        return image
    # +0.5 rounds: the conversion to L cuts off.
    as_float = image if image.mode == "F" else image.convert("I").convert("F")
    return as_float.point(lambda value: value * scale + 0.5).convert("L")


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile and image.mode in ("L", "RGB", "CMYK", "LAB"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            name = ImageCms.getProfileDescription(source).lower()
            # Most photos are sRGB already; converting them would cost time and change nothing.
            if not (image.mode == "RGB" and name.startswith(("srgb iec61966", "srgb built-in"))):
                converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
                return converted if converted is not None else image
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # the promise of as_rgb: passed over
    return image.convert("RGB")
