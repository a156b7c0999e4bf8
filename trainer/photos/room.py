"""Room: how much memory photos take while they are read, so that neither a large nor a lying file can fill it."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from .photo import Photo
from .unusable import UnusablePhoto

MAX_MEGAPIXELS = 150
"""Of a JPEG; the largest phone cameras in use have 108. Others may have as many as fit into ROOM_BYTES."""
ROOM_BYTES = 700_000_000
"""What all photos that are read at the same time may take together."""
HALVED_ABOVE_PX = 40_000_000
"""JPEGs of more pixels are decoded at a half, a quarter or an eighth of their size."""
_BYTES_PER_PIXEL = {"JPEG": 9, "MPO": 9, "PNG": 12, "BMP": 8, "GIF": 11, "TIFF": 12, "WEBP": 20, "AVIF": 14, "HEIF": 14}
"""From the bytes to an upright RGB picture, measured (tests/trainer/test_photos_memory.py)."""


class Room:
    """A limit to what several threads hold together. Whoever needs more than there is at all waits to be alone."""

    def __init__(self, num_bytes: int = ROOM_BYTES) -> None:
        self._free = self._all = num_bytes
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, num_bytes: int) -> Iterator[None]:
        """Wait until so much is free, and hold it. Who came first goes first, or a large one would wait for all others.

        Not to be nested: two threads would wait for each other.
        """
        held, turn = min(num_bytes, self._all), object()
        with self._changed:
            self._waiting.append(turn)
            self._changed.wait_for(lambda: self._waiting[0] is turn and self._free >= held)
            self._waiting.popleft()
            self._free -= held
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += held
                self._changed.notify_all()


def memory_to_decode(kind: str, size: tuple[int, int], *, also: int) -> int:
    """Bytes that a picture takes at most, from its file to an upright RGB picture.

    `kind` is Pillow's name of the format, or `HEIF`; `also` the bytes of its file and of what else its decoder keeps.
    Raises UnusablePhoto for a picture that takes too much.
    """
    num_px = size[0] * size[1]
    width_px, height_px = at_reduced_size(size, 0) if kind in ("JPEG", "MPO") else size
    num_bytes = also + width_px * height_px * _BYTES_PER_PIXEL[kind]
    if num_px > MAX_MEGAPIXELS * 1_000_000 or num_bytes > ROOM_BYTES:
        limit = min(MAX_MEGAPIXELS, math.floor(num_px / 1e6 * ROOM_BYTES / num_bytes))
        raise UnusablePhoto("photos.too_many_pixels", limit=limit)
    return num_bytes


def memory_of(photo: Photo) -> int:
    """About how many bytes reading a loaded photo takes, for `in_threads`; nothing is opened, its name is believed."""
    kind = "WEBP" if photo.path.suffix.lower() == ".webp" else "HEIF"
    return photo.width_px * photo.height_px * _BYTES_PER_PIXEL[kind]


def at_reduced_size(size: tuple[int, int], longest_px: int) -> tuple[int, int]:
    """The size at which a JPEG is decoded whose longest side need only be `longest_px` (0: all there is room for)."""
    shrink = 1
    while shrink < 8 and (size[0] * size[1] > HALVED_ABOVE_PX * shrink**2 or max(size) >= 2 * shrink * longest_px > 0):
        shrink *= 2
    return max(1, size[0] // shrink), max(1, size[1] // shrink)
