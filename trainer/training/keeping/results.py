"""Checkpoints: what training hands to the sweep and to the user's model."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from ...lora_files.metadata import prompt_prefix
from ...messages import Message
from ..evidence.verdict import Validation

SOUP_STEP = -1
"""Stands where a step would: the mean of several checkpoints was made by none."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A LoRA saved at a step, or the mean of several."""

    step: int
    """SOUP_STEP for a mean."""
    path: Path
    soup_of: tuple[int, ...] = ()
    """The steps whose mean it is."""


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """The LoRA files of one run, oldest first; never empty."""

    run_name: str
    run_dir: Path
    """Where run.json, events.jsonl and the train states lie."""
    subject: str
    trigger_word: str
    checkpoints: tuple[Checkpoint, ...]
    losses: tuple[float, ...]
    """The loss of every step, in order."""
    validations: tuple[Validation, ...] = ()
    """The losses on held-out photos, of the untrained model and of every checkpoint that was saved, in order."""
    recommended_step: int | None = None
    """The step that evidence speaks for, or None where there is none yet."""
    reason: Message | None = None
    """Why training recommends that step."""
    recommended_strength: float | None = None
    """The strength at which a sweep found that step best, or None where there was no sweep."""

    @property
    def chosen(self) -> Checkpoint:
        """The recommended checkpoint, else the last."""
        return next((c for c in self.checkpoints if c.step == self.recommended_step), self.checkpoints[-1])

    @property
    def last_step(self) -> int:
        """The step of the last that training saved."""
        return max(checkpoint.step for checkpoint in self.checkpoints)

    def choosing(self, step: int | None, strength: float | None = None) -> Checkpoints:
        """The same checkpoints with another one recommended."""
        return dataclasses.replace(self, recommended_step=step, reason=None, recommended_strength=strength)

    @property
    def prompt_prefix(self) -> str:
        """What a prompt starts with to call the person up: `a photo of Merlina`."""
        return prompt_prefix(self.subject, self.trigger_word)
