"""Export: a dataset as a folder that AI Toolkit and musubi-tuner train from, and that LoadPhotoFolder reads again.

    <name>.png, .jpg or .webp    a picture, byte for byte; what these programs cannot read, or would turn, as PNG
    <name>.txt                   its caption: UTF-8 without mark, no line break
    dataset.toml                 for musubi-tuner
    README.md                    how to use the folder
    zimage_lora_dataset.json     whose folder it is, and the SHA-256 of its files (record.py)

Both programs want the caption under the picture's own stem. AI Toolkit reads jpg, jpeg, png and webp. musubi-tuner
passes over a photo's orientation, and over suffixes such as .Jpg. (Their sources of August and June 2026.)
"""

from __future__ import annotations

import json
import shutil
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ...files import file_hash, safe_name, write_folder_whole
from ...messages import LANGUAGES, Message, UserError, sentence
from ...photos.cleaning.export import write_picture
from ...photos.folder import natural_order
from ...photos.photo import Photo
from ...photos.pixels import read_pixels
from ...photos.room import memory_of
from ...photos.threads import Progress, in_threads, unheard
from ..dataset import CaptionedPhoto, Dataset
from .record import MUSUBI_CACHE, RECORD_NAME, ExportRecord, check_may_be_replaced, write_record

_FORMATS = ("JPEG", "PNG", "WEBP")
_SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp"}
"""By Pillow's name of the format: what all of these programs read. It opens MPO, a JPEG with another in it, as JPEG."""
_ORIENTATION, _UPRIGHT = 0x0112, (None, 0, 1)
_TAKEN_STEMS = ("default",)
"""AI Toolkit takes default.txt for the caption of every photo without one."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A folder that was exported."""

    folder: Path
    num_photos: int
    converted: tuple[str, ...]
    """The pictures that had to be made PNG, by their new names."""
    was_there: bool
    """Whether the folder held just this already, and was left as it was."""


@dataclass(frozen=True, kw_only=True)
class _File:
    """One picture on its way."""

    item: CaptionedPhoto
    name: str
    is_converted: bool


def export_dataset(dataset: Dataset, folder: Path, progress: Progress = unheard) -> Exported:
    """Write a dataset as a folder, whole or not at all; a folder exported before is replaced, any other is not touched.

    Raises UserError for a folder that is not ours, that the user has changed, or that the photos lie in; for a photo
    that has gone or was changed; for a full disk. And whatever `progress` raises to stop the work.
    """
    folder = folder.expanduser().absolute()
    _check_apart(dataset, folder)
    files = _named(dataset.photos)
    converted = tuple(file.name for file in files if file.is_converted)
    record = ExportRecord(subject=dataset.subject, fingerprint=dataset.fingerprint, names=tuple(f.name for f in files))
    if check_may_be_replaced(folder) == record:
        return Exported(folder=folder, num_photos=len(files), converted=converted, was_there=True)

    def doing(file: _File) -> Message:
        return Message("captions.doing_export", {"name": file.name})

    def write(temporary: Path) -> None:
        in_threads(
            lambda file: _write(file, temporary),
            files,
            progress,
            doing,
            num_bytes=lambda file: memory_of(file.item.photo) if file.is_converted else 0,
        )
        (temporary / "dataset.toml").write_bytes(_toml(folder).encode())
        (temporary / "README.md").write_bytes(_readme(dataset, folder).encode())
        write_record(record, temporary)

    write_folder_whole(folder, write)
    return Exported(folder=folder, num_photos=len(files), converted=converted, was_there=False)


def _check_apart(dataset: Dataset, folder: Path) -> None:
    """A folder among the photos would be read as photos the next time, and one around them would take them away."""
    photos_dir = dataset.photo_set.folder.absolute() if dataset.photo_set else None
    around = any(
        path.absolute().is_relative_to(folder)
        for item in dataset.photos
        for path in (item.photo.path, item.photo.source_path)
    )
    if around or (photos_dir is not None and (folder.is_relative_to(photos_dir) or photos_dir.is_relative_to(folder))):
        raise UserError("captions.export_into_photos", folder=folder)


def _named(photos: Sequence[CaptionedPhoto]) -> list[_File]:
    """Every picture's file: its own name where these keep the photos' order and differ in more than the suffix."""
    suffixes = [_suffix_as_it_is(item.photo) for item in photos]
    stems = [_stem(item.photo) for item in photos]
    names = [f"{stem}{suffix or '.png'}" for stem, suffix in zip(stems, suffixes, strict=True)]
    taken = {stem.casefold() for stem in (*stems, *_TAKEN_STEMS)}
    if len(taken) < len(stems) + len(_TAKEN_STEMS) or sorted(names, key=natural_order) != names:
        width = max(3, len(str(len(names))))
        names = [f"{number:0{width}}_{name}" for number, name in enumerate(names, start=1)]
    return [
        _File(item=item, name=name, is_converted=suffix is None)
        for item, name, suffix in zip(photos, names, suffixes, strict=True)
    ]


def _stem(photo: Photo) -> str:
    plain = unicodedata.normalize("NFC", photo.source_path.stem).replace("\\", "_").strip(" .")
    return safe_name(plain or "photo")


def _suffix_as_it_is(photo: Photo) -> str | None:
    """The suffix under which the photo's bytes can be copied; None where they have to become PNG."""
    try:
        with Image.open(photo.path, formats=_FORMATS) as image:
            # Of a PNG this decodes the whole picture; our own are upright anyway.
            is_upright = photo.is_working_copy or image.getexif().get(_ORIENTATION) in _UPRIGHT
            suffix = _SUFFIXES[str(image.format)]
    except Exception:  # whatever it is, our own reader can read it, or says why not
        return None
    if not is_upright:
        return None
    return ".jpeg" if suffix == ".jpg" and photo.path.suffix.lower() == ".jpeg" else suffix


def _write(file: _File, folder: Path) -> None:
    photo, path = file.item.photo, folder / file.name
    try:
        if file.is_converted:
            is_whole = file_hash(photo.path) == photo.content_hash
            write_picture(read_pixels(photo.path), path, "png")
        else:
            shutil.copyfile(photo.path, path)
            is_whole = file_hash(path) == photo.content_hash
    except FileNotFoundError:
        is_whole = False
    if not is_whole:
        raise UserError("photos.gone", path=photo.path)
    path.with_suffix(".txt").write_bytes(file.item.caption.encode("utf-8"))


def _toml(folder: Path) -> str:
    """musubi-tuner's settings of a data set. Its paths are whole: others would be looked for where it is started."""
    image_dir, cache_dir = (json.dumps(path.as_posix(), ensure_ascii=False) for path in (folder, folder / MUSUBI_CACHE))
    return f"""[general]
resolution = [1024, 1024]
caption_extension = ".txt"
batch_size = 1
enable_bucket = true
bucket_no_upscale = true

[[datasets]]
image_directory = {image_dir}
cache_directory = {cache_dir}
num_repeats = 1
"""


def _readme(dataset: Dataset, folder: Path) -> str:
    values = {"subject": dataset.subject, "count": len(dataset.photos), "folder": folder, "record": RECORD_NAME}
    return "\n\n".join(sentence(Message("captions.export_readme", values), language) for language in LANGUAGES) + "\n"
