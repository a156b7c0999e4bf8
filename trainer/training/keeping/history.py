"""History: what a run tells of itself, line by line in `events.jsonl`, and how training reads it back. Loads no torch.

A line is an object whose first name says what happened and has the step at which it did:

    step       loss, rate (the learning rate), s (seconds), at, the photos it was made of
    validated  losses by photo and sigma, s, at
    began      total_steps, at: the first step that a queue made, or went on with
    planned    the figures of telling.events.MemoryPlanned, at
    measured   peak_bytes, at: more of the device's memory than ever before
    saved      at: a checkpoint's file was written
    drawn      prompt, file, at: a preview in `previews/`
    warned     key, values, at
    ended      how (stopped, finished or failed), at; where it failed key and values of the error

`at` is Unix time. Lines of older versions have fewer parts. Each line is written by a handle of its own, so that none
is held while the host works; a line that a crash damaged is passed over.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...files import as_user_error, write_text_whole
from ..evidence.loss_watch import PhotoLoss
from ..evidence.verdict import Validation

EVENTS_NAME = "events.jsonl"
OF_STEPS = ("step", "validated", "measured", "saved", "drawn")
"""What is forgotten with the step it belongs to; what was said to the user stays said."""
STEP_BEGINS = b'{"step"'
"""How the line of a step begins, and no other: nearly all lines are such ones, and most readers can pass them by."""
KINDS = (*OF_STEPS, "began", "planned", "warned", "ended")


def append_step(
    run_dir: Path, step: int, loss: float, photos: Sequence[PhotoLoss], *, rate: float, seconds: float, at: float
) -> None:
    """Add a step."""
    found = [[one.photo_index, round(one.sigma, 6), one.loss] for one in photos]
    took = float(f"{seconds:.4g}")
    _append(run_dir, {"step": step, "loss": loss, "rate": rate, "s": took, "at": round(at, 2), "photos": found})


def append_validation(run_dir: Path, validation: Validation, *, seconds: float, at: float) -> None:
    """Add a validation."""
    line = {"validated": validation.step, "losses": validation.losses, "s": float(f"{seconds:.4g}")}
    _append(run_dir, {**line, "at": round(at, 2)})


def append_event(run_dir: Path, kind: str, step: int, fields: Mapping[str, Any], *, at: float) -> None:
    """Add what else happened; `kind` is one of KINDS, `fields` are plain values."""
    assert kind in KINDS, kind
    _append(run_dir, {kind: step, **fields, "at": round(at, 2)})


def keep_until(run_dir: Path, step: int) -> None:
    """Forget what came after a step, and what a crash damaged."""
    lines = (
        json.dumps(line) + "\n" for line in _lines(run_dir) if kind_of(line) not in OF_STEPS or step_of(line) <= step
    )
    write_text_whole(run_dir / EVENTS_NAME, "".join(lines))


def read_losses(run_dir: Path, up_to_step: int) -> dict[int, float]:
    """The loss by step, in order, up to a step."""
    losses = {step_of(line): float(line["loss"]) for line in _lines(run_dir) if kind_of(line) == "step"}
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
    return validations_in(_lines(run_dir, but_steps=True), up_to_step)


def validations_in(lines: Iterable[Mapping[str, Any]], up_to_step: float = math.inf) -> tuple[Validation, ...]:
    """The validations among lines, each step's last one, up to a step and in order."""
    found = {step_of(line): _validation(line) for line in lines if kind_of(line) == "validated"}
    return tuple(found[step] for step in sorted(found) if step <= up_to_step)


def parse_line(text: str | bytes) -> dict[str, Any] | None:
    """A line that is whole, else None."""
    try:
        line = json.loads(text)
        step_of(line)
        if kind_of(line) == "step":
            float(line["loss"])
        if kind_of(line) == "validated":
            _ = _validation(line).loss
    except (ValueError, LookupError, TypeError):
        return None
    return dict(line)


def kind_of(line: Mapping[str, Any]) -> str:
    """Which of KINDS a line is. Raises LookupError for none."""
    for kind in KINDS:
        if kind in line:
            return kind
    raise LookupError("a line of no known kind")


def step_of(line: Mapping[str, Any]) -> int:
    """The step that a line belongs to."""
    return int(line[kind_of(line)])


def _validation(line: Mapping[str, Any]) -> Validation:
    return Validation(step=step_of(line), losses=tuple(map(tuple, line["losses"])))


def _append(run_dir: Path, line: dict[str, Any]) -> None:
    path = run_dir / EVENTS_NAME
    try:
        with open(path, "a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        raise as_user_error(error, path) from error


def _lines(run_dir: Path, *, but_steps: bool = False) -> Iterator[dict[str, Any]]:
    """The lines that are whole, or those of them that are no steps."""
    path = run_dir / EVENTS_NAME
    for text in path.read_bytes().splitlines() if path.is_file() else ():
        if not (but_steps and text.startswith(STEP_BEGINS)) and (line := parse_line(text)):
            yield line
