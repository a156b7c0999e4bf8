"""A full disk: said in a sentence, the older files whole, and the run goes on once there is space."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.trainer.conftest import CPU, CountingEncoders, losses_of
from trainer.messages import UserError
from trainer.training.events import Event, StepDone
from trainer.training.loop import train
from trainer.training.states import newest_state


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
    """From no space at all to space for the LoRA file but not for the train state, which is about 100 KB."""
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
    assert changed <= {"runs/ada/events.jsonl", "loras/ada/ada_000000006.safetensors"}
    assert not any(name.endswith(".tmp") for name in after)
    for path in (small_disk / "loras").rglob("*.safetensors"):
        assert load_file(path)
    state = newest_state(job.runs_dir / "ada" / "state")
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
    assert caught.value.message.key == "files.disk_full"
    assert not list(small_disk.rglob("*.tmp")) and not list(small_disk.rglob("*.json"))
    (small_disk / "filler").unlink()
    assert len(losses_of(run_through(job))) == 6


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
