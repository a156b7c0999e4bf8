"""From a decoded picture, whatever its numbers mean, to what people see: upright, sRGB, 8 bits. Reads no file."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

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
_STRIP_PX = 1 << 20


def as_rgb(image: Image.Image) -> Image.Image:
    """A decoded picture made upright, sRGB, 8 bits, mode RGB, transparency flattened on white.

    A colour profile that is broken or does not fit the picture is passed over, as browsers do. The picture that is
    given is used up: with the largest photos there is no memory for one more copy.
    """
    turn, profile = _turn(image), image.info.get("icc_profile")
    image = in_eight_bits(image)
    image, alpha = apart(image)
    if alpha is None and image.mode in ("P", "PA"):
        image = image.convert("RGB")
    image = _in_srgb(image, profile)
    if alpha is not None:
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=alpha)
        image = white
    return image.transpose(turn) if turn is not None else image


def upright_size(image: Image.Image, size: tuple[int, int]) -> tuple[int, int]:
    """A stored (width, height) as it is seen upright."""
    return size[::-1] if _orientation(image) in _LYING else size


def upright(image: Image.Image, stored: Image.Image) -> Image.Image:
    """The picture turned as the EXIF of the picture that it was made from says."""
    turn = _turn(stored)
    return image.transpose(turn) if turn is not None else image


def apart(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """A picture of 8 bits without its transparency, and that transparency (255 opaque) if it has any."""
    if not image.has_transparency_data:
        return image, None
    mode = "LA" if image.mode in ("L", "LA", "La") else "RGBA"
    image = image if image.mode == mode else image.convert(mode)
    return image.convert(image.mode[:-1]), image.getchannel("A")


def in_eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey (0..65535) and float grey (0..1 or 0..255) scaled to 8 bits; Pillow's own conversion would clip."""
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "F":
        brightest = image.getextrema()[1]
        return _scaled(image, 255.0 if isinstance(brightest, float) and brightest <= 1.0 else 1.0)
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _scaled(image, 255 / 65535)
    return image


def _scaled(image: Image.Image, scale: float) -> Image.Image:
    """Grey of many bits times `scale`, in 8 bits; in strips, as several copies of the largest would fill memory."""
    grey, num_rows = Image.new("L", image.size), max(1, _STRIP_PX // image.width)
    for top in range(0, image.height, num_rows):
        strip = image.crop((0, top, image.width, min(top + num_rows, image.height)))
        levels_HW = np.nan_to_num(np.asarray(strip, np.float32)) * scale + 0.5
        grey.paste(Image.fromarray(np.clip(levels_HW, 0, 255).astype(np.uint8)), (0, top))
    return grey


def _turn(image: Image.Image) -> Image.Transpose | None:
    return _TURNS.get(_orientation(image))


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a broken EXIF block says nothing, and is no reason to lose the photo
        return 1


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile and image.mode in ("L", "RGB", "CMYK", "LAB"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            name = ImageCms.getProfileDescription(source).lower()
            # Most photos are sRGB already; converting them would cost time and change nothing.
            if not (image.mode == "RGB" and name.startswith(("srgb iec61966", "srgb built-in"))):
                srgb = ImageCms.createProfile("sRGB")
                if image.mode == "RGB":
                    ImageCms.profileToProfile(image, source, srgb, inPlace=True)
                else:
                    image = ImageCms.profileToProfile(image, source, srgb, outputMode="RGB") or image
        except Exception:  # the promise of as_rgb: passed over, whatever Pillow makes of the broken ones
            pass
    return image if image.mode == "RGB" else image.convert("RGB")
