"""Previews outside ComfyUI: drawn as a sweep outside ComfyUI draws its cells. Knows no training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import PIL.Image
import torch

from ..training.telling.previews import preview_prompts
from .cells import Cell, SweepConfig
from .diffusers_render import SAMPLER, SCHEDULER, DiffusersRenderer

if TYPE_CHECKING:
    from ..training.keeping.runs import TrainJob

_DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


class DiffusersPreviews:
    """A PreviewRenderer. Its base model is loaded for every checkpoint's previews and let go again."""

    def __init__(self, job: TrainJob, encoders_source: str | Path, device: torch.device) -> None:
        """`encoders_source` is a diffusers folder or hub id. Loads nothing yet."""
        side_px = job.config.training_resolution // 16 * 16
        config = SweepConfig(sampler=SAMPLER, scheduler=SCHEDULER, width_px=side_px, height_px=side_px)
        self._renderer = DiffusersRenderer(
            job.base.paths[0] if job.base.is_single_file else job.base.paths[0].parents[1],
            encoders_source,
            config,
            prompts=preview_prompts(job),
            device=device,
            dtype=_DTYPES[job.config.precision],
        )

    def render(self, lora_path: Path, prompt: str, seed: int) -> PIL.Image.Image:
        """The picture at the training's own resolution, LoRA at strength 1."""
        return self._renderer.render(Cell(step=0, strength=1.0, prompt=prompt, seed=seed, lora_path=lora_path))

    def release(self) -> None:
        """Give back the memory of the weights until the next picture."""
        self._renderer.release()
