"""The lane while a run goes on: what is told before it, what is measured, and whether memory spills. Makes no step."""

from __future__ import annotations

import datetime
import statistics
from collections.abc import Callable, Iterator

import torch

from ...memory.attention import Attention
from ...memory.compiled import Compiler
from ...memory.device import measured_now, measured_peak
from ...memory.planner import Plan, gigabytes, lane_message, lane_text, next_leaner, pace, plan_message
from ...memory.quantised import unpacking_message
from ...memory.watch import SpillWatch
from ...messages import Message
from .events import Event, MemoryPlanned, MemoryTold, Warned

_CHECKED_AFTER_STEPS = 10
_DAY = "%H:%M"
_OTHER_DAY = "%Y-%m-%d %H:%M"


class LaneWatch:
    """Tells the plan of a run before its first step, then holds it against what is measured."""

    def __init__(
        self,
        plan: Plan,
        device: torch.device,
        now: Callable[[], datetime.datetime] = datetime.datetime.now,
    ) -> None:
        self._plan, self._device, self._now = plan, device, now
        self._durations_s: list[float] = []
        self._spill = SpillWatch()

    def begin(self, done: int, last_step: int) -> Iterator[Event]:
        """The plan for the steps after `done`, and a warning where it does not fit."""
        plan, num_steps = self._plan, last_step - done
        yield _planned(plan, done + 1)
        yield MemoryTold(message=plan_message(plan, num_steps, self._end(num_steps * plan.seconds_per_step)))
        if unpacking := unpacking_message(plan.lane.precision, self._device):
            yield MemoryTold(message=unpacking)
        if not plan.fits:
            values = {"peak": gigabytes(plan.peak.total), "free": gigabytes(plan.usable_bytes)}
            yield Warned(message=Message("memory.does_not_fit", values))

    def see(self, step: int, step_s: float, num_left: int) -> Iterator[Event]:
        """A step was made in so many seconds."""
        if len(self._durations_s) < _CHECKED_AFTER_STEPS:
            self._durations_s.append(step_s)
            if len(self._durations_s) == _CHECKED_AFTER_STEPS:
                yield MemoryTold(message=self._checked(num_left))
        if (times := self._spill.see(step_s)) and self._device.type == "cuda":
            leaner = next_leaner(self._plan.lane, self._plan.num_blocks)
            shown = lane_message(leaner or self._plan.lane, self._plan.num_blocks)
            yield Warned(message=Message("memory.spill", {"times": round(times), "step": step, "leaner": shown}))

    def memory(self) -> tuple[int | None, int | None]:
        """What training holds of the device now and has held at most, in bytes; None where nothing tells."""
        context = self._plan.peak.context
        return measured_now(self._device, context), measured_peak(self._device, context)

    def _checked(self, num_left: int) -> Message:
        usual_s = statistics.median(self._durations_s)
        values = {
            "pace": pace(usual_s),
            "planned_pace": pace(self._plan.seconds_per_step),
            "end": self._end(num_left * usual_s),
        }
        peak = measured_peak(self._device, self._plan.peak.context)
        if peak is None:
            return Message("memory.checked_pace", values)
        planned = {"peak": gigabytes(peak), "planned_peak": gigabytes(self._plan.peak.total)}
        return Message("memory.checked", {**values, **planned})

    def _end(self, seconds: float) -> str:
        now = self._now()
        end = now + datetime.timedelta(seconds=seconds)
        return end.strftime(_DAY if end.date() == now.date() else _OTHER_DAY)


def told_of_attention(attention: Attention) -> Iterator[Event]:
    """What was found when attention was measured."""
    yield from (MemoryTold(message=message) for message in attention.told)


def told_of_compiling(compiler: Compiler) -> Iterator[Event]:
    """What the compiler has to say since it was last asked."""
    while compiler.told:
        yield MemoryTold(message=compiler.told.pop(0))


def _planned(plan: Plan, from_step: int) -> MemoryPlanned:
    peak = plan.peak
    return MemoryPlanned(
        lane=lane_text(plan.lane, plan.num_blocks),
        from_step=from_step,
        peak_bytes=int(peak.total),
        weights_bytes=int(peak.weights),
        lora_bytes=int(peak.lora + peak.gradients + peak.optimizer),
        activations_bytes=int(peak.activations + peak.workspace),
        context_bytes=int(peak.context),
        host_bytes=int(plan.host_bytes),
        usable_bytes=int(plan.usable_bytes),
        seconds_per_step=plan.seconds_per_step,
        fits=plan.fits,
    )
