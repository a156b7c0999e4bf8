"""CaptionedPhoto and Dataset: what captioning hands to training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ..messages import Message
from ..photos.photo import Photo, PhotoSet


@dataclass(frozen=True, kw_only=True)
class CaptionedPhoto:
    """A photo and the sentence the model learns it by."""

    photo: Photo
    caption: str


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What a LoRA is trained on: photos of one subject with their captions."""

    subject: str
    """The name the captions use for the person, e.g. `Merlina`."""
    photos: tuple[CaptionedPhoto, ...]
    photo_set: PhotoSet | None = None
    """What was captioned, with the photos that were left out before; None where nobody kept it."""
    warnings: tuple[Message, ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every photo's content and caption, in order: equal datasets train equal LoRAs."""
        digest = hashlib.sha256()
        for captioned in self.photos:
            digest.update(f"{captioned.photo.content_hash}\n{captioned.caption}\n".encode())
        return digest.hexdigest()
