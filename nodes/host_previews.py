"""Previews as the training node draws them: with the user's own model and ComfyUI's own sampler. Knows no training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import PIL.Image
import torch

from ..trainer.sweep.cells import Cell, SweepConfig
from ..trainer.training.keeping.runs import TrainJob
from ..trainer.training.telling.previews import preview_prompts
from . import host
from .core_sampler import CellRenderer


class HostPreviews:
    """A PreviewRenderer. The model is unloaded between checkpoints: training needs the device."""

    def __init__(self, job: TrainJob, model: Any, clip: Any, vae: Any) -> None:
        side_px = job.config.training_resolution // 16 * 16
        self._renderer = CellRenderer(
            model,
            clip,
            vae,
            SweepConfig(width_px=side_px, height_px=side_px),
            prompts=preview_prompts(job),
            on_step=lambda step, preview: host.stop_if_cancelled(),
        )

    def render(self, lora_path: Path, prompt: str, seed: int) -> PIL.Image.Image:
        """The picture at the training's own resolution, LoRA at strength 1."""
        with torch.inference_mode():  # as ComfyUI runs its nodes; the trainer has left that mode
            return self._renderer.render(Cell(step=0, strength=1.0, prompt=prompt, seed=seed, lora_path=lora_path))

    def release(self) -> None:
        """Give back the memory of the weights until the next picture."""
        host.claim_memory()
