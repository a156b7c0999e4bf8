"""Looks: what is compared of each picture: a direction by a scorer, and small copies of its pixels. Judges nothing.

Legend: D numbers per picture; H, W pixels and C colours of a small copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from ...files import file_hash
from ...photos.boxes import pixels_of
from ...photos.faces.detector import FaceDetector
from ...photos.judging.quality import grain_of, luma_of
from ...photos.memo import Memo
from ...photos.photo import Box
from ...photos.pixels import read_pixels
from ...photos.view import VIEW_PX
from .matching import SMALL_PX
from .scorer import Scorer

_VERSION = 2  # a new number forgets what was kept
_FACE_ROOM = 0.35
"""What is taken around a face box on each side, in shares of its size: hair and chin belong to a likeness."""
_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class Look:
    """What is compared of one picture."""

    direction_D: np.ndarray | None
    """By the scorer, of the face where one is known, length one; None without a scorer or for want of a face."""
    scene_D: np.ndarray
    """Of the whole picture, length one: by a scorer that knows scenes, else its colours in a coarse grid."""
    small_HWC: np.ndarray
    """The middle square of the picture, small, in 0..1."""
    small_face_HWC: np.ndarray | None
    """The face, small; None where none is known."""
    grain: float
    """Standard deviation of the picture's grain in 8-bit levels."""


class Looker:
    """Looks at pictures, each once: what was seen is kept under the file's content."""

    def __init__(
        self, scorer: Scorer | None, detector: FaceDetector | None, memo: Memo, on_picture: Callable[[], None]
    ) -> None:
        """`on_picture` is called before every picture, and may raise to leave early."""
        self._scorer, self._detector, self._memo, self._on_picture = scorer, detector, memo, on_picture

    @property
    def sees_faces(self) -> bool:
        """Whether it looks for faces by itself."""
        return self._detector is not None

    def look(self, paths: Sequence[Path], faces: Sequence[Box | None] | None = None) -> list[Look]:
        """What is compared of each picture file; `faces` where they are known without a detector."""
        known_faces = faces or [None] * len(paths)
        keys = [self._key(path, box) for path, box in zip(paths, known_faces, strict=True)]
        found: dict[int, dict[str, Any]] = {}
        for index, key in enumerate(keys):
            kept = self._memo.get(*key)
            if kept is not None:
                found[index] = kept
        missing = [index for index in range(len(paths)) if index not in found]
        for start in range(0, len(missing), _AT_ONCE):  # only a few pictures are in memory at a time
            batch = missing[start : start + _AT_ONCE]
            for index, kept in zip(batch, self._see([(paths[i], known_faces[i]) for i in batch]), strict=True):
                found[index] = kept
                self._memo.put(kept, *keys[index])
        return [_as_look(found[index]) for index in range(len(paths))]

    def _key(self, path: Path, face: Box | None) -> tuple[object, ...]:
        scorer = self._scorer.identity if self._scorer else None
        return "sweep look", _VERSION, file_hash(path), scorer, self._detector.name if self._detector else None, face

    def _see(self, pictures: Sequence[tuple[Path, Box | None]]) -> list[dict[str, Any]]:
        wholes, crops = [], []
        for path, known_face in pictures:
            self._on_picture()
            whole = read_pixels(path).convert("RGB")
            face = known_face or self._find_face(whole)
            wholes.append(whole)
            crops.append(whole.crop(_around(face, *whole.size)) if face else None)
        directions = self._directions(wholes, crops)
        knows_scenes = self._scorer is not None and self._scorer.knows_scenes
        scenes = self._embed(wholes) if knows_scenes else [None] * len(wholes)
        return [
            {
                "direction": direction,
                "scene": scene,
                "small": _small(whole),
                "face": _small(crop) if crop is not None else None,
                "grain": round(grain_of(luma_of(whole)), 3),
            }
            for direction, scene, whole, crop in zip(directions, scenes, wholes, crops, strict=True)
        ]

    def _directions(
        self, wholes: Sequence[PIL.Image.Image], crops: Sequence[PIL.Image.Image | None]
    ) -> list[list[float] | None]:
        if self._scorer is None:
            return [None] * len(wholes)
        shown = [crop if crop is not None or self._scorer.wants_faces else whole
                 for crop, whole in zip(crops, wholes, strict=True)]  # fmt: skip
        rows = iter(self._embed([image for image in shown if image is not None]))
        return [None if image is None else next(rows) for image in shown]

    def _embed(self, images: Sequence[PIL.Image.Image]) -> list[list[float]]:
        assert self._scorer is not None
        return self._scorer.embed(images).tolist() if images else []

    def _find_face(self, image: PIL.Image.Image) -> Box | None:
        if self._detector is None:
            return None
        view = image.copy()
        view.thumbnail((VIEW_PX, VIEW_PX), PIL.Image.Resampling.BOX)
        return next((face.box for face in self._detector.find(view) if face.is_sure), None)


def _around(face: Box, width_px: int, height_px: int) -> tuple[int, int, int, int]:
    """The square with the face in its middle, in pixels, as far as the picture goes."""
    left, top, right, bottom = pixels_of(face, width_px, height_px)
    half = max(right - left, bottom - top) * (0.5 + _FACE_ROOM)
    x, y = (left + right) / 2, (top + bottom) / 2
    return (
        max(0, round(x - half)), max(0, round(y - half)),
        min(width_px, round(x + half)), min(height_px, round(y + half)),
    )  # fmt: skip


def _small(image: PIL.Image.Image) -> list[int]:
    """The middle square of a picture, small: frames of other shapes are cut like that in training too."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return np.asarray(square.resize((SMALL_PX, SMALL_PX), PIL.Image.Resampling.BOX)).ravel().tolist()


def _as_look(kept: dict[str, Any]) -> Look:
    small_HWC = _small_of(kept["small"])
    scene = kept["scene"]
    coarse_HWC = small_HWC.reshape(SMALL_PX // 2, 2, SMALL_PX // 2, 2, 3).mean(axis=(1, 3))
    return Look(
        direction_D=None if kept["direction"] is None else np.asarray(kept["direction"], np.float64),
        scene_D=coarse_HWC.ravel() if scene is None else np.asarray(scene, np.float64),
        small_HWC=small_HWC,
        small_face_HWC=None if kept["face"] is None else _small_of(kept["face"]),
        grain=kept["grain"],
    )


def _small_of(values: list[int]) -> np.ndarray:
    return np.asarray(values, np.float64).reshape(SMALL_PX, SMALL_PX, 3) / 255
