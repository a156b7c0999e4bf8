"""Training as a node runs it: what is to be trained, and the trainer's events followed to the end.

Imported when the node first runs, so that ComfyUI starts fast.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import comfy.utils
from torch import Tensor

from ..trainer.captions.dataset import Dataset
from ..trainer.files import slug
from ..trainer.messages import Message
from ..trainer.training.adapter import find_adapter
from ..trainer.training.config import TrainConfig
from ..trainer.training.events import Event, Finished, Preparing, StepDone, Stopped, Warned
from ..trainer.training.loop import train
from ..trainer.training.results import Checkpoints
from ..trainer.training.runs import TrainJob, describe_run
from ..trainer.training.runs import finished_run as finished_run
from ..trainer.training.zimage import find_base_model
from . import host
from .core_lora import check_trained_file
from .host_encoders import HostEncoders
from .live import event_json, finished_text, training_line
from .widgets import config_of


def describe_job(dataset: Dataset, model: str, run_name: str, widgets: dict[str, Any]) -> TrainJob:
    """What is to be trained. Raises UserError for a setting, base model or training adapter that cannot be used."""
    config = config_of(TrainConfig, widgets)
    choice = config.training_adapter
    return TrainJob(
        config=config,
        dataset=dataset,
        base=find_base_model(host.base_model_path(model)),
        adapter=find_adapter(
            choice if choice in ("auto", "none") else str(host.lora_path(choice)), host.lora_files(), host.loras_dir()
        ),
        run_name=run_name.strip(),
        runs_dir=host.output_dir(),
        loras_dir=host.loras_dir(),
    )  # fmt: skip


def finish_or_train(job: TrainJob, clip: Any, vae: Any, progress: host.Progress) -> tuple[Checkpoints, str]:
    """The run's checkpoints, trained unless they are there already, and what to say about them."""
    checkpoints, warnings = finished_run(job), []
    if checkpoints is None:
        checkpoints, warnings = _train(job, HostEncoders(clip, vae), progress)
    return checkpoints, finished_text(checkpoints, warnings, progress.language)


def read_lora(path: Path) -> dict[str, Tensor]:
    """A LoRA file as ComfyUI's LORA_MODEL."""
    return comfy.utils.load_torch_file(str(path), safe_load=True)


def _train(job: TrainJob, encoders: HostEncoders, progress: host.Progress) -> tuple[Checkpoints, list[Message]]:
    """Train to the end, telling the browser what happens. Leaves the node as cancelled once a stopped run is saved."""
    run = slug(describe_run(job).lora_dir.name)
    warnings: list[Message] = []
    try:
        with contextlib.closing(train(job, encoders, device=host.device(), should_stop=host.cancelled)) as events:
            for event in events:
                _tell(event, run, progress)
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


def _tell(event: Event, run: str, progress: host.Progress) -> None:
    progress.broadcast(event_json(event, run))
    if isinstance(event, Preparing):
        progress.show(event.done, event.total)
    if isinstance(event, StepDone):
        progress.show(event.step, event.total_steps)
    if line := training_line(event, progress.language):
        progress.write(line, at_once=not isinstance(event, StepDone | Preparing))
    if isinstance(event, Warned):
        host.logger.warning(host.say_message(event.message))
