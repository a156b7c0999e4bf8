"""The lock on a run: two programs never train one run at once, and what a dead one left behind is in nobody's way."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.trainer.conftest import CPU, CountingEncoders, losses_of
from trainer.messages import UserError, sentence
from trainer.training.keeping.lock import hold_run, read_owner
from trainer.training.loop import train
from trainer.training.telling.events import Finished, Preparing, StepDone

REPOSITORY = Path(__file__).parents[2]
HOLD = """
import pathlib, sys, time
from trainer.training.keeping.lock import hold_run
with hold_run(pathlib.Path(sys.argv[1]), "ada"):
    print("held", flush=True)
    time.sleep(600)
"""


def hold_in_another_process(run_dir: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run_dir)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_a_run_in_use_is_refused_naming_its_owner_and_left_alone(
    make_job: Callable, encoders: CountingEncoders, run_through: Callable
) -> None:
    job = make_job()
    with closing(train(job, encoders, device=CPU, should_stop=lambda: False)) as first:
        steps = (event for event in first if isinstance(event, StepDone))
        losses = {event.step: event.loss for event in (next(steps), next(steps))}
        with pytest.raises(UserError) as caught:
            run_through(job)
        assert caught.value.message.key == "train.run_in_use"
        for language in ("en", "zh"):
            said = sentence(caught.value.message, language)
            assert str(os.getpid()) in said and platform.node() in said and "ada" in said
        losses |= {event.step: event.loss for event in steps}
    assert losses == losses_of(run_through(make_job(run_name="alone")))


def test_other_runs_train_beside_it(make_job: Callable, encoders: CountingEncoders, run_through: Callable) -> None:
    with closing(train(make_job(), encoders, device=CPU, should_stop=lambda: False)) as first:
        assert any(isinstance(event, StepDone) for event in first)
        assert isinstance(run_through(make_job(run_name="bea", total_steps=1))[-1], Finished)


@pytest.mark.parametrize("leaving", ["closed", "stopped", "finished", "failed"])
def test_the_lock_is_gone_however_a_run_ends(
    make_job: Callable, encoders: CountingEncoders, run_through: Callable, leaving: str
) -> None:
    job = make_job(total_steps=2)
    events = train(job, encoders, device=CPU, should_stop=lambda: leaving == "stopped")
    with closing(events) as going:
        for event in going:
            assert isinstance(event, Finished) or read_owner(job.runs_dir / "ada")["pid"] in (os.getpid(), "?")
            if leaving == "closed" and isinstance(event, Preparing):
                break
            if leaving == "failed" and isinstance(event, StepDone):
                with pytest.raises(RuntimeError, match="the host failed"):
                    events.throw(RuntimeError("the host failed"))
                break
    assert not (job.runs_dir / "ada" / "owner.json").exists()
    with hold_run(job.runs_dir / "ada", "ada") as is_held:
        assert is_held


def test_a_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    process = hold_in_another_process(tmp_path)
    with pytest.raises(UserError) as caught, hold_run(tmp_path, "ada"):
        pass
    values = caught.value.message.values
    assert values["pid"] == process.pid and values["host"] == platform.node() and "-c" in str(values["program"])
    process.kill()
    process.wait()
    assert (tmp_path / "owner.json").exists(), "a killed process cannot tidy up"
    with hold_run(tmp_path, "ada") as is_held:
        assert is_held and read_owner(tmp_path)["pid"] == os.getpid()


@pytest.mark.parametrize("text", ["", "[]", '{"pid": 7', '{"pid": 7}'])
def test_an_owner_that_cannot_be_read_is_a_question_mark(tmp_path: Path, text: str) -> None:
    with hold_run(tmp_path, "ada"):
        (tmp_path / "owner.json").write_text(text)
        with pytest.raises(UserError) as caught, hold_run(tmp_path, "ada"):
            pass
    assert caught.value.message.values["program"] == "?"


def test_an_old_owner_file_alone_locks_nothing(tmp_path: Path) -> None:
    (tmp_path / "owner.json").write_text('{"pid": 1, "host": "elsewhere", "program": "x", "started": "2001-01-01"}')
    with hold_run(tmp_path, "ada") as is_held:
        assert is_held
