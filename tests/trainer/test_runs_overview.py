"""What is told of runs from their folders: the same as was told while they trained, and nothing of other folders."""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from tests.trainer.conftest import CPU, CountingEncoders, losses_of, save_photo
from tests.trainer.faulty_runs import run_into_error
from trainer.captions.dataset import CaptionedPhoto, Dataset
from trainer.files import slug
from trainer.runs.overview import LiveRun, Runs
from trainer.training import step as step_module
from trainer.training.evidence.loss_watch import PhotoLoss
from trainer.training.keeping.history import append_step
from trainer.training.keeping.record import draft_record
from trainer.training.keeping.runs import TrainJob, describe_run
from trainer.training.loop import train
from trainer.training.telling.events import MemoryPlanned, Validated, Warned


def place(path: Path) -> dict[str, str]:
    return {"filename": path.name, "subfolder": path.parent.parent.name, "type": "output"}


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "runs", tmp_path / "loras", place)


def live_of(job: TrainJob, **status: object) -> LiveRun:
    run = describe_run(job)
    return LiveRun(run_dir=run.run_dir, draft=draft_record(run, job), status=status)


class Painter:
    """Draws one colour."""

    def render(self, lora_path: Path, prompt: str, seed: int) -> PIL.Image.Image:
        return PIL.Image.new("RGB", (8, 8), "teal")

    def release(self) -> None:
        pass


def test_there_is_nothing_to_tell_of_a_folder_that_is_not_there(runs: Runs) -> None:
    assert runs.listed({}) == [] and runs.shown("ada-12345678") is None


def test_a_run_is_told_from_its_folder_as_it_was_told_while_it_trained(
    make_job: Callable, encoders: CountingEncoders, runs: Runs, tmp_path: Path
) -> None:
    job = make_job(
        run_name="小红", total_steps=7, save_every=3, checkpoints_to_keep=2, lr_schedule="linear",
        sample_generation=True, preview_prompts=("a photo of [subject]", "[subject] 在海边"),
    )  # fmt: skip
    with closing(train(job, encoders, device=CPU, should_stop=lambda: False, previews=Painter())) as going:
        events = list(going)
    run_id = slug("小红")
    (listed,) = runs.listed({})
    shown = runs.shown(run_id)
    assert shown and listed == {**shown["run"], "live": None}
    assert (listed["id"], listed["name"], listed["state"]) == (run_id, "小红", "finished")
    assert (listed["step"], listed["total_steps"], listed["num_photos"]) == (7, 7, 5)
    assert abs(listed["changed_at"] - time.time()) < 600
    losses = losses_of(events)
    assert shown["curve"]["step"] == list(losses)
    assert shown["curve"]["loss"] == pytest.approx(list(losses.values()), rel=1e-5)
    rates = [event.learning_rate for event in events if hasattr(event, "learning_rate")]
    assert shown["curve"]["learning_rate"] == pytest.approx(rates, rel=1e-5) and rates[0] > rates[-1] > 0
    assert [one["step"] for one in shown["checkpoints"]] == [6, 7]
    for one in shown["checkpoints"]:
        assert (tmp_path / "loras" / one["lora_name"]).stat().st_size == one["bytes"]
    drawn = [(one["step"], one["prompt"]) for one in shown["previews"]]
    assert drawn == [(step, prompt) for step in (3, 6, 7) for prompt in ("a photo of Ada", "Ada 在海边")]
    assert listed["picture"] == {"filename": "000000007_2.png", "subfolder": "小红", "type": "output"}
    (planned,) = (event for event in events if isinstance(event, MemoryPlanned))
    assert shown["plan"] == vars(planned) and shown["peak_bytes"] is None
    said = [event.message.key for event in events if isinstance(event, Warned)]
    assert [one["key"] for one in shown["warnings"]] == said
    assert shown["settings"]["preview_prompts"] == "a photo of [subject]\n[subject] 在海边"
    assert shown["settings"]["total_steps"] == 7 and shown["run_name"] == "小红"
    assert shown["model"] == job.base.name and shown["error"] is None and shown["phases"] == []


def test_a_run_is_there_from_its_first_caption_on_and_says_how_it_ended(
    make_job: Callable, encoders: CountingEncoders, run_through: Callable, runs: Runs
) -> None:
    job = make_job(total_steps=6)
    run_id = slug("ada")
    live = live_of(job, stage="text", done=1, total=4)
    with closing(train(job, encoders, device=CPU, should_stop=lambda: False)) as going:
        next(going)
        next(going)
        (listed,) = runs.listed({run_id: live})
        assert (listed["state"], listed["step"], listed["total_steps"], listed["num_photos"]) == ("running", 0, 6, 5)
        shown = runs.shown(run_id, live)
        assert shown and shown["live"] == {"stage": "text", "done": 1, "total": 4}
        assert shown["curve"]["step"] == [] and shown["settings"]["total_steps"] == 6
        assert runs.listed({}) == [], "it has no record yet"
    for state, stop_after in (("stopped", 4), ("finished", None)):
        run_through(job, stop_after=stop_after)
        assert [one["state"] for one in runs.listed({})] == [state]
    more = make_job(total_steps=9)
    with closing(train(more, encoders, device=CPU, should_stop=lambda: False)) as going:
        for event in going:
            if getattr(event, "step", 0) == 8:
                (listed,) = runs.listed({run_id: live_of(more)})
                assert (listed["state"], listed["step"], listed["total_steps"]) == ("running", 8, 9)
                break
    (listed,) = runs.listed({})
    assert (listed["state"], listed["step"]) == ("interrupted", 8), "its program went away without a word"
    shown = runs.shown(run_id)
    assert shown and [one["settings"] for one in shown["earlier_settings"]] == [{"total_steps": 6}]
    assert shown["earlier_settings"][0]["until_step"] == 6


def test_validations_are_told_with_their_intervals_and_the_recommended_checkpoint(
    make_job: Callable, encoders: CountingEncoders, runs: Runs, tmp_path: Path
) -> None:
    photos = [save_photo(tmp_path / f"photos/{index}.png", 64, 64, seed=index) for index in range(9)]
    dataset = Dataset(
        subject="Ada", photos=tuple(CaptionedPhoto(photo=photo, caption="a photo of Ada") for photo in photos)
    )
    job = make_job(dataset=dataset, validation="on", total_steps=4, save_every=2)
    with closing(train(job, encoders, device=CPU, should_stop=lambda: False)) as going:
        events = list(going)
    validated = [event for event in events if isinstance(event, Validated)]
    shown = runs.shown(slug("ada"))
    assert shown and len(validated) == 3
    for event, told in zip(validated, shown["validations"], strict=True):
        for name in ("step", "num_photos", "before_step"):
            assert told[name] == getattr(event, name)
        for name in ("loss", "change", "margin"):
            assert told[name] == pytest.approx(getattr(event, name), rel=1e-5, abs=1e-9)
    checkpoints = events[-1].checkpoints  # type: ignore[union-attr]
    assert shown["recommended"]["step"] == checkpoints.recommended_step == shown["run"]["recommended_step"]
    assert shown["recommended"]["reason"]["key"] == checkpoints.reason.key
    best = min(told["loss"] for told in shown["validations"][1:])
    assert shown["run"]["best_loss"] == best == min(one["loss"] for one in shown["checkpoints"])


def test_an_error_is_told_in_both_languages_until_the_run_goes_on(
    make_job: Callable, encoders: CountingEncoders, run_through: Callable, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, real = make_job(), step_module.predict_velocity
    monkeypatch.setattr(step_module, "predict_velocity", lambda *args: real(*args) * np.nan)
    _, error = run_into_error(job, encoders)
    shown = runs.shown(slug("ada"))
    assert shown and shown["run"]["state"] == "failed" and shown["error"]["key"] == error.message.key
    assert shown["error"]["text"]["en"] == str(error) != shown["error"]["text"]["zh"]
    monkeypatch.undo()
    run_through(job)
    shown = runs.shown(slug("ada"))
    assert shown and shown["run"]["state"] == "finished" and shown["error"] is None


def test_a_record_that_cannot_be_read_is_said_and_hides_no_other_run(
    make_job: Callable, run_through: Callable, runs: Runs, tmp_path: Path
) -> None:
    run_through(make_job(total_steps=2))
    shutil.copytree(tmp_path / "runs/ada", tmp_path / "runs/broken")
    (tmp_path / "runs/broken/run.json").write_text("{")
    shutil.copytree(tmp_path / "runs/ada", tmp_path / "runs/ada - Copy")
    (tmp_path / "runs/no run").mkdir()
    (tmp_path / "runs/ada - Copy/owner.json").write_text('{"host": "elsewhere", "pid": 1}')
    found = {one["name"]: one for one in runs.listed({})}
    assert len(found) == 2 and {one["id"] for one in runs.listed({})} == {
        slug("ada"), slug("ada - Copy"), slug("broken")
    }  # fmt: skip
    broken = runs.shown(slug("broken"))
    assert broken and broken["run"]["state"] == "failed" and "run.json" in broken["error"]["text"]["en"]
    assert broken["curve"]["num_steps"] == 2


@pytest.mark.skipif(os.name == "nt", reason="links need a right of their own on Windows")
def test_what_a_link_takes_out_of_the_output_folder_is_no_run(
    make_job: Callable, run_through: Callable, runs: Runs, tmp_path: Path
) -> None:
    run_through(make_job(total_steps=2))
    shutil.copytree(tmp_path / "runs/ada", tmp_path / "outside/eve")
    (tmp_path / "runs/eve").symlink_to(tmp_path / "outside/eve")
    for name in ("run.json", "events.jsonl"):
        (tmp_path / f"runs/by {name}").mkdir()
        for other in {"run.json", "events.jsonl"} - {name}:
            shutil.copy(tmp_path / "runs/ada" / other, tmp_path / f"runs/by {name}" / other)
        (tmp_path / f"runs/by {name}" / name).symlink_to(tmp_path / "outside/eve" / name)
    assert [one["id"] for one in runs.listed({})] == [slug("ada")]
    assert runs.shown(slug("eve")) is None and runs.shown(slug("by run.json")) is None
    with open(tmp_path / "runs/ada/events.jsonl", "a") as file:
        file.write(json.dumps({"drawn": 2, "prompt": "x", "file": "../../../outside/eve/run.json"}) + "\n")
    shown = runs.shown(slug("ada"))
    assert shown and shown["previews"] == []


def test_a_run_in_the_hands_of_another_program_is_said_to_be(
    make_job: Callable, run_through: Callable, runs: Runs, tmp_path: Path
) -> None:
    run_through(make_job(total_steps=2))
    owner = {"program": "python/train", "host": platform.node(), "started": "2999-01-01 00:00:00"}
    for pid, started, state in (
        (os.getppid(), "2999-01-01 00:00:00", "elsewhere"),
        (os.getppid(), "1999-01-01 00:00:00", "finished"),  # that number belongs to a later program now
        (os.getpid(), "2999-01-01 00:00:00", "finished"),
        (2**22 + 1, "2999-01-01 00:00:00", "finished"),
    ):
        (tmp_path / "runs/ada/owner.json").write_text(json.dumps({**owner, "pid": pid, "started": started}))
        assert [one["state"] for one in runs.listed({})] == [state], (pid, started)


def test_writing_a_step_down_costs_next_to_nothing(tmp_path: Path) -> None:
    """Held against the file system's own price for opening, appending and closing."""
    looks = [PhotoLoss(photo_index=0, sigma=0.5, loss=0.5)]
    line = "x" * 150 + "\n"

    def bare() -> None:
        with open(tmp_path / "bare", "a") as file:
            file.write(line)

    def ours() -> None:
        append_step(tmp_path, 312, 0.41, looks, rate=2e-4, seconds=0.5, at=1795398000.5)

    def seconds(work: Callable[[], None]) -> float:
        started_s = time.perf_counter()
        for _ in range(300):
            work()
        return (time.perf_counter() - started_s) / 300

    (ours_s, bare_s) = (min(seconds(work) for _ in range(3)) for work in (ours, bare))
    print(f"a step {ours_s * 1e6:.0f} us, the bare file {bare_s * 1e6:.0f} us")
    assert ours_s < 5 * bare_s + 1e-3, "a step takes 30 ms at least"
