"""The watch: what a run really takes, held against the plan, and whether memory spills. Pure arithmetic, no torch."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Iterable

_SETTLING_STEPS = 3
"""The first steps also choose kernels and make the optimizer's state."""
_BASELINE_STEPS, _WINDOW_STEPS = 10, 5
_JUMP, _BACK = 3.0, 1.5


class SpillWatch:
    """Tells when steps become many times longer at once and stay so: on Windows the driver moves what does not fit on
    the card into system memory instead of failing.

    The pace to compare with is the median of the first steps; said once when the median of the last five is three
    times that, and again only after it was back below one and a half times.
    """

    def __init__(self) -> None:
        self._baseline_s: list[float] = []
        self._recent_s: deque[float] = deque(maxlen=_WINDOW_STEPS)
        self._num_seen = 0
        self._is_spilling = False

    @property
    def usual_s(self) -> float | None:
        """Seconds per step before anything happened; None in the first steps."""
        return statistics.median(self._baseline_s) if len(self._baseline_s) >= _BASELINE_STEPS else None

    def see(self, step_s: float) -> float | None:
        """Take in a step's duration; how many times longer steps have become, when that begins, else None."""
        self._num_seen += 1
        if self._num_seen <= _SETTLING_STEPS:
            return None
        if len(self._baseline_s) < _BASELINE_STEPS:
            self._baseline_s.append(step_s)
            return None
        self._recent_s.append(step_s)
        if len(self._recent_s) < _WINDOW_STEPS or not self.usual_s:
            return None
        times = statistics.median(self._recent_s) / self.usual_s
        if self._is_spilling:
            self._is_spilling = times >= _BACK
            return None
        self._is_spilling = times >= _JUMP
        return times if self._is_spilling else None


def spills(durations_s: Iterable[float]) -> list[tuple[int, float]]:
    """Where in a run's step durations spilling begins: (index, how many times longer)."""
    see: Callable[[float], float | None] = SpillWatch().see
    return [(index, times) for index, step_s in enumerate(durations_s) if (times := see(step_s)) is not None]
