"""Schedules: the learning rate of every step. A pure function of the config and the step; knows no optimizer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...messages import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..config import TrainConfig


def learning_rate_at(config: TrainConfig, step: int) -> float:
    """The learning rate of a step; steps count from 1.

    Warm-up: the first `warmup_steps` steps climb evenly and stay below the full rate. Then `constant`, or down along a
    half cosine or a line whose zero lies one step behind the last, so that every step learns something. A run whose
    `total_steps` or rate was changed follows its new curve from the next step on, as if it had always been that long.
    """
    if step <= config.warmup_steps:
        return config.learning_rate * step / (config.warmup_steps + 1)
    if config.lr_schedule == "constant":
        return config.learning_rate
    gone = min((step - 1 - config.warmup_steps) / (config.total_steps - config.warmup_steps), 1.0)
    share = 1 - gone if config.lr_schedule == "linear" else (1 + math.cos(math.pi * gone)) / 2
    return config.learning_rate * share


def stretched_schedule(config: TrainConfig, before: Mapping[str, Any] | None, next_step: int) -> tuple[Message, ...]:
    """A warning where a run goes on with another length than it began with and its schedule depends on the length.

    `before` is the run's record until now; None for a new run.
    """
    length = before["config"]["total_steps"] if before else config.total_steps
    if length == config.total_steps or config.lr_schedule == "constant" or next_step == 1:
        return ()
    values = dict(
        schedule=config.lr_schedule, before=length, total=config.total_steps, step=next_step,
        rate=f"{learning_rate_at(config, next_step):.2e}",
    )  # fmt: skip
    return (Message("train.schedule_stretched", values),)
