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
from ..captions.template import caption_photos
from ..files import write_whole
from ..messages import Message, UserError
from ..photos.clean import CleanConfig, clean_photos
from ..photos.load import load_photos
from ..photos.photo import PhotoSet
from ..photos.report import describe
from ..training.adapter import V2_NAME, V2_REPOSITORY, find_adapter
from ..training.curve import draw_curve
from ..training.events import CheckpointSaved, Event, Finished, Preparing, Started, StepDone, Stopped, Warned
from ..training.progress_text import progress_message
from ..training.results import Checkpoints
from ..training.runs import TrainJob, finished_run
from .job import JobFile
from .screen import Screen

CURVE_NAME = "loss_curve.png"


def run_job(file: JobFile, screen: Screen) -> Checkpoints | None:
    """Prepare, caption, train; returns None where the user stopped it. Raises UserError for what the user can mend."""
    from ..training.zimage import find_base_model

    run_dir = file.run_dir
    # Everything is looked at before anything is written, and the model, which may have to be fetched, last.
    photos = load_photos(Path(file.photos), recursive=False)
    adapter = find_adapter(file.training_adapter, _adapter_files(file.training_adapter))
    base = find_base_model(file.model)
    job = TrainJob(
        config=file.train_config,
        dataset=prepare(photos, file, screen),
        base=base,
        adapter=adapter,
        run_name=file.run_name,
        runs_dir=file.runs_dir,
        loras_dir=file.loras_dir,
    )
    checkpoints = finished_run(job)
    if checkpoints:
        screen.say("cli.already_finished", name=checkpoints.run_name, step=checkpoints.checkpoints[-1].step)
    else:
        checkpoints = _train(job, file.encoders_source, screen)
    if checkpoints:
        from ..training.phases import phase_of

        curve = draw_curve(checkpoints.losses, phase_of, screen.language)
        write_whole(run_dir / CURVE_NAME, lambda temporary: curve.save(temporary, format="PNG"))
        report(checkpoints, screen)
    return checkpoints


def prepare(photos: PhotoSet, file: JobFile, screen: Screen) -> Dataset:
    """Copy at 1024 pixels and caption; says what was left out and why."""
    working = clean_photos(
        photos,
        CleanConfig(),
        file.run_dir / "photos",
        lambda done, total: screen.progress(Message("cli.photos", {"done": done, "total": total})),
    )
    dataset = caption_photos(working, file.caption_config)
    screen.end_progress()
    screen.say_text(describe(dataclasses.replace(working, warnings=dataset.warnings), screen.language))
    screen.say("cli.captioned", count=len(dataset.photos), caption=dataset.photos[0].caption)
    return dataset


def report(checkpoints: Checkpoints, screen: Screen) -> None:
    """The LoRA files, the curve, and how to use them."""
    screen.say("cli.lora_files", count=len(checkpoints.checkpoints))
    for checkpoint in checkpoints.checkpoints:
        screen.say("cli.lora_file", step=checkpoint.step, path=checkpoint.path)
    screen.say("cli.curve", path=checkpoints.run_dir / CURVE_NAME)
    screen.say("cli.use", prompt=checkpoints.prompt_prefix)


def _train(job: TrainJob, encoders_source: str, screen: Screen) -> Checkpoints | None:
    import torch

    from ..training.diffusers_encoders import DiffusersEncoders
    from ..training.loop import train

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoders = DiffusersEncoders(encoders_source, device)
    hide_loading_bars()
    checkpoints = None
    with _interrupt_asks_to_stop() as should_stop:
        events = train(job, encoders, device=device, should_stop=should_stop)
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
    elif isinstance(event, Started):
        first = event.first_step
        screen.say("cli.started" if first == 1 else "cli.resumed", step=first, total=event.total_steps)
    elif isinstance(event, CheckpointSaved):
        screen.say("cli.saved", step=event.checkpoint.step, name=event.checkpoint.path.name)
    elif isinstance(event, Warned):
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


def _adapter_files(choice: str) -> tuple[Path, ...]:
    """The official adapter in the hub's cache, fetched if need be, where the choice is `auto`."""
    if choice != "auto":
        return ()
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return (Path(hf_hub_download(V2_REPOSITORY, V2_NAME)),)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        address = f"https://huggingface.co/{V2_REPOSITORY}"
        raise UserError("cli.no_adapter", name=V2_NAME, address=address, reason=type(error).__name__) from error
