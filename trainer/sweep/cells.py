"""Cells: which pictures a sweep renders, and in which order. Renders nothing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..captions.prompts import called_up
from ..messages import UserError
from ..settings import check_settings, setting
from ..training.keeping.results import Checkpoints

UNTRAINED_STEP = 0
_SIDE_DIVISOR = 16  # the VAE makes 8 pixels one, the transformer takes 2 x 2 of those at a time


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """What is rendered from every checkpoint. Raises UserError for a value out of its limits."""

    strengths: tuple[float, ...] = setting(
        (0.8,), "How strongly the LoRA is applied; 0.7 to 1.0 is usual. Several are rendered one below the other."
    )
    prompts: tuple[str, ...] = setting(
        (
            "a photo of [subject]",
            "a photo of [subject], professional portrait, studio lighting",
            "a photo of [subject], school uniform, outdoor setting",
            "a photo of [subject], wearing elegant evening dress, at gala event",
        ),
        "The prompts. [subject] becomes the person's name, [trigger] the trigger word.",
    )
    num_seeds: int = setting(2, "How many pictures each prompt gets, each from other noise.", low=1, high=64)
    seed: int = setting(42, "The first seed; the others follow it.", low=0, high=2**63 - 1)
    steps: int = setting(9, "Steps of the sampler. Turbo needs 8 or 9.", low=1, high=100)
    cfg: float = setting(1.0, "Guidance as ComfyUI counts it: 1 is none, which is right for Turbo.", low=1.0, high=30.0)
    sampler: str = setting("res_multistep", "The sampler, by ComfyUI's name.", advanced=True)
    scheduler: str = setting("simple", "The schedule of the noise, by ComfyUI's name.", advanced=True)
    width_px: int = setting(1024, "Width of each picture.", low=64, high=4096, step=_SIDE_DIVISOR)
    height_px: int = setting(1024, "Height of each picture.", low=64, high=4096, step=_SIDE_DIVISOR)
    canary: str = setting(
        "a photo of a person",
        "One more prompt, without the subject: it shows how far a LoRA moves everything else. Empty for none.",
    )
    max_new_cells: int = setting(
        200,
        "If more pictures than this are to be drawn, none is, and you are told how many there would be and how long "
        "they would take. Raise it to have them drawn. Pictures drawn before do not count.",
        low=1,
        high=100_000,
        advanced=True,
    )

    soup_last: int = setting(
        0,
        "From 2 on: one more row with the mean of so many of the last checkpoints, saved as a LoRA file of its own. "
        "Choose it by writing soup. 0 makes none.",
        low=0,
        high=100,
        advanced=True,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        # 1 and 1.0 are one strength, so they must be one cell.
        object.__setattr__(self, "strengths", tuple(map(float, self.strengths)))
        if not any(prompt.strip() for prompt in self.prompts):
            raise UserError("sweep.no_prompts")
        if not self.strengths or not all(math.isfinite(strength) for strength in self.strengths):
            raise UserError("sweep.bad_strengths", value=self.strengths)
        if self.width_px % _SIDE_DIVISOR or self.height_px % _SIDE_DIVISOR:
            raise UserError("sweep.bad_size", width=self.width_px, height=self.height_px, divisor=_SIDE_DIVISOR)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of every prompt."""
        return tuple((self.seed + index) % 2**63 for index in range(self.num_seeds))

    @property
    def sampling(self) -> dict[str, object]:
        """Everything but prompt, seed and LoRA that decides how a picture looks."""
        names = ("steps", "cfg", "sampler", "scheduler", "width_px", "height_px")
        return {name: value for name, value in dataclasses.asdict(self).items() if name in names}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One picture of a sweep."""

    step: int
    """The checkpoint's step; 0 is the base model without a LoRA."""
    strength: float
    """The LoRA's strength; 0 without a LoRA."""
    prompt: str
    """The prompt as the model reads it, with the person's name in it."""
    seed: int
    lora_path: Path | None
    """The LoRA file, or None for the base model alone."""
    is_canary: bool = False
    """Whether the prompt is the one without the person, which shows how far the LoRA moves everything else."""


@dataclass(frozen=True, kw_only=True)
class RenderedCell:
    """A cell and the picture rendered for it."""

    cell: Cell
    path: Path


def plan_cells(checkpoints: Checkpoints, config: SweepConfig) -> tuple[Cell, ...]:
    """All cells, row by row: the untrained model first, then every checkpoint at every strength; the canary comes last.

    Cells of one row differ only in prompt and seed, so that a host patches its model once per row.
    """
    prompts = called_up(config.prompts, subject=checkpoints.subject, trigger_word=checkpoints.trigger_word)
    if not prompts:
        raise UserError("sweep.no_prompts")
    rows: list[tuple[int, float, Path | None]] = [(UNTRAINED_STEP, 0.0, None)]
    for checkpoint in checkpoints.checkpoints:
        rows += [(checkpoint.step, strength, checkpoint.path) for strength in dict.fromkeys(config.strengths)]
    canary = " ".join(config.canary.split())
    spoken = [(prompt, False) for prompt in prompts if prompt != canary] + ([(canary, True)] if canary else [])
    return tuple(
        Cell(step=step, strength=strength, prompt=prompt, seed=seed, lora_path=lora_path, is_canary=is_canary)
        for step, strength, lora_path in rows
        for prompt, is_canary in spoken
        for seed in config.seeds
    )


def prompts_of(cells: Sequence[Cell]) -> tuple[str, ...]:
    """Every prompt of the cells once, in order."""
    return tuple(dict.fromkeys(cell.prompt for cell in cells))
