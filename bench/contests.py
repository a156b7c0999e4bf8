"""One cell of the table: the product's step in one lane at one size, beside the plain loop. Prints nothing."""

from __future__ import annotations

import dataclasses
import gc
import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch

from trainer.memory.costs import ModelShape, Rates, Workload
from trainer.memory.device import read_machine
from trainer.memory.lanes import Lane
from trainer.memory.planner import lane_text
from trainer.memory.shortage import is_memory_error
from trainer.messages import UserError, as_plain
from trainer.training.session import Session

from .machine import synchronise
from .memory import Peak, watched
from .models import num_linear_parameters, num_tokens
from .sides import Cell, Settings, Step, open_product, open_reference, product_step, work_of

_WARM_UP_STEPS = 2
_BEGINS = "memory.compile_begins"


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A median with the quartiles round it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """The spread of at least one value."""
        low, median, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
        return cls(median=median, low=low, high=high)


@dataclass(frozen=True, kw_only=True)
class Result:
    """A row: what one cell came to, or why it did not."""

    cell: Cell
    problem: str = ""
    seconds: Spread | None = None
    reference_seconds: Spread | None = None
    speed_up: Spread | None = None
    """The reference's seconds over ours, round by round."""
    interleaved: bool = True
    """Whether both were in memory together and took turns; else the reference ran after us."""
    num_tokens: int = 0
    """Of one step."""
    floor_s: float = 0.0
    """What the matrix products alone would take: 4 P tokens over the measured rate."""
    loading_peak: Peak | None = None
    step_peak: Peak | None = None
    reference_peak: Peak | None = None
    plan: str = ""
    """The lane that the product's planner made of the settings."""
    lane: Lane | None = None
    """The same as numbers; with the next three it is what the planner predicts from."""
    shape: ModelShape | None = None
    work: Workload | None = None
    rates: Rates | None = None
    told: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    """What came of measuring attention and of compiling blocks, as the messages that users get."""
    predicted_bytes: int = 0
    """What the plan says of the whole peak, on CUDA the context included."""
    predicted_s: float = 0.0
    """What the plan says of a step's duration."""
    rounds_s: list[float] = dataclasses.field(default_factory=list)
    reference_rounds_s: list[float] = dataclasses.field(default_factory=list)


def measure(cell: Cell, settings: Settings, matmul_rate: float, reference_peak: Peak | None) -> Result:
    """Memory with the product alone, then both against the clock in turns. `matmul_rate` is in operations a second."""
    try:
        return _measure(cell, settings, matmul_rate, reference_peak)
    except UserError as error:
        return Result(cell=cell, problem=str(error))
    except Exception as error:
        if not is_memory_error(error):
            raise
        return Result(cell=cell, problem="out of memory")


def _measure(cell: Cell, settings: Settings, matmul_rate: float, reference_peak: Peak | None) -> Result:
    device = settings.device
    rates = read_machine(device, torch.bfloat16).rates
    with watched(device, settings.used_before) as loading_peak:
        session = open_product(cell, settings)
    step = product_step(session)
    if device.type == "cpu":
        step()  # a profile begins at zero: what lies in memory before it is added, with the optimizer's state
    held = _held_bytes(session) if device.type == "cpu" else 0
    with watched(device, settings.used_before) as step_peak:
        for _ in range(_WARM_UP_STEPS):
            step()
    step_peak.allocated += held
    side_px = cell.resolution_px
    tokens = cell.batch_size * num_tokens(side_px, side_px, settings.num_text_tokens)
    floor_s = 4 * num_linear_parameters(session.transformer) * tokens / matmul_rate
    result = Result(
        cell=cell,
        num_tokens=tokens,
        floor_s=floor_s,
        loading_peak=loading_peak,
        step_peak=step_peak,
        reference_peak=reference_peak,
        plan=lane_text(session.plan.lane, session.plan.num_blocks),
        lane=session.plan.lane,
        shape=ModelShape.of(session.transformer.config),
        work=work_of(session),
        rates=rates,
        told=[as_plain(said) for said in (*session.attention.told, *session.compiler.told) if said.key != _BEGINS],
        predicted_bytes=session.plan.peak.total,
        predicted_s=session.plan.seconds_per_step,
    )
    if reference_peak is None:
        return _timed(result, [_seconds(step, settings) for _ in range(settings.num_rounds)], [])
    if _has_room(device, reference_peak):
        return _timed(result, *_in_turns(step, open_reference(cell, settings).step, settings))
    ours = [_seconds(step, settings) for _ in range(settings.num_rounds)]
    session.forget()
    _give_back(device)
    reference = open_reference(cell, settings).step
    _warm_up(reference)
    theirs = [_seconds(reference, settings) for _ in range(settings.num_rounds)]
    return dataclasses.replace(_timed(result, ours, theirs), interleaved=False)


def _timed(result: Result, ours: list[float], theirs: list[float]) -> Result:
    """The result with both sides' seconds per step by round; `theirs` is empty without a reference."""
    return dataclasses.replace(
        result,
        seconds=Spread.of(ours),
        reference_seconds=Spread.of(theirs) if theirs else None,
        speed_up=Spread.of([their / our for our, their in zip(ours, theirs)]) if theirs else None,
        rounds_s=ours,
        reference_rounds_s=theirs,
    )


def measure_reference(cell: Cell, settings: Settings) -> Peak | None:
    """The peak of the plain loop alone at a cell's size, its loading included; None where memory does not suffice."""
    try:
        with watched(settings.device, settings.used_before) as peak:
            _warm_up(open_reference(cell, settings).step)
        return peak
    except Exception as error:
        if not is_memory_error(error):
            raise
        return None
    finally:
        _give_back(settings.device)


def _in_turns(ours: Step, theirs: Step, settings: Settings) -> tuple[list[float], list[float]]:
    """Seconds per step by round, of both; who begins changes from round to round."""
    _warm_up(ours)
    _warm_up(theirs)
    our_s: list[float] = []
    their_s: list[float] = []
    for round_index in range(settings.num_rounds):
        turns = [(ours, our_s), (theirs, their_s)]
        for step, seconds in turns if round_index % 2 == 0 else reversed(turns):
            seconds.append(_seconds(step, settings))
    return our_s, their_s


def _seconds(step: Step, settings: Settings) -> float:
    """Seconds per step of one round."""
    synchronise(settings.device)
    started_s = time.perf_counter()
    for _ in range(settings.steps_per_round):
        step()
    synchronise(settings.device)
    return (time.perf_counter() - started_s) / settings.steps_per_round


def _warm_up(step: Step) -> None:
    for _ in range(_WARM_UP_STEPS):
        step()


def _held_bytes(session: Session) -> int:
    """What a session keeps between two steps, each storage once: tensors can be parts of larger ones."""
    state = (value for values in session.optimizer.state.values() for value in values.values())
    tensors = [*session.transformer.parameters(), *session.transformer.buffers(), *state]
    storages = (tensor.untyped_storage() for tensor in tensors if isinstance(tensor, torch.Tensor))
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def _has_room(device: torch.device, reference_peak: Peak) -> bool:
    """Whether the reference fits beside what is in memory now, with a tenth to spare."""
    _give_back(device)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    else:
        import psutil

        free = psutil.virtual_memory().available
    return free > 1.1 * reference_peak.system


def _give_back(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
