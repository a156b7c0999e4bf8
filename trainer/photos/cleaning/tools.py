"""Tools: the models that cleaning can use, as protocols. All are optional; what is missing is said, never guessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from ..faces.detector import FaceDetector
from ..photo import Box, Point


@dataclass(frozen=True, kw_only=True)
class TextBox:
    """A line of text in a picture."""

    box: Box
    text: str
    score: float
    """The reader's own, 0..1."""
    corners: tuple[Point, ...] = ()
    """The line's own, clockwise from where it begins; empty for a finder that knows only upright boxes."""


class TextFinder(Protocol):
    """Finds lines of text. `find` is called from several threads at once."""

    name: str

    def find(self, view: Image.Image) -> tuple[TextBox, ...]:
        """All lines in an upright RGB picture."""
        ...


class Inpainter(Protocol):
    """Paints over a part of a picture with what surrounds it."""

    name: str
    fills_large_areas: bool
    """Whether it can paint what stood behind a person, or only small marks."""

    def fill(self, image: Image.Image, mask: Image.Image) -> Image.Image:
        """The picture with the mask's white parts painted over. RGB and L of one size; other parts keep their bytes."""
        ...


class PersonSegmenter(Protocol):
    """Outlines every person in a picture."""

    name: str

    def masks(self, image: Image.Image) -> tuple[Image.Image, ...]:
        """One mask per person, mode L, of the picture's size, white where the person is."""
        ...


class BackgroundRemover(Protocol):
    """Tells a picture's foreground from its background."""

    name: str

    def foreground(self, image: Image.Image) -> Image.Image:
        """Mode L, of the picture's size, white where the foreground is."""
        ...


class FaceRestorer(Protocol):
    """Restores an aligned face, or enlarges it. `restore` is called from several threads at once."""

    name: str

    def restore(self, face: Image.Image, detail_px: int) -> Image.Image:
        """The same face in the same place and size, RGB, 512 x 512.

        `detail_px` is the side at which the face would still have all of its detail; what is larger is interpolation.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class CleanTools:
    """What is there to clean with."""

    face_detector: FaceDetector | None = None
    text_finder: TextFinder | None = None
    inpainter: Inpainter | None = None
    person_segmenter: PersonSegmenter | None = None
    background_remover: BackgroundRemover | None = None
    face_restorer: FaceRestorer | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Which tools there are, for the keys of what is kept on disk."""
        tools = (
            self.face_detector, self.text_finder, self.inpainter, self.person_segmenter, self.background_remover,
            self.face_restorer,
        )  # fmt: skip
        return tuple(tool.name if tool else "none" for tool in tools)


NO_TOOLS = CleanTools()
