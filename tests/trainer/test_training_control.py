"""Finish now and save now: asked from any thread, answered between two steps."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import closing

from safetensors.torch import load_file

from tests.trainer.conftest import CPU, CountingEncoders, losses_of
from tests.trainer.faulty_runs import assert_files_are_sound, warnings
from trainer.training.keeping.control import RunControl
from trainer.training.keeping.runs import TrainJob, finished_run
from trainer.training.keeping.states import find_state
from trainer.training.loop import train
from trainer.training.telling.events import CheckpointSaved, Event, Finished, StepDone, Stopped


def run_asking(
    job: TrainJob, encoders: CountingEncoders, asks: dict[int, Callable[[RunControl], None]], stop_at: int = 0
) -> list[Event]:
    """All events of a run, something being asked of it by another thread after some steps (0: before the first)."""
    control, events = RunControl(), []
    stopping = lambda: any(isinstance(event, StepDone) and event.step == stop_at for event in events)  # noqa: E731
    if 0 in asks:
        asks[0](control)
    with closing(train(job, encoders, device=CPU, should_stop=stopping, control=control)) as going:
        for event in going:
            events.append(event)
            if isinstance(event, StepDone) and event.step in asks:
                thread = threading.Thread(target=asks[event.step], args=(control,))
                thread.start()
                thread.join()
    return events


def saved_steps(events: list[Event]) -> list[int]:
    return [event.checkpoint.step for event in events if isinstance(event, CheckpointSaved)]


def test_finish_now_ends_the_run_as_if_that_step_were_its_last(
    make_job: Callable, encoders: CountingEncoders, run_through: Callable
) -> None:
    short = make_job(run_name="short", total_steps=4)
    run_through(short)
    job = make_job()
    events = run_asking(job, encoders, {4: RunControl.ask_to_finish})
    assert isinstance(events[-1], Finished) and sorted(losses_of(events)) == [1, 2, 3, 4]
    assert saved_steps(events) == [3, 4] and events[-1].checkpoints.chosen.step == 4
    assert warnings(events, "train.finished_early") == [{"step": 4, "total": 6}]
    ours, theirs = (
        load_file(folder.loras_dir / name / f"{name}_000000004.safetensors")
        for folder, name in ((job, "ada"), (short, "short"))
    )
    assert all(ours[name].equal(theirs[name]) for name in theirs)
    assert_files_are_sound(job)


def test_a_run_that_was_finished_early_counts_as_finished_until_total_steps_change(
    make_job: Callable, encoders: CountingEncoders, run_through: Callable
) -> None:
    whole = losses_of(run_through(make_job(run_name="whole", total_steps=8)))
    first = losses_of(run_asking(make_job(), encoders, {4: RunControl.ask_to_finish}))
    again = run_through(make_job())
    assert losses_of(again) == {} and isinstance(again[-1], Finished)
    assert warnings(again, "train.finished_early") and finished_run(make_job())
    assert finished_run(make_job(total_steps=8)) is None
    more = losses_of(run_through(make_job(total_steps=8)))
    assert first | more == whole and sorted(more) == [5, 6, 7, 8]
    record = json.loads((make_job().runs_dir / "ada" / "run.json").read_text(encoding="utf-8"))
    assert "finished_early" not in record


def test_finish_now_makes_one_step_where_there_is_none_and_none_where_there_are_some(
    make_job: Callable, encoders: CountingEncoders, run_through: Callable
) -> None:
    events = run_asking(make_job(), encoders, {0: RunControl.ask_to_finish})
    assert sorted(losses_of(events)) == [1] and isinstance(events[-1], Finished)
    run_through(make_job(run_name="bea"), stop_after=2)
    events = run_asking(make_job(run_name="bea"), encoders, {0: RunControl.ask_to_finish})
    assert losses_of(events) == {} and saved_steps(events) == [2] and isinstance(events[-1], Finished)


def test_a_lost_lora_of_a_run_finished_early_is_made_anew_and_no_step_more(
    make_job: Callable, encoders: CountingEncoders, run_through: Callable
) -> None:
    run_asking(make_job(), encoders, {4: RunControl.ask_to_finish})
    (make_job().loras_dir / "ada" / "ada_000000004.safetensors").unlink()
    events = run_through(make_job())
    assert losses_of(events) == {} and saved_steps(events) == [4] and isinstance(events[-1], Finished)


def test_cancel_wins_over_finish(make_job: Callable, encoders: CountingEncoders) -> None:
    events = run_asking(make_job(), encoders, {2: RunControl.ask_to_finish}, stop_at=2)
    assert events[-1] == Stopped(step=2) and finished_run(make_job()) is None


def test_save_now_saves_a_checkpoint_and_a_state_and_changes_nothing_else(
    make_job: Callable, encoders: CountingEncoders, run_through: Callable
) -> None:
    whole = losses_of(run_through(make_job(run_name="whole")))
    asked: list[int] = []

    def save(control: RunControl) -> None:
        control.ask_to_save()
        control.ask_to_save()  # a second press asks for nothing more
        asked.append(1)

    job = make_job()
    events = run_asking(job, encoders, {2: save}, stop_at=4)
    assert asked and saved_steps(events) == [2, 3] and losses_of(events) == {s: whole[s] for s in range(1, 5)}
    state = find_state(job.runs_dir / "ada" / "state")[0]
    assert state and state.step == 4
    assert_files_are_sound(job)
    assert losses_of(run_through(job)) == {5: whole[5], 6: whole[6]}
