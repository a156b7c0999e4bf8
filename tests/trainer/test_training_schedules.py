"""Learning rates: laws of every schedule, and what happens to a run whose length or rate is changed."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.trainer.conftest import losses_of
from trainer.messages import Message, UserError, sentence
from trainer.training.config import TrainConfig
from trainer.training.telling.events import Event, Warned
from trainer.training.update.schedules import learning_rate_at

SCHEDULES = ("constant", "cosine", "linear")


def rates(**settings: object) -> list[float]:
    """The learning rate of every step of a run."""
    config = TrainConfig(learning_rate=1e-3, **{"total_steps": 100, **settings})  # type: ignore[arg-type]
    return [learning_rate_at(config, step) for step in range(1, config.total_steps + 1)]


def test_constant_without_warm_up_is_the_rate_itself() -> None:
    assert set(rates()) == {1e-3}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("warmup", [0, 1, 10, 99])
def test_every_step_learns_something_and_none_more_than_the_full_rate(schedule: str, warmup: int) -> None:
    for total in (100, 101, 3000):
        run = rates(lr_schedule=schedule, warmup_steps=warmup, total_steps=total)
        assert min(run) > 0 and max(run) == 1e-3
        assert run.index(1e-3) == warmup, "the first full step follows the warm-up"


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_warm_up_climbs_evenly_and_what_follows_never_climbs(schedule: str) -> None:
    run = rates(lr_schedule=schedule, warmup_steps=20)
    climbs = [after - before for before, after in itertools.pairwise([0.0, *run[:21]])]
    assert max(climbs) == pytest.approx(min(climbs)) and min(climbs) > 0
    assert all(after <= before for before, after in itertools.pairwise(run[20:]))


def test_linear_falls_evenly_and_cosine_slowly_at_both_ends() -> None:
    linear, cosine = rates(lr_schedule="linear"), rates(lr_schedule="cosine")
    falls = [before - after for before, after in itertools.pairwise([*linear, 0.0])]
    assert max(falls) == pytest.approx(min(falls))
    assert cosine[50] == pytest.approx(5e-4) == linear[50]
    assert cosine[25] > linear[25] and cosine[75] < linear[75]
    assert linear[-1] == pytest.approx(1e-5) and cosine[-1] < 1e-6


def test_a_warm_up_as_long_as_the_run_is_refused() -> None:
    with pytest.raises(UserError, match=r"warmup_steps \(100\).*total_steps \(100\)"):
        TrainConfig(total_steps=100, warmup_steps=100)


def stretched(events: list[Event]) -> list[Message]:
    """The warnings about a schedule that goes on with another length."""
    warnings = [event.message for event in events if isinstance(event, Warned)]
    return [warning for warning in warnings if warning.key == "train.schedule_stretched"]


def test_a_stopped_run_goes_on_along_its_schedule(make_job: Callable, run_through: Callable) -> None:
    settings = dict(lr_schedule="cosine", warmup_steps=2)
    whole = losses_of(run_through(make_job(run_name="whole", **settings)))
    first = losses_of(run_through(make_job(**settings), stop_after=3))
    events = run_through(make_job(**settings))
    assert first | losses_of(events) == whole and stretched(events) == []
    assert whole != losses_of(run_through(make_job(run_name="constant")))


def test_a_run_with_another_length_follows_its_new_curve_from_the_next_step_and_says_so(
    make_job: Callable, run_through: Callable
) -> None:
    short, longer = (dict(lr_schedule="linear", total_steps=total, save_every=100) for total in (4, 8))
    begun = losses_of(run_through(make_job(**short), stop_after=2))
    events = run_through(make_job(**longer))
    losses = losses_of(events)
    assert sorted(begun) == [1, 2] and sorted(losses) == [3, 4, 5, 6, 7, 8]
    (warning,) = stretched(events)
    config = make_job(**longer).config
    assert warning.values["rate"] == f"{learning_rate_at(config, 3):.2e}" == "7.50e-03"
    assert "8" in sentence(warning, "en") and "4" in sentence(warning, "zh")

    unchanged = losses_of(run_through(make_job(run_name="unchanged", **short)))
    assert losses[3] == unchanged[3], "the weights of step 2 were there already"
    assert losses[4] != unchanged[4], "step 3 was made at another rate"
    again = run_through(make_job(run_name="again", **longer), stop_after=3)
    assert stretched(again) == []
