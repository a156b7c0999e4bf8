"""The planner: from what a device has and what a training needs to the lane it runs in. Pure functions, no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..messages import Message, sentence
from .constants import Constants
from .costs import ModelShape, PeakParts, Rates, Workload, host_bytes, peak_parts, step_seconds
from .lanes import QUANTISED, Lane

_TIMES_SLOWER = {"float8": 2.0, "int8": 2.0}
_TIMES_SLOWER_DENSE = 1.3
"""So many times longer may a step take in a precision before the next smaller one is taken: 8 bits are nearly as good
as 16 for a frozen base model, 4 bits are not nearly as good as 8."""
_SPARE_SHARE, _SPARE_BYTES = 0.03, 300_000_000
"""What is left free of a GPU for the desktop and for what is not counted: this share of it, and at least so much."""
_SPARE_HOST_BYTES = 2_000_000_000
_GB = 1e9


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What there is to train on."""

    is_cuda: bool
    total_bytes: int
    free_bytes: int
    """Of the device, after its context was made."""
    host_free_bytes: int
    rates: Rates
    constants: Constants
    has_bitsandbytes: bool = True

    @property
    def usable_bytes(self) -> int:
        """What a plan may use, its context included."""
        if not self.is_cuda:
            return max(0, self.free_bytes - _SPARE_HOST_BYTES)
        return self.free_bytes + self.constants.context_bytes - max(_SPARE_BYTES, int(_SPARE_SHARE * self.total_bytes))


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the settings leave open: None is for the planner to decide."""

    precision: str
    """The base model's own format, fp32 or bf16; what an unquantised lane uses."""
    quantisation: str | None = None
    """none, float8, int8 or nf4."""
    num_blocks_recomputed: int | None = None
    num_blocks_offloaded: int | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A lane and what it is expected to come to."""

    lane: Lane
    num_blocks: int
    """All main blocks of the model."""
    peak: PeakParts
    host_bytes: int
    """Pinned system memory for offloaded blocks."""
    seconds_per_step: float
    usable_bytes: int
    """What of the device may be used, its context included."""
    fits: bool


def make_plan(shape: ModelShape, work: Workload, machine: Machine, wish: Wish) -> Plan:
    """The most exact precision that fits and costs little time, with as little recompute and offload as it needs.

    Without one that fits, the smallest of all, its `fits` False.
    """
    best = [
        plan for precision in _precisions(machine, wish) if (plan := _fitting(shape, work, machine, wish, precision))
    ]
    if not best:
        leanest = [list(_lanes(shape, wish, precision))[-1] for precision in _precisions(machine, wish)]
        plans = [_plan(shape, work, machine, lane) for lane in leanest]
        return min(plans, key=lambda plan: plan.peak.total)
    for plan, smaller in zip(best, best[1:]):
        allowed = _TIMES_SLOWER.get(plan.lane.precision, _TIMES_SLOWER_DENSE)
        if plan.seconds_per_step <= allowed * smaller.seconds_per_step:
            return plan
    return best[-1]


def _precisions(machine: Machine, wish: Wish) -> list[str]:
    """Those to choose from, the most exact first. A CPU has its numbers to itself: nothing is quantised unasked."""
    if wish.quantisation is not None:
        return [wish.precision if wish.quantisation == "none" else wish.quantisation]
    if not machine.is_cuda:
        return [wish.precision]
    return [wish.precision, "int8", *(["nf4"] if machine.has_bitsandbytes else [])]


def _fitting(shape: ModelShape, work: Workload, machine: Machine, wish: Wish, precision: str) -> Plan | None:
    """The fastest lane of a precision that fits."""
    plans = (_plan(shape, work, machine, lane) for lane in _lanes(shape, wish, precision))
    return min((plan for plan in plans if plan.fits), key=lambda plan: plan.seconds_per_step, default=None)


def _lanes(shape: ModelShape, wish: Wish, precision: str) -> Iterator[Lane]:
    """All lanes of a precision that the settings allow, the leanest last."""
    most = shape.num_blocks
    asked = wish.num_blocks_offloaded
    for offloaded in range(most + 1) if asked is None else [min(asked, most)]:
        if wish.num_blocks_recomputed is not None:
            recomputes = [max(offloaded, min(wish.num_blocks_recomputed, most))]
        elif asked is None and offloaded:  # keeping activations while weights leave would be the wrong way round
            recomputes = [most]
        else:
            recomputes = list(range(offloaded, most + 1))
        for recomputed in recomputes:
            yield Lane(precision=precision, num_blocks_recomputed=recomputed, num_blocks_offloaded=offloaded)


def _plan(shape: ModelShape, work: Workload, machine: Machine, lane: Lane) -> Plan:
    peak = peak_parts(shape, work, lane, machine.constants, is_cuda=machine.is_cuda)
    host = host_bytes(shape, lane)
    # A lane that does not hold the whole base model as it is reads it into system memory first.
    needed_host = host + (shape.num_parameters * 2 if machine.is_cuda and (lane.is_quantised or host) else 0)
    return Plan(
        lane=lane,
        num_blocks=shape.num_blocks,
        peak=peak,
        host_bytes=host,
        seconds_per_step=step_seconds(shape, work, lane, machine.rates, machine.constants),
        usable_bytes=machine.usable_bytes,
        fits=peak.total <= machine.usable_bytes
        and (not machine.is_cuda or needed_host <= machine.host_free_bytes),
    )  # fmt: skip


def lane_text(lane: Lane, num_blocks: int) -> str:
    """`int8 · recompute 30/30 · offload 12/30`: what the records of runs call it."""
    return sentence(lane_message(lane, num_blocks), "en")


def lane_message(lane: Lane, num_blocks: int) -> Message:
    """The lane's name as users read it."""
    said = Message("memory.lane", {"precision": lane.precision})
    if num := lane.num_blocks_recomputed:
        said = Message("memory.lane_recomputed", {"lane": said, "num": num, "num_blocks": num_blocks})
    if num := lane.num_blocks_offloaded:
        said = Message("memory.lane_offloaded", {"lane": said, "num": num, "num_blocks": num_blocks})
    return said


def plan_message(plan: Plan, num_steps: int, end: str) -> Message:
    """What the user is told before training: lane, peak with its parts, pace, and when it will be done."""
    peak = plan.peak
    values = {
        "lane": lane_message(plan.lane, plan.num_blocks),
        "peak": gigabytes(peak.total),
        "weights": gigabytes(peak.weights),
        "lora": gigabytes(peak.lora + peak.gradients + peak.optimizer),
        "activations": gigabytes(peak.activations + peak.workspace + peak.photos),
        "context": gigabytes(peak.context),
        "host": gigabytes(plan.host_bytes),
        "pace": pace(plan.seconds_per_step),
        "steps": num_steps,
        "end": end,
    }
    return Message("memory.plan", values)


def gigabytes(num_bytes: float) -> str:
    """`14.5`, or `0.031` for what is much less than one, in GB of 10^9 bytes."""
    return f"{num_bytes / _GB:.1f}" if num_bytes >= 0.1 * _GB else f"{num_bytes / _GB:.2g}"


def pace(seconds: float) -> str:
    """Seconds per step, two digits below ten."""
    return f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2g}"


def next_leaner(lane: Lane, num_blocks: int) -> Lane | None:
    """The lane to try when memory ran out in this one: recompute all, then int8, then offload, then nf4; None after."""
    if lane.num_blocks_recomputed < num_blocks:
        return Lane(precision=lane.precision, num_blocks_recomputed=num_blocks,
                    num_blocks_offloaded=lane.num_blocks_offloaded)  # fmt: skip
    if lane.precision not in QUANTISED:
        return Lane(precision="int8", num_blocks_recomputed=num_blocks)
    if lane.num_blocks_offloaded < num_blocks:
        return Lane(precision=lane.precision, num_blocks_recomputed=num_blocks, num_blocks_offloaded=num_blocks)
    return None if lane.precision == "nf4" else Lane(
        precision="nf4", num_blocks_recomputed=num_blocks, num_blocks_offloaded=num_blocks
    )  # fmt: skip
