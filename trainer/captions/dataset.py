"""CaptionedPhoto and Dataset: what captioning hands to training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..messages import Message
from ..photos.folder import shown_path
from ..photos.photo import Photo, PhotoSet
from .edits import CaptionEdit

EDIT, FILE, COPY, VISION, TEMPLATE = ORIGINS = ("edit", "file", "copy", "vision", "template")
"""Where a caption comes from: the node's editor, the user's own file, what the user wrote beside a working copy, a
vision model, the template. The earlier wins."""


@dataclass(frozen=True, kw_only=True)
class CaptionedPhoto:
    """A photo and the sentence the model learns it by."""

    photo: Photo
    caption: str
    origin: str = TEMPLATE
    """One of ORIGINS."""
    repeats: int = 1
    """How often its folder wants the photo in an epoch (sources/kohya.py); TrainConfig.photo_repeats comes first."""
    plain: str = ""
    """What the caption would be without this photo's edit."""
    feature: str = ""
    """What is unusual in this photo, without the words around it: `ponytail, glasses`; empty for none."""
    is_faceless: bool = False
    """Whether the caption says that there is no face, in whatever words."""
    face: bool | None = None
    """Whether the photo shows a face: found for sure, or nobody found any, or the user's word. None where nobody looked
    and where a detector is unsure: such a face is never called absent."""
    asks_face: bool = False
    """Whether the user has yet to say if there is a face: none was found, and the caption leaves it open."""


@dataclass(frozen=True, kw_only=True)
class Fix:
    """What mends a finding when the user agrees: fields of these photos' edits."""

    label: Message
    edits: Mapping[str, CaptionEdit]
    """By the SHA-256 of the user's photo (`photo_key`)."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something about captions that the user should look at."""

    kind: str
    """What it is, the same in every language; a browser filters by it."""
    message: Message
    photos: tuple[str, ...]
    """The photos it concerns, by the SHA-256 of the user's photo (`photo_key`)."""
    fixes: tuple[Fix, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What a LoRA is trained on: photos of one subject with their captions."""

    subject: str
    """The name the captions use for the person, e.g. `Merlina`."""
    photos: tuple[CaptionedPhoto, ...]
    photo_set: PhotoSet | None = None
    """What was captioned, with the photos that were left out before; None where nobody kept it."""
    findings: tuple[Finding, ...] = field(default=(), compare=False)
    """What the captions were found wanting in."""
    warnings: tuple[Message, ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every photo's content and caption, in order: equal datasets train equal LoRAs."""
        digest = hashlib.sha256()
        for captioned in self.photos:
            digest.update(f"{captioned.photo.content_hash}\n{captioned.caption}\n".encode())
            digest.update(f"{captioned.repeats} times\n".encode() if captioned.repeats != 1 else b"")
        return digest.hexdigest()


def caption_lines(dataset: Dataset) -> list[str]:
    """Every photo's path below its folder, and its caption."""
    folder = dataset.photo_set.folder if dataset.photo_set else Path()
    return [f"{shown_path(item.photo.source_path, folder)}: {item.caption}" for item in dataset.photos]
