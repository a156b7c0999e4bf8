"""Photo and PhotoSet: what the first two stages hand on. Paths and sizes only; pixels are read when needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..messages import Message

Box = tuple[float, float, float, float]
"""Left, top, right and bottom as shares (0..1) of an upright picture's width and height; scaling does not change it."""


@dataclass(frozen=True, kw_only=True)
class Photo:
    """One photo of the user's, or our working copy of it."""

    path: Path
    """The file to read: the user's own, or the working copy that cleaning made of it."""
    source_path: Path
    """The user's own file, which is never written."""
    width_px: int
    """Width as seen upright, in pixels."""
    height_px: int
    """Height as seen upright, in pixels."""
    content_hash: str
    """SHA-256 of the bytes of `path`."""
    shown_part: Box = (0.0, 0.0, 1.0, 1.0)
    """The part of `source_path` that `path` shows. A cleaning step that crops says it here; masks are cropped alike."""
    faces: tuple[Box, ...] = ()
    """Where faces are in `path`, as far as a detector was asked."""

    @property
    def is_working_copy(self) -> bool:
        """Whether `path` is a file of ours, beside which we may write."""
        return self.path != self.source_path


@dataclass(frozen=True, kw_only=True)
class RejectedFile:
    """A file in the folder that is not used, and why."""

    path: Path
    reason: Message


@dataclass(frozen=True, kw_only=True)
class PhotoSet:
    """The photos of one person, in natural order of their names."""

    folder: Path
    photos: tuple[Photo, ...]
    rejected: tuple[RejectedFile, ...] = ()
    warnings: tuple[Message, ...] = ()
