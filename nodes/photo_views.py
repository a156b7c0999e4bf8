"""Photo views: what the viewer on CleanAndResize is told of each photo, as JSON for its `ui`. Knows no server.

    {"hash": SHA-256 of the user's file, "name": its path below the folder, "size": [width, height] upright,
     "before", "before_small", "after", "after_small": {"filename", "subfolder", "type"} for /view; after*: null if set
     aside, "after_size": [width, height] or null, "frame": [left, top, right, bottom] that is kept,
     "faces": [box, ...] all that were found, "subject": which of them is the subject's or null, "marks": [box, ...],
     "labels": {"shot", "pose", "expression", "manner"}, "labelled": [those set by hand],
     "findings": [sentence, ...], "done": [sentence, ...], "set_aside": null or {"reason": sentence, "by_hand": bool},
     "edited": bool}

Boxes are shares of the user's whole upright file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..trainer.messages import sentence
from ..trainer.photos.cleaning.views import PhotoView
from . import host


def as_json(view: PhotoView, language: str) -> dict[str, Any]:
    """One photo, its sentences in a language."""
    judgement = view.judgement
    set_aside = view.set_aside and {"reason": sentence(view.set_aside, language), "by_hand": view.by_hand}
    return {
        "hash": view.source_hash,
        "name": view.name,
        "size": view.size_px,
        "before": host.show_output(view.before_path),
        "before_small": host.show_output(view.before_small_path),
        "after": _shown(view.after_path),
        "after_small": _shown(view.after_small_path),
        "after_size": view.after_px,
        "frame": view.frame,
        "faces": view.faces,
        "subject": view.subject_index,
        "marks": view.marks,
        "labels": {name: getattr(judgement, name) for name in ("shot", "pose", "expression", "manner")},
        "labelled": judgement.labelled,
        "findings": [sentence(finding, language) for finding in judgement.findings],
        "done": [sentence(message, language) for message in view.done],
        "set_aside": set_aside,
        "edited": view.edited,
    }


def _shown(path: Path | None) -> dict[str, str] | None:
    return host.show_output(path) if path else None
