"""What browsers are told of a training: the promised shapes, every step, and never more than they can take."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest

from tests import event_examples
from tests.nodes.pack import module

events = module("trainer.training.telling.events")
run_events = module("nodes.run_events")


def step(number: int) -> Any:
    return events.StepDone(**{**vars(event_examples.STEP), "step": number})


def encoding(done: int, total: int = 1000) -> Any:
    return events.Preparing(stage="latents", done=done, total=total)


def told(happened: list[tuple[float, Any]]) -> list[tuple[float, list[Any]]]:
    """What is sent of events that happen at these times, and when; the rest when it is over."""
    joiner = run_events.Joiner()
    sent = [(now_s, group) for now_s, event in happened for group in joiner.take(event, now_s)]
    return [*sent, *((happened[-1][0], group) for group in joiner.rest())]


def test_the_examples_are_what_the_code_makes() -> None:
    examples = json.loads(event_examples.EXAMPLES.read_text(encoding="utf-8"))
    assert event_examples.made() == examples, "python -m tests.event_examples writes them anew"
    kinds = {event["event"] for event in examples["events"]}
    ours = {kind.__name__ for kind in events.Event.__args__} - {"StepDone"}
    assert kinds == ours | {"StepsDone", "Failed", "Interrupted"}


def test_no_event_tells_where_files_lie() -> None:
    said = event_examples.EXAMPLES.read_text(encoding="utf-8")
    assert "/runs/Mila" not in said and "/tmp" not in said and "Mila_000000004.safetensors" in said


@pytest.mark.parametrize("seed", range(20))
def test_every_step_is_told_once_and_nothing_overtakes_anything(seed: int) -> None:
    dice = random.Random(seed)
    now_s, happened = 0.0, []
    for number in range(1, 301):
        now_s += dice.choice((0.001, 0.02, 0.09, 0.5))
        happened.append((now_s, step(number)))
        if dice.random() < 0.1:
            happened.append((now_s, events.CheckpointSaved(checkpoint=number)))
    flat = [event for _, group in told(happened) for event in group]
    assert flat == [event for _, event in happened]
    for _, group in told(happened):
        assert len({type(event) for event in group}) == 1


def test_steps_of_a_millisecond_are_ten_messages_a_second_and_slow_steps_are_told_at_once() -> None:
    fast = told([(number / 1000, step(number)) for number in range(5000)])
    assert 45 <= len(fast) <= 51
    assert all(later - earlier >= 0.0999 for (earlier, _), (later, _) in itertools.pairwise(fast[:-1]))
    slow = [(number * 0.15, step(number)) for number in range(50)]
    assert told(slow) == [(now_s, [event]) for now_s, event in slow]


def test_of_a_preparation_that_flies_by_the_newest_is_told_and_its_end_always() -> None:
    sent = told([(done / 10_000, encoding(done)) for done in range(1, 1001)])
    assert len(sent) <= 4 and sent[-1][1] == [encoding(1000)]
    assert all(len(group) == 1 for _, group in sent)
    both = told([(0.0, encoding(5)), (0.01, encoding(6)), (0.02, step(1)), (0.03, step(2))])
    assert [event for _, group in both for event in group] == [encoding(5), encoding(6), step(1), step(2)]


def test_the_status_follows_a_run_from_its_first_caption_on() -> None:
    status = run_events.RunStatus()
    assert (status.values()["stage"], status.values()["total"]) == ("text", 0) and status.values()["text"]["zh"]
    status.see(encoding(3, 70))
    assert (status.values()["stage"], status.values()["done"], status.values()["total"]) == ("latents", 3, 70)
    status.see(events.Started(first_step=251, total_steps=4000, num_photos=63, num_trained_modules=240))
    assert (status.values()["stage"], status.values()["done"], status.values()["seconds_left"]) == ("train", 250, None)
    status.see(step(251))
    status.see(event_examples.VALIDATED)
    assert status.values()["done"] == 251 and status.values()["seconds_left"] > 3000
    assert "251/4000" in status.values()["text"]["en"] and status.values()["peak_bytes"] == 8_800_000_000
