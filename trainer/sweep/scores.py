"""Scores: what a sweep found out about each of its rows, in numbers and in plain sentences. Measures nothing."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..messages import LANGUAGES, Message, sentence
from ..training.keeping.results import SOUP_STEP
from .cells import UNTRAINED_STEP
from .scoring.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class CellScore:
    """What was found out about one picture of the person."""

    prompt: str
    seed: int
    name: str
    """The picture's file."""
    likeness: float | None
    """None without a scorer, or where no face was found."""
    is_copy: bool
    nearest_photo: str
    """The training photo it is nearest to by its pixels; empty where there are none to compare with."""


@dataclass(frozen=True, kw_only=True)
class RowScore:
    """A checkpoint at a strength. What could not be measured is None."""

    step: int
    """0 is the untrained model."""
    strength: float
    cells: tuple[CellScore, ...]
    likeness: Estimate | None = None
    """The cosine to the reference photos: 1 is the same, 0 nothing in common."""
    gain: Estimate | None = None
    """How much more alike than the untrained row, picture by picture of the same prompt and noise."""
    agreement: Estimate | None = None
    """Whether prompts move the pictures as they move the base model's: 1 the same way, 0 another way."""
    variety: Estimate | None = None
    """How much seeds differ, in shares of how much they do in the base model."""
    drift: Estimate | None = None
    """How far pictures without the person move away from the base model's: 0 not at all, 1 as far as another one."""
    flexibility: float | None = None
    """The mean of agreement, variety and 1 - drift, each kept within 0..1; as many of the three as were measured."""
    balance: Estimate | None = None
    """The share reached of the photos' own likeness, times flexibility."""
    validation: Estimate | None = None
    """Training's loss on held-out photos."""
    grain: float | None = None
    """Standard deviation of the pictures' grain in 8-bit levels."""
    by_heart: Estimate | None = None
    """How much nearer its pictures are to photos it was trained on than to others of the person, compared with the
    untrained row: 0 not at all, 1 as if they were those photos."""
    num_copies: int = 0
    """How many pictures are nearer to a training photo than another photo of the person would be."""
    rejected: Message | None = None
    """Why the copying gate keeps it from being recommended."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The outcome of a sweep."""

    rows: tuple[RowScore, ...]
    """The untrained model first."""
    scorer: str | None
    """Who judged the likeness, or None where nobody did."""
    licence: Message | None
    """The terms of that one's weights."""
    notes: tuple[Message, ...]
    """What was measured and how, and what could not be."""
    num_references: int
    are_held_out: bool
    """Whether the reference photos were kept out of training."""
    ceiling: float | None
    """The likeness of the reference photos to one another: about what a perfect LoRA reaches."""
    recommended_step: int
    recommended_strength: float
    runner_up: tuple[int, float] | None
    """Step and strength of the next best row."""
    reasons: tuple[Message, ...]
    """Why that row, and why not the next best."""
    remedies: tuple[Message, ...]
    """What to do about what was measured, in the guide's words."""

    def of(self, step: int, strength: float) -> RowScore | None:
        """The score of a row, or None where there is none."""
        return next((row for row in self.rows if (row.step, row.strength) == (step, strength)), None)

    @property
    def untrained(self) -> RowScore:
        """The base model's own row."""
        return self.rows[0]

    @property
    def recommended(self) -> RowScore | None:
        """The recommended row; None where it was not drawn."""
        return self.of(self.recommended_step, self.recommended_strength)

    def messages(self) -> tuple[Message, ...]:
        """The scores in plain sentences: the recommendation first, then what was measured."""
        measured = [message for row in self.rows for message in row_messages(row)]
        ceiling = [Message("sweep.ceiling", {"likeness": f"{self.ceiling:.3f}"})] if self.ceiling is not None else []
        licence = [self.licence] if self.licence else []
        return (*self.reasons, *self.remedies, *measured, *ceiling, *self.notes, *licence)


def row_messages(row: RowScore) -> Iterator[Message]:
    """What was measured of a row."""
    name = row_name(row.step, row.strength)
    if row.likeness:
        yield Message("sweep.row_likeness", {"row": name, "likeness": str(row.likeness), "num": row.likeness.num})
    if row.step == UNTRAINED_STEP:
        return
    parts = {"agreement": row.agreement, "variety": row.variety, "drift": row.drift}
    said = [Message(f"sweep.part_{part}", {"value": str(value)}) for part, value in parts.items() if value]
    if row.flexibility is not None and said:
        yield Message(
            "sweep.row_flexibility", {"row": name, "percent": f"{row.flexibility:.0%}", "parts": _listed(said)}
        )
    if row.balance:
        yield Message("sweep.row_balance", {"row": name, "balance": str(row.balance)})
    if row.validation:
        yield Message("sweep.row_validation", {"row": name, "loss": str(row.validation), "num": row.validation.num})
    if row.by_heart:
        yield Message("sweep.row_by_heart", {"row": name, "share": str(row.by_heart)})
    if row.rejected:
        yield row.rejected


def row_name(step: int, strength: float) -> Message:
    """A row as sentences name it."""
    if step == UNTRAINED_STEP:
        return Message("sweep.untrained")
    if step == SOUP_STEP:
        return Message("sweep.soup_row", {"strength": f"{strength:g}"})
    return Message("sweep.row", {"step": step, "strength": f"{strength:g}"})


def _listed(messages: list[Message]) -> Message:
    """Several messages, one after the other."""
    *others, last = messages
    return Message("sweep.listed", {"first": _listed(others), "last": last}) if others else last


def as_json(scores: Scores) -> dict[str, Any]:
    """The scores as plain values; each sentence in every language."""
    return {**_plain(scores), "sentences": [_plain(message) for message in scores.messages()]}


def _plain(value: Any) -> Any:
    if isinstance(value, Message):
        return {language: sentence(value, language) for language in LANGUAGES}
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


_ESTIMATES = ("likeness", "gain", "agreement", "variety", "drift", "balance", "validation", "by_heart")


def score_table(scores: Scores) -> str:
    """The rows as CSV text: one line per row, each estimate with half its 95 % interval in a column of its own."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    columns = [part for name in _ESTIMATES for part in (name, f"{name}_margin")]
    writer.writerow(["step", "strength", *columns, "flexibility", "grain", "copies", "pictures", "rejected", "choice"])
    choices = {(scores.recommended_step, scores.recommended_strength): "recommended", scores.runner_up: "runner-up"}
    for row in scores.rows:
        estimates = [getattr(row, name) for name in _ESTIMATES]
        numbers = [number for one in estimates for number in ((one.mean, one.margin) if one else (None, None))]
        numbers += [row.flexibility, row.grain]
        shown = ["" if number is None else f"{number:.6g}" for number in numbers]
        ends = [
            row.num_copies,
            len(row.cells),
            "yes" if row.rejected else "",
            choices.get((row.step, row.strength), ""),
        ]
        writer.writerow(["soup" if row.step == SOUP_STEP else row.step, f"{row.strength:g}", *shown, *ends])
    return text.getvalue()
