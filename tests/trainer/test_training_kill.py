"""SIGKILL: a run that is killed again and again, also inside its saves, makes exactly what it would have made."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.conftest import CPU, CountingEncoders
from trainer.training.keeping.runs import TrainJob, finished_run
from trainer.training.keeping.states import STATES_TO_KEEP, find_state, state_steps
from trainer.training.loop import train
from trainer.training.network.lora import check_lora_file
from trainer.training.telling.events import StepDone

FILE_OPERATIONS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, which saves importing torch each time")


def train_in_child(job: TrainJob, encoders: CountingEncoders, report: int, kill_at_operation: int | None) -> None:
    """Train, writing a line per step into the pipe `report`. With a number, die at that file operation after a step.

    Operations are those that Python tells its audit hooks: a save has about 40, from first to last.
    """
    left, counting = [kill_at_operation or 0], [False]

    def die(event: str, args: tuple) -> None:
        if event in FILE_OPERATIONS and counting[0] and str(args[0]).startswith(str(job.runs_dir.parent)):
            left[0] -= 1
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    if kill_at_operation:
        sys.addaudithook(die)
    for event in train(job, encoders, device=CPU, should_stop=lambda: False):
        if isinstance(event, StepDone):
            os.write(report, f"{event.step} {event.loss.hex()}\n".encode())
            counting[0] = True


def start_child(job: TrainJob, encoders: CountingEncoders, kill_at_operation: int | None) -> tuple[int, int]:
    """The process id of a training child and the end of the pipe that its reports come out of."""
    outcome, report = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(outcome)
        try:
            train_in_child(job, encoders, report, kill_at_operation)
            os._exit(0)
        except BaseException as error:
            os.write(report, f"error {error!r}\n".encode())
        os._exit(1)
    os.close(report)
    return child, outcome


def run_and_kill(
    job: TrainJob, encoders: CountingEncoders, chance: random.Random, inside_save: bool
) -> tuple[dict[int, float], bool]:
    """One life of the run: the losses it told of, and whether it was killed (else it finished)."""
    child, outcome = start_child(job, encoders, chance.randint(1, 60) if inside_save else None)
    steps_to_live, more_s = chance.randint(0, 4), chance.uniform(0, 0.05)
    lines, reader = [], os.fdopen(outcome)
    while not inside_save and len(lines) < steps_to_live and (line := reader.readline()):
        lines.append(line)
    if not inside_save:
        time.sleep(more_s)
        os.kill(child, signal.SIGKILL)
    lines += reader.readlines()  # to the end of the pipe, that is, of the child
    reader.close()
    _, status = os.waitpid(child, 0)
    assert not any(line.startswith("error") for line in lines), lines
    pairs = [line.split() for line in lines if line.endswith("\n")]
    return {int(step): float.fromhex(loss) for step, loss in pairs}, os.WIFSIGNALED(status)


def assert_all_files_are_whole(job: TrainJob, reference: TrainJob, scratch: Path) -> None:
    """The two newest states and every LoRA file are valid, and the LoRA files are the uninterrupted run's.

    A third, older state is one that was just being deleted.
    """
    states = job.runs_dir / job.run_name / "state"
    if states.is_dir():
        shutil.copytree(states, scratch)  # because looking for the newest state tidies up, and the run itself should
        for step in state_steps(scratch)[:STATES_TO_KEEP]:
            found = find_state(scratch)[0]
            assert found and found.step == step
            shutil.rmtree(scratch / f"step-{step}")
        shutil.rmtree(scratch)
    for path in (job.loras_dir / job.run_name).glob("*.safetensors"):
        expected = load_file(reference.loras_dir / job.run_name / path.name)
        check_lora_file(path, expected)
        assert all(torch.equal(tensor, expected[name]) for name, tensor in load_file(path).items()), path.name


@pytest.mark.parametrize(
    ("num_kills", "num_steps"), [(20, 75), pytest.param(50, 186, marks=pytest.mark.slow)], ids=["20", "50"]
)
def test_killed_again_and_again_also_inside_saves_the_losses_are_the_uninterrupted_runs(
    make_job: Callable, encoders: CountingEncoders, tmp_path: Path, num_kills: int, num_steps: int
) -> None:
    settings = dict(total_steps=num_steps, save_every=3, checkpoints_to_keep=4, batch_size=2)
    reference = make_job(folder=tmp_path / "reference", **{**settings, "checkpoints_to_keep": 100})
    losses = {
        event.step: event.loss
        for event in train(reference, encoders, device=CPU, should_stop=lambda: False)
        if isinstance(event, StepDone)
    }
    job, chance, kills, lives = make_job(folder=tmp_path / "killed", **settings), random.Random(5), 0, []
    for round_index in range(num_kills):
        told, killed = run_and_kill(job, encoders, chance, inside_save=round_index % 2 == 0)
        kills += killed
        lives.append(told)
        assert all(losses[step] == loss for step, loss in told.items()), round_index
        assert_all_files_are_whole(job, reference, tmp_path / "scratch")
    assert kills == num_kills, f"the run was finished after {kills} kills: give it more steps"
    assert any(min(told, default=1) > 1 for told in lives), "no life ever went on from a state"

    child, outcome = start_child(job, encoders, None)
    with os.fdopen(outcome) as reader:
        last = [line.split() for line in reader]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, last
    finished = finished_run(job)
    assert finished and finished.losses == tuple(losses.values()) and len(losses) == num_steps
    kept = [num_steps - 9, num_steps - 6, num_steps - 3, num_steps]
    assert [checkpoint.step for checkpoint in finished.checkpoints] == kept
    assert_all_files_are_whole(job, reference, tmp_path / "scratch")
    assert state_steps(job.runs_dir / "ada" / "state") == [num_steps, num_steps - 3]
    assert not [path.name for path in (tmp_path / "killed").rglob("*.tmp")], "a killed write left its temporary file"
