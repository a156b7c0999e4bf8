"""Sweep views: what a viewer of a sweep is told of its rows, columns and pictures, as plain values. Draws nothing.

    {"version": 1, "run": slug, "run_name": str, "choice": what was asked for, "picture_px": [width, height],
     "folder", "small_folder": where the pictures lie and smaller ones of the same names as JPEG, the latter null where
     they are small anyhow; "photos": {name: place} of training photos that pictures copy,
     "columns": [{"prompt", "seed", "is_canary"}], "rows": [row, ...] the untrained model first,
     "reasons", "remedies", "notes": [text, ...], "scorer": name or null, "ceiling": number or null}
    row: {"key": unique, "step", "strength", "label": text, "choice": what the node's choice says for it, or null,
     "mark": "recommended", "runner_up" or "", "rejected": text or null, "num_copies",
     "scores": {name: {"mean", "margin", "num"} or null}, "flexibility", "grain",
     "cells": [{"name": file, "likeness", "copied": name of a training photo or null}] in the columns' order}

A text is {language: sentence}, because the view is kept and the user's language may change. Places are what the
caller's `place` makes of a path.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import PIL.Image

from ..files import file_hash, slug
from ..messages import LANGUAGES, Message, in_every_language, sentence
from ..photos.cleaning.export import write_bytes
from ..photos.pixels import read_thumbnail
from ..photos.threads import in_threads
from ..training.keeping.results import SOUP_STEP
from .cells import UNTRAINED_STEP, RenderedCell
from .grid import GUIDE_LABELS, GUIDE_STEPS, ROWS_WITHOUT_STEP
from .run import SweepResult
from .scores import CellScore, RowScore
from .scoring.photos import KnownPhoto

VERSION = 1
SMALL_PX = 256
"""The longest side of the pictures in a viewer's grid."""
_PHOTO_PX = 768
_ESTIMATES = ("likeness", "gain", "agreement", "variety", "drift", "balance", "validation", "by_heart")

Place = Callable[[Path], dict[str, str]]
"""Where a file lies, as the viewer asks for it: {"filename", "subfolder", "type"}."""


def sweep_view(
    result: SweepResult,
    *,
    choice: str,
    place: Place,
    photos: Iterable[KnownPhoto] = (),
    on_picture: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """The view of a sweep. Writes the small pictures, and those of copied ones among `photos`, beside the cells.

    `on_picture` is called before every picture that is made small; what it raises goes through. Raises UserError for a
    full disk.
    """
    folder = result.grid_path.parent
    with PIL.Image.open(result.cells[0].path) as first:
        picture_px = first.size
    small_dir = folder / "small" if max(picture_px) > SMALL_PX else None
    if small_dir:
        _write_small([one.path for one in result.cells], small_dir, on_picture)
    rows: dict[tuple[int, float], list[RenderedCell]] = {}
    for one in result.cells:
        rows.setdefault((one.cell.step, one.cell.strength), []).append(one)
    columns = [one.cell for one in next(iter(rows.values()))]
    scores = result.scores
    return {
        "version": VERSION,
        "run": slug(result.checkpoints.run_name),
        "run_name": result.checkpoints.run_name,
        "choice": choice,
        "picture_px": list(picture_px),
        "folder": _folder(place, folder),
        "small_folder": _folder(place, small_dir) if small_dir else None,
        "photos": _copied_photos(scores.rows, photos, folder / "photos", place),
        "columns": [{"prompt": cell.prompt, "seed": cell.seed, "is_canary": cell.is_canary} for cell in columns],
        "rows": [_row(cells, result) for cells in rows.values()],
        "reasons": _texts(scores.reasons),
        "remedies": _texts(scores.remedies),
        "notes": _texts((*scores.notes, *((scores.licence,) if scores.licence else ()))),
        "scorer": scores.scorer,
        "ceiling": scores.ceiling,
    }


def _row(cells: list[RenderedCell], result: SweepResult) -> dict[str, Any]:
    cell, scores = cells[0].cell, result.scores
    place = (cell.step, cell.strength)
    score = scores.of(*place)
    mark = "recommended" if place == (scores.recommended_step, scores.recommended_strength) else ""
    judged = {(one.prompt, one.seed): one for one in score.cells} if score else {}
    return {
        "key": f"{cell.step}@{cell.strength:g}",
        "step": cell.step,
        "strength": cell.strength,
        "label": _label(cell.step, result.checkpoints.last_step),
        "choice": _choice(cell.step),
        "mark": "runner_up" if place == scores.runner_up else mark,
        "rejected": in_every_language(score.rejected) if score and score.rejected else None,
        "num_copies": score.num_copies if score else 0,
        "scores": {name: _estimate(score, name) for name in _ESTIMATES},
        "flexibility": score.flexibility if score else None,
        "grain": score.grain if score else None,
        "cells": [_cell(one, judged.get((one.cell.prompt, one.cell.seed))) for one in cells],
    }


def _cell(one: RenderedCell, judged: CellScore | None) -> dict[str, Any]:
    return {
        "name": one.path.name,
        "likeness": judged.likeness if judged else None,
        "copied": judged.nearest_photo if judged and judged.is_copy else None,
    }


def _choice(step: int) -> str | None:
    return None if step == UNTRAINED_STEP else "soup" if step == SOUP_STEP else str(step)


def _label(step: int, last_step: int) -> dict[str, str]:
    """What a row is called, with the guide's word for it where the run is as long as the guide's."""
    said = [Message("sweep.step", {"step": step}) if step > 0 else Message(ROWS_WITHOUT_STEP[step])]
    if last_step == GUIDE_STEPS and step in GUIDE_LABELS:
        said.append(Message(f"sweep.label_{GUIDE_LABELS[step]}"))
    return {language: " · ".join(sentence(one, language) for one in said) for language in LANGUAGES}


def _estimate(score: RowScore | None, name: str) -> dict[str, Any] | None:
    found = getattr(score, name) if score else None
    return {part: getattr(found, part) for part in ("mean", "margin", "num")} if found else None


def _texts(messages: Iterable[Message]) -> list[dict[str, str]]:
    return [in_every_language(message) for message in messages]


def _folder(place: Place, folder: Path) -> dict[str, str]:
    """Where the files of a folder lie: a place without the file."""
    return {name: value for name, value in place(folder / "any").items() if name != "filename"}


def _write_small(paths: list[Path], small_dir: Path, on_picture: Callable[[], None]) -> None:
    """The small JPEG of every picture that has none yet: a cell's name stands for its content."""

    def write(path: Path) -> None:
        _save_jpeg(path, small_dir / f"{path.stem}.jpg", SMALL_PX)

    missing = [path for path in paths if not (small_dir / f"{path.stem}.jpg").exists()]
    in_threads(write, missing, lambda *_: on_picture())


def _copied_photos(
    rows: Iterable[RowScore], photos: Iterable[KnownPhoto], folder: Path, place: Place
) -> dict[str, dict[str, str]]:
    """Pictures of the training photos that cells copy. A name that several photos have stands for none of them."""
    copied = {cell.nearest_photo for row in rows for cell in row.cells if cell.is_copy}
    if not copied:
        return {}
    known = [photo.path for photo in photos if photo.path.name in copied]
    num_of = Counter(path.name for path in known)
    shown = {}
    for path in (path for path in known if num_of[path.name] == 1):
        target = folder / f"{file_hash(path)[:24]}.jpg"
        if not target.exists():
            _save_jpeg(path, target, _PHOTO_PX)
        shown[path.name] = place(target)
    return shown


def _save_jpeg(path: Path, target: Path, size_px: int) -> None:
    encoded = io.BytesIO()
    read_thumbnail(path, size_px).save(encoded, format="JPEG", quality=85)
    write_bytes(encoded.getvalue(), target)
