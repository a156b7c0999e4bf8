"""A full disk: said in a sentence, the older files whole, and the run goes on once there is space."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.trainer.conftest import CPU, CountingEncoders, losses_of
from tests.trainer.faulty_runs import assert_files_are_sound
from trainer.messages import UserError
from trainer.training.keeping.disk import check_disk
from trainer.training.keeping.runs import TrainJob, describe_run, finished_run
from trainer.training.keeping.states import find_state
from trainer.training.loop import train
from trainer.training.telling.events import DiskPlanned, Event, StepDone


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small file system needs Linux and root")
    folder = tmp_path / "small_disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path, bytes_to_leave: int) -> None:
    """Fill a disk but for so many bytes."""
    with open(disk / "filler", "wb") as file:
        file.write(bytes(os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize - bytes_to_leave))


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kb_left", [0, 8, 30, 60])
def test_a_full_disk_at_a_save_loses_nothing_and_the_run_goes_on_when_there_is_space(
    make_job: Callable, encoders: CountingEncoders, run_through: Callable, small_disk: Path, kb_left: int
) -> None:
    """From no space at all to nearly enough for the train state, which is about 100 KB."""
    whole = losses_of(run_through(make_job(total_steps=8)))
    job = make_job(folder=small_disk, total_steps=8)
    events: list[Event] = []
    with (
        pytest.raises(UserError) as caught,
        closing(train(job, encoders, device=CPU, should_stop=lambda: False)) as going,
    ):
        for event in going:
            events.append(event)
            if isinstance(event, StepDone) and event.step == 4:
                before = files_of(small_disk)
                fill(small_disk, kb_left * 1024)
    assert caught.value.message.key == "files.disk_full" and str(small_disk) in str(caught.value)
    after = files_of(small_disk)
    del after["filler"]
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    # The lock's owner is gone with the run. No LoRA file is written whose train state is not.
    assert changed <= {"runs/ada/events.jsonl", "runs/ada/owner.json"}
    assert not any(name.endswith(".tmp") for name in after)
    for path in (small_disk / "loras").rglob("*.safetensors"):
        assert load_file(path)
    state = find_state(job.runs_dir / "ada" / "state")[0]
    assert state and state.step == 3

    (small_disk / "filler").unlink()
    more = losses_of(run_through(job))
    assert losses_of(events) | more == whole and sorted(more) == [4, 5, 6, 7, 8]


def test_a_disk_that_fills_up_between_saves_is_said_in_a_sentence_too(
    make_job: Callable, encoders: CountingEncoders, small_disk: Path
) -> None:
    """The losses are written line by line; after some 90 lines they need another page of the disk."""
    job = make_job(folder=small_disk, total_steps=130, save_every=130)
    with (
        pytest.raises(UserError) as caught,
        closing(train(job, encoders, device=CPU, should_stop=lambda: False)) as going,
    ):
        for event in going:
            if isinstance(event, StepDone) and event.step == 1:
                fill(small_disk, 0)
    assert caught.value.message.key == "files.disk_full"


@pytest.mark.parametrize("kb_left", [0, 5])
def test_a_disk_that_is_full_from_the_start_is_said_before_anything_is_half_written(
    make_job: Callable, run_through: Callable, small_disk: Path, kb_left: int
) -> None:
    job = make_job(folder=small_disk)
    fill(small_disk, kb_left * 1024)
    with pytest.raises(UserError) as caught:
        run_through(job)
    assert caught.value.message.key == "train.no_space" and str(small_disk) in str(caught.value)
    assert [path.name for path in small_disk.iterdir()] == ["filler"]
    (small_disk / "filler").unlink()
    assert len(losses_of(run_through(job))) == 6


def test_what_a_run_will_write_is_told_before_it_starts_and_is_about_what_it_writes(
    make_job: Callable, run_through: Callable
) -> None:
    job = make_job(total_steps=6, save_every=2, checkpoints_to_keep=2, linear_rank=16)
    (planned,) = [event for event in run_through(job) if isinstance(event, DiskPlanned)]
    run_dir, lora_dir = job.runs_dir / "ada", job.loras_dir / "ada"
    of_state = sum(path.stat().st_size for path in (run_dir / "state" / "step-6").iterdir())
    of_lora = (lora_dir / "ada_000000006.safetensors").stat().st_size
    cache = sum(path.stat().st_size for path in (run_dir / "cache").iterdir())
    # At the peak there are two of each, and one being written.
    assert planned.needed_bytes == pytest.approx(3 * of_state + 3 * of_lora + cache, rel=0.15)
    assert planned.free_bytes > 0


@pytest.mark.parametrize("changes", [dict(linear_rank=32), dict(checkpoints_to_keep=100), dict(optimizer="prodigy")])
def test_more_to_keep_needs_more_room(make_job: Callable, changes: dict) -> None:
    def needed(**settings: object) -> int:
        job = make_job(total_steps=1000, save_every=10, **settings)
        return check_disk(job, describe_run(job)).needed_bytes

    assert needed() < needed(**changes)


class FullDisk:
    """An audit hook, which Python never takes away again: while it counts, the nth thing written finds the disk full.

    What is written shows as a file opened for writing (each is opened again to be synced), a folder made or a name
    changed; a full disk may refuse any of them.
    """

    def __init__(self) -> None:
        self.folder, self.fail_at, self.count = "", 0, 0
        sys.addaudithook(self._look)

    def _look(self, event: str, args: tuple) -> None:
        if not self.folder or event not in ("open", "os.mkdir", "os.rename"):
            return
        if event == "os.mkdir" and os.path.isdir(args[0]):
            return  # only asked whether it is there
        writes = event != "open" or (isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR))
        if writes and str(args[0]).startswith(self.folder):
            self.count += 1
            if self.count == self.fail_at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(args[0]))

    def watch(self, folder: Path, fail_at: int) -> None:
        self.folder, self.fail_at, self.count = str(folder), fail_at, 0


@pytest.fixture(scope="session")
def full_disk() -> FullDisk:
    return FullDisk()


NUM_CACHE_POINTS = 12
"""The first points are written one after the other without a cache; the later ones find it made."""
SHORT = dict(total_steps=3, save_every=2)


@pytest.fixture
def write_points(make_job: Callable, run_through: Callable, full_disk: FullDisk, tmp_path: Path) -> int:
    """How many write points a short run has whose cache is there already."""
    run_through(make_job(folder=tmp_path / "whole", **SHORT))
    job = with_cache(make_job(folder=tmp_path / "counted", **SHORT), tmp_path)
    full_disk.watch(tmp_path / "counted", 0)
    run_through(job)
    full_disk.folder = ""
    return full_disk.count


def with_cache(job: TrainJob, folder: Path) -> TrainJob:
    shutil.copytree(folder / "whole" / "runs" / "ada" / "cache", job.runs_dir / "ada" / "cache")
    return job


def try_write_point(point: int, folder: Path, make_job: Callable, run_through: Callable, full_disk: FullDisk) -> None:
    """The disk is full at that point, everything on it stays sound, and then the run goes on to the same end."""
    whole = finished_run(make_job(folder=folder / "whole", **SHORT))
    job = make_job(folder=folder / str(point), **SHORT)
    if point > NUM_CACHE_POINTS:
        with_cache(job, folder)
    full_disk.watch(folder / str(point), point)
    try:
        with pytest.raises(UserError) as caught:
            run_through(job)
    finally:
        full_disk.folder = ""
    assert caught.value.message.key == "files.disk_full", point
    if [*job.runs_dir.rglob("*.safetensors")]:
        assert_files_are_sound(job)
    told = losses_of(run_through(job))
    assert whole and all(loss == whole.losses[step - 1] for step, loss in told.items()), point
    finished = finished_run(job)
    assert finished and finished.losses == whole.losses, point


def test_a_full_disk_at_a_few_write_points_leaves_everything_sound(
    make_job: Callable, run_through: Callable, full_disk: FullDisk, tmp_path: Path, write_points: int
) -> None:
    assert write_points > 30
    for point in random.Random(1).sample(range(1, write_points + 1), 6):
        try_write_point(point, tmp_path, make_job, run_through, full_disk)


@pytest.mark.slow
def test_a_full_disk_at_every_write_point_leaves_everything_sound(
    make_job: Callable, run_through: Callable, full_disk: FullDisk, tmp_path: Path, write_points: int
) -> None:
    for point in range(1, write_points + 1):
        try_write_point(point, tmp_path, make_job, run_through, full_disk)


def test_a_file_in_the_place_of_a_folder_is_not_overwritten(
    make_job: Callable, run_through: Callable, tmp_path: Path
) -> None:
    """A file lies where the run's folder should be: the same on every system, and also for root."""
    job = make_job()
    job.loras_dir.mkdir()
    (job.loras_dir / "ada").write_bytes(b"a file, not a folder")
    with pytest.raises((UserError, OSError)):
        run_through(job)
    assert (job.loras_dir / "ada").read_bytes() == b"a file, not a folder"
    assert not list(tmp_path.rglob("*.tmp"))
