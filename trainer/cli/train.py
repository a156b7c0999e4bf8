"""The verb `train`: from a job to LoRA files, with the same functions as the nodes."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from ..captions.dataset import Dataset
from ..files import write_whole
from ..messages import Message, UserError
from ..photos.cleaning.clean import check_any_left
from ..photos.photo import PhotoSet
from ..photos.report.text import describe
from ..training.keeping.repair import finished_notes
from ..training.keeping.results import Checkpoints
from ..training.keeping.runs import TrainJob, describe_run, finished_run
from ..training.model.adapter import ADAPTER_REPOSITORY, V1_NAME, V2_NAME, choose_adapter, find_adapter
from ..training.model.hub import hub_file
from ..training.ranks import ALONE, Ranks
from ..training.telling.curve import draw_curve
from ..training.telling.events import (
    CheckpointSaved,
    DiskPlanned,
    Event,
    Finished,
    MemoryTold,
    Preparing,
    PreviewDrawn,
    Started,
    StepDone,
    Stopped,
    Validated,
    Warned,
)
from ..training.telling.progress_text import disk_message, progress_message, validated_message
from .caption import caption, tell_findings
from .job import JobFile
from .prepare import clean, load
from .screen import Screen

CURVE_NAME = "loss_curve.png"
_FETCHED_ADAPTERS = {"auto": V2_NAME, "v1": V1_NAME}


def run_job(file: JobFile, screen: Screen, ranks: Ranks = ALONE) -> Checkpoints | None:
    """Prepare, caption, train; returns None where the user stopped it. Raises UserError for what the user can mend."""
    with ranks.first_goes_first():
        job = _job(file, screen, ranks)
        checkpoints = finished_run(job)
    if checkpoints:
        screen.say("cli.already_finished", name=checkpoints.run_name, step=checkpoints.checkpoints[-1].step)
        for note in finished_notes(describe_run(job)):
            screen.say_message(note)
    else:
        checkpoints = _train(job, file, screen, ranks)
    if checkpoints and ranks.is_first:
        from ..training.telling.phases import phase_of

        curve = draw_curve(
            checkpoints.losses,
            phase_of,
            screen.language,
            validations=checkpoints.validations,
            recommended_step=checkpoints.recommended_step,
        )
        write_whole(file.run_dir / CURVE_NAME, lambda temporary: curve.save(temporary, format="PNG"))
        report(checkpoints, screen)
    return checkpoints


def _job(file: JobFile, screen: Screen, ranks: Ranks) -> TrainJob:
    """What the file means, its photos prepared, its model and adapter found."""
    from ..training.model.zimage import find_base_model

    # Names and files first, before anything is written, and the model, which may have to be fetched, last.
    _ = file.run_dir
    if file.training_adapter not in _FETCHED_ADAPTERS:
        find_adapter(file.training_adapter, ())
    photos = load(file, screen)
    adapter = choose_adapter(
        find_base_model(file.model, fetching(file.model, screen)),
        base_kind=file.base_kind,
        choice=file.training_adapter,
        lora_files=lambda: _adapter_files(file.training_adapter, screen),
    )
    return TrainJob(
        config=file.train_config,
        dataset=prepare(photos, file, screen),
        base=adapter.base,
        adapter=adapter.path,
        notes=adapter.notes,
        run_name=file.run_name,
        runs_dir=file.runs_dir,
        loras_dir=file.loras_dir,
        num_processes=ranks.count,
    )


def prepare(photos: PhotoSet, file: JobFile, screen: Screen) -> Dataset:
    """Clean and caption; says what was done, what was left out, and why."""
    working = clean(photos, file, screen)
    check_any_left(working)
    dataset = caption(working, file, screen)
    screen.say_text(describe(dataclasses.replace(working, warnings=dataset.warnings), screen.language))
    tell_findings(dataset, screen)
    screen.say("cli.captioned", count=len(dataset.photos), caption=dataset.photos[0].caption)
    return dataset


def report(checkpoints: Checkpoints, screen: Screen) -> None:
    """The LoRA files, the curve, and how to use them."""
    screen.say("cli.lora_files", count=len(checkpoints.checkpoints))
    for checkpoint in checkpoints.checkpoints:
        screen.say("cli.lora_file", step=checkpoint.step, path=checkpoint.path)
    if checkpoints.reason:
        screen.say_message(checkpoints.reason)
    screen.say("cli.curve", path=checkpoints.run_dir / CURVE_NAME)
    screen.say("cli.use", prompt=checkpoints.prompt_prefix)


def _train(job: TrainJob, file: JobFile, screen: Screen, ranks: Ranks) -> Checkpoints | None:
    import torch

    from ..sweep.diffusers_previews import DiffusersPreviews
    from ..training.loop import train
    from ..training.model.diffusers_encoders import DiffusersEncoders

    device = ranks.device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    source = file.encoders_source
    encoders = DiffusersEncoders(source, device, fetching(source, screen), file.quantization_text_encoder)
    hide_loading_bars()
    checkpoints = None
    previews = DiffusersPreviews(job, source, device) if job.config.sample_generation else None
    with _interrupt_asks_to_stop() as should_stop:
        events = train(job, encoders, device=device, should_stop=should_stop, previews=previews, ranks=ranks)
        with contextlib.closing(events):  # type: ignore[type-var]
            for event in events:
                _tell(event, screen)
                if isinstance(event, Finished):
                    checkpoints = event.checkpoints
    screen.end_progress()
    return checkpoints


def _tell(event: Event, screen: Screen) -> None:
    """One event on the screen."""
    if isinstance(event, Preparing | StepDone):
        screen.progress(progress_message(event, screen.language))
    elif isinstance(event, DiskPlanned):
        screen.say_message(disk_message(event))
    elif isinstance(event, Started):
        first = event.first_step
        screen.say("cli.started" if first == 1 else "cli.resumed", step=first, total=event.total_steps)
    elif isinstance(event, CheckpointSaved):
        screen.say("cli.saved", step=event.checkpoint.step, name=event.checkpoint.path.name)
    elif isinstance(event, PreviewDrawn):
        screen.say("cli.preview", step=event.step, path=event.path)
    elif isinstance(event, Validated):
        screen.say_message(validated_message(event))
    elif isinstance(event, MemoryTold | Warned):
        screen.say_message(event.message)
    elif isinstance(event, Stopped):
        screen.say("cli.stopped", step=event.step)


def hide_loading_bars() -> None:
    """Keep transformers from drawing bars for weights that load in a second; bars of downloads stay."""
    from transformers.utils import logging

    logging.disable_progress_bar()


@contextlib.contextmanager
def _interrupt_asks_to_stop() -> Iterator[Callable[[], bool]]:
    """Within it Ctrl+C only asks: the loop saves and ends. A second Ctrl+C ends at once."""
    asked = threading.Event()

    def ask(signal_number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def fetching(source: str, screen: Screen) -> Callable[[int, int], None]:
    """A listener that shows how much of a download is here."""

    def show(done_bytes: int, total_bytes: int) -> None:
        done, total = (round(size / 1e6) for size in (done_bytes, total_bytes))
        screen.progress(Message("cli.fetching", {"source": source, "done": done, "total": total}))

    return show


def _adapter_files(choice: str, screen: Screen) -> tuple[Path, ...]:
    """The official adapter in the hub's cache, fetched if need be, where the choice is one of its versions."""
    if choice not in _FETCHED_ADAPTERS:
        return ()
    name = _FETCHED_ADAPTERS[choice]
    try:
        return (hub_file(ADAPTER_REPOSITORY, name, fetching(name, screen)),)
    except UserError as error:
        if error.message.key != "base.hub_unreachable":
            raise
        address, reason = f"https://huggingface.co/{ADAPTER_REPOSITORY}", error.message.values["reason"]
        raise UserError("cli.no_adapter", name=name, address=address, reason=reason) from error
