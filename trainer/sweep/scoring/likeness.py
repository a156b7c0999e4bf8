"""Likeness: how much pictures look like the person, by the direction of their faces. Reads no file.

Legend: D numbers per picture, R reference photos.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .looks import Look


def directions(looks: Sequence[Look]) -> np.ndarray:
    """The directions of those looks that have one, [R, D]."""
    return np.array([look.direction_D for look in looks if look.direction_D is not None])


def likeness_of(look: Look, references_RD: np.ndarray) -> float | None:
    """The mean cosine to the reference photos: 1 is the same, 0 nothing in common; None where there is no face."""
    return None if look.direction_D is None else float((references_RD @ look.direction_D).mean())


def likeness_among(references_RD: np.ndarray) -> float | None:
    """The mean cosine of different references to one another, or None with fewer than two.

    About what a perfect LoRA reaches.
    """
    num = len(references_RD)
    if num < 2:
        return None
    cosines_RR = references_RD @ references_RD.T
    return float((cosines_RR.sum() - np.trace(cosines_RR)) / (num * (num - 1)))
