"""Run events: what browsers are told of a training, in few enough messages for any pace. Knows no server.

The shapes are those of `tests/event_examples.json`, which the tests of the browser read too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from ..trainer.messages import LANGUAGES, Message, in_every_language
from ..trainer.runs.findings import Place, message_value, phase_values, short
from ..trainer.training.telling.events import (
    CheckpointSaved,
    Event,
    Finished,
    MemoryPlanned,
    MemoryTold,
    Preparing,
    PreviewDrawn,
    Started,
    StepDone,
    Warned,
)
from .live import training_line

MIN_GAP_S = 0.1
TRAINING = "train"
"""The stage after those of Preparing."""


class Joiner:
    """Puts steps that come fast together, and leaves out how far a preparation is but for the newest, so that they are
    sent ten times a second at most. What else happens is never held back, and nothing overtakes anything."""

    def __init__(self) -> None:
        self._waiting: list[StepDone | Preparing] = []
        self._sent_s = float("-inf")

    def take(self, event: Event, now_s: float) -> list[list[Event]]:
        """What is to be sent now that this has happened: lists of steps, or of one event."""
        if not isinstance(event, StepDone | Preparing):
            return [*self.rest(), [event]]
        ready = self.rest() if self._waiting and type(self._waiting[0]) is not type(event) else []
        if isinstance(event, Preparing):
            self._waiting.clear()
        self._waiting.append(event)
        is_over = isinstance(event, Preparing) and event.done == event.total
        if is_over or now_s >= self._sent_s + MIN_GAP_S:
            self._sent_s = now_s
            ready += self.rest()
        return ready

    def rest(self) -> list[list[Event]]:
        """What waits."""
        waiting, self._waiting = self._waiting, []
        return [list(waiting)] if waiting else []


def event_values(events: Sequence[Event], place: Place, judged: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """One message's events, as Joiner gives them. `judged` tells of the checkpoints on disk (Runs.judged)."""
    event = events[-1]
    if isinstance(event, StepDone):
        return _steps_values([one for one in events if isinstance(one, StepDone)])
    name = {"event": type(event).__name__}
    if isinstance(event, CheckpointSaved):
        return {**name, "step": event.checkpoint.step, **judged()}
    if isinstance(event, Finished):
        return {**name, "step": event.checkpoints.checkpoints[-1].step, **judged()}
    if isinstance(event, PreviewDrawn):
        return {**name, "step": event.step, "prompt": event.prompt, "picture": place(event.path)}
    if isinstance(event, MemoryPlanned):
        return {**name, "plan": dataclasses.asdict(event)}
    if isinstance(event, MemoryTold | Warned):
        return {**name, "message": message_value(event.message)}
    values = {**name, **dataclasses.asdict(event), "text": line_values(event)}
    return {**values, "phases": phase_values(event.total_steps)} if isinstance(event, Started) else values


def failed_values(step: int, message: Message) -> dict[str, Any]:
    """An error has ended the training."""
    return {"event": "Failed", "step": step, "message": message_value(message)}


def line_values(event: Event) -> dict[str, str]:
    """The line on the node, in every language."""
    return {language: training_line(event, language) or "" for language in LANGUAGES}


class RunStatus:
    """What a training is doing, for pages that have missed its events. One thread tells, any asks."""

    def __init__(self) -> None:
        self._event: Preparing | Started | StepDone | None = None
        self.step = 0
        """The newest one."""

    def see(self, event: Event) -> None:
        """Something has happened."""
        if isinstance(event, Started):
            self.step = event.first_step - 1
        if isinstance(event, StepDone):
            self.step = event.step
        if isinstance(event, Preparing | Started | StepDone):
            self._event = event

    def values(self) -> dict[str, Any]:
        """Its stage and how far that is, the line on the node, and the pace."""
        event = self._event
        step = event if isinstance(event, StepDone) else None
        if event is None:
            stage, done, total, text = "text", 0, 0, in_every_language(Message("train.preparing.begins"))
        elif isinstance(event, Preparing):
            stage, done, total, text = event.stage, event.done, event.total, line_values(event)
        else:
            stage, done, total, text = TRAINING, self.step, event.total_steps, line_values(event)
        return {
            "stage": stage,
            "done": done,
            "total": total,
            "text": text,
            "seconds_per_step": step.seconds_per_step if step else None,
            "seconds_left": step.seconds_left if step else None,
            "used_bytes": step.used_bytes if step else None,
            "peak_bytes": step.peak_bytes if step else None,
        }


def _steps_values(steps: Sequence[StepDone]) -> dict[str, Any]:
    """Steps in a row: each with its loss and rate, the rest as it is after the newest."""
    newest = steps[-1]
    return {
        "event": "StepsDone",
        "step": newest.step,
        "total_steps": newest.total_steps,
        "steps": [one.step for one in steps],
        "losses": [short(one.loss) for one in steps],
        "learning_rates": [short(one.learning_rate) for one in steps],
        "seconds_per_step": newest.seconds_per_step,
        "seconds_left": newest.seconds_left,
        "phase": newest.phase,
        "used_bytes": newest.used_bytes,
        "peak_bytes": newest.peak_bytes,
        "text": line_values(newest),
    }
