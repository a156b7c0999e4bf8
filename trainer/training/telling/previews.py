"""Previews: the same few pictures, drawn from every checkpoint while a run trains. Knows no sampler: a host has one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import PIL.Image
import torch

from ...captions.prompts import called_up
from ...files import write_whole
from ...messages import UserError
from ..keeping.results import Checkpoint
from ..keeping.runs import Run, TrainJob
from .events import PreviewDrawn

if TYPE_CHECKING:
    from diffusers import ZImageTransformer2DModel


class PreviewRenderer(Protocol):
    """Draws with the untouched base model and a LoRA file: no training adapter, nothing quantised by the trainer."""

    def render(self, lora_path: Path, prompt: str, seed: int) -> PIL.Image.Image:
        """The picture, RGB. The same arguments give the same picture."""

    def release(self) -> None:
        """Give back the memory of the weights until the next picture."""


def check_previews(job: TrainJob, renderer: PreviewRenderer | None) -> None:
    """Raise UserError where previews are asked for and nobody can draw them."""
    if job.config.sample_generation and renderer is None:
        raise UserError("train.no_preview_model")


def preview_prompts(job: TrainJob) -> tuple[str, ...]:
    """The prompts as they are drawn; none where previews are off."""
    config = job.config
    if not config.sample_generation:
        return ()
    return called_up(config.preview_prompts, subject=job.dataset.subject, trigger_word=config.trigger_word)


def draw_previews(
    job: TrainJob,
    run: Run,
    checkpoint: Checkpoint,
    transformer: ZImageTransformer2DModel,
    renderer: PreviewRenderer | None,
    device: torch.device,
) -> Iterator[PreviewDrawn]:
    """Draw every prompt from a checkpoint's file into `previews/` of the run's folder; what trains makes room."""
    prompts = preview_prompts(job)
    if not prompts or renderer is None:
        return
    with _parked(transformer, device):
        try:
            for index, prompt in enumerate(prompts, start=1):
                image = renderer.render(checkpoint.path, prompt, job.config.seed)
                path = run.previews_dir / f"{checkpoint.step:09d}_{index}.png"
                write_whole(path, lambda temporary, image=image: image.save(temporary, format="PNG"))  # type: ignore[misc]
                yield PreviewDrawn(step=checkpoint.step, prompt=prompt, path=path)
        finally:
            renderer.release()


@contextlib.contextmanager
def _parked(transformer: ZImageTransformer2DModel, device: torch.device) -> Iterator[None]:
    """The transformer in system memory meanwhile: a card has room for one base model."""
    if device.type == "cpu":
        yield
        return
    transformer.to("cpu")
    torch.cuda.empty_cache()
    try:
        yield
    finally:
        transformer.to(device)
