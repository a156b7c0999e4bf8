"""Masks: which parts of a photo the loss counts, from its transparency, a folder of masks or its faces. No torch.

A mask is found before a run starts, since what it is made of is part of what the run is; it is drawn when photos are
encoded. Cleaning flattens the transparency of working copies, so `alpha` is read from the photo's own file.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from ...captions.dataset import Dataset
from ...messages import Message, UserError, name_some
from ...photos.folder import list_photo_files
from ...photos.photo import Box, Photo
from ...photos.pixels import has_alpha, read_alpha, read_grey
from ..config import TrainConfig
from .cutting import LATENT_PX, cut

if TYPE_CHECKING:
    from .buckets import Bucket

_FACE_MARGIN = 0.25
"""Detectors frame a face from brow to chin; with a quarter of its size around it hair and jaw are learnt too."""
_SHAPE_TOLERANCE = 0.03
"""How far a mask's aspect ratio may be from its photo's: small copies of a photo are rounded to whole pixels."""
_NOTHING = 0.02
"""A mask that nowhere exceeds this shows nothing; JPEG leaves some noise in what was painted black."""


@dataclass(frozen=True, kw_only=True)
class FoundMask:
    """The mask of a photo, not drawn yet."""

    source: str
    """`alpha`, `folder` or `faces`, as in TrainConfig.mask_source."""
    photo: Photo
    path: Path
    """The picture that holds it; for faces the photo itself."""
    content: str
    """Changes whenever the mask does."""


def find_masks(dataset: Dataset, config: TrainConfig) -> tuple[FoundMask | None, ...]:
    """The mask of every photo of the dataset, in order; None for photos that are learnt whole.

    Raises UserError where masks are asked for and no photo has one, and where it is unclear whose mask a picture is.
    """
    photos = [captioned.photo for captioned in dataset.photos]
    if config.mask_source == "alpha":
        found = [_alpha_mask(photo) for photo in photos]
    elif config.mask_source == "folder":
        found = _folder_masks(photos, config.mask_folder)
    elif config.mask_source == "faces":
        found = [_face_mask(photo) for photo in photos]
    else:
        return (None,) * len(photos)
    if photos and config.mask_source != "folder" and not any(found):
        key = "train.mask_none_alpha" if config.mask_source == "alpha" else "train.mask_none_faces"
        raise UserError(key, num=len(photos))
    return tuple(found)


def masks_identity(masks: Sequence[FoundMask | None]) -> str:
    """Changes whenever the mask of any photo does."""
    return hashlib.sha256(repr([mask and mask.content for mask in masks]).encode()).hexdigest()


def mask_warnings(dataset: Dataset, masks: Sequence[FoundMask | None]) -> list[Message]:
    """Names the photos that are learnt whole although others have masks."""
    lacking = [item.photo.source_path.name for item, mask in zip(dataset.photos, masks, strict=True) if not mask]
    if not lacking or not any(masks):
        return []
    return [Message("train.masks_missing", {"num": len(lacking), "names": name_some(lacking)})]


def draw_mask(mask: FoundMask, bucket: Bucket, is_flipped: bool) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The mask of a photo cut to a bucket, a share (0 masked out, 1 learnt) for each latent: [h, w], fp32.

    Scaled and cut as the photo is. Raises UserError for a file that is gone, for a mask of another shape than the
    photo's, and for one that shows nothing of the cut photo.
    """
    photo = mask.photo
    if mask.source == "faces":
        image = paint_faces(photo.faces, photo.width_px, photo.height_px)
    else:
        whole = read_alpha(mask.path) if mask.source == "alpha" else read_grey(mask.path)
        _check_shape(whole, mask)
        left, top, right, bottom = photo.shown_part
        shown = left * whole.width, top * whole.height, right * whole.width, bottom * whole.height
        image = whole.crop(tuple(map(round, shown)))  # type: ignore[arg-type]
    size = photo.width_px, photo.height_px
    cut_image = cut(image, bucket, photo_size=size, is_flipped=is_flipped, resample=Image.Resampling.BILINEAR)
    pixels_HW = np.asarray(cut_image, dtype=np.float32) / 255
    height, width = bucket[1] // LATENT_PX, bucket[0] // LATENT_PX
    mask_HW = pixels_HW.reshape(height, LATENT_PX, width, LATENT_PX).mean(axis=(1, 3))
    if mask_HW.max() < _NOTHING:
        raise UserError("train.mask_empty", name=photo.source_path.name)
    return mask_HW


def paint_faces(faces: Sequence[Box], width_px: int, height_px: int) -> Image.Image:
    """White boxes on black, each a quarter of its size wider on every side than its face; mode L."""
    image = Image.new("L", (width_px, height_px), 0)
    draw = ImageDraw.Draw(image)
    for left, top, right, bottom in faces:
        more_x, more_y = (right - left) * _FACE_MARGIN, (bottom - top) * _FACE_MARGIN
        draw.rectangle(
            (
                math.floor((left - more_x) * width_px), math.floor((top - more_y) * height_px),
                math.ceil((right + more_x) * width_px) - 1, math.ceil((bottom + more_y) * height_px) - 1,
            ),
            fill=255,
        )  # fmt: skip
    return image


def _alpha_mask(photo: Photo) -> FoundMask | None:
    data = _read(photo.source_path)
    return _found("alpha", photo, photo.source_path, data) if has_alpha(data) else None


def _face_mask(photo: Photo) -> FoundMask | None:
    return _found("faces", photo, photo.path, repr(photo.faces).encode()) if photo.faces else None


def _folder_masks(photos: Sequence[Photo], folder_text: str) -> list[FoundMask | None]:
    """The masks of a folder, by the stems of the photos' own files, capitals not counted."""
    if not folder_text.strip():
        raise UserError("train.mask_folder_empty")
    folder = Path(folder_text.strip()).expanduser().absolute()
    path_of: dict[str, Path] = {}
    owner_of: dict[Path, Path] = {}
    for file in list_photo_files(folder, recursive=False):
        if (other := path_of.setdefault(file.stem.casefold(), file)) != file:
            raise UserError("train.mask_twice", name=file.stem, first=other.name, second=file.name)
    found: list[FoundMask | None] = []
    for photo in photos:
        path = path_of.get(photo.source_path.stem.casefold())
        if path and (owner := owner_of.setdefault(path, photo.source_path)) != photo.source_path:
            raise UserError("train.mask_shared", path=path, first=owner, second=photo.source_path)
        found.append(_found("folder", photo, path, _read(path)) if path else None)
    if photos and not any(found):
        example = photos[0].source_path
        raise UserError("train.mask_none_folder", folder=folder, example=example.name, wanted=f"{example.stem}.png")
    return found


def _found(source: str, photo: Photo, path: Path, data: bytes) -> FoundMask:
    content = f"{source} {hashlib.sha256(data).hexdigest()} {photo.shown_part} {photo.width_px}x{photo.height_px}"
    return FoundMask(source=source, photo=photo, path=path, content=content)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError("photos.gone", path=path) from error


def _check_shape(whole: Image.Image, mask: FoundMask) -> None:
    photo = mask.photo
    left, top, right, bottom = photo.shown_part
    width, height = photo.width_px / (right - left), photo.height_px / (bottom - top)
    if abs(math.log(whole.width / whole.height * height / width)) > _SHAPE_TOLERANCE:
        raise UserError(
            "train.mask_shape", path=mask.path, mask_width=whole.width, mask_height=whole.height,
            name=photo.source_path.name, width=round(width), height=round(height),
        )  # fmt: skip
