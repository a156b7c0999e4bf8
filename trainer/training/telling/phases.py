"""Phases: the guide's names for how far a training has come. Loads no torch."""

import math

_PHASES = ((1000, "initial"), (2000, "basic"), (3000, "usable"), (4000, "sweet_spot"), (math.inf, "overfitting"))


def phase_spans(num_steps: int) -> list[tuple[int, int, str]]:
    """(first step, last step, message key) of each phase of a run; none where all of it is one phase."""
    spans, first = [], 1
    for end, name in _PHASES:
        if first <= num_steps:
            spans.append((first, int(min(end, num_steps)), f"train.phase.{name}"))
            first = int(min(end, num_steps)) + 1
    return spans if len(spans) > 1 else []


def phase_of(step: int) -> str:
    """The message key of the guide's name for what a run of 4000 steps does at a step."""
    return "train.phase." + next(name for end, name in _PHASES if step <= end)
