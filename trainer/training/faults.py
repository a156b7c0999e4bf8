"""Faults: what becomes of a run when a step goes wrong. Whatever was learned before that step is on disk first.

A number that is not finite is never learned from. The step is made once more with the same photos and the same noise,
from the same weights, which it has not touched: what was a fault of the machine is gone then, and what the numbers
themselves lead to comes again, and ends the run.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

import torch

from ..memory.planner import lane_message, next_leaner
from ..memory.shortage import give_back, is_memory_error
from ..messages import Message, UserError
from .keeping.runs import Run
from .ranks import SharedError
from .session import Session, save_train_state
from .telling.events import Event, Warned

NOT_FINITE = "train.not_finite"
_Made = TypeVar("_Made")
_Result = TypeVar("_Result")


def careful_step(
    make_step: Callable[[Session, int], _Made], session: Session, run: Run, done: int, saved: int
) -> Generator[Event, None, _Made]:
    """Make step `done + 1`, whatever happens; yields a warning where it took two attempts.

    `saved` is the step of the newest train state. Raises UserError, everything up to the last step saved where that is
    possible, for numbers that stay not finite and for memory that does not suffice.
    """
    try:
        return (yield from _attempts(make_step, session, done + 1))
    except UserError as error:
        if error.message.key == NOT_FINITE or isinstance(error, SharedError):
            _save_if_possible(session, run, done, saved)
        raise
    except _HalfUpdated as error:
        reason, kept = str(error), saved  # what is in memory is between two steps
    except Exception as error:
        if not is_memory_error(error):
            raise
        reason, kept = _first_line(error), -1
    # Only here, where no traceback keeps the step's tensors alive any more, their memory can be given back.
    session.optimizer.zero_grad(set_to_none=True)
    give_back(session.device)
    if kept < 0:
        kept = _save_if_possible(session, run, done, saved)
    raise _out_of_memory(session, reason, done + 1, kept)


class _HalfUpdated(Exception):
    """Memory ran out after the update of the weights had begun."""


def _attempts(make_step: Callable[[Session, int], _Made], session: Session, step: int) -> Generator[Event, None, _Made]:
    try:
        return _make(make_step, session, step)
    except UserError as error:
        if error.message.key != NOT_FINITE:
            raise
        names = error.message.values["names"]
    yield Warned(message=Message("train.not_finite_once", {"step": step, "names": names}))
    return _make(make_step, session, step)


def _make(make_step: Callable[[Session, int], _Made], session: Session, step: int) -> _Made:
    """The step; memory that ran out within its update is told from memory that ran out before it."""
    begun: list[bool] = []
    watch = session.optimizer.register_step_pre_hook(lambda *_: begun.append(True))
    try:
        return make_step(session, step)
    except Exception as error:
        if begun and is_memory_error(error):
            raise _HalfUpdated(_first_line(error)) from None
        raise
    finally:
        watch.remove()


def _save_if_possible(session: Session, run: Run, done: int, saved: int) -> int:
    """Save what the last whole step left in memory; returns the step up to which everything is on disk now."""
    if done <= saved:
        return saved
    try:
        save_train_state(session, run, done)
    except UserError:  # a full disk on top: the run has one thing to say, and the older state is whole
        return saved
    return done


def naming_memory_errors(
    events: Generator[Event, None, _Result], device: torch.device
) -> Generator[Event, None, _Result]:
    """The same events; memory that runs out outside of steps (loading, validating, drawing) becomes a UserError too."""
    try:
        return (yield from events)
    except Exception as error:
        if not is_memory_error(error):
            raise
        reason = _first_line(error)
    give_back(device)
    raise UserError("train.out_of_memory_outside", reason=reason)


def _out_of_memory(session: Session, reason: str, step: int, saved: int) -> UserError:
    """What the user is told: at which step, what is saved, and the settings for the next leaner lane."""
    lane, num_blocks = session.plan.lane, int(session.transformer.config["n_layers"])
    values = {"step": step, "saved": saved, "reason": reason, "lane": lane_message(lane, num_blocks)}
    leaner = next_leaner(lane, num_blocks)
    if leaner is None:
        return UserError("train.out_of_memory_leanest", **values)
    settings = {
        "lane": "manual",
        "quantization_transformer": leaner.precision if leaner.is_quantised else "none",
        "recompute_blocks": leaner.num_blocks_recomputed,
        "offload_blocks": leaner.num_blocks_offloaded,
    }
    said = ", ".join(f"{name} {value}" for name, value in settings.items())
    return UserError("train.out_of_memory", leaner=lane_message(leaner, num_blocks), settings=said, **values)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__
