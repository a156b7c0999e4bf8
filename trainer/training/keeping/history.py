"""History: what a run tells of itself, line by line in `events.jsonl`, and how it is read back. Loads no torch.

A line is a step with its loss and the photos it was made of, or a validation. Each is written by a handle of its own,
so that none is held while the host works; a line that a crash damaged is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...files import as_user_error, write_text_whole
from ..evidence.loss_watch import PhotoLoss
from ..evidence.verdict import Validation

EVENTS_NAME = "events.jsonl"


def append_step(run_dir: Path, step: int, loss: float, photos: Sequence[PhotoLoss]) -> None:
    """Add a step."""
    found = [[one.photo_index, round(one.sigma, 6), one.loss] for one in photos]
    _append(run_dir, {"step": step, "loss": loss, "photos": found})


def append_validation(run_dir: Path, validation: Validation) -> None:
    """Add a validation."""
    _append(run_dir, {"validated": validation.step, "losses": validation.losses})


def keep_until(run_dir: Path, step: int) -> None:
    """Forget what came after a step, and what a crash damaged."""
    lines = (json.dumps(line) + "\n" for line in _lines(run_dir) if _step_of(line) <= step)
    write_text_whole(run_dir / EVENTS_NAME, "".join(lines))


def read_losses(run_dir: Path, up_to_step: int) -> dict[int, float]:
    """The loss by step, in order, up to a step."""
    losses = {_step_of(line): float(line["loss"]) for line in _lines(run_dir) if "step" in line}
    return {step: loss for step, loss in sorted(losses.items()) if step <= up_to_step}


def read_photo_losses(run_dir: Path) -> list[PhotoLoss]:
    """What each step found out about its photos, oldest first."""
    return [
        PhotoLoss(photo_index=int(photo_index), sigma=float(sigma), loss=float(loss))
        for line in _lines(run_dir)
        for photo_index, sigma, loss in line.get("photos", ())
    ]


def read_validations(run_dir: Path, up_to_step: int) -> tuple[Validation, ...]:
    """The validations up to a step, in order of their steps."""
    found = {
        _step_of(line): Validation(step=_step_of(line), losses=tuple(map(tuple, line["losses"])))
        for line in _lines(run_dir)
        if "validated" in line
    }
    return tuple(found[step] for step in sorted(found) if step <= up_to_step)


def _append(run_dir: Path, line: dict[str, Any]) -> None:
    path = run_dir / EVENTS_NAME
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        raise as_user_error(error, path) from error


def _lines(run_dir: Path) -> Iterator[dict[str, Any]]:
    """The lines that are whole."""
    path = run_dir / EVENTS_NAME
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        try:
            line = json.loads(text)
            _step_of(line)
            if "step" in line:
                float(line["loss"])
        except (ValueError, KeyError, TypeError):
            continue
        yield line


def _step_of(line: dict[str, Any]) -> int:
    return int(line["validated"] if "validated" in line else line["step"])
