"""Suppression: of boxes that show the same thing, keep the best (non-maximum suppression). NumPy only, any number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Share = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From a box and several others to how much of them they share, 0..1."""


def union_share(box_4: np.ndarray, others_N4: np.ndarray) -> np.ndarray:
    """Intersection over union of one box (left, top, right, bottom) with each of several, (N,) in 0..1."""
    shared_N, area, areas_N = _areas(box_4, others_N4)
    return shared_N / np.maximum(area + areas_N - shared_N, 1e-9)


def smaller_share(box_4: np.ndarray, others_N4: np.ndarray) -> np.ndarray:
    """Intersection over the smaller of the two areas: 1 also for a box within a much larger one."""
    shared_N, area, areas_N = _areas(box_4, others_N4)
    return shared_N / np.maximum(np.minimum(area, areas_N), 1e-9)


def best_of(boxes_N4: np.ndarray, scores_N: np.ndarray, limit: float, share: Share = union_share) -> np.ndarray:
    """The positions of the boxes to keep, best first: none shares more than `limit` with a better one that is kept.

    Equal scores: the earlier box wins, so that the same picture always gives the same boxes.
    """
    left_over = np.argsort(-scores_N, kind="stable")
    kept = []
    while left_over.size:
        best, left_over = left_over[0], left_over[1:]
        kept.append(best)
        left_over = left_over[share(boxes_N4[best], boxes_N4[left_over]) <= limit]
    return np.array(kept, np.intp)


def _areas(box_4: np.ndarray, others_N4: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """What the box shares with each of the others, its own area, and theirs."""
    left, top, right, bottom = box_4
    left_N, top_N, right_N, bottom_N = others_N4.T
    wide_N = np.minimum(right, right_N) - np.maximum(left, left_N)
    high_N = np.minimum(bottom, bottom_N) - np.maximum(top, top_N)
    shared_N = np.maximum(wide_N, 0) * np.maximum(high_N, 0)
    return shared_N, (right - left) * (bottom - top), (right_N - left_N) * (bottom_N - top_N)
