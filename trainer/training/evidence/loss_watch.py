"""Loss watch: photos whose loss is far off the others', allowing for the shares of noise they happened to get.

How hard a photo is depends most on sigma, so each loss is compared with what all photos have at that sigma. Names
photos, changes nothing; loads no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev

from ...messages import Message, name_some

MIN_PHOTOS = 10
"""Fewer have no usual spread to be far off from."""
_MIN_LOOKS = 6
_EPOCHS = 10
"""Judged by so many looks at each photo, the newest ones."""
_FIT_DEGREE = 4
_FAR = 4.0
"""In robust standard deviations. The usual limit for outliers is 3.5 (Iglewicz and Hoaglin 1993), but a run is looked
over a dozen times."""
_MUCH = 0.25
"""And at least this far from what is usual, as a share of it: a photo that is merely consistent is not named."""
_MAD_TO_DEVIATION = 1.4826


@dataclass(frozen=True, kw_only=True)
class PhotoLoss:
    """What one step found out about one photo."""

    photo_index: int
    sigma: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a photo stands among the others."""

    photo_index: int
    ratio: float
    """Its loss by what is usual at the same sigmas: 1.5 is half as much again."""
    distance: float
    """How far that is off the others', in robust standard deviations; chance in the photo's own looks counts in."""

    @property
    def is_far(self) -> bool:
        """Whether it should be named."""
        return abs(self.distance) > _FAR and not 1 / (1 + _MUCH) < self.ratio < 1 + _MUCH


def standings(losses: Sequence[PhotoLoss], num_photos: int) -> list[Standing]:
    """Where each photo stands, judged by the newest looks; empty while there are too few looks or photos."""
    newest = losses[-_EPOCHS * num_photos :]
    usable = [one for one in newest if one.loss > 0]
    photo_N = np.array([one.photo_index for one in usable], dtype=np.int64)
    counts_P = np.bincount(photo_N, minlength=num_photos)
    if num_photos < MIN_PHOTOS or counts_P.min() < _MIN_LOOKS:
        return []
    residual_N = _off_the_usual(np.array([one.sigma for one in usable]), np.log([one.loss for one in usable]))
    sums_P = np.bincount(photo_N, weights=residual_N, minlength=num_photos)
    level_P = sums_P / counts_P
    own_N = residual_N - level_P[photo_N]
    chance = np.sqrt((own_N**2).sum() / (len(own_N) - num_photos))  # of one look, the same for all photos
    level_P -= np.median(level_P)
    spread = _MAD_TO_DEVIATION * np.median(np.abs(level_P))
    distance_P = level_P / np.hypot(spread, chance / np.sqrt(counts_P))
    return [
        Standing(photo_index=index, ratio=float(np.exp(level_P[index])), distance=float(distance_P[index]))
        for index in range(num_photos)
    ]


def _off_the_usual(sigma_N: np.ndarray, log_loss_N: np.ndarray) -> np.ndarray:
    """Log losses without their dependence on sigma, a smooth curve fitted twice: the second time without what the first
    shows to be far off, so that a damaged photo does not bend the curve."""
    near_N = np.ones(len(sigma_N), dtype=bool)
    residual_N = log_loss_N
    for _ in range(2):
        curve = chebyshev.chebfit(2 * sigma_N[near_N] - 1, log_loss_N[near_N], _FIT_DEGREE)
        residual_N = log_loss_N - chebyshev.chebval(2 * sigma_N - 1, curve)
        deviation = _MAD_TO_DEVIATION * np.median(np.abs(residual_N - np.median(residual_N)))
        near_N = np.abs(residual_N - np.median(residual_N)) <= _FAR * deviation
    return residual_N


class LossWatch:
    """Keeps what every step found out and names each conspicuous photo once."""

    def __init__(self, names: Sequence[str], losses: Sequence[PhotoLoss] = ()) -> None:
        self._names = list(names)
        self._losses = list(losses)
        self._named: set[int] = set()

    def see(self, losses: Sequence[PhotoLoss]) -> None:
        """Take in what a step found out."""
        self._losses += losses
        del self._losses[: -_EPOCHS * len(self._names)]

    def warnings(self) -> tuple[Message, ...]:
        """A message for the photos that are far above the others, and one for those far below, if not named before."""
        far = [one for one in standings(self._losses, len(self._names)) if one.is_far]
        new = [one for one in far if one.photo_index not in self._named]
        self._named |= {one.photo_index for one in new}
        said = []
        for key, found in (
            ("train.loss_high", [one for one in new if one.ratio > 1]),
            ("train.loss_low", [one for one in new if one.ratio < 1]),
        ):
            if found:
                found.sort(key=lambda one: -abs(one.distance))
                names = [f"{self._names[one.photo_index]} ({one.ratio:.0%})" for one in found]
                said.append(Message(key, {"num": len(found), "names": name_some(names, limit=5)}))
        return tuple(said)
