"""Parts: how strongly each part of a LoRA is applied. Factors that multiply the one strength.

A module's factor is that of what it does (attention, mlp) times that of where it sits (early, middle and late thirds of
the main layers, refiners, embedders). What belongs to none of them, such as a layer's modulation, keeps its place's.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ..messages import UserError
from ..settings import check_settings, setting

_LOW, _HIGH, _STEP = -2.0, 2.0, 0.05
_LAYER = re.compile(r"layers\.(\d+)\.")


def _factor(doc: str) -> float:
    factor: float = setting(1.0, doc, low=_LOW, high=_HIGH, step=_STEP, advanced=True)
    return factor


@dataclass(frozen=True, kw_only=True)
class PartStrengths:
    """A factor for every part; all 1 means the LoRA as it is."""

    attention: float = _factor("How much of the strength attention modules get: where things are, and who.")
    mlp: float = _factor("How much of the strength feed forward modules get: texture, colour, style.")
    early_blocks: float = _factor("How much of the strength the first third of the layers gets: composition and pose.")
    middle_blocks: float = _factor("How much of the strength the middle third of the layers gets: shapes and identity.")
    late_blocks: float = _factor("How much of the strength the last third of the layers gets: details and skin.")
    refiners: float = _factor("How much of the strength the refiner blocks before the layers get.")
    embedders: float = _factor("How much of the strength the embedders and the final layer get.")

    def __post_init__(self) -> None:
        check_settings(self)

    def factor_of(self, module: str, num_layers: int) -> float:
        """The factor of a module of a model with that many main layers."""
        factor = self._of_place(module, num_layers)
        if ".attention." in module:
            factor *= self.attention
        if ".feed_forward." in module:
            factor *= self.mlp
        return factor

    def _of_place(self, module: str, num_layers: int) -> float:
        if layer := _LAYER.match(module):
            third = 3 * int(layer[1]) // max(num_layers, 1)
            return (self.early_blocks, self.middle_blocks, self.late_blocks)[min(third, 2)]
        if module.startswith(("noise_refiner.", "context_refiner.")):
            return self.refiners
        return self.embedders


WHOLE = PartStrengths()
"""Every part at the one strength."""


def check_strength(strength: float) -> None:
    """Raise UserError for a strength that is no number."""
    if not math.isfinite(strength):
        raise UserError("apply.bad_strength", value=strength)
