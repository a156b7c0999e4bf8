"""Facts: what a card tells about a LoRA, read from its file and, where it is one of ours, from its run's folder.

Photos are counted, never named; captions stay at home.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..lora_files.metadata import Words, stated_words
from ..photos.photo import SHOTS
from ..training.keeping.history import EVENTS_NAME, read_losses, read_validations
from ..training.keeping.record import read_record
from ..training.keeping.results import SOUP_STEP

SCORES_NAME = "scores.json"
_SETTINGS = (
    "network_type", "linear_rank", "linear_alpha", "target_modules", "learning_rate", "lr_schedule", "optimizer",
    "batch_size", "gradient_accumulation", "training_resolution", "timestep_type", "noise_bias", "precision", "seed",
)  # fmt: skip
_LAST_STEPS = 100
_ROW_KEY = ("step", "strength")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a LoRA; empty where nothing is."""

    words: Words
    is_turbo: bool
    settings: tuple[tuple[str, str], ...] = ()
    dataset: tuple[tuple[str, int], ...] = ()
    """Counts: `photos`, and `held_out` for those kept out of training."""
    shots: tuple[tuple[str, int], ...] = ()
    """How many photos there are of each kind of shot that was recognised."""
    loss: float | None = None
    """The mean of the last steps up to this checkpoint."""
    validation: tuple[tuple[int, float], ...] = ()
    """The mean loss on the photos kept out, by step; 0 is the untrained model."""
    scores: tuple[Mapping[str, str], ...] = ()
    """The sweep's table, a row per checkpoint and strength."""
    step: int | None = None


def read_facts(metadata: Mapping[str, str], run_dir: Path | None, step: int | None) -> Facts:
    """The facts of a LoRA file with that metadata; `run_dir` and `step` are None for one that was not made here."""
    record = _record(run_dir)
    config = record.get("config") or _parsed(metadata.get("zimage_lora.config", ""))
    settings = [(name, str(config[name])) for name in _SETTINGS if isinstance(config, dict) and name in config]
    if adapter := metadata.get("zimage_lora.training_adapter"):
        settings.append(("training_adapter", adapter))
    has_events = run_dir is not None and step is not None and (run_dir / EVENTS_NAME).is_file()
    return Facts(
        words=stated_words(metadata),
        is_turbo="turbo" in metadata.get("modelspec.architecture", "turbo"),
        settings=tuple(settings),
        dataset=_count(record, metadata),
        shots=_shots(record),
        loss=_loss(run_dir, step) if has_events and run_dir and step else None,
        validation=_validation(run_dir, step) if has_events and run_dir and step else (),
        scores=_scores(run_dir / "sweep" / SCORES_NAME) if run_dir else (),
        step=step,
    )


def _record(run_dir: Path | None) -> Mapping[str, Any]:
    return (read_record(run_dir) or {}) if run_dir else {}


def _count(record: Mapping[str, Any], metadata: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    photos = record.get("photos")
    if not isinstance(photos, list):
        num = metadata.get("ss_num_train_images", "")
        return (("photos", int(num)),) if num.isdecimal() else ()
    held_out = (record.get("validation") or {}).get("held_out") or ()
    return (("photos", len(photos)), *([("held_out", len(held_out))] if held_out else []))


def _shots(record: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    shots = Counter(str(photo.get("shot")) for photo in record.get("photos", ()))
    return tuple((shot, shots[shot]) for shot in SHOTS if shots[shot])


def _loss(run_dir: Path, step: int) -> float | None:
    losses = list(read_losses(run_dir, step).values())[-_LAST_STEPS:]
    return sum(losses) / len(losses) if losses else None


def _validation(run_dir: Path, step: int) -> tuple[tuple[int, float], ...]:
    means = []
    for validation in read_validations(run_dir, step):
        losses = [loss for losses in validation.losses for loss in losses]
        means.append((validation.step, sum(losses) / len(losses) if losses else 0.0))
    return tuple(means)


def _scores(path: Path) -> tuple[Mapping[str, str], ...]:
    """The rows of a sweep's scores that are numbers or estimates, as text."""
    data = _parsed(path.read_text(encoding="utf-8-sig", errors="replace")) if path.is_file() else {}
    rows = data.get("rows") if isinstance(data, dict) else None
    table = []
    for row in rows if isinstance(rows, list) else ():
        cells = {name: _cell(value) for name, value in row.items()} if isinstance(row, dict) else {}
        if cells.get("step") == str(SOUP_STEP):
            cells["step"] = "soup"
        best = isinstance(row, dict) and all(row.get(name) == data.get(f"recommended_{name}") for name in _ROW_KEY)
        table.append({name: cell for name, cell in cells.items() if cell} | ({"recommended": "✓"} if best else {}))
    return tuple(row for row in table if row)


def _cell(value: Any) -> str:
    if isinstance(value, dict) and isinstance(value.get("mean"), int | float):
        margin = value.get("margin")
        return f"{value['mean']:.3f}" + (f" ± {margin:.3f}" if isinstance(margin, int | float) else "")
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return {}
