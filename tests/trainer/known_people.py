"""Synthetic photos of which everything is known: faces, landmarks, the outline of each person. Tests nothing."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from pocket.backgrounds import draw_background
from pocket.clothes import CLOTHES
from pocket.figures import SUPERSAMPLING, Figure, Scene, draw
from pocket.people import MILA, UNSEEN_OTHERS
from trainer.photos.boxes import inside
from trainer.photos.cleaning.draft import Draft
from trainer.photos.cleaning.tools import CleanTools
from trainer.photos.edits import NO_EDIT, PhotoEdit
from trainer.photos.judging.framing import shot_of
from trainer.photos.judging.quality import measure_quality
from trainer.photos.photo import WHOLE, Box, Face, Judgement, Photo
from trainer.photos.view import VIEW_PX

TOMO, ZURI = UNSEEN_OTHERS["Tomo"], UNSEEN_OTHERS["Zuri"]

_HEAD_SHARES = {"close": (0.33, 0.5), "medium": (0.235, 0.4)}
"""Length of a head unit in shares of the shorter side, and the head's height in the picture (pocket/figures.py)."""
_LANDMARKS = ((-0.36, 0.12), (0.36, 0.12), (0.0, 0.36), (-0.24, 0.6), (0.24, 0.6))
_FACE = (-0.72, -0.55, 0.72, 0.97)
"""Brow to chin, in head units."""
_BACKDROPS = ("night", "studio lighting", "beach")
ASTRONAUT_LANDMARKS = ((202.5, 100.75), (247.5, 103.25), (223.75, 126.25), (205.5, 140.75), (242.5, 142.0))
"""By eye, in pixels of scikit-image's astronaut, 512 x 512."""
ASTRONAUT_FACE = (187.0, 85.0, 262.0, 178.0)


@dataclass(frozen=True)
class Person:
    """A figure somewhere in a picture."""

    layer: Image.Image
    """The figure's own colours, RGB; what they are where the figure is not does not matter."""
    outline: Image.Image
    """How much each pixel is the figure, L."""
    face: Face


def person(figure: Figure, *, at: float = 0.5, zoom: float = 0.5, framing: str = "medium", size=(768, 512)) -> Person:
    """A figure with its head at a share of the picture's width."""
    scene = Scene(framing=framing, clothes=CLOTHES[0], background="night", offset=(at - 0.5, 0.0), zoom=zoom)
    layers = [np.asarray(draw(figure, dataclasses.replace(scene, background=name), size), float) for name in _BACKDROPS]
    behind = [np.asarray(backdrop(name, size), float) for name in _BACKDROPS]
    # Before two backdrops a pixel differs by as much as it is backdrop: I1 - I2 = (1 - alpha) (B1 - B2).
    shown, whole = np.zeros(layers[0].shape[:2]), np.full(layers[0].shape[:2], 1e-6)
    for one in range(3):
        for channel in range(3):
            apart = np.abs(behind[one] - behind[one - 1])[..., channel]
            better = apart > whole
            whole = np.where(better, apart, whole)
            shown = np.where(better, np.abs(layers[one] - layers[one - 1])[..., channel], shown)
    alpha = np.clip(1 - shown / whole, 0, 1)
    outline = Image.fromarray(np.where(alpha < 0.03, 0, np.rint(255 * alpha)).astype(np.uint8))
    unit, centre_y = _HEAD_SHARES[framing]
    unit_px = unit * min(size) * zoom

    def place(x: float, y: float) -> tuple[float, float]:
        return at + x * unit_px / size[0], centre_y + y * unit_px / size[1]

    box = (*place(*_FACE[:2]), *place(*_FACE[2:]))
    face = Face(box=box, confidence=0.99, landmarks=tuple(place(*point) for point in _LANDMARKS))
    share = np.maximum(alpha, 0.05)[..., None]  # what the first backdrop shines through is taken out of the edges
    own = np.clip((layers[0] - (1 - share) * behind[0]) / share, 0, 255)
    return Person(layer=Image.fromarray(own.astype(np.uint8)), outline=outline, face=face)


def backdrop(name: str, size: tuple[int, int]) -> Image.Image:
    """A background alone."""
    return draw_background(name, tuple(SUPERSAMPLING * side for side in size), random.Random(0)).reduce(SUPERSAMPLING)


def together(people: Sequence[Person], background: str = "beach") -> Image.Image:
    """One photo of several persons, the first in front."""
    image = backdrop(background, people[0].layer.size)
    for one in reversed(people):
        image.paste(one.layer, mask=one.outline)
    return image


def draft_of(
    image: Image.Image, faces: Sequence[Face], *, frame: Box = WHOLE, edit: PhotoEdit = NO_EDIT, scale: float = 1.0
) -> Draft:
    """A draft as judging would hand it on, of a photo `scale` times as large as the picture."""
    width_px, height_px = (round(side * scale) for side in image.size)
    path = Path("photo.png")
    photo = Photo(path=path, source_path=path, width_px=width_px, height_px=height_px, content_hash="0" * 64)
    view = image.copy()
    view.thumbnail((VIEW_PX, VIEW_PX))
    judgement = Judgement(
        detector="known",
        faces=tuple(faces),
        shot=shot_of(faces[0]) if faces else "unknown",
        quality=measure_quality(view, faces[0].box if faces else None, height_px),
    )
    return Draft(photo=photo, edit=edit, view=view, judgement=judgement, frame=frame)


def astronaut(width_px: int = 512) -> tuple[Image.Image, Face]:
    """The photo of a real person that scikit-image brings, and her face."""
    face = Face(
        box=tuple(place / 512 for place in ASTRONAUT_FACE),
        confidence=0.999,
        landmarks=tuple((x / 512, y / 512) for x, y in ASTRONAUT_LANDMARKS),
    )
    image = Image.fromarray(data.astronaut())
    return image.resize((width_px, width_px), Image.Resampling.LANCZOS) if width_px != 512 else image, face


class KnownFaces:
    """A FaceDetector that knows where the persons of a picture are, and sees those that are still there."""

    name = "known"

    def __init__(self, people: Sequence[Person], picture: Image.Image, frame: Box = WHOLE) -> None:
        self._people, self._picture, self._frame = people, picture, frame

    def find(self, image: Image.Image) -> tuple[Face, ...]:
        """The faces whose pixels are those of the picture, or nearly."""
        left, top, right, bottom = (
            round(share * side) for share, side in zip(self._frame, (*self._picture.size, *self._picture.size))
        )
        shown = np.asarray(self._picture.crop((left, top, right, bottom)).resize(image.size), float)
        found = []
        for one in self._people:
            box = inside(one.face.box, self._frame)
            x0, y0, x1, y1 = (int(np.clip(share, 0, 1) * side) for share, side in zip(box, (*image.size, *image.size)))
            if x0 < x1 and y0 < y1:
                apart = np.abs(shown - np.asarray(image, float))[y0:y1, x0:x1].mean()
                found += [dataclasses.replace(one.face, box=box)] if apart < 8 else []
        return tuple(found)


class KnownOutlines:
    """A PersonSegmenter and BackgroundRemover that is told the outlines."""

    name = "known"

    def __init__(self, outlines: Sequence[Image.Image]) -> None:
        self._outlines = tuple(outlines)

    def masks(self, image: Image.Image) -> tuple[Image.Image, ...]:
        """One mask per person."""
        return self._outlines

    def foreground(self, image: Image.Image) -> Image.Image:
        """The first person."""
        return self._outlines[0]


def keys(draft: Draft) -> list[str]:
    """What cleaning says it has done, by key."""
    return [message.key for message in draft.done]


def faces_of(*people: Person) -> tuple[Face, ...]:
    """The faces of these persons, in order."""
    return tuple(one.face for one in people)


def two_apart() -> tuple[Person, Person]:
    """The subject and a person whom a straight cut takes away."""
    return person(MILA, at=0.28), person(TOMO, at=0.8)


def two_close() -> tuple[Person, Person]:
    """So near that no straight cut keeps the subject's shoulders and loses the other's head."""
    return person(MILA, at=0.45), person(TOMO, at=0.62)


def segmenter(*people: Person) -> CleanTools:
    """Tools that outline these persons."""
    return CleanTools(person_segmenter=KnownOutlines([one.outline for one in people]))


class Eraser:
    """An Inpainter that can do persons: it knows what stood behind them."""

    name, fills_large_areas = "eraser", True

    def __init__(self, behind: Image.Image) -> None:
        self._behind = behind

    def fill(self, image: Image.Image, mask: Image.Image) -> Image.Image:
        """What stood behind, where the mask is white."""
        return Image.composite(self._behind, image, mask)
