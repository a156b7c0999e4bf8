"""Flexibility: what of the base model's freedom a LoRA leaves. Each measure is relative to the untrained row.

Squared distances are halved, so that between directions they are 1 - cosine.
Legend: D numbers per picture.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .estimate import Estimate, estimate

Scenes = Mapping[tuple[str, int], np.ndarray]
"""What a row's pictures show as a whole, [D], by prompt and seed."""


@dataclass(frozen=True, kw_only=True)
class Flexibility:
    """What a row keeps of the base model's freedom. Parts that could not be measured are None or left out."""

    agreement: Estimate | None
    variety: Estimate | None
    drift: Estimate | None
    by_picture: Mapping[tuple[str, int], float]
    """For each picture, by prompt and seed, the mean of its parts, each kept within 0..1: its own agreement, its
    prompt's variety, and 1 - its seed's drift."""

    @property
    def mean(self) -> float | None:
        """Over all pictures; None where nothing could be measured."""
        return statistics.fmean(self.by_picture.values()) if self.by_picture else None

    def of(self, prompt: str, seed: int) -> float:
        """Of one picture; 1 where nothing could be measured, so that likeness alone decides."""
        return self.by_picture.get((prompt, seed), 1.0)


def compare_scenes(row: Scenes, canaries: Scenes, untrained: Scenes, untrained_canaries: Scenes) -> Flexibility:
    """A row's flexibility from what its pictures show, those of the person and those without, and the base model's."""
    agreements = prompt_agreement(row, untrained)
    usual_varieties = seed_variety(untrained)
    # By the mean over all prompts, because one whose seeds hardly differ would make a ratio of chance.
    usual_variety = statistics.fmean(usual_varieties.values()) if usual_varieties else 0.0
    ratios = {prompt: value / usual_variety for prompt, value in seed_variety(row).items()} if usual_variety else {}
    usual = usual_distance({**untrained, **untrained_canaries})
    moved = drifts(canaries, untrained_canaries, usual) if usual else {}
    drift_of_seed = {
        seed: statistics.fmean(value for (_, other), value in moved.items() if other == seed) for _, seed in moved
    }
    by_picture = {}
    for prompt, seed in row:
        parts = [agreements.get((prompt, seed)), ratios.get(prompt)]
        parts.append(1 - drift_of_seed[seed] if seed in drift_of_seed else None)
        found = [min(1.0, max(0.0, part)) for part in parts if part is not None]
        if found:
            by_picture[prompt, seed] = statistics.fmean(found)
    return Flexibility(
        agreement=estimate(list(agreements.values())) if agreements else None,
        variety=estimate(list(ratios.values())) if ratios else None,
        drift=estimate(list(moved.values())) if moved else None,
        by_picture=by_picture,
    )


def prompt_agreement(row: Scenes, untrained: Scenes) -> dict[tuple[str, int], float]:
    """For each picture, whether its prompt moves it as the same prompt moves the base model's picture of that seed.

    The cosine of two shifts, each from the mean over all prompts of the seed, so that the person, who is in all of
    them, drops out. 1 is the same way, 0 another way. Empty with a single prompt.
    """
    agreements = {}
    for seed in dict.fromkeys(seed for _, seed in row):
        prompts = [prompt for prompt, other in row if other == seed and (prompt, seed) in untrained]
        if len(prompts) < 2:
            continue
        shifts, shifts_untrained = (
            _centred(np.array([scenes[prompt, seed] for prompt in prompts])) for scenes in (row, untrained)
        )
        for prompt, one_D, other_D in zip(prompts, shifts, shifts_untrained, strict=True):
            lengths = float(np.linalg.norm(one_D) * np.linalg.norm(other_D))
            agreements[prompt, seed] = float(one_D @ other_D) / lengths if lengths > 1e-9 else 0.0
    return agreements


def seed_variety(row: Scenes) -> dict[str, float]:
    """For each prompt the mean distance of its pictures to one another; empty with a single seed."""
    varieties = {}
    for prompt in dict.fromkeys(prompt for prompt, _ in row):
        scenes = [scene_D for (other, _), scene_D in row.items() if other == prompt]
        if len(scenes) > 1:
            varieties[prompt] = statistics.fmean(distance(*pair) for pair in itertools.combinations(scenes, 2))
    return varieties


def drifts(canaries: Scenes, untrained_canaries: Scenes, usual: float) -> dict[tuple[str, int], float]:
    """How far each picture without the person moves away from the base model's, in shares of how far apart two of the
    base model's pictures are: 0 is not at all, 1 as far as another picture altogether."""
    return {
        place: distance(scene_D, untrained_canaries[place]) / usual
        for place, scene_D in canaries.items()
        if place in untrained_canaries
    }


def usual_distance(untrained: Scenes) -> float | None:
    """The mean distance of different pictures of the base model; None with fewer than two, or where all are equal."""
    pairs = list(itertools.combinations(untrained.values(), 2))
    usual = statistics.fmean(distance(*pair) for pair in pairs) if pairs else 0.0
    return usual if usual > 1e-9 else None


def distance(one_D: np.ndarray, other_D: np.ndarray) -> float:
    """Half the squared distance."""
    return float(((one_D - other_D) ** 2).sum() / 2)


def _centred(rows_ND: np.ndarray) -> np.ndarray:
    return rows_ND - rows_ND.mean(axis=0)
