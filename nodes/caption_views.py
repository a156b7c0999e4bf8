"""Caption views: what the editor on AutoCaption is told of captions, as JSON for its `ui`. Knows no server.

A row: {"hash": SHA-256 of the user's file, "name": its path below the folder,
 "thumb": {"filename", "subfolder", "type"} for /view, "caption": as it is now, "plain": what it would be without this
 photo's edit, "origin": edit, file, copy, vision or template, "feature": what is unusual, "faceless": whether the
 caption says that there is no face, "face": true, false or null (found for sure, none found, nobody knows),
 "edited": bool}
A finding: {"kind": the same in every language, "text": sentence, "photos": [hash, ...],
 "fixes": [{"label": sentence, "edits": {hash: {"caption"?, "feature"?, "faceless"?}}}]}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..trainer.captions.dataset import CaptionedPhoto, Dataset, Finding
from ..trainer.captions.edits import CaptionEdit, CaptionEdits, photo_key
from ..trainer.messages import sentence
from ..trainer.photos.folder import shown_path
from . import host


def rows_json(dataset: Dataset, edits: CaptionEdits, small_paths: list[Path]) -> list[dict[str, Any]]:
    """The rows, in the photos' order. `small_paths` are their small pictures."""
    assert dataset.photo_set is not None, "captioning keeps it"
    folder = dataset.photo_set.folder
    return [
        _row(item, shown_path(item.photo.source_path, folder), path, edits)
        for item, path in zip(dataset.photos, small_paths, strict=True)
    ]


def findings_json(findings: tuple[Finding, ...], language: str) -> list[dict[str, Any]]:
    """The findings, their sentences in a language."""
    return [
        {
            "kind": finding.kind,
            "text": sentence(finding.message, language),
            "photos": finding.photos,
            "fixes": [
                {
                    "label": sentence(fix.label, language),
                    "edits": {key: _edit(edit) for key, edit in fix.edits.items()},
                }
                for fix in finding.fixes
            ],
        }
        for finding in findings
    ]


def _row(item: CaptionedPhoto, name: str, small_path: Path, edits: CaptionEdits) -> dict[str, Any]:
    key = photo_key(item.photo)
    return {
        "hash": key,
        "name": name,
        "thumb": host.show_output(small_path),
        "caption": item.caption,
        "plain": item.plain,
        "origin": item.origin,
        "feature": item.feature,
        "faceless": item.is_faceless,
        "face": item.face,
        "edited": key in edits.photos,
    }


def _edit(edit: CaptionEdit) -> dict[str, Any]:
    said = {"caption": edit.caption, "feature": edit.feature, "faceless": edit.faceless}
    return {name: value for name, value in said.items() if value is not None}
