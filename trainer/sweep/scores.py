"""Scores: how much the pictures look like the person, and which checkpoint that speaks for. Renders nothing.

Legend: N pictures, D numbers per picture.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..messages import Message
from ..training.keeping.results import Checkpoints
from .cells import UNTRAINED_STEP

if TYPE_CHECKING:
    import PIL.Image
    import torch


class LikenessScorer(Protocol):
    """Turns pictures of a person into directions: the more alike the persons, the smaller the angle."""

    name: str

    def embed(self, images: Sequence[PIL.Image.Image]) -> torch.Tensor:
        """Rows of length one, [N, D], on the CPU."""
        ...


@dataclass(frozen=True, kw_only=True)
class CheckpointScore:
    """How much the pictures of one checkpoint look like the reference photos: 1 is the same, 0 nothing in common."""

    step: int
    """0 is the untrained model."""
    likeness: float
    likeness_by_seed: tuple[float, ...]
    """The mean over the cells of each seed."""
    standard_error: float | None
    """How far chance alone moves `likeness`, judged from the seeds; None with a single seed."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The outcome of a sweep in numbers; `dataclasses.asdict` of it is JSON."""

    scorer: str | None
    """Who judged the likeness, or None where nobody did."""
    num_references: int
    seeds: tuple[int, ...]
    checkpoints: tuple[CheckpointScore, ...]
    """The untrained model first; empty without a scorer."""
    ceiling: float | None
    """The likeness of the reference photos to one another: about what a perfect LoRA reaches."""
    recommended_step: int
    reason: str
    """Why that step: `likeness`, `both` (likeness, and among equals the run's own evidence), `training` (that evidence
    alone) or `last`."""

    def of_step(self, step: int) -> CheckpointScore | None:
        """The score of a step, or None where there is none."""
        return next((score for score in self.checkpoints if score.step == step), None)

    def messages(self) -> tuple[Message, ...]:
        """The scores in plain sentences."""
        said = []
        if self.scorer is None:
            said.append(Message("sweep.no_scorer"))
        elif not self.num_references:
            said.append(Message("sweep.no_references"))
        for score in self.checkpoints:
            key = "sweep.likeness_untrained" if score.step == UNTRAINED_STEP else "sweep.likeness"
            said.append(Message(key, {"step": score.step, "likeness": f"{score.likeness:.3f}{spread(score)}"}))
        if self.ceiling is not None:
            said.append(Message("sweep.ceiling", {"likeness": f"{self.ceiling:.3f}"}))
        return (*said, Message(f"sweep.recommended_by_{self.reason}", {"step": self.recommended_step}))


def spread(score: CheckpointScore) -> str:
    """` ± 0.012`, or nothing where a single seed says nothing about chance."""
    return "" if score.standard_error is None else f" ± {score.standard_error:.3f}"


def score_checkpoint(step: int, likeness_of_cells: Sequence[float], seed_of_cells: Sequence[int]) -> CheckpointScore:
    """A checkpoint's score from the likeness of each of its cells."""
    by_seed: dict[int, list[float]] = {}
    for seed, likeness in zip(seed_of_cells, likeness_of_cells, strict=True):
        by_seed.setdefault(seed, []).append(likeness)
    means = tuple(statistics.fmean(values) for values in by_seed.values())
    error = statistics.stdev(means) / math.sqrt(len(means)) if len(means) > 1 else None
    return CheckpointScore(
        step=step, likeness=statistics.fmean(means), likeness_by_seed=means, standard_error=error
    )  # fmt: skip


def recommend(scores: Sequence[CheckpointScore], checkpoints: Checkpoints) -> tuple[int, str]:
    """The step to use and the reason.

    The most alike wins; where it surpasses others by no more than one standard error, the training's own choice (by
    its held-out photos) is taken from among these, else the earliest, because an earlier one is the more flexible.
    Without scores: the training's own choice, else the last.
    """
    trained = [score for score in scores if score.step != UNTRAINED_STEP]
    if trained:
        best = max(trained, key=lambda score: score.likeness)
        equals = [score.step for score in trained if _is_tie(best, score)]
        if len(equals) > 1 and checkpoints.recommended_step in equals:
            return checkpoints.chosen.step, "both"
        return min(equals), "likeness"
    if checkpoints.recommended_step is not None:
        return checkpoints.chosen.step, "training"
    return checkpoints.checkpoints[-1].step, "last"


def _is_tie(best: CheckpointScore, other: CheckpointScore) -> bool:
    """Whether the lead of the best is within its own standard error.

    Compared seed by seed: both were drawn from the same noise, so what makes a seed easy or hard drops out.
    """
    leads = [a - b for a, b in zip(best.likeness_by_seed, other.likeness_by_seed, strict=True)]
    error = statistics.stdev(leads) / math.sqrt(len(leads)) if len(leads) > 1 else 0.0
    return statistics.fmean(leads) <= error


def likeness_to(embeddings_ND: torch.Tensor, references_ND: torch.Tensor) -> list[float]:
    """Each picture's mean cosine to the references."""
    return (embeddings_ND @ references_ND.T).mean(dim=1).tolist()


def likeness_among(references_ND: torch.Tensor) -> float | None:
    """The mean cosine of different references to one another, or None with fewer than two."""
    count = len(references_ND)
    if count < 2:
        return None
    cosines_NN = references_ND @ references_ND.T
    return float((cosines_NN.sum() - cosines_NN.trace()) / (count * (count - 1)))


def as_json(scores: Scores) -> dict[str, object]:
    """The scores as plain values."""
    return dataclasses.asdict(scores)
