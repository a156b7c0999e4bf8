"""Curve: the losses of a run as few enough points to send and to draw, none of its extremes lost. Draws nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from .findings import short

MAX_POINTS = 2000


def curve_points(steps_N3: np.ndarray, max_points: int = MAX_POINTS) -> dict[str, Any]:
    """Step, loss and learning rate of every step ([N, 3], as RunLog.steps gives them) as columns of equal length.

    A point stands for `steps_per_point` steps, the last for what is left of them: `step` is the last of these, `loss`
    their mean, `lowest` and `highest` the extremes, `learning_rate` that of the last step, None where it is unknown.
    """
    num_steps = len(steps_N3)
    per_point = max(1, -(-num_steps // max_points))
    starts_P = np.arange(0, num_steps, per_point)
    ends_P = np.minimum(starts_P + per_point, num_steps)
    step_N, loss_N, rate_N = steps_N3.T
    if not num_steps:  # reduceat wants at least one
        mean_P = lowest_P = highest_P = np.empty(0)
    else:
        mean_P = np.add.reduceat(loss_N, starts_P) / (ends_P - starts_P)
        lowest_P, highest_P = np.minimum.reduceat(loss_N, starts_P), np.maximum.reduceat(loss_N, starts_P)
    return {
        "steps_per_point": per_point,
        "num_steps": num_steps,
        "step": step_N[ends_P - 1].astype(int).tolist(),
        "loss": _short(mean_P),
        "lowest": _short(lowest_P),
        "highest": _short(highest_P),
        "learning_rate": _short(rate_N[ends_P - 1]),
    }


def _short(values_P: np.ndarray) -> list[float | None]:
    """As JSON has them, which has no nan."""
    return [None if value != value else short(value) for value in values_P.tolist()]
