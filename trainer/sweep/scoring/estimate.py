"""Estimate: a mean and how far chance moves it. Pure; loads no torch.

The intervals are Student's t, as in training/evidence/verdict.py: of a handful of values a bootstrap gives intervals
that are too narrow.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ...training.evidence.verdict import CONFIDENCE


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The mean of some values."""

    mean: float
    standard_error: float | None
    """None where a single value says nothing about chance."""
    margin: float | None
    """Half of the interval that holds the true mean with 95 % confidence; None likewise."""
    num: int
    """How many values it is the mean of."""

    def __str__(self) -> str:
        return f"{self.mean:.3f}" if self.margin is None else f"{self.mean:.3f} ± {self.margin:.3f}"

    @property
    def is_above_zero(self) -> bool:
        """Whether chance is ruled out."""
        return self.margin is not None and self.mean > self.margin


def estimate(values: Sequence[float]) -> Estimate:
    """The estimate from independent values, at least one."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(mean=mean, standard_error=None, margin=None, num=1)
    error = statistics.stdev(values) / math.sqrt(len(values))
    return Estimate(mean=mean, standard_error=error, margin=quantile(len(values) - 1) * error, num=len(values))


def paired(later: Sequence[float], earlier: Sequence[float]) -> Estimate:
    """How much higher one row's values are than another's, picture by picture of the same prompt and noise."""
    return estimate([a - b for a, b in zip(later, earlier, strict=True)])


def quantile(degrees: int, confidence: float = (1 + CONFIDENCE) / 2) -> float:
    """Student's t: below which value a standardised mean stays with this confidence."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, confidence))


def highest_usual(values: Sequence[float], confidence: float) -> float:
    """What one more value of the same kind stays below with this confidence; at least two values.

    The prediction bound of normal values: mean + t · s · sqrt(1 + 1/n), with n - 1 degrees of freedom.
    """
    spread = statistics.stdev(values) * math.sqrt(1 + 1 / len(values))
    return statistics.fmean(values) + quantile(len(values) - 1, confidence) * spread
