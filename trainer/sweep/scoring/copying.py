"""Copying: whether pictures are training photos learned by heart. Judges one picture, then one row of them.

Measures that agree with a photo as a whole and not with the person alone: the fine structure of the picture and of the
face (the correlation of small copies without their broad light and colours, which many photos share), and the scorer's
direction. How near is too near is learned from photos of the same person: those kept out of training, and each
training photo beside all the others.

Legend: D numbers per picture, P pixels of a small copy times 3 colours, T training photos.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .estimate import highest_usual
from .looks import SMALL_PX, Look

_CONFIDENCE = 0.98
"""Of 50 pictures that copy nothing, one is called a copy by mistake."""
_ROW_CONFIDENCE = 0.95
MIN_CALIBRATION = 5
"""With fewer photos nobody can say what is usual."""
_SAME = 0.9
"""Photos that agree more with another one are doubles of it, and say nothing about what is usual."""
_BROAD_PX = 2.0
"""Standard deviation of the blur that is taken away, in pixels of a small copy."""
_MEASURES = ("picture", "face", "direction")


@dataclass(frozen=True, kw_only=True)
class Nearness:
    """How near a picture is to its nearest training photo: a correlation or cosine by each measure that there is."""

    values: Mapping[str, float]
    nearest_index: int
    """Which training photo it is, by the picture as a whole."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """From where on a picture is a copy, by each measure."""

    of: Mapping[str, float]
    num_photos: int
    """How many photos say so."""
    num_held_out: int
    """How many of them were kept out of training."""

    def is_copy(self, nearness: Nearness) -> bool:
        """Whether one of the measures says so."""
        return any(value > self.of[name] for name, value in nearness.values.items() if name in self.of)


class TrainingPhotos:
    """The training photos, ready to be compared with; at least one."""

    def __init__(self, looks: Sequence[Look]) -> None:
        self._looks = list(looks)
        # Compared both ways round: training may mirror photos, and people see a copy in a mirrored one too.
        self._photos = [
            {
                "picture": _both_ways(look.small_P),
                **({"face": _both_ways(look.small_face_P)} if look.small_face_P is not None else {}),
                **({"direction": look.direction_D[None]} if look.direction_D is not None else {}),
            }
            for look in looks
        ]

    def nearness(self, look: Look, skip: int | None = None) -> Nearness:
        """How near a picture is, leaving out the training photo at `skip`."""
        own = {"picture": _fine(look.small_P)}
        if look.small_face_P is not None:
            own["face"] = _fine(look.small_face_P)
        if look.direction_D is not None:
            own["direction"] = look.direction_D
        agreements = {
            name: {
                index: float((photo[name] @ mine).max())
                for index, photo in enumerate(self._photos)
                if index != skip and name in photo
            }
            for name, mine in own.items()
        }
        values = {name: max(found.values()) for name, found in agreements.items() if found}
        by_picture = agreements["picture"]
        return Nearness(values=values, nearest_index=max(by_picture, key=lambda index: by_picture[index], default=0))

    def limits(self, held_out: Sequence[Look]) -> Limits | None:
        """What is usual for photos of this person that are no copies; None where too few of them say so."""
        usual = [self.nearness(look) for look in held_out]
        usual += [self.nearness(look, skip=index) for index, look in enumerate(self._looks)]
        usual = [one for one in usual if one.values.get("picture", 1.0) < _SAME]
        measured = {name: [one.values[name] for one in usual if name in one.values] for name in _MEASURES}
        measured = {name: values for name, values in measured.items() if len(values) >= MIN_CALIBRATION}
        if not measured:
            return None
        confidence = 1 - (1 - _CONFIDENCE) / len(measured)  # all measures together may be wrong about one in 50
        limits = {name: _highest_usual(values, confidence) for name, values in measured.items()}
        return Limits(of=limits, num_photos=len(usual), num_held_out=len(held_out))


def too_many(num_copies: int, num_pictures: int) -> bool:
    """Whether so many copies by mistake are rarer than one row in twenty (the binomial distribution)."""
    from scipy.special import bdtrc

    by_chance = 1.0 if num_copies == 0 else float(bdtrc(num_copies - 1, num_pictures, 1 - _CONFIDENCE))
    return by_chance < 1 - _ROW_CONFIDENCE


def _highest_usual(correlations: Sequence[float], confidence: float) -> float:
    """By Fisher's z, which makes correlations about normal and keeps the bound below 1."""
    z = [math.atanh(min(value, 1 - 1e-9)) for value in correlations]
    return math.tanh(highest_usual(z, confidence))


def _both_ways(small_P: np.ndarray) -> np.ndarray:
    mirrored_P = small_P.reshape(SMALL_PX, SMALL_PX, 3)[:, ::-1].ravel()
    return np.array([_fine(small_P), _fine(mirrored_P)])


def _fine(small_P: np.ndarray) -> np.ndarray:
    """The fine structure, length one: without what a wide blur leaves."""
    from scipy.ndimage import gaussian_filter

    small_HWC = small_P.reshape(SMALL_PX, SMALL_PX, 3)
    fine_P = (small_HWC - gaussian_filter(small_HWC, (_BROAD_PX, _BROAD_PX, 0), mode="nearest")).ravel()
    fine_P = fine_P - fine_P.mean()
    return fine_P / max(float(np.linalg.norm(fine_P)), 1e-6)
