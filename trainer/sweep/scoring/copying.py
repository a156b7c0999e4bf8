"""Copying: whether pictures are training photos learned by heart. Judges single pictures, and one row of them.

Two symptoms. A picture is a copy where it agrees with one training photo more than different photos of the person do
with each other. And a row has learned photos by heart where its pictures agree with single training photos more than
with the others and with photos of the person that training never saw: to a LoRA that has learned only the person all of
them are the same. This shows long before whole copies do.

Agreement is that of a picture as a whole and not of the person alone: fine structure found again at any place and
several sizes (matching.py), of the whole picture and of the face.

Legend: T training photos, K photos kept out of training.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .estimate import Estimate, estimate, highest_usual
from .looks import Look
from .matching import Searched

_CONFIDENCE = 0.98
"""Of 50 pictures that copy nothing, one is called a copy by mistake."""
_ROW_CONFIDENCE = 0.95
MIN_CALIBRATION = 5
"""With fewer photos nobody can say what is usual."""
_SAME = 0.9
"""Photos that agree more with another one are doubles of it, and say nothing about what is usual."""
MUCH_BY_HEART = 0.25
"""From this share on a row is rejected. A run on twenty photos reaches 0.14 long after its validation loss has begun to
rise, and photos that were never learned 0.12; runs on one to four photos that repeat them by eye 0.39 to 0.58."""
_PICTURE, _FACE = "picture", "face"


@dataclass(frozen=True, kw_only=True)
class Nearness:
    """How near a picture is to the photos of the person."""

    values: Mapping[str, float]
    """To the nearest training photo: a correlation by each measure that there is."""
    nearest_index: int
    """Which training photo it is, by the picture as a whole."""
    lead: float | None
    """How much nearer it is to one training photo than to all others; None where none was kept out of training."""


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


class PersonPhotos:
    """The photos of the person, ready to be compared with; at least one was trained on."""

    def __init__(self, training: Sequence[Look], held_out: Sequence[Look]) -> None:
        self._training, self._held_out = tuple(training), tuple(held_out)
        self._pictures = Searched([look.small_HWC for look in (*training, *held_out)])
        faces = {index: look.small_face_HWC for index, look in enumerate(training) if look.small_face_HWC is not None}
        self._with_face, self._faces = list(faces), Searched(list(faces.values()))

    def nearness(self, look: Look, skip: int | None = None) -> Nearness:
        """How near a picture is, leaving out the photo at `skip`, counted through all of them."""
        pictures = self._pictures.agreement(look.small_HWC)
        if skip is not None:
            pictures[skip] = -1.0
        learned_T, unseen_K = np.split(pictures, [len(self._training)])
        values = {_PICTURE: float(learned_T.max())}
        own = [place for place, index in enumerate(self._with_face) if index != skip]
        if look.small_face_HWC is not None and own:
            values[_FACE] = float(self._faces.agreement(look.small_face_HWC)[own].max())
        lead = _lead(learned_T, unseen_K) if len(unseen_K) and len(learned_T) > 1 else None
        return Nearness(values=values, nearest_index=int(learned_T.argmax()), lead=lead)

    def limits(self) -> Limits | None:
        """What is usual for photos of this person that are no copies; None where too few of them say so."""
        usual = [self.nearness(look, skip=index) for index, look in enumerate((*self._training, *self._held_out))]
        usual = [one for one in usual if one.values[_PICTURE] < _SAME]
        measured = {
            name: [one.values[name] for one in usual if name in one.values] for name in (_PICTURE, _FACE)
        }  # fmt: skip
        measured = {name: values for name, values in measured.items() if len(values) >= MIN_CALIBRATION}
        if not measured:
            return None
        confidence = 1 - (1 - _CONFIDENCE) / len(measured)  # all measures together may be wrong about one in 50
        limits = {name: _highest_usual(values, confidence) for name, values in measured.items()}
        return Limits(of=limits, num_photos=len(usual), num_held_out=len(self._held_out))

    def by_heart(self, row: Sequence[Nearness], untrained: Sequence[Nearness]) -> Estimate | None:
        """How much of its pictures a row has learned by heart: 0 where single training photos are no nearer to them
        than to the untrained model's pictures, 1 where they are training photos themselves.

        Both rows have the same prompts and noise, picture by picture. None without photos kept out of training.
        """
        leads = [(one.lead, other.lead) for one, other in zip(row, untrained, strict=True)]
        pairs = [(lead, before) for lead, before in leads if lead is not None and before is not None]
        if not pairs:
            return None
        whole = self._lead_of_copies - statistics.fmean(before for _, before in pairs)
        return estimate([(lead - before) / whole for lead, before in pairs]) if whole > 0 else None

    @cached_property
    def _lead_of_copies(self) -> float:
        """What the training photos themselves have on average."""
        return statistics.fmean(self.nearness(look).lead or 0.0 for look in self._training)


def is_by_heart(share: Estimate | None) -> bool:
    """Whether a row repeats photos: by much, and beyond chance."""
    return share is not None and share.is_above_zero and share.mean >= MUCH_BY_HEART


def too_many(num_copies: int, num_pictures: int) -> bool:
    """Whether so many copies by mistake are rarer than one row in twenty (the binomial distribution)."""
    from scipy.special import bdtrc

    by_chance = 1.0 if num_copies == 0 else float(bdtrc(num_copies - 1, num_pictures, 1 - _CONFIDENCE))
    return by_chance < 1 - _ROW_CONFIDENCE


def _lead(learned_T: np.ndarray, unseen_K: np.ndarray) -> float:
    """How far the nearest training photo is ahead of the second, and the others of the unseen ones.

    There are more training photos than unseen ones, so the nearest of them is nearer by chance alone. The second term
    is fair: the nearest of as many training photos, drawn at random, as there are unseen ones.
    """
    *others, second, first = np.sort(learned_T).tolist()
    return first - second + _expected_highest([*others, second], len(unseen_K)) - float(unseen_K.max())


def _expected_highest(ascending: Sequence[float], num: int) -> float:
    """The mean of the highest of `num` values drawn without putting back; all of them where there are fewer."""
    num = min(num, len(ascending))
    ways = [math.comb(place, num - 1) for place in range(len(ascending))]
    return math.fsum(way * value for way, value in zip(ways, ascending, strict=True)) / sum(ways)


def _highest_usual(correlations: Sequence[float], confidence: float) -> float:
    """By Fisher's z, which makes correlations about normal and keeps the bound below 1."""
    z = [math.atanh(min(value, 1 - 1e-9)) for value in correlations]
    return math.tanh(highest_usual(z, confidence))
