"""Train states on disk: whatever is damaged, the newest whole one is used and none is lost by writing another."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.conftest import losses_of
from trainer.training.keeping.states import TrainState, find_state, save_state, state_steps
from trainer.training.telling.events import Finished

FILES = ("manifest.json", "lora.safetensors", "optimizer.safetensors")


def state(step: int) -> TrainState:
    tensors = {"a|exp_avg": torch.full((5,), step / 7), "a|step": torch.tensor(float(step))}
    return TrainState(step=step, lora={"a": torch.arange(6.0) * step}, optimizer=(tensors, {"a|count": step}))


@pytest.fixture
def states_dir(tmp_path: Path) -> Path:
    """Two states, of steps 3 and 6."""
    save_state(tmp_path / "state", state(3))
    save_state(tmp_path / "state", state(6))
    return tmp_path / "state"


def newest_step(states_dir: Path) -> int | None:
    found = find_state(states_dir)[0]
    return found.step if found else None


def test_a_state_comes_back_as_it_was_saved(states_dir: Path) -> None:
    found = find_state(states_dir)[0]
    assert found and found.step == 6 and torch.equal(found.lora["a"], state(6).lora["a"])
    tensors, numbers = found.optimizer
    assert numbers == {"a|count": 6} and tensors["a|step"].ndim == 0
    assert all(torch.equal(tensors[name], tensor) for name, tensor in state(6).optimizer[0].items())


def test_no_states_are_no_state(tmp_path: Path) -> None:
    assert find_state(tmp_path / "nowhere")[0] is None and state_steps(tmp_path / "nowhere") == []


def test_the_two_newest_are_kept(states_dir: Path) -> None:
    for step in (7, 12, 100):
        save_state(states_dir, state(step))
    assert state_steps(states_dir) == [100, 12]
    assert sorted(path.name for path in states_dir.iterdir()) == ["step-100", "step-12"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "empty", "cut by one byte", "cut in half", "one byte more"])
def test_a_damaged_file_sends_the_run_to_the_older_state(states_dir: Path, name: str, damage: str) -> None:
    path = states_dir / "step-6" / name
    data = path.read_bytes()
    path.unlink()
    changed = {"empty": b"", "cut by one byte": data[:-1], "cut in half": data[: len(data) // 2]}
    if damage != "missing":
        path.write_bytes(changed.get(damage, data + (b" " if name != "manifest.json" else b"x")))
    assert newest_step(states_dir) == 3


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_anywhere_in_a_file_is_noticed(states_dir: Path, name: str) -> None:
    """Either the older state is used, or what is read is exactly what was saved (a changed space, say)."""
    path = states_dir / "step-6" / name
    data = path.read_bytes()
    chance = random.Random(name)
    places = range(len(data)) if len(data) < 600 else chance.sample(range(len(data)), 300)
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        found = find_state(states_dir)[0]
        assert found is not None
        assert found.step == 3 or (found.optimizer[1] == {"a|count": 6} and found.step == 6 and name == FILES[0]), place
    path.write_bytes(data)
    assert newest_step(states_dir) == 6


@pytest.mark.parametrize(
    "text", ["[]", "null", '"x"', "{}", '{"manifest": 3, "seal": 4}', '{"manifest": {}}', "\ufeff{}"]
)
def test_a_manifest_that_is_other_json_sends_the_run_to_the_older_state(states_dir: Path, text: str) -> None:
    (states_dir / "step-6" / "manifest.json").write_text(text, encoding="utf-8")
    assert newest_step(states_dir) == 3


def test_a_renamed_or_copied_state_is_not_taken_for_another_step(states_dir: Path) -> None:
    shutil.copytree(states_dir / "step-3", states_dir / "step-9")
    assert newest_step(states_dir) == 6


def test_folders_of_unfinished_writes_are_ignored_and_cleared_away(states_dir: Path) -> None:
    shutil.copytree(states_dir / "step-3", states_dir / ".0123456789ab.tmp")
    (states_dir / "step-x").mkdir()
    (states_dir / "step-12").mkdir()
    assert newest_step(states_dir) == 6
    assert not list(states_dir.glob("*.tmp")) and not list(states_dir.glob(".*.tmp"))


def test_a_new_state_is_not_given_up_for_damaged_newer_ones(states_dir: Path) -> None:
    for step in (3, 6):
        (states_dir / f"step-{step}" / FILES[0]).unlink()
    save_state(states_dir, state(2))
    assert newest_step(states_dir) == 2
    save_state(states_dir, state(4))
    assert newest_step(states_dir) == 4 and state_steps(states_dir) == [4, 2]


def test_saving_over_a_damaged_state_of_the_same_step_mends_it(states_dir: Path) -> None:
    (states_dir / "step-6" / FILES[1]).write_bytes(b"")
    save_state(states_dir, state(6))
    assert newest_step(states_dir) == 6 and state_steps(states_dir) == [6, 3]


def test_a_run_with_a_damaged_newest_state_goes_on_from_the_older_one_to_the_same_end(
    make_job: Callable, run_through: Callable
) -> None:
    whole = losses_of(run_through(make_job(run_name="whole", total_steps=7)))
    job = make_job(run_name="damaged", total_steps=7)
    run_through(job, stop_after=6)
    states_dir = job.runs_dir / "damaged" / "state"
    assert state_steps(states_dir) == [6, 3]
    path = states_dir / "step-6" / "optimizer.safetensors"
    path.write_bytes(path.read_bytes()[:-3])
    events = run_through(job)
    assert sorted(losses_of(events)) == [4, 5, 6, 7] and isinstance(events[-1], Finished)
    assert all(loss == whole[step] for step, loss in losses_of(events).items())
    assert events[-1].checkpoints.losses == tuple(whole.values())
    whole_lora, lora = (
        load_file(job.loras_dir / name / f"{name}_000000007.safetensors") for name in ("whole", "damaged")
    )
    assert whole_lora.keys() == lora.keys() and all(torch.equal(whole_lora[name], lora[name]) for name in lora)
