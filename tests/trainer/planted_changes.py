"""Photographs that no threshold was set on, and what is planted in them: copies, blur, grain, darkness, bars."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from trainer.photos.photo import Photo
from trainer.photos.view import VIEW_PX

Change = Callable[[Image.Image], Image.Image]
SURE_BITS = 6
"""So many of 64 bits apart or fewer are taken for one picture when nothing but the hash is looked at."""


# Photographs


def untuned_photographs() -> dict[str, Image.Image]:
    """The pictures that no threshold was set on, by name: RGB, no side longer than VIEW_PX."""
    return {name: open_picture(path) for name, path in [*package_photographs(), *template_files(half=1)]}


def package_photographs() -> Iterator[tuple[str, Path]]:
    """Photographs in scikit-image and scikit-learn."""
    for package, names in {
        "skimage": ("data/astronaut.png", "data/chelsea.png", "data/coffee.png", "data/rocket.jpg"),
        "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
    }.items():
        found = importlib.util.find_spec(package)
        if found is not None and found.origin is not None:
            yield from ((Path(name).name, Path(found.origin).parent / name) for name in names)


def template_files(*, half: int) -> Iterator[tuple[str, Path]]:
    """Pictures in ComfyUI's packages of workflow templates, of one half by the SHA-256 of their names."""
    comfyui_dir = Path(os.environ.get("COMFYUI_PATH", "~/ComfyUI")).expanduser()
    files = comfyui_dir.glob(".venv/[Ll]ib*/**/site-packages/comfyui_workflow_templates_media*/templates/*")
    for path in sorted(files):
        is_picture = path.suffix in (".webp", ".png", ".jpg", ".jpeg")
        if is_picture and int(hashlib.sha256(path.name.encode()).hexdigest(), 16) % 2 == half:
            yield path.name, path


def open_picture(path: Path, frame: int = 0) -> Image.Image:
    """A frame of a picture as a view."""
    with Image.open(path) as image:
        image.seek(frame)
        view = image.convert("RGB")
    view.thumbnail((VIEW_PX, VIEW_PX), Image.Resampling.LANCZOS)
    return view


def photo_of(view: Image.Image, name: str = "photo") -> Photo:
    """A photo that is as large as its view."""
    path = Path(name)
    return Photo(path=path, source_path=path, width_px=view.width, height_px=view.height, content_hash=name)


# What is planted


def jpeg(quality: int) -> Change:
    """Saved as a JPEG of this quality, and read again."""

    def change(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return change


def blurred(sigma_px: float) -> Change:
    """Out of focus."""
    return lambda image: image.filter(ImageFilter.GaussianBlur(sigma_px))


def noisy(sigma: float, seed: int = 0) -> Change:
    """With grain of this standard deviation in each channel."""

    def change(image: Image.Image) -> Image.Image:
        pixels = np.asarray(image, np.float32)
        noise = np.random.default_rng(seed).normal(0, sigma, pixels.shape)
        return Image.fromarray(np.clip(pixels + noise, 0, 255).round().astype(np.uint8))

    return change


def upscaled(factor: int) -> Change:
    """A picture of a fraction of the size, enlarged."""
    bicubic = Image.Resampling.BICUBIC
    return lambda image: image.resize((image.width // factor, image.height // factor), bicubic).resize(
        image.size, bicubic
    )


def cut(share: float) -> Change:
    """With so much of the width and height cut off, half on each side."""

    def change(image: Image.Image) -> Image.Image:
        right, bottom = round(image.width * share / 2), round(image.height * share / 2)
        return image.crop((right, bottom, image.width - right, image.height - bottom))

    return change


def half_size(image: Image.Image) -> Image.Image:
    """Half as wide and high."""
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC)


def brighter(image: Image.Image) -> Image.Image:
    """By 30 %, lights clipped."""
    return ImageEnhance.Brightness(image).enhance(1.3)


def turned(image: Image.Image) -> Image.Image:
    """By 2 degrees, the corners cut off."""
    return cut(0.08)(image.rotate(2, Image.Resampling.BICUBIC))


def barred(colour: str, share: float) -> Change:
    """With bars above and below, each so high in shares of the height."""

    def change(image: Image.Image) -> Image.Image:
        bar_px = max(1, round(image.height * share))
        framed = Image.new("RGB", (image.width, image.height + 2 * bar_px), colour)
        framed.paste(image, (0, bar_px))
        return jpeg(90)(framed)

    return change


def in_turn(*changes: Change) -> Change:
    """One after the other."""

    def change(image: Image.Image) -> Image.Image:
        for one in changes:
            image = one(image)
        return image

    return change


COPIES: Mapping[str, Change] = {
    "another file of equal pixels": lambda image: image,
    "JPEG 50": jpeg(50),
    "half size": half_size,
    "30 % brighter": brighter,
    "mirrored": ImageOps.mirror,
    "2 % cut off": cut(0.02),
    "5 % cut off": cut(0.05),
    "10 % cut off": cut(0.10),
    "turned by 2 degrees": turned,
    "blurred, sigma 2": blurred(2),
    "noisy, sigma 10": noisy(10),
}
FAULTS: Mapping[str, Change] = {
    "blurred, sigma 1": blurred(1),
    "blurred, sigma 2": blurred(2),
    "enlarged 4 times": upscaled(4),
    "noisy, sigma 10": noisy(10),
    "noisy, sigma 10, then JPEG 80": in_turn(noisy(10), jpeg(80)),
    "blurred, sigma 2, and noisy, sigma 10": in_turn(blurred(2), noisy(10)),
    "a quarter as bright": lambda image: ImageEnhance.Brightness(image).enhance(0.25),
}
BARS: Mapping[str, Change] = {
    "black bars, 10 % each": barred("black", 0.1),
    "black bars, 2 % each": barred("black", 0.02),
    "white bars, 5 % each": barred("white", 0.05),
}
