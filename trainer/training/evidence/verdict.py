"""Verdict: what the losses on held-out photos say about the checkpoints of a run. Pure; loads no torch.

Two checkpoints are compared photo by photo, each under the same noise, so what makes a photo hard drops out. The
intervals are Student's t over the photos: there are 4 to 10 of them, and of so few a bootstrap gives intervals that
are too narrow, because resampling never sees more spread than the sample has.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ...messages import Message

CONFIDENCE = 0.95
UNTRAINED_STEP = 0
_GIVEN_AWAY = 0.1
"""Of what training gained, at most this share is given away for an earlier checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Validation:
    """The losses of the weights after a step on photos that training never saw."""

    step: int
    """0 is the base model with its LoRA still empty."""
    losses: tuple[tuple[float, ...], ...]
    """For each held-out photo its loss at each of its sigmas; the same ones in every validation of a run."""

    @property
    def by_photo(self) -> tuple[float, ...]:
        """The mean over the sigmas, photo by photo."""
        return tuple(statistics.fmean(losses) for losses in self.losses)

    @property
    def loss(self) -> float:
        """The mean over all photos and sigmas."""
        return statistics.fmean(self.by_photo)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much higher one loss is than another, and how far chance moves that."""

    mean: float
    standard_error: float
    margin: float
    """Half of the interval that holds the true difference with 95 % confidence."""

    @property
    def is_worse(self) -> bool:
        """Whether chance is ruled out."""
        return self.mean > self.margin


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The checkpoint to use, and why."""

    step: int
    best_step: int
    """Where the loss was lowest; `step` is earlier if an earlier one is as good."""
    reason: Message


def compare(later: Validation, earlier: Validation) -> Difference:
    """The paired difference `later - earlier` over the photos; at least two."""
    from scipy.special import stdtrit

    differences = [a - b for a, b in zip(later.by_photo, earlier.by_photo, strict=True)]
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    quantile = float(stdtrit(len(differences) - 1, (1 + CONFIDENCE) / 2))
    return Difference(mean=statistics.fmean(differences), standard_error=error, margin=quantile * error)


def lowest(validations: Sequence[Validation]) -> Validation:
    """The one with the lowest loss, the earliest of equals."""
    return min(validations, key=lambda validation: validation.loss)


def judge(validations: Sequence[Validation], steps_on_disk: Collection[int]) -> Verdict | None:
    """Which of the checkpoints on disk to use; None where none of them was validated.

    The loss stops improving at the earliest checkpoint that the best one surpasses by no more than one standard error
    and by no more than a tenth of what the best gained over the untrained model. The second holds where photos answer
    to training so differently that the first would let nearly everything pass.
    """
    found = [validation for validation in validations if validation.step in steps_on_disk]
    if not found:
        return None
    best = lowest(found)
    untrained = next((one for one in validations if one.step == UNTRAINED_STEP), None)
    most = _GIVEN_AWAY * max(0.0, untrained.loss - best.loss) if untrained else math.inf
    lags = [compare(one, best) for one in found]
    chosen = next(one for one, lag in zip(found, lags, strict=True) if lag.mean <= min(lag.standard_error, most))
    return Verdict(step=chosen.step, best_step=best.step, reason=_reason(chosen, found[-1], untrained))


def _reason(chosen: Validation, last: Validation, untrained: Validation | None) -> Message:
    values = {"step": chosen.step, "num": len(chosen.losses), "loss": f"{chosen.loss:.4f}"}
    if untrained and chosen.loss >= untrained.loss:
        return Message("train.recommended.no_gain", {**values, "untrained": f"{untrained.loss:.4f}"})
    rise = compare(last, chosen)
    if rise.is_worse:
        more = {"last": last.step, "more": f"{rise.mean:.4f}", "margin": f"{rise.margin:.4f}"}
        return Message("train.recommended.overfitting", {**values, **more})
    if chosen is last:
        return Message("train.recommended.still_falling", values)
    return Message("train.recommended.stops_improving", values)


def overfitting_since(validations: Sequence[Validation]) -> Validation | None:
    """The validation that first showed overfitting, or None.

    Two checkpoints in a row have to be worse than the best one before them, each beyond its interval: among a dozen
    comparisons one alone often is by chance.
    """
    trained = [validation for validation in validations if validation.step != UNTRAINED_STEP]
    for index in range(2, len(trained)):
        best = lowest(trained[: index - 1])
        if all(compare(one, best).is_worse for one in trained[index - 1 : index + 1]):
            return trained[index]
    return None
