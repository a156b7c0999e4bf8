"""FaceDetector: what every face detector can do. Knows none of them."""

from __future__ import annotations

from typing import Protocol

from PIL import Image

from ..photo import Face


class FaceDetector(Protocol):
    """Finds faces. `find` is called from several threads at once."""

    name: str
    """`mediapipe` or `mtcnn`; stands in reports and in the keys of what is kept on disk."""

    def find(self, image: Image.Image) -> tuple[Face, ...]:
        """All faces of an upright RGB picture whose longest side is at most VIEW_PX, the largest first."""
        ...
