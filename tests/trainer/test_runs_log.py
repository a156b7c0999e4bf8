"""A run's history read while it grows: the same as reading it anew, quickly, and none of its extremes lost."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trainer.messages import Message, as_plain, from_plain, in_every_language
from trainer.runs.curve import MAX_POINTS, curve_points
from trainer.runs.overview import Runs
from trainer.runs.run_log import RunLog
from trainer.training.evidence.loss_watch import PhotoLoss
from trainer.training.keeping.history import append_event, append_step, keep_until, read_losses


def write_steps(run_dir: Path, steps: range) -> None:
    for step in steps:
        looks = [PhotoLoss(photo_index=step % 7, sigma=0.5, loss=0.00001 * step)]
        append_step(run_dir, step, 0.00001 * step, looks, rate=2e-4, seconds=0.1, at=1795398000.5 + step)


def write_long_history(run_dir: Path, num_steps: int) -> None:
    """As `append_step` writes it, in one go."""
    dice = random.Random(1)
    run_dir.mkdir(parents=True)
    lines = [
        json.dumps({"step": step, "loss": dice.random(), "rate": 2e-4, "s": 0.1, "at": 1795398000.0 + step,
                    "photos": [[step % 70, round(dice.random(), 6), dice.random()]]})
        for step in range(1, num_steps + 1)
    ]  # fmt: skip
    (run_dir / "events.jsonl").write_text("\n".join(lines) + "\n")


def seen(log: RunLog) -> tuple[list, int, list]:
    log.refresh()
    return log.lines, log.last_step, log.steps().tolist()


@pytest.mark.parametrize("seed", range(5))
def test_reading_on_gives_what_reading_anew_gives_wherever_the_file_was_cut(tmp_path: Path, seed: int) -> None:
    whole, growing = tmp_path / "whole", tmp_path / "growing"
    whole.mkdir()
    growing.mkdir()
    write_steps(whole, range(1, 40))
    append_event(whole, "warned", 39, as_plain(Message("photos.few", {"count": 3})), at=5.0)
    write_steps(whole, range(40, 60))
    data, dice, log = (whole / "events.jsonl").read_bytes(), random.Random(seed), RunLog(growing)
    assert seen(log) == ([], 0, [])
    for end in sorted(dice.sample(range(len(data)), 12)) + [len(data)]:
        with open(growing / "events.jsonl", "ab") as file:
            file.write(data[file.tell() : end])
        assert seen(log) == seen(RunLog(growing))
    assert seen(log) == seen(RunLog(whole))
    assert log.last_step == 59 and len(log.lines) == 1


def test_a_run_that_goes_back_is_read_as_it_is_then(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    write_steps(tmp_path, range(1, 31))
    append_event(tmp_path, "saved", 30, {}, at=1.0)
    append_event(tmp_path, "warned", 30, as_plain(Message("photos.few", {"count": 3})), at=1.0)
    seen(log)
    keep_until(tmp_path, 20)
    assert seen(log) == seen(RunLog(tmp_path)) and log.last_step == 20
    assert [next(iter(line)) for line in log.lines] == ["warned"], "what was said stays said"
    write_steps(tmp_path, range(21, 26))
    assert [row[0] for row in seen(log)[2]] == list(range(1, 26))
    (tmp_path / "events.jsonl").unlink()
    assert seen(log) == ([], 0, [])


def test_histories_of_older_versions_and_damaged_ones_are_read(tmp_path: Path) -> None:
    old = {"step": 1, "loss": 0.5, "photos": [[0, 0.5, 0.5]]}
    new = {"step": 3, "loss": 0.4, "rate": 2e-4, "s": 0.1, "at": 5.0, "photos": []}
    lines = [json.dumps(old), json.dumps(new)[:40], json.dumps({**old, "step": 2}), "[1]", "7", '{"a": 1}', "\ud7ff",
             json.dumps({"validated": 2, "losses": []}), json.dumps(new), json.dumps(new)[:-3]]  # fmt: skip
    (tmp_path / "events.jsonl").write_bytes("\r\n".join(lines).encode() + b"\n\xff\xfe\n")
    log = RunLog(tmp_path)
    log.refresh()
    assert log.lines == [] and log.last_step == 3
    assert log.steps()[:, 0].tolist() == [1, 2, 3] and np.isnan(log.steps()[:2, 2]).all()
    assert curve_points(log.steps())["learning_rate"] == [None, None, 2e-4]
    assert read_losses(tmp_path, 9) == {1: 0.5, 2: 0.5, 3: 0.4}


def test_the_quick_way_reads_what_json_reads(tmp_path: Path) -> None:
    dice = random.Random(3)
    losses = [dice.choice((dice.random(), 1e-7 * dice.random(), 3.0, 12345.6789)) for _ in range(300)]
    for step, loss in enumerate(losses, start=1):
        looks = [PhotoLoss(photo_index=0, sigma=1e-6 * step, loss=loss)] * (step % 4)
        append_step(tmp_path, step, loss, looks, rate=1e-5 * step, seconds=1e-5, at=1795398000.123)
    data = (tmp_path / "events.jsonl").read_bytes()
    log = RunLog(tmp_path)
    assert log.steps()[:, :2].tolist() == [list(pair) for pair in read_losses(tmp_path, 999).items()]
    assert log.steps()[:, 2].tolist() == [json.loads(line)["rate"] for line in data.splitlines()]


@pytest.mark.parametrize("num_steps", [0, 1, 2, 7, MAX_POINTS, MAX_POINTS + 1, 5 * MAX_POINTS + 3])
def test_a_curve_keeps_its_extremes_its_mean_and_its_ends(num_steps: int) -> None:
    rng = np.random.default_rng(num_steps)
    loss_N = rng.random(num_steps)
    steps_N3 = np.stack([np.arange(1, num_steps + 1), loss_N, np.linspace(1e-4, 0, num_steps)], axis=1)
    points = curve_points(steps_N3)
    columns = [points[name] for name in ("step", "loss", "lowest", "highest", "learning_rate")]
    assert {len(column) for column in columns} == {len(points["step"])} and len(points["step"]) <= MAX_POINTS
    assert points["num_steps"] == num_steps
    if num_steps:
        assert points["step"][-1] == num_steps
        assert min(points["lowest"]) == pytest.approx(loss_N.min(), rel=1e-5)
        assert max(points["highest"]) == pytest.approx(loss_N.max(), rel=1e-5)
        counts = np.diff([0, *points["step"]])
        assert (counts[:-1] == points["steps_per_point"]).all() and counts[-1] <= points["steps_per_point"]
        assert np.average(points["loss"], weights=counts) == pytest.approx(loss_N.mean(), rel=1e-5)
    if num_steps <= MAX_POINTS:
        assert points["loss"] == points["lowest"] == points["highest"] == pytest.approx(loss_N.tolist(), rel=1e-5)


def test_a_run_of_100000_steps_is_shown_in_less_than_a_second_and_again_at_once(tmp_path: Path) -> None:
    """Held against what reading its lines as JSON takes here, so that a busy machine fails nothing: that is 0.5 s on a
    quiet core."""
    run_dir = tmp_path / "runs/Mila"
    write_long_history(run_dir, 100_000)
    (run_dir / "run.json").write_text(
        json.dumps({"name": "Mila", "identity": {}, "config": {"total_steps": 100_000}, "photos": [], "created": "",
                    "earlier_configs": []})
    )  # fmt: skip

    def seconds(work: Callable[[], object]) -> float:
        started_s = time.perf_counter()
        work()
        return time.perf_counter() - started_s

    def show(runs: Runs) -> dict:
        (listed,) = runs.listed({})
        return runs.shown(listed["id"]) or {}

    def fresh() -> Runs:
        return Runs(tmp_path / "runs", tmp_path / "loras", lambda path: {"filename": path.name})

    lines = (run_dir / "events.jsonl").read_bytes().splitlines()[:20_000]
    json_s = 5 * min(seconds(lambda: [json.loads(line) for line in lines]) for _ in range(2))
    first_s = min(seconds(lambda: json.dumps(show(fresh()))) for _ in range(2))
    runs = fresh()
    shown = show(runs)
    again_s = min(seconds(lambda: json.dumps(show(runs))) for _ in range(2))
    print(f"JSON {json_s:.2f} s, shown {first_s:.2f} s, again {again_s:.3f} s")
    assert shown["curve"]["num_steps"] == 100_000 and len(shown["curve"]["step"]) == MAX_POINTS
    assert len(json.dumps(shown)) < 200_000
    assert first_s < 1.2 * json_s and again_s < 0.1 * json_s


def test_messages_come_back_as_they_were_said_and_those_of_other_versions_are_told_all_the_same() -> None:
    message = Message("memory.spill", {"times": 4, "step": 9, "leaner": Message("train.phase.basic")})
    back = from_plain(json.loads(json.dumps(as_plain(message))))
    assert in_every_language(back) == in_every_language(message)
    told = in_every_language(Message("gone.long_ago", {"a": 1}))
    assert told["en"] == told["zh"] == "gone.long_ago, a: 1"
    assert "gone" in in_every_language(Message("photos.few", {"gone": "x"}))["zh"]
