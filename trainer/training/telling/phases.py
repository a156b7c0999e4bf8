"""Phases: the guide's names for how far a training has come. Loads no torch."""

import math

_PHASES = ((1000, "initial"), (2000, "basic"), (3000, "usable"), (4000, "sweet_spot"), (math.inf, "overfitting"))


def phase_of(step: int) -> str:
    """The message key of the guide's name for what a run of 4000 steps does at a step."""
    return "train.phase." + next(name for end, name in _PHASES if step <= end)
