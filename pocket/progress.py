"""Training's odds and ends: a log of losses, the learning rate's course, an average of weights."""

import json
import math
import time
from pathlib import Path

import torch
from torch import nn


class Progress:
    """Appends a JSON line every few steps: what is trained, step, seconds since the start, each value's mean since."""

    def __init__(self, path: Path, every_steps: int = 50) -> None:
        self.path, self.every_steps = path, every_steps
        self.start_s = time.monotonic()
        self.pending: list[dict[str, float]] = []

    def log(self, what: str, step: int, values: dict[str, float]) -> None:
        self.pending.append(values)
        if (step + 1) % self.every_steps:
            return
        means = {name: round(sum(entry[name] for entry in self.pending) / len(self.pending), 5) for name in values}
        line = json.dumps({"what": what, "step": step + 1, "time_s": round(time.monotonic() - self.start_s), **means})
        print(line, flush=True)
        with self.path.open("a", encoding="utf-8") as log:
            log.write(line + "\n")
        self.pending = []


def learning_rate(step: int, num_steps: int, num_warmup: int) -> float:
    """Share of the peak: linear warm-up, then half a cosine down to 2 %."""
    if step < num_warmup:
        return (step + 1) / num_warmup
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - num_warmup) / max(1, num_steps - num_warmup)))


@torch.no_grad()
def average_into_(average: nn.Module, current: nn.Module, step: int, decay: float = 0.997) -> None:
    """Exponential moving average of weights; the first steps count less, so that the start is forgotten."""
    decay = min(decay, (1 + step) / (10 + step))
    for old, new in zip(average.parameters(), current.parameters(), strict=True):
        old.lerp_(new, 1 - decay)
