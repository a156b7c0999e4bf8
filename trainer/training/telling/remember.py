"""Remember: what a run tells is written into its history too, so that whoever looks later finds it. Changes no event.

Steps and validations are not among it: those are written before anything is told of them (evidence/judging.py).
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from ...messages import Message, UserError, as_plain
from ..keeping.history import append_event
from ..keeping.job import Run
from ..keeping.states import state_steps
from .events import (
    CheckpointSaved,
    Event,
    Finished,
    MemoryPlanned,
    PreviewDrawn,
    Started,
    StepDone,
    Stopped,
    Validated,
    Warned,
)


def remembered(
    events: Generator[Event, None, None], run: Run, notes: Iterable[Message], unix_s: Callable[[], float]
) -> Iterator[Event]:
    """The events, each written down before it is passed on; first `notes`, which were told before the folder was ours.

    An error that ends the run is written down on its way out.
    """
    history = _History(run, unix_s)
    with contextlib.closing(events):
        try:
            for note in notes:
                history.write("warned", as_plain(note))
            for event in events:
                history.see(event)
                yield event
        except Exception as error:
            with contextlib.suppress(Exception):  # the error itself is what has to be told
                history.write("ended", {"how": "failed", **as_plain(error_message(error))})
            raise


class _History:
    """Writes events, each with the step that it happened at."""

    def __init__(self, run: Run, unix_s: Callable[[], float]) -> None:
        self._run_dir, self._unix_s = run.run_dir, unix_s
        self._step = next(iter(state_steps(run.states_dir)), 0)
        self._peak_bytes = 0

    def see(self, event: Event) -> None:
        """Write an event down, if it is one that a history has."""
        if isinstance(event, Started):
            self._step = event.first_step - 1
            self.write("began", {"total_steps": event.total_steps}, event.first_step)
        elif isinstance(event, StepDone):
            self._step = event.step
            if event.peak_bytes is not None and event.peak_bytes > self._peak_bytes:
                self._peak_bytes = event.peak_bytes
                self.write("measured", {"peak_bytes": event.peak_bytes})
        elif isinstance(event, Validated):
            self._step = event.step
        elif isinstance(event, MemoryPlanned):
            figures = dataclasses.asdict(event)
            self.write("planned", figures, figures.pop("from_step"))
        elif isinstance(event, CheckpointSaved):
            self.write("saved", {}, event.checkpoint.step)
        elif isinstance(event, PreviewDrawn):
            self.write("drawn", {"prompt": event.prompt, "file": event.path.name}, event.step)
        elif isinstance(event, Warned):
            self.write("warned", as_plain(event.message))
        elif isinstance(event, Stopped | Finished):
            self.write("ended", {"how": "stopped" if isinstance(event, Stopped) else "finished"})

    def write(self, kind: str, fields: dict[str, Any], step: int | None = None) -> None:
        """Add a line; without a step, at the one reached."""
        append_event(self._run_dir, kind, self._step if step is None else step, fields, at=self._unix_s())


def error_message(error: Exception) -> Message:
    """What the user is told of an error that ended a run."""
    if isinstance(error, UserError):
        return error.message
    return Message("train.unexpected_error", {"error": f"{type(error).__name__}: {error}"})
