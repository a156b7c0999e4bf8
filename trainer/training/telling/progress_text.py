"""Progress in words: `step 312/4000 · loss 0.41 · 1.9 s/step · 1 h 57 min left · basic features appear`."""

from __future__ import annotations

from ...messages import Message, sentence
from ..evidence.verdict import UNTRAINED_STEP
from .events import DiskPlanned, Preparing, StepDone, Validated
from .phases import phase_of


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
    }
    if phase_of(event.total_steps) == phase_of(1):  # a short run never leaves the first phase, so it says nothing
        return Message("train.step_of_short_run", values)
    return Message("train.step", {**values, "phase": sentence(Message(event.phase), language)})


def validated_message(event: Validated) -> Message:
    """How the weights of a step did on the held-out photos."""
    values = {"step": event.step, "loss": f"{event.loss:.4f}", "num": event.num_photos, "best": event.best_step}
    if event.step == UNTRAINED_STEP:
        return Message("train.validated_untrained", values)
    if event.before_step is None:
        return Message("train.validated", values)
    since = {"change": f"{event.change:+.4f}", "margin": f"{event.margin:.4f}", "before": event.before_step}
    return Message("train.validated_change", {**values, **since})


def duration(seconds: float, language: str) -> str:
    """`1 h 57 min`, `12 min`, `40 s`, rounded to the unit shown."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return sentence(Message("train.seconds", {"seconds": round(seconds)}), language)
    if minutes < 60:
        return sentence(Message("train.minutes", {"minutes": minutes}), language)
    return sentence(Message("train.hours", {"hours": minutes // 60, "minutes": minutes % 60}), language)


def disk_message(event: DiskPlanned) -> Message:
    """How much a run will write, and what is free."""
    return Message("train.disk_planned", {"needed": gib(event.needed_bytes), "free": gib(event.free_bytes)})


def gib(num_bytes: int) -> str:
    """`3.2`, or `0.0042` for what is much less than one, in GiB."""
    number = num_bytes / (1 << 30)
    return f"{number:.1f}" if number >= 0.1 else f"{number:.2g}"
