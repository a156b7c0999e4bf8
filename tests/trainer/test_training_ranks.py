"""Several processes: they learn what one learns at the same number of photos per step, and end together."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer.conftest import CPU, CountingEncoders, losses_of, save_photo
from trainer.messages import UserError
from trainer.training.keeping.runs import TrainJob, finished_run
from trainer.training.keeping.states import find_state, state_steps
from trainer.training.loop import train
from trainer.training.ranks import ALONE, Ranks, launched_ranks
from trainer.training.telling.events import Event, StepDone

STEPS = 5
REPOSITORY = Path(__file__).parents[2]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, which saves importing torch in each rank")


@dataclass(frozen=True)
class Told:
    """What one rank has to tell: its losses, its last event, the key and values of its error, what it encoded."""

    losses: dict[int, float]
    last: str
    error: str
    values: dict[str, Any]
    num_encoded: int


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def in_ranks(num_ranks: int, work: Callable[[Ranks], Told]) -> list[Told]:
    """What `work` returns in each of so many real processes that are joined as a launcher joins them."""
    port = free_port()
    reports = []
    for index in range(num_ranks):
        outcome, report = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(outcome)
            place = dict(RANK=index, LOCAL_RANK=index, WORLD_SIZE=num_ranks, LOCAL_WORLD_SIZE=num_ranks)
            os.environ.update({name: str(value) for name, value in place.items()})
            os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), ACCELERATE_USE_CPU="1")
            try:
                from accelerate import PartialState

                PartialState._reset_state()
                ranks = launched_ranks()
                told = work(ranks)
                with os.fdopen(report, "w") as file:
                    json.dump(told.__dict__, file)
                ranks.leave()
            finally:
                sys.stderr.flush()
                os._exit(0)
        os.close(report)
        reports.append(outcome)
    told_by_rank = []
    for outcome in reports:
        with os.fdopen(outcome) as file:
            fields = json.load(file)
        fields["losses"] = {int(step): loss for step, loss in fields["losses"].items()}
        told_by_rank.append(Told(**fields))
    for _ in range(num_ranks):
        os.wait()
    return told_by_rank


def trained(
    job: TrainJob, encoders: CountingEncoders, ranks: Ranks, stop_after: int | None = None, **hooks: Any
) -> Told:
    """Train in this rank to the end of the run, or of the whole group's patience with an error."""
    events: list[Event] = []

    def should_stop() -> bool:
        return any(isinstance(event, StepDone) and event.step == stop_after for event in events)

    error = None
    try:
        with (
            ranks.together(),
            closing(train(job, encoders, device=CPU, should_stop=should_stop, ranks=ranks, **hooks)) as going,
        ):
            for event in going:
                events.append(event)
    except Exception as caught:
        error = caught
    message = error.message if isinstance(error, UserError) else None
    return Told(
        losses=losses_of(events),
        last=type(events[-1]).__name__ if events else "",
        error=message.key if message else type(error).__name__ if error else "",
        values={name: str(value) for name, value in (message.values if message else {}).items()},
        num_encoded=encoders.num_encoded,
    )


def assert_close(ours: dict[int, float], theirs: dict[int, float]) -> None:
    assert ours.keys() == theirs.keys() and len(ours) > 0
    assert max(abs(ours[step] - theirs[step]) for step in ours) <= 1e-6


def files_of(job: TrainJob) -> set[str]:
    """Every file and folder that the run has made, as paths inside the test's folder."""
    root = job.runs_dir.parent
    names = {path.relative_to(root).as_posix().replace(job.run_name, "*") for path in root.rglob(f"{job.run_name}*")}
    for folder in (job.runs_dir / job.run_name, job.loras_dir / job.run_name):
        names |= {path.relative_to(folder).as_posix().replace(job.run_name, "*") for path in folder.rglob("*")}
    return names


@pytest.mark.parametrize("num_ranks", [1, 2, 3])
def test_shares_of_all_ranks_are_the_batch_each_slot_once(num_ranks: int) -> None:
    batch = list(range(2 * num_ranks))
    shares = [list(Ranks(index=index, count=num_ranks).share(batch)) for index in range(num_ranks)]
    assert sorted(sum(shares, [])) == batch
    assert {len(share) for share in shares} == {2}


@needs_fork
def test_ranks_agree_on_means_order_and_the_first_ones_will() -> None:
    def work(ranks: Ranks) -> Told:
        mine = [torch.full((3,), float(ranks.index)), torch.full((2, 2), 2.0 * ranks.index)]
        ranks.mean_(mine)
        slots = ranks.joined([float(slot) for slot in ranks.share(range(6))])
        return Told({0: mine[0][0].item(), 1: mine[1][1, 1].item()}, str(slots), "", {}, ranks.agree(7 + ranks.index))

    for told in in_ranks(3, work):
        assert told.losses == {0: 1.0, 1: 2.0}
        assert told.last == str([float(slot) for slot in range(6)])
        assert told.num_encoded == 7


@needs_fork
def test_two_processes_make_what_one_makes(make_job: Callable, encoders: CountingEncoders, tmp_path: Path) -> None:
    """Losses, train states and files, against one process with two batches of 1 a step and with one batch of 2.

    A batch of 2 is summed in another order than its parts, and AdamW's first steps are as long for tiny gradients as
    for others: there the weights come less close than the losses. The second process encodes and writes nothing.
    """
    common = dict(total_steps=STEPS, save_every=2, learning_rate=1e-3)
    two = make_job_of(make_job(run_name="two", folder=tmp_path / "two", **common), 2)
    first, second = in_ranks(2, lambda ranks: trained(two, encoders, ranks))
    assert (first.error, second.error) == ("", "") and (first.last, second.last) == ("Finished", "Finished")
    assert first.losses == second.losses
    for alone, tolerance in ((dict(gradient_accumulation=2), 1e-6), (dict(batch_size=2), 1e-4)):
        (name,) = alone
        one = make_job(run_name=name, folder=tmp_path / name, **common, **alone)
        encoders.texts, encoders.num_images = [], 0
        expected = trained(one, encoders, ALONE)
        assert_close(first.losses, expected.losses)
        assert first.num_encoded == expected.num_encoded > 0 and second.num_encoded == 0
        assert files_of(two) == files_of(one)
        ours, theirs = (find_state(job.runs_dir / job.run_name / "state")[0] for job in (two, one))
        assert ours and theirs and ours.step == theirs.step == STEPS
        assert all(torch.allclose(ours.lora[key], theirs.lora[key], rtol=0, atol=tolerance) for key in theirs.lora)


def make_job_of(job: TrainJob, num_processes: int) -> TrainJob:
    return dataclasses.replace(job, num_processes=num_processes)


@needs_fork
def test_first_rank_alone_decides_to_stop_and_one_process_goes_on_where_two_stopped(
    make_job: Callable, run_through: Callable, encoders: CountingEncoders, tmp_path: Path
) -> None:
    common = dict(total_steps=STEPS, save_every=10, learning_rate=1e-3)
    whole = losses_of(run_through(make_job(run_name="whole", batch_size=2, **common)))
    job = make_job(run_name="parts", folder=tmp_path / "parts", **common)
    stops = {0: 3, 1: 1}
    stopped = in_ranks(2, lambda ranks: trained(make_job_of(job, 2), encoders, ranks, stop_after=stops[ranks.index]))
    assert [told.last for told in stopped] == ["Stopped", "Stopped"]
    assert list(stopped[0].losses) == list(stopped[1].losses) == [1, 2, 3]
    rest = losses_of(run_through(make_job(run_name="parts", folder=tmp_path / "parts", batch_size=2, **common)))
    assert_close(stopped[0].losses | rest, whole)
    with pytest.raises(UserError) as caught:
        finished_run(job)
    assert caught.value.message.key == "train.other_run"
    assert caught.value.message.values["differences"] == "photos_per_step: 2 -> 1"


@needs_fork
def test_an_error_of_any_rank_ends_all_and_the_first_has_its_message(
    make_job: Callable, encoders: CountingEncoders, tmp_path: Path
) -> None:
    """Once before the first step with a sentence for the user, once in mid-run with a fault of the program."""
    job = make_job_of(make_job(run_name="torn", folder=tmp_path, total_steps=STEPS, save_every=10), 2)

    def gone_for_the_second(ranks: Ranks) -> Told:
        missing = dataclasses.replace(job.base, paths=(job.base.paths[0].with_name("gone.safetensors"),))
        mine = job if ranks.is_first else dataclasses.replace(job, base=missing)
        return trained(mine, encoders, ranks)

    for told in in_ranks(2, gone_for_the_second):
        assert told.error == "base.file_missing", told
        assert told.values["path"].endswith("gone.safetensors")

    def broken_in_the_second(ranks: Ranks) -> Told:
        times_left = [7]

        def clock_s() -> float:
            times_left[0] -= 1
            if not ranks.is_first and times_left[0] < 0:
                raise KeyError("clock")
            return 0.0

        return trained(job, encoders, ranks, clock_s=clock_s)

    first, second = in_ranks(2, broken_in_the_second)
    assert (first.error, second.error) == ("train.rank_failed", "KeyError")
    assert first.values["rank"] == "1" and "clock" in first.values["reason"]
    assert state_steps(job.runs_dir / "torn" / "state") in ([], [max(first.losses)])


def test_accelerate_launches_the_command_line_and_one_process_speaks_for_all(tiny_dir: Path, tmp_path: Path) -> None:
    for index in range(2):
        save_photo(tmp_path / "photos" / f"{index}.png", 64, 64, seed=index)
    keys = dict(
        photos=tmp_path / "photos", subject="Ada", output_dir=tmp_path / "out", model=tiny_dir, training_adapter="none",
        linear_rank=4, total_steps=2, save_every=2, optimizer="adamw", precision="fp32", training_resolution=64,
    )  # fmt: skip
    (tmp_path / "job.yaml").write_text("".join(f"{key}: '{value}'\n" for key, value in keys.items()), encoding="utf-8")
    launch = (
        "-m accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no "
        f"--dynamo_backend no --main_process_port {free_port()} -m trainer train"
    )
    ended = subprocess.run(
        [sys.executable, *launch.split(), str(tmp_path / "job.yaml")],
        cwd=REPOSITORY, env={**os.environ, "ACCELERATE_USE_CPU": "1", "LC_ALL": "C"}, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    for said_once in ("Training begins", "LoRA files", "Apply one at strength"):
        assert ended.stdout.count(said_once) == 1, ended.stdout
    assert [path.name for path in (tmp_path / "out" / "loras" / "Ada").iterdir()] == ["Ada_000000002.safetensors"]
    record = json.loads((tmp_path / "out" / "zimage_lora" / "Ada" / "run.json").read_text(encoding="utf-8"))
    assert record["identity"]["photos_per_step"] == 2
