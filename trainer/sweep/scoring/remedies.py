"""Remedies: what the guide says to do, where its symptom was measured. Measures nothing itself.

The guide: overfitted -> an earlier checkpoint; weak detail of the face -> more close-ups; inconsistent -> more angles;
grain -> better photos. Added: likeness that still rises, prompts and seeds that are no longer followed.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence

from ...messages import Message
from ...training.keeping.results import SOUP_STEP
from ..cells import UNTRAINED_STEP
from ..scores import RowScore, row_name
from .estimate import paired

_REACHED = 0.8
"""A share of the photos' own likeness below which something is missing."""
_CLOSE_UPS = 0.4
"""The guide's least share of close-ups."""
_UNEVEN, _UNEVEN_SHARE = 2.0, 0.15
"""Likeness is inconsistent if it changes from picture to picture so many times as much as from photo to photo, and by
so large a share of what was gained."""
_GRAINIER, _GRAIN = 1.5, 2.0
"""So many times the base model's own grain, and at least so many 8-bit levels more."""
_MUCH_DRIFT = 0.5
_LITTLE = 0.5


def remedies(
    rows: Sequence[RowScore],
    chosen: RowScore,
    *,
    reference_spread: float | None,
    reach: float | None,
    shots: Mapping[str, int],
) -> tuple[Message, ...]:
    """What to do. `reference_spread` is the standard deviation of each reference photo's likeness to the others;
    `reach` the share that the chosen row reaches of the photos' own likeness; `shots` counts the run's photos."""
    return tuple(_remedies(rows, chosen, reference_spread, reach, shots))


def _remedies(
    rows: Sequence[RowScore],
    chosen: RowScore,
    reference_spread: float | None,
    reach: float | None,
    shots: Mapping[str, int],
) -> Iterator[Message]:
    if any(row.rejected for row in rows) or _worse_later(rows, chosen):
        yield Message("sweep.remedy_overfitted", {"row": row_name(chosen.step, chosen.strength)})
    elif (rise := still_rising(rows, chosen)) is not None:
        yield Message("sweep.remedy_train_longer", {"rise": rise, "step": chosen.step})
    if chosen.drift and chosen.drift.mean - (chosen.drift.margin or 0.0) > _MUCH_DRIFT:
        yield Message("sweep.remedy_drift", {"drift": str(chosen.drift), "strength": f"{chosen.strength:g}"})
    if chosen.agreement and chosen.agreement.mean + (chosen.agreement.margin or 0.0) < _LITTLE:
        yield Message("sweep.remedy_prompts", {"agreement": str(chosen.agreement)})
    if chosen.variety and chosen.variety.mean + (chosen.variety.margin or 0.0) < _LITTLE:
        yield Message("sweep.remedy_variety", {"variety": str(chosen.variety)})
    known = sum(number for shot, number in shots.items() if shot and shot != "unknown")
    if reach is not None and reach < _REACHED and known and shots.get("close-up", 0) < _CLOSE_UPS * known:
        values = {"reach": f"{reach:.0%}", "close": shots.get("close-up", 0), "num": known}
        yield Message("sweep.remedy_close_ups", values)
    found = [cell.likeness for cell in chosen.cells if cell.likeness is not None]
    gained = chosen.gain.mean if chosen.gain else 0.0
    uneven = max(_UNEVEN * (reference_spread or 0.0), _UNEVEN_SHARE * gained)
    if reference_spread and len(found) > 2 and statistics.stdev(found) > uneven:
        values = {"spread": f"{statistics.stdev(found):.3f}", "photos": f"{reference_spread:.3f}"}
        yield Message("sweep.remedy_angles", values)
    grain, before = chosen.grain, rows[0].grain
    if grain is not None and before is not None and grain > max(_GRAINIER * before, before + _GRAIN):
        yield Message("sweep.remedy_grain", {"grain": f"{grain:.1f}", "before": f"{before:.1f}"})


def still_rising(rows: Sequence[RowScore], chosen: RowScore) -> str | None:
    """How much more alike the last checkpoint is than the one before it, where it is the chosen one and chance is ruled
    out; else None."""
    same = [row for row in rows if row.strength == chosen.strength and row.step not in (UNTRAINED_STEP, SOUP_STEP)]
    if len(same) < 2 or same[-1] is not chosen:
        return None
    pairs = [
        (later.likeness, earlier.likeness)
        for later, earlier in zip(same[-1].cells, same[-2].cells, strict=True)
        if later.likeness is not None and earlier.likeness is not None
    ]
    rise = paired(*zip(*pairs, strict=True)) if pairs else None
    return f"+{rise}" if rise and rise.is_above_zero else None


def _worse_later(rows: Sequence[RowScore], chosen: RowScore) -> bool:
    """Whether the balance of the last checkpoint is below the chosen one's, beyond both their intervals."""
    of_steps = [row for row in rows if row.strength == chosen.strength and row.step != SOUP_STEP]
    last = of_steps[-1] if of_steps else chosen
    if last is chosen or not (last.balance and chosen.balance):
        return False
    margins = (last.balance.margin or 0.0) + (chosen.balance.margin or 0.0)
    return chosen.balance.mean - last.balance.mean > margins
