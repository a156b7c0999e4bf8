"""Run log: a run's history read again and again while it grows, each byte once. Holds no file open between readings."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from ..training.keeping.history import EVENTS_NAME, STEP_BEGINS, parse_line, step_of

# JSON alone takes a second for 100,000 lines; what other versions wrote in another order is read as JSON all the same.
_NUMBER = rb"(-?\d[-+.e\d]*)"
_STEP_LINE = re.compile(
    rb'^\{"step": (\d+), "loss": %b, "rate": %b, "s": [-+.e\d]+, "at": [.\d]+, "photos": \[[^{}"\n]*\]\}\r?$'
    % (_NUMBER, _NUMBER),
    re.MULTILINE,
)
_GUARD_BYTES = 256


class RunLog:
    """The history in a run's folder. Ask `refresh()` first; one thread at a time."""

    def __init__(self, run_dir: Path) -> None:
        self._tail, self._steps_tail = _Tail(run_dir / EVENTS_NAME), _Tail(run_dir / EVENTS_NAME)
        self.lines: list[dict[str, Any]] = []
        """Everything but steps, oldest first, as history.py describes it."""
        self.last_step = 0
        self._steps_N3 = np.empty((0, 3))

    def refresh(self) -> None:
        """Read what has come since the last time; everything again where the file was written anew."""
        from_start, data = self._tail.read()
        if from_start:
            self.lines, self.last_step = [], 0
        texts = data.splitlines()
        others = (parse_line(text) for text in texts if not text.startswith(STEP_BEGINS))
        self.lines += [line for line in others if line]
        steps = (parse_line(text) for text in reversed(texts) if text.startswith(STEP_BEGINS))
        if newest := next(filter(None, steps), None):
            self.last_step = step_of(newest)

    def steps(self) -> np.ndarray:
        """[N, 3]: step, loss and learning rate (nan where unknown) of every step, in order, each once."""
        from_start, data = self._steps_tail.read()
        found = _step_rows(data)
        if from_start:
            self._steps_N3 = found
        elif len(found):
            self._steps_N3 = np.concatenate([self._steps_N3, found])
        if len(found) and not (np.diff(self._steps_N3[:, 0]) > 0).all():
            newest_first = self._steps_N3[::-1]
            self._steps_N3 = newest_first[np.unique(newest_first[:, 0], return_index=True)[1]]
        return self._steps_N3


class _Tail:
    """The whole lines at the end of a file that were not read yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None
        self._offset = 0
        self._guard = b""

    def read(self) -> tuple[bool, bytes]:
        """(whether this is the file from its start, its new lines)."""
        try:
            with open(self._path, "rb") as file:
                status = os.fstat(file.fileno())
                is_same = self._identity == (status.st_dev, status.st_ino) and status.st_size >= self._offset
                if is_same:
                    file.seek(self._offset - len(self._guard))
                    is_same = file.read(len(self._guard)) == self._guard
                start = self._offset if is_same else 0
                file.seek(start)
                data = file.read()
        except FileNotFoundError:
            status, is_same, start, data = None, False, 0, b""
        data = data[: data.rfind(b"\n") + 1]
        self._identity = (status.st_dev, status.st_ino) if status else None
        self._offset = start + len(data)
        self._guard = (self._guard + data if is_same else data)[-_GUARD_BYTES:]
        return not is_same, data


def _step_rows(data: bytes) -> np.ndarray:
    """[N, 3] of the lines that are whole steps."""
    found = _STEP_LINE.findall(data)
    if len(found) == data.count(b"\n" + STEP_BEGINS) + data.startswith(STEP_BEGINS):
        return np.array(found, dtype=np.bytes_).astype(np.float64).reshape(-1, 3)
    lines = (parse_line(text) for text in data.splitlines() if text.startswith(STEP_BEGINS))
    rows = [(step_of(line), float(line["loss"]), float(line.get("rate", np.nan))) for line in lines if line]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)
