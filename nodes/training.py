"""Training as a node runs it: what is to be trained, and the trainer's events followed to the end.

Imported when the node first runs, so that ComfyUI starts fast.
"""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import comfy.utils
from torch import Tensor

from ..trainer.captions.dataset import Dataset
from ..trainer.messages import Message
from ..trainer.training.config import TrainConfig
from ..trainer.training.keeping.repair import finished_notes
from ..trainer.training.keeping.results import Checkpoints
from ..trainer.training.keeping.runs import TrainJob, describe_run
from ..trainer.training.keeping.runs import finished_run as finished_run
from ..trainer.training.loop import train
from ..trainer.training.model.adapter import choose_adapter
from ..trainer.training.model.zimage import find_base_model
from ..trainer.training.telling.events import Event, Finished, Preparing, PreviewDrawn, StepDone, Stopped, Warned
from . import host
from .core_lora import check_trained_file
from .host_encoders import HostEncoders
from .host_previews import HostPreviews
from .live import finished_text, training_line
from .run_registry import in_training
from .widgets import config_of


def describe_job(dataset: Dataset, model: str, run_name: str, widgets: dict[str, Any]) -> TrainJob:
    """What is to be trained. Raises UserError for a setting, base model or training adapter that cannot be used."""
    config = config_of(TrainConfig, widgets)
    if config.mask_source == "folder" and config.mask_folder.strip():
        config = dataclasses.replace(config, mask_folder=str(host.photo_folder(config.mask_folder)))
    choice = config.training_adapter
    adapter = choose_adapter(
        find_base_model(host.base_model_path(model)),
        base_kind=config.base_kind,
        choice=choice if choice in ("auto", "none") else str(host.lora_path(choice)),
        lora_files=host.lora_files,
        loras_dir=host.loras_dir(),
    )
    return TrainJob(
        config=config,
        dataset=dataset,
        base=adapter.base,
        adapter=adapter.path,
        notes=adapter.notes,
        run_name=run_name.strip(),
        runs_dir=host.output_dir(),
        loras_dir=host.loras_dir(),
    )  # fmt: skip


def finish_or_train(
    job: TrainJob, clip: Any, vae: Any, preview_model: Any, progress: host.Progress
) -> tuple[Checkpoints, str]:
    """The run's checkpoints, trained unless they are there already, and what to say about them.

    `preview_model` may be None where no previews are drawn.
    """
    checkpoints, warnings = finished_run(job), finished_notes(describe_run(job))
    if checkpoints is None:
        previews = HostPreviews(job, preview_model, clip, vae) if preview_model is not None else None
        checkpoints, warnings = _train(job, HostEncoders(clip, vae), previews, progress)
    return checkpoints, finished_text(checkpoints, warnings, progress.language)


def read_lora(path: Path) -> dict[str, Tensor]:
    """A LoRA file as ComfyUI's LORA_MODEL."""
    return comfy.utils.load_torch_file(str(path), safe_load=True)


def _train(
    job: TrainJob, encoders: HostEncoders, previews: HostPreviews | None, progress: host.Progress
) -> tuple[Checkpoints, list[Message]]:
    """Train to the end, telling the browser what happens. Leaves the node as cancelled once a stopped run is saved."""
    warnings: list[Message] = []
    try:
        with contextlib.ExitStack() as stack:
            training = stack.enter_context(in_training(job, progress))
            events = train(
                job, encoders, device=host.device(), should_stop=host.cancelled, control=training.control,
                previews=previews,
            )  # fmt: skip
            stack.enter_context(contextlib.closing(events))
            for event in events:
                training.tell(event)
                _show(event, progress)
                if isinstance(event, Warned):
                    warnings.append(event.message)
                if isinstance(event, Stopped):
                    host.stop_now()
                if isinstance(event, Finished):
                    check_trained_file(event.checkpoints.chosen.path)
                    return event.checkpoints, warnings
    finally:
        host.give_back_memory()
    raise AssertionError("train() ended without Finished or Stopped")


def _show(event: Event, progress: host.Progress) -> None:
    """On the node: the bar, the line of text, a preview."""
    if isinstance(event, Preparing):
        progress.show(event.done, event.total)
    if isinstance(event, StepDone):
        progress.show(event.step, event.total_steps)
    if isinstance(event, PreviewDrawn):
        progress.show_picture(event.path)
    if line := training_line(event, progress.language):
        progress.write(line, at_once=not isinstance(event, StepDone | Preparing))
    if isinstance(event, Warned):
        host.logger.warning(host.say_message(event.message))
