"""Near duplicates: photos that show nearly the same picture, told by a perceptual hash. Finds them, removes none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from .pixels import read_thumbnail
from .threads import Progress, in_threads

SURE_BITS = 6
"""So many of 64 bits apart or fewer: the same picture, scaled, re-saved, recoloured or with a mark on it."""
LIKELY_BITS = 10
"""Up to here also a few percent cut off or a slight turn. In 4627 pairs of unrelated photos of persons the nearest two
were 16 apart; a cut of 10 % or more is not found."""
_THUMBNAIL_PX = 128


@dataclass(frozen=True, kw_only=True)
class PictureHash:
    """The perceptual hash (pHash, 64 bits) of a picture and of its mirror image."""

    upright: int
    mirrored: int

    def distance(self, other: PictureHash) -> int:
        """How many of 64 bits differ, mirrored or not: 0 for the same picture, about 32 for unrelated ones."""
        return min((self.upright ^ one).bit_count() for one in (other.upright, other.mirrored))


def hash_picture(image: Image.Image) -> PictureHash:
    """The hash of an image, RGB."""
    import imagehash

    upright, mirrored = (int(str(imagehash.phash(one)), 16) for one in (image, ImageOps.mirror(image)))
    return PictureHash(upright=upright, mirrored=mirrored)


def hash_photos(paths: Sequence[Path], progress: Progress = lambda done, total: None) -> list[PictureHash]:
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
