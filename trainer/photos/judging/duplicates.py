"""Duplicates: photos that show the same picture. The best one is kept, whichever came first.

A perceptual hash proposes, cheaply for all pairs; a second look (second_look.py) decides. What only looks alike is said
and never set aside.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ...messages import Message
from ..edits import Edits
from ..folder import shown_path
from ..memo import Memo
from ..photo import Photo, PhotoSet, SetAside
from ..pixels import read_thumbnail
from ..threads import Progress, in_threads, unheard
from .second_look import SAME, agreement, look

LIKELY_BITS = 10
"""Up to here pictures look alike to people too. In 4627 pairs of unrelated photos of persons the nearest two were 16
apart."""
CANDIDATE_BITS = 16
"""Up to here a second look is taken: copies of which a tenth is cut off are 10 to 16 apart."""
_CLEAN = 3.0
"""Grain up to here is natural; a copy that JPEG has smoothed is no better for having none."""
_THUMBNAIL_PX = 128
_VERSION = 1
"""Raised whenever the second look judges otherwise."""


@dataclass(frozen=True, kw_only=True)
class PictureHash:
    """The perceptual hash (pHash, 64 bits) of a picture and of its mirror image."""

    upright: int
    mirrored: int

    def distance(self, other: PictureHash) -> int:
        """How many of 64 bits differ, mirrored or not: 0 for the same picture, about 32 for unrelated ones."""
        return min((self.upright ^ one).bit_count() for one in (other.upright, other.mirrored))

    def is_mirror_of(self, other: PictureHash) -> bool:
        """Whether the other picture is nearer as its mirror image."""
        return (self.upright ^ other.mirrored).bit_count() < (self.upright ^ other.upright).bit_count()

    @property
    def text(self) -> str:
        """As `Judgement.picture_hash` keeps it; `hash_of` reads it."""
        return f"{self.upright:016x}{self.mirrored:016x}"


def hash_of(text: str) -> PictureHash:
    """The hash in `Judgement.picture_hash`."""
    return PictureHash(upright=int(text[:16], 16), mirrored=int(text[16:], 16))


def hash_picture(image: Image.Image) -> PictureHash:
    """The hash of an image, RGB."""
    import imagehash

    small = image.copy()
    small.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX), Image.Resampling.LANCZOS)
    upright, mirrored = (int(str(imagehash.phash(one)), 16) for one in (small, ImageOps.mirror(small)))
    return PictureHash(upright=upright, mirrored=mirrored)


def hash_photos(paths: Sequence[Path], progress: Progress = unheard) -> list[PictureHash]:
    """The hash of each photo file. Raises UserError for a file that can no longer be read."""
    return in_threads(lambda path: hash_picture(read_thumbnail(path, _THUMBNAIL_PX)), paths, progress)


def near_duplicates(hashes: Sequence[PictureHash], max_bits: int) -> list[set[int]]:
    """For each hash the positions of the others that are at most `max_bits` away."""
    near: list[set[int]] = [set() for _ in hashes]
    for first, one in enumerate(hashes):
        for second in range(first + 1, len(hashes)):
            if one.distance(hashes[second]) <= max_bits:
                near[first].add(second)
                near[second].add(first)
    return near


def best_first(photos: Sequence[Photo]) -> list[int]:
    """The positions of photos of one picture, the one to keep first; equally good ones stay in their order.

    Those come first in which a face was found, then those with most detail: pixels times sharpness, less for grain that
    shows and for what is burnt out.
    """

    def order(index: int) -> tuple[bool, float]:
        photo = photos[index]
        quality = photo.judgement.quality if photo.judgement else None
        detail = math.log2(photo.width_px * photo.height_px)
        if quality:
            merit = math.log2(1 + quality.sharpness) - max(0.0, quality.noise - _CLEAN) / 2 - 20 * quality.clipped
            # Rounded, because the measures of two copies differ a little by chance, and their pixels do not.
            detail += round(2 * merit) / 2
        return bool(photo.faces), detail

    return sorted(range(len(photos)), key=order, reverse=True)


@dataclass(frozen=True, kw_only=True)
class _Likeness:
    """To which photo another one is alike, and how much."""

    other: int
    bits: int
    agreement: float

    @property
    def is_copy(self) -> bool:
        return self.agreement >= SAME


def set_aside_duplicates(
    photos: PhotoSet, choice: str, edits: Edits, memo: Memo, progress: Progress = unheard
) -> PhotoSet:
    """The judged photos without those that show the same picture as a better one, under `apply`; noted under `report`.

    Best first, each photo is compared with the better ones that stay: every one that goes is itself a copy of one that
    stays, and of those that stay no two are copies, so a chain of small changes never loses its ends. What the user has
    taken back stays, and so does what only looks alike; both is noted. `off` looks at nothing.
    Raises UserError if a photo has gone.
    """
    if choice == "off":
        return photos
    comparing = _Comparing(photos, memo)
    kept: list[int] = []
    notes: dict[int, Message] = {}
    reasons: dict[int, Message] = {}
    for done, index in enumerate(best_first(photos.photos)):
        photo = photos.photos[index]
        progress(done, len(photos.photos), Message("photos.doing_duplicates", {"name": _name(photo, photos)}))
        likeness = comparing.nearest(index, kept)
        if likeness is None or not likeness.is_copy:
            kept.append(index)
            if likeness is not None:
                notes[index] = comparing.message("photos.looks_alike", likeness)
        elif edits.of(photo).use:  # stays, but sends no other photo away
            notes[index] = comparing.message("photos.near_duplicate_kept", likeness)
        elif choice == "report":
            notes[index] = comparing.message("photos.near_duplicate_found", likeness)
        else:
            reasons[index] = comparing.message("photos.near_duplicate", likeness)
    comparing.remember()
    everybody = [
        dataclasses.replace(photo, done=(*photo.done, notes[index])) if index in notes else photo
        for index, photo in enumerate(photos.photos)
    ]
    aside = tuple(SetAside(photo=everybody[index], reason=reasons[index]) for index in sorted(reasons))
    staying = tuple(photo for index, photo in enumerate(everybody) if index not in reasons)
    return dataclasses.replace(photos, photos=staying, set_aside=photos.set_aside + aside)


class _Comparing:
    """Comparisons of the photos of one set, each made once and kept from run to run."""

    def __init__(self, photos: PhotoSet, memo: Memo) -> None:
        self._photos, self._memo = photos, memo
        self._hashes = [hash_of(photo.judgement.picture_hash) for photo in photos.photos if photo.judgement]
        assert len(self._hashes) == len(photos.photos), "judge first"
        self._looks: dict[int, np.ndarray] = {}
        self._known: dict[int, Mapping[str, float]] = {}
        self._new: dict[int, dict[str, float]] = {}

    def nearest(self, index: int, kept: Sequence[int]) -> _Likeness | None:
        """The first copy among the kept photos (best first), else the one most alike, if people would say so."""
        alike = None
        for other in kept:
            bits = self._hashes[index].distance(self._hashes[other])
            if bits > CANDIDATE_BITS:
                continue
            likeness = _Likeness(other=other, bits=bits, agreement=self._agreement(index, other))
            if likeness.is_copy:
                return likeness
            if bits <= LIKELY_BITS and (alike is None or bits < alike.bits):
                alike = likeness
        return alike

    def message(self, key: str, likeness: _Likeness) -> Message:
        """Which photo it is like, and how much."""
        other = _name(self._photos.photos[likeness.other], self._photos)
        percent = math.floor(100 * max(0.0, likeness.agreement))
        return Message(key, {"other": other, "bits": likeness.bits, "percent": percent})

    def remember(self) -> None:
        """Keep what was found out, for the next run."""
        for index, new in self._new.items():
            self._memo.put({**self._known[index], **new}, *self._key(index))

    def _agreement(self, index: int, other: int) -> float:
        name = self._photos.photos[other].content_hash
        if index not in self._known:
            self._known[index] = self._memo.get(*self._key(index)) or {}
        if name not in self._known[index]:
            mirrored = self._hashes[index].is_mirror_of(self._hashes[other])
            other_look = self._look(other)
            agrees = agreement(other_look[:, ::-1] if mirrored else other_look, self._look(index))
            self._new.setdefault(index, {})[name] = round(agrees, 3)
            return round(agrees, 3)
        return float(self._known[index][name])

    def _look(self, index: int) -> np.ndarray:
        if index not in self._looks:
            self._looks[index] = look(read_thumbnail(self._photos.photos[index].path, _THUMBNAIL_PX))
        return self._looks[index]

    def _key(self, index: int) -> tuple[object, ...]:
        return "agreement", _VERSION, self._photos.photos[index].content_hash


def _name(photo: Photo, photos: PhotoSet) -> str:
    return shown_path(photo.source_path, photos.folder)
