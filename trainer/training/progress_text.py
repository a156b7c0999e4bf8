"""Progress in words: `step 312/4000 · loss 0.41 · 1.9 s/step · 1 h 57 min left · basic features appear`."""

from __future__ import annotations

from ..messages import Message, sentence
from .events import Preparing, StepDone


def progress_message(event: Preparing | StepDone, language: str) -> Message:
    """The line that counts on while a run prepares and trains."""
    if isinstance(event, Preparing):
        return Message(f"train.preparing.{event.stage}", {"done": event.done, "total": event.total})
    pace_s = event.seconds_per_step
    values = {
        "step": event.step,
        "total": event.total_steps,
        "loss": f"{event.loss:.2f}",
        "pace": f"{pace_s:.1f}" if pace_s >= 1 else f"{pace_s:.2g}",
        "left": duration(event.seconds_left, language),
        "phase": sentence(Message(event.phase), language),
    }
    return Message("train.step", values)


def duration(seconds: float, language: str) -> str:
    """`1 h 57 min`, `12 min`, `40 s`, rounded to the unit shown."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return sentence(Message("train.seconds", {"seconds": round(seconds)}), language)
    if minutes < 60:
        return sentence(Message("train.minutes", {"minutes": minutes}), language)
    return sentence(Message("train.hours", {"hours": minutes // 60, "minutes": minutes % 60}), language)
