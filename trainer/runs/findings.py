"""Findings: what a run's history says, as plain values for a browser. Pure, but for the files it asks the disk for.

A message is {"key", "values", "text": {language: sentence}}.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..messages import Message, as_plain, from_plain, in_every_language
from ..sweep.grid import GUIDE_LABELS, GUIDE_STEPS
from ..training.evidence.verdict import UNTRAINED_STEP, Validation, Verdict, compare
from ..training.keeping.checksums import is_whole
from ..training.keeping.history import kind_of, step_of
from ..training.keeping.job import lora_files_in
from ..training.telling.phases import phase_spans

Line = Mapping[str, Any]
Place = Callable[[Path], dict[str, str]]
"""Where a file lies, as a browser asks for it: {"filename", "subfolder", "type"}."""


def short(number: float) -> float:
    """Six digits: more than a screen shows."""
    return float(f"{number:.6g}")


def message_value(message: Message) -> dict[str, Any]:
    """A message, said in every language."""
    return {**as_plain(message), "text": in_every_language(message)}


def of_kind(lines: Sequence[Line], kind: str) -> list[Line]:
    """The lines of a kind, in order."""
    return [line for line in lines if kind_of(line) == kind]


def phase_values(num_steps: int) -> list[dict[str, Any]]:
    """The guide's phases of a run."""
    return [
        {"from": first, "to": last, "key": key, "text": in_every_language(Message(key))}
        for first, last, key in phase_spans(num_steps)
    ]


def validation_values(lines: Sequence[Line], validations: Sequence[Validation]) -> list[dict[str, Any]]:
    """Each validation, with how much higher its loss is than the one before, and half of that change's interval."""
    line_of = {step_of(line): line for line in of_kind(lines, "validated")}
    found = []
    for before, validation in zip([None, *validations], validations):
        change = compare(validation, before) if before else None
        found.append(
            {
                "step": validation.step,
                "at": line_of[validation.step].get("at"),
                "loss": short(validation.loss),
                "num_photos": len(validation.losses),
                "before_step": before.step if before else None,
                "change": short(change.mean) if change else 0.0,
                "margin": short(change.margin) if change else 0.0,
                "seconds": line_of[validation.step].get("s"),
            }
        )
    return found


def checkpoint_values(lora_dir: Path, total_steps: int, validations: Sequence[Validation]) -> list[dict[str, Any]]:
    """The LoRA files on disk that are whole, oldest first; `loss` is that on held-out photos."""
    loss_of = {
        validation.step: short(validation.loss) for validation in validations if validation.step != UNTRAINED_STEP
    }
    found = []
    for checkpoint in lora_files_in(lora_dir):
        if not is_whole(checkpoint.path, thorough=False):
            continue
        name = GUIDE_LABELS.get(checkpoint.step) if total_steps == GUIDE_STEPS else None
        found.append(
            {
                "step": checkpoint.step,
                "file": checkpoint.path.name,
                "lora_name": os.path.join(lora_dir.name, checkpoint.path.name),
                "bytes": checkpoint.path.stat().st_size,
                "loss": loss_of.get(checkpoint.step),
                "label": in_every_language(Message(f"sweep.label_{name}")) if name else None,
            }
        )
    return found


def recommended_value(verdict: Verdict | None) -> dict[str, Any] | None:
    """The checkpoint to use, and why."""
    if verdict is None:
        return None
    return {"step": verdict.step, "best_step": verdict.best_step, "reason": message_value(verdict.reason)}


def warning_values(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """What the user was warned of, each once: a run that goes on says the same things again."""
    first: dict[str, dict[str, Any]] = {}
    for line in of_kind(lines, "warned"):
        if message := _message_in(line):
            said = {"step": step_of(line), "at": line.get("at"), **message_value(message)}
            first.setdefault(json.dumps([said["key"], said["values"]], sort_keys=True), said)
    return list(first.values())


def preview_values(lines: Sequence[Line], previews_dir: Path, place: Place) -> list[dict[str, Any]]:
    """The previews that are still there, oldest first; one that was drawn anew counts once."""
    found = {
        str(line.get("file")): {"step": step_of(line), "prompt": str(line.get("prompt", ""))}
        for line in of_kind(lines, "drawn")
    }
    return [
        {**drawn, "picture": place(previews_dir / name)}
        for name, drawn in found.items()
        if Path(name).name == name and (previews_dir / name).is_file()
    ]


def plan_value(lines: Sequence[Line]) -> dict[str, Any] | None:
    """The plan for memory that the newest session made, None for runs of older versions."""
    planned = of_kind(lines, "planned")
    if not planned:
        return None
    figures = {name: value for name, value in planned[-1].items() if name not in ("planned", "at")}
    return {**figures, "from_step": step_of(planned[-1])}


def peak_bytes(lines: Sequence[Line]) -> int | None:
    """The most that the newest session has held of its device's memory, None where nobody measured."""
    planned = [index for index, line in enumerate(lines) if kind_of(line) == "planned"]
    measured = of_kind(lines[planned[-1] if planned else 0 :], "measured")
    return max((int(line["peak_bytes"]) for line in measured), default=None)


def last_ending(lines: Sequence[Line]) -> str | None:
    """How the newest session ended: `stopped`, `finished` or `failed`; None where it never came to an end."""
    ends = [line for line in lines if kind_of(line) in ("began", "ended")]
    return str(ends[-1].get("how")) if ends and kind_of(ends[-1]) == "ended" else None


def last_error(lines: Sequence[Line]) -> Message | None:
    """What ended the newest session, where it failed."""
    return _message_in(of_kind(lines, "ended")[-1]) if last_ending(lines) == "failed" else None


def _message_in(line: Line) -> Message | None:
    try:
        return from_plain(line)
    except (KeyError, TypeError, AttributeError):
        return None
