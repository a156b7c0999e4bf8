"""Recommend: which checkpoint at which strength to use, and why. Pure; loads no torch.

The rule: rows that the copying gate rejects are out. Of the others the best balance wins, which is the share reached of
the photos' own likeness times the flexibility kept. Where it surpasses others by no more than chance may (a 95 %
interval, picture by picture of the same prompt and noise), the one among these is taken whose loss on the photos kept
out of training is lowest, else the earliest, and of that the weakest strength, because less is more flexible.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...messages import Message
from ...training.keeping.results import SOUP_STEP, Checkpoints
from ..cells import UNTRAINED_STEP
from ..scores import RowScore, row_name
from .estimate import Estimate, paired


@dataclass(frozen=True, kw_only=True)
class Rated:
    """A row and what its balance is, picture by picture."""

    row: RowScore
    balances: tuple[float | None, ...] = ()
    """In the order of the row's cells; None where there is no likeness."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The row to use, the next best one, and why."""

    step: int
    strength: float
    runner_up: tuple[int, float] | None
    reasons: tuple[Message, ...]


def recommend(rated: Sequence[Rated], checkpoints: Checkpoints) -> Choice:
    """The choice among the trained rows; at least one is there."""
    trained = [one for one in rated if one.row.step != UNTRAINED_STEP]
    passed = [one for one in trained if one.row.rejected is None]
    gate: tuple[Message, ...] = ()
    if not passed:
        least = min(map(_repetition, trained))
        passed = [one for one in trained if _repetition(one) == least]
        gate = (Message("sweep.all_rejected"),)
    by_balance = [one for one in passed if one.row.balance is not None]
    if by_balance and any(one.row.gain is not None and one.row.gain.mean > 0 for one in by_balance):
        chosen, key = _best_balance(by_balance)
    else:
        chosen, key = _without_likeness(passed, checkpoints)
    rest = [one for one in by_balance if one is not chosen]
    runner_up = max(rest, key=_balance, default=None)
    reasons = [_reason(key, chosen.row), *([_next_best(chosen, runner_up)] if runner_up else ()), *gate]
    return Choice(
        step=chosen.row.step,
        strength=chosen.row.strength,
        runner_up=(runner_up.row.step, runner_up.row.strength) if runner_up else None,
        reasons=tuple(reasons),
    )


def _repetition(rated: Rated) -> tuple[int, float]:
    """How much of the training photos a row repeats."""
    return rated.row.num_copies, rated.row.by_heart.mean if rated.row.by_heart else 0.0


def _best_balance(rated: Sequence[Rated]) -> tuple[Rated, str]:
    best = max(rated, key=_balance)
    equals = [one for one in rated if one is best or _is_tie(best, one)]
    if len(equals) == 1:
        return best, "sweep.best_balance"
    losses = [one.row.validation.mean for one in equals if one.row.validation]
    own = [one for one in equals if one.row.validation and one.row.validation.mean == min(losses)]
    chosen = min(own or equals, key=lambda one: (one.row.step == SOUP_STEP, one.row.step, one.row.strength))
    return chosen, "sweep.best_balance_and_training" if own else "sweep.best_balance_earliest"


def _without_likeness(rated: Sequence[Rated], checkpoints: Checkpoints) -> tuple[Rated, str]:
    """The training's own choice, else the last; of several strengths the one nearest to the usual 0.8."""
    steps = {one.row.step for one in rated}
    own = checkpoints.recommended_step
    step = own if own in steps else max(steps)
    rows = [one for one in rated if one.row.step == step]
    chosen = min(rows, key=lambda one: (abs(one.row.strength - USUAL_STRENGTH), one.row.strength))
    return chosen, "sweep.recommended_by_training" if own in steps else "sweep.recommended_by_last"


USUAL_STRENGTH = 0.8


def lead(best: Rated, other: Rated) -> Estimate | None:
    """By how much one balance surpasses another, over the pictures that both have; None where there are none."""
    pairs = [
        (a, b) for a, b in zip(best.balances, other.balances, strict=True) if a is not None and b is not None
    ]  # fmt: skip
    return paired(*zip(*pairs, strict=True)) if pairs else None


def _is_tie(best: Rated, other: Rated) -> bool:
    ahead = lead(best, other)
    return ahead is not None and not ahead.is_above_zero


def _balance(rated: Rated) -> float:
    return rated.row.balance.mean if rated.row.balance else -math.inf


def _reason(key: str, row: RowScore) -> Message:
    values: dict[str, object] = {"row": row_name(row.step, row.strength), "step": row.step}
    if row.balance:
        values["balance"] = str(row.balance)
    return Message(key, values)


def _next_best(chosen: Rated, runner_up: Rated) -> Message:
    ahead = lead(chosen, runner_up)
    said = f"{ahead.mean:+.3f}" + (f" ± {ahead.margin:.3f}" if ahead.margin is not None else "") if ahead else "?"
    return Message("sweep.runner_up", {"row": row_name(runner_up.row.step, runner_up.row.strength), "lead": said})
